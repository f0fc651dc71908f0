//! What one tick saw. Everything that tells of a tick tells of the same [`Sample`].

mod json;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::counters::{Capacity, Counters};
use crate::culprits::{Culprits, Whose};
use crate::pods::Pods;
use crate::ports::{Look, Ports};
use crate::source::{Counted, Fault, ReadError, Reading};
use crate::tcp::State;

/// Below this share of their range ports are not counted, in percent.
pub const PORTS_MATTER_FROM: f64 = 100.0 * crate::ports::MATTERS_FROM;

/// All that one tick saw, faults included.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When the reading began.
    pub time: SystemTime,
    /// What is missing or incomplete.
    pub faults: Vec<Fault>,
    /// What was read of the host, or of the agent's own namespace.
    pub readings: Vec<Reading>,
    /// What is known of pods, where they are read.
    pub pods: Option<Pods>,
    /// The host's own counters, where it is read.
    pub counters: Option<Counters>,
    /// What the host has room for, where it is read.
    pub capacity: Option<Capacity>,
    /// Who holds the sockets in `CLOSE_WAIT`, where that is wanted.
    pub culprits: Option<Culprits>,
    /// The ports in use toward one destination, where they were counted with this sample.
    pub ports: Option<Ports>,
    /// The share of its range that they can be toward any destination, where they were not counted because that is so little.
    pub ports_at_most: Option<f64>,
    /// What stands of alerts, where there are any.
    pub alerts: Option<Vec<Standing>>,
    /// How the agent is, where it is one that samples.
    pub vitals: Option<Vitals>,
}

/// Whether an alert stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The name of its rule.
    pub rule: Arc<str>,
    /// How much it matters, in a word.
    pub severity: &'static str,
    /// Of whose sockets.
    pub whose: Whose,
    /// Whether it does. Of pods only those are told of that do.
    pub stands: bool,
}

/// How the agent is: what it tells of itself with a sample. Counters are of all the time since it started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    /// How long the reading took, or the attempt.
    pub reading_took: Duration,
    /// Faults by their reason.
    pub faults: BTreeMap<&'static str, u64>,
    /// CPU time of the process.
    pub cpu: Duration,
    /// Memory of the process; nothing where the proc root does not show it.
    pub resident_bytes: Option<u64>,
    /// How delivery is, where something is delivered.
    pub delivery: Option<Delivery>,
    /// How many events were dropped, where events are sent.
    pub events_dropped: Option<u64>,
}

/// What waits to be delivered and what became of the rest. Records are samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Records that wait.
    pub records: u64,
    /// Their size in memory.
    pub bytes: u64,
    /// The age of the oldest.
    pub oldest: Duration,
    /// Records that were delivered.
    pub sent: u64,
    /// Records that were dropped, for want of room.
    pub dropped_full: u64,
    /// Records that were dropped for their age.
    pub dropped_old: u64,
    /// Records that were dropped because the backend refuses them.
    pub dropped_refused: u64,
    /// Points that the backend threw away in what it took.
    pub rejected_points: u64,
    /// Records that are not on disk as they should be; nothing where none should be.
    pub spool_lost: Option<u64>,
}

impl Sample {
    /// The sample of a tick at `time`, with nothing in it yet.
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        Self {
            time,
            faults: Vec::new(),
            readings: Vec::new(),
            pods: None,
            counters: None,
            capacity: None,
            culprits: None,
            ports: None,
            ports_at_most: None,
            alerts: None,
            vitals: None,
        }
    }

    /// Puts in what a reading gave.
    pub fn add(&mut self, reading: Result<Reading, ReadError>) {
        match reading {
            Ok(reading) => {
                let whose = reading.scope.name();
                self.faults.extend(reading.counted.faults(whose));
                self.readings.push(reading);
            }
            Err(error) => self.faults.push(error.fault()),
        }
    }

    /// Puts in the ports in use.
    pub fn add_ports(&mut self, ports: Result<Look, Fault>) {
        match ports {
            Ok(Look::Counted(ports)) => self.ports = Some(ports),
            Ok(Look::Few(most)) => self.ports_at_most = Some(most),
            Ok(Look::Untold) => {}
            Err(fault) => self.faults.push(fault),
        }
    }

    /// Puts in what is known of pods.
    pub fn add_pods(&mut self, pods: Result<Pods, Fault>) {
        match pods {
            Ok(mut pods) => {
                self.faults.append(&mut pods.faults);
                self.pods = Some(pods);
            }
            Err(fault) => self.faults.push(fault),
        }
    }

    /// Whether anything was read.
    #[must_use]
    pub fn has_readings(&self) -> bool {
        !self.readings.is_empty() || self.pods.is_some()
    }
}

/// One of the five values that tcpgauge is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Five {
    /// Sockets in any state.
    Connections,
    /// Sockets in ESTABLISHED.
    Established,
    /// Sockets in TIME_WAIT.
    TimeWait,
    /// Sockets in CLOSE_WAIT.
    CloseWait,
    /// Sockets in LISTEN.
    Listen,
}

impl Five {
    /// The five, in the order in which they are always shown.
    pub const ALL: [Self; 5] = [
        Self::Connections,
        Self::Established,
        Self::TimeWait,
        Self::CloseWait,
        Self::Listen,
    ];

    /// The name of the metric, and of the member in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "tcp_connections",
            Self::Established => "tcp_established",
            Self::TimeWait => "tcp_time_wait",
            Self::CloseWait => "tcp_close_wait",
            Self::Listen => "tcp_listen",
        }
    }

    /// Its value in what was counted.
    #[must_use]
    pub fn of(self, counted: &Counted) -> u64 {
        match self {
            Self::Connections => counted.total(),
            Self::Established => counted.count(State::Established),
            Self::TimeWait => counted.count(State::TimeWait),
            Self::CloseWait => counted.count(State::CloseWait),
            Self::Listen => counted.count(State::Listen),
        }
    }
}

/// `time` as RFC 3339 in UTC, to the millisecond.
#[must_use]
pub fn format_time(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(
        |_| "a time out of range".to_owned(),
        |time| format!("{time:.3}"),
    )
}

/// `text` on one line, and without what a terminal would act on: names and files can hold anything.
#[must_use]
pub fn plain(text: &str) -> String {
    // What turns the direction of text has what comes after it read backwards.
    let turns = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.replace(|c: char| c.is_control() || turns(c), " ")
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_a_stranger_wrote_moves_no_cursor_and_turns_no_text() {
        assert_eq!(
            plain("a\nb\u{1b}[2Jc\u{9b}1Ad\u{202e}e\u{2067}f"),
            "a b [2Jc 1Ad e f"
        );
        assert_eq!(plain("größer 大"), "größer 大");
    }
}
