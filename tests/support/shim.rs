//! A clock, a disk and tables of the agent's own, which jump, fail and hang as the test says: a library that is loaded before the
//! C library.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::agent::{Agent, Tcpgauge};
use crate::skip::skip;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/shim.c");
const LIBRARY: &str = "shim.so";
const CONTROL: &str = "control";

/// What is where in the file that both sides see.
const CLOCK: u64 = 0;
const DISK: u64 = 8;
const LOADED: u64 = 16;
const SYNCS: u64 = 24;
const TABLES: u64 = 32;
const BYTES: u64 = 40;

/// What becomes of a sync.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Disk {
    Works,
    Fails,
    Hangs,
}

/// The library, and what it is told.
pub(crate) struct Shim {
    directory: TempDir,
    control: File,
}

impl Shim {
    /// Nothing, which is said, where it cannot be made or the agent does not load it.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let control = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(directory.path().join(CONTROL))
            .unwrap();
        control.set_len(BYTES).unwrap();
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"])
            .args(["-o".as_ref(), directory.path().join(LIBRARY).as_os_str()])
            .arg(SOURCE)
            .output();
        match made {
            Ok(made) => assert!(made.status.success(), "{made:?}"),
            Err(error) => {
                skip(test, &format!("cannot run cc: {error}"));
                return None;
            }
        }
        let shim = Self { directory, control };
        let mut agent = Command::new(env!("CARGO_BIN_EXE_tcpgauge"));
        agent.arg("--version").stdout(Stdio::null()).env_clear();
        agent.envs(shim.environment());
        assert!(agent.status().unwrap().success());
        if shim.read(LOADED) == 0 {
            skip(test, "the agent does not load a library: it is static");
            return None;
        }
        Some(shim)
    }

    /// Starts an agent with it.
    pub(crate) fn start(&self, agent: Tcpgauge) -> Agent {
        let variables = self.environment().into_iter();
        let agent = variables.fold(agent, |agent, (name, value)| agent.env(name, &value));
        agent.start()
    }

    fn environment(&self) -> [(&'static str, String); 2] {
        let path = |name| {
            let path: &Path = self.directory.path();
            path.join(name).to_str().unwrap().to_owned()
        };
        [
            ("LD_PRELOAD", path(LIBRARY)),
            ("SHIM_CONTROL", path(CONTROL)),
        ]
    }

    /// Sets the agent's wall clock ahead of the machine's by so many nanoseconds.
    pub(crate) fn set_clock(&self, ahead: i64) {
        self.write(CLOCK, ahead);
    }

    pub(crate) fn set_disk(&self, disk: Disk) {
        self.write(DISK, disk as i64);
    }

    /// Lets readings of tables hang from now on.
    pub(crate) fn hang_tables(&self) {
        self.write(TABLES, 1);
    }

    /// Lets them go on.
    pub(crate) fn release_tables(&self) {
        self.write(TABLES, 0);
    }

    /// How often the agent has asked for a sync.
    pub(crate) fn syncs(&self) -> i64 {
        self.read(SYNCS)
    }

    fn write(&self, at: u64, value: i64) {
        self.control.write_all_at(&value.to_ne_bytes(), at).unwrap();
    }

    fn read(&self, at: u64) -> i64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, at).unwrap();
        i64::from_ne_bytes(bytes)
    }
}
