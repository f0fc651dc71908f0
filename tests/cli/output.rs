//! What the commands print, and that a reader who goes away is no failure.

use std::fs::File;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::fixture;
use crate::program::{Finished, finish, tcpgauge, wait};

const METRICS: [&str; 6] = [
    "tcp_connections",
    "tcp_established",
    "tcp_time_wait",
    "tcp_close_wait",
    "tcp_listen",
    "system.network.connection.count",
];

#[test]
fn the_catalogue_names_every_metric_in_every_form() {
    for format in [None, Some("table"), Some("markdown"), Some("json")] {
        let mut command = tcpgauge(["metrics"]);
        command.args(format.map(|format| format!("--format={format}")));
        let run = finish(command);
        assert_eq!((run.exit, run.stderr.as_str()), (0, ""), "{format:?}");
        for metric in METRICS {
            assert!(run.stdout.contains(metric), "{format:?}: {metric}");
        }
        for unit in ["{connection}", "{socket}"] {
            assert!(run.stdout.contains(unit), "{format:?}: {unit}");
        }
        assert!(run.stdout.ends_with('\n'), "{format:?}");
        if format == Some("json") {
            let _: Value = serde_json::from_str(&run.stdout).unwrap();
        }
    }
}

#[test]
fn a_snapshot_for_people_shows_the_five_and_every_state() {
    let root = fixture("every_state_in_both_families");
    let run = finish(tcpgauge(["snapshot", "--proc-root", &root]));
    assert_eq!(run.exit, 0, "{run:?}");
    let row = |name: &str| -> Vec<String> {
        let mut lines = run.stdout.lines().map(str::split_whitespace);
        let found = lines.find_map(|mut words| (words.next() == Some(name)).then_some(words));
        found.unwrap().map(str::to_owned).collect()
    };
    for (name, value) in METRICS.iter().zip(["175", "15", "19", "22", "12"]) {
        assert_eq!(row(name), [value], "{name}");
    }
    assert_eq!(row("fin_wait_2"), ["3", "14", "17"]);
    assert_eq!(row("closed"), ["0", "0", "0"]);
}

/// As `| head -0` does it, but without the race.
fn with_nobody_at(stdout: bool, stderr: bool, arguments: &[&str]) -> Finished {
    let gone = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let mut command: Command = tcpgauge(arguments.iter().copied());
    let child = command
        .stdin(Stdio::null())
        .stdout(if stdout { gone() } else { Stdio::piped() })
        .stderr(if stderr { gone() } else { Stdio::piped() })
        .spawn()
        .unwrap();
    Finished::of(wait(child))
}

#[test]
fn a_reader_who_goes_away_is_no_failure() {
    let root = &fixture("every_state_in_both_families");
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["metrics"],
        &["metrics", "--format", "json"],
        &["snapshot", "--proc-root", root],
        &["snapshot", "--proc-root", root, "--format", "json"],
        &["check", "--proc-root", root, "--exporter", "none"],
    ] {
        for (stdout, stderr) in [(true, false), (true, true)] {
            let run = with_nobody_at(stdout, stderr, arguments);
            assert_eq!((run.exit, run.stderr.as_str()), (0, ""), "{arguments:?}");
        }
    }
}

#[test]
fn a_fault_that_nobody_hears_still_has_its_exit_code() {
    let root = &fixture("no_tcp");
    for (arguments, exit) in [
        (&["snapshot", "--proc-root", root][..], 1),
        (&["snapshot", "--scope", "hots"], 64),
        (&["--nonsense"], 64),
    ] {
        assert_eq!(with_nobody_at(true, true, arguments).exit, exit);
    }
}

/// A full disk is not a reader who had enough: what was asked for is not there.
#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let root = &fixture("every_state_in_both_families");
    for arguments in [&["metrics"][..], &["snapshot", "--proc-root", root]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let child = tcpgauge(arguments.iter().copied())
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let run = Finished::of(wait(child));
        assert_eq!(run.exit, 1, "{arguments:?}: {run:?}");
    }
}
