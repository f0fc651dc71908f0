//! Holds sockets in known states: what the pods of `.ci/cluster` run.
//!
//! ```text
//! cluster_sockets [--for SECONDS] FAMILY:STATE=N,STATE=N...
//! cluster_sockets ipv4:listen=2,established=6,close_wait=3,time_wait=4 ipv6:listen=1
//! ```
//!
//! They are on the loopback of the network namespace that it runs in, so both ends of a connection count: ESTABLISHED comes
//! in twos, and with each CLOSE_WAIT comes its peer in FIN_WAIT2. What is in TIME_WAIT ends after 60 s whatever one does, and
//! is made again at once. So only one of these programs may hold any in a namespace: it cannot tell another's from its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test's program may stop at the first surprise"
)]

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long a TIME_WAIT may be missing.
const LOOK: Duration = Duration::from_millis(20);

fn main() {
    let mut ends = None;
    let mut families = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--for" {
            let seconds = arguments.next().expect("--for SECONDS").parse().unwrap();
            ends = Some(Duration::from_secs(seconds));
        } else {
            families.push(Family::parse(&argument));
        }
    }
    let began = Instant::now();
    let _held: Vec<Held> = families.iter().map(Held::make).collect();
    println!("ready");
    while ends.is_none_or(|ends| began.elapsed() < ends) {
        std::thread::sleep(LOOK);
        let wanted: usize = families.iter().map(|family| family.time_wait).sum();
        if wanted > 0 && time_waits_of_both() < wanted {
            for family in &families {
                let missing = family.time_wait.saturating_sub(family.time_waits());
                (0..missing).for_each(|_| family.make_time_wait());
            }
        }
    }
}

/// What is wanted of one family.
struct Family {
    address: IpAddr,
    table: &'static str,
    listen: usize,
    established: usize,
    close_wait: usize,
    time_wait: usize,
}

impl Family {
    fn parse(text: &str) -> Self {
        let (family, states) = text.split_once(':').expect("FAMILY:STATE=N");
        let (address, table) = match family {
            "ipv4" => (Ipv4Addr::LOCALHOST.into(), "/proc/self/net/tcp"),
            "ipv6" => (Ipv6Addr::LOCALHOST.into(), "/proc/self/net/tcp6"),
            _ => panic!("{family} is neither ipv4 nor ipv6"),
        };
        let mut wanted = Self {
            address,
            table,
            listen: 0,
            established: 0,
            close_wait: 0,
            time_wait: 0,
        };
        for state in states.split(',') {
            let (name, count) = state.split_once('=').expect("STATE=N");
            let count = count.parse().unwrap();
            match name {
                "listen" => wanted.listen = count,
                "established" => wanted.established = count,
                "close_wait" => wanted.close_wait = count,
                "time_wait" => wanted.time_wait = count,
                _ => panic!("{name} is not a state that is made here"),
            }
        }
        assert!(
            wanted.established.is_multiple_of(2),
            "both ends of a connection are ESTABLISHED"
        );
        wanted
    }

    fn listener(&self) -> TcpListener {
        TcpListener::bind((self.address, 0)).unwrap()
    }

    /// The state stays with the end that closed first, and needs neither program nor listener any more.
    fn make_time_wait(&self) {
        let (mut closing, mut other) = connect(&self.listener());
        closing.shutdown(Shutdown::Write).unwrap();
        assert_eq!(other.read(&mut [0]).unwrap(), 0);
        drop(other);
        assert_eq!(closing.read(&mut [0]).unwrap(), 0);
    }

    fn time_waits(&self) -> usize {
        let table = std::fs::read_to_string(self.table).unwrap();
        let states = table
            .lines()
            .filter_map(|row| row.split_whitespace().nth(3));
        states.filter(|state| *state == "06").count()
    }
}

/// What stands as long as it is held.
struct Held {
    _listeners: Vec<TcpListener>,
    _connections: Vec<(TcpStream, TcpStream)>,
}

impl Held {
    fn make(family: &Family) -> Self {
        let to_connect_to = family.listener();
        let half_closed = (0..family.close_wait).map(|_| {
            let (closing, mut other) = connect(&to_connect_to);
            closing.shutdown(Shutdown::Write).unwrap();
            assert_eq!(other.read(&mut [0]).unwrap(), 0);
            (closing, other)
        });
        let established = (0..family.established / 2).map(|_| connect(&to_connect_to));
        let connections = established.chain(half_closed).collect();
        (0..family.time_wait).for_each(|_| family.make_time_wait());
        Self {
            _listeners: (0..family.listen).map(|_| family.listener()).collect(),
            _connections: connections,
        }
    }
}

fn connect(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// The kernel's own count, which costs next to nothing: tables cost a walk over the sockets of the whole machine.
fn time_waits_of_both() -> usize {
    let counters = std::fs::read_to_string("/proc/self/net/sockstat").unwrap();
    let tcp = counters
        .lines()
        .find_map(|line| line.strip_prefix("TCP:"))
        .unwrap();
    let mut words = tcp.split_whitespace();
    words.find(|word| *word == "tw").unwrap();
    words.next().unwrap().parse().unwrap()
}
