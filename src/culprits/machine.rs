//! Processes and the sockets that they hold open: the machine that a proc root shows, and a trait for others.

use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use procfs::FromRead;
use procfs::process::{FDTarget, Stat};

use super::search::MOST_FDS;
use crate::pods::cgroup;
use crate::source::proc_root::{self, Directory, OpenError, ProcRoot};

/// No machine has more processes (`PID_MAX_LIMIT`).
const MOST_PROCESSES: usize = 1 << 22;

/// A process, before it is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub pid: u32,
    /// Its user; root's where the kernel keeps it from others.
    pub uid: u32,
    /// How many files it has open; 0 also where this kernel does not say.
    pub fds: u64,
}

/// What a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// When it began, in clock ticks since the machine did.
    pub start: u64,
    /// The name of its executable.
    pub name: Arc<str>,
    /// The container that it is in.
    pub container: Option<Arc<str>>,
}

/// Why a process does not show what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It has ended.
    Gone,
    /// We may not look.
    Denied,
}

/// A machine.
pub trait Machine {
    /// A process that is held on to: another one that gets its number is not taken for it.
    type Open: Held;
    /// Every process.
    fn processes(&mut self) -> io::Result<Vec<Candidate>>;
    /// Holds on to a process.
    fn open(&mut self, pid: u32) -> Result<Self::Open, Closed>;
    /// When the process of that number began.
    fn start(&mut self, pid: u32) -> Option<u64>;
}

/// A process that is held on to.
pub trait Held {
    /// The numbers of its open files.
    fn numbers(&mut self) -> Result<Vec<i32>, Closed>;
    /// The inode of an open file that is a socket; nothing if it is none, or not there any more.
    fn socket(&mut self, number: i32) -> Result<Option<u64>, Closed>;
    /// What it is. It must still be there afterwards for this to be of it.
    fn about(&mut self) -> Option<About>;
}

/// The machine that a proc root shows.
#[derive(Clone, Debug)]
pub struct ProcMachine(ProcRoot);

impl ProcMachine {
    /// The machine that `root` shows.
    #[must_use]
    pub fn new(root: ProcRoot) -> Self {
        Self(root)
    }

    fn of(&self, pid: u32) -> PathBuf {
        self.0.join(&pid.to_string())
    }
}

/// A process of that machine.
#[derive(Debug)]
pub struct ProcHeld {
    files: Directory,
    directory: PathBuf,
}

impl Machine for ProcMachine {
    type Open = ProcHeld;

    fn processes(&mut self) -> io::Result<Vec<Candidate>> {
        let names = proc_root::list(self.0.path())?.take(MOST_PROCESSES);
        let numbers = names.filter_map(|name| name.ok()?.0.to_str()?.parse().ok());
        let candidates = numbers.filter_map(|pid| {
            let directory = self.of(pid);
            let (uid, _) = proc_root::user_and_size(&directory).ok()?;
            let (_, fds) = proc_root::user_and_size(&directory.join("fd")).unwrap_or_default();
            Some(Candidate { pid, uid, fds })
        });
        Ok(candidates.collect())
    }

    fn open(&mut self, pid: u32) -> Result<ProcHeld, Closed> {
        let directory = self.of(pid);
        let files = Directory::open(&directory.join("fd")).map_err(|error| why(&error))?;
        Ok(ProcHeld { files, directory })
    }

    fn start(&mut self, pid: u32) -> Option<u64> {
        stat(&self.of(pid)).map(|stat| stat.starttime)
    }
}

impl Held for ProcHeld {
    fn numbers(&mut self) -> Result<Vec<i32>, Closed> {
        let numbers = self.files.numbers().map_err(|error| why(&error))?;
        Ok(numbers.take(MOST_FDS).collect())
    }

    fn socket(&mut self, number: i32) -> Result<Option<u64>, Closed> {
        match self.files.link(number) {
            Ok(link) => Ok(match link.to_str().ok().map(FDTarget::from_str) {
                Some(Ok(FDTarget::Socket(inode))) => Some(inode),
                _ => None,
            }),
            Err(error) => match why(&error) {
                Closed::Denied => Err(Closed::Denied),
                // It was closed meanwhile.
                Closed::Gone => Ok(None),
            },
        }
    }

    fn about(&mut self) -> Option<About> {
        let stat = stat(&self.directory)?;
        let executable = std::fs::read_link(self.directory.join("exe")).ok();
        let name = executable
            .as_ref()
            .and_then(|path| path.file_name()?.to_str())
            .map(|name| name.trim_end_matches(" (deleted)"));
        let mut text = Vec::new();
        let container = proc_root::open_small(&self.directory.join("cgroup"))
            .ok()
            .and_then(|mut file| io::Read::read_to_end(&mut file, &mut text).ok())
            .and_then(|_| cgroup::evidence(&text).container);
        Some(About {
            start: stat.starttime,
            name: name.unwrap_or(&stat.comm).into(),
            container,
        })
    }
}

fn stat(directory: &std::path::Path) -> Option<Stat> {
    let file = proc_root::open_small(&directory.join("stat"));
    Stat::from_read(file.map_err(|_: OpenError| ()).ok()?).ok()
}

fn why(error: &io::Error) -> Closed {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Closed::Denied,
        _ => Closed::Gone,
    }
}
