//! What is told of events, where a backend takes none of them and where nobody sends any.

use serde_json::Value;

use crate::agent::{Agent, Tcpgauge};
use crate::asking::{address, get, status, until};
use crate::otlp_server::OtlpServer;

/// An agent in whose first samples a rule finds something.
fn alarmed(agent: Tcpgauge) -> (Agent, tempfile::NamedTempFile) {
    let rules = tempfile::NamedTempFile::new().unwrap();
    let rule =
        "[alert.many]\nmetric = \"tcp_connections\"\nabove = 1\nfor = \"0s\"\nrunbook = \"\"\n";
    std::fs::write(rules.path(), rule).unwrap();
    let agent = agent.args(["--http-listen", "127.0.0.1:0", "--config"]);
    (agent.args([rules.path()]).start(), rules)
}

fn now(at: std::net::SocketAddr) -> Value {
    serde_json::from_str(&get(at, "/api/v1/now").body).unwrap()
}

/// Many a backend takes metrics alone, and by gRPC says of logs that it does not know the service.
#[test]
fn a_backend_that_takes_no_logs_is_said_and_that_it_takes_samples() {
    let backend = OtlpServer::started();
    let (agent, _rules) =
        alarmed(Tcpgauge::run(&backend.endpoint()).args(["--logs-exporter", "otlp"]));
    let at = address(&agent, "");
    until("an event that is not taken", || {
        now(at)["events"]["health"] == "fails"
    });
    until("a sample that is", || {
        now(at)["delivery"]["health"] == "works"
    });
    let status = status(at);
    let events = &status["events"];
    let why = events["failure"].as_str().unwrap();
    assert!(why.to_lowercase().contains("unimplemented"), "{why}");
    assert_eq!(events["sent"], 0);
    assert!(events["waiting_events"].as_u64().unwrap() > 0, "{events}");
    assert_eq!(status["why_no_events"], Value::Null);
}

#[test]
fn events_are_told_of_where_they_alone_are_sent() {
    let agent = Tcpgauge::run(crate::NOBODY).args(["--exporter", "none"]);
    let (agent, _rules) = alarmed(agent.args(["--logs-endpoint", crate::NOBODY]));
    let at = address(&agent, "");
    until("an event that is not taken", || {
        status(at)["events"]["health"] == "fails"
    });
    let status = status(at);
    assert_eq!(status["delivery"], Value::Null);
    let why = status["events"]["failure"].as_str().unwrap();
    assert!(why.contains("nobody listens there"), "{why}");
}

#[test]
fn where_no_events_are_sent_it_is_said_why() {
    let agent = Tcpgauge::run(crate::NOBODY).args(["--logs-exporter", "none"]);
    let agent = agent.args(["--http-listen", "127.0.0.1:0"]).start();
    let at = address(&agent, "");
    until("delivery", || status(at)["delivery"].is_object());
    let status = status(at);
    assert_eq!(status["events"], Value::Null);
    assert_eq!(status["why_no_events"], "logs_exporter is none");
}
