//! Sources: ways to take a reading of one network namespace.

pub mod chosen;
mod compare;
mod comparison;
pub mod diag;
mod error;
pub mod namespace;
mod place;
pub mod proc_root;
pub mod row;
mod tables;
pub mod text;
pub mod ways;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

pub use self::error::{Impossible, ReadError};
use self::proc_root::ProcRoot;
use crate::tcp::{Counts, State};

/// What is read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where the host's proc is.
    pub proc_root: ProcRoot,
    /// Whose sockets are read.
    pub scope: Scope,
    /// How they are read.
    pub choice: Choice,
    /// Whether the families must be told apart, which costs more where many sockets are in `TIME_WAIT`.
    pub by_family: bool,
}

/// Whose sockets are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Scope {
    /// Those of the namespace that PID 1 of the proc root is in: the host's.
    #[default]
    #[serde(rename = "host")]
    Host,
    /// Those of the namespace that this process is in: a sidecar's pod.
    #[serde(rename = "self")]
    Own,
}

impl Scope {
    /// The scopes by name, for those who choose one.
    pub const NAMES: [&'static str; 2] = ["host", "self"];

    /// The name that it is chosen by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Own => "self",
        }
    }

    /// The directory below the proc root with the tables of this scope.
    #[must_use]
    pub const fn directory(self) -> &'static str {
        match self {
            Self::Host => "1/net",
            Self::Own => "self/net",
        }
    }

    /// The path of one of the tables.
    #[must_use]
    pub fn table(self, root: &ProcRoot, name: &str) -> PathBuf {
        root.join(self.directory()).join(name)
    }
}

impl FromStr for Scope {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "host" => Ok(Self::Host),
            "self" => Ok(Self::Own),
            _ => Err(()),
        }
    }
}

/// Which way to read is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The cheapest that is right.
    #[default]
    Auto,
    /// Over netlink, or not at all.
    Diag,
    /// The tables.
    Text,
}

impl Choice {
    /// The choices by name.
    pub const NAMES: [&'static str; 3] = ["auto", "diag", "text"];
}

impl FromStr for Choice {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "auto" => Ok(Self::Auto),
            "diag" => Ok(Self::Diag),
            "text" => Ok(Self::Text),
            _ => Err(()),
        }
    }
}

/// A way to take a reading, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Over netlink: the rare states dumped, the common ones from the kernel's counters.
    Diag,
    /// Over netlink: every state dumped.
    DiagFull,
    /// The tables in `net/tcp` and `net/tcp6`.
    Text,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 3] = [Self::Diag, Self::DiagFull, Self::Text];

    /// Its name, in JSON as elsewhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Diag => "diag",
            Self::DiagFull => "diag-full",
            Self::Text => "text",
        }
    }
}

/// How many sockets there are, as finely as they were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Sockets {
    /// Each family by itself.
    ByFamily {
        /// IPv4 sockets.
        ipv4: Counts,
        /// IPv6 sockets; nothing where the namespace has none because IPv6 is off.
        ipv6: Option<Counts>,
    },
    /// Both families together, where nobody asked for more and more would cost more.
    Together {
        /// IPv4 and IPv6 sockets.
        both: Counts,
    },
}

impl Sockets {
    /// Both families together.
    #[must_use]
    pub fn both(&self) -> Counts {
        match *self {
            Self::ByFamily { ipv4, ipv6 } => ipv4 + ipv6.unwrap_or_default(),
            Self::Together { both } => both,
        }
    }
}

/// What one source saw in one network namespace at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whose sockets.
    pub scope: Scope,
    /// How they were read.
    pub source: Source,
    /// Why they were read so, where that was weighed.
    pub why: Option<Arc<str>>,
    /// How often a dearer source had to take over, because a cheaper one failed or disagreed with it.
    pub step_downs: u64,
    /// The sockets in states that we know.
    pub sockets: Sockets,
    /// Sockets in a state whose number is unknown to us: part of the total, in none of the states.
    pub unrecognised: u64,
    /// Lines that are no row: each may have been a socket.
    pub malformed: u64,
    /// What was read for it: rows of the tables, or sockets of a dump.
    pub rows: u64,
}

impl Reading {
    /// Sockets in `state`, of both families.
    #[must_use]
    pub fn count(&self, state: State) -> u64 {
        self.sockets.both().get(state)
    }

    /// Sockets in any state, of both families.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.sockets.both().total() + self.unrecognised
    }

    /// Whether everything in the tables was understood.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.malformed == 0 && self.unrecognised == 0
    }

    /// Whether the totals may be told as the truth.
    ///
    /// A malformed line may have been a socket in any state, so every total may be short. A socket in a state that
    /// is unknown to us was counted, and is in none of the states that we know.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.malformed == 0
    }

    /// What keeps the reading from being complete, in words.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let what = format!("{} reading", self.scope.name());
        let mut faults = Vec::new();
        if self.malformed > 0 {
            faults.push(Fault {
                what: what.clone(),
                reason: "malformed",
                why: format!(
                    "{} malformed or cut line(s) may each have been a socket, so the totals may be short and are not exported",
                    self.malformed
                ),
            });
        }
        if self.unrecognised > 0 {
            faults.push(Fault {
                what,
                reason: "unrecognised",
                why: format!(
                    "{} socket(s) are in a state that this version does not know; they are in tcp_connections and in no other count",
                    self.unrecognised
                ),
            });
        }
        faults
    }
}

/// Something that was asked for and is not there, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What was tried, on what.
    pub what: String,
    /// Why it failed, and what to do.
    pub why: String,
    /// What kind of fault it is, in a word: faults are counted by it.
    #[serde(skip)]
    pub reason: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}
