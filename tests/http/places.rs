//! Where an agent listens: as by default, where it is told to, or nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use crate::NOBODY;
use crate::agent::{Agent, Tcpgauge, complaints};
use crate::asking::{address, ask, code, until};
use crate::enter::in_fresh_namespace;
use crate::skip::skip;

const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9469);

/// At an address of TEST-NET-3, which nobody has.
const NOT_HERE: &str = "203.0.113.7:9469";

/// One that has nothing to deliver when it is told to stop.
fn quiet() -> Tcpgauge {
    Tcpgauge::run(NOBODY).args(["--exporter", "none"])
}

fn start(more: &[&str]) -> Agent {
    quiet().args(more).start()
}

/// The exit code, and what was said, of an agent that does not start.
fn refused(more: &[&str]) -> (Option<i32>, String) {
    let ended = start(more).ended();
    (ended.status.code(), ended.log)
}

/// An agent to whom nobody said where to listen: an empty variable counts as unset.
fn by_default() -> Agent {
    quiet().env("TCPGAUGE_HTTP_LISTEN", "").start()
}

#[test]
fn one_port_on_loopback_is_the_default_and_a_second_agent_goes_on_without() {
    let name = "places::one_port_on_loopback_is_the_default_and_a_second_agent_goes_on_without";
    in_fresh_namespace(name, |_| {
        let first = by_default();
        assert_eq!(address(&first, ""), DEFAULT);
        until("a sample", || code(DEFAULT, "/readyz") == 200);
        let second = by_default();
        second.wait_for_samples(2);
        let log = second.log();
        let said: Vec<_> = complaints(&log)
            .into_iter()
            .filter(|line| line.contains("--http-listen"))
            .collect();
        assert_eq!(said.len(), 1, "{log}");
        assert!(
            said[0].contains("127.0.0.1:9469") && said[0].contains("going on without"),
            "{log}"
        );
        assert_eq!(second.stop().status.code(), Some(0));
        first.stop().assert_clean();
    });
}

#[test]
fn none_is_nowhere() {
    in_fresh_namespace("places::none_is_nowhere", |_| {
        let agent = start(&["--http-listen", "none"]);
        agent.wait_for_samples(1);
        assert!(TcpStream::connect(DEFAULT).is_err());
        let listening = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
        assert_eq!(listening.lines().count(), 1, "{listening}");
    });
}

#[test]
fn a_place_that_was_asked_for_and_is_taken_is_a_fault_at_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap().to_string();
    for flag in ["--http-listen", "--health-listen"] {
        let (code, errors) = refused(&[flag, &place]);
        assert_eq!(code, Some(1), "{errors}");
        for words in [flag, &place, "is another agent running here?"] {
            assert!(errors.contains(words), "{words}: {errors}");
        }
        assert!(!errors.contains("sample"), "{errors}");
    }
    // One agent cannot listen twice at one place either.
    drop(taken);
    let twice = ["--http-listen", &place, "--health-listen", &place];
    let (code, errors) = refused(&twice);
    assert_eq!(code, Some(64), "{errors}");
    assert!(errors.contains("flag --health-listen"), "{errors}");
}

#[test]
fn a_place_that_this_host_does_not_have_is_told_from_one_that_is_taken() {
    if TcpListener::bind(NOT_HERE).is_ok() {
        return skip(
            "a place that is not here",
            "net.ipv4.ip_nonlocal_bind is set",
        );
    }
    let (code, errors) = refused(&["--http-listen", NOT_HERE]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("no such address"), "{errors}");
}

#[test]
fn probes_are_answered_at_every_address_and_by_any_name_and_nothing_else_is() {
    let agent = start(&["--health-listen", ":0"]);
    let port = address(&agent, "livez").port();
    for ip in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        let at = SocketAddr::new(ip, port);
        if TcpListener::bind((ip, 0)).is_err() {
            skip("probes at every address", &format!("there is no {ip} here"));
            continue;
        }
        until("a sample", || code(at, "/readyz") == 200);
        let asked = |path: &str, head: &str| {
            ask(
                at,
                &format!("GET {path} HTTP/1.1\r\n{head}connection: close\r\n\r\n"),
            )
            .code
        };
        for host in [
            "host: 10.42.0.7:9470\r\n",
            "host: pod.cluster.local\r\n",
            "",
        ] {
            assert_eq!(asked("/livez", host), 200, "{host}");
            assert_eq!(asked("/status", host), 404, "{host}");
        }
    }
}

#[test]
fn a_place_is_free_again_when_its_agent_has_ended() {
    let agent = start(&["--http-listen", "127.0.0.1:0"]);
    let at = address(&agent, "");
    let mut held = crate::asking::connect(at);
    until("a sample", || code(at, "/readyz") == 200);
    agent.stop().assert_clean();
    assert_eq!(crate::asking::read_to_end(&mut held), "");
    let agent = start(&["--http-listen", &at.to_string()]);
    assert_eq!(address(&agent, ""), at);
    until("a sample", || code(at, "/readyz") == 200);
}

#[test]
fn a_check_says_whether_places_are_free() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap().to_string();
    let check = |place: &str| {
        let check = Tcpgauge::command("check").args(["--exporter", "none", "--http-listen", place]);
        let (code, out, errors) = check.output();
        let line = out.lines().find(|line| line.contains("  http "));
        (
            code,
            line.unwrap_or_else(|| panic!("{out}{errors}")).to_owned(),
        )
    };
    let (code, line) = check(&place);
    // It may well be the agent that the check is about who has it.
    assert!(line.starts_with("warn") && line.contains(&place), "{line}");
    assert_eq!(code, Some(0));
    let (code, line) = check("127.0.0.1:0");
    assert!(line.starts_with("ok") && line.contains("free"), "{line}");
    assert_eq!(code, Some(0));
    if TcpListener::bind(NOT_HERE).is_err() {
        let (code, line) = check(NOT_HERE);
        assert!(line.starts_with("fail"), "{line}");
        assert_eq!(code, Some(1));
    }
}
