//! Those who say what sockets there are: the program under test, the `procfs` crate, and iproute2's `ss`.

use std::io;
use std::path::Path;
use std::process::Command;

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::Process;
use serde_json::Value;

use crate::table::{Family, STATES, Table};

/// What `tcpgauge snapshot` says of one scope, from the source that it picks.
pub(crate) fn snapshot(scope: &str) -> Table {
    snapshot_from("auto", scope).0
}

/// What `tcpgauge snapshot` says of one scope, after holding it to what a good reading always is; and its source.
pub(crate) fn snapshot_from(source: &str, scope: &str) -> (Table, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tcpgauge"))
        .args(["snapshot", "--format", "json"])
        .args(["--scope", scope, "--source", source])
        // Settings of whoever runs the tests are not the test's.
        .env_clear()
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");

    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["faults"], Value::Array(Vec::new()), "{stdout}");
    assert_eq!(
        document["readings"].as_array().unwrap().len(),
        1,
        "{stdout}"
    );
    let reading = &document["readings"][0];
    assert_eq!(reading["scope"], scope, "{stdout}");
    assert_eq!(reading["complete"], true, "{stdout}");
    assert_eq!(reading["unrecognised"], 0, "{stdout}");
    assert_eq!(reading["malformed"], 0, "{stdout}");

    let mut table = Table::default();
    for (family, key) in [(Family::Ipv4, "ipv4"), (Family::Ipv6, "ipv6")] {
        let states = reading["states"][key].as_object().unwrap();
        assert_eq!(states.len(), STATES.len(), "{stdout}");
        for (state, number) in states {
            table.add(family, state, number.as_u64().unwrap());
        }
    }
    assert_eq!(reading["tcp_connections"], table.total(), "{stdout}");
    for state in ["established", "time_wait", "close_wait", "listen"] {
        assert_eq!(
            reading[format!("tcp_{state}")],
            table.both(state),
            "{stdout}"
        );
    }
    (table, reading["source"].as_str().unwrap().to_owned())
}

/// What the `procfs` crate reads of the namespace of the process whose directory is `process`.
pub(crate) fn procfs(process: &str) -> Table {
    let mut table = Table::default();
    for (family, rows) in procfs_rows(process) {
        for row in rows {
            table.add(family, name_of(&row.state), 1);
        }
    }
    table
}

/// The rows behind [`procfs`], by the file they are in.
pub(crate) fn procfs_rows(process: &str) -> [(Family, Vec<TcpNetEntry>); 2] {
    let process = Process::new_with_root(process.into()).unwrap();
    [
        (Family::Ipv4, process.tcp().unwrap()),
        (Family::Ipv6, process.tcp6().unwrap()),
    ]
}

/// Spelt out rather than taken from the number, so that this is an opinion of its own.
pub(crate) fn name_of(state: &TcpState) -> &'static str {
    match state {
        TcpState::Established => "established",
        TcpState::SynSent => "syn_sent",
        // The kernel prints its request sockets as SYN_RECV; none of them is ever seen as NEW_SYN_RECV.
        TcpState::SynRecv => "syn_received",
        TcpState::FinWait1 => "fin_wait_1",
        TcpState::FinWait2 => "fin_wait_2",
        TcpState::TimeWait => "time_wait",
        TcpState::Close => "closed",
        TcpState::CloseWait => "close_wait",
        TcpState::LastAck => "last_ack",
        TcpState::Listen => "listen",
        TcpState::Closing => "closing",
        TcpState::NewSynRecv => panic!("a kernel showed NEW_SYN_RECV"),
    }
}

/// What `ss` says, which asks the kernel by netlink and not by text; an error if there is no such program.
pub(crate) fn ss() -> io::Result<Table> {
    let mut table = Table::default();
    for (family, option) in [(Family::Ipv4, "-4"), (Family::Ipv6, "-6")] {
        let output = Command::new("ss").args(["-tanH", option]).output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ss failed: {stderr}");
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let state = match line.split_whitespace().next().unwrap() {
                "ESTAB" => "established",
                "SYN-SENT" => "syn_sent",
                "SYN-RECV" => "syn_received",
                "FIN-WAIT-1" => "fin_wait_1",
                "FIN-WAIT-2" => "fin_wait_2",
                "TIME-WAIT" => "time_wait",
                "UNCONN" => "closed",
                "CLOSE-WAIT" => "close_wait",
                "LAST-ACK" => "last_ack",
                "LISTEN" => "listen",
                "CLOSING" => "closing",
                other => panic!("ss shows a state {other}: {line}"),
            };
            table.add(family, state, 1);
        }
    }
    Ok(table)
}

/// Rows whose state and timer columns are these, in this process's own tables, as the kernel prints them.
pub(crate) fn rows_with(state: &str, timer: &str) -> usize {
    ["tcp", "tcp6"]
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(Path::new("/proc/self/net").join(file)).unwrap();
            text.lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>())
                .filter(|columns| {
                    columns[3] == state && columns[5].starts_with(&format!("{timer}:"))
                })
                .count()
        })
        .sum()
}

/// Rows whose state is this one and that have an inode, which requests and mini-sockets lack.
pub(crate) fn sockets_in(state: &str) -> usize {
    ["tcp", "tcp6"]
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(Path::new("/proc/self/net").join(file)).unwrap();
            text.lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>())
                .filter(|columns| columns[3] == state && columns[9] != "0")
                .count()
        })
        .sum()
}
