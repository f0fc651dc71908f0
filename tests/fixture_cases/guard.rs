//! The one mistake that looks right: a container's own table under the host's name.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use crate::outcome::{Outcome, Snapshot};
use crate::program::{Finished, wait};
use crate::skip::skip;

/// tcpgauge with `arguments` in these namespaces, by way of util-linux' `unshare`.
fn tcpgauge_in(namespaces: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user"])
        .args(namespaces)
        .arg("--")
        .arg(env!("CARGO_BIN_EXE_tcpgauge"))
        .args(arguments);
    command
}

/// The snapshot that tcpgauge takes in these namespaces; nothing where that is forbidden.
fn snapshot_in(test: &str, namespaces: &[&str], arguments: &[&str]) -> Option<Snapshot> {
    let arguments = [&["snapshot", "--format", "json"], arguments].concat();
    taken(test, tcpgauge_in(namespaces, &arguments))
}

/// The snapshot that `command` takes in its namespaces; nothing where it does not get there.
fn taken(test: &str, command: Command) -> Option<Snapshot> {
    run(test, command).map(Snapshot::of)
}

/// Runs `command`, which goes into namespaces and then is tcpgauge; nothing where it does not get there.
fn run(test: &str, mut command: Command) -> Option<Finished> {
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
    Some(run)
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

/// Started with the host's network, a container sees the host's sockets through its own proc.
#[test]
fn a_container_with_the_hosts_network_needs_no_mount() {
    let test = "a_container_with_the_hosts_network_needs_no_mount";
    if !std::path::Path::new("/proc/sys/net/ipv4/tcp_mem").exists() {
        return skip(
            test,
            "this test is not in the machine's initial network namespace",
        );
    }
    if let Some(found) = snapshot_in(test, &["--pid", "--fork", "--mount-proc"], &[]) {
        assert!(
            matches!(found.outcome(), Outcome::Reading { .. }),
            "{found:?}"
        );
    }
}

/// What `tcpgauge check` says about one thing, in these namespaces; nothing where that is forbidden.
fn check_in(test: &str, namespaces: &[&str], about: &str) -> Option<String> {
    let run = run(
        test,
        tcpgauge_in(namespaces, &["check", "--exporter", "none"]),
    )?;
    let mut lines = run.stdout.lines();
    let line = lines.find(|line| line.contains(about));
    Some(
        line.unwrap_or_else(|| panic!("nothing about {about}: {run:?}"))
            .to_owned(),
    )
}

#[test]
fn check_says_whose_namespace_it_is_as_far_as_that_can_be_known() {
    let test = "check_says_whose_namespace_it_is_as_far_as_that_can_be_known";
    if let Some(line) = check_in(test, A_CONTAINER, "namespace") {
        assert!(
            line.starts_with("fail") && line.contains("not the machine's initial one"),
            "{line}"
        );
    }
    let machines = std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n");
    if !machines {
        return skip(
            test,
            "PID 2 is no kernel thread: this test is not in the machine's initial PID namespace",
        );
    }
    if let Some(line) = check_in(test, &["--net"], "namespace") {
        assert!(
            line.starts_with("ok") && line.contains("the machine's PID 1"),
            "{line}"
        );
    }
}

#[test]
fn the_host_name_of_a_container_is_not_the_hosts() {
    let test = "the_host_name_of_a_container_is_not_the_hosts";
    if let Some(line) = check_in(test, &["--uts"], "host name") {
        assert!(
            line.starts_with("warn") && line.contains("container") && line.contains("--host-name"),
            "{line}"
        );
    }
}

fn inode(found: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}
