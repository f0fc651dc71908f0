//! What a source saw, and what keeps it from being the truth.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{Details, Scope, Source};
use crate::tcp::{Counts, State};

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
    /// What was counted.
    pub counted: Counted,
    /// What was seen of single sockets meanwhile.
    pub details: Details,
}

/// Sockets that were counted, in whichever way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The sockets in states that we know.
    pub sockets: Sockets,
    /// Sockets in a state whose number is unknown to us: part of the total, in none of the states.
    pub unrecognised: u64,
    /// Lines that are no row: each may have been a socket.
    pub malformed: u64,
    /// What was read for it: rows of the tables, or sockets of a dump.
    pub rows: u64,
}

impl Counted {
    /// Sockets, and nothing that was not understood.
    #[must_use]
    pub fn of(sockets: Sockets) -> Self {
        Self {
            sockets,
            unrecognised: 0,
            malformed: 0,
            rows: 0,
        }
    }

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
    pub fn faults(&self, whose: &str) -> Vec<Fault> {
        let what = format!("{whose} reading");
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
