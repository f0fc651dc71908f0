//! `tcpgauge run` as a process: what it logs, and that it ends when it is told to.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};

use crate::fixture;
use crate::program::{Finished, finish, tcpgauge, wait};

/// A running agent.
pub(crate) struct Agent {
    /// Until it is told to stop.
    child: Option<Child>,
    log: Receiver<String>,
    said: String,
}

impl Agent {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (give, log) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines() {
                if give.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        Self {
            child: Some(child),
            log,
            said: String::new(),
        }
    }

    /// Waits until it logs a line with these words.
    pub(crate) fn until(&mut self, words: &str) {
        loop {
            let line = self
                .log
                .recv_timeout(Duration::from_secs(30))
                .unwrap_or_else(|error| panic!("{error} for {words:?} after:\n{}", self.said));
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(words) {
                return;
            }
        }
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Finished {
        let child = self.child.take().unwrap();
        terminate(&child);
        let mut run = Finished::of(wait(child));
        self.said.extend(self.log.iter().map(|line| line + "\n"));
        run.stderr = std::mem::take(&mut self.said);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        run
    }
}

/// A test that fails leaves no agent behind.
impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn terminate(child: &Child) {
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

/// An agent that reads sockets in every state, and sends nothing.
fn reading(more: &[&str]) -> Command {
    let root = fixture("every_state_in_both_families");
    let mut command = tcpgauge(more.iter().copied());
    command.args(["--exporter", "none", "--proc-root", &root]);
    command
}

/// With an interval of an hour, a sample that came is one that was not waited for.
#[test]
fn the_first_sample_is_logged_at_once_and_sigterm_ends_the_agent_with_0() {
    for command in [&["run"][..], &[]] {
        let mut command = reading(command);
        command.args(["--interval", "1h"]);
        let mut agent = Agent::start(command);
        agent.until("tcp_connections=175 tcp_established=15 tcp_time_wait=19 tcp_close_wait=22 tcp_listen=12");
        let run = agent.stop();
        assert_eq!(run.exit, 0, "{run:?}");
        assert_eq!(
            run.stdout, "",
            "without a terminal the log is all that there is"
        );
        assert_eq!(
            run.stderr.matches("tcp_connections=175").count(),
            2,
            "one sample at the start and one at the end: {run:?}"
        );
    }
}

#[test]
fn a_log_in_json_is_one_object_a_line() {
    let mut agent = Agent::start(reading(&["run", "--log-format", "json"]));
    agent.until("tcp_connections");
    let run = agent.stop();
    for line in run.stderr.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(entry["level"].is_string(), "{line}");
    }
    assert!(
        run.stderr.contains(r#""tcp_time_wait":19"#),
        "{}",
        run.stderr
    );
}

#[test]
fn a_log_level_leaves_out_what_is_below_it() {
    let mut command = reading(&["run", "--log-level", "warn"]);
    command.env("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta");
    let mut agent = Agent::start(command);
    agent.until("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE");
    let run = agent.stop();
    assert!(!run.stderr.contains("INFO"), "{}", run.stderr);
}

/// One who cannot read yet may be let in later, so the agent stays, and says why there is nothing.
#[test]
fn a_proc_that_cannot_be_read_is_said_and_does_not_end_the_agent() {
    let mut command = tcpgauge(["run", "--exporter", "none", "--proc-root"]);
    command.arg(fixture("no_pid_1"));
    let mut agent = Agent::start(command);
    agent.until("mount the host's /proc");
    let run = agent.stop();
    assert_eq!(run.exit, 0, "{run:?}");
    assert!(!run.stderr.contains("tcp_connections="), "{}", run.stderr);
}

#[test]
fn a_check_gives_each_line_a_grade_and_ends_with_1_if_something_failed() {
    for (case, exit, says) in [
        ("every_state_in_both_families", 0, "tcp_connections 175"),
        ("no_tcp6", 0, "no tcp6"),
        ("no_pid_1", 1, "mount the host's /proc"),
        ("empty_tcp", 1, "it is empty"),
    ] {
        let root = fixture(case);
        let run = finish(tcpgauge([
            "check",
            "--exporter",
            "none",
            "--proc-root",
            &root,
        ]));
        assert_eq!(run.exit, exit, "{case}: {run:?}");
        assert!(run.stdout.contains(says), "{case}: {run:?}");
        let grades: Vec<_> = run
            .stdout
            .lines()
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert!(
            grades.iter().all(|g| ["ok", "warn", "fail"].contains(g)),
            "{run:?}"
        );
        assert_eq!(grades.contains(&"fail"), exit == 1, "{run:?}");
    }
}

/// A pipe that nobody empties, as of a supervisor that hangs: what is said there is lost, and nothing else.
#[test]
fn a_log_that_nobody_reads_keeps_the_agent_from_nothing() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    while writer.write(b"x").is_ok() {}
    rustix::fs::fcntl_setfl(&writer, OFlags::empty()).unwrap();
    let child = reading(&["run"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    terminate(&child);
    assert_eq!(wait(child).status.code(), Some(0));
    drop(reader);
}
