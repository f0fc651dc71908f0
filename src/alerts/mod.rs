//! Alerts: what is wrong, since when, who and what to do, judged from samples and time alone.
//!
//! A rule is a few lines of TOML; the defaults are written that way too. Each sample becomes an [`Observation`], the engine holds the
//! rules against it, and what changes is an [`Event`]. Nothing here reads a clock, a file or the network.

use std::sync::Arc;
use std::time::Duration;

pub mod engine;
pub mod event;
mod growth;
mod judge;
pub mod listing;
#[cfg(test)]
#[path = "made_tests.rs"]
mod made;
mod moved;
pub mod observation;
mod observer;
mod parse;
mod parse_values;
mod port;
mod range;
pub mod recording;
pub mod rule;
mod rules;
mod saved;
mod saved_form;
mod settled;
mod subjects;
mod suspects;
mod telling;
mod watch;
mod words;
mod words_listeners;
mod words_parts;

#[cfg(test)]
mod backends_tests;
#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod properties_tests;

pub use self::engine::Engine;
pub use self::event::{Alert, Culprit, Event, Transition};
pub use self::observation::{Listening, Metric, Observation, Subject};
pub use self::observer::Observer;
pub use self::rule::Rule;
pub use self::rules::{DEFAULTS, MOST_RULES, Rules};
pub use self::saved::MOST_SAVED;

use crate::counters::Wanted;
use crate::source::Scope;

/// What is to be looked at, and where it is said what to do: what a user sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The rules.
    pub rules: Rules,
    /// What is put before the path of a runbook.
    pub runbooks: Arc<str>,
    /// Whether each sample is held against them.
    pub enabled: bool,
}

impl Options {
    /// What has to be read besides sockets: what is wanted anyway, and what the rules that are on look at.
    #[must_use]
    pub fn besides(&self, wanted: Wanted) -> Wanted {
        let is_judged = |metrics: &[Metric]| {
            let mut rules = self.rules.iter();
            self.enabled && rules.any(|rule| rule.enabled && metrics.contains(&rule.metric))
        };
        Wanted {
            counters: wanted.counters || is_judged(&[Metric::ListenOverflows]),
            capacity: wanted.capacity || is_judged(&[Metric::Ports, Metric::Memory]),
        }
    }
}

/// What an engine has to know of the agent that it is in.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// What is put before the path of a runbook.
    pub runbooks: Arc<str>,
    /// Who this agent is: the ids of its alerts are made of it.
    pub instance: Arc<str>,
    /// Time between two samples.
    pub interval: Duration,
    /// What is read.
    pub reads: Reads,
}

/// What an agent reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    /// What is read by itself, if anything is besides pods.
    pub alone: Option<Scope>,
    /// Whether pods are.
    pub pods: bool,
}

/// How much an alert matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody should look now.
    Critical,
}

impl Severity {
    /// Every one, the least first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// Its name, in rules, in events and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}
