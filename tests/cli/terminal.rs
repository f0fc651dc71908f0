//! `tcpgauge run` on a terminal: the latest sample in place, the log above it.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fixture;
use crate::program::wait;
use crate::skip::skip;

/// What a terminal that types Ctrl-C sends.
const CTRL_C: &[u8] = b"\x03";

/// The last line of a table has it, in any width.
const LAST_OF_A_TABLE: &str = "tcp_listen ";

/// An agent on a terminal of this width, made by util-linux' `script`; nothing where there is none.
fn on_a_terminal(test: &str, columns: u16) -> Option<Child> {
    // An echo of Ctrl-C, and what its flush throws away, would make what is seen a matter of luck.
    let command = r#"stty -echo noflsh cols "$COLUMNS_WANTED" && exec "$PROGRAM" run --exporter none --interval 1s --proc-root "$ROOT""#;
    let child = Command::new("script")
        .args(["--quiet", "--return", "--command", command, "/dev/null"])
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("SHELL", "/bin/sh")
        .env("TCPGAUGE_HTTP_LISTEN", "none")
        .env("COLUMNS_WANTED", columns.to_string())
        .env("PROGRAM", env!("CARGO_BIN_EXE_tcpgauge"))
        .env("ROOT", fixture("every_state_in_both_families"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    child
        .map_err(|error| skip(test, &format!("cannot run util-linux' script: {error}")))
        .ok()
}

/// Runs the agent until it has shown `samples` tables, then types Ctrl-C; what the terminal got, and the exit code.
fn shown(mut child: Child, samples: usize) -> (String, Option<i32>) {
    let mut terminal = child.stdout.take().unwrap();
    let (mut got, mut chunk) = (Vec::new(), [0; 4096]);
    let started = Instant::now();
    let mut told = false;
    loop {
        let count = terminal.read(&mut chunk).unwrap();
        if count == 0 {
            break;
        }
        got.extend(&chunk[..count]);
        let tables = String::from_utf8_lossy(&got)
            .matches(LAST_OF_A_TABLE)
            .count();
        if !told && tables >= samples {
            child.stdin.as_mut().unwrap().write_all(CTRL_C).unwrap();
            told = true;
        }
        if started.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
            panic!("no end of it: {}", String::from_utf8_lossy(&got));
        }
    }
    let exit = wait(child).status.code();
    (String::from_utf8(got).unwrap().replace("\r\n", "\n"), exit)
}

/// What stays on the screen when the cursor goes up and clears, as [`shown`] saw it sent.
fn screen(sent: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut rest = sent;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\n' => lines.push(String::new()),
            '\x1b' => {
                let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                let (sequence, after) = rest.split_at(end + 1);
                match sequence.trim_start_matches('[') {
                    "J" => {
                        lines.pop();
                        lines.push(String::new());
                    }
                    up => {
                        let up: usize = up.trim_end_matches('A').parse().unwrap();
                        lines.truncate(lines.len() - up);
                    }
                }
                rest = after;
            }
            c => lines.last_mut().unwrap().push(c),
        }
    }
    lines
}

const FIVE: [(&str, &str); 5] = [
    ("tcp_connections", "175"),
    ("tcp_established", "15"),
    ("tcp_time_wait", "19"),
    ("tcp_close_wait", "22"),
    ("tcp_listen", "12"),
];

#[test]
fn a_terminal_shows_each_sample_in_the_place_of_the_last_with_the_log_above() {
    let test = "a_terminal_shows_each_sample_in_the_place_of_the_last_with_the_log_above";
    let Some(child) = on_a_terminal(test, 200) else {
        return;
    };
    let (sent, exit) = shown(child, 3);
    assert_eq!(exit, Some(0), "{sent}");
    assert!(sent.contains("\x1b[6A"), "the cursor goes up: {sent:?}");

    let screen = screen(&sent);
    let table: Vec<_> = screen
        .iter()
        .filter(|line| line.starts_with("  "))
        .collect();
    assert_eq!(table.len(), 5, "one table is left: {screen:#?}");
    for (line, (name, value)) in table.iter().zip(FIVE) {
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words, [name, value]);
    }
    let log = screen
        .iter()
        .take_while(|line| !line.starts_with("tcpgauge"));
    let log: Vec<_> = log.map(String::as_str).collect();
    for line in ["INFO reading", "not a mounted proc", "told to stop"] {
        assert!(
            log.iter().any(|logged| logged.contains(line)),
            "{line:?} is above the table: {screen:#?}"
        );
    }
    assert!(
        !sent.contains("INFO sample"),
        "what the table shows is not logged as well: {sent}"
    );
}

/// A line that wraps would be two, and the cursor would not go up far enough.
#[test]
fn a_narrow_terminal_wraps_no_line_of_the_table() {
    let test = "a_narrow_terminal_wraps_no_line_of_the_table";
    let Some(child) = on_a_terminal(test, 24) else {
        return;
    };
    let (sent, _) = shown(child, 1);
    for (name, value) in FIVE {
        let shown: Vec<_> = sent.lines().filter(|line| line.contains(name)).collect();
        assert!(!shown.is_empty(), "{name}: {sent}");
        for line in shown {
            let cells = line.trim_start_matches(|c: char| !c.is_ascii_lowercase() && c != ' ');
            assert!(cells.len() < 24, "{cells:?}");
            assert!(
                cells.ends_with(&format!(" {value}")),
                "the number is whole: {cells:?}"
            );
        }
    }
}

/// Containers and serial lines often have a terminal whose size nobody set, which the kernel gives as 0.
#[test]
fn a_terminal_of_unknown_width_shows_the_values() {
    let test = "a_terminal_of_unknown_width_shows_the_values";
    let Some(child) = on_a_terminal(test, 0) else {
        return;
    };
    let (sent, _) = shown(child, 1);
    let screen = screen(&sent);
    for (name, value) in FIVE {
        assert!(
            screen
                .iter()
                .any(|line| line.split_whitespace().eq([name, value])),
            "{name} is not shown with its value: {screen:#?}"
        );
    }
}
