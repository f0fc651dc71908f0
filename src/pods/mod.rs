//! Every pod on the node: its sockets, counted without a privilege and within a budget.
//!
//! A pod is its network namespace, and that is found through the processes in it. To read its tables costs as much as the whole
//! machine has sockets, for all namespaces share the kernel's tables. So each is looked at, cheaply, with every tick, and read
//! only if what was seen no longer tells.

mod budget;
mod called;
pub mod cgroup;
pub mod engine;
mod gates;
mod memory;
pub mod names;
pub mod node;
mod owners;
mod plan;
mod spaces;
mod tables;
mod whose;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use self::names::PodName;
use crate::source::details::Attention;
use crate::source::proc_root::ProcRoot;
use crate::source::{Counted, Details, Fault};

/// Which pods are told of, and what that may cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Where the host's proc is.
    pub proc_root: ProcRoot,
    /// The directory whose links tell the names of pods.
    pub container_logs_dir: PathBuf,
    /// So many owners at most are told of by themselves.
    pub most: usize,
    /// Whether a look may do for a reading.
    pub gates: bool,
    /// CPU time per time: 0.02 is 2 % of one core.
    pub cpu_budget: f64,
    /// CPU time that a tick may use to read what has nothing to tell, in the time that the sample waits for it.
    pub at_once: Duration,
    /// Time between two ticks.
    pub interval: Duration,
    /// Whether the families must be told apart, which is not possible without a reading.
    pub by_family: bool,
    /// What is looked at besides the counts.
    pub attention: Attention,
}

/// Whose sockets are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A pod.
    Pod {
        /// Its UID; for a static pod the hash of its configuration.
        uid: Arc<str>,
        /// Its name, where the container logs tell it.
        name: Option<PodName>,
    },
    /// A container that belongs to no pod.
    Container {
        /// Its id.
        id: Arc<str>,
    },
    /// All others together: namespaces that nobody is known to own, and what there is beyond the bound.
    Other,
}

impl Owner {
    /// The attributes that tell its points, and its readings, from all others.
    #[must_use]
    pub fn attributes(&self) -> Vec<(&'static str, Arc<str>)> {
        match self {
            Self::Pod { uid, name } => {
                let names = name.iter().flat_map(|name| {
                    [
                        ("k8s.namespace.name", Arc::clone(&name.namespace)),
                        ("k8s.pod.name", Arc::clone(&name.pod)),
                    ]
                });
                names.chain([("k8s.pod.uid", Arc::clone(uid))]).collect()
            }
            Self::Container { id } => vec![("container.id", Arc::clone(id))],
            Self::Other => vec![("tcpgauge.owner", Arc::from("other"))],
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod {
                name: Some(PodName { namespace, pod }),
                ..
            } => write!(f, "{namespace}/{pod}"),
            Self::Pod { uid, name: None } => write!(f, "pod {uid}"),
            Self::Container { id } => write!(f, "container {id}"),
            Self::Other => f.write_str("other"),
        }
    }
}

/// How what is told of an owner is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// It was read since the last tick.
    #[default]
    Read,
    /// It was read before, and no counter has moved since.
    Hold,
    /// Its listeners were read before; the kernel's counters tell the rest.
    Derive,
}

impl Gate {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Read, Self::Hold, Self::Derive];

    /// Its name, in metrics and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Hold => "hold",
            Self::Derive => "derive",
        }
    }
}

/// What is known of one owner's sockets.
#[derive(Clone, Debug, PartialEq)]
pub struct PodReading {
    /// Whose they are.
    pub owner: Owner,
    /// The sockets.
    pub counted: Counted,
    /// How they are known.
    pub gate: Gate,
    /// How long ago the tables were read that this stands on.
    pub age: Duration,
    /// What was seen of single sockets; nothing where it was not read since the last tick, for a gate does not tell of them.
    pub details: Option<Details>,
}

/// What one tick tells of all pods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pods {
    /// By owner, each once.
    pub readings: Vec<PodReading>,
    /// Who is there and was not counted: gaps.
    pub unread: Vec<Owner>,
    /// Who is counted in [`Owner::Other`] for want of room. Who is in none of the three has ended.
    pub summed: Vec<Owner>,
    /// What is missing.
    pub faults: Vec<Fault>,
    /// Why every pod is read, where gates are wanted and not possible.
    pub gates_off: Option<Arc<str>>,
    /// How it was done.
    pub stats: Stats,
}

/// How pods are found and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Network namespaces of pods, now.
    pub pods: u64,
    /// Those of plain containers, now.
    pub containers: u64,
    /// Those that nobody is known to own, now.
    pub unowned: u64,
    /// Those that hold a sandbox, whose guest has a network stack of its own: they get no points.
    pub sandboxed: u64,
    /// Owners that are in [`Owner::Other`] for want of room, now.
    pub summed: u64,
    /// Times that a namespace was told of by each gate, since the start; in the order of [`Gate::ALL`].
    pub told: [u64; 3],
    /// Tables that were not read because the counters say that nothing is in them, since the start.
    pub skipped_tables: u64,
    /// Times that a namespace was not told of because the CPU budget was used up, since the start.
    pub gaps_budget: u64,
    /// Times that a namespace was not told of because its turn comes later than the tick, since the start.
    pub gaps_waiting: u64,
    /// Times that a namespace was not told of because it could not be read, since the start.
    pub gaps_failed: u64,
    /// CPU time for all that, since the start.
    pub cpu: Duration,
}
