//! A node in files: a proc root with the processes of a host and of pods, and the kubelet's links to the logs of containers.
//!
//! Plain files tell namespaces apart as those of a real proc do, since each has an inode of its own.
#![allow(dead_code, reason = "each test program uses what it needs")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// What a row of `net/tcp` says of its socket's state.
pub(crate) const ESTABLISHED: u8 = 0x01;
pub(crate) const TIME_WAIT: u8 = 0x06;
pub(crate) const CLOSE_WAIT: u8 = 0x08;
pub(crate) const LISTEN: u8 = 0x0A;

/// The files of a node.
pub(crate) struct Node {
    directory: TempDir,
    processes: u32,
}

impl Node {
    /// One whose host has these sockets, and no pods.
    pub(crate) fn new(host: &[(u8, usize)]) -> Self {
        let node = Self {
            directory: tempfile::tempdir().unwrap(),
            processes: 99,
        };
        std::fs::create_dir_all(node.container_logs()).unwrap();
        node.process(1, "/init.scope", host);
        node
    }

    pub(crate) fn proc_root(&self) -> PathBuf {
        self.directory.path().join("proc")
    }

    pub(crate) fn container_logs(&self) -> PathBuf {
        self.directory.path().join("containers")
    }

    /// The arguments that have an agent read it.
    pub(crate) fn arguments(&self) -> [String; 4] {
        let shown = |path: PathBuf| path.to_str().unwrap().to_owned();
        [
            "--proc-root".to_owned(),
            shown(self.proc_root()),
            "--container-logs-dir".to_owned(),
            shown(self.container_logs()),
        ]
    }

    /// Starts a pod of one container: its process.
    pub(crate) fn pod(&mut self, uid: &str, container: &str, sockets: &[(u8, usize)]) -> u32 {
        let cgroup = format!("/kubepods/burstable/pod{uid}/{container}");
        self.start(&cgroup, sockets)
    }

    /// Starts a process in this cgroup, in a network namespace of its own.
    pub(crate) fn start(&mut self, cgroup: &str, sockets: &[(u8, usize)]) -> u32 {
        self.processes += 1;
        self.process(self.processes, cgroup, sockets);
        self.processes
    }

    /// Has the kubelet link to the log of a pod's container.
    pub(crate) fn name(&self, namespace: &str, pod: &str, uid: &str, container: &str) {
        let target = format!("/var/log/pods/{namespace}_{pod}_{uid}/app/0.log");
        let link = format!("{pod}_{namespace}_app-{container}.log");
        std::os::unix::fs::symlink(target, self.container_logs().join(link)).unwrap();
    }

    /// Ends a process.
    pub(crate) fn end(&self, pid: u32) {
        std::fs::remove_dir_all(self.of(pid)).unwrap();
    }

    fn of(&self, pid: u32) -> PathBuf {
        self.proc_root().join(pid.to_string())
    }

    fn process(&self, pid: u32, cgroup: &str, sockets: &[(u8, usize)]) {
        let net = self.of(pid).join("net");
        std::fs::create_dir_all(&net).unwrap();
        let count = |state| {
            let of_state = sockets.iter().filter(|(found, _)| *found == state);
            of_state.map(|(_, number)| number).sum::<usize>()
        };
        let all = sockets.iter().map(|(_, number)| number).sum::<usize>();
        let (established, tw) = (count(ESTABLISHED) + count(CLOSE_WAIT), count(TIME_WAIT));
        let write = |below: &Path, text: &str| std::fs::write(below, text).unwrap();
        write(&net.join("tcp"), &table(sockets));
        write(&net.join("tcp6"), &table(&[]));
        let inuse = all - tw;
        write(
            &net.join("sockstat"),
            &format!("sockets: used 9\nTCP: inuse {inuse} orphan 0 tw {tw} alloc {all} mem 1\n"),
        );
        write(&net.join("sockstat6"), "TCP6: inuse 0\n");
        write(
            &net.join("snmp"),
            &format!(
                "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n\
                 Tcp: 1 200 120000 -1 5 5 0 0 {established} 50 50 0 0 0 0\n"
            ),
        );
        let directory = self.of(pid);
        write(&directory.join("cgroup"), &format!("0::{cgroup}\n"));
        write(&directory.join("cmdline"), "/app\0");
        let stat = format!(
            "{pid} (app) S 1 {pid} {pid} 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 {} 0 0 18446744073709551615 \
             0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
            1000 + pid
        );
        write(&directory.join("stat"), &stat);
    }
}

/// So many sockets in each state, as `net/tcp` shows them.
fn table(sockets: &[(u8, usize)]) -> String {
    let mut table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n".to_owned();
    let states = sockets
        .iter()
        .flat_map(|(state, number)| std::iter::repeat_n(state, *number));
    for (row, state) in states.enumerate() {
        writeln!(
            table,
            "{row:4}: 0100007F:1F90 00000000:0000 {state:02X} 00000000:00000000 00:00000000 00000000     0        0 {row} 1"
        )
        .unwrap();
    }
    table
}
