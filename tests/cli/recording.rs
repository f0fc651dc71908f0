//! What is recorded can be replayed, however the recording ended.

use std::fmt::Write;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::program::{finish, tcpgauge};
use crate::{BAD_USAGE, fixture};

/// Records a fixture, in which nothing changes.
fn record(file: &str, more: &[&str]) -> std::process::Command {
    let root = fixture("every_state_in_both_families");
    let mut command = tcpgauge(["record", file, "--interval", "1s", "--proc-root", &root]);
    command.args(more);
    command
}

#[test]
fn what_was_recorded_is_replayed_with_the_rules_of_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let file = path("recording");
    let run = finish(record(&file, &["--for", "3s"]));
    assert_eq!(run.exit, 0, "{run:?}");
    let said = format!("{file}: ");
    assert!(
        run.stdout.starts_with(&said) && run.stdout.contains(" samples, "),
        "{run:?}"
    );
    let again = finish(record(&file, &[]));
    assert_eq!(again.exit, 1, "{again:?}");
    assert!(
        again.stderr.contains("name one that is not there yet"),
        "{again:?}"
    );
    let nowhere = finish(record(&path("no/recording"), &[]));
    assert_eq!(nowhere.exit, 1, "{nowhere:?}");
    assert!(
        nowhere.stderr.contains("no/recording: No such file"),
        "{nowhere:?}"
    );

    let rules = path("rules.toml");
    let rule =
        "[alert.many]\nmetric = \"tcp_connections\"\nabove = 1\nfor = \"1s\"\nrunbook = \"\"\n";
    fs::write(&rules, rule).unwrap();
    let replayed = finish(tcpgauge(["alerts", "replay", &file, "--config", &rules]));
    assert_eq!(
        (replayed.exit, replayed.stderr.as_str()),
        (0, ""),
        "{replayed:?}"
    );
    for part in [
        "fired     warning   many  host\n",
        "samples, 1s apart",
        "\nmany ",
    ] {
        assert!(replayed.stdout.contains(part), "{part}: {replayed:?}");
    }
    let json = finish(tcpgauge([
        "alerts", "replay", &file, "--config", &rules, "--format", "json",
    ]));
    let lines: Vec<serde_json::Value> = json
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["event"]["rule"], "many", "{lines:?}");
    assert_eq!(
        lines.last().unwrap()["summary"]["rules"]["many"]["fired"],
        1,
        "{lines:?}"
    );
}

#[test]
fn a_recording_that_was_killed_is_replayed_and_that_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory
        .path()
        .join("recording")
        .to_str()
        .unwrap()
        .to_owned();
    let mut child = record(&file, &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Some samples are there when it is killed, and it does not matter how many.
    while fs::metadata(&file).map_or(0, |found| found.len()) < 100 {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let replayed = finish(tcpgauge(["alerts", "replay", &file]));
    assert_eq!(replayed.exit, 0, "{replayed:?}");
    assert!(
        replayed.stdout.contains("samples, 1s apart"),
        "{replayed:?}"
    );
    assert!(replayed.stderr.contains("was not ended"), "{replayed:?}");
}

#[test]
fn a_recording_does_not_grow_beyond_its_bound() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory
        .path()
        .join("recording")
        .to_str()
        .unwrap()
        .to_owned();
    let run = finish(record(&file, &["--max-bytes", "200", "--for", "50s"]));
    assert_eq!(run.exit, 0, "{run:?}");
    let size = fs::metadata(&file).unwrap().len();
    assert!((200..1024).contains(&size), "{size}");
}

#[test]
fn a_recording_without_a_sample_ends_with_1() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{\"tcpgauge-recording\":[1,30000]}\n").unwrap();
    let run = finish(tcpgauge([
        "alerts",
        "replay",
        file.path().to_str().unwrap(),
    ]));
    assert_eq!(
        (run.exit, run.stdout.as_str()),
        (1, "no sample\n"),
        "{run:?}"
    );
}

#[test]
fn a_recording_in_which_nobody_was_read_ends_with_1_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (file, root) = (path("recording"), path("proc"));
    fs::create_dir(&root).unwrap();
    let run = finish(tcpgauge([
        "record",
        &file,
        "--for",
        "1s",
        "--interval",
        "1s",
        "--proc-root",
        &root,
    ]));
    assert_eq!(run.exit, 1, "{run:?}");
    assert!(run.stdout.contains("nobody was read in "), "{run:?}");
    let replayed = finish(tcpgauge(["alerts", "replay", &file]));
    assert_eq!(replayed.exit, 1, "{replayed:?}");
    assert!(
        replayed.stdout.contains("nobody was read in "),
        "{replayed:?}"
    );
}

#[test]
fn alerts_of_pods_that_there_was_no_room_for_are_said() {
    let mut recording = String::from("{\"tcpgauge-recording\":[1,30000]}\n");
    for pod in 0..300 {
        let _ = writeln!(recording, "{{\"owner\":[{pod},{{\"pod\":\"uid-{pod}\"}}]}}");
    }
    // In the end there are fewer, and it is the most at a time that is said.
    for (time, pods) in [(0, 300), (30_000, 300), (60_000, 270)] {
        for pod in 0..pods {
            let values = "[20,0,0,20,0,0,null,null,null,null]";
            let _ = writeln!(recording, "{{\"of\":[{pod},{values},null]}}");
        }
        let step = time.min(30_000);
        let _ = writeln!(recording, "{{\"sample\":[{time},{step},[],true]}}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (file, rules) = (path("recording"), path("rules.toml"));
    fs::write(&file, recording).unwrap();
    fs::write(&rules, "[alert.close-wait]\nfor = \"30s\"\n").unwrap();
    let replay = |more: &[&str], from: &str| {
        let mut command = tcpgauge(["alerts", "replay", &file, "--config", &rules]);
        // It prints more than a pipe holds, which `finish` does not empty.
        let run = command.args(more).output().unwrap();
        assert!(run.status.success(), "{run:?}");
        let stdout = String::from_utf8(run.stdout).unwrap();
        stdout[stdout.find(from).unwrap()..].to_owned()
    };
    let text = replay(&[], "3 samples");
    assert!(text.contains("up to 44 more alerts of pods"), "{text}");
    let json = replay(&["--format", "json"], "{\"summary\"");
    let summary: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(summary["summary"]["most_suppressed"], 44, "{summary}");
}

#[test]
fn what_is_no_recording_ends_with_1_and_words() {
    for (file, says) in [
        ("/nonexistent", "cannot open"),
        ("Cargo.toml", "no recording of tcpgauge"),
        ("src", "no regular file"),
    ] {
        let run = finish(tcpgauge(["alerts", "replay", file]));
        assert_eq!((run.exit, run.stdout.as_str()), (1, ""), "{run:?}");
        assert!(run.stderr.contains(says), "{run:?}");
    }
}

#[test]
fn rules_are_listed_as_they_are_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.toml");
    let file = file.to_str().unwrap();
    fs::write(
        file,
        "[alert.memory]\nenabled = false\n[alert.close-wait]\nabove = 20\n",
    )
    .unwrap();
    let table = finish(tcpgauge(["alerts", "list", "--config", file]));
    for part in ["*memory ", "off", "*above = 20"] {
        assert!(table.stdout.contains(part), "{part}: {table:?}");
    }
    let toml = finish(tcpgauge([
        "alerts", "list", "--config", file, "--format", "toml",
    ]));
    let whole = directory.path().join("whole.toml");
    fs::write(&whole, &toml.stdout).unwrap();
    let again = finish(tcpgauge([
        "alerts",
        "list",
        "--config",
        whole.to_str().unwrap(),
        "--format",
        "toml",
    ]));
    assert_eq!(toml.stdout, again.stdout);
    fs::write(file, "[alert.memory]\nabvoe = 3\n").unwrap();
    let wrong = finish(tcpgauge(["alerts", "list", "--config", file]));
    assert_eq!(wrong.exit, BAD_USAGE, "{wrong:?}");
    assert!(wrong.stderr.contains("did you mean above?"), "{wrong:?}");
}
