//! What rules see of a sample: a few numbers for each owner of sockets.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::culprits::Whose;
pub use crate::source::details::Listening;

/// What a rule can look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// `tcp_connections`.
    Connections,
    /// `tcp_established`.
    Established,
    /// `tcp_time_wait`.
    TimeWait,
    /// `tcp_close_wait`.
    CloseWait,
    /// `tcp_listen`.
    Listen,
    /// Connections of which the handshake has begun, `syn_received`.
    SynReceived,
    /// The fullest accept queue, in percent of its limit.
    AcceptQueue,
    /// Connections that found an accept queue full, since the sample before.
    ListenOverflows,
    /// Ports in use toward the most-used destination, in percent; where they are not counted because they cannot matter, what they are at
    /// most, which is below [`PORTS_MATTER_FROM`](crate::sample::PORTS_MATTER_FROM).
    Ports,
    /// Memory of TCP, in percent of where the kernel begins to spare.
    Memory,
}

impl Metric {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Connections,
        Self::Established,
        Self::TimeWait,
        Self::CloseWait,
        Self::Listen,
        Self::SynReceived,
        Self::AcceptQueue,
        Self::ListenOverflows,
        Self::Ports,
        Self::Memory,
    ];

    /// Its name, in rules, events and recordings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "tcp_connections",
            Self::Established => "tcp_established",
            Self::TimeWait => "tcp_time_wait",
            Self::CloseWait => "tcp_close_wait",
            Self::Listen => "tcp_listen",
            Self::SynReceived => "syn_received",
            Self::AcceptQueue => "accept_queue",
            Self::ListenOverflows => "listen_overflows",
            Self::Ports => "ports",
            Self::Memory => "memory",
        }
    }

    /// Whether it can be known of a pod: how long its queues may be only the source `diag` tells, and the rest there is once on a machine.
    #[must_use]
    pub const fn is_of_pods(self) -> bool {
        !matches!(
            self,
            Self::AcceptQueue | Self::ListenOverflows | Self::Ports | Self::Memory
        )
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }
}

/// All that rules see of one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When the sample was taken.
    pub time: SystemTime,
    /// How long after the one before, by a clock that nobody sets; zero for the first.
    pub step: Duration,
    /// Everyone who was told of: who is not there was not counted, or has ended.
    pub subjects: Vec<Subject>,
    /// Those who are there and were not counted, or only among all others: a gap.
    pub unread: Vec<Whose>,
    /// Whether pods were looked at: one that is in neither of the two has then ended.
    pub pods_read: bool,
}

impl Observation {
    /// Whether anybody was read; where pods were looked at and there is none, there was nobody to be read.
    #[must_use]
    pub fn has_reading(&self) -> bool {
        !self.subjects.is_empty() || (self.pods_read && self.unread.is_empty())
    }
}

/// What is seen of one owner of sockets.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Whose sockets.
    pub whose: Whose,
    /// The value of each metric, in the order of [`Metric::ALL`]; nothing where it is not known.
    pub values: [Option<f64>; Metric::ALL.len()],
    /// The ports that are listened on, in order, each once; nothing where rows were not seen, or there are too many.
    pub listening: Option<Arc<[Listening]>>,
    /// The port whose accept queue is the fullest.
    pub fullest_port: Option<u16>,
}

impl Subject {
    /// One of which nothing is known.
    pub(super) const fn unknown(whose: Whose) -> Self {
        Self {
            whose,
            values: [None; Metric::ALL.len()],
            listening: None,
            fullest_port: None,
        }
    }

    /// The value of a metric.
    #[must_use]
    pub fn value(&self, metric: Metric) -> Option<f64> {
        self.values.get(metric as usize).copied().flatten()
    }

    /// Puts it in.
    pub fn set(&mut self, metric: Metric, value: Option<f64>) {
        if let Some(place) = self.values.get_mut(metric as usize) {
            *place = value;
        }
    }
}
