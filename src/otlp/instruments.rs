//! The one table of instruments. What is registered, exported and documented comes from it.

use super::values::Values;
use crate::sample::Five;

/// Which metrics are exported, and how finely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Groups besides [`Group::Five`], which is always exported.
    pub groups: Vec<Group>,
    /// Whether `system.network.connection.count` is split by `network.type`.
    pub split_network_type: bool,
    /// Whether it is exported of each pod.
    pub states_of_pods: bool,
    /// So many pods at most have series of their own.
    pub most_pods: usize,
}

impl Options {
    /// Whether a point of any metric is of one address family.
    #[must_use]
    pub fn tell_families_apart(&self) -> bool {
        self.split_network_type && self.groups.contains(&Group::States)
    }
}

/// Metrics that are chosen together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The five gauges.
    Five,
    /// Sockets by state.
    States,
    /// What tcpgauge tells of itself.
    Own,
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 3] = [Self::Five, Self::States, Self::Own];
    /// Their names.
    pub const NAMES: [&'static str; 3] = [Self::Five.name(), Self::States.name(), Self::Own.name()];

    /// The name that it is chosen by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Five => "five",
            Self::States => "states",
            Self::Own => "self",
        }
    }

    /// When it is exported.
    #[must_use]
    pub const fn default(self) -> &'static str {
        match self {
            Self::Five => "always",
            Self::States | Self::Own => "on",
        }
    }
}

/// One instrument.
#[derive(Debug)]
pub struct Instrument {
    /// The metric's name.
    pub name: &'static str,
    /// Its unit, in UCUM.
    pub unit: &'static str,
    /// What it is to OpenTelemetry.
    pub kind: Kind,
    /// What it counts.
    pub description: &'static str,
    /// What a value of it means, and what to do.
    pub meaning: &'static str,
    /// The attributes of its points.
    pub attributes: &'static [Attribute],
    /// The group that it is chosen with.
    pub group: Group,
    /// Where its values come from.
    pub(super) values: Values,
}

/// What an instrument is to OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An observable gauge.
    Gauge,
    /// An observable up-down counter: a sum that is not monotonic, cumulative.
    UpDownCounter,
    /// An observable counter: a sum that only grows, cumulative since the agent started.
    Counter,
}

impl Kind {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "observable gauge",
            Self::UpDownCounter => "observable up-down counter",
            Self::Counter => "observable counter",
        }
    }
}

/// An attribute of points.
#[derive(Debug)]
pub struct Attribute {
    /// Its key.
    pub key: &'static str,
    /// Its values, in words.
    pub values: &'static str,
    /// The setting that it is there with, if it is not always.
    pub only_with: Option<&'static str>,
}

/// Every instrument.
pub const INSTRUMENTS: &[Instrument] = &[
    Instrument {
        name: Five::Connections.name(),
        unit: "{connection}",
        kind: Kind::Gauge,
        description: "TCP sockets in any state",
        meaning: "All eleven states, LISTEN and TIME_WAIT included, IPv4 and IPv6.",
        attributes: &[],
        group: Group::Five,
        values: Values::Five(Five::Connections),
    },
    Instrument {
        name: Five::Established.name(),
        unit: "{connection}",
        kind: Kind::Gauge,
        description: "TCP connections in ESTABLISHED",
        meaning: "The load: connections that can carry data now.",
        attributes: &[],
        group: Group::Five,
        values: Values::Five(Five::Established),
    },
    Instrument {
        name: Five::TimeWait.name(),
        unit: "{connection}",
        kind: Kind::Gauge,
        description: "TCP connections in TIME_WAIT",
        meaning: "Turnover: connections that this host closed in the last 60 s. More than 5,000 is churn, more than 30,000 can use up the ports toward one destination.",
        attributes: &[],
        group: Group::Five,
        values: Values::Five(Five::TimeWait),
    },
    Instrument {
        name: Five::CloseWait.name(),
        unit: "{connection}",
        kind: Kind::Gauge,
        description: "TCP connections in CLOSE_WAIT",
        meaning: "Connections that the peer closed and the application here has not. More than 10 for minutes is a bug of that application.",
        attributes: &[],
        group: Group::Five,
        values: Values::Five(Five::CloseWait),
    },
    Instrument {
        name: Five::Listen.name(),
        unit: "{socket}",
        kind: Kind::Gauge,
        description: "TCP sockets in LISTEN",
        meaning: "Services that wait for connections. A drop is an outage, a rise that nobody planned may be an intruder.",
        attributes: &[],
        group: Group::Five,
        values: Values::Five(Five::Listen),
    },
    Instrument {
        name: "system.network.connection.count",
        unit: "{connection}",
        kind: Kind::UpDownCounter,
        description: "TCP sockets by state",
        meaning: "The same by state, under the name of OpenTelemetry's semantic conventions. All eleven states are there, zeros included.",
        attributes: &[
            Attribute {
                key: "network.connection.state",
                values: "`established`, `syn_sent`, `syn_received`, `fin_wait_1`, `fin_wait_2`, `time_wait`, `closed`, `close_wait`, `last_ack`, `listen`, `closing`",
                only_with: None,
            },
            Attribute {
                key: "network.transport",
                values: "`tcp`",
                only_with: None,
            },
            Attribute {
                key: "network.type",
                values: "`ipv4`, `ipv6`: the family of the socket",
                only_with: Some("--split-network-type"),
            },
        ],
        group: Group::States,
        values: Values::States,
    },
    Instrument {
        name: "tcpgauge.source.active",
        unit: "1",
        kind: Kind::Gauge,
        description: "Whether a source took the reading",
        meaning: "1 for the source that was used, 0 for the others.",
        attributes: &[Attribute {
            key: "tcpgauge.source",
            values: "`diag`, `diag-full`, `text`",
            only_with: None,
        }],
        group: Group::Own,
        values: Values::Sources,
    },
    Instrument {
        name: "tcpgauge.source.step_downs",
        unit: "{step}",
        kind: Kind::Counter,
        description: "Times that a source was given up",
        meaning: "A cheap way to read failed, or disagreed with a dearer one, since the agent started. The dearer one took over, or, where `--source diag` forbids it, there is a gap; the log and `tcpgauge check` say what was wrong.",
        attributes: &[],
        group: Group::Own,
        values: Values::Reading(|reading| reading.step_downs),
    },
    Instrument {
        name: "tcpgauge.reading.duration",
        unit: "s",
        kind: Kind::Gauge,
        description: "Time from the tick to the end of the reading",
        meaning: "Of a reading that failed or was given up too. Near the interval, readings get lost.",
        attributes: &[],
        group: Group::Own,
        values: Values::Seconds(|vitals| Some(vitals.reading_took.as_secs_f64())),
    },
    Instrument {
        name: "tcpgauge.reading.rows",
        unit: "{row}",
        kind: Kind::Gauge,
        description: "Rows of the tables, or sockets of a dump, that were read",
        meaning: "What the reading had to look at: with `diag` only sockets in rare states.",
        attributes: &[],
        group: Group::Own,
        values: Values::Reading(|reading| reading.counted.rows),
    },
    Instrument {
        name: "tcpgauge.reading.malformed",
        unit: "{line}",
        kind: Kind::Gauge,
        description: "Lines of the tables that are no row",
        meaning: "More than 0: the totals may be short, and are not exported with this sample.",
        attributes: &[],
        group: Group::Own,
        values: Values::Reading(|reading| reading.counted.malformed),
    },
    Instrument {
        name: "tcpgauge.faults",
        unit: "{fault}",
        kind: Kind::Counter,
        description: "Readings that are missing or incomplete",
        meaning: "Each is a gap in the five, or a number that is not all there; the log says what it is.",
        attributes: &[Attribute {
            key: "error.type",
            values: "`open`, `read`, `empty`, `not_the_host`, `netlink`, `distrusted`, `impossible`, `timeout`, `malformed`, `unrecognised`",
            only_with: None,
        }],
        group: Group::Own,
        values: Values::Faults,
    },
    Instrument {
        name: "tcpgauge.queue.records",
        unit: "{sample}",
        kind: Kind::Gauge,
        description: "Samples that wait to be delivered",
        meaning: "Other than 0 or 1 the backend is away or slow; the log says why.",
        attributes: &[],
        group: Group::Own,
        values: Values::Vitals(|vitals| Some(vitals.delivery?.records)),
    },
    Instrument {
        name: "tcpgauge.queue.size",
        unit: "By",
        kind: Kind::Gauge,
        description: "Memory of what waits to be delivered",
        meaning: "At `--queue-bytes` the oldest samples are dropped.",
        attributes: &[],
        group: Group::Own,
        values: Values::Vitals(|vitals| Some(vitals.delivery?.bytes)),
    },
    Instrument {
        name: "tcpgauge.queue.oldest_age",
        unit: "s",
        kind: Kind::Gauge,
        description: "How long the oldest sample has waited",
        meaning: "At `--queue-age` it is dropped.",
        attributes: &[],
        group: Group::Own,
        values: Values::Seconds(|vitals| Some(vitals.delivery?.oldest.as_secs_f64())),
    },
    Instrument {
        name: "tcpgauge.delivery.sent",
        unit: "{sample}",
        kind: Kind::Counter,
        description: "Samples that a backend took",
        meaning: "Its rate is one a tick.",
        attributes: &[],
        group: Group::Own,
        values: Values::Vitals(|vitals| Some(vitals.delivery?.sent)),
    },
    Instrument {
        name: "tcpgauge.delivery.dropped",
        unit: "{sample}",
        kind: Kind::Counter,
        description: "Samples that were dropped",
        meaning: "Lost: what waits was at its bounds (`full`, `old`), or the backend refuses the sample (`refused`).",
        attributes: &[Attribute {
            key: "tcpgauge.drop.reason",
            values: "`full`, `old`, `refused`",
            only_with: None,
        }],
        group: Group::Own,
        values: Values::Dropped,
    },
    Instrument {
        name: "tcpgauge.delivery.rejected_points",
        unit: "{point}",
        kind: Kind::Counter,
        description: "Points that a backend threw away in what it took",
        meaning: "Its partial success; the log has its words.",
        attributes: &[],
        group: Group::Own,
        values: Values::Vitals(|vitals| Some(vitals.delivery?.rejected_points)),
    },
    Instrument {
        name: "tcpgauge.spool.lost",
        unit: "{sample}",
        kind: Kind::Counter,
        description: "Samples that the spool on disk could not keep",
        meaning: "They waited in memory all the same, but would not have survived the end of the agent. Only with `--spool-dir`; the log says what is wrong with the disk.",
        attributes: &[],
        group: Group::Own,
        values: Values::Vitals(|vitals| vitals.delivery?.spool_lost),
    },
    Instrument {
        name: "tcpgauge.process.cpu",
        unit: "s",
        kind: Kind::Counter,
        description: "CPU time of the agent",
        meaning: "User and system.",
        attributes: &[],
        group: Group::Own,
        values: Values::Seconds(|vitals| Some(vitals.cpu.as_secs_f64())),
    },
    Instrument {
        name: "tcpgauge.process.memory",
        unit: "By",
        kind: Kind::Gauge,
        description: "Resident memory of the agent",
        meaning: "Not there where the proc root does not show this process.",
        attributes: &[],
        group: Group::Own,
        values: Values::Vitals(|vitals| vitals.resident_bytes),
    },
];
