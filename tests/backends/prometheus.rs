//! Prometheus, which takes OTLP over HTTP: what it makes of the five, under which names, and of a backlog.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;

use crate::agent::{Agent, Tcpgauge, unix_now};
use crate::child::{PATIENCE, Served, wait_for};
use crate::otlp_server::Port;
use crate::tools::tool;
use crate::whole::assert_whole;

/// The name that each has there, and what a fresh tree has.
const FIVE: [(&str, i64); 5] = [
    ("tcp_connections", 47),
    ("tcp_established", 9),
    ("tcp_time_wait", 10),
    ("tcp_close_wait", 6),
    ("tcp_listen", 8),
];

struct Prometheus {
    program: std::path::PathBuf,
    directory: TempDir,
    port: Port,
    config: &'static str,
}

impl Prometheus {
    fn new(test: &str, config: &'static str) -> Option<Self> {
        Some(Self {
            program: tool("prometheus", test)?,
            directory: tempfile::tempdir().unwrap(),
            port: Port::reserve(),
            config,
        })
    }

    /// Starts it, or starts it again on what it has stored.
    fn start(&self) -> Served {
        let at = |name: &str| self.directory.path().join(name).display().to_string();
        std::fs::write(at("prometheus.yml"), self.config).unwrap();
        let mut command = Command::new(&self.program);
        command
            .arg("--web.enable-otlp-receiver")
            .arg(format!("--config.file={}", at("prometheus.yml")))
            .arg(format!("--storage.tsdb.path={}", at("data")))
            .arg(format!("--web.listen-address={}", self.port.address()));
        Served::start(command, &self.directory.path().join("log"), |_| {
            self.get("/-/ready").is_some_and(|(code, _)| code == 200)
        })
    }

    fn agent(&self) -> Agent {
        Tcpgauge::command("run")
            .args(["--interval", "1s", "--host-name", "web-1"])
            .env("TCPGAUGE_SEND_SPREAD", "0s")
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                &format!("{}/api/v1/otlp", self.port.endpoint()),
            )
            .start()
    }

    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.port.address()).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        // The version in which an answer ends with the connection.
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.get(9..12)?.parse().ok()?, body.to_owned()))
    }

    /// What a query gives.
    fn query(&self, query: &str) -> Vec<Value> {
        let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
        let (code, body) = self.get(&format!("/api/v1/query?query={query}")).unwrap();
        assert_eq!(code, 200, "{body}");
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        serde_json::from_value(answer["data"]["result"].take()).unwrap()
    }

    /// The times of all there is of the first of the five.
    fn times(&self) -> Vec<Duration> {
        let found = self.query("tcp_connections[10m]");
        assert!(found.len() <= 1, "one series: {found:?}");
        let values = found.first().map(|series| series["values"].clone());
        let values = values.as_ref().and_then(Value::as_array);
        let time = |pair: &Value| Duration::from_secs_f64(pair[0].as_f64().unwrap());
        values.into_iter().flatten().map(time).collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }
}

fn number(result: &Value) -> i64 {
    result["value"][1].as_str().unwrap().parse().unwrap()
}

#[test]
fn the_five_are_there_by_their_names_with_the_labels_that_are_expected() {
    let Some(prometheus) = Prometheus::new("prometheus", "{}") else {
        return;
    };
    let _served = prometheus.start();
    let agent = prometheus.agent();
    wait_for(
        || agent.log(),
        || (prometheus.times().len() >= 2).then_some(()),
    );
    for (name, expected) in FIVE {
        let found = prometheus.query(name);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!(number(&found[0]), expected, "{name}");
        let labels = found[0]["metric"].as_object().unwrap();
        let names: Vec<&str> = labels.keys().map(String::as_str).collect();
        assert_eq!(names, ["__name__", "instance", "job"], "{name}");
        assert_eq!(labels["job"], "tcpgauge");
    }
    let (_, names) = prometheus.get("/api/v1/label/__name__/values").unwrap();
    let names: Value = serde_json::from_str(&names).unwrap();
    for name in [
        "tcpgauge_delivery_sent_total",
        "tcpgauge_process_cpu_seconds_total",
        "tcpgauge_queue_size_bytes",
        "tcpgauge_queue_records",
    ] {
        let names = names["data"].as_array().unwrap();
        assert!(names.contains(&name.into()), "{name}: {names:?}");
    }
    let states = prometheus.query("system_network_connection_count");
    assert_eq!(states.len(), 11, "{states:?}");
    let close_wait = prometheus.query(
        r#"system_network_connection_count{network_connection_state="close_wait",network_transport="tcp"}"#,
    );
    assert_eq!(close_wait.len(), 1);
    assert_eq!(number(&close_wait[0]), 6);
    // Which host it is, is in a series of its own, as docs/backends.md tells.
    let joined =
        prometheus.query("tcp_close_wait * on (job, instance) group_left (host_name) target_info");
    assert_eq!(joined.len(), 1, "{joined:?}");
    assert_eq!(joined[0]["metric"]["host_name"], "web-1");
    let ended = agent.stop();
    assert_eq!(ended.complaints(), <[&str; 0]>::default(), "{}", ended.log);
}

#[test]
fn a_backlog_is_taken_in_order_after_an_outage() {
    let Some(prometheus) = Prometheus::new(
        "prometheus after an outage",
        "otlp:\n  promote_resource_attributes: [host.name]\n",
    ) else {
        return;
    };
    let first = prometheus.start();
    let agent = prometheus.agent();
    wait_for(
        || agent.log(),
        || (prometheus.times().len() >= 3).then_some(()),
    );
    drop(first);
    let gone = unix_now();
    // Long enough that several wait; what they are is seen afterwards.
    wait_for(
        || agent.log(),
        || (unix_now() > gone + Duration::from_secs(6)).then_some(()),
    );
    let back = unix_now();
    let _second = prometheus.start();
    wait_for(
        || format!("{}\n{}", agent.log(), prometheus.log()),
        || {
            prometheus
                .times()
                .last()
                .is_some_and(|last| *last > back)
                .then_some(())
        },
    );
    let ended = agent.stop();
    wait_for(
        || ended.log.clone(),
        || {
            let times = prometheus.times();
            // It keeps milliseconds.
            let last = times.last().copied().unwrap_or_default() + Duration::from_millis(1);
            (last >= ended.stopped).then_some(())
        },
    );
    let mut times = prometheus.times();
    let outage = times.iter().filter(|time| **time > gone && **time < back);
    assert!(outage.count() >= 4, "{times:?}");
    for time in &mut times {
        *time += Duration::from_millis(1);
    }
    assert_whole(&times, &ended);
    let found = prometheus.query(r#"tcp_listen{host_name="web-1"}"#);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        !prometheus.log().contains("out of order"),
        "{}",
        prometheus.log()
    );
}
