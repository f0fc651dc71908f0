//! The real binary as a child process, over a proc tree that the test writes, with nothing of the test's own environment in it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_tcpgauge");

/// How many sockets of each state (the kernel's number for it) a fresh tree has. No two totals are equal.
pub(crate) const TCP: [(u8, usize); 11] = [
    (1, 7),
    (2, 1),
    (3, 2),
    (4, 3),
    (5, 4),
    (6, 9),
    (7, 1),
    (8, 5),
    (9, 2),
    (10, 6),
    (11, 1),
];
pub(crate) const TCP6: [(u8, usize); 4] = [(1, 2), (6, 1), (8, 1), (10, 2)];

/// A proc tree of one process, the machine's first.
pub(crate) struct ProcTree {
    root: TempDir,
}

impl ProcTree {
    pub(crate) fn new() -> Self {
        let tree = Self {
            root: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir_all(tree.root().join("1/net")).unwrap();
        tree.write("tcp", &table(&TCP, 8));
        tree.write("tcp6", &table(&TCP6, 32));
        tree
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Replaces a file in one step, as the agent may be reading.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let aside = self.root().join("new");
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(aside, self.net(name)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.net(name)).unwrap();
    }

    pub(crate) fn net(&self, name: &str) -> PathBuf {
        self.root().join("1/net").join(name)
    }
}

/// The kernel's text for so many sockets of each state, with addresses of so many hexadecimal digits.
pub(crate) fn table(states: &[(u8, usize)], digits: usize) -> String {
    let mut text = String::from(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
    );
    let rows = states
        .iter()
        .flat_map(|&(state, sockets)| std::iter::repeat_n(state, sockets));
    for (row, state) in rows.enumerate() {
        let address = "0".repeat(digits);
        writeln!(
            text,
            "{row:4}: {address}:1F90 {address}:{row:04X} {state:02X} 00000000:00000000 00:00000000 00000000  1000        0 \
             {inode} 1 0000000000000000 20 4 30 10 -1",
            inode = 4000 + row
        )
        .unwrap();
    }
    text
}

/// A command line in the making.
pub(crate) struct Tcpgauge {
    tree: ProcTree,
    command: Command,
}

impl Tcpgauge {
    /// `run` every second, toward this endpoint.
    pub(crate) fn run(endpoint: &str) -> Self {
        Self::run_every("1s", endpoint)
    }

    /// Exports what is of the host. What the agent tells of itself differs from run to run, and even where a reading fails.
    pub(crate) fn run_every(interval: &str, endpoint: &str) -> Self {
        let command = Self::command("run")
            .env("TCPGAUGE_METRICS", "five,states")
            .env("TCPGAUGE_SEND_SPREAD", "0s");
        command.args([
            "--interval",
            interval,
            "--host-name",
            "h",
            "--endpoint",
            endpoint,
        ])
    }

    /// Any command over a fresh tree, with nothing else said.
    pub(crate) fn command(name: &str) -> Self {
        let tree = ProcTree::new();
        let mut command = Command::new(BINARY);
        command
            .env_clear()
            // Many run at once, and one port is for one of them.
            .env("TCPGAUGE_HTTP_LISTEN", "none")
            .arg(name)
            .arg("--proc-root")
            .arg(tree.root());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self { tree, command }
    }

    pub(crate) fn args<T: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts an agent.
    pub(crate) fn start(mut self) -> Agent {
        self.command.stdout(Stdio::null());
        // So that its first sample comes well before a tick, and is told from it by its time alone.
        sleep_to(300);
        let started = unix_now();
        let mut child = self.command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let reader = read_lines(child.stderr.take().unwrap(), Arc::clone(&log));
        Agent {
            tree: self.tree,
            child,
            log,
            reader: Some(reader),
            started,
        }
    }

    /// Runs a command that is expected to end by itself: its exit code, stdout and stderr.
    pub(crate) fn output(mut self) -> (Option<i32>, String, String) {
        let output = self.command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }
}

fn read_lines(stderr: ChildStderr, log: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    })
}

/// A running agent. Dropping it kills it.
pub(crate) struct Agent {
    pub(crate) tree: ProcTree,
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    started: Duration,
}

/// An agent that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Unix times of the start and of the first signal.
    pub(crate) started: Duration,
    pub(crate) stopped: Duration,
    /// From the first signal to the end.
    pub(crate) took: Duration,
    pub(crate) status: ExitStatus,
    pub(crate) log: String,
}

impl Agent {
    /// What it has written to stderr so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn wait_for_log(&self, words: &str, within: Duration) {
        let deadline = Instant::now() + within;
        while !self.log().contains(words) {
            assert!(
                Instant::now() < deadline,
                "no {words:?} on stderr within {within:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it has taken so many more samples; their interval is a few seconds at most.
    pub(crate) fn wait_for_samples(&self, more: usize) {
        let enough = sampled(&self.log()) + more;
        let deadline = Instant::now() + Duration::from_secs(30);
        while sampled(&self.log()) < enough {
            assert!(
                Instant::now() < deadline,
                "no more samples:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Asks it to end with SIGTERM and waits for that, for as long as draining may take and some more.
    pub(crate) fn stop(self) -> Ended {
        self.stop_with(Signal::TERM)
    }

    pub(crate) fn stop_with(self, signal: Signal) -> Ended {
        let (stopped, since) = (unix_now(), Instant::now());
        self.signal(signal);
        self.wait(stopped, since)
    }

    /// Waits for it to end by itself, which is expected at once.
    #[allow(dead_code, reason = "another test program needs it")]
    pub(crate) fn ended(self) -> Ended {
        self.wait(unix_now(), Instant::now())
    }

    /// As `stop`, and a second SIGTERM so much later.
    pub(crate) fn stop_twice(self, apart: Duration) -> Ended {
        let (stopped, since) = (unix_now(), Instant::now());
        self.signal(Signal::TERM);
        std::thread::sleep(apart);
        self.signal(Signal::TERM);
        self.wait(stopped, since)
    }

    fn wait(mut self, stopped: Duration, since: Instant) -> Ended {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                since.elapsed() < Duration::from_secs(15),
                "still there 15 s after it should have ended:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        let took = since.elapsed();
        self.reader.take().unwrap().join().unwrap();
        Ended {
            started: self.started,
            stopped,
            took,
            status,
            log: self.log(),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    pub(crate) fn assert_clean(&self) {
        assert_eq!(
            (self.status.code(), self.status.signal()),
            (Some(0), None),
            "{}",
            self.log
        );
    }

    pub(crate) fn complaints(&self) -> Vec<&str> {
        complaints(&self.log)
    }
}

/// The lines of a log that say something of a fault or a loss; not that the proc root is none, as every tree here is none.
pub(crate) fn complaints(log: &str) -> Vec<&str> {
    let is_one = |line: &&str| line.contains("WARN") || line.contains("ERROR");
    let lines = log.lines().filter(is_one);
    lines
        .filter(|line| !line.contains("is not a mounted proc"))
        .collect()
}

/// How many samples an agent says that it has taken.
pub(crate) fn sampled(log: &str) -> usize {
    log.matches("INFO sample ").count()
}

pub(crate) fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Sleeps until the middle between two ticks of a one-second interval, so that what the test does next falls on neither.
pub(crate) fn sleep_to_mid_second() {
    sleep_to(500);
}

/// Sleeps until it is so many milliseconds past a full second.
fn sleep_to(millis: u32) {
    let into = unix_now().subsec_millis();
    std::thread::sleep(Duration::from_millis(
        ((1000 + millis - into) % 1000).into(),
    ));
}

/// Runs the cases of a table all at once, as they mostly wait, and reports every one that fails.
pub(crate) fn all_at_once<C: Sync>(cases: &[(&str, C)], claim: impl Fn(&C) + Sync) {
    let failed: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = cases
            .iter()
            .map(|(name, case)| (name, scope.spawn(|| claim(case))))
            .collect();
        let outcome = |(name, case): (&&str, std::thread::ScopedJoinHandle<()>)| {
            case.join()
                .err()
                .map(|panic| format!("{name}: {}", message(panic.as_ref())))
        };
        running.into_iter().filter_map(outcome).collect()
    });
    assert!(
        failed.is_empty(),
        "{} of {} cases failed\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
}
