//! The one mistake that looks right: a container's own table under the host's name.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use crate::outcome::{Outcome, Snapshot};
use crate::program::{Finished, wait};
use crate::skip::skip;

/// Runs `tcpgauge snapshot --format json` with `arguments` under util-linux' `unshare`; nothing where that is forbidden.
fn snapshot_in(test: &str, namespaces: &[&str], arguments: &[&str]) -> Option<Snapshot> {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user"])
        .args(namespaces)
        .arg("--")
        .arg(env!("CARGO_BIN_EXE_tcpgauge"))
        .args(["snapshot", "--format", "json"])
        .args(arguments);
    taken(test, command)
}

/// The snapshot that `command` takes in its namespaces; nothing where it does not get there.
fn taken(test: &str, mut command: Command) -> Option<Snapshot> {
    let child = command
        // Where programs are is all that the environment says.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let run = match child {
        Ok(child) => Finished::of(wait(child)),
        Err(error) => {
            skip(test, &format!("cannot run util-linux' unshare: {error}"));
            return None;
        }
    };
    // unshare and mount have nothing to say on stdout, and tcpgauge always has.
    if run.stdout.is_empty() {
        skip(test, run.stderr.trim());
        return None;
    }
    Some(Snapshot::of(run))
}

const A_CONTAINER: &[&str] = &["--net", "--pid", "--fork", "--mount-proc"];

#[test]
fn a_containers_own_table_is_never_told_as_the_hosts() {
    let test = "a_containers_own_table_is_never_told_as_the_hosts";
    if let Some(found) = snapshot_in(test, A_CONTAINER, &[]) {
        found.is_refused_with(&[
            "/proc/1/net/tcp",
            "container's own table, not the host's",
            "mount the host's /proc",
            "HOST_PROC",
        ]);
    }
}

#[test]
fn a_containers_own_table_is_read_on_purpose() {
    let test = "a_containers_own_table_is_read_on_purpose";
    if let Some(found) = snapshot_in(test, A_CONTAINER, &["--scope", "self"]) {
        assert_eq!(found.json["readings"][0]["scope"], "self");
        assert_eq!(found.json["readings"][0]["tcp_connections"], 0);
    }
}

/// A proc mounted with `subset=pid` has no `sys`, so it does not say whether the reader's namespace is the initial one.
#[test]
fn a_proc_that_shows_processes_only_does_not_get_a_container_past_the_guard() {
    let test = "a_proc_that_shows_processes_only_does_not_get_a_container_past_the_guard";
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user"])
        .args(A_CONTAINER)
        .args([
            "sh",
            "-c",
            r#"mount -t proc -o subset=pid proc /proc && exec "$1" snapshot --format json"#,
            "sh",
        ])
        .arg(env!("CARGO_BIN_EXE_tcpgauge"));
    if let Some(found) = taken(test, command) {
        assert_eq!(found.outcome(), Outcome::NoReading, "{found:?}");
    }
}

/// In a namespace of its own but with the outer proc, as a `DaemonSet` without `hostNetwork`: the host is the outer one.
#[test]
fn the_outer_proc_shows_the_outer_hosts_sockets() {
    const LISTENERS: u64 = 50;
    let test = "the_outer_proc_shows_the_outer_hosts_sockets";
    let own = std::fs::metadata("/proc/self/net/tcp").map(|own| inode(&own));
    let first = std::fs::metadata("/proc/1/net/tcp").map(|first| inode(&first));
    if own.unwrap() != first.unwrap_or_default() {
        return skip(test, "PID 1 is in another network namespace than this test");
    }
    let listeners: Vec<_> = (0..LISTENERS)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
        .collect();
    let Some(host) = snapshot_in(test, &["--net"], &[]) else {
        return;
    };
    let Some(own) = snapshot_in(test, &["--net"], &["--scope", "self"]) else {
        return;
    };
    drop(listeners);
    let listening = |found: &Snapshot| found.json["readings"][0]["tcp_listen"].as_u64().unwrap();
    assert!(listening(&host) >= LISTENERS, "{host:?}");
    assert_eq!(listening(&own), 0, "{own:?}");
}

fn inode(found: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}
