//! A token that was given for the backend, rightly or wrongly, is in nothing that tcpgauge says.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use tempfile::TempDir;

use crate::agent::Agent;
use crate::program::{Finished, finish, tcpgauge};
use crate::{BAD_USAGE, fixture};

/// In lower case, for a header's name is put into it.
const TOKEN: &str = "t0ken-dq9x";

fn keeps_it(run: &Finished, what: &str) {
    for text in [&run.stdout, &run.stderr] {
        let found = text.to_ascii_lowercase().contains(TOKEN);
        assert!(!found, "{what} shows the token:\n{text}");
    }
}

fn with_token(mut command: Command) -> Command {
    command.env(
        "OTEL_EXPORTER_OTLP_HEADERS",
        format!("authorization=Bearer {TOKEN},x-tenant=one"),
    );
    command
}

#[test]
fn no_command_shows_a_token_that_is_well_given() {
    let root = fixture("every_state_in_both_families");
    // Nobody listens at a port that was just given back.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["metrics"],
        &["snapshot", "--proc-root", &root],
        &["check", "--proc-root", &root, "--exporter", "none"],
        &["check", "--proc-root", &root, "--endpoint", &endpoint],
        &["check", "--proc-root", &root, "--endpoint", "nonsense"],
        &["run", "--interval", "0s"],
        &["run", "--nonsense"],
    ] {
        let run = finish(with_token(tcpgauge(arguments.iter().copied())));
        keeps_it(&run, &arguments.join(" "));
    }
}

#[test]
fn a_token_that_is_ill_given_is_a_fault_that_does_not_repeat_it() {
    for headers in [
        TOKEN.to_owned(),
        format!("Bearer {TOKEN}"),
        // Base64 ends in what looks like the end of a name.
        format!("Bearer {TOKEN}=="),
        format!("authorization=ok,Bearer {TOKEN}="),
        format!("authorization Bearer {TOKEN}=1"),
        format!("={TOKEN}"),
        format!("a={TOKEN}%0a"),
        format!("a={TOKEN}%ff"),
        format!("grpc-{TOKEN}=1"),
    ] {
        let mut command = tcpgauge(["check"]);
        command.env("OTEL_EXPORTER_OTLP_HEADERS", &headers);
        let run = finish(command);
        assert_eq!(run.exit, BAD_USAGE, "{headers}: {run:?}");
        assert!(run.stderr.contains("OTEL_EXPORTER_OTLP_HEADERS"), "{run:?}");
        keeps_it(&run, &headers);
    }
}

#[test]
fn a_password_in_an_endpoint_is_a_fault_that_does_not_repeat_it() {
    for endpoint in [
        format!("http://user:{TOKEN}@localhost:4317"),
        format!("user:{TOKEN}@localhost:4317"),
        format!("ftp://{TOKEN}@localhost"),
        format!("http://localhost:4317/{TOKEN}"),
        format!("http://localhost:{TOKEN}"),
    ] {
        let run = finish(tcpgauge(["check", "--endpoint", &endpoint]));
        assert_eq!(run.exit, BAD_USAGE, "{endpoint}: {run:?}");
        keeps_it(&run, &endpoint);
    }
}

#[test]
fn a_file_that_is_wrong_is_told_by_its_line_and_not_by_what_the_line_says() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("tcpgauge.toml");
    for (text, line) in [
        // The quote that was forgotten is in the line with the token.
        (
            format!("interval = \"5s\"\n\n[headers]\nauthorization = \"Bearer {TOKEN}\n"),
            Some(4),
        ),
        (
            format!("[headers]\nauthorization = Bearer {TOKEN}\n"),
            Some(2),
        ),
        (format!("[headers]\nauthorization: {TOKEN}\n"), Some(2)),
        (format!("{TOKEN}\n"), Some(1)),
        (
            format!("[headers]\na = \"{TOKEN}\"\na = \"{TOKEN}\"\n"),
            Some(3),
        ),
        (format!("headers = \"{TOKEN}\"\n"), None),
        (format!("headers = [\"{TOKEN}\"]\n"), None),
        (format!("[headers]\nauthorization = [\"{TOKEN}\"]\n"), None),
        (
            format!("[headers]\nauthorization = \"{TOKEN}\\u0007\"\n"),
            None,
        ),
        (format!("[headers]\n\"Bearer {TOKEN}\" = \"\"\n"), None),
    ] {
        fs::write(&path, &text).unwrap();
        for command in ["check", "run"] {
            let mut command = tcpgauge([command]);
            command.env("TCPGAUGE_CONFIG", &path);
            let run = finish(command);
            assert_eq!(run.exit, BAD_USAGE, "{text}: {run:?}");
            assert!(run.stderr.contains(path.to_str().unwrap()), "{run:?}");
            if let Some(line) = line {
                assert!(
                    run.stderr.contains(&format!("line {line}")),
                    "{text}: {run:?}"
                );
            }
            keeps_it(&run, &text);
        }
    }
}

/// Libraries log what they put on the wire; that is where a token would come out.
#[test]
fn an_agent_that_logs_everything_does_not_log_the_token_that_it_sends() {
    const HEADERS_FRAME: u8 = 1;
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", server.local_addr().unwrap());
    let (give, frames) = channel();
    std::thread::spawn(move || {
        let (mut client, _) = server.accept().unwrap();
        // An empty SETTINGS frame is all that a client waits for before it sends its request (RFC 9113, 3.4).
        client.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
        let mut preface = [0; 24];
        client.read_exact(&mut preface).unwrap();
        loop {
            let mut head = [0; 9];
            if client.read_exact(&mut head).is_err() {
                break;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            if client.read_exact(&mut payload).is_err() || give.send(head[3]).is_err() {
                break;
            }
        }
    });

    let root = fixture("every_state_in_both_families");
    let agent = Agent::start(with_token(tcpgauge([
        "run",
        "--log-level",
        "trace",
        "--timeout",
        "1s",
        "--proc-root",
        &root,
        "--endpoint",
        &endpoint,
    ])));
    while frames.recv_timeout(Duration::from_secs(30)).unwrap() != HEADERS_FRAME {}
    let run = agent.stop();
    assert!(
        run.stderr.contains("TRACE") && run.stderr.contains("DEBUG"),
        "the libraries had their say: {}",
        run.stderr
    );
    keeps_it(&run, "the log");
}
