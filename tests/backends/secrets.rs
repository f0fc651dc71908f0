//! Nothing secret is told: not what is in a header, its file, a key or the query of an address; not even where the server
//! repeats it, and not at the level that tells everything.

use std::path::Path;

use tempfile::TempDir;
use tonic::Code;

use crate::agent::{Tcpgauge, all_at_once};
use crate::certificates::Authority;
use crate::child::wait_for;
use crate::http_server::{Answer, HttpServer};
use crate::otlp_server::{self, OtlpServer};

const TOKEN: &str = "s3cr3t-t0ken-9xq";
const OTHER: &str = "0ther-s3cr3t-7pz";
const QUERY: &str = "qu3ry-s3cr3t-5kd";

fn tells_nothing(what: &str, text: &str) {
    let lower = text.to_ascii_lowercase();
    for secret in [TOKEN, OTHER, QUERY] {
        assert!(!lower.contains(secret), "{what} tells {secret}:\n{text}");
    }
}

/// A token from the environment, and one from a file.
fn with_secrets(command: Tcpgauge, directory: &Path) -> Tcpgauge {
    let file = directory.join("token");
    std::fs::write(&file, OTHER).unwrap();
    command
        .env(
            "OTEL_EXPORTER_OTLP_HEADERS",
            &format!("authorization=Bearer%20{TOKEN}"),
        )
        .args([
            "--header-file".into(),
            format!("x-api-key={}", file.display()),
        ])
}

/// What a server might say to somebody whose token it does not like.
fn repeats() -> String {
    format!("no such token: 'Bearer {TOKEN}' ({TOKEN}), key {OTHER}\r\nx-api-key: {OTHER}")
}

#[test]
fn an_agent_that_tells_everything_tells_no_secret_even_if_the_server_does() {
    let cases = [401, 403, 400, 404, 429, 500, 302].map(|status| ("a status", status));
    all_at_once(&cases, |&status| {
        let directory = TempDir::new().unwrap();
        let server = HttpServer::start(move |number, _| match number {
            0..3 => Answer::of(status)
                .with("location", format!("http://127.0.0.1:1/?token={TOKEN}"))
                .with("x-api-key", OTHER)
                .saying(repeats()),
            _ => Answer::of(200).saying(repeats()),
        });
        for format in ["text", "json"] {
            let before = server.asked().len();
            let agent = Tcpgauge::command("run")
                .args(["--interval", "1s", "--host-name", "h"])
                .args(["--log-level", "trace", "--log-format", format])
                .args(["--protocol", "http/protobuf"])
                .env("TCPGAUGE_SEND_SPREAD", "0s")
                .env(
                    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
                    &format!("{}/v1/metrics?key={QUERY}", server.endpoint()),
                );
            let agent = with_secrets(agent, directory.path()).start();
            wait_for(
                || agent.log(),
                || (server.asked().len() >= before + 4).then_some(()),
            );
            let ended = agent.stop();
            tells_nothing("the log", &ended.log);
        }
        let asked = &server.asked()[0];
        assert_eq!(asked.authorization, Some(format!("Bearer {TOKEN}")));
        assert!(asked.path.ends_with(QUERY), "it was sent: {}", asked.path);
    });
}

#[test]
fn a_message_of_grpc_that_repeats_a_token_is_told_without_it() {
    let directory = TempDir::new().unwrap();
    let server = OtlpServer::started();
    server.answer(|number, _| match number {
        0..2 => otlp_server::Answer::refuse(Code::Unauthenticated, &repeats()),
        2 => otlp_server::Answer::partial(3, &repeats()),
        _ => otlp_server::Answer::ok(),
    });
    let agent = Tcpgauge::run(&server.endpoint()).args(["--log-level", "trace"]);
    let agent = with_secrets(agent, directory.path()).start();
    wait_for(
        || agent.log(),
        || (server.received().len() >= 4).then_some(()),
    );
    let ended = agent.stop();
    tells_nothing("the log", &ended.log);
    assert!(ended.log.contains("[redacted]"), "{}", ended.log);
    let headers = &server.received()[0].headers;
    assert_eq!(headers["x-api-key"], OTHER);
}

#[test]
fn check_and_help_tell_no_secret() {
    let directory = TempDir::new().unwrap();
    let http = HttpServer::start(|_, _| Answer::of(401).saying(repeats()));
    let grpc = OtlpServer::started();
    grpc.answer(|_, _| otlp_server::Answer::refuse(Code::PermissionDenied, &repeats()));
    let http = format!("{}/v1/metrics?key={QUERY}", http.endpoint());
    for arguments in [
        &["--protocol", "http/protobuf", "--endpoint", &http][..],
        &["--protocol", "grpc", "--endpoint", &grpc.endpoint()],
        &[
            "--protocol",
            "http/protobuf",
            "--endpoint",
            "http://127.0.0.1:1",
        ],
        &["--help"],
        &["--endpoint", &format!("http://127.0.0.1:1/?key={QUERY}")],
        &["--endpoint", &format!("http://{TOKEN}@127.0.0.1:1")],
        &["--header-file", &format!("authorization {TOKEN}=/dev/null")],
    ] {
        let command = with_secrets(Tcpgauge::command("check"), directory.path()).args(arguments);
        let (_, stdout, stderr) = command.output();
        tells_nothing(&format!("check {arguments:?}"), &(stdout + &stderr));
    }
    let snapshot = with_secrets(Tcpgauge::command("snapshot"), directory.path());
    let (_, stdout, stderr) = snapshot.args(["--format", "json"]).output();
    tells_nothing("the JSON", &(stdout + &stderr));
}

#[test]
fn what_is_wrong_with_a_key_does_not_tell_the_key() {
    let directory = TempDir::new().unwrap();
    let identity = Authority::new("ours").client(directory.path());
    let pem = std::fs::read_to_string(&identity.key).unwrap();
    let line = pem.lines().nth(1).unwrap().to_owned();
    let broken = directory.path().join("broken.pem");
    for (what, text) in [
        ("cut", pem[..pem.len() / 2].to_owned()),
        ("without its head", pem.lines().skip(1).collect()),
        ("not base64", pem.replace(&line, &format!("{line}\u{1}!"))),
        ("no key at all", format!("{TOKEN}\n")),
        (
            "not PEM",
            format!("-----BEGIN PRIVATE KEY-----\n{TOKEN}\n-----END PRIVATE KEY-----\n"),
        ),
    ] {
        std::fs::write(&broken, &text).unwrap();
        let (code, stdout, stderr) = Tcpgauge::command("check")
            .args(["--host-name", "h", "--endpoint", "https://127.0.0.1:1"])
            .args([
                "--client-certificate".as_ref(),
                identity.certificate.as_os_str(),
            ])
            .args(["--client-key".as_ref(), broken.as_os_str()])
            .output();
        let said = stdout + &stderr;
        assert_eq!(code, Some(1), "{what}: {said}");
        tells_nothing(what, &said);
        assert!(!said.contains(&line[..12]), "{what}: {said}");
    }
}
