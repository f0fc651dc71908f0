//! Tokens and certificates that are replaced while the agent runs: what it has waits for the right one, and is used at once.

use std::path::Path;

use serde_json::json;

use crate::agent::{Agent, Ended, Tcpgauge, all_at_once, unix_now};
use crate::certificates::{Authority, replace};
use crate::collector::Setup;
use crate::whole::assert_whole;

/// Waits for a sample that is taken after now, and ends the agent.
fn settle(setup: &Setup, name: &str, agent: Agent) -> Ended {
    let now = unix_now();
    let newer = |times: &[std::time::Duration]| times.last().is_some_and(|last| *last > now);
    setup.wait(name, || agent.log(), newer);
    let ended = agent.stop();
    setup.wait(
        name,
        || ended.log.clone(),
        |times| times.last().is_some_and(|last| *last >= ended.stopped),
    );
    ended
}

fn check(protocol: &str, endpoint: &str, more: &[&str]) -> String {
    let (code, stdout, stderr) = Tcpgauge::command("check")
        .args([
            "--host-name",
            "h",
            "--protocol",
            protocol,
            "--endpoint",
            endpoint,
        ])
        .args(more)
        .output();
    let grade = i32::from(stdout.contains("\nfail"));
    assert_eq!(code, Some(grade), "{stdout}{stderr}");
    stdout
}

fn write_token(path: &Path, token: &str) {
    let aside = path.with_extension("new");
    std::fs::write(&aside, format!("Bearer {token}\n")).unwrap();
    std::fs::rename(aside, path).unwrap();
}

#[test]
fn samples_wait_for_the_right_token_and_then_arrive_with_their_times() {
    let Some(mut setup) = Setup::new("token rotation") else {
        return;
    };
    let auth = setup.bearer("the-right-one");
    let cases = [("grpc", "grpc"), ("http", "http/protobuf")].map(|(receiver, protocol)| {
        let address = setup.metrics(receiver, receiver, json!({"auth": auth}));
        (receiver, (protocol, format!("http://{address}")))
    });
    let _collector = setup.start();
    all_at_once(&cases, |(protocol, endpoint)| {
        let name = if *protocol == "grpc" { "grpc" } else { "http" };
        let token = setup.directory().join(format!("token-{name}"));
        let header = format!("authorization={}", token.display());
        write_token(&token, "an-old-one");
        let agent = Tcpgauge::run(endpoint)
            .args(["--protocol", protocol, "--header-file", &header])
            .start();
        agent.wait_for_log("credentials", crate::child::PATIENCE);
        let said = check(protocol, endpoint, &["--header-file", &header]);
        let failed: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("fail"))
            .collect();
        assert!(
            failed.len() == 1 && failed[0].contains("credentials"),
            "{said}"
        );
        assert!(setup.times(name).is_empty());

        write_token(&token, "the-right-one");
        let ended = settle(&setup, name, agent);
        assert_whole(&setup.times(name), &ended);
        assert_eq!(ended.complaints().len(), 1, "{}", ended.log);
        for shown in [&ended.log, &said] {
            assert!(!shown.contains("-one"), "{shown}");
        }
        let said = check(protocol, endpoint, &["--header-file", &header]);
        assert!(!said.contains("\nfail"), "{said}");
    });
}

#[test]
fn certificates_that_are_replaced_are_used_from_the_next_request_on() {
    let Some(mut setup) = Setup::new("certificate rotation") else {
        return;
    };
    let directory = setup.directory().to_owned();
    let (right, wrong) = (Authority::new("ours"), Authority::new("theirs"));
    let server = right.server(&directory, "127.0.0.1");
    let right_root = right.write(directory.join("right.pem"));
    let wrong_root = wrong.write(directory.join("wrong.pem"));
    let (accepted, unknown) = (right.client(&directory), wrong.client(&directory));
    let tls = json!({
        "cert_file": server.certificate,
        "key_file": server.key,
        "client_ca_file": right_root,
    });
    let cases = [("grpc", "grpc"), ("http", "http/protobuf")].map(|(receiver, protocol)| {
        let address = setup.metrics(receiver, receiver, json!({"tls": tls}));
        (receiver, (receiver, protocol, format!("https://{address}")))
    });
    let _collector = setup.start();
    all_at_once(&cases, |(name, protocol, endpoint)| {
        let root = directory.join(format!("root-{name}.pem"));
        replace(&root, &wrong_root);
        let client = unknown_to_all(&wrong, &directory);
        let agent = Tcpgauge::run(endpoint)
            .args(["--protocol", protocol])
            .env("OTEL_EXPORTER_OTLP_CERTIFICATE", root.to_str().unwrap())
            .env(
                "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
                client.certificate.to_str().unwrap(),
            )
            .env(
                "OTEL_EXPORTER_OTLP_CLIENT_KEY",
                client.key.to_str().unwrap(),
            )
            .start();
        agent.wait_for_log("authority", crate::child::PATIENCE);

        // Both sides of it are put right, one after the other.
        replace(&root, &right_root);
        client.replace_by(&accepted);
        setup.wait(name, || agent.log(), |times| times.len() >= 2);

        // A connection that works is left for one with the new certificate, which is not accepted here.
        let before = agent.log().len();
        client.replace_by(&unknown);
        crate::child::wait_for(
            || agent.log(),
            || {
                agent.log()[before..]
                    .contains("cannot deliver")
                    .then_some(())
            },
        );
        client.replace_by(&accepted);
        let ended = settle(&setup, name, agent);
        assert_whole(&setup.times(name), &ended);
    });
}

/// Files of its own for each agent.
fn unknown_to_all(authority: &Authority, directory: &Path) -> crate::certificates::Identity {
    authority.client(directory)
}
