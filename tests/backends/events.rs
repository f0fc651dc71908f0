//! Events on their way to a real Collector: each arrives once, in order and with its own time, whatever becomes of the Collector
//! meanwhile. The way is the agent's own; what makes the events is the test.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_sdk::Resource;
use serde_json::Value;
use tcpgauge::alerts::{Alert, Event, Metric, Severity, Transition};
use tcpgauge::config::settings::UsedBy;
use tcpgauge::config::{Config, Environment, Flags};
use tcpgauge::culprits::Whose;
use tcpgauge::delivery;
use tcpgauge::delivery::backend::Backend;
use tcpgauge::delivery::outbox::Outbox;
use tcpgauge::delivery::sender::Sender;
use tcpgauge::delivery::spool::{self, Spool, SpoolError};
use tcpgauge::otlp::logs::Encoder;
use tcpgauge::source::Scope;
use tokio::sync::watch;

use crate::agent::{Tcpgauge, all_at_once};
use crate::child::{PATIENCE, wait_for};
use crate::collector::Setup;
use crate::otlp_server::OtlpServer;

/// Long ago, for the time of an event is that of its sample and of nothing else.
fn time(number: usize) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_millis(number as u64 * 1001)
}

fn event(number: usize) -> Event {
    Event {
        time: time(number),
        transition: [Transition::Fired, Transition::Resolved][number % 2],
        alert: Alert {
            id: (number / 2).to_string().into(),
            rule: "close-wait".into(),
            severity: Severity::Warning,
            whose: Whose::Alone(Scope::Host),
            metric: Metric::CloseWait,
            value: 12.0,
            limit: 10.0,
            since: time(number),
            culprits: Vec::new(),
            body: format!("event {number}").into(),
            runbook: "".into(),
            steps: Arc::from([]),
        },
    }
}

/// What the configuration makes of these settings.
fn options(settings: &[(&'static str, &str)]) -> delivery::Options {
    let settings = settings.iter();
    let flags = Flags {
        settings: settings
            .map(|(key, value)| (*key, (*value).to_owned()))
            .collect(),
        file: None,
    };
    let config = Config::load(flags, Environment::default(), UsedBy::Senders).unwrap();
    config.events.options().unwrap().clone()
}

/// The spool, which nobody has. What another test starts holds, until it is a program of its own, all that was open here when it
/// was forked, and the lock with it.
fn given_back(options: &spool::Options) -> Spool {
    let opened = || match Spool::open(options) {
        Err(SpoolError::InUse(_)) => None,
        opened => Some(opened.unwrap()),
    };
    wait_for(|| format!("{options:?} to be given back"), opened)
}

/// The way of events, as long as it lives.
struct Line {
    outbox: Outbox,
    encoder: Encoder,
    told: usize,
    _leave: watch::Sender<bool>,
    runtime: tokio::runtime::Runtime,
}

impl Line {
    fn start(options: &delivery::Options) -> Self {
        let spool = options.spool.as_ref().map(given_back);
        let outbox = Outbox::recovering(options.endpoint.signal, options.queue, spool, &0.into());
        let (leave, leaving) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let sender = Sender::new(outbox.clone(), Backend::new(options), Duration::ZERO);
        runtime.spawn(sender.run(leaving));
        Self {
            outbox,
            encoder: Encoder::new(&Resource::builder_empty().build()),
            told: 0,
            _leave: leave,
            runtime,
        }
    }

    fn tell(&mut self, more: usize) {
        for number in self.told..self.told + more {
            self.outbox.push(self.encoder.encode(&event(number)));
        }
        self.told += more;
    }

    /// As by kill -9, but that what was put in is on disk, which the spool's own tests are about.
    fn die(self) {
        self.runtime.shutdown_background();
        assert!(self.outbox.close(PATIENCE));
    }
}

/// The numbers of events that a Collector has taken, each of which it has as it was sent.
fn numbers(records: &[Value]) -> Vec<usize> {
    let number = |record: &Value| {
        let body = record["body"]["stringValue"].as_str().unwrap();
        let number: usize = body.strip_prefix("event ").unwrap().parse().unwrap();
        let nanos = time(number).duration_since(UNIX_EPOCH).unwrap().as_nanos();
        assert_eq!(record["timeUnixNano"], nanos.to_string(), "{record}");
        let (name, severity) = [
            ("tcpgauge.alert.fired", "WARN"),
            ("tcpgauge.alert.resolved", "INFO"),
        ][number % 2];
        assert_eq!(record["eventName"], name, "{record}");
        assert_eq!(record["severityText"], severity, "{record}");
        number
    };
    records.iter().map(number).collect()
}

fn wait_for_all(setup: &Setup, name: &str, told: usize) {
    wait_for(
        || {
            format!(
                "{told} events at {name}: {:?}",
                numbers(&setup.records(name))
            )
        },
        || (setup.records(name).len() >= told).then_some(()),
    );
}

const PROTOCOLS: [(&str, &str); 2] = [("grpc", "grpc"), ("http", "http/protobuf")];

#[test]
fn each_event_arrives_once_in_order_and_with_its_time_through_outages_of_the_collector() {
    const OUTAGES: usize = 3;
    let test =
        "each_event_arrives_once_in_order_and_with_its_time_through_outages_of_the_collector";
    let Some(mut setup) = Setup::new(test) else {
        return;
    };
    let mut lines = PROTOCOLS.map(|(name, protocol)| {
        let endpoint = format!("http://{}", setup.logs(name, name));
        let options = options(&[("endpoint", &endpoint), ("protocol", protocol)]);
        (name, Line::start(&options))
    });
    for outage in 0..OUTAGES {
        // The first before it was ever there: so many that the oldest of them are sealed.
        for (_, line) in &mut lines {
            line.tell(if outage == 0 { 2000 } else { 7 });
        }
        std::thread::sleep(Duration::from_millis(700));
        let collector = setup.start();
        for (name, line) in &mut lines {
            wait_for_all(&setup, name, line.told);
            line.tell(3);
            wait_for_all(&setup, name, line.told);
        }
        // Killed when it has written what it took: what it may lose of its own is not ours to claim.
        drop(collector);
    }
    for (name, line) in &lines {
        let arrived = numbers(&setup.records(name));
        assert!(
            arrived.iter().copied().eq(0..line.told),
            "{name}: {arrived:?}"
        );
        let stats = line.outbox.stats();
        assert_eq!((stats.records, stats.sent), (0, line.told as u64), "{name}");
    }
}

#[test]
fn events_that_waited_when_the_agent_died_arrive_after_it_once_and_first() {
    const DEATHS: usize = 4;
    let test = "events_that_waited_when_the_agent_died_arrive_after_it_once_and_first";
    let Some(mut setup) = Setup::new(test) else {
        return;
    };
    let spools = tempfile::tempdir().unwrap();
    let kept = PROTOCOLS.map(|(name, protocol)| {
        let endpoint = format!("http://{}", setup.logs(name, name));
        let dir = spools.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        let options = options(&[
            ("endpoint", &endpoint),
            ("protocol", protocol),
            ("spool_dir", dir.to_str().unwrap()),
        ]);
        (name, options)
    });
    let mut told = 0;
    for _ in 0..DEATHS {
        for (_, options) in &kept {
            let mut line = Line::start(options);
            line.told = told;
            line.tell(5);
            line.die();
        }
        told += 5;
    }
    let _collector = setup.start();
    for (name, options) in &kept {
        let mut line = Line::start(options);
        line.told = told;
        line.tell(1);
        wait_for_all(&setup, name, told + 1);
        line.die();
        // What has arrived does not come back.
        let line = Line::start(options);
        assert_eq!(line.outbox.stats().pushed, 0, "{name}");
        let arrived = numbers(&setup.records(name));
        assert!(arrived.iter().copied().eq(0..=told), "{name}: {arrived:?}");
    }
}

#[test]
fn a_backend_without_logs_keeps_events_waiting_within_their_bounds_and_then_the_newest() {
    let server = OtlpServer::started();
    all_at_once(&PROTOCOLS, |protocol| {
        let http = crate::http_server::HttpServer::start(|_, asked| {
            assert_eq!(asked.path, "/v1/logs");
            crate::http_server::Answer::of(404)
        });
        let endpoint = match *protocol {
            "grpc" => server.endpoint(),
            _ => http.endpoint(),
        };
        let options = options(&[
            ("endpoint", &endpoint),
            ("protocol", protocol),
            ("queue_bytes", "16KiB"),
        ]);
        let mut line = Line::start(&options);
        line.tell(500);
        std::thread::sleep(Duration::from_secs(2));
        let stats = line.outbox.stats();
        assert_eq!((stats.sent, stats.dropped_refused), (0, 0), "{stats:?}");
        assert!(stats.bytes <= 16 << 10, "{stats:?}");
        assert_eq!(stats.records + stats.dropped_full, 500, "{stats:?}");
        assert!(stats.records > 10, "{stats:?}");
    });
    assert!(
        server.received().is_empty(),
        "no event is taken for a sample"
    );
}

#[test]
fn a_check_says_in_one_line_whether_events_are_taken_and_that_they_are_not_is_no_failure() {
    let test =
        "a_check_says_in_one_line_whether_events_are_taken_and_that_they_are_not_is_no_failure";
    let Some(mut setup) = Setup::new(test) else {
        return;
    };
    let logs = format!("http://{}", setup.logs("logs", "grpc"));
    let _collector = setup.start();
    let server = OtlpServer::started();
    let endpoint = server.endpoint();
    for (arguments, says) in [
        (
            &[][..],
            [
                "warn  events",
                "it takes no logs",
                "OTEL_LOGS_EXPORTER=none",
            ],
        ),
        (
            &["--logs-endpoint", &logs],
            ["ok    events", "takes logs over OTLP/gRPC", ""],
        ),
        (
            &["--logs-exporter", "none"],
            ["ok    events", "none are sent: logs_exporter is none", ""],
        ),
    ] {
        let check = Tcpgauge::command("check")
            .args(["--endpoint", &endpoint, "--host-name", "h"])
            .args(arguments);
        let (exit, said, complaints) = check.output();
        let lines: Vec<_> = said
            .lines()
            .filter(|line| line.contains("  events  "))
            .collect();
        assert_eq!(lines.len(), 1, "{said}{complaints}");
        assert!(says.iter().all(|words| lines[0].contains(words)), "{said}");
        assert_eq!(exit, Some(0), "{said}{complaints}");
    }
}
