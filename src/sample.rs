//! What one tick saw. Everything that tells of a tick tells of the same [`Sample`].

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::source::{Fault, ReadError, Reading, Scope, Source};
use crate::tcp::State;

/// All that one tick saw, faults included.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// When the reading began.
    #[serde(serialize_with = "rfc3339")]
    pub time: SystemTime,
    /// What is missing or incomplete.
    pub faults: Vec<Fault>,
    /// What was read.
    pub readings: Vec<Reading>,
    /// How the agent is, where it is one that samples.
    #[serde(skip)]
    pub vitals: Option<Vitals>,
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
    /// The sample of a tick at `time` whose reading ended so.
    #[must_use]
    pub fn new(time: SystemTime, reading: Result<Reading, ReadError>) -> Self {
        match reading {
            Ok(reading) => Self {
                time,
                faults: reading.faults(),
                readings: vec![reading],
                vitals: None,
            },
            Err(error) => Self::failed(time, error.fault()),
        }
    }

    /// The sample of a tick at `time` that has no reading.
    #[must_use]
    pub fn failed(time: SystemTime, fault: Fault) -> Self {
        Self {
            time,
            faults: vec![fault],
            readings: Vec::new(),
            vitals: None,
        }
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

    /// Its value in a reading.
    #[must_use]
    pub fn of(self, reading: &Reading) -> u64 {
        match self {
            Self::Connections => reading.total(),
            Self::Established => reading.count(State::Established),
            Self::TimeWait => reading.count(State::TimeWait),
            Self::CloseWait => reading.count(State::CloseWait),
            Self::Listen => reading.count(State::Listen),
        }
    }
}

impl Serialize for Reading {
    /// The form that `tcpgauge snapshot --format json` documents.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Reading", 12)?;
        object.serialize_field::<Scope>("scope", &self.scope)?;
        object.serialize_field::<Source>("source", &self.source)?;
        object.serialize_field("source_reason", &self.why.as_deref())?;
        object.serialize_field("complete", &self.is_complete())?;
        for five in Five::ALL {
            object.serialize_field(five.name(), &five.of(self))?;
        }
        object.serialize_field("states", &self.sockets)?;
        object.serialize_field("unrecognised", &self.unrecognised)?;
        object.serialize_field("malformed", &self.malformed)?;
        object.end()
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

fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_time(*time))
}
