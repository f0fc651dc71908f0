//! What is answered when: with a backend or none, with readings, without, and with some that hang.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::Value;

use crate::agent::{TCP, TCP6, Tcpgauge, table};
use crate::asking::{address, answering, ask, code, get, status, until};
use crate::shim::Shim;
use crate::{NOBODY, PATIENCE};

#[test]
fn a_backend_that_is_away_is_no_reason_to_restart_or_to_be_unready() {
    let (agent, at) = answering();
    agent.wait_for_log("cannot deliver", PATIENCE);
    until("a sample", || code(at, "/readyz") == 200);
    assert_eq!(code(at, "/livez"), 200);
    let status = status(at);
    let delivery = &status["delivery"];
    assert_eq!(delivery["endpoint"], NOBODY);
    assert_eq!(delivery["health"], "fails");
    let why = delivery["failure"].as_str().unwrap();
    assert!(why.contains("nobody listens there"), "{why}");
    assert!(delivery["waiting_samples"].as_u64().unwrap() > 0);
}

#[test]
fn a_status_has_the_numbers_of_the_last_sample_and_how_they_were_read() {
    let (_agent, at) = answering();
    until("a sample", || code(at, "/readyz") == 200);
    let status = status(at);
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&status["live"], &status["ready"]),
        (&true.into(), &true.into())
    );
    assert_eq!(
        (&status["scope"], &status["interval_seconds"]),
        (&"host".into(), &1.0.into())
    );
    let sockets: usize = TCP.iter().chain(&TCP6).map(|(_, sockets)| sockets).sum();
    let reading = &status["sample"]["readings"][0];
    assert_eq!(reading["tcp_connections"], sockets);
    assert_eq!(
        (&reading["scope"], &reading["source"]),
        (&"host".into(), &"text".into())
    );
    assert!(reading["source_reason"].is_string(), "{reading}");
    assert_eq!(status["sample"]["faults"], Value::Array(Vec::new()));
    assert!(
        status["reads"].as_str().unwrap().contains("1/net"),
        "{status}"
    );
    let given = status["given"].as_array().unwrap();
    assert!(given.contains(&"flag --endpoint".into()), "{status}");
}

#[test]
fn a_delivery_that_works_is_said() {
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", backend.local_addr().unwrap());
    // It takes whatever comes within one read or a few, and ends with the process.
    std::thread::spawn(move || {
        for stream in backend.incoming() {
            let mut stream = stream.unwrap();
            let mut chunk = vec![0; 1 << 16];
            while stream.read(&mut chunk).is_ok_and(|count| count > 0) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            }
        }
    });
    let agent = Tcpgauge::run(&endpoint).args(["--protocol", "http/protobuf"]);
    let agent = agent.args(["--http-listen", "127.0.0.1:0"]).start();
    let at = address(&agent, "");
    until("delivery", || status(at)["delivery"]["health"] == "works");
    let delivery = &status(at)["delivery"];
    assert_eq!(delivery["failure"], Value::Null);
    assert!(delivery["health_seconds"].as_f64().unwrap() >= 0.0);
    until("a sample that was sent", || {
        status(at)["delivery"]["sent"].as_u64().unwrap() > 0
    });
}

#[test]
fn an_agent_that_cannot_read_lives_and_is_ready_as_long_as_it_can() {
    let (agent, at) = answering();
    until("a sample", || code(at, "/readyz") == 200);
    agent.tree.remove("tcp");
    until("no sample for two intervals", || code(at, "/readyz") == 503);
    assert_eq!(code(at, "/livez"), 200);
    let now = status(at);
    assert_eq!((&now["live"], &now["ready"]), (&true.into(), &false.into()));
    assert!(now["why_not_ready"].as_str().unwrap().contains("sample"));
    let fault = &now["sample"]["faults"][0];
    assert!(
        fault["what"].as_str().unwrap().contains("1/net/tcp"),
        "{now}"
    );
    assert!(
        now["agent"]["faults"]["open"].as_u64().unwrap() > 0,
        "{now}"
    );
    agent.tree.write("tcp", &table(&TCP, 8));
    until("a sample again", || code(at, "/readyz") == 200);
}

/// A line that is no row may have been a socket, so what was read is not exported.
#[test]
fn a_sample_that_is_not_exported_makes_nobody_ready() {
    let tree = Tcpgauge::run(NOBODY);
    let agent = tree.args(["--http-listen", "127.0.0.1:0"]).start();
    let at = address(&agent, "");
    until("a sample", || code(at, "/readyz") == 200);
    agent.tree.write("tcp", &(table(&TCP, 8) + "no row\n"));
    until("no sample to export", || code(at, "/readyz") == 503);
    let now = status(at);
    assert_eq!(now["sample"]["readings"][0]["malformed"], 1);
    assert_eq!(code(at, "/livez"), 200);
}

/// The one case in which everything looks well but the numbers: what is mounted, or the kernel, does not answer.
#[test]
fn a_reading_that_hangs_leaves_the_agent_alive_and_not_ready() {
    let Some(shim) = Shim::new("a reading that hangs") else {
        return;
    };
    let agent = Tcpgauge::run(NOBODY).args(["--http-listen", "127.0.0.1:0"]);
    let agent = shim.start(agent);
    let at = address(&agent, "");
    until("a sample", || code(at, "/readyz") == 200);
    shim.hang_tables();
    until("no sample for two intervals", || code(at, "/readyz") == 503);
    let time = |status: &Value| status["sample"]["time"].as_str().unwrap().to_owned();
    let before = time(&status(at));
    until("another tick", || {
        assert_eq!(code(at, "/livez"), 200);
        time(&status(at)) != before
    });
    let now = status(at);
    let fault = now["sample"]["faults"][0]["why"].as_str().unwrap();
    assert!(fault.contains("did not end"), "{now}");
    shim.release_tables();
    until("a sample again", || code(at, "/readyz") == 200);
}

#[test]
fn a_head_has_what_a_get_has_and_no_body() {
    let (_agent, at) = answering();
    for path in ["/livez", "/status", "/nowhere"] {
        let got = get(at, path);
        let head = ask(
            at,
            &format!("HEAD {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\r\n"),
        );
        assert_eq!((head.code, head.body.as_str()), (got.code, ""), "{path}");
        assert!(head.head.contains("content-length: "), "{head:?}");
        assert!(
            head.head.contains("x-content-type-options: nosniff"),
            "{head:?}"
        );
    }
}

#[test]
fn nothing_secret_is_in_a_status() {
    const TOKEN: &str = "t0ken-dq9x";
    // It is in the answer of the backend too, as of one that repeats what it was asked.
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!(
        "http://{}/v1/metrics?key={TOKEN}",
        backend.local_addr().unwrap()
    );
    std::thread::spawn(move || {
        for stream in backend.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let words = format!("no Bearer {TOKEN} for key={TOKEN}");
            let _ = write!(
                stream,
                "HTTP/1.1 401 Unauthorized\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{words}",
                words.len()
            );
        }
    });
    let agent = Tcpgauge::command("run")
        .env(
            "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
            &format!("authorization=Bearer {TOKEN}"),
        )
        .env("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &endpoint)
        .env("OTEL_RESOURCE_ATTRIBUTES", &format!("a.secret={TOKEN}"))
        .args(["--protocol", "http/protobuf", "--interval", "1s"])
        .args(["--http-listen", "127.0.0.1:0"]);
    let agent = agent.start();
    let at = address(&agent, "");
    until("an answer of the backend", || {
        status(at)["delivery"]["health"] == "fails"
    });
    let status = get(at, "/status");
    assert!(status.body.contains("401"), "{status:?}");
    assert!(!status.body.contains(TOKEN), "{status:?}");
}
