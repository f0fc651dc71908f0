//! What a rule is.

use std::sync::Arc;
use std::time::Duration;

use super::{Metric, Severity};
use crate::culprits::Whose;
use crate::pods::Owner;

/// What is wrong, and what somebody should know who sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, in kebab-case.
    pub name: Arc<str>,
    /// What it looks at.
    pub metric: Metric,
    /// What it looks for.
    pub kind: Kind,
    /// How long that must be so.
    pub held: Duration,
    /// How long it must be over before it counts as over.
    pub clear_for: Duration,
    /// How much it matters.
    pub severity: Severity,
    /// Whose sockets it looks at.
    pub scope: Scope,
    /// Where it says what to do.
    pub runbook: Arc<str>,
    /// The first steps of that.
    pub steps: Arc<[Box<str>]>,
    /// Why it is as it is.
    pub why: Box<str>,
    /// Whether it is looked at.
    pub enabled: bool,
}

/// Whose sockets a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The host's, or whatever is read alone.
    pub host: bool,
    /// Those of each pod.
    pub pods: bool,
}

/// On which side of what is usual something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Too many.
    Above,
    /// Too few.
    Below,
}

/// What a rule looks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// More, or less, than a number.
    Threshold {
        /// Which of the two.
        side: Side,
        /// The number.
        limit: f64,
        /// It is over at this, and not before.
        clear: f64,
    },
    /// A steady rise.
    Growth {
        /// Over so much time,
        window: Duration,
        /// by so much at least.
        rise: f64,
    },
    /// Listeners gone, or come.
    Settled {
        /// Which of the two.
        side: Side,
        /// A listener that was there for so long belongs there.
        settle: Duration,
        /// What has changed for so long is how it is now.
        accept_after: Duration,
    },
    /// Far outside what was usual lately.
    Range {
        /// On which side.
        side: Side,
        /// How far back what is usual goes.
        window: Duration,
        /// So many times as many as the most of that, or so small a part of the least.
        factor: f64,
        /// And by so many at least.
        least: f64,
        /// Nothing is usual before there has been so much of it.
        warm_up: Duration,
        /// What has been so for so long is usual.
        accept_after: Duration,
    },
}

impl Rule {
    /// Whether what is known of somebody's sockets before says anything of them now: who is counted among all others changes.
    pub(super) const fn judges(&self, whose: &Whose) -> bool {
        let is_of_before = matches!(self.kind, Kind::Settled { .. } | Kind::Range { .. });
        !(is_of_before && matches!(whose, Whose::Of(Owner::Other)))
    }
}

impl Kind {
    /// The names of the kinds.
    pub const NAMES: [&'static str; 4] = ["threshold", "growth", "settled", "range"];

    /// Its name, in rules.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Threshold { .. } => "threshold",
            Self::Growth { .. } => "growth",
            Self::Settled { .. } => "settled",
            Self::Range { .. } => "range",
        }
    }
}

impl Side {
    /// Its name, in rules.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }
}

impl Scope {
    /// Whether somebody's sockets are looked at.
    #[must_use]
    pub const fn includes(self, whose: &Whose) -> bool {
        match whose {
            Whose::Alone(_) => self.host,
            Whose::Of(_) => self.pods,
        }
    }
}
