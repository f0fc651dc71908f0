//! What an agent makes of the files that are in its state directory when it starts, and what it leaves there.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Instant;

use tcpgauge::state::Store;

use crate::agent::Agent;
use crate::fixture;
use crate::program::{Finished, PATIENCE, finish, tcpgauge};

const IN_USE: &str = "another tcpgauge uses it";

/// A run with alerts and history, from its start to its end; the sample at the end is in what it kept.
fn run(state: &Path) -> Finished {
    let root = fixture("every_state_in_both_families");
    let mut command = tcpgauge(["run", "--exporter", "none", "--interval", "1h"]);
    command.args(["--proc-root", &root, "--http-listen", "127.0.0.1:0"]);
    command.arg("--state-dir").arg(state);
    let mut agent = Agent::start(command);
    agent.until("tcp_connections=175");
    agent.stop()
}

/// What a check says, with history that a run would keep.
fn check(state: &Path) -> Finished {
    let root = fixture("every_state_in_both_families");
    let mut command = tcpgauge(["check", "--exporter", "none", "--proc-root", &root]);
    command.args(["--http-listen", "127.0.0.1:0"]);
    command.arg("--state-dir").arg(state);
    finish(command)
}

/// Waits until nobody has the directory: what another test starts holds, until it is a program of its own, all that was open here
/// when it was forked, and the lock with it.
fn given_back(state: &Path) {
    let began = Instant::now();
    while check(state).stdout.contains(IN_USE) {
        assert!(began.elapsed() < PATIENCE, "{} is kept", state.display());
    }
}

/// A socket cannot be opened by root either, unlike a file of somebody else.
#[test]
fn what_cannot_be_read_is_left_as_it_is_and_the_other_file_is_kept() {
    for (unreadable, other) in [("history", "alerts"), ("alerts", "history")] {
        let dir = tempfile::tempdir().unwrap();
        let [unreadable, other] =
            [unreadable, other].map(|name| dir.path().join(format!("tcpgauge-{name}.state")));
        let _socket = UnixListener::bind(&unreadable).unwrap();
        let run = run(dir.path());
        assert_eq!(run.exit, 0, "{run:?}");
        let kind = fs::symlink_metadata(&unreadable).unwrap().file_type();
        assert!(kind.is_socket(), "it was written over: {}", run.stderr);
        let says = format!("cannot read {}", unreadable.display());
        assert!(run.stderr.contains(&says), "{}", run.stderr);
        assert!(run.stderr.contains("nothing is kept there in this run"));
        assert!(other.is_file(), "{}", run.stderr);
    }
}

/// Sound files, of a version that this one does not know, or of other sockets: once each, and the newest is kept of what is set aside.
#[test]
fn what_this_run_has_no_use_for_is_set_aside_and_not_written_over() {
    let root = fixture("every_state_in_both_families");
    let dir = tempfile::tempdir().unwrap();
    for (whose, alerts, history, why) in [
        (
            &*root,
            &br#"{"version":99}"#[..],
            &[99][..],
            "it is of version 99",
        ),
        (&*root, b"", &[], "it is not what alerts are saved as"),
        ("/elsewhere", b"theirs", b"theirs", "of other sockets"),
    ] {
        let files = [("alerts", alerts), ("history", history)];
        let store = Store::open(dir.path()).unwrap();
        let saved = files.map(|(name, bytes)| {
            let marked = [format!("host {whose}\n").as_bytes(), bytes].concat();
            store.save(name, &marked).unwrap();
            let path = dir.path().join(format!("tcpgauge-{name}.state"));
            (fs::read(&path).unwrap(), path)
        });
        drop(store);
        given_back(dir.path());
        let run = run(dir.path());
        assert_eq!(run.exit, 0, "{run:?}");
        assert!(run.stderr.contains(why), "{}", run.stderr);
        for (bytes, path) in saved {
            let aside = path.with_extension("state.damaged");
            let says = format!("{} was set aside as {}", path.display(), aside.display());
            assert!(run.stderr.contains(&says), "{}", run.stderr);
            assert_eq!(fs::read(&aside).unwrap(), bytes, "{}", run.stderr);
            assert_ne!(fs::read(&path).unwrap(), bytes, "it is kept anew");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
    }
}

#[test]
fn a_check_tells_what_a_run_would_find_there_and_changes_none_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let says = |run: &Finished, exit: i32, grade: &str, words: &str| {
        assert_eq!(run.exit, exit, "{run:?}");
        let mut lines = run.stdout.lines();
        let is_said = lines
            .any(|line| line.starts_with(&format!("{grade:<4}  state ")) && line.contains(words));
        assert!(is_said, "no {grade} with {words:?}: {run:?}");
    };
    says(&check(Path::new("/nonexistent")), 1, "fail", "No such file");
    says(&check(dir.path()), 0, "ok", "can be used");
    // Who checks may be another user than the agent, whom a file of theirs would keep out.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

    let store = Store::open(dir.path()).unwrap();
    store.save("alerts", b"of a run before").unwrap();
    says(&check(dir.path()), 0, "warn", IN_USE);
    drop(store);
    given_back(dir.path());
    says(&check(dir.path()), 0, "ok", "can be used");

    let alerts = dir.path().join("tcpgauge-alerts.state");
    let mut damaged = fs::read(&alerts).unwrap();
    damaged.push(0);
    fs::write(&alerts, &damaged).unwrap();
    let _socket = UnixListener::bind(dir.path().join("tcpgauge-history.state")).unwrap();
    let found = check(dir.path());
    says(&found, 1, "warn", "tcpgauge-alerts.state is damaged");
    says(&found, 1, "fail", "tcpgauge-history.state");
    assert!(!found.stdout.contains("can be used"), "{found:?}");
    assert_eq!(fs::read(&alerts).unwrap(), damaged);
}

#[test]
fn a_check_leaves_nothing_where_samples_and_events_would_wait() {
    let dir = tempfile::tempdir().unwrap();
    let root = fixture("every_state_in_both_families");
    let mut command = tcpgauge(["check", "--proc-root", &root, "--timeout", "1s"]);
    // Nobody is there, which is said too.
    command.args(["--endpoint", "http://127.0.0.1:1"]);
    command.arg("--spool-dir").arg(dir.path());
    let run = finish(command);
    for about in ["spool", "events spool"] {
        let says = format!("ok    {about:<13}  {}", dir.path().display());
        assert!(run.stdout.contains(&says), "no {says:?}: {run:?}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{run:?}");
}
