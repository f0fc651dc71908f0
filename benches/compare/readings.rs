//! Readings on demand: `compare_readings WAY` takes as many readings as each line of its standard input says, one after
//! the other, and answers with what the last of them counted, as JSON.
//!
//! It is a process that lasts, so its start is no part of a reading's cost, and it sleeps between the lines, so that the
//! kernel's account of it can be looked at before and after: the same yardstick as for the other programs.
//!
//! The ways are those of the agent (`text`, `diag`, `diag-full`) and `walk`, which is what they cannot go below: the request
//! of a sparse reading, whose answer is received and looked at no further than to find its end.
//!
//! `compare_readings groups` reads what the metric groups `counters` and `capacity` tell of the host, which an agent does once in a tick
//! besides its reading.
//!
//! `compare_readings ports-text` and `ports-diag` find out which destination has most ports in use, by the tables and by a full dump.
//!
//! `compare_readings pods PID...` reads both tables of the namespace of each of these processes, and all that is one reading.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a benchmark may stop at the first surprise"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicBool;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use tcpgauge::counters::Watch;
use tcpgauge::ports::range::Range;
use tcpgauge::ports::{Census, Usage};
use tcpgauge::source::details::Attention;
use tcpgauge::source::proc_root::{self, ProcRoot};
use tcpgauge::source::tables;
use tcpgauge::source::text::Buffer;
use tcpgauge::source::ways::Ways;
use tcpgauge::source::{Choice, Options, Scope, Source};
use tcpgauge::tcp::{Counts, Family, State};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut taker = match arguments.next().as_deref() {
        Some("text") => Taker::of(Source::Text),
        Some("diag") => Taker::of(Source::Diag),
        Some("diag-full") => Taker::of(Source::DiagFull),
        Some("walk") => Taker::Walk(Walk::new()),
        Some("groups") => Taker::Groups(Box::new(Watch::new(ProcRoot::new("/proc")))),
        Some("ports-text") => Taker::of_ports(Source::Text),
        Some("ports-diag") => Taker::of_ports(Source::DiagFull),
        Some("pods") => Taker::Pods(Buffer::default(), arguments.collect()),
        _ => panic!(
            "usage: compare_readings text|diag|diag-full|walk|groups|ports-text|ports-diag, or compare_readings pods PID..."
        ),
    };
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let readings: u32 = line.unwrap().trim().parse().unwrap();
        let mut counts = BTreeMap::new();
        for left in (0..readings).rev() {
            let last = taker.take();
            if left == 0 {
                counts = last.map(by_state).unwrap_or_default();
            }
        }
        writeln!(output, "{}", serde_json::to_string(&counts).unwrap()).unwrap();
        output.flush().unwrap();
    }
}

fn by_state(counts: Counts) -> BTreeMap<&'static str, u64> {
    State::ALL
        .into_iter()
        .map(|state| (state.name(), counts.get(state)))
        .collect()
}

enum Taker {
    Agents(Box<Ways>, Source),
    Pods(Buffer, Vec<String>),
    Walk(Walk),
    Groups(Box<Watch>),
    Ports(Box<Ways>, Source),
}

impl Taker {
    fn of(source: Source) -> Self {
        Self::Agents(Box::new(ways()), source)
    }

    fn of_ports(source: Source) -> Self {
        Self::Ports(Box::new(ways()), source)
    }

    fn take(&mut self) -> Option<Counts> {
        match self {
            Self::Agents(ways, source) => {
                let reading = ways.take(*source, &AtomicBool::new(false)).unwrap();
                assert!(reading.counted.is_complete());
                Some(reading.counted.sockets.both())
            }
            // As the agent reads pods, but always and all.
            Self::Pods(buffer, pids) => {
                let mut counts = Counts::default();
                for pid in pids {
                    for (name, family) in [("tcp", Family::Ipv4), ("tcp6", Family::Ipv6)] {
                        let path = ProcRoot::new("/proc").join(&format!("{pid}/net/{name}"));
                        let (file, _) = proc_root::open(&path).unwrap();
                        let found = tables::count(
                            file,
                            family,
                            buffer,
                            &AtomicBool::new(false),
                            &mut |_| {},
                        );
                        counts = counts + found.unwrap().counts;
                    }
                }
                Some(counts)
            }
            // All of it, as the agent does it every five minutes where there are so many sockets that it must.
            Self::Ports(ways, source) => {
                let root = ProcRoot::new("/proc");
                let mut census = Census::new(&Range::find(&root, Scope::Own, None).unwrap());
                let stop = AtomicBool::new(false);
                ways.show(*source, &stop, &mut |socket| census.see(socket))
                    .unwrap();
                let Usage::Counted { destinations, .. } = census.end(1) else {
                    panic!("it cannot be told");
                };
                std::hint::black_box(destinations);
                None
            }
            Self::Walk(walk) => {
                walk.take();
                None
            }
            Self::Groups(watch) => {
                watch.counters().unwrap();
                watch.capacity();
                None
            }
        }
    }
}

/// As the agent reads without `--split-network-type`.
fn ways() -> Ways {
    Ways::new(Options {
        proc_root: ProcRoot::new("/proc"),
        scope: Scope::Own,
        choice: Choice::Auto,
        by_family: false,
        attention: Attention::default(),
    })
}

/// The sparse walk of the kernel's tables and nothing else.
struct Walk {
    kernel: OwnedFd,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Walk {
    fn new() -> Self {
        let kernel = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        );
        Self {
            kernel: kernel.unwrap(),
            request: request(),
            buffer: vec![0; 128 * 1024],
        }
    }

    fn take(&mut self) {
        send(&self.kernel, &self.request, SendFlags::empty()).unwrap();
        loop {
            let (length, _) = recv(&self.kernel, &mut self.buffer[..], RecvFlags::empty()).unwrap();
            if has_end(&self.buffer[..length]) {
                break;
            }
        }
    }
}

/// A request for everything in the states that a sparse reading dumps: `struct nlmsghdr`, then `struct inet_diag_req`
/// of `linux/inet_diag.h`.
fn request() -> Vec<u8> {
    const TCPDIAG_GETSOCK: u16 = 18;
    const REQUEST_AND_DUMP: u16 = 0x1 | 0x300;
    const LENGTH: u32 = 76;
    const SOCKET_ID: usize = 48;
    // Every state from 1 to 12 but ESTABLISHED (1) and TIME_WAIT (6).
    const STATES: u32 = 0x1fbd;

    let mut request = Vec::with_capacity(76);
    request.extend(LENGTH.to_ne_bytes());
    request.extend(TCPDIAG_GETSOCK.to_ne_bytes());
    request.extend(REQUEST_AND_DUMP.to_ne_bytes());
    // The sequence number, and the port, which the kernel chooses.
    request.extend([0; 8]);
    // The family, to which the kernel pays no heed, two lengths and the extensions: none.
    request.extend([2, 0, 0, 0]);
    request.extend([0; SOCKET_ID]);
    request.extend(STATES.to_ne_bytes());
    // Bytecode: none.
    request.extend([0; 4]);
    assert_eq!(request.len(), 76);
    request
}

/// Whether `NLMSG_DONE` is among the messages.
fn has_end(mut messages: &[u8]) -> bool {
    const NLMSG_ERROR: u16 = 2;
    const NLMSG_DONE: u16 = 3;
    while let Some((header, _)) = messages.split_first_chunk::<8>() {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
        match u16::from_ne_bytes([header[4], header[5]]) {
            NLMSG_DONE => return true,
            NLMSG_ERROR => panic!("the kernel refuses the walk"),
            _ => {}
        }
        let aligned = usize::try_from(length).unwrap().next_multiple_of(4).max(16);
        messages = &messages[aligned.min(messages.len())..];
    }
    false
}
