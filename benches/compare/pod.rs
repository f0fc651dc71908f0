//! What goes on in a pod: `compare_pod LISTENERS4 CONNECTIONS4 LISTENERS6 CONNECTIONS6` holds so many listeners, and so many
//! connections to the first of them, in IPv4 and in IPv6. It says as JSON how many sockets that makes, and lasts until it
//! is killed or its standard input ends.
//!
//! A request a second goes over one of the connections after the other, and an answer comes back. Both ends of a connection
//! are here, as is the address that it is made to: there is no network but loopback.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a benchmark may stop at the first surprise"
)]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::time::Duration;

const BETWEEN_REQUESTS: Duration = Duration::from_secs(1);

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .map(|number| number.parse().unwrap())
        .collect();
    let &[listeners4, connections4, listeners6, connections6] = numbers.as_slice() else {
        panic!("usage: compare_pod LISTENERS4 CONNECTIONS4 LISTENERS6 CONNECTIONS6");
    };
    let (any4, loopback4) = (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into());
    let (any6, loopback6) = (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into());
    let mut listeners = listen(any4, listeners4);
    let mut connections = connect(&listeners, loopback4, connections4);
    let others = listen(any6, listeners6);
    connections.extend(connect(&others, loopback6, connections6));
    listeners.extend(others);
    println!(
        r#"{{"tcp_listen": {}, "tcp_established": {}}}"#,
        listeners.len(),
        2 * connections.len()
    );
    if connections.is_empty() {
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    for number in 0.. {
        std::thread::sleep(BETWEEN_REQUESTS);
        let at = number % connections.len();
        let (client, server) = connections.get_mut(at).unwrap();
        pass(client, server);
        pass(server, client);
    }
}

/// As services do: on every address.
fn listen(any: IpAddr, number: usize) -> Vec<TcpListener> {
    (0..number)
        .map(|_| TcpListener::bind((any, 0)).unwrap())
        .collect()
}

fn connect(listeners: &[TcpListener], to: IpAddr, number: usize) -> Vec<(TcpStream, TcpStream)> {
    (0..number)
        .map(|_| {
            let listener = listeners.first().unwrap();
            let port = listener.local_addr().unwrap().port();
            let client = TcpStream::connect((to, port)).unwrap();
            let (server, _) = listener.accept().unwrap();
            (client, server)
        })
        .collect()
}

fn pass(from: &mut TcpStream, to: &mut TcpStream) {
    from.write_all(b"?").unwrap();
    to.read_exact(&mut [0]).unwrap();
}
