//! Configuration: every fault at once and with its place, and which layer wins.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Finished, finish, tcpgauge};
use crate::{BAD_USAGE, fixture};

/// A configuration file of a test's own.
struct File(TempDir);

impl File {
    fn new(text: &str) -> Self {
        let file = Self(TempDir::new().unwrap());
        fs::write(file.path(), text).unwrap();
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("tcpgauge.toml")
    }

    /// The place of `key`, as a fault names it.
    fn place(&self, key: &str) -> String {
        format!("tcpgauge: {key} in {}: ", self.path().display())
    }
}

/// A check that sends nothing, over a proc that is always the same.
fn check() -> Command {
    let root = fixture("every_state_in_both_families");
    tcpgauge(["check", "--exporter", "none", "--proc-root", &root])
}

/// The check's word on what was given.
fn given(run: &Finished) -> &str {
    assert_eq!(run.exit, 0, "{run:?}");
    run.stdout.lines().next().unwrap()
}

fn total(command: Command) -> u64 {
    let run = finish(command);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    json["readings"][0]["tcp_connections"]
        .as_u64()
        .unwrap_or_else(|| panic!("no reading: {run:?}"))
}

#[test]
fn every_fault_is_said_at_once_with_the_place_it_came_from() {
    let file = File::new("intervall = \"5s\"\nendpoint = 3.5\nqueue_age = \"1s\"\n");
    for command in ["run", "check"] {
        let mut command = tcpgauge([command, "--scope", "hots", "--log-level", "loud"]);
        command
            .arg("--config")
            .arg(file.path())
            .env("OTEL_METRIC_EXPORT_INTERVAL", "30s")
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", "0")
            .env("OTEL_RESOURCE_ATTRIBUTES", "no-equals-sign");
        let run = finish(command);
        assert_eq!((run.exit, run.stdout.as_str()), (BAD_USAGE, ""), "{run:?}");
        let places = [
            &file.place("intervall"),
            &file.place("endpoint"),
            &file.place("queue_age"),
            "tcpgauge: flag --scope: ",
            "tcpgauge: flag --log-level: ",
            "tcpgauge: environment variable OTEL_METRIC_EXPORT_INTERVAL: ",
            "tcpgauge: environment variable OTEL_EXPORTER_OTLP_TIMEOUT: ",
            "tcpgauge: environment variable OTEL_RESOURCE_ATTRIBUTES: ",
        ];
        for place in places {
            let here = run.stderr.lines().filter(|line| line.starts_with(place));
            assert_eq!(here.count(), 1, "{place:?} in {}", run.stderr);
        }
        assert_eq!(run.stderr.lines().count(), places.len(), "{}", run.stderr);
    }
}

#[test]
fn an_unknown_key_is_a_fault_that_names_the_nearest_known_one() {
    for (key, nearest) in [
        ("intervall", "interval"),
        ("proc-root", "proc_root"),
        ("end_point", "endpoint"),
        ("resource_attribute", "resource_attributes"),
    ] {
        let file = File::new(&format!("{key} = \"x\"\n"));
        let mut command = check();
        command.env("TCPGAUGE_CONFIG", file.path());
        let run = finish(command);
        assert_eq!(run.exit, BAD_USAGE, "{run:?}");
        let line = run.stderr.trim_end();
        assert!(line.starts_with(&file.place(key)), "{line}");
        assert!(
            line.contains(&format!("did you mean {nearest}?")),
            "{key}: {line}"
        );
    }
}

#[test]
fn a_file_that_is_not_there_or_no_file_is_a_fault_that_names_it() {
    let directory = TempDir::new().unwrap();
    for path in [
        directory.path().join("missing.toml"),
        directory.path().into(),
    ] {
        let mut command = tcpgauge(["snapshot", "--config"]);
        command.arg(&path);
        let run = finish(command);
        assert_eq!((run.exit, run.stdout.as_str()), (BAD_USAGE, ""), "{run:?}");
        assert!(run.stderr.contains(path.to_str().unwrap()), "{run:?}");
    }
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    // Each layer names a proc with another number of sockets.
    let file = File::new(&format!("proc_root = {:?}\n", fixture("header_only")));
    let layered = |host_proc: &str, own: &str, flag: bool| {
        let mut command = tcpgauge(["snapshot", "--format", "json", "--config"]);
        command
            .arg(file.path())
            .env("HOST_PROC", host_proc)
            .env("TCPGAUGE_PROC_ROOT", own);
        if flag {
            let root = fixture("every_state_in_both_families");
            command.args(["--proc-root", &root]);
        }
        total(command)
    };
    let (four, nine) = (&fixture("no_tcp6"), &fixture("closed_rows"));
    // An empty variable counts as unset, as OpenTelemetry has it.
    assert_eq!(layered("", "", false), 0, "the file");
    assert_eq!(layered(four, "", false), 4, "HOST_PROC over the file");
    assert_eq!(layered("", nine, false), 9, "ours over the file");
    assert_eq!(layered(four, nine, false), 9, "ours over HOST_PROC");
    assert_eq!(layered(four, nine, true), 175, "a flag over all");
}

/// A wrapper gives one, and its user another.
#[test]
fn of_a_flag_that_is_given_twice_the_last_one_counts() {
    let (four, nine) = (&fixture("no_tcp6"), &fixture("closed_rows"));
    let flags = ["--proc-root", four, "--proc-root", nine];
    let mut command = tcpgauge(["snapshot", "--format", "json"]);
    command.args(flags);
    assert_eq!(total(command), 9);
}

#[test]
fn the_file_that_a_flag_names_beats_the_one_that_the_environment_names() {
    let four = File::new(&format!("proc_root = {:?}\n", fixture("no_tcp6")));
    let mut command = tcpgauge(["snapshot", "--format", "json"]);
    command.env("TCPGAUGE_CONFIG", four.path());
    assert_eq!(total(command), 4);

    let nine = File::new(&format!("proc_root = {:?}\n", fixture("closed_rows")));
    let mut command = tcpgauge(["snapshot", "--format", "json", "--config"]);
    command.arg(nine.path()).env("TCPGAUGE_CONFIG", four.path());
    assert_eq!(total(command), 9);
}

#[test]
fn the_scope_comes_from_every_layer() {
    let file = File::new("scope = \"self\"\n");
    // This proc has a PID 1 and no self, so the fault tells which was looked for.
    let root = fixture("every_state_in_both_families");
    for (variable, flag, directory) in [
        ("", None, Some("self/net")),
        ("host", None, None),
        ("host", Some("self"), Some("self/net")),
        ("self", Some("host"), None),
    ] {
        let mut command = tcpgauge(["snapshot", "--format", "json", "--proc-root", &root]);
        command
            .args(flag.map(|scope| format!("--scope={scope}")))
            .env("TCPGAUGE_CONFIG", file.path())
            .env("TCPGAUGE_SCOPE", variable);
        let run = finish(command);
        assert_eq!(run.exit, i32::from(directory.is_some()), "{run:?}");
        assert!(run.stderr.contains(directory.unwrap_or("")), "{run:?}");
    }
}

#[test]
fn the_layer_that_won_is_the_one_that_check_names() {
    let file = File::new("interval = \"5s\"\n");
    let key = format!("interval in {}", file.path().display());
    let variable = "environment variable OTEL_METRIC_EXPORT_INTERVAL";
    for (environment, flag, winner) in [
        ("", None, key.as_str()),
        ("5000", None, variable),
        ("5000", Some("--interval=5s"), "flag --interval"),
    ] {
        let mut command = check();
        command
            .args(flag)
            .env("TCPGAUGE_CONFIG", file.path())
            .env("OTEL_METRIC_EXPORT_INTERVAL", environment);
        let run = finish(command);
        for place in [&key, variable, "flag --interval"] {
            assert_eq!(given(&run).contains(place), place == winner, "{run:?}");
        }
    }
}

#[test]
fn an_interval_in_opentelemetrys_variable_is_in_milliseconds_and_in_bounds() {
    let with = |value: &str| {
        let mut command = check();
        command.env("OTEL_METRIC_EXPORT_INTERVAL", value);
        finish(command)
    };
    for (value, says) in [
        ("30s", "milliseconds"),
        ("1.5", "milliseconds"),
        ("-1", "milliseconds"),
        ("0", "out of bounds"),
        ("999", "out of bounds"),
        ("3600001", "out of bounds"),
        ("99999999999999999999", "milliseconds"),
    ] {
        let run = with(value);
        assert_eq!(run.exit, BAD_USAGE, "{value}: {run:?}");
        assert!(
            run.stderr.contains("OTEL_METRIC_EXPORT_INTERVAL"),
            "{run:?}"
        );
        assert!(run.stderr.contains(says), "{value}: {run:?}");
    }
    for value in ["1000", "3600000"] {
        assert_eq!(with(value).exit, 0, "{value}");
    }
}

#[test]
fn an_interval_elsewhere_has_a_unit_and_the_same_bounds() {
    for value in ["30", "0s", "999ms", "3601s", "-5s", "soon", "", "1e9s"] {
        let mut command = check();
        command.arg(format!("--interval={value}"));
        let run = finish(command);
        assert_eq!(run.exit, BAD_USAGE, "{value}: {run:?}");
        assert!(run.stderr.contains("--interval"), "{value}: {run:?}");
    }
    for value in ["1s", "1h", "1m30s"] {
        let mut command = check();
        command.arg(format!("--interval={value}"));
        assert_eq!(finish(command).exit, 0, "{value}");
    }
}

#[test]
fn a_proc_root_of_nothing_is_a_fault_and_not_the_working_directory() {
    let file = File::new("proc_root = \"\"\n");
    for arguments in [
        &["--proc-root", ""][..],
        &["--config", file.path().to_str().unwrap()],
    ] {
        let mut command = tcpgauge(["snapshot"]);
        command
            .args(arguments)
            .current_dir(fixture("every_state_in_both_families"));
        let run = finish(command);
        assert_eq!(run.exit, BAD_USAGE, "{arguments:?}: {run:?}");
    }
}

#[test]
fn a_fault_in_a_setting_of_sending_does_not_keep_a_snapshot_from_being_taken() {
    let root = fixture("every_state_in_both_families");
    let file = File::new("endpoint = \"nonsense\"\nqueue_bytes = \"1 PiB\"\nheaders = 5\n");
    let with_faults = |mut command: Command| {
        command
            .env("TCPGAUGE_CONFIG", file.path())
            .env("OTEL_METRIC_EXPORT_INTERVAL", "0")
            .env("OTEL_EXPORTER_OTLP_HEADERS", "nonsense");
        finish(command)
    };
    let run = with_faults(tcpgauge(["snapshot", "--proc-root", &root]));
    assert_eq!((run.exit, run.stderr.as_str()), (0, ""), "{run:?}");
    assert!(run.stdout.contains("175"), "{run:?}");
    assert_eq!(with_faults(tcpgauge(["metrics"])).exit, 0);
    for command in ["check", "run"] {
        let run = with_faults(tcpgauge([command, "--proc-root", &root]));
        assert_eq!(run.exit, BAD_USAGE, "{run:?}");
    }
}

#[test]
fn the_standard_variables_turn_sending_off() {
    for (variable, value) in [
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_SDK_DISABLED", "TRUE"),
    ] {
        let root = fixture("every_state_in_both_families");
        let mut command = tcpgauge(["check", "--proc-root", &root]);
        command.env(variable, value);
        let run = finish(command);
        assert!(given(&run).contains(variable), "{run:?}");
        assert!(run.stdout.contains("nothing is sent"), "{run:?}");
    }
}

#[test]
fn a_variable_that_is_no_text_is_a_fault() {
    let mut command = check();
    command.env("OTEL_SERVICE_NAME", OsStr::from_bytes(b"caf\xe9"));
    let run = finish(command);
    assert_eq!(run.exit, BAD_USAGE, "{run:?}");
    assert!(
        run.stderr.contains("OTEL_SERVICE_NAME") && run.stderr.contains("UTF-8"),
        "{run:?}"
    );
}
