//! Ports in use toward one destination, as they were taken, by both ways to look at every socket.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::enter::in_fresh_namespace;
use crate::skip::skip;

/// Outside of the ranges below.
const PORT: u16 = 20_000;

fn allow(setting: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/ipv4/{setting}"), value).unwrap();
}

/// Connections that end from this side, each of which keeps its port for a minute. Who chooses the port is `choose`: the kernel, for the
/// port 0, looks at one after the other, which takes a minute in all where thousands are in use.
fn leave_in_time_wait(number: u16, choose: impl Fn(u16) -> u16) -> TcpListener {
    // The kernel would end some for being many, or use their ports again.
    allow("tcp_max_tw_buckets", "1000000");
    allow("tcp_tw_reuse", "0");
    // On a machine that stands still for 200 ms the last FIN is sent twice, and the answer to the second is a reset.
    allow("tcp_rfc1337", "1");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).unwrap();
    let there: SocketAddr = listener.local_addr().unwrap();
    for index in 0..number {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let port = choose(index);
        if port > 0 {
            let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            client.bind(&here.into()).unwrap();
        }
        client.connect(&there.into()).unwrap();
        let (server, _) = listener.accept().unwrap();
        drop(client);
        drop(server);
    }
    listener
}

fn tcpgauge(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcpgauge"));
    // Settings of whoever runs the tests are not the test's.
    command.args(arguments).env_clear();
    command
}

fn snapshot(arguments: &[&str]) -> Value {
    let mut command = tcpgauge(&["snapshot", "--format", "json"]);
    let output = command.args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What is said of ports, by the tables and over netlink, which must be the same.
fn ports(arguments: &[&str]) -> Value {
    let by = |source| snapshot(&[&["--scope", "self", "--source", source], arguments].concat());
    let (text, diag) = (by("text"), by("diag"));
    assert_eq!(text["readings"][0]["source"], "text");
    assert_eq!(diag["readings"][0]["source"], "diag");
    assert_eq!(text["ports"], diag["ports"]);
    text["ports"].clone()
}

#[test]
fn twenty_eight_thousand_time_waits_to_one_destination_are_nearly_all_ports() {
    let test = "ports::twenty_eight_thousand_time_waits_to_one_destination_are_nearly_all_ports";
    in_fresh_namespace(test, |_| {
        allow("ip_local_port_range", "32768 60999");
        let _listener = leave_in_time_wait(28_000, |index| 32_768 + index);
        let expected = json!({
            "first": 32768,
            "last": 60999,
            "available": 28232,
            "range_from": "kernel",
            "destinations": [{
                "address": "127.0.0.1",
                "port": PORT,
                "local_address": "127.0.0.1",
                "ports": 28000,
                "utilization": 28_000.0 / 28_232.0,
            }],
            "uncertainty": 0,
        });
        assert_eq!(ports(&[]), expected);

        let output = tcpgauge(&["snapshot", "--scope", "self"]).output().unwrap();
        let table = String::from_utf8(output.stdout).unwrap();
        let line = "28000 (99.2 %) in use from 127.0.0.1 to 127.0.0.1:20000";
        assert!(table.contains(line), "{table}");
    });
}

#[test]
fn a_connection_fails_when_the_share_is_1_and_not_before() {
    let test = "ports::a_connection_fails_when_the_share_is_1_and_not_before";
    in_fresh_namespace(test, |_| {
        allow("ip_local_port_range", "40000 40099");
        allow("ip_local_reserved_ports", "40001,40090-40097");
        let listener = leave_in_time_wait(90, |_| 0);
        assert_eq!(ports(&[])["destinations"][0]["utilization"], 90.0 / 91.0);
        let address = listener.local_addr().unwrap();
        let last = TcpStream::connect(address).unwrap();
        assert_eq!(ports(&[])["destinations"][0]["utilization"], 1.0);
        let error = TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AddrNotAvailable);

        // They are free toward everywhere else.
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT + 1)).unwrap();
        TcpStream::connect(other.local_addr().unwrap()).unwrap();
        drop(last);
    });
}

#[test]
fn an_ipv4_connection_takes_the_same_ports_whichever_family_its_socket_has() {
    let test = "ports::an_ipv4_connection_takes_the_same_ports_whichever_family_its_socket_has";
    in_fresh_namespace(test, |_| {
        allow("ip_local_port_range", "40000 40099");
        // One listens in the range: what comes in by it takes no port.
        let listeners = [PORT, 40_050].map(|port| {
            let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap();
            (port, listener)
        });
        let mut open = Vec::new();
        let mut connect = |number: usize, to: SocketAddr| {
            for _ in 0..number {
                let client = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
                client.connect(&to.into()).unwrap();
                let listener = listeners.iter().find(|(port, _)| *port == to.port());
                open.push((client, listener.unwrap().1.accept().unwrap()));
            }
        };
        let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
        connect(10, (Ipv4Addr::LOCALHOST, PORT).into());
        connect(7, (mapped, PORT).into());
        connect(5, (Ipv6Addr::LOCALHOST, PORT).into());
        connect(3, (mapped, 40_050).into());

        let found = ports(&["--port-destinations", "20"]);
        let found = found["destinations"].as_array().unwrap().iter().map(|one| {
            let word = |key: &str| one[key].as_str().unwrap().to_owned();
            let number = |key: &str| one[key].as_u64().unwrap();
            (word("address"), number("port"), number("ports"))
        });
        let expected = [
            ("127.0.0.1", 20_000, 17),
            ("::1", 20_000, 5),
            ("127.0.0.1", 40_050, 3),
        ];
        let expected = expected.map(|(address, port, ports)| (address.to_owned(), port, ports));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    });
}

#[test]
fn the_range_of_another_namespace_is_not_taken_for_the_hosts() {
    let test = "ports::the_range_of_another_namespace_is_not_taken_for_the_hosts";
    in_fresh_namespace(test, |test| {
        if let Err(error) = std::fs::read("/proc/1/net/tcp") {
            return skip(test, &format!("process 1 is hidden: {error}"));
        }
        allow("ip_local_port_range", "40000 40099");
        assert_eq!(snapshot(&["--scope", "host"])["ports"], Value::Null);
        let given = snapshot(&["--scope", "host", "--port-range", "32768-60999"]);
        assert_eq!(given["ports"]["range_from"], "setting");
        assert_eq!(given["ports"]["available"], 28_232);
        // Where the kernel says it, that is what holds.
        assert_eq!(ports(&["--port-range", "1-2"])["available"], 100);

        let checked = |arguments: &[&str]| {
            let mut command = tcpgauge(&["check", "--exporter", "none"]);
            let output = command.args(arguments).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let without = checked(&["--scope", "host"]);
        assert!(without.contains("give --port-range"), "{without}");
        let with = checked(&["--scope", "host", "--port-range", "32768-60999"]);
        assert!(with.contains("28232 ports (--port-range)"), "{with}");
        let own = checked(&["--scope", "self"]);
        assert!(
            own.contains("40000 to 40099, 100 ports; none is in use"),
            "{own}"
        );
    });
}
