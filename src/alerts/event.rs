//! What alerts tell: that one stands, and that one begins or ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Metric, Severity};
use crate::culprits::Whose;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Tells it from all others, of other agents too; the same each time that it fires and when it ends.
    pub id: Arc<str>,
    /// The name of the rule.
    pub rule: Arc<str>,
    /// How much it matters.
    pub severity: Severity,
    /// Of whose sockets.
    pub whose: Whose,
    /// What the rule looks at.
    pub metric: Metric,
    /// Its value, when it was last known.
    pub value: f64,
    /// What that is held against: the threshold, the edge of the usual range, or how many would listen with what is missing, or
    /// without what is unexpected.
    pub limit: f64,
    /// Since when it has been so; of an event for another port, since when of that one.
    pub since: SystemTime,
    /// Who, those with most first; empty where nobody can be named.
    pub culprits: Vec<Culprit>,
    /// All of that in a sentence.
    pub body: Arc<str>,
    /// Where it says what to do: a path or an address.
    pub runbook: Arc<str>,
    /// The first steps of that.
    pub steps: Arc<[Box<str>]>,
}

/// Who is behind an alert.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Culprit {
    /// In words.
    pub what: String,
    /// How many sockets; 0 for what has gone.
    pub sockets: u64,
    /// The process: its number and the name of its executable.
    pub process: Option<(u32, Arc<str>)>,
    /// The user.
    pub user: Option<u32>,
    /// The port on this side.
    pub local_port: Option<u16>,
    /// The address of a peer.
    pub peer: Option<IpAddr>,
    /// The port of the peer.
    pub peer_port: Option<u16>,
}

/// Which way an alert went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It began; or, of listeners, it stands and there is another port to be told of.
    Fired,
    /// It ended.
    Resolved,
}

impl Transition {
    /// Its name, in events and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Resolved => "resolved",
        }
    }
}

/// That an alert began or ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When the sample was taken that told.
    pub time: SystemTime,
    /// Which way it went.
    pub transition: Transition,
    /// The alert as it was then.
    pub alert: Alert,
}
