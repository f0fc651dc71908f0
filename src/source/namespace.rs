//! Whose sockets a path shows: the machine's, or those of one container on it.
//!
//! A wrong namespace is the worst fault an agent of this kind can have, for its numbers look right. Nothing here
//! needs a privilege; where the answer cannot be known without one, it says so.

use std::fmt;
use std::io;
use std::path::PathBuf;

use procfs::FromRead;
use procfs::process::{Stat, StatFlags, StatM, Status};

use super::Scope;
use super::proc_root::{self, NamespaceId, ProcRoot};

/// What can be known of the network namespace that a scope reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Whether it is the one that this process is in; nothing if this process is not visible under the proc root.
    pub own: Option<bool>,
    /// Whether it is the machine's initial one.
    pub machine: Machine,
    /// Whether it belongs to the init of a container that this process is in: then it is not the host's.
    pub is_a_containers: bool,
}

/// Whether a network namespace is the machine's initial one, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// It is: this process is in it, and sees a setting that only the initial one has.
    Initial,
    /// It is, unless PID 1 moved: the proc root shows kernel threads, so its PID 1 is the machine's.
    InitialByPid1,
    /// It is not.
    NotInitial,
    /// It cannot be told from here.
    Unknown,
}

impl Namespace {
    /// Finds out what can be known of the namespace that `scope` reads below `root`.
    pub fn inspect(root: &ProcRoot, scope: Scope) -> io::Result<Self> {
        let id = NamespaceId::of(&scope.table(root, "tcp"))?;
        let reader = Reader::inspect(root);
        let own = reader.is_in(id);
        let machine = match (own, reader.in_initial) {
            (Some(true), Some(true)) => Machine::Initial,
            (Some(true), Some(false)) | (Some(false), Some(true)) => Machine::NotInitial,
            _ if scope == Scope::Host && reader.sees_kernel_threads => Machine::InitialByPid1,
            _ => Machine::Unknown,
        };
        let is_a_containers = scope == Scope::Host && reader.pid_1_is_a_containers(id);
        Ok(Self {
            own,
            machine,
            is_a_containers,
        })
    }
}

/// What tells the namespace that `scope` reads from any other that an agent of this scope may read on the same machine, one after
/// the other.
pub fn mark(root: &ProcRoot, scope: Scope) -> io::Result<String> {
    if scope == Scope::Host {
        // However it is spelt: /proc/ and /proc/. are /proc.
        let path: PathBuf = root.path().components().collect();
        return Ok(format!("host {}", path.display())
            .escape_default()
            .to_string());
    }
    // The kernel gives a number anew once it is free; who gets it has mostly another name.
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let id = NamespaceId::of(&scope.table(root, "tcp"))?;
    Ok(format!("{} {} {name}", scope.name(), id.inode()))
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.own {
            Some(true) => "this process's own network namespace",
            Some(false) => "another network namespace than this process's",
            None => "a network namespace",
        })?;
        f.write_str(match self.machine {
            Machine::Initial => ", the machine's initial one",
            Machine::InitialByPid1 => ", that of the machine's PID 1: its initial one",
            Machine::NotInitial => ", not the machine's initial one",
            Machine::Unknown => {
                "; whether it is the machine's initial one cannot be told from here"
            }
        })
    }
}

/// Where this process itself stands, as the proc root shows it. It never moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    /// The network namespace that it is in.
    id: Option<NamespaceId>,
    /// Whether that is the machine's initial one.
    in_initial: Option<bool>,
    /// Whether the proc root shows kernel threads, which only the machine's initial PID namespace has.
    sees_kernel_threads: bool,
    /// Whether the proc root cannot be that of a container that this process is in: it shows a PID namespace further
    /// out than this process's own, or is no proc but somebody's copy.
    shows_elsewhere: bool,
}

impl Reader {
    pub(super) fn inspect(root: &ProcRoot) -> Self {
        // `sys/net` follows whoever reads it, and `tcp_mem` exists in the initial namespace alone.
        let settings = root.join("sys/net/ipv4");
        let in_initial = settings
            .is_dir()
            .then(|| settings.join("tcp_mem").try_exists().ok())
            .flatten();
        // One number for each PID namespace, from the one that is shown down to the process's own.
        let pids = status(root).and_then(|status| status.nspid);
        Self {
            id: NamespaceId::of(&Scope::Own.table(root, "tcp")).ok(),
            in_initial,
            sees_kernel_threads: shows_kernel_threads(root),
            shows_elsewhere: pids.is_some_and(|pids| pids.len() > 1)
                || root.is_mounted_proc() == Some(false),
        }
    }

    /// Whether this process is in the network namespace `id`; nothing if the proc root does not show that.
    pub(super) fn is_in(&self, id: NamespaceId) -> Option<bool> {
        self.id.map(|own| own == id)
    }

    /// Whether the proc root's PID 1, which is in the namespace `id`, is the init of a container that this process is in,
    /// or may be, where nothing shows that it is not.
    ///
    /// Only the machine's initial network namespace is the host's even then: the container was started with the host's
    /// network.
    pub(super) fn pid_1_is_a_containers(&self, id: NamespaceId) -> bool {
        let in_machines = self.id == Some(id) && self.in_initial == Some(true);
        !in_machines && !self.sees_kernel_threads && !self.shows_elsewhere
    }
}

/// What the proc root says of this process; nothing if it does not show it.
#[must_use]
pub fn status(root: &ProcRoot) -> Option<Status> {
    let file = proc_root::open_small(&root.join("self/status")).ok()?;
    Status::from_read(file).ok()
}

/// The memory of this process that is in use; nothing if the proc root does not show it.
#[must_use]
pub fn resident_bytes(root: &ProcRoot) -> Option<u64> {
    let file = proc_root::open_small(&root.join("self/statm")).ok()?;
    let pages = StatM::from_read(file).ok()?.resident;
    pages.checked_mul(rustix::param::page_size() as u64)
}

/// Whether PID 2 is a kernel thread.
fn shows_kernel_threads(root: &ProcRoot) -> bool {
    let stat = proc_root::open_small(&root.join("2/stat"))
        .ok()
        .and_then(|file| Stat::from_read(file).ok());
    stat.is_some_and(|stat| {
        StatFlags::from_bits_truncate(stat.flags).contains(StatFlags::PF_KTHREAD)
    })
}
