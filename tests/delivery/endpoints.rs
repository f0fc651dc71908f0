//! What may be given as an endpoint: nonsense is refused at once, naming where it came from; a backend that cannot be reached
//! is no reason to end, and `check` says in one sentence what is wrong with it.

use std::time::Duration;

use crate::agent::{Tcpgauge, all_at_once};
use crate::otlp_server::{Answer, OtlpServer, Port};
use crate::stand_ins::{BlackHole, DropsSyns, Says};

#[test]
fn an_endpoint_that_makes_no_sense_is_a_usage_error_that_names_its_origin() {
    let endpoints = [
        ("a path", "http://localhost:4317/v1/metrics"),
        ("a query", "http://localhost:4317?token=1"),
        ("no host", "http://:4317"),
        ("a port that is no number", "http://localhost:otlp"),
        ("a port out of range", "http://localhost:65536"),
        ("port 0", "http://localhost:0"),
        ("an unknown scheme", "ftp://localhost:4317"),
        ("a Unix socket without a path", "unix://"),
        ("a path with TLS", "https://localhost:4317/v1/metrics"),
        ("credentials", "http://user:s3cr3t@localhost:4317"),
        ("a space", "http://local host:4317"),
    ];
    let origins = [
        "--endpoint",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    ];
    all_at_once(&endpoints, |endpoint| {
        for origin in origins {
            let command = Tcpgauge::command("run");
            let command = match origin {
                "--endpoint" => command.args([origin, *endpoint]),
                variable => command.env(variable, endpoint),
            };
            let (code, _, stderr) = command.output();
            assert_eq!(code, Some(64), "{origin}: {stderr}");
            assert!(stderr.contains(origin), "{origin} is not named:\n{stderr}");
            assert!(!stderr.contains("s3cr3t"), "{stderr}");
        }
    });
}

/// Ports where no backend is, and a word that any diagnosis of it must have.
fn unreachable() -> Vec<(&'static str, Wrong)> {
    let wrong = |behind: fn(&Port) -> Box<dyn Send + Sync>, word| {
        let port = Port::reserve();
        Wrong {
            endpoint: port.endpoint(),
            _behind: behind(&port),
            _port: port,
            word,
        }
    };
    let unresolvable = Wrong {
        endpoint: "http://no-such-host.invalid:4317".to_owned(),
        ..wrong(|_| Box::new(()), "no-such-host.invalid")
    };
    vec![
        ("unresolvable", unresolvable),
        ("refused", wrong(|_| Box::new(()), "refused")),
        (
            "black-holed",
            wrong(|port| Box::new(BlackHole::on(port)), "answer"),
        ),
        (
            "SYNs dropped",
            wrong(|port| Box::new(DropsSyns::on(port)), "connect"),
        ),
        (
            "a TLS port",
            wrong(|port| Box::new(Says::tls_alert(port)), "TLS"),
        ),
        (
            "a TLS port without a word for clear text",
            wrong(|port| Box::new(Says::tls_alert_to_tls_only(port)), "TLS"),
        ),
        (
            "an HTTP/1 port",
            wrong(|port| Box::new(Says::http_1(port)), "HTTP"),
        ),
    ]
}

struct Wrong {
    endpoint: String,
    word: &'static str,
    _behind: Box<dyn Send + Sync>,
    _port: Port,
}

#[test]
fn a_backend_that_cannot_be_reached_is_said_once_and_the_agent_goes_on() {
    all_at_once(&unreachable(), |wrong| {
        let mut agent = Tcpgauge::run(&wrong.endpoint)
            .args(["--timeout", "2s"])
            .start();
        std::thread::sleep(Duration::from_secs(6));
        assert!(agent.is_running(), "{}", agent.log());
        let log = agent.log();
        let said = crate::agent::complaints(&log);
        assert_eq!(said.len(), 1, "{log}");
        assert!(
            said[0].contains(wrong.word),
            "no {:?} in: {}",
            wrong.word,
            said[0]
        );
    });
}

#[test]
fn check_says_in_one_line_why_a_backend_cannot_be_reached() {
    all_at_once(&unreachable(), |wrong| {
        let (code, stdout, stderr) = check(&wrong.endpoint);
        assert_eq!(code, Some(1), "{stdout}{stderr}");
        let failed: Vec<&str> = stdout
            .lines()
            .filter(|line| line.starts_with("fail"))
            .collect();
        assert!(
            failed.iter().any(|line| line.contains(wrong.word)),
            "no {:?} in a fail line:\n{stdout}",
            wrong.word
        );
    });
}

#[test]
fn check_sends_one_empty_request_to_a_good_backend() {
    let server = OtlpServer::started();
    let (code, stdout, stderr) = check(&server.endpoint());
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let received = server.received();
    assert_eq!(received.len(), 1);
    assert!(received[0].request.resource_metrics.is_empty());
    assert!(
        stdout
            .lines()
            .any(|line| line.starts_with("ok") && line.contains(&server.endpoint())),
        "{stdout}"
    );
}

#[test]
fn check_fails_on_a_backend_that_takes_no_metrics() {
    let server = OtlpServer::started();
    server.answer(|_, _| {
        Answer::refuse(tonic::Code::Unimplemented, "unknown service MetricsService")
    });
    let (code, stdout, stderr) = check(&server.endpoint());
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(
        stdout
            .lines()
            .any(|line| line.starts_with("fail") && line.contains("traces")),
        "{stdout}"
    );
}

fn check(endpoint: &str) -> (Option<i32>, String, String) {
    Tcpgauge::command("check")
        .args([
            "--host-name",
            "h",
            "--timeout",
            "2s",
            "--endpoint",
            endpoint,
        ])
        .output()
}
