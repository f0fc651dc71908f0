//! Network namespaces with a process in each, and sockets that a test opens in them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::net::connect_unspec;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tcpgauge::source::counters::{Everything, Files};

use crate::enter::set_loopback;
use crate::listener::{Listener, PATIENCE};
use crate::machine::{sum, sum_of};
use crate::scene::close_while_peer_does_not;
use crate::table::Table;
use crate::witness;

/// A process that does nothing, until it is dropped.
pub(crate) struct Resident(Child);

impl Resident {
    fn spawn(program: &str, arguments: &[&str]) -> Self {
        Self::try_spawn(program, arguments).unwrap()
    }

    pub(crate) fn try_spawn(program: &str, arguments: &[&str]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        // It repeats what it is told once it is where it is to be. It ends with us, as nobody tells it more.
        let told = child.stdin.as_mut().unwrap().write_all(b".");
        let heard = child.stdout.as_mut().unwrap().read_exact(&mut [0]);
        let resident = Self(child);
        told.and(heard)?;
        Ok(resident)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn net(&self) -> String {
        format!("/proc/{}/net", self.pid())
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A network namespace. It ends when this and all its sockets are dropped.
pub(crate) struct Space {
    pub(crate) resident: Resident,
}

impl Space {
    /// One in which only loopback exists.
    pub(crate) fn new() -> Self {
        let space = Self::without_a_link();
        space.enter(|| set_loopback(true)).unwrap();
        space
    }

    /// One in which nothing can be reached.
    pub(crate) fn without_a_link() -> Self {
        Self {
            resident: Resident::spawn("unshare", &["--net", "cat"]),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.resident.pid()
    }

    /// Does something in it. Sockets stay where they were opened, whoever holds them.
    pub(crate) fn enter<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let there = File::open(format!("/proc/{}/ns/net", self.pid())).unwrap();
        let act = || {
            move_into_link_name_space(there.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            act()
        };
        std::thread::scope(|scope| scope.spawn(act).join()).unwrap()
    }

    /// One more process in it.
    pub(crate) fn another_resident(&self) -> Resident {
        self.enter(|| Resident::spawn("cat", &[]))
    }

    /// Sets one of its settings below `/proc/sys/net`.
    pub(crate) fn set(&self, setting: &str, value: &str) {
        self.enter(|| std::fs::write(path(setting), value)).unwrap();
    }

    /// Sets one that only some kernels have.
    pub(crate) fn try_to_set(&self, setting: &str, value: &str) {
        let _ = self.enter(|| std::fs::write(path(setting), value));
    }

    /// What the `procfs` crate reads of it.
    pub(crate) fn truth(&self) -> Table {
        witness::procfs(&format!("/proc/{}", self.pid()))
    }

    /// Waits until it shows this: segments on loopback, too, are handled after the call that sent them.
    #[track_caller]
    pub(crate) fn comes_to<const N: usize>(&self, states: [(&'static str, u64); N]) {
        let started = Instant::now();
        while sum_of(&self.truth()) != sum(states) {
            assert!(started.elapsed() < PATIENCE, "{:?}", self.truth());
            sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn counters(&self) -> Everything {
        let mut files = Files::new(Path::new(&self.resident.net()));
        files.everything().unwrap()
    }
}

fn path(setting: &str) -> String {
    format!("/proc/sys/net/{setting}")
}

/// Gives namespaces made from now on small tables of their own, which are read fast; an older kernel has none, and takes its time.
pub(crate) fn with_small_tables() {
    let _ = std::fs::write("/proc/sys/net/ipv4/tcp_child_ehash_entries", "256");
}

/// Leaves a mini-socket in `FIN_WAIT2` whose other end is out of sight, in the calling thread's namespace.
pub(crate) fn leave_an_orphan(listener: &Listener) {
    let peers = close_while_peer_does_not(listener);
    // Its last word is not to arrive.
    set_loopback(false).unwrap();
    for peer in peers {
        connect_unspec(&peer).unwrap();
    }
    set_loopback(true).unwrap();
}
