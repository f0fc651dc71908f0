//! Which source is used, and how that is said.

use serde_json::Value;

use crate::agent::Agent;
use crate::fixture;
use crate::program::{finish, tcpgauge};

#[test]
fn diag_where_it_is_impossible_is_a_clear_error_at_start() {
    let root = fixture("every_state_in_both_families");
    for command in [
        &["run", "--exporter", "none"][..],
        &["snapshot"],
        &["check", "--exporter", "none"],
    ] {
        let mut command = tcpgauge(command.iter().copied());
        command.args(["--source", "diag", "--proc-root", &root]);
        let run = finish(command);
        assert_eq!(run.exit, 1, "{run:?}");
        let said = format!("{}{}", run.stdout, run.stderr);
        for part in ["--source diag", "not a mounted proc", "--source auto"] {
            assert!(said.contains(part), "{run:?}");
        }
        assert!(!said.contains("tcp_connections"), "{run:?}");
    }
}

/// Another proc may be mounted later, and somebody who asked for netlink wants it then.
#[test]
fn diag_without_a_proc_to_look_at_waits_for_one() {
    let mut command = tcpgauge(["run", "--exporter", "none", "--source", "diag"]);
    command.args(["--proc-root", "/nonexistent"]);
    let mut agent = Agent::start(command);
    agent.until("mount the host's /proc");
    assert_eq!(agent.stop().exit, 0);
}

#[test]
fn the_source_and_its_reason_are_said_once() {
    let root = fixture("every_state_in_both_families");
    for (source, said) in [
        ("auto", "reading by text: netlink tells of this machine"),
        ("text", "reading by text: asked for with --source text"),
    ] {
        let mut command = tcpgauge(["run", "--exporter", "none", "--interval", "1s"]);
        command.args(["--source", source, "--proc-root", &root]);
        let mut agent = Agent::start(command);
        agent.until("tcp_connections=175");
        agent.until("tcp_connections=175");
        let run = agent.stop();
        assert_eq!(run.stderr.matches("reading by").count(), 1, "{run:?}");
        assert!(run.stderr.contains(said), "{run:?}");
    }
}

/// Which one it is depends on the machine, but not that it is one, and a reason.
#[test]
fn the_source_that_is_said_is_one_and_has_a_reason() {
    let run = finish(tcpgauge([
        "snapshot", "--scope", "self", "--format", "json",
    ]));
    assert_eq!(run.exit, 0, "{run:?}");
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    let reading = &json["readings"][0];
    let source = reading["source"].as_str().unwrap();
    assert!(["diag", "diag-full", "text"].contains(&source), "{run:?}");
    let reason = reading["source_reason"].as_str().unwrap();
    let why = match source {
        "diag" => "own network namespace",
        "diag-full" => "sparse readings are off: ",
        _ => "readings over netlink are off: ",
    };
    assert!(reason.contains(why), "{run:?}");

    let run = finish(tcpgauge(["snapshot", "--scope", "self"]));
    assert!(
        run.stdout.contains(&format!("  self  {source}  ")),
        "{run:?}"
    );
    let run = finish(tcpgauge(["check", "--scope", "self", "--exporter", "none"]));
    assert!(
        run.stdout.contains(&format!("source         {source}: ")),
        "{run:?}"
    );
}
