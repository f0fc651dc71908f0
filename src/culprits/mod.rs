//! Who holds the sockets in a state: by owner, user and endpoint, and by process where that may be seen.
//!
//! A count says that something leaks, and this says who. Nothing is dropped on the way: what cannot be told of is a group of its own, so
//! that all groups together are what the same reading counted.

pub mod machine;
#[cfg(test)]
#[path = "made_tests.rs"]
mod made;
mod names;
mod rivals;
pub mod search;
mod sightings;
mod watch;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use self::names::{Access, Names, Wanted};
pub use self::watch::Watch;
use crate::pods::Owner;
use crate::source::Scope;
use crate::source::details::Endpoint;
use crate::tcp::State;

/// Not more groups are told of by themselves.
pub const MOST_GROUPS: usize = 4096;

/// Who holds the sockets in a state.
#[derive(Clone, Debug, PartialEq)]
pub struct Culprits {
    /// The state.
    pub state: State,
    /// How many sockets are in it.
    pub total: u64,
    /// Groups of them, the largest first.
    pub groups: Vec<Group>,
    /// Sockets in groups beyond [`MOST_GROUPS`].
    pub rest: u64,
    /// Whether processes could be found.
    pub access: Access,
}

/// Sockets that have all of this in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Whose network namespace they are in.
    pub whose: Whose,
    /// The process that holds them, where one was found.
    pub process: Option<Arc<Process>>,
    /// The user that made them; nothing where no process can hold them, or they could not be attributed.
    pub user: Option<u32>,
    /// Where they are; [`Endpoint::Unknown`] where they could not be attributed.
    pub endpoint: Endpoint,
    /// The address of a peer.
    pub peer: Option<IpAddr>,
    /// Whether there are other peers.
    pub has_more_peers: bool,
    /// How many there are.
    pub sockets: u64,
    /// What waits in their receive queues: connections of listeners, bytes of others; nothing where they are some of a larger group.
    pub received: Option<u64>,
    /// Since when there are such; nothing where that was not remembered.
    pub seen: Option<Seen>,
}

/// Since when a group has been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How long ago it was seen first, and it was there ever since.
    pub ago: Duration,
    /// How many sockets it had then.
    pub sockets: u64,
}

/// Whose a network namespace is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The host's, or tcpgauge's own.
    Alone(Scope),
    /// A pod's or a container's.
    Of(Owner),
}

/// A process that holds sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number, as the proc root shows it.
    pub pid: u32,
    /// When it began, in clock ticks since the machine did.
    pub start: u64,
    /// The name of its executable.
    pub name: Arc<str>,
    /// The container that it is in.
    pub container: Option<Arc<str>>,
    /// How many other processes hold some of its sockets too.
    pub others: u64,
}

impl Culprits {
    /// The `most` largest groups that can be told apart, and how many sockets there are besides.
    pub fn top(&self, most: usize) -> (impl Iterator<Item = &Group>, u64) {
        let top = self
            .groups
            .iter()
            .filter(|group| !group.is_nobodys())
            .take(most);
        let told: u64 = top.clone().map(|group| group.sockets).sum();
        (top, self.total.saturating_sub(told))
    }

    /// Sockets that could not be attributed to anything.
    #[must_use]
    pub fn unattributed(&self) -> u64 {
        let nobodys = self.groups.iter().filter(|group| group.is_nobodys());
        nobodys.map(|group| group.sockets).sum()
    }
}

impl Group {
    /// Whether nothing is known of it: not even whose pod it is.
    #[must_use]
    pub fn is_nobodys(&self) -> bool {
        self.endpoint == Endpoint::Unknown
            && self.process.is_none()
            && self.user.is_none()
            && matches!(self.whose, Whose::Alone(_) | Whose::Of(Owner::Other))
    }

    /// By how many sockets a minute it has grown since it was seen first; nothing before that tells something.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody has so many sockets that it mattered"
    )]
    pub fn growth_per_minute(&self) -> Option<f64> {
        const SOON: Duration = Duration::from_secs(1);
        let seen = self.seen.filter(|seen| seen.ago >= SOON)?;
        let minutes = seen.ago.as_secs_f64() / 60.0;
        Some((self.sockets as f64 - seen.sockets as f64) / minutes)
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alone(scope) => f.write_str(scope.name()),
            Self::Of(owner) => owner.fmt(f),
        }
    }
}
