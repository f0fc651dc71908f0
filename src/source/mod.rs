//! Sources: ways to take a reading of one network namespace.

pub mod chosen;
mod compare;
mod comparison;
pub mod counters;
pub mod details;
pub mod diag;
mod error;
mod listening;
pub mod namespace;
mod place;
mod port_set;
pub mod proc_root;
mod reading;
pub mod row;
pub mod socket;
pub mod tables;
pub mod text;
pub mod ways;

use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;

use self::details::Attention;
pub use self::details::Details;
pub use self::error::{Impossible, ReadError};
use self::proc_root::ProcRoot;
pub use self::reading::{Counted, Fault, Reading, Sockets};

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
    /// What is looked at besides the counts.
    pub attention: Attention,
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
