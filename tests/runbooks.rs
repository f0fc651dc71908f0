//! The runbooks claim what their cases show: each case is played anew with the binary, and what is claimed of its outputs is held
//! against the page and against what came out now. Numbers and names of processes may differ; claims may not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "support/skip.rs"]
mod skip;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use skip::skip;

/// The exit code of `cases` on a machine that does not have what a case needs.
const CANNOT_RUN: i32 = 77;

/// The outputs of one case, by name: those of a page, or those of now.
struct Case {
    of: String,
    blocks: BTreeMap<String, String>,
}

impl Case {
    fn parse(of: &str, name: &str, text: &str) -> Self {
        let start = format!("<!-- case {name} ");
        let blocks = text.split(&start).skip(1).map(|rest| {
            let (name, rest) = rest.split_once(" -->").unwrap();
            let (block, _) = rest.split_once("<!-- end -->").unwrap();
            (name.to_owned(), block.to_owned())
        });
        Self {
            of: of.to_owned(),
            blocks: blocks.collect(),
        }
    }

    fn block(&self, name: &str) -> &str {
        let found = self.blocks.get(name);
        found.unwrap_or_else(|| panic!("{} has no output {name}", self.of))
    }

    fn says(&self, block: &str, words: &str) {
        let text = self.block(block);
        assert!(
            text.contains(words),
            "{}: {block} does not say {words:?}:{text}",
            self.of
        );
    }

    fn lines(&self, block: &str, words: &str) -> usize {
        let lines = self.block(block).lines();
        lines.filter(|line| line.contains(words)).count()
    }

    /// The number that follows `name` at the beginning of a line.
    fn number(&self, block: &str, name: &str) -> u64 {
        let text = self.block(block);
        let number = text.lines().find_map(|line| {
            let rest = line.trim_start().strip_prefix(name)?;
            let rest = rest.strip_prefix(|c: char| c.is_whitespace())?;
            rest.split_whitespace().next()?.parse().ok()
        });
        number.unwrap_or_else(|| panic!("{}: {block} has no number {name}:{text}", self.of))
    }

    /// The number that follows these words anywhere.
    fn after(&self, block: &str, words: &str) -> u64 {
        let text = self.block(block);
        let rest = text.split(words).nth(1).unwrap_or_else(|| {
            panic!("{}: {block} does not say {words:?}:{text}", self.of);
        });
        let digits = rest.trim_start();
        let end = digits.find(|c: char| !c.is_ascii_digit());
        digits[..end.unwrap_or(digits.len())].parse().unwrap()
    }
}

fn runbooks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks")
}

/// Holds `claims` against the page, and against what the case shows now.
fn holds(test: &str, name: &str, page: &str, claims: impl Fn(&Case)) {
    let written = std::fs::read_to_string(runbooks().join(page)).unwrap();
    let told = Case::parse(page, name, &written);
    claims(&told);

    let cases = Command::new("python3")
        .arg(runbooks().join("cases"))
        .args([env!("CARGO_BIN_EXE_tcpgauge"), name])
        .output();
    let output = match cases {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return skip(test, "python3 is not on PATH");
        }
        Err(error) => panic!("cannot run python3: {error}"),
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(CANNOT_RUN) {
        return skip(test, stderr.trim());
    }
    assert!(output.status.success(), "{name} failed:\n{stderr}");
    let shown = Case::parse(
        &format!("{name} now"),
        name,
        &String::from_utf8_lossy(&output.stdout),
    );
    claims(&shown);
    let names = |case: &Case| case.blocks.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&told),
        names(&shown),
        "{page} has an output more or less than its case: docs/runbooks/cases --write"
    );
}

#[test]
fn close_wait_stays_until_the_application_closes_and_keepalive_mends_the_number_alone() {
    let test = "close_wait_stays_until_the_application_closes_and_keepalive_mends_the_number_alone";
    holds(test, "close-wait", "close-wait.md", |case| {
        assert_eq!(case.number("snapshot", "tcp_close_wait"), 50);
        assert_eq!(case.number("metrics", "tcp_close_wait"), 50);
        let owner = "tcp.close_wait.by_owner{network.local.port=8080, user.id=0} 50";
        case.says("metrics", owner);
        assert_eq!(case.number("metrics", "tcp_established"), 0);
        case.says("ss", "192.0.2.1:8080");
        case.says("ss", "python3");
        case.says("culprits", "local port 8080");
        case.says("culprits", "python3");
        assert_eq!(case.after("culprits", "sockets in close_wait:"), 50);
        assert_eq!(case.number("over", "tcp_close_wait"), 0);

        // Of those that nobody accepted ss names no process, and the queue has them.
        assert_eq!(case.lines("not-accepted", "users:"), 0);
        assert_eq!(case.lines("not-accepted", "LISTEN 3"), 1);
        case.says(
            "not-accepted-culprits",
            "self   -        -     local port 8080",
        );

        case.says("keepalive", ": 10 in CLOSE_WAIT; keepalive for 5");
        case.says("keepalive", "later: 5 in CLOSE_WAIT");
        case.says("keepalive", "still held: 10");
    });
}

#[test]
fn time_wait_lasts_a_minute_whatever_tcp_fin_timeout_says_and_a_pool_makes_one() {
    let test = "time_wait_lasts_a_minute_whatever_tcp_fin_timeout_says_and_a_pool_makes_one";
    holds(test, "time-wait", "time-wait.md", |case| {
        assert_eq!(case.number("snapshot", "tcp_time_wait"), 1000);
        assert_eq!(case.number("metrics", "tcp_time_wait"), 1000);
        for direction in ["active", "passive"] {
            let name = format!("tcp.connections.opened{{tcp.open={direction}}}");
            assert_eq!(case.number("metrics", &name), 1000);
        }
        case.says("culprits", "to 192.0.2.1:8080");
        assert_eq!(case.after("culprits", "sockets in time_wait:"), 1000);
        assert_eq!(case.lines("who", "1000 192.0.2.1:8080"), 1);
        // A minute, less what the case took so far: with tcp_fin_timeout at 5 s it would be 5.
        case.says("timer", "tcp_fin_timeout = 5");
        assert!(case.after("timer", "timer:(timewait,") > 20);
        assert!(case.after("timer-after", "timer:(timewait,") >= 55);
        case.says("recycle", "No such file or directory");

        assert_eq!(case.number("overflow", "tcp_time_wait"), 1100);
        assert_eq!(case.number("overflow", "tcp.time_wait.overflows"), 402);
        assert_eq!(case.number("buckets", "TcpExtTCPTimeWaitOverflow"), 402);
        case.says("pooled", "+1 TIME_WAIT");
    });
}

#[test]
fn ports_run_out_toward_one_destination_alone_and_no_counter_counts_it() {
    let test = "ports_run_out_toward_one_destination_alone_and_no_counter_counts_it";
    holds(test, "port-exhaustion", "port-exhaustion.md", |case| {
        let none = "Cannot assign requested address";
        case.says(
            "error",
            &format!("100 connections, then: [Errno 99] {none}"),
        );
        assert_eq!(case.lines("ss", "100 192.0.2.1:5432"), 1);
        let full = "(100.0 %) in use from 192.0.2.1 to 192.0.2.1:5432";
        case.says("snapshot", full);
        case.says("metrics", "tcp.ports.utilization 1.0");
        assert_eq!(case.number("metrics", "tcp.connections.failed"), 0);

        case.says("bind", "  connect: connected");
        case.says("bind", "then connect: [Errno 98] Address already in use");
        case.says("bind", "IP_BIND_ADDRESS_NO_PORT: connected");
        case.says("range", ": connected");

        // Only reuse, and only of connections that had timestamps.
        let expected = [
            ("tcp_timestamps = 0: 100 connections closed, then", none),
            ("  tcp_fin_timeout = 1", none),
            ("  tcp_tw_reuse = 2", none),
            ("  tcp_tw_reuse = 1", none),
            ("tcp_timestamps = 1: 100 connections closed, then", none),
            ("  tcp_fin_timeout = 1", none),
            ("  tcp_tw_reuse = 2", none),
            ("  tcp_tw_reuse = 1", "connected"),
        ];
        let lines = case
            .block("churn")
            .lines()
            .filter(|line| line.contains(": "));
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), expected.len());
        for (line, (setting, outcome)) in lines.into_iter().zip(expected) {
            assert!(
                line.starts_with(setting) && line.ends_with(outcome),
                "{line}"
            );
        }
    });
}

#[test]
fn snat_that_runs_out_shows_in_the_pods_syn_sent_and_not_in_the_count_of_entries() {
    let test = "snat_that_runs_out_shows_in_the_pods_syn_sent_and_not_in_the_count_of_entries";
    holds(test, "snat", "port-exhaustion.md", |case| {
        case.says("error", "100 connections, then: timed out");
        assert_eq!(case.number("pod", "tcp_established"), 100);
        assert_eq!(case.number("pod", "syn_sent"), 1);
        // The client gave up before the kernel did, and that is no failure to it.
        assert_eq!(case.number("pod-failed", "TcpAttemptFails"), 0);
        // Few of its own ports, and it knows toward whom.
        let few = "(0.4 %) in use from 10.0.0.2 to 203.0.113.2:443";
        case.says("pod", few);
        assert!(case.number("node", "tcp_connections") < 10);

        let entries = case.number("metrics", "system.network.conntrack.count");
        let room = case.number("metrics", "system.network.conntrack.max");
        assert!(entries >= 100 && entries < room / 10, "{entries} of {room}");
        assert_eq!(case.number("metrics", "tcp.connections.failed"), 0);
        assert!(case.number("drops", "insert_failed") > 0);
        assert!(case.number("metrics", "system.network.conntrack.insert_failed") > 0);
    });
}

#[test]
fn a_full_accept_queue_drops_and_no_sysctl_makes_it_longer_than_the_application_asked() {
    let test = "a_full_accept_queue_drops_and_no_sysctl_makes_it_longer_than_the_application_asked";
    holds(test, "accept-queue", "accept-queue.md", |case| {
        case.says("snapshot", "longest accept queue: 6 of 5, on port 8080");
        assert_eq!(case.number("snapshot", "syn_sent"), 3);
        // One accepted and six that wait, both ends of each.
        assert_eq!(case.number("snapshot", "tcp_established"), 14);
        assert_eq!(case.number("metrics", "tcp.accept_queue.longest"), 6);
        // Three clients, counted with each try.
        let overflows = case.number("metrics", "tcp.listen.overflows");
        assert!(overflows > 3, "{overflows}");
        assert_eq!(case.number("metrics", "tcp.listen.drops"), overflows);
        assert_eq!(case.lines("ss", "LISTEN 6      5"), 1);

        case.says("somaxconn", "net.core.somaxconn = 65535");
        assert_eq!(case.lines("somaxconn", "LISTEN 6      5"), 1);

        let (without, with) = case.block("abort").split_once("overflow = 1").unwrap();
        let reset = "Connection reset by peer";
        assert!(!without.contains(reset), "{without}");
        assert_eq!(without.matches("thinks that it is connected").count(), 4);
        assert_eq!(with.matches(reset).count(), 1, "{with}");
        for told in [without, with] {
            assert!(told.contains("late client: waits, in SYN_SENT"), "{told}");
        }

        assert_eq!(case.number("over", "tcp.accept_queue.longest"), 0);
        assert_eq!(case.lines("over-ss", "LISTEN 0      5000"), 1);
    });
}

#[test]
fn tcp_memory_is_the_machines_and_in_pages() {
    const MEBIBYTES: u64 = 1 << 20;
    let test = "tcp_memory_is_the_machines_and_in_pages";
    holds(test, "tcp-memory", "tcp-memory.md", |case| {
        let usage = |block| case.number(block, "tcp.memory.usage");
        assert!(usage("metrics") > usage("before") + 20 * MEBIBYTES);
        assert!(usage("over") + 20 * MEBIBYTES < usage("metrics"));

        let pages = case.block("pages");
        let thresholds: Vec<u64> = pages
            .lines()
            .find_map(|line| line.strip_prefix("net.ipv4.tcp_mem = "))
            .unwrap()
            .split_whitespace()
            .map(|number| number.parse().unwrap())
            .collect();
        let page = case.after("pages", "getconf PAGESIZE\n");
        for (threshold, name) in thresholds.into_iter().zip(["low", "pressure", "high"]) {
            let metric = format!("tcp.memory.limit{{tcp.memory.threshold={name}}}");
            assert_eq!(case.number("metrics", &metric), threshold * page);
        }
        assert!(case.after("sockstat", " mem ") * page > 20 * MEBIBYTES);
    });
}

#[test]
fn a_listener_can_be_gone_while_its_process_runs() {
    let test = "a_listener_can_be_gone_while_its_process_runs";
    holds(test, "listener-gone", "listener-gone.md", |case| {
        let port = "tcp.port.accept_queue.length{network.local.port=8080}";
        assert_eq!(case.number("before", "tcp_listen"), 2);
        assert_eq!(case.number("before", port), 0);
        assert_eq!(case.lines("client", "Connection refused"), 3);
        assert_eq!(case.number("snapshot", "tcp_listen"), 1);
        assert_eq!(case.number("metrics", "tcp_listen"), 1);
        assert_eq!(
            case.lines("metrics", port),
            0,
            "no point without a listener"
        );
        let failed = |block| case.number(block, "tcp.connections.failed");
        assert_eq!(failed("metrics"), failed("before") + 3);
        assert_eq!(
            (case.lines("ss", ":9090"), case.lines("ss", ":8080")),
            (1, 0)
        );

        assert_eq!(case.lines("culprits", "local port 9090"), 1);
        assert_eq!(case.lines("culprits", "8080"), 0);
        case.says("restart", "listen again: [Errno 98] Address already in use");
        case.says("restart", "with SO_REUSEADDR: listens");
        case.says("inherited", "sleep");
    });
}

#[test]
fn a_surge_is_whose_it_is_and_a_network_that_ends_in_silence_is_no_collapse() {
    let test = "a_surge_is_whose_it_is_and_a_network_that_ends_in_silence_is_no_collapse";
    holds(test, "connections", "connections.md", |case| {
        assert_eq!(case.number("before", "tcp_established"), 200);
        assert_eq!(case.number("surge", "tcp_established"), 1200);
        assert_eq!(case.number("surge", "tcp_close_wait"), 0);
        assert_eq!(case.after("culprits", "sockets in established:"), 1200);
        // The server has one end of all, the client that leaks the other end of 500.
        assert_eq!(case.lines("culprits", "to 192.0.2.1:8080"), 2);
        assert_eq!(case.lines("culprits", "192.0.2.1  500"), 1);
        case.says("ss", "\n600\n");
        assert_eq!(case.number("over", "tcp_established"), 200);

        assert_eq!(case.number("collapse", "tcp_established"), 0);
        assert_eq!(case.number("collapse", "tcp_time_wait"), 600);
        assert_eq!(case.number("collapse", "tcp_listen"), 1);
        case.says("listens", "local port 8080");
        assert_eq!(case.number("silent", "tcp_established"), 200);
    });
}
