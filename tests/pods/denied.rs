//! What may not be looked at is said, and missing; what may be is told all the same.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::skip::skip;
use crate::tree::{Process, Tree, as_a_user, faults, program_for, told};

const UID: &str = "0fa3b6c1-52d4-4e77-9b1e-1c2d3e4f5a6b";

/// A node with two pods, of which `what` of the second may not be read, and what is told of it.
fn with_denied(test: &str, what: &[&str]) -> Option<Value> {
    let tree = Tree::new();
    for (pid, uid, listeners) in [(100, UID, 7), (200, "another", 20)] {
        let cgroup = format!("0::/kubepods/pod{uid}/app\n");
        tree.add(&Process::new(pid, &cgroup), listeners);
    }
    let paths: Vec<_> = what
        .iter()
        .map(|name| tree.proc().join("200").join(name))
        .collect();
    let set = |mode| {
        for path in &paths {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o000);
    let found = tree.snapshot_as_a_user(test);
    // Or it could not be taken away again.
    set(0o755);
    found
}

#[track_caller]
fn only_the_other_is_told(found: &Value, words: &[&str]) {
    assert_eq!(told(found), [(json!({"k8s.pod.uid": UID}), 7)]);
    let faults = faults(found);
    assert_eq!(faults.len(), 1, "{faults:?}");
    for word in words {
        assert!(faults[0].contains(word), "{word} is not in {faults:?}");
    }
}

#[test]
fn a_process_that_may_not_be_looked_at_is_said_and_the_others_are_told() {
    let test = "a_process_that_may_not_be_looked_at_is_said_and_the_others_are_told";
    for what in ["", "net", "cgroup", "stat", "cmdline"] {
        if let Some(found) = with_denied(test, &[what]) {
            only_the_other_is_told(&found, &["1 of 3 processes", "allow"]);
        }
    }
}

#[test]
fn a_table_that_may_not_be_read_is_a_gap_for_its_pod_alone() {
    let test = "a_table_that_may_not_be_read_is_a_gap_for_its_pod_alone";
    for what in ["net/tcp", "net/tcp6"] {
        if let Some(found) = with_denied(test, &[what]) {
            only_the_other_is_told(&found, &["pod another", what, "ermission denied"]);
        }
    }
}

#[test]
fn counters_that_may_not_be_read_cost_readings_and_no_pod() {
    let test = "counters_that_may_not_be_read_cost_readings_and_no_pod";
    for what in ["net/sockstat", "net/sockstat6", "net/snmp"] {
        if let Some(found) = with_denied(test, &[what]) {
            assert_eq!(faults(&found), [""; 0]);
            let listeners: Vec<_> = told(&found).iter().map(|(_, number)| *number).collect();
            assert_eq!(listeners, [7, 20], "{what}");
        }
    }
}

/// In namespaces of the test's own: processes of another user namespace may not be looked at, as those of another user.
#[test]
fn a_proc_that_hides_processes_is_said_and_what_to_do() {
    let test = "a_proc_that_hides_processes_is_said_and_what_to_do";
    for hidepid in ["1", "2"] {
        let directory = TempDir::new().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let proc = directory.path().join("proc");
        fs::create_dir(&proc).unwrap();
        let mount = format!(
            "mount -t proc -o hidepid={hidepid} proc \"$0\" && unshare --user --map-root-user -- \"$@\"; exit $?"
        );
        let mut command = Command::new("unshare");
        command
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "--pid",
                "--fork",
                "--net",
            ])
            .args(["sh", "-c", &mount])
            .arg(&proc)
            .arg(program_for(directory.path()))
            .args([
                "snapshot",
                "--scope",
                "pods",
                "--format",
                "json",
                "--proc-root",
            ])
            .arg(&proc);
        let Some(output) = as_a_user(test, &mut command) else {
            return;
        };
        // unshare and mount have nothing to say on stdout, and tcpgauge always has.
        if output.stdout.is_empty() {
            return skip(test, String::from_utf8_lossy(&output.stderr).trim());
        }
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told(&found), []);
        let faults = faults(&found);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("hidepid"), "{faults:?}");
    }
}
