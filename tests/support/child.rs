//! A program that serves a test: what it says is kept in a file, and it ends with the test.
#![allow(dead_code, reason = "each test program uses what it needs")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing that a test waits for takes a tenth of it, on a machine that has something else to do as well.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until `found` gives something, looking again and again; what it was is for the message if it does not.
pub(crate) fn wait_for<T>(what: impl Fn() -> String, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "waited {PATIENCE:?} for {}",
            what()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A running server.
pub(crate) struct Served {
    child: Child,
    log: PathBuf,
}

impl Served {
    /// Starts it, and waits until `is_ready`, which is given what it has said so far.
    pub(crate) fn start(
        mut command: Command,
        log: &Path,
        mut is_ready: impl FnMut(&str) -> bool,
    ) -> Self {
        let output = File::create(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut served = Self {
            child,
            log: log.to_owned(),
        };
        let log = log.to_owned();
        let said = move || std::fs::read_to_string(&log).unwrap_or_default();
        wait_for(
            || format!("{command:?} to be ready: {}", said()),
            || {
                let ended = served.child.try_wait().unwrap();
                assert!(ended.is_none(), "{command:?} has ended: {}", said());
                is_ready(&said()).then_some(())
            },
        );
        served
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // As after a crash. What it has written until then is in its files.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
