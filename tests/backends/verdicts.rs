//! What becomes of samples at each answer that a server of HTTP can give; tests/delivery/verdicts.rs has those of gRPC.

use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use prost::Message;

use crate::agent::{Agent, Ended, Tcpgauge, all_at_once, unix_now};
use crate::child::wait_for;
use crate::http_server::{Answer, Asked, HttpServer};
use crate::otlp_server::{OtlpServer, Port};
use crate::samples::times;
use crate::whole::assert_whole;

/// How long a backend is away where a test wants several samples in one request.
const AWAY: Duration = Duration::from_millis(3300);

fn start(endpoint: &str) -> Agent {
    Tcpgauge::run(endpoint)
        .args(["--protocol", "http/protobuf"])
        .start()
}

fn wait_until(server: &HttpServer, agent: &Agent, is_so: impl Fn(&HttpServer) -> bool) {
    wait_for(
        || format!("{:?}\n{}", server.asked(), agent.log()),
        || is_so(server).then_some(()),
    );
}

/// Waits for a sample that is taken after now, and ends the agent.
fn settle(server: &HttpServer, agent: Agent) -> Ended {
    let now = unix_now();
    wait_until(server, &agent, |server| {
        server.times().last().is_some_and(|last| *last > now)
    });
    agent.stop()
}

/// An agent whose first samples wait for each other, as the backend comes up late.
fn late(script: impl FnMut(usize, &Asked) -> Answer + Send + 'static) -> (HttpServer, Agent) {
    let port = Port::reserve();
    let agent = start(&port.endpoint());
    std::thread::sleep(AWAY);
    (HttpServer::start_on(port, script), agent)
}

/// Everything that is kept: the status, and a word that the operator is told beside it.
const KEPT: [(&str, (u16, &str)); 26] = [
    ("300", (300, "redirection")),
    ("399", (399, "redirection")),
    ("401", (401, "credentials")),
    ("402", (402, "does not take")),
    ("403", (403, "credentials")),
    ("404", (404, "no such path")),
    ("405", (405, "endpoint complete")),
    ("406", (406, "does not take")),
    ("407", (407, "does not take")),
    ("408", (408, "trying on")),
    ("410", (410, "does not take")),
    ("411", (411, "does not take")),
    ("413, one sample", (413, "trying on")),
    ("415", (415, "Protocol Buffers")),
    ("421", (421, "does not take")),
    ("425", (425, "trying on")),
    ("426", (426, "does not take")),
    ("429", (429, "trying on")),
    ("431", (431, "does not take")),
    ("500", (500, "trying on")),
    ("501", (501, "does not speak")),
    ("502", (502, "trying on")),
    ("503", (503, "trying on")),
    ("504", (504, "trying on")),
    ("505", (505, "does not speak")),
    ("507", (507, "trying on")),
];

#[test]
fn what_may_be_mended_or_pass_loses_nothing_and_is_said_once() {
    all_at_once(&KEPT, |&(status, word)| {
        let server = HttpServer::start(move |number, _| match number {
            0 | 1 => Answer::of(status).saying("in its own words"),
            _ => Answer::of(200),
        });
        let agent = start(&server.endpoint());
        wait_until(&server, &agent, |server| server.asked().len() > 2);
        let ended = settle(&server, agent);
        assert_whole(&server.times(), &ended);
        // Who has to mend something may not be who was meant; the others are asked again where they were.
        let connections: Vec<usize> = server.asked().iter().map(|it| it.connection).collect();
        let expected = if word == "trying on" {
            [0, 0, 0]
        } else {
            [0, 1, 2]
        };
        assert_eq!(connections[..3], expected, "{}", ended.log);
        let said = ended.complaints();
        assert_eq!(said.len(), 1, "{}", ended.log);
        for word in [word, "in its own words", &status.to_string()] {
            assert!(said[0].contains(word), "no {word:?} in: {}", said[0]);
        }
    });
}

#[test]
fn the_one_sample_that_is_refused_is_dropped_and_counted_and_the_others_arrive() {
    let cases = [("400", 400), ("409", 409), ("422", 422)];
    all_at_once(&cases, |&status| {
        let mut bad = None;
        let (server, agent) = late(move |_, asked| {
            let bad = *bad.get_or_insert(asked.times[asked.times.len() / 2]);
            if asked.times.contains(&bad) {
                Answer::of(status).saying("out of bounds")
            } else {
                Answer::of(200)
            }
        });
        let ended = settle(&server, agent);
        let first = server.asked()[0].times.clone();
        assert!(first.len() >= 2, "several samples in the first: {first:?}");
        let bad = first[first.len() / 2];
        let mut times = server.times();
        assert!(!times.contains(&bad));
        times.insert(times.partition_point(|time| *time < bad), bad);
        assert_whole(&times, &ended);
        let said = ended.complaints();
        let is_count = |line: &&&str| line.contains("dropped=1") && line.contains("out of bounds");
        let counted = said.iter().filter(is_count);
        assert_eq!(counted.count(), 1, "{}", ended.log);
    });
}

#[test]
fn what_is_too_large_is_halved_until_it_fits() {
    let (server, agent) = late(|_, asked| match asked.times.len() {
        0 | 1 => Answer::of(200),
        _ => Answer::of(413),
    });
    let ended = settle(&server, agent);
    assert_whole(&server.times(), &ended);
    let sizes: Vec<usize> = server.asked().iter().map(|one| one.times.len()).collect();
    assert!(
        sizes[0] >= 2 && sizes[1] <= sizes[0].div_ceil(2),
        "{sizes:?}"
    );
    assert!(!ended.log.contains("dropped=1"), "{}", ended.log);
}

/// A moment as HTTP writes it.
fn http_date(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[test]
fn a_server_is_asked_again_when_it_says_and_not_before() {
    // A date has no fraction, so that it may be up to a second less.
    type When = fn() -> String;
    let cases: [(&str, (When, u64)); 3] = [
        ("seconds", (|| "3".to_owned(), 3)),
        (
            "a date",
            (|| http_date(SystemTime::now() + Duration::from_secs(4)), 3),
        ),
        (
            "a date that is past",
            (|| http_date(SystemTime::UNIX_EPOCH), 0),
        ),
    ];
    for status in [429, 503] {
        all_at_once(&cases, |(when, least)| {
            let when = *when;
            let server = HttpServer::start(move |number, _| match number {
                0 => Answer::of(status).with("retry-after", when()),
                _ => Answer::of(200),
            });
            let agent = start(&server.endpoint());
            wait_until(&server, &agent, |server| server.asked().len() > 1);
            let asked = server.asked();
            let waited = asked[1].arrived - asked[0].arrived;
            assert!(waited >= Duration::from_secs(*least), "{waited:?}");
            let ended = settle(&server, agent);
            assert_whole(&server.times(), &ended);
        });
    }
}

#[test]
fn points_that_are_rejected_are_said_and_not_sent_again() {
    let partial = ExportMetricsServiceResponse {
        partial_success: Some(ExportMetricsPartialSuccess {
            rejected_data_points: 3,
            error_message: "label too long".to_owned(),
        }),
    };
    let server = HttpServer::start(move |number, _| match number {
        1 => Answer::of(200)
            .with("content-type", "application/x-protobuf")
            .saying(partial.encode_to_vec()),
        _ => Answer::of(200),
    });
    let agent = start(&server.endpoint());
    wait_until(&server, &agent, |server| server.asked().len() > 3);
    let ended = settle(&server, agent);
    assert_whole(&server.times(), &ended);
    let said = ended.complaints();
    assert!(
        said.len() == 1
            && said[0].contains("rejected_points=3")
            && said[0].contains("label too long"),
        "{}",
        ended.log
    );
}

#[test]
fn a_redirection_is_not_followed_and_says_so() {
    let cases = [301, 302, 303, 307, 308].map(|status| ("a redirection", status));
    all_at_once(&cases, |&status| {
        let elsewhere = HttpServer::start(|_, _| Answer::of(200));
        let location = format!("{}/v1/metrics", elsewhere.endpoint());
        let server = HttpServer::start(move |number, _| match number {
            0 | 1 => Answer::of(status).with("location", &location),
            _ => Answer::of(200),
        });
        let agent = start(&server.endpoint());
        wait_until(&server, &agent, |server| server.asked().len() > 2);
        let ended = settle(&server, agent);
        assert_whole(&server.times(), &ended);
        assert_eq!(elsewhere.asked().len(), 0);
        let said = ended.complaints();
        assert!(
            said.len() == 1 && said[0].contains("not followed"),
            "{}",
            ended.log
        );
    });
}

#[test]
fn a_server_that_takes_no_gzip_gets_everything_as_it_is() {
    let server = HttpServer::start(|_, asked| Answer::of(if asked.is_gzip { 415 } else { 200 }));
    let agent = Tcpgauge::run(&server.endpoint())
        .args(["--protocol", "http/protobuf", "--compression", "gzip"])
        .start();
    wait_until(&server, &agent, |server| server.times().len() > 2);
    let ended = settle(&server, agent);
    assert_whole(&server.times(), &ended);
    let compressed = server.asked().iter().filter(|one| one.is_gzip).count();
    assert_eq!(compressed, 1, "asked once: {:?}", server.asked());
    assert_eq!(ended.complaints(), <[&str; 0]>::default(), "{}", ended.log);
}

/// One of gRPC without gzip says that it has no such method, and means the compression.
#[test]
fn a_server_of_grpc_that_takes_no_gzip_gets_everything_as_it_is() {
    let server = OtlpServer::started();
    let agent = Tcpgauge::run(&server.endpoint())
        .args(["--compression", "gzip"])
        .start();
    wait_for(
        || agent.log(),
        || (server.received().len() > 2).then_some(()),
    );
    let ended = agent.stop();
    assert_whole(&times(&server.accepted()), &ended);
    assert_eq!(ended.complaints(), <[&str; 0]>::default(), "{}", ended.log);
    assert!(ended.log.contains("takes no gzip"), "{}", ended.log);
}

#[test]
fn a_base_has_the_path_of_metrics_put_after_it_and_a_whole_address_has_not() {
    let cases = [
        ("a base", ("OTEL_EXPORTER_OTLP_ENDPOINT", "", "/v1/metrics")),
        (
            "a base with a path",
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "/otlp/", "/otlp/v1/metrics"),
        ),
        (
            "a whole one",
            (
                "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
                "/opentelemetry/v1/metrics",
                "/opentelemetry/v1/metrics",
            ),
        ),
        (
            "a whole one elsewhere",
            (
                "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
                "/push?db=1",
                "/push?db=1",
            ),
        ),
    ];
    all_at_once(&cases, |(variable, path, expected)| {
        let server = HttpServer::start(|_, _| Answer::of(200));
        let agent = Tcpgauge::command("run")
            .args(["--interval", "1s", "--host-name", "h"])
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            .env(variable, &format!("{}{path}", server.endpoint()))
            .start();
        wait_until(&server, &agent, |server| !server.asked().is_empty());
        assert_eq!(server.asked()[0].path, *expected);
    });
}
