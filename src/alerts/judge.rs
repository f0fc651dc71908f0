//! What a kind of rule says of a value, and the time that it says it at.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Subject;
use super::growth::Growth;
use super::moved::Moved;
use super::range::Range;
use super::rule::{Kind, Rule, Side};
use super::settled::Settled;
use super::telling::duration;

/// Time in tenths of a second: 13 years of it in four bytes, for there is much of it per pod.
pub(super) type Tenths = u32;

/// The same of a duration; the end of time where it is longer.
pub(super) fn tenths(duration: Duration) -> Tenths {
    Tenths::try_from(duration.as_millis() / 100).unwrap_or(Tenths::MAX)
}

/// When a value was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    /// Since the engine began.
    pub(super) now: Tenths,
    /// Since the last value was known; nothing for the first.
    pub(super) since_known: Option<Tenths>,
    /// For how long the value has been known: gaps are no part of that.
    pub(super) known: Tenths,
    /// Between two samples.
    pub(super) interval: Tenths,
    /// What samples come too early or too late by.
    pub(super) slack: Tenths,
    /// Whether this was wrong before.
    pub(super) was_over: bool,
}

impl Time {
    /// Whether `past` is as long as `wanted`, give or take what samples come too early.
    pub(super) fn is_as_long(&self, past: Tenths, wanted: Duration) -> bool {
        let wanted = tenths(wanted);
        past.saturating_add(self.slack.min(wanted / 10)) >= wanted
    }

    /// Whether what has lasted for `past` is how it is now: not before it was told, which takes `held` and a sample or two.
    pub(super) fn is_accepted(&self, past: Tenths, accept_after: Duration, held: Duration) -> bool {
        let told = tenths(held).saturating_add(self.interval.saturating_mul(2));
        past > 0 && self.is_as_long(past, accept_after.max(duration(told)))
    }
}

/// What a kind says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Judgement {
    /// It is wrong.
    Over {
        /// What the value is held against.
        limit: f64,
        /// For how long already.
        before: Tenths,
        /// What else is to be said.
        finding: Finding,
    },
    /// Neither.
    Between,
    /// It is not wrong.
    Under,
    /// It is still so, and that is how it is now.
    Accepted,
}

/// What is to be said besides the value and its limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Finding {
    /// Nothing.
    Plain,
    /// It rises, from the limit.
    Rising,
    /// These listeners have gone or come.
    Moved(Vec<Moved>),
    /// What was usual.
    Usual(f64, f64),
}

/// What is remembered of a number to judge it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Memory {
    Threshold,
    Growth(Box<Growth>),
    Settled(Box<Settled>),
    Range(Box<Range>),
}

impl Memory {
    /// What there is to remember for a rule.
    pub(super) fn of(rule: &Rule) -> Self {
        match rule.kind {
            Kind::Threshold { .. } => Self::Threshold,
            Kind::Growth { .. } => Self::Growth(Box::default()),
            Kind::Settled { .. } => Self::Settled(Box::default()),
            Kind::Range { .. } => Self::Range(Box::default()),
        }
    }

    /// The machine has been booted since: what ran on it is on its way, and its clients too.
    pub(super) fn begins_with_boot(&mut self) {
        match self {
            Self::Settled(settled) => settled.await_all(),
            Self::Range(range) => **range = Range::default(),
            Self::Threshold | Self::Growth(_) => {}
        }
    }

    /// What it takes besides itself.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Threshold => 0,
            Self::Growth(_) => size_of::<Growth>(),
            Self::Range(_) => size_of::<Range>(),
            Self::Settled(settled) => settled.size(),
        }
    }

    /// Whether it is of that kind, and within its bounds.
    pub(super) fn is_of(&self, rule: &Rule) -> bool {
        match (self, &rule.kind) {
            (Self::Threshold, Kind::Threshold { .. }) | (Self::Range(_), Kind::Range { .. }) => {
                true
            }
            (Self::Growth(growth), Kind::Growth { .. }) => growth.is_sound(),
            (Self::Settled(settled), Kind::Settled { .. }) => settled.is_sound(),
            _ => false,
        }
    }

    /// Whether such a value can be held against what is remembered.
    pub(super) fn knows(&self, subject: &Subject, value: f64) -> bool {
        match self {
            Self::Settled(settled) => settled.knows(subject, value),
            _ => true,
        }
    }

    pub(super) fn judge(
        &mut self,
        rule: &Rule,
        subject: &Subject,
        value: f64,
        time: &Time,
    ) -> Judgement {
        match (&rule.kind, self) {
            (Kind::Threshold { side, limit, clear }, _) => threshold(*side, *limit, *clear, value),
            (Kind::Growth { window, rise }, Self::Growth(growth)) => {
                growth.judge(*window, *rise, value, time)
            }
            (Kind::Settled { .. }, Self::Settled(settled)) => {
                settled.judge(rule, subject, value, time)
            }
            (Kind::Range { .. }, Self::Range(range)) => range.judge(rule, value, time),
            _ => Judgement::Between,
        }
    }
}

fn threshold(side: Side, limit: f64, clear: f64, value: f64) -> Judgement {
    let (is_over, is_under) = match side {
        Side::Above => (value > limit, value <= clear),
        Side::Below => (value < limit, value >= clear),
    };
    if is_over {
        return Judgement::Over {
            limit,
            before: 0,
            finding: Finding::Plain,
        };
    }
    if is_under {
        Judgement::Under
    } else {
        Judgement::Between
    }
}
