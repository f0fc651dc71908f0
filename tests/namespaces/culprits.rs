//! Who holds connections in `CLOSE_WAIT`: real ones, of several users, processes and namespaces.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::thread::{
    LinkNameSpaceType, UnshareFlags, move_into_link_name_space, set_thread_res_uid,
};
use serde_json::Value;
use tcpgauge::culprits::machine::ProcMachine;
use tcpgauge::culprits::search::Search;
use tcpgauge::culprits::{Access, Culprits, Group, Watch};
use tcpgauge::source::details::{Attention, Endpoint};
use tcpgauge::source::proc_root::ProcRoot;
use tcpgauge::source::ways::Ways;
use tcpgauge::source::{Options, Scope, Source};
use tcpgauge::tcp::State;

use crate::enter::{in_fresh_namespace, in_fresh_namespace_of_many_users, set_loopback};
use crate::leak::{Keeper, Leak};
use crate::readings::{EVERY_WAY, Split, own};
use crate::skip::skip;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Looks for the holders of what it reads, again and again.
struct Looker {
    ways: Ways,
    watch: Watch,
    search: Search<ProcMachine>,
}

impl Looker {
    fn at(options: Options) -> Self {
        let attention = Attention {
            state: Some(State::CloseWait),
            inodes: true,
            ..Attention::default()
        };
        Self {
            ways: Ways::new(Options {
                attention,
                ..options
            }),
            watch: Watch::new(State::CloseWait),
            search: Search::new(ProcMachine::new(ProcRoot::new("/proc"))),
        }
    }

    fn new() -> Self {
        Self::at(own(Split::Together))
    }

    fn look(&mut self) -> Culprits {
        self.look_by(Source::Text)
    }

    fn look_by(&mut self, way: Source) -> Culprits {
        let stop = AtomicBool::new(false);
        let reading = self.ways.take(way, &stop).unwrap();
        let counted = reading.counted.count(State::CloseWait);
        self.watch.take([reading].iter_mut(), std::iter::empty());
        let now = Instant::now();
        let names = self.search.find(&self.watch.wanted(), now, &stop);
        let culprits = self.watch.tell(&names, now);
        let groups: u64 = culprits.groups.iter().map(|group| group.sockets).sum();
        assert_eq!(groups + culprits.rest, counted, "{culprits:#?}");
        culprits
    }
}

/// Pid, others that share, user, port and number of each group.
type Row = (Option<u32>, u64, Option<u32>, u16, u64);

fn row(group: &Group) -> Row {
    let process = group.process.as_ref();
    let Endpoint::Local(port) = group.endpoint else {
        panic!("{group:?}");
    };
    (
        process.map(|process| process.pid),
        process.map_or(0, |process| process.others),
        group.user,
        port,
        group.sockets,
    )
}

fn rows(culprits: &Culprits) -> Vec<Row> {
    let mut rows: Vec<_> = culprits.groups.iter().map(row).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn every_source_tells_the_same_holders_in_every_form_of_address() {
    let name = "culprits::every_source_tells_the_same_holders_in_every_form_of_address";
    in_fresh_namespace(name, |_| {
        let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let leaks = [
            (Leak::new(LOCALHOST, LOCALHOST, 3), LOCALHOST),
            (Leak::new(v6, v6, 4), v6),
            // Of an IPv6 socket, and told as what it is.
            (Leak::new(any, LOCALHOST, 5), LOCALHOST),
        ];
        let pid = std::process::id();
        for way in EVERY_WAY {
            let culprits = Looker::new().look_by(way);
            assert_eq!(culprits.total, 12, "{way:?}");
            let mut expected: Vec<Row> = leaks
                .iter()
                .map(|(leak, _)| (Some(pid), 0, Some(0), leak.port(), leak.held.len() as u64))
                .collect();
            expected.sort_unstable();
            assert_eq!(rows(&culprits), expected, "{way:?}");
            for (leak, peer) in &leaks {
                let mut groups = culprits.groups.iter();
                let group = groups.find(|group| group.endpoint == Endpoint::Local(leak.port()));
                assert_eq!(group.unwrap().peer, Some(*peer), "{way:?}");
            }
        }
    });
}

#[test]
fn who_came_in_by_a_port_that_is_closed_by_now_is_told_by_the_peer() {
    let name = "culprits::who_came_in_by_a_port_that_is_closed_by_now_is_told_by_the_peer";
    in_fresh_namespace(name, |_| {
        let Leak {
            listener,
            held,
            peers: _peers,
        } = Leak::new(LOCALHOST, LOCALHOST, 1);
        drop(listener);
        let served = TcpStream::from(held.into_iter().next().unwrap());
        let culprits = Looker::new().look();
        let remote = Endpoint::Remote(served.peer_addr().unwrap());
        assert_eq!(culprits.groups[0].endpoint, remote);
    });
}

#[test]
fn sockets_that_are_shared_are_the_oldest_processs_and_the_others_are_counted() {
    let name =
        "culprits::sockets_that_are_shared_are_the_oldest_processs_and_the_others_are_counted";
    in_fresh_namespace(name, |_| {
        let mut leak = Leak::new(LOCALHOST, LOCALHOST, 50);
        let port = leak.port();
        let first = Keeper::of(&leak.held);
        let second = Keeper::of(&leak.held);
        let mut looker = Looker::new();
        let own = Some(std::process::id());
        assert_eq!(rows(&looker.look()), [(own, 2, Some(0), port, 50)]);
        drop(second);
        assert_eq!(rows(&looker.look()), [(own, 1, Some(0), port, 50)]);
        // The child alone has some of them now.
        leak.held.truncate(20);
        let expected = [
            (own, 1, Some(0), port, 20),
            (Some(first.pid()), 0, Some(0), port, 30),
        ];
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(rows(&Looker::new().look()), expected);
        leak.held.clear();
        let all = [(Some(first.pid()), 0, Some(0), port, 50)];
        assert_eq!(rows(&looker.look()), all, "also who knew better before");
        drop(first);
        assert_eq!(looker.look().total, 0);
    });
}

#[test]
fn a_socket_on_its_way_to_another_process_is_nobodys_and_then_his_who_took_it() {
    let name =
        "culprits::a_socket_on_its_way_to_another_process_is_nobodys_and_then_his_who_took_it";
    in_fresh_namespace(name, |_| {
        let mut leak = Leak::new(LOCALHOST, LOCALHOST, 1);
        let port = leak.port();
        let (from, to) = UnixStream::pair().unwrap();
        let mut looker = Looker::new();
        assert_eq!(
            looker.look().groups[0].process.as_ref().unwrap().pid,
            std::process::id()
        );

        let passed = leak.held.remove(0);
        let mut space = [MaybeUninit::uninit(); 64];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let sockets = [passed.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&sockets)));
        sendmsg(
            &from,
            &[IoSlice::new(b".")],
            &mut control,
            SendFlags::empty(),
        )
        .unwrap();
        drop(passed);
        assert_eq!(rows(&looker.look()), [(None, 0, Some(0), port, 1)]);

        let mut space = [MaybeUninit::uninit(); 64];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        recvmsg(
            &to,
            &mut [IoSliceMut::new(&mut byte)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
        .unwrap();
        let taken: Vec<OwnedFd> = control
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
                _ => None,
            })
            .flatten()
            .collect();
        let keeper = Keeper::of(&taken);
        drop(taken);
        let now = rows(&Looker::new().look());
        assert_eq!(now, [(Some(keeper.pid()), 0, Some(0), port, 1)]);
    });
}

#[test]
fn the_command_names_the_process_and_adds_up() {
    let name = "culprits::the_command_names_the_process_and_adds_up";
    in_fresh_namespace(name, |_| {
        let leak = Leak::new(LOCALHOST, LOCALHOST, 50);
        let run = |arguments: &[&str]| {
            let output = Command::new(env!("CARGO_BIN_EXE_tcpgauge"))
                .args(["culprits", "--scope", "self"])
                .args(arguments)
                .env_clear()
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let json: Value = serde_json::from_str(&run(&["--format", "json"])).unwrap();
        assert_eq!(json["sockets"], 50, "{json:#}");
        let group = &json["groups"][0];
        assert_eq!(group["process"]["pid"], std::process::id(), "{json:#}");
        assert_eq!(group["local_port"], leak.port());
        assert_eq!((&group["user"], &group["sockets"]), (&0.into(), &50.into()));
        let page = run(&[]);
        assert!(
            page.contains(&format!("local port {}", leak.port())),
            "{page}"
        );
        assert!(page.contains("sockets in close_wait: 50\n"), "{page}");
        let listeners = run(&["--state", "listen"]);
        let port = format!("local port {}  0 ", leak.port());
        assert!(listeners.contains(&port), "{listeners}");
    });
}

/// Ports, who holds what came in by them, and the other ends.
type Leaks = ([u16; 2], [Keeper; 2], [(TcpListener, Vec<TcpStream>); 2]);

/// Does something as another user, of whom there are rights to nothing.
fn as_user<T: Send>(uid: u32, act: impl FnOnce() -> T + Send) -> T {
    let act = || {
        let uid = rustix::thread::Uid::from_raw(uid);
        set_thread_res_uid(uid, uid, uid).unwrap();
        act()
    };
    std::thread::scope(|scope| scope.spawn(act).join().unwrap())
}

#[test]
fn fifty_of_two_users_in_two_namespaces_are_told_with_and_without_the_right_to_see_processes() {
    let name = "culprits::fifty_of_two_users_in_two_namespaces_are_told_with_and_without_the_right_to_see_processes";
    in_fresh_namespace_of_many_users(name, |test| {
        let make = |one, other| {
            let leaks = [
                as_user(1, || Leak::new(LOCALHOST, LOCALHOST, one)),
                as_user(2, || Leak::new(LOCALHOST, LOCALHOST, other)),
            ];
            let keeper = Keeper::of(&leaks[0].held);
            let second = Keeper::of(&leaks[1].held);
            let ports = leaks.each_ref().map(Leak::port);
            // What came in is the keepers' alone.
            let others = leaks.map(|leak| (leak.listener, leak.peers));
            (ports, [keeper, second], others)
        };
        let here = make(20, 30);
        let there = std::thread::scope(|scope| {
            let other = || {
                #[expect(deprecated, reason = "what takes its place is unsafe")]
                rustix::thread::unshare(UnshareFlags::NEWNET).unwrap();
                set_loopback(true).unwrap();
                (
                    make(10, 40),
                    File::open("/proc/thread-self/ns/net").unwrap(),
                )
            };
            scope.spawn(other).join().unwrap()
        });
        let (there, namespace) = there;
        let told = |(ports, keepers, _): &Leaks, is_named: bool, numbers: [u64; 2]| {
            let mut rows: Vec<Row> = (0..2)
                .map(|at| {
                    let pid = is_named.then(|| keepers[at].pid());
                    let user = Some(u32::try_from(at).unwrap() + 1);
                    (pid, 0, user, ports[at], numbers[at])
                })
                .collect();
            rows.sort_unstable();
            rows
        };
        let Some(root) = root_at(Path::new("/proc/thread-self")) else {
            return skip(test, "this proc shows no threads");
        };
        let look = |uid, there: Option<&File>| {
            as_user(uid, || {
                if let Some(namespace) = there {
                    assert_eq!(uid, 0);
                    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                        .unwrap();
                }
                let options = Options {
                    proc_root: ProcRoot::new(root.path()),
                    scope: Scope::Host,
                    ..own(Split::Together)
                };
                Looker::at(options).look()
            })
        };
        let named = look(0, None);
        assert_eq!(rows(&named), told(&here, true, [20, 30]));
        assert_eq!(named.access, Access::Whole);
        assert_eq!(
            rows(&look(0, Some(&namespace))),
            told(&there, true, [10, 40])
        );
        let nameless = look(65534, None);
        assert_eq!(rows(&nameless), told(&here, false, [20, 30]));
        assert!(matches!(nameless.access, Access::Denied(_)), "{nameless:?}");
    });
}

/// A proc root whose process 1 is the thread that looks at it.
fn root_at(thread: &Path) -> Option<tempfile::TempDir> {
    let _ = std::fs::read(thread.join("net/tcp")).ok()?;
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(thread, root.path().join("1")).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(root.path(), open).unwrap();
    Some(root)
}

#[test]
fn processes_that_come_and_go_while_they_are_looked_into_spoil_nothing() {
    let name = "culprits::processes_that_come_and_go_while_they_are_looked_into_spoil_nothing";
    in_fresh_namespace(name, |_| {
        let leak = Leak::new(LOCALHOST, LOCALHOST, 50);
        let own = std::process::id();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(Keeper::of(&leak.held));
                }
            });
            for _ in 0..30 {
                let culprits = Looker::new().look();
                let mut by_pid: BTreeMap<_, u64> = BTreeMap::new();
                for (pid, _, _, port, number) in rows(&culprits) {
                    assert_eq!(port, leak.port());
                    *by_pid.entry(pid).or_default() += number;
                }
                assert_eq!(by_pid, [(Some(own), 50)].into());
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    });
}
