//! The one table of instruments. What is registered, exported and documented comes from it.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use super::pipeline::Latest;
use crate::sample::Five;
use crate::source::{Reading, Sockets};
use crate::tcp::{Counts, Family, State};

/// Which metrics are exported, and how finely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Groups besides [`Group::Five`], which is always exported.
    pub groups: Vec<Group>,
    /// Whether `system.network.connection.count` is split by `network.type`.
    pub split_network_type: bool,
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
    values: Values,
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

#[derive(Clone, Copy, Debug)]
enum Values {
    Five(Five),
    States,
    StepDowns,
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
        name: "tcpgauge.source.step_downs",
        unit: "{step}",
        kind: Kind::Counter,
        description: "Times that a source was given up",
        meaning: "A cheap way to read failed, or disagreed with a dearer one, since the agent started. The dearer one took over, or, where `--source diag` forbids it, there is a gap; the log and `tcpgauge check` say what was wrong.",
        attributes: &[],
        group: Group::Own,
        values: Values::StepDowns,
    },
];

/// Registers what `options` choose; each instrument tells of the latest sample, or nothing.
pub(super) fn register(meter: &Meter, options: &Options, latest: &Latest) {
    for instrument in INSTRUMENTS {
        if instrument.group != Group::Five && !options.groups.contains(&instrument.group) {
            continue;
        }
        let observe = observer(instrument.values, options.split_network_type);
        let latest = latest.clone();
        match instrument.kind {
            Kind::Gauge => {
                meter
                    .u64_observable_gauge(instrument.name)
                    .with_unit(instrument.unit)
                    .with_description(instrument.description)
                    .with_callback(move |points: &dyn AsyncInstrument<u64>| {
                        latest.each_trusted(|reading| {
                            observe(reading, &|value, attributes| {
                                points.observe(value, attributes);
                            });
                        });
                    })
                    .build();
            }
            Kind::Counter => {
                meter
                    .u64_observable_counter(instrument.name)
                    .with_unit(instrument.unit)
                    .with_description(instrument.description)
                    .with_callback(move |points: &dyn AsyncInstrument<u64>| {
                        latest.each_trusted(|reading| {
                            observe(reading, &|value, attributes| {
                                points.observe(value, attributes);
                            });
                        });
                    })
                    .build();
            }
            Kind::UpDownCounter => {
                meter
                    .i64_observable_up_down_counter(instrument.name)
                    .with_unit(instrument.unit)
                    .with_description(instrument.description)
                    .with_callback(move |points: &dyn AsyncInstrument<i64>| {
                        latest.each_trusted(|reading| {
                            observe(reading, &|value, attributes| {
                                points
                                    .observe(i64::try_from(value).unwrap_or(i64::MAX), attributes);
                            });
                        });
                    })
                    .build();
            }
        }
    }
}

type Observe = Box<dyn Fn(&Reading, &dyn Fn(u64, &[KeyValue])) + Send + Sync>;

fn observer(values: Values, split: bool) -> Observe {
    match values {
        Values::Five(five) => Box::new(move |reading, point| point(five.of(reading), &[])),
        Values::StepDowns => Box::new(|reading, point| point(reading.step_downs, &[])),
        Values::States if split => {
            let ipv4 = state_attributes(Some(Family::Ipv4));
            let ipv6 = state_attributes(Some(Family::Ipv6));
            Box::new(move |reading, point| {
                let tell = |counts: &Counts, attributes: &[(State, Vec<KeyValue>)]| {
                    for (state, attributes) in attributes {
                        point(counts.get(*state), attributes);
                    }
                };
                // A reading that does not tell the families apart has no such points.
                if let Sockets::ByFamily {
                    ipv4: counts4,
                    ipv6: counts6,
                } = &reading.sockets
                {
                    tell(counts4, &ipv4);
                    if let Some(counts) = counts6 {
                        tell(counts, &ipv6);
                    }
                }
            })
        }
        Values::States => {
            let states = state_attributes(None);
            Box::new(move |reading, point| {
                let counts = reading.sockets.both();
                for (state, attributes) in &states {
                    point(counts.get(*state), attributes);
                }
            })
        }
    }
}

fn state_attributes(family: Option<Family>) -> Vec<(State, Vec<KeyValue>)> {
    State::ALL
        .into_iter()
        .map(|state| {
            let mut attributes = vec![
                KeyValue::new("network.connection.state", state.name()),
                KeyValue::new("network.transport", "tcp"),
            ];
            attributes.extend(family.map(|family| KeyValue::new("network.type", family.name())));
            (state, attributes)
        })
        .collect()
}
