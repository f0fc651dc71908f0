//! A running agent that sends to nobody, and what the kernel says about its process.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use procfs::process::Process;

/// Ends when it is dropped.
pub(crate) struct Agent {
    child: Child,
    /// What it said of its first sample.
    pub(crate) sample: String,
}

impl Agent {
    /// Has taken its first sample, and takes the next in an hour.
    pub(crate) fn after_its_first_sample(source: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tcpgauge"))
            .args(["run", "--scope", "self", "--exporter", "none"])
            .args(["--interval", "1h", "--source", source])
            // As by default, at a port that is nobody else's.
            .args(["--http-listen", "127.0.0.1:0"])
            // Settings of whoever runs the tests are not the test's.
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let sample = log
            .lines()
            .map(Result::unwrap)
            .find(|line| line.contains("INFO sample"));
        Self {
            child,
            sample: sample.expect("it ended without a sample"),
        }
    }

    fn process(&self) -> Process {
        Process::new(self.child.id().try_into().unwrap()).unwrap()
    }

    /// The most memory that it ever had, in KiB, without what is mapped from files: how many of those pages the kernel maps ahead
    /// depends on what else there is in its cache.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = self.process().status().unwrap();
        status.vmhwm.unwrap() - status.rssfile.unwrap()
    }

    /// How often each of its threads, by name, has begun to wait.
    pub(crate) fn waits(&self) -> Vec<(String, u64)> {
        let threads = self.process().tasks().unwrap();
        let mut waits: Vec<_> = threads
            .map(|thread| thread.unwrap().status().unwrap())
            .map(|status| (status.name, status.voluntary_ctxt_switches.unwrap()))
            .collect();
        waits.sort();
        waits
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
