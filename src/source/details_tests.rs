use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::source::diag::message;
use crate::source::text;

/// A socket, to be written as the kernel would.
#[derive(Clone, Copy, Debug)]
struct Made {
    state: State,
    local: SocketAddr,
    remote: SocketAddr,
    uid: u32,
    inode: u32,
    received: u32,
    /// Of listeners, what netlink tells and the table does not.
    limit: u32,
}

const REMOTE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 443);

fn v4(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn v6(port: u16) -> SocketAddr {
    (Ipv6Addr::LOCALHOST, port).into()
}

/// An IPv4 address as an IPv6 socket has it.
fn mapped(address: SocketAddr) -> SocketAddr {
    let IpAddr::V4(ip) = address.ip() else {
        return address;
    };
    (ip.to_ipv6_mapped(), address.port()).into()
}

fn listener(port: u16, received: u32, limit: u32) -> Made {
    Made {
        state: State::Listen,
        local: v4(port),
        remote: (Ipv4Addr::UNSPECIFIED, 0).into(),
        uid: 0,
        inode: 7,
        received,
        limit,
    }
}

fn close_wait(local: SocketAddr, remote: SocketAddr, uid: u32, inode: u32) -> Made {
    Made {
        state: State::CloseWait,
        local,
        remote,
        uid,
        inode,
        received: 1,
        limit: 0,
    }
}

impl Made {
    fn family(&self) -> Family {
        if self.local.is_ipv4() {
            Family::Ipv4
        } else {
            Family::Ipv6
        }
    }

    fn line(&self, old: bool) -> String {
        let hex = |address: SocketAddr| {
            let octets = match address.ip() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let mut text = String::new();
            for word in octets.chunks(4) {
                let word = u32::from_ne_bytes(word.try_into().unwrap());
                let _ = write!(text, "{word:08X}");
            }
            format!("{text}:{:04X}", address.port())
        };
        // Kernels of long ago end behind the inode.
        let rest = if old {
            ""
        } else {
            " 1 0000000000000000 20 4 30 10 -1"
        };
        format!(
            "   0: {} {} {:02X} 00000000:{:08X} 00:00000000 00000000 {:5}        0 {}{rest}\n",
            hex(self.local),
            hex(self.remote),
            self.state as u8,
            self.received,
            self.uid,
            self.inode,
        )
    }

    fn message(&self) -> Vec<u8> {
        let mut body = vec![0_u8; 72];
        body[0] = if self.local.is_ipv4() { 2 } else { 10 };
        body[1] = self.state as u8;
        for (at, address) in [(8, self.local), (24, self.remote)] {
            match address.ip() {
                IpAddr::V4(ip) => body[at..at + 4].copy_from_slice(&ip.octets()),
                IpAddr::V6(ip) => body[at..at + 16].copy_from_slice(&ip.octets()),
            }
        }
        body[4..6].copy_from_slice(&self.local.port().to_be_bytes());
        body[6..8].copy_from_slice(&self.remote.port().to_be_bytes());
        for (at, number) in [
            (56, self.received),
            (60, self.limit),
            (64, self.uid),
            (68, self.inode),
        ] {
            body[at..at + 4].copy_from_slice(&number.to_ne_bytes());
        }
        // The attribute that every full socket has.
        body.extend([5, 0, 8, 0, 0, 0, 0, 0]);
        let length = u32::try_from(16 + body.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(message::GETSOCK.to_ne_bytes());
        bytes.extend([2, 0]);
        bytes.extend(1_u32.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(body);
        bytes
    }
}

fn attention(ports: &[u16]) -> Attention {
    Attention {
        ports: ports.into(),
        state: Some(State::CloseWait),
        inodes: true,
        listening: false,
    }
}

fn over_netlink(sockets: &[Made], attention: Attention) -> Details {
    let mut watcher = Watcher::new(attention);
    watcher.begin();
    for made in sockets {
        let seen = message::read(&made.message(), 1, |socket, _| watcher.see(socket));
        seen.unwrap();
    }
    watcher.end()
}

fn in_the_tables(sockets: &[Made], attention: Attention, old: bool) -> Details {
    let mut watcher = Watcher::new(attention);
    watcher.begin();
    for family in [Family::Ipv4, Family::Ipv6] {
        let of_family = sockets.iter().filter(|made| made.family() == family);
        let table: String = of_family.map(|made| made.line(old)).collect();
        let scanned = text::scan(
            table.as_bytes(),
            &mut text::Buffer::default(),
            &std::sync::atomic::AtomicBool::new(false),
            |row, line| watcher.see(&Socket::of_table(family, row, line)),
        );
        assert_eq!(scanned.unwrap().malformed, 0, "{table}");
    }
    watcher.end()
}

/// What the tables tell as well.
fn without_limits(mut details: Details) -> Details {
    let listeners = &mut details.listeners;
    listeners.full = None;
    let queues = std::iter::once(&mut listeners.longest).chain(&mut listeners.ports);
    for queue in queues.flatten() {
        queue.limit = None;
    }
    details
}

fn holders(sockets: &[Made]) -> Vec<(Option<u32>, Endpoint, u64)> {
    let details = over_netlink(sockets, attention(&[]));
    let groups = details.holders.unwrap().groups.into_iter();
    groups
        .map(|(holder, held)| (holder.uid, holder.endpoint, held.sockets))
        .collect()
}

#[test]
fn who_came_in_is_told_by_the_port_and_who_went_out_by_the_peer() {
    let sockets = [
        listener(80, 0, 5),
        close_wait(v4(80), REMOTE, 1000, 20),
        close_wait(v4(80), v4(5000), 1000, 21),
        close_wait(v4(40000), REMOTE, 1000, 22),
        close_wait(v4(80), REMOTE, 33, 23),
    ];
    assert_eq!(
        holders(&sockets),
        [
            (Some(33), Endpoint::Local(80), 1),
            (Some(1000), Endpoint::Local(80), 2),
            (Some(1000), Endpoint::Remote(REMOTE), 1)
        ]
    );
}

#[test]
fn a_port_is_listened_on_by_family_and_mapped_addresses_are_of_ipv6() {
    let dual = Made {
        local: mapped(v4(80)),
        ..listener(80, 0, 5)
    };
    let came_in = close_wait(mapped(v4(80)), mapped(REMOTE), 0, 20);
    assert_eq!(
        holders(&[dual, came_in, close_wait(v4(80), REMOTE, 0, 21)]),
        [
            (Some(0), Endpoint::Local(80), 1),
            (Some(0), Endpoint::Remote(REMOTE), 1)
        ],
        "nobody listens on it as IPv4"
    );
    let details = over_netlink(&[came_in], attention(&[]));
    let (holder, held) = details.holders.unwrap().groups.pop_first().unwrap();
    assert_eq!(holder.endpoint, Endpoint::Remote(REMOTE), "as what it is");
    assert_eq!(held.peer, Some(REMOTE.ip()));
}

#[test]
fn a_socket_that_no_process_can_hold_has_no_user_and_no_inode() {
    let sockets = [close_wait(v4(1), REMOTE, 0, 0)];
    assert_eq!(holders(&sockets), [(None, Endpoint::Remote(REMOTE), 1)]);
    let details = over_netlink(&sockets, attention(&[]));
    let held = details.holders.unwrap().groups.pop_first().unwrap().1;
    assert!(held.inodes.is_empty());
}

#[test]
fn nothing_is_gathered_that_is_not_wanted() {
    let sockets = [listener(80, 3, 2), close_wait(v4(80), REMOTE, 0, 20)];
    let nothing = over_netlink(&sockets, Attention::default());
    assert_eq!(nothing.holders, None);
    assert_eq!(nothing.listeners.longest.unwrap().length, 3);
    let nameless = Attention {
        inodes: false,
        ..attention(&[])
    };
    let details = over_netlink(&sockets, nameless);
    let held = details.holders.unwrap().groups.pop_first().unwrap().1;
    assert_eq!((held.sockets, held.inodes), (1, vec![]));
}

#[test]
fn a_reading_knows_nothing_of_the_one_before() {
    let mut watcher = Watcher::new(attention(&[]));
    let mut reading = |sockets: &[Made]| {
        watcher.begin();
        for made in sockets {
            message::read(&made.message(), 1, |socket, _| watcher.see(socket)).unwrap();
        }
        watcher.end()
    };
    let accepted = close_wait(v4(80), REMOTE, 0, 20);
    reading(&[listener(80, 9, 9), accepted]);
    let details = reading(&[accepted]);
    assert_eq!(details.listeners, Listeners::default());
    let groups = details.holders.unwrap().groups;
    let endpoint = groups.first_key_value().unwrap().0.endpoint;
    assert_eq!(
        endpoint,
        Endpoint::Remote(REMOTE),
        "nobody listens any more"
    );
}

fn any_socket() -> impl Strategy<Value = Made> {
    let state = prop::sample::select(vec![State::Listen, State::CloseWait, State::Established]);
    let address = (prop::sample::select(vec![0_u8, 1, 2]), 1_u16..6);
    (
        state,
        address,
        0_u8..3,
        0_u32..3,
        0_u32..9,
        (0_u32..4, 0_u32..4),
    )
        .prop_map(
            |(state, (form, port), peer, uid, inode, (received, limit))| {
                let is_listener = state == State::Listen;
                let peer = if is_listener { 0 } else { peer };
                let remote = SocketAddr::new(Ipv4Addr::new(10, 0, 0, peer).into(), u16::from(peer));
                let (local, remote) = match form {
                    0 => (v4(port), remote),
                    1 => (mapped(v4(port)), mapped(remote)),
                    _ => (v6(port), (Ipv6Addr::LOCALHOST, 9).into()),
                };
                let inode = if is_listener { inode + 1 } else { inode };
                Made {
                    state,
                    local,
                    remote,
                    uid,
                    inode,
                    received,
                    limit,
                }
            },
        )
}

/// Sockets as the kernel tells them: one family after the other, listeners first.
fn sockets() -> impl Strategy<Value = Vec<Made>> {
    prop::collection::vec(any_socket(), 0..30).prop_map(|mut sockets| {
        sockets.sort_by_key(|made| (!made.local.is_ipv4(), made.state != State::Listen));
        sockets
    })
}

proptest! {
    #[test]
    fn the_same_sockets_are_the_same_details_whichever_way_they_are_told(sockets in sockets()) {
        let expected = without_limits(over_netlink(&sockets, attention(&[1, 2])));
        for old in [false, true] {
            let found = without_limits(in_the_tables(&sockets, attention(&[1, 2]), old));
            prop_assert_eq!(&found, &expected);
        }
        let close_wait = sockets.iter().filter(|made| made.state == State::CloseWait);
        prop_assert_eq!(expected.holders.unwrap().total(), close_wait.count() as u64);
    }

    #[test]
    fn namespaces_together_are_as_large_as_each_by_itself(one in sockets(), other in sockets()) {
        let details = [&one, &other].map(|sockets| over_netlink(sockets, attention(&[1])));
        let [mut both, more] = details.clone();
        both.merge(more);
        let total = |details: &Details| details.holders.as_ref().unwrap().total();
        prop_assert_eq!(total(&both), details.iter().map(total).sum::<u64>());
        let longest = details.iter().filter_map(|details| details.listeners.longest);
        let longest = longest.map(|queue| queue.length).max();
        prop_assert_eq!(both.listeners.longest.map(|queue| queue.length), longest);
        let full: Vec<_> = details.iter().filter_map(|details| details.listeners.full).collect();
        prop_assert_eq!(both.listeners.full, (!full.is_empty()).then(|| full.iter().sum()));
        let port = |details: &Details| details.listeners.ports[0].map(|queue| queue.length);
        prop_assert_eq!(port(&both), details.iter().filter_map(port).max());
    }
}

#[test]
fn a_group_of_two_namespaces_has_other_peers_if_either_has_or_they_differ() {
    let to = |last, inode| {
        let remote = SocketAddr::new(Ipv4Addr::new(10, 0, 0, last).into(), 9);
        over_netlink(
            &[listener(80, 0, 1), close_wait(v4(80), remote, 0, inode)],
            attention(&[]),
        )
    };
    for (other, has_more) in [(1, false), (2, true)] {
        let mut both = to(1, 20);
        both.merge(to(other, 21));
        let held = both.holders.unwrap().groups.pop_first().unwrap().1;
        assert_eq!(held.has_more_peers, has_more);
        assert_eq!(held.peer, Some(Ipv4Addr::new(10, 0, 0, 1).into()));
        assert_eq!((held.sockets, held.received), (2, 2));
        assert_eq!(held.inodes, [20, 21]);
    }
}

#[path = "details_bounds_tests.rs"]
mod bounds;

#[path = "listening_tests.rs"]
mod listening;
