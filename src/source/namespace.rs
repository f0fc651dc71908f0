//! Whose sockets a path shows: the machine's, or those of one container on it.
//!
//! A wrong namespace is the worst fault an agent of this kind can have, for its numbers look right. Nothing here
//! needs a privilege; where the answer cannot be known without one, it says so.

use std::fmt;
use std::io;

use procfs::process::{Process, StatFlags};

use super::Scope;
use super::proc_root::{NamespaceId, ProcRoot};

/// What can be known of the network namespace that a scope reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Which one it is.
    pub id: NamespaceId,
    /// Whether it is the one that this process is in; nothing if this process is not visible under the proc root.
    pub own: Option<bool>,
    /// Whether it is the machine's initial one.
    pub machine: Machine,
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
        let own = reader.id.map(|own| own == id);
        let machine = match (own, reader.in_initial) {
            (Some(true), Some(true)) => Machine::Initial,
            (Some(true), Some(false)) | (Some(false), Some(true)) => Machine::NotInitial,
            _ if scope == Scope::Host && shows_kernel_threads(root) => Machine::InitialByPid1,
            _ => Machine::Unknown,
        };
        Ok(Self { id, own, machine })
    }

    /// Whether `<root>/1` is a container's own init: then its table is the container's, and not the host's.
    #[must_use]
    pub fn is_a_containers_own(&self) -> bool {
        self.own == Some(true) && self.machine == Machine::NotInitial
    }
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

/// Where this process itself stands. It never moves, so a known answer stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    pub(super) id: Option<NamespaceId>,
    pub(super) in_initial: Option<bool>,
}

impl Reader {
    pub(super) fn inspect(root: &ProcRoot) -> Self {
        // `sys/net` follows whoever reads it, and `tcp_mem` exists in the initial namespace alone.
        let settings = root.join("sys/net/ipv4");
        let in_initial = settings
            .is_dir()
            .then(|| settings.join("tcp_mem").try_exists().ok())
            .flatten();
        Self {
            id: NamespaceId::of(&Scope::Own.table(root, "tcp")).ok(),
            in_initial,
        }
    }

    /// Whether `id` is a container's own namespace, in which this process is.
    pub(super) fn is_a_containers_own(&self, id: NamespaceId) -> bool {
        self.id == Some(id) && self.in_initial == Some(false)
    }
}

/// Whether PID 2 of the proc root is a kernel thread, which only the machine's initial PID namespace shows.
fn shows_kernel_threads(root: &ProcRoot) -> bool {
    let stat = Process::new_with_root(root.join("2")).and_then(|process| process.stat());
    stat.is_ok_and(|stat| StatFlags::from_bits_truncate(stat.flags).contains(StatFlags::PF_KTHREAD))
}
