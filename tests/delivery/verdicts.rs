//! What the agent makes of each answer: keep and try again, send less at once, drop the one bad sample, or leave it be.

use std::collections::BTreeSet;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use tonic::Code;

use crate::agent::{Agent, Ended, Tcpgauge, all_at_once, unix_now};
use crate::otlp_server::{Answer, OtlpServer, Port};
use crate::samples::{assert_whole, samples_of, times};

/// Waits are random: at most 1, 2, 4, 8, 16, 32 and 60 s. Nothing is claimed of how long it takes, but that it comes.
const WITHIN: Duration = Duration::from_mins(2);

/// How long the backend is away where a test wants several samples in one request.
const AWAY: Duration = Duration::from_millis(2300);

fn settle(server: &OtlpServer, agent: Agent) -> Ended {
    let now = unix_now();
    let came = server.wait_until(WITHIN, |received| {
        received.iter().rev().any(|one| {
            one.is_accepted()
                && samples_of(&one.request)
                    .iter()
                    .any(|sample| sample.time > now)
        })
    });
    assert!(
        came,
        "nothing new was accepted within {WITHIN:?}:\n{}",
        agent.log()
    );
    let ended = agent.stop();
    ended.assert_clean();
    ended
}

/// An agent whose first samples wait for each other, as the backend comes up late and then answers by this script.
fn late_backend(
    script: impl FnMut(usize, &ExportMetricsServiceRequest) -> Answer + Send + 'static,
) -> (OtlpServer, Agent) {
    let mut server = OtlpServer::stopped(Port::reserve());
    server.answer(script);
    let agent = Tcpgauge::run(&server.endpoint()).start();
    std::thread::sleep(AWAY);
    server.start();
    (server, agent)
}

#[test]
fn a_retryable_refusal_loses_nothing() {
    let codes = [
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::Cancelled,
        Code::Aborted,
        Code::OutOfRange,
        Code::DataLoss,
        Code::Unknown,
        Code::Internal,
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::Unimplemented,
        Code::NotFound,
    ];
    let names: Vec<String> = codes.iter().map(|code| format!("{code:?}")).collect();
    let cases: Vec<(&str, Code)> = names.iter().map(String::as_str).zip(codes).collect();
    all_at_once(&cases, |&code| {
        let server = OtlpServer::started();
        server.answer(move |index, _| {
            if index < 2 {
                Answer::refuse(code, "not now, please")
            } else {
                Answer::ok()
            }
        });
        let agent = Tcpgauge::run(&server.endpoint()).start();
        assert!(
            server.wait_until(WITHIN, |received| received.len() > 2),
            "{}",
            agent.log()
        );
        let ended = settle(&server, agent);
        assert_whole(&times(&server.accepted()), &ended);
        assert_eq!(ended.complaints().len(), 1, "said once:\n{}", ended.log);
        assert!(
            ended.log.contains("not now, please"),
            "the backend's own words are passed on:\n{}",
            ended.log
        );
    });
}

#[test]
fn unimplemented_is_explained() {
    let server = OtlpServer::started();
    server.answer(|_, _| Answer::refuse(Code::Unimplemented, "unknown service MetricsService"));
    let agent = Tcpgauge::run(&server.endpoint()).start();
    agent.wait_for_log("traces", Duration::from_secs(5));
    let log = agent.log();
    let line = log.lines().find(|line| line.contains("traces")).unwrap();
    assert!(line.contains("metrics"), "{line}");
}

#[test]
fn resource_exhausted_with_retry_info_waits_as_long_as_told() {
    let wait = Duration::from_millis(3200);
    let server = OtlpServer::started();
    server.answer(move |index, _| match index {
        0 => Answer::refuse_for(Code::ResourceExhausted, "slow down", wait),
        _ => Answer::ok(),
    });
    let agent = Tcpgauge::run(&server.endpoint()).start();
    assert!(
        server.wait_until(WITHIN, |received| received.len() > 1),
        "{}",
        agent.log()
    );
    let received = server.received();
    let waited = received[1].arrived - received[0].arrived;
    assert!(
        waited >= wait && waited < wait + Duration::from_millis(1500),
        "waited {waited:?}"
    );
    let ended = settle(&server, agent);
    assert_whole(&times(&server.accepted()), &ended);
}

#[test]
fn resource_exhausted_without_retry_info_makes_requests_smaller() {
    let (server, agent) = late_backend(|_, request| match request.resource_metrics.len() {
        0..=1 => Answer::ok(),
        _ => Answer::refuse(Code::ResourceExhausted, "message larger than max"),
    });
    let ended = settle(&server, agent);
    assert_whole(&times(&server.accepted()), &ended);
    let sizes: Vec<usize> = server
        .received()
        .iter()
        .map(|one| one.request.resource_metrics.len())
        .collect();
    assert!(
        sizes[0] >= 2,
        "the test wants the first request to be too large: {sizes:?}"
    );
    assert!(
        sizes[1] <= sizes[0].div_ceil(2),
        "half as many follow: {sizes:?}"
    );
}

#[test]
fn a_single_sample_that_is_refused_as_too_much_is_kept() {
    let server = OtlpServer::started();
    server.answer(|index, _| match index {
        0 | 1 => Answer::refuse(Code::ResourceExhausted, "quota"),
        _ => Answer::ok(),
    });
    let agent = Tcpgauge::run(&server.endpoint()).start();
    assert!(
        server.wait_until(WITHIN, |received| received.len() > 2),
        "{}",
        agent.log()
    );
    let ended = settle(&server, agent);
    assert_whole(&times(&server.accepted()), &ended);
}

#[test]
fn the_one_sample_that_a_backend_rejects_is_dropped_and_counted_and_the_others_arrive() {
    let codes = [
        ("INVALID_ARGUMENT", Code::InvalidArgument),
        ("FAILED_PRECONDITION", Code::FailedPrecondition),
        ("ALREADY_EXISTS", Code::AlreadyExists),
    ];
    all_at_once(&codes, |&code| {
        let mut bad = None;
        let (server, agent) = late_backend(move |_, request| {
            let all: Vec<Duration> = samples_of(request)
                .iter()
                .map(|sample| sample.time)
                .collect();
            let bad = *bad.get_or_insert(all[all.len() / 2]);
            if all.contains(&bad) {
                Answer::refuse(code, "bad label")
            } else {
                Answer::ok()
            }
        });
        let ended = settle(&server, agent);
        let first = times(&server.received()[..1]);
        assert!(
            first.len() >= 2,
            "the test wants several samples in the first request"
        );
        let bad = first[first.len() / 2];
        let mut arrived = times(&server.accepted());
        assert!(!arrived.contains(&bad));
        // With the dropped one put back in its place, nothing else is missing, double or out of order.
        arrived.insert(arrived.partition_point(|time| *time < bad), bad);
        assert_whole(&arrived, &ended);
        let said = ended.complaints();
        let is_count = |line: &&&str| line.contains("dropped=1") && line.contains("bad label");
        assert_eq!(said.iter().filter(is_count).count(), 1, "{}", ended.log);
    });
}

#[test]
fn partial_success_is_said_and_not_sent_again() {
    let server = OtlpServer::started();
    server.answer(|index, _| {
        if index == 1 {
            Answer::partial(3, "label too long")
        } else {
            Answer::ok()
        }
    });
    let agent = Tcpgauge::run(&server.endpoint()).start();
    assert!(
        server.wait_until(WITHIN, |received| received.len() > 3),
        "{}",
        agent.log()
    );
    let ended = settle(&server, agent);
    assert_whole(&times(&server.accepted()), &ended);
    let received = server.received();
    assert_eq!(received.len(), server.accepted().len());
    let distinct: BTreeSet<Duration> = times(&received).into_iter().collect();
    assert_eq!(distinct.len(), times(&received).len());
    let said = ended.complaints();
    assert!(
        said.len() == 1
            && said[0].contains("rejected_points=3")
            && said[0].contains("label too long"),
        "{}",
        ended.log
    );
}
