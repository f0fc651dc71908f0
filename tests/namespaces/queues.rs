//! Accept queues: connections that a service has not accepted.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicBool;

use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, listen, socket_with,
};
use tcpgauge::counters::{Counter, Watch};
use tcpgauge::source::details::{AcceptQueue, Attention, Listeners, Listening};
use tcpgauge::source::proc_root::ProcRoot;
use tcpgauge::source::ways::Ways;
use tcpgauge::source::{Options, Source};

use crate::enter::in_fresh_namespace;
use crate::readings::{EVERY_WAY, Split, own};

/// A service that never accepts.
struct Deaf {
    address: SocketAddr,
    _listener: OwnedFd,
    _waiting: Vec<TcpStream>,
}

impl Deaf {
    fn new(address: SocketAddr, backlog: i32, waiting: usize) -> Self {
        let listener = socket(&address, SocketFlags::CLOEXEC);
        bind(&listener, &address).unwrap();
        listen(&listener, backlog).unwrap();
        let bound = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
        let to = match address {
            SocketAddr::V4(_) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), bound.port()),
            SocketAddr::V6(_) => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), bound.port()),
        };
        Self {
            address: to,
            _listener: listener,
            _waiting: (0..waiting)
                .map(|_| TcpStream::connect(to).unwrap())
                .collect(),
        }
    }

    fn queue(&self, length: u64, limit: Option<u64>) -> AcceptQueue {
        AcceptQueue {
            port: self.address.port(),
            length,
            limit,
        }
    }
}

fn socket(of: &SocketAddr, flags: SocketFlags) -> OwnedFd {
    let family = match of {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    socket_with(family, SocketType::STREAM, flags, None).unwrap()
}

fn v4() -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)
}

fn listeners(way: Source, ports: &[u16]) -> Listeners {
    let mut ways = Ways::new(Options {
        attention: Attention {
            ports: ports.into(),
            ..Attention::default()
        },
        ..own(Split::Together)
    });
    let reading = ways.take(way, &AtomicBool::new(false)).unwrap();
    reading.details.listeners
}

#[test]
fn a_full_accept_queue_is_told_with_its_port_and_over_netlink_with_its_limit() {
    let name = "queues::a_full_accept_queue_is_told_with_its_port_and_over_netlink_with_its_limit";
    in_fresh_namespace(name, |_| {
        let _idle = Deaf::new(v4(), 128, 0);
        let _busy = Deaf::new(v4(), 128, 2);
        // One more than the limit fits.
        let deaf = Deaf::new(v4(), 2, 3);
        for way in EVERY_WAY {
            let found = listeners(way, &[]);
            let (limit, full) = match way {
                Source::Text => (None, None),
                Source::Diag | Source::DiagFull => (Some(2), Some(1)),
            };
            assert_eq!(found.longest, Some(deaf.queue(3, limit)), "{way:?}");
            assert_eq!(found.full, full, "{way:?}");
            assert!(found.ports.iter().all(Option::is_none), "{way:?}");
        }
    });
}

#[test]
fn ports_that_are_asked_for_are_told_each_by_itself() {
    in_fresh_namespace(
        "queues::ports_that_are_asked_for_are_told_each_by_itself",
        |_| {
            let dual = Deaf::new(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0), 10, 1);
            let port = dual.address.port();
            // It came in as IPv4, and waits in the queue of an IPv6 socket.
            let _mapped = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            let other = Deaf::new(v4(), 10, 3);
            for way in EVERY_WAY {
                let limit = (way != Source::Text).then_some(10);
                let found = listeners(way, &[1, port]);
                assert_eq!(found.longest, Some(other.queue(3, limit)), "{way:?}");
                assert_eq!(found.ports[0], None, "nobody listens on port 1");
                assert_eq!(found.ports[1], Some(dual.queue(2, limit)), "{way:?}");
            }
        },
    );
}

#[test]
fn the_ports_that_are_listened_on_are_the_same_in_every_way() {
    let name = "queues::the_ports_that_are_listened_on_are_the_same_in_every_way";
    in_fresh_namespace(name, |_| {
        let dual = Deaf::new(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0), 10, 1);
        let port = dual.address.port();
        // The same port of the other family, and one of its own.
        let same = Deaf::new(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), 10, 0);
        let other = Deaf::new(v4(), 10, 1);
        let mut expected = [(port, 2), (other.address.port(), 1)].map(|(port, sockets)| {
            let user = Some(rustix::process::getuid().as_raw());
            Listening {
                port,
                sockets,
                user,
            }
        });
        expected.sort_unstable();
        for way in EVERY_WAY {
            let mut ways = Ways::new(Options {
                attention: Attention {
                    listening: true,
                    ..Attention::default()
                },
                ..own(Split::Together)
            });
            let reading = ways.take(way, &AtomicBool::new(false)).unwrap();
            let found = reading.details.listening;
            assert_eq!(found.as_deref(), Some(&expected[..]), "{way:?}");
        }
        drop(same);
    });
}

#[test]
fn who_finds_a_queue_full_is_counted() {
    in_fresh_namespace("queues::who_finds_a_queue_full_is_counted", |_| {
        // `1/net` of this root is the test's own namespace.
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("1")).unwrap();
        std::os::unix::fs::symlink("/proc/self/net", root.path().join("1/net")).unwrap();
        let mut watch = Watch::new(ProcRoot::new(root.path()));
        let first = watch.counters().unwrap();
        assert_eq!(first.get(Counter::ListenOverflows), Some(0));

        let deaf = Deaf::new(v4(), 1, 2);
        let late = socket(&deaf.address, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        connect(&late, &deaf.address).unwrap_err();

        let counted = watch.counters().unwrap();
        for (counter, number) in [
            (Counter::ListenOverflows, 1),
            (Counter::ListenDrops, 1),
            (Counter::OpenedActively, 3),
            (Counter::OpenedPassively, 2),
            (Counter::Failed, 0),
        ] {
            assert_eq!(counted.get(counter), Some(number), "{counter:?}");
        }
    });
}
