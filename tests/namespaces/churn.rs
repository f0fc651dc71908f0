//! Traffic: threads that open and end connections as fast as they can, in every way there is.
//!
//! Each holds one round's few sockets at a time, so how many there are at any moment is known but for these.

use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use crate::listener::{Admits, Listener, connect, local_address, new_socket};
use crate::rare::{
    abort, connect_to_itself, connect_to_itself_unheard, disconnect_and_connect_again, fast_open,
    multipath_connect, multipath_listener,
};
use crate::scene::{close_while_peer_does_not, expect_end, send_syn_unheard};
use crate::table::Family;

/// As many as do a few thousand rounds a second between them.
pub(crate) const THREADS: u64 = 12;

/// The most sockets of one state and family that a thread has at a time: both ends of two connections.
pub(crate) const HELD_BY_A_THREAD: u64 = 4;

/// The ways in which a round can go: each takes a breath with its sockets open, and ends with none left but in `TIME_WAIT`.
const ROUNDS: &[fn(&Ground)] = &[
    the_client_ends,
    the_server_ends,
    both_end_at_once,
    half_closed,
    orphaned,
    |ground| over_both_families(ground, Ipv4Addr::LOCALHOST.into()),
    |ground| over_both_families(ground, Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()),
    multipath,
    |ground| breathe(fast_open(&ground.plain)),
    fast_open_unheard,
    |ground| breathe(connect_to_itself(ground.ip)),
    open_at_once_unheard,
    reset,
    |ground| breathe(disconnect_and_connect_again(&ground.plain)),
    twins,
    unanswered,
    half_answered,
];

/// Between opening and ending a connection. Without it what the churn leaves in `TIME_WAIT` fills all ports before anybody has
/// read it often; and hardly ever would a reading see anything but that.
const BREATH: Duration = Duration::from_millis(2);

/// After so many no more is gained: what is in `TIME_WAIT` makes each reading take longer, and the churn leave more by the next.
const MANY_ROUNDS: u64 = 20_000;

/// Keeps sockets, or what has them, for a moment.
fn breathe<T>(sockets: T) {
    sleep(BREATH);
    drop(sockets);
}

/// What a thread has in one family: listeners that stay, as ports would run out otherwise.
struct Ground {
    ip: IpAddr,
    plain: Listener,
    dual: Listener,
    multipath: Option<Listener>,
}

impl Ground {
    fn new(family: Family) -> Self {
        let ip = family.loopback();
        Self {
            ip,
            plain: Listener::new(ip, Admits::Everything),
            dual: Listener::new(Ipv6Addr::UNSPECIFIED.into(), Admits::Everything),
            multipath: multipath_listener(ip).ok(),
        }
    }

    /// By family: what a ground of each has listening.
    fn listeners(&self) -> [(Family, u64); 2] {
        let own = 1 + u64::from(self.multipath.is_some());
        match self.ip {
            IpAddr::V4(_) => [(Family::Ipv4, own), (Family::Ipv6, 1)],
            IpAddr::V6(_) => [(Family::Ipv4, 0), (Family::Ipv6, own + 1)],
        }
    }
}

/// The running threads.
pub(crate) struct Churn {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
    /// Listeners that stay as long as the churn does.
    pub(crate) listeners: [(Family, u64); 2],
}

impl Churn {
    pub(crate) fn start() -> Self {
        // Each TIME_WAIT keeps a port for a minute.
        std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535").unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicU64::new(0));
        let mut listeners = [(Family::Ipv4, 0), (Family::Ipv6, 0)];
        let mut threads = Vec::new();
        for _ in 0..THREADS {
            let grounds = [Ground::new(Family::Ipv4), Ground::new(Family::Ipv6)];
            for ground in &grounds {
                for (all, (_, own)) in listeners.iter_mut().zip(ground.listeners()) {
                    all.1 += own;
                }
            }
            // Not all go the same way at the same time.
            let ways = (0..ROUNDS.len()).cycle().skip(3 * threads.len());
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            threads.push(std::thread::spawn(move || {
                for way in ways {
                    for ground in &grounds {
                        ROUNDS[way](ground);
                        rounds.fetch_add(1, Ordering::Relaxed);
                    }
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }));
        }
        Self {
            stop,
            rounds,
            threads,
            listeners,
        }
    }

    /// Rounds done so far.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Whether whoever has read it a few times has read it often enough.
    pub(crate) fn was_long(&self) -> bool {
        self.rounds() > MANY_ROUNDS
    }

    /// Ends the churn, and every socket of it that is not in `TIME_WAIT`.
    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

fn the_client_ends(ground: &Ground) {
    let (client, server) = ground.plain.pair();
    breathe(());
    drop(client);
    expect_end(&server);
}

fn the_server_ends(ground: &Ground) {
    let (client, server) = ground.plain.pair();
    breathe(server);
    expect_end(&client);
}

fn both_end_at_once(ground: &Ground) {
    let (client, server) = ground.plain.pair();
    breathe(());
    server.shutdown(Shutdown::Both).unwrap();
    drop((client, server));
}

fn half_closed(ground: &Ground) {
    let (client, server) = ground.plain.pair();
    client.shutdown(Shutdown::Write).unwrap();
    expect_end(&server);
    assert_eq!(server.send(b"still heard").unwrap(), 11);
    breathe(server);
    let mut heard = [MaybeUninit::uninit(); 32];
    assert_eq!(client.recv(&mut heard).unwrap(), 11);
}

/// One end becomes a mini-socket in `FIN_WAIT_2`, then in `TIME_WAIT`.
fn orphaned(ground: &Ground) {
    breathe(close_while_peer_does_not(&ground.plain));
}

fn over_both_families(ground: &Ground, ip: IpAddr) {
    let client = connect(SocketAddr::new(ip, ground.dual.address.port()));
    breathe((client, ground.dual.accept()));
}

fn multipath(ground: &Ground) {
    if let Some(listener) = &ground.multipath {
        let client = multipath_connect(listener.address);
        let server = listener.accept();
        assert_eq!(client.send(b".").unwrap(), 1);
        breathe(());
        // With a byte unread it resets, as each end would otherwise stay on for multipath TCP's own kind of farewell.
        drop(server);
        drop(client);
    }
}

/// Ended by resets, as both ends would otherwise wait a minute for what is never heard.
fn fast_open_unheard(ground: &Ground) {
    let deaf = Listener::new(ground.ip, Admits::OnlySyn);
    let sockets = fast_open(&deaf);
    breathe(());
    sockets.into_iter().for_each(abort);
}

fn open_at_once_unheard(ground: &Ground) {
    let socket = connect_to_itself_unheard(ground.ip);
    breathe(());
    abort(socket);
}

fn reset(ground: &Ground) {
    let (client, server) = ground.plain.pair();
    breathe(());
    abort(client);
    drop(server);
}

/// Listeners on one address, and a connection that whichever got it never accepts.
fn twins(ground: &Ground) {
    let mut address = SocketAddr::new(ground.ip, 0);
    let twins = [(); 3].map(|()| {
        let twin = new_socket(address.ip());
        twin.set_reuse_port(true).unwrap();
        twin.bind(&address.into()).unwrap();
        twin.listen(4).unwrap();
        address = local_address(&twin);
        twin
    });
    let client = connect(address);
    breathe(twins);
    drop(client);
}

fn unanswered(ground: &Ground) {
    let deaf = Listener::new(ground.ip, Admits::Nothing);
    breathe(send_syn_unheard(&deaf));
}

fn half_answered(ground: &Ground) {
    let deaf = Listener::new(ground.ip, Admits::OnlySyn);
    let client = connect(deaf.address);
    breathe(());
    // Or the request would outlive both by a second.
    deaf.socket.detach_filter().unwrap();
    abort(client);
}
