//! What an operator sees when something goes wrong on a machine with no setting but a backend: real sockets, in a namespace of the
//! test's own, the page's API and a real Collector, which tell it in the same words.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::child::wait_for;
use crate::collector::Setup;
use crate::enter::in_fresh_namespace;

/// The rule's time, as short as a test can wait for.
const HELD: Duration = Duration::from_secs(3);

/// What may pass from there until it is told of.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// The real program, reading the namespace that it is in. It ends with the test.
struct Program {
    child: Child,
    address: SocketAddr,
    samples: Receiver<()>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tcpgauge"))
            .args(["run", "--scope", "self", "--interval", "1s"])
            .args(["--send-spread", "0s", "--http-listen", "127.0.0.1:0"])
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (found, address) = channel();
        let (sender, samples) = channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("answering on http://") {
                    let _ = found.send(rest.trim_end_matches('/').parse().unwrap());
                } else if line.contains(" sample ") {
                    let _ = sender.send(());
                }
            }
        });
        let address = address.recv_timeout(TOLD_WITHIN).unwrap();
        Self {
            child,
            address,
            samples,
        }
    }

    /// Waits until it has taken so many samples from now on.
    fn sample(&self, times: usize) {
        while self.samples.try_recv().is_ok() {}
        for _ in 0..times {
            self.samples.recv_timeout(TOLD_WITHIN).unwrap();
        }
    }

    fn alerts(&self) -> Value {
        self.get("/api/v1/alerts")
    }

    fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let host = self.address;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("200"), "{answer}");
        serde_json::from_str(body).unwrap()
    }

    /// The alert of this rule, once it stands.
    fn waits_for(&self, rule: &str) -> Value {
        wait_for(
            || format!("{rule}: {}", self.alerts()),
            || {
                let alerts = self.alerts();
                let mut standing = alerts["standing"].as_array().unwrap().iter();
                standing.find(|alert| alert["rule"] == rule).cloned()
            },
        )
    }
}

impl Program {
    /// Ends it as an operator does.
    fn stop(mut self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// So many connections that this very program accepted, whose peers are gone, and which it does not close.
fn leak(connections: usize) -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let accept = |_| {
        let peer = TcpStream::connect(at).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        drop(peer);
        accepted
    };
    let leaked = (0..connections).map(accept).collect();
    (listener, leaked)
}

#[test]
fn a_leak_of_twelve_is_named_on_the_page_and_in_the_collector_in_the_same_words() {
    let name =
        "trouble::a_leak_of_twelve_is_named_on_the_page_and_in_the_collector_in_the_same_words";
    in_fresh_namespace(name, |test| {
        let Some(mut setup) = Setup::new(test) else {
            return;
        };
        let logs = format!("http://{}", setup.logs("logs", "grpc"));
        let _collector = setup.start();
        let rules = tempfile::NamedTempFile::new().unwrap();
        let text = format!("[alert.close-wait]\nfor = \"{}s\"\n", HELD.as_secs());
        std::fs::write(rules.path(), text).unwrap();
        let config = rules.path().to_str().unwrap();
        let agent = Program::start(&[
            "--logs-endpoint",
            &logs,
            "--exporter",
            "none",
            "--config",
            config,
        ]);
        agent.sample(1);

        let leaked = leak(12);
        let port = leaked.0.local_addr().unwrap().port();
        let began = Instant::now();
        let alert = agent.waits_for("close-wait");
        assert!(began.elapsed() < HELD + TOLD_WITHIN, "{alert}");
        let culprit = &alert["culprits"][0];
        assert_eq!(culprit["process"]["pid"], std::process::id(), "{alert}");
        assert_eq!(culprit["sockets"], 12, "{alert}");
        assert_eq!(culprit["local_port"], port, "{alert}");
        assert_eq!(culprit["peer"], "127.0.0.1", "{alert}");
        let told_of = &agent.alerts()["recent"][0]["body"];
        assert!(
            told_of.as_str().unwrap().contains("peer 127.0.0.1"),
            "{told_of}"
        );

        let record = wait_for(
            || "the event in the Collector".to_owned(),
            || setup.records("logs").into_iter().next(),
        );
        assert!(began.elapsed() < HELD + TOLD_WITHIN, "{record}");
        assert_eq!(record["eventName"], "tcpgauge.alert.fired");
        assert_eq!(&record["body"]["stringValue"], told_of);
        drop(leaked);
    });
}

#[test]
fn a_service_that_is_killed_is_told_of_with_its_port_within_two_samples() {
    let name = "trouble::a_service_that_is_killed_is_told_of_with_its_port_within_two_samples";
    in_fresh_namespace(name, |_| {
        // Any program that listens will do, and this one is at hand.
        let mut service = Program::start(&["--exporter", "none"]);
        let port = service.address.port();
        let rules = tempfile::NamedTempFile::new().unwrap();
        // Two samples of the default interval are a minute apart, and two of a second are nothing: 10 s must have passed besides. And what
        // is missed has been there for minutes.
        let quick = "[alert.listen-gone]\nfor = \"1s\"\nsettle = \"2s\"\n";
        std::fs::write(rules.path(), quick).unwrap();
        let config = rules.path().to_str().unwrap();
        let agent = Program::start(&["--exporter", "none", "--config", config]);
        agent.sample(5);
        service.child.kill().unwrap();
        service.child.wait().unwrap();
        // One may be under way while it dies.
        agent.sample(3);
        let alerts = agent.alerts();
        let standing = alerts["standing"].as_array().unwrap();
        let gone = standing.iter().find(|alert| alert["rule"] == "listen-gone");
        let gone = gone.unwrap_or_else(|| panic!("{alerts}"));
        let body = gone["body"].as_str().unwrap();
        assert!(body.contains(&port.to_string()), "{body}");
    });
}

/// Points of the last hour that are there.
fn points(history: &Value) -> usize {
    let rows = history["rows"].as_array().unwrap();
    rows.iter().filter(|row| !row[1].is_null()).count()
}

#[test]
fn what_stood_when_an_agent_was_killed_stands_after_it_and_is_not_told_of_again() {
    let name =
        "trouble::what_stood_when_an_agent_was_killed_stands_after_it_and_is_not_told_of_again";
    in_fresh_namespace(name, |_| {
        let rules = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            rules.path(),
            "[alert.close-wait]\nfor = \"1s\"\nclear_for = \"1s\"\n",
        )
        .unwrap();
        let state = tempfile::tempdir().unwrap();
        let [config, dir] = [rules.path(), state.path()].map(|path| path.to_str().unwrap());
        let start =
            || Program::start(&["--exporter", "none", "--config", config, "--state-dir", dir]);
        let leaked = leak(11);

        let first = start();
        let before = first.waits_for("close-wait");
        // On disk: an alert is written down with the tick that tells of it, or the next one.
        let kept = state.path().join("tcpgauge-alerts.state");
        wait_for(
            || "the state on disk".to_owned(),
            || kept.exists().then_some(()),
        );
        first.sample(1);
        drop(first);

        let second = start();
        second.sample(4);
        let after = second.waits_for("close-wait");
        assert_eq!(
            (&after["id"], &after["since"]),
            (&before["id"], &before["since"])
        );
        let events = second.alerts()["recent"].as_array().unwrap().len();
        assert_eq!(events, 1, "it was told of before: {}", second.alerts());
        drop(leaked);
        wait_for(
            || format!("its end: {}", second.alerts()),
            || (second.alerts()["standing_in_all"] == 0).then_some(()),
        );
        let known = points(&second.get("/api/v1/history?range=hour"));
        second.stop();

        // What was written at the end is there, the history too; and what is no such file is set aside.
        let third = start();
        third.sample(2);
        let kept_points = points(&third.get("/api/v1/history?range=hour"));
        assert!(
            known > 0 && kept_points >= known,
            "{kept_points} of {known}"
        );
        third.stop();
        std::fs::write(&kept, "not what was written").unwrap();
        let fourth = start();
        fourth.sample(1);
        assert_eq!(fourth.alerts()["recent"].as_array().unwrap().len(), 0);
        assert!(state.path().join("tcpgauge-alerts.state.damaged").exists());
    });
}

#[test]
fn an_event_that_nobody_took_before_a_restart_arrives_after_it() {
    let name = "trouble::an_event_that_nobody_took_before_a_restart_arrives_after_it";
    in_fresh_namespace(name, |test| {
        let Some(mut setup) = Setup::new(test) else {
            return;
        };
        let logs = format!("http://{}", setup.logs("logs", "grpc"));
        let rules = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(rules.path(), "[alert.close-wait]\nfor = \"1s\"\n").unwrap();
        let state = tempfile::tempdir().unwrap();
        let [config, dir] = [rules.path(), state.path()].map(|path| path.to_str().unwrap());
        let start = || {
            let arguments = ["--exporter", "none", "--logs-endpoint", &logs];
            Program::start(&[&arguments[..], &["--config", config, "--state-dir", dir]].concat())
        };
        let leaked = leak(11);
        let first = start();
        let alert = first.waits_for("close-wait");
        first.stop();

        let _collector = setup.start();
        let second = start();
        let record = wait_for(
            || "the event in the Collector".to_owned(),
            || setup.records("logs").into_iter().next(),
        );
        assert_eq!(record["eventName"], "tcpgauge.alert.fired");
        assert!(
            record.to_string().contains(alert["id"].as_str().unwrap()),
            "{record}"
        );
        second.sample(3);
        assert_eq!(
            setup.records("logs").len(),
            1,
            "it still stands, which is no news"
        );
        drop(leaked);
    });
}
