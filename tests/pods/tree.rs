//! A machine as files: processes of a hand-made proc, and the kubelet's links beside it.
//!
//! Whose namespace a process is in is told by the inode of its `net/tcp`, so processes of one namespace share their files by
//! hard links. Git does not keep those, so the trees are made by the tests.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::skip::skip;

/// A user who owns nothing.
const NOBODY: u32 = 65534;

const FILES: [&str; 5] = ["tcp", "tcp6", "sockstat", "sockstat6", "snmp"];

pub(crate) struct Tree {
    directory: TempDir,
}

/// A process to be put into a tree.
pub(crate) struct Process<'a> {
    pub(crate) pid: u32,
    pub(crate) cgroup: &'a str,
    /// What it calls itself, and its command line.
    pub(crate) comm: &'a str,
    pub(crate) command: &'a str,
}

impl<'a> Process<'a> {
    /// One that is like any other.
    pub(crate) fn new(pid: u32, cgroup: &'a str) -> Self {
        Self {
            pid,
            cgroup,
            comm: "app",
            command: "/bin/app\0--serve\0",
        }
    }
}

/// What was told: what it is of, and how many listeners there are.
pub(crate) type Told = Vec<(Value, u64)>;

impl Tree {
    /// A machine with its first process, in whose namespace are 1000 listeners.
    pub(crate) fn new() -> Self {
        let tree = Self {
            directory: TempDir::new().unwrap(),
        };
        fs::set_permissions(tree.directory.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(tree.logs()).unwrap();
        tree.add(&Process::new(1, "0::/init.scope\n"), 1000);
        tree
    }

    pub(crate) fn proc(&self) -> PathBuf {
        self.directory.path().join("proc")
    }

    fn logs(&self) -> PathBuf {
        self.directory.path().join("containers")
    }

    pub(crate) fn net(&self, pid: u32) -> PathBuf {
        self.proc().join(format!("{pid}/net"))
    }

    /// Puts in a process with a namespace of its own, in which are so many listeners.
    pub(crate) fn add(&self, process: &Process, listeners: usize) {
        self.describe(process);
        let mut tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n".to_owned();
        for place in 0..listeners {
            writeln!(
                tcp,
                "{place:4}: 00000000:{:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {} 1 0000000000000000 100 0 0 10 0",
                1 + place,
                10_000 + place
            )
            .unwrap();
        }
        let tcp6 = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let sockstat =
            format!("sockets: used 9\nTCP: inuse {listeners} orphan 0 tw 0 alloc 9 mem 0\n");
        let snmp = "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\nTcp: 1 200 120000 -1 0 0 0 0 0 0 0 0 0 0 0\n";
        let texts = [&tcp, tcp6, &sockstat, "TCP6: inuse 0\n", snmp];
        for (name, text) in FILES.iter().zip(texts) {
            fs::write(self.net(process.pid).join(name), text).unwrap();
        }
    }

    /// Puts in a process that is in the namespace of another one.
    pub(crate) fn add_beside(&self, process: &Process, pid: u32) {
        self.describe(process);
        for name in FILES {
            let there = self.net(process.pid).join(name);
            fs::hard_link(self.net(pid).join(name), there).unwrap();
        }
    }

    fn describe(&self, process: &Process) {
        let Process {
            pid,
            cgroup,
            comm,
            command,
        } = process;
        fs::create_dir_all(self.net(*pid)).unwrap();
        let stat = format!(
            "{pid} ({comm}) S 1 {pid} {pid} 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 {} 1000 100 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
            100 * pid
        );
        for (name, text) in [
            ("stat", stat.as_str()),
            ("cgroup", cgroup),
            ("cmdline", command),
        ] {
            fs::write(self.proc().join(format!("{pid}/{name}")), text).unwrap();
        }
    }

    /// Links a container's log, as the kubelet does.
    pub(crate) fn link(&self, namespace: &str, pod: &str, uid: &str, id: &str) {
        let target = format!("/var/log/pods/{namespace}_{pod}_{uid}/app/0.log");
        symlink(
            target,
            self.logs().join(format!("{pod}_{namespace}_app-{id}.log")),
        )
        .unwrap();
    }

    /// The whole of what is printed.
    pub(crate) fn snapshot(&self) -> Value {
        let output = self
            .command(env!("CARGO_BIN_EXE_tcpgauge").as_ref())
            .output();
        read(&output.unwrap())
    }

    /// The same by somebody whom permissions bind, as they do not bind root; nothing where that cannot be done.
    pub(crate) fn snapshot_as_a_user(&self, test: &str) -> Option<Value> {
        let program = program_for(self.directory.path());
        let output = as_a_user(test, &mut self.command(&program))?;
        Some(read(&output))
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args([
                "snapshot",
                "--scope",
                "pods",
                "--format",
                "json",
                "--proc-root",
            ])
            .arg(self.proc())
            .arg("--container-logs-dir")
            .arg(self.logs())
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    /// What is told where nothing is wrong.
    pub(crate) fn told(&self) -> Told {
        let snapshot = self.snapshot();
        assert_eq!(snapshot["faults"], Value::Array(Vec::new()), "{snapshot}");
        told(&snapshot)
    }
}

pub(crate) fn told(snapshot: &Value) -> Told {
    let readings = snapshot["readings"].as_array().unwrap().iter();
    let mut told: Vec<_> = readings
        .map(|reading| {
            assert_eq!(reading["scope"], "pods", "{snapshot}");
            assert_eq!(
                reading["tcp_connections"], reading["tcp_listen"],
                "{snapshot}"
            );
            (
                reading["owner"].clone(),
                reading["tcp_listen"].as_u64().unwrap(),
            )
        })
        .collect();
    told.sort_by_key(|(_, listeners)| *listeners);
    told
}

/// The faults, as `what: why`.
pub(crate) fn faults(snapshot: &Value) -> Vec<String> {
    let faults = snapshot["faults"].as_array().unwrap().iter();
    let part = |fault: &Value, name: &str| fault[name].as_str().unwrap().to_owned();
    faults
        .map(|fault| format!("{}: {}", part(fault, "what"), part(fault, "why")))
        .collect()
}

/// A copy of the binary, as such a user may not be let into the directory that it was built in.
pub(crate) fn program_for(directory: &Path) -> PathBuf {
    let program = directory.join("tcpgauge");
    fs::copy(env!("CARGO_BIN_EXE_tcpgauge"), &program).unwrap();
    program
}

/// Runs it as somebody who is not root; nothing where that cannot be done.
pub(crate) fn as_a_user(test: &str, command: &mut Command) -> Option<Output> {
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    loop {
        match command.output() {
            Ok(output) => return Some(output),
            // Another test's child was born while the copy was written, and has it open until it has become what it is to be.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {}
            Err(error) => {
                skip(test, &format!("cannot run {command:?}: {error}"));
                return None;
            }
        }
    }
}

fn read(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    let snapshot: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no JSON ({error}): {output:?}"));
    let is_whole = snapshot["faults"].as_array().unwrap().is_empty();
    assert_eq!(output.status.code(), Some(i32::from(!is_whole)), "{stderr}");
    snapshot
}
