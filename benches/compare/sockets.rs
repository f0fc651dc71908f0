//! Sockets to count: `compare_sockets N` makes N of them on loopback, says as JSON how many are in which state, and keeps
//! them until its standard input ends.
//!
//! Only states that last are made, so that whoever counts must come to the same numbers however long it takes: nearly all
//! are ESTABLISHED, a few connections are closed from one side (FIN_WAIT2 and CLOSE_WAIT), and there are the listeners.
//! Half of the sockets are IPv4 and half IPv6 where the machine has IPv6. No two share an address, a port and a peer:
//! programs that tell sockets apart by these would count fewer.
//!
//! A process may hold only so many files, so the sockets are shared out to several: this program once more, each with an
//! even share.
//!
//! `compare_sockets N NAMESPACE` then goes into another network namespace and leaves its sockets behind: they fill the table that
//! all namespaces share, and whoever looks for namespaces among processes does not find theirs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a benchmark may stop at the first surprise"
)]

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};

/// Files that a process has open for other reasons.
const OTHER_FILES: u64 = 100;
/// More than this per process would only make the making slower.
const MOST_PER_PROCESS: u64 = 20_000;
/// Connections of one process that are closed from one side, and the share of all that they may be.
const MOST_HALF_CLOSED: u64 = 20;
const HALF_CLOSED_ONE_IN: u64 = 10;

#[derive(Default, Serialize, Deserialize)]
struct Made {
    established: u64,
    fin_wait_2: u64,
    close_wait: u64,
    listen: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["share", address, share, ref leave_for @ ..] => {
            make(
                address.parse().unwrap(),
                share.parse().unwrap(),
                leave_for.first().copied(),
            );
        }
        [total] => share_out(total.parse().unwrap(), None),
        [total, leave_for] => share_out(total.parse().unwrap(), Some(leave_for)),
        _ => panic!("usage: compare_sockets N [NAMESPACE]"),
    }
}

/// Starts as many of this program as it takes, and adds up what they made.
fn share_out(total: u64, leave_for: Option<&str>) {
    let limit = raise_limit();
    let most = (limit - OTHER_FILES).min(MOST_PER_PROCESS);
    // Even, so that each family gets half.
    let processes = total.div_ceil(most).next_multiple_of(2);
    let mut children: Vec<Child> = Vec::new();
    for index in 0..processes {
        let share = total / processes + u64::from(index < total % processes);
        let address = if index % 2 == 1 && has_ipv6() {
            IpAddr::from(Ipv6Addr::LOCALHOST)
        } else {
            IpAddr::from(Ipv4Addr::LOCALHOST)
        };
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["share", &address.to_string(), &share.to_string()])
            .args(leave_for)
            .stdout(Stdio::piped())
            .spawn();
        children.push(child.unwrap());
    }
    let mut all = Made::default();
    for child in &mut children {
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let made: Made = serde_json::from_str(&line).unwrap();
        all.established += made.established;
        all.fin_wait_2 += made.fin_wait_2;
        all.close_wait += made.close_wait;
        all.listen += made.listen;
    }
    leave(leave_for);
    println!("{}", serde_json::to_string(&all).unwrap());
    wait_for_the_end();
    for mut child in children {
        child.wait().unwrap();
    }
}

/// Lets this process and its children open as many files as the hard limit allows, and tells how many that is.
fn raise_limit() -> u64 {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: hard,
            maximum: hard,
        },
    )
    .unwrap();
    hard.unwrap_or(u64::MAX)
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// Makes `share` sockets: a listener, as many connections to it as fit, and one more listener where the number is even.
fn make(address: IpAddr, share: u64, leave_for: Option<&str>) {
    let mut made = Made::default();
    let mut listeners = Vec::new();
    let mut connections = Vec::new();
    if share > 0 {
        let pairs = (share - 1) / 2;
        for _ in 0..share - 2 * pairs {
            listeners.push(TcpListener::bind((address, 0)).unwrap());
            made.listen += 1;
        }
        let half_closed = (pairs / HALF_CLOSED_ONE_IN).min(MOST_HALF_CLOSED);
        for index in 0..pairs {
            let (client, server) = connect(&listeners[0]);
            if index < half_closed {
                client.shutdown(Shutdown::Write).unwrap();
                let mut ended = &server;
                assert_eq!(ended.read(&mut [0]).unwrap(), 0);
                made.fin_wait_2 += 1;
                made.close_wait += 1;
            } else {
                made.established += 2;
            }
            connections.push((client, server));
        }
    }
    leave(leave_for);
    println!("{}", serde_json::to_string(&made).unwrap());
    wait_for_the_end();
}

fn connect(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// Into another network namespace; what sockets there are stay in the one that they were made in.
fn leave(leave_for: Option<&str>) {
    if let Some(namespace) = leave_for {
        let namespace = File::open(namespace).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }
}

/// Standard input ends when whoever started this ends, however it ends.
fn wait_for_the_end() {
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
