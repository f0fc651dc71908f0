//! The agent's own alerts, as they begin and end, in a real Collector: through its outages, and through kills of the agent.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::agent::{Agent, TCP, Tcpgauge, all_at_once, table, unix_now};
use crate::child::{Served, wait_for};
use crate::collector::Setup;
use crate::enter::in_fresh_namespace;
use crate::http_server::{Answer, HttpServer};
use crate::leak::Leak;
use crate::otlp_server::OtlpServer;
use crate::program;
use crate::samples::times;
use crate::whole::assert_whole;

/// One rule is quick; all others take their time, which no test has.
const RULES: &str = r#"
[alert.close-wait]
for = "1s"
clear_for = "1s"
"#;

/// The state by the kernel's number.
const CLOSE_WAIT: u8 = 8;

/// So many samples see an alert begin, or end: one that may be on its way, the first that sees it, one a second later, and one to spare.
const ENOUGH: usize = 4;

/// Begins or ends a leak: so many sockets in `CLOSE_WAIT`, and of all other states as many as ever.
fn leak(agent: &Agent, sockets: usize) {
    let states = TCP.map(|(state, number)| match state {
        CLOSE_WAIT => (state, sockets),
        _ => (state, number),
    });
    agent.tree.write("tcp", &table(&states, 8));
}

fn start(
    protocol: &str,
    metrics: &str,
    logs: &str,
    more: &[&str],
) -> (Agent, tempfile::NamedTempFile) {
    let rules = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(rules.path(), RULES).unwrap();
    let agent = Tcpgauge::run(metrics)
        .args(["--protocol", protocol, "--logs-endpoint", logs, "--config"])
        .args([rules.path()])
        .args(more)
        .start();
    (agent, rules)
}

/// What an event says, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    name: String,
    rule: String,
    id: String,
    time: Duration,
}

fn told(records: &[Value]) -> Vec<Told> {
    let one = |record: &Value| {
        let attributes = record["attributes"].as_array().unwrap().iter();
        let attributes: BTreeMap<&str, &Value> = attributes
            .map(|attribute| (attribute["key"].as_str().unwrap(), &attribute["value"]))
            .collect();
        let text = |key: &str| attributes[key]["stringValue"].as_str().unwrap().to_owned();
        let nanos = record["timeUnixNano"].as_str().unwrap();
        Told {
            name: record["eventName"].as_str().unwrap().to_owned(),
            rule: text("tcpgauge.alert.rule"),
            id: text("tcpgauge.alert.id"),
            time: Duration::from_nanos(nanos.parse().unwrap()),
        }
    };
    let all = records.iter().map(one);
    all.filter(|told| told.rule == "close-wait").collect()
}

/// It fires, it is resolved, and so on, each in its turn, at the time of a sample, and never twice.
fn is_whole(told: &[Told]) {
    for (number, one) in told.iter().enumerate() {
        let name = ["tcpgauge.alert.fired", "tcpgauge.alert.resolved"][number % 2];
        assert_eq!(one.name, name, "{told:?}");
    }
    for pair in told.chunks(2) {
        assert!(pair.iter().all(|one| one.id == pair[0].id), "{told:?}");
    }
    assert!(
        told.is_sorted_by(|one, next| one.time < next.time),
        "{told:?}"
    );
    let mut ids: Vec<_> = told.iter().map(|one| &one.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), told.len().div_ceil(2), "{told:?}");
}

#[test]
fn each_transition_arrives_once_in_order_with_its_own_time_through_outages_of_the_collector() {
    const OUTAGES: usize = 2;
    let test =
        "each_transition_arrives_once_in_order_with_its_own_time_through_outages_of_the_collector";
    let Some(mut setup) = Setup::new(test) else {
        return;
    };
    let agents = [("grpc", "grpc"), ("http", "http/protobuf")].map(|(name, protocol)| {
        let path = if name == "http" { "/v1/logs" } else { "" };
        let metrics = setup.metrics(&format!("{name}-metrics"), name, json!({}));
        let logs = format!("http://{}{path}", setup.logs(name, name));
        (
            name,
            start(protocol, &format!("http://{metrics}"), &logs, &[]),
        )
    });
    let mut expected = 0;
    for _ in 0..OUTAGES {
        // Both begin and end while nobody is there.
        for sockets in [12, 0] {
            for (_, (agent, _)) in &agents {
                leak(agent, sockets);
            }
            for (_, (agent, _)) in &agents {
                agent.wait_for_samples(ENOUGH);
            }
        }
        expected += 2;
        let collector = setup.start();
        for (name, (agent, _)) in &agents {
            wait_for(
                || {
                    format!(
                        "{expected} events at {name}: {:?}\n{}",
                        told(&setup.records(name)),
                        agent.log()
                    )
                },
                || (told(&setup.records(name)).len() >= expected).then_some(()),
            );
        }
        // Killed when it has written these; of samples it may take with it what it has just taken.
        drop(collector);
    }
    let _collector = setup.start();
    for (name, (agent, _rules)) in agents {
        let ended = agent.stop();
        ended.assert_clean();
        let told = told(&setup.records(name));
        assert_eq!(told.len(), expected, "{name}: {told:?}\n{}", ended.log);
        is_whole(&told);
    }
}

#[test]
fn a_transition_before_a_kill_arrives_once_after_it() {
    const KILLS: usize = 3;
    let test = "a_transition_before_a_kill_arrives_once_after_it";
    let Some(mut setup) = Setup::new(test) else {
        return;
    };
    let spool = tempfile::tempdir().unwrap();
    let metrics = format!("http://{}", setup.metrics("metrics", "grpc", json!({})));
    let logs = format!("http://{}", setup.logs("logs", "grpc"));
    let run = || {
        start(
            "grpc",
            &metrics,
            &logs,
            &["--spool-dir", spool.path().to_str().unwrap()],
        )
    };
    for _ in 0..KILLS {
        let (agent, _rules) = run();
        agent.wait_for_samples(2);
        for sockets in [12, 0] {
            leak(&agent, sockets);
            agent.wait_for_samples(ENOUGH);
        }
        wait_for(
            || agent.log(),
            || has_records(&spool.path().join("logs")).then_some(()),
        );
        drop(agent);
    }
    let _collector = setup.start();
    let (agent, _rules) = run();
    wait_for(
        || format!("{:?}\n{}", told(&setup.records("logs")), agent.log()),
        || (told(&setup.records("logs")).len() >= 2 * KILLS).then_some(()),
    );
    agent.stop().assert_clean();
    let told = told(&setup.records("logs"));
    assert_eq!(told.len(), 2 * KILLS, "{told:?}");
    is_whole(&told);
}

/// Whether a spool has more than a head.
fn has_records(spool: &Path) -> bool {
    let files = std::fs::read_dir(spool).into_iter().flatten();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum::<u64>()
        > 1024
}

#[test]
fn a_backend_without_logs_takes_every_sample_all_the_same_and_is_said_to_be_one_once() {
    all_at_once(&[("grpc", "grpc"), ("http", "http/protobuf")], |protocol| {
        // It knows no service of logs.
        let grpc = OtlpServer::started();
        let http = HttpServer::start(|_, asked| {
            Answer::of(if asked.path == "/v1/metrics" {
                200
            } else {
                404
            })
        });
        let endpoint = match *protocol {
            "grpc" => grpc.endpoint(),
            _ => http.endpoint(),
        };
        let rules = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(rules.path(), RULES).unwrap();
        let agent = Tcpgauge::run(&endpoint)
            .args(["--protocol", protocol, "--config"])
            .args([rules.path()])
            .start();
        agent.wait_for_samples(2);
        for sockets in [12, 0] {
            leak(&agent, sockets);
            agent.wait_for_samples(ENOUGH);
        }
        let before = unix_now();
        let ended = agent.stop();
        let samples = match *protocol {
            "grpc" => grpc
                .accepted()
                .iter()
                .flat_map(|one| times(std::slice::from_ref(one)))
                .collect(),
            _ => http.times(),
        };
        assert_whole(&samples, &ended);
        assert!(samples.last().is_some_and(|last| *last >= before));
        let said = ended.log.matches("it takes no logs").count();
        assert_eq!(said, 1, "{}", ended.log);
        let told = ["OTEL_LOGS_EXPORTER=none", "event(s) undelivered"];
        assert!(
            told.iter().all(|words| ended.log.contains(words)),
            "{}",
            ended.log
        );
        assert!(!ended.log.contains("ERROR"), "{}", ended.log);
    });
}

#[test]
fn a_leak_is_told_of_with_the_process_that_holds_it_and_its_port() {
    let test = "transitions::a_leak_is_told_of_with_the_process_that_holds_it_and_its_port";
    in_fresh_namespace(test, |test| {
        let Some(mut setup) = Setup::new(test) else {
            return;
        };
        let logs = format!("http://{}", setup.logs("logs", "grpc"));
        let _collector = setup.start();
        let rules = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(rules.path(), RULES).unwrap();
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let leak = Leak::new(here, here, 12);
        let mut command = program::tcpgauge(["run", "--scope", "self", "--interval", "1s"]);
        command
            .args(["--exporter", "none", "--logs-endpoint", &logs, "--config"])
            .arg(rules.path())
            .env("TCPGAUGE_SEND_SPREAD", "0s");
        let log = setup.directory().join("agent.log");
        let agent = Served::start(command, &log, |log| log.contains("INFO sample "));
        let records = wait_for(
            || agent.log(),
            || Some(setup.records("logs")).filter(|records| !told(records).is_empty()),
        );
        let attributes = records[0]["attributes"].as_array().unwrap();
        let has = |key: &str, value: Value| {
            let wanted = json!({"key": key, "value": value});
            assert!(attributes.contains(&wanted), "{wanted} {}", records[0]);
        };
        has("tcpgauge.alert.rule", json!({"stringValue": "close-wait"}));
        has("tcpgauge.alert.value", json!({"doubleValue": 12}));
        has("tcpgauge.alert.limit", json!({"doubleValue": 10}));
        has(
            "process.pid",
            json!({"intValue": std::process::id().to_string()}),
        );
        has(
            "network.local.port",
            json!({"intValue": leak.port().to_string()}),
        );
        let body = records[0]["body"]["stringValue"].as_str().unwrap();
        assert!(body.contains("12"), "{body}");
    });
}
