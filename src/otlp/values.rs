//! Where the values of an instrument come from: a sample, read one way or another.

use opentelemetry::KeyValue;

use super::alert_instruments;
use super::culprit_values;
use super::host_values;
use super::instrument::Options;
use crate::counters::{Capacity, Counter};
use crate::pods::{Owner, PodReading, Stats};
use crate::sample::{Delivery, Five, Sample, Vitals};
use crate::source::details::{AcceptQueue, Listeners};
use crate::source::{Reading, Sockets, Source};
use crate::tcp::{Counts, Family, State};

/// Which values an instrument shows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Values {
    /// One of the five.
    Five(Five),
    /// Sockets by state.
    States,
    /// A whole number of each reading.
    Reading(fn(&Reading) -> u64),
    /// Which source was used: 1, and 0 for the others.
    Sources,
    /// A whole number of how the agent is, where it is known.
    Vitals(fn(&Vitals) -> Option<u64>),
    /// Seconds of how the agent is.
    Seconds(fn(&Vitals) -> Option<f64>),
    /// Faults by reason.
    Faults,
    /// Records that were dropped, by reason.
    Dropped,
    /// A whole number of how pods are read.
    Pods(fn(&Stats) -> u64),
    /// Whole numbers of how pods are read, by the values of an attribute.
    PodsBy(&'static str, fn(&Stats) -> Vec<(&'static str, u64)>),
    /// Seconds of how pods are read.
    PodsSeconds(fn(&Stats) -> f64),
    /// A whole number of the listeners of a namespace, where it is known.
    Listeners(fn(&Listeners) -> Option<u64>),
    /// A whole number of each of the listening ports that have series of their own.
    ListenerPorts(fn(&AcceptQueue) -> Option<u64>),
    /// Sockets by who holds them.
    Culprits,
    /// For how long those groups have been there, in whole seconds.
    CulpritAges,
    /// Which alerts stand.
    Alerts,
    /// Some of the host's counters, by the values of an attribute.
    CountersBy(&'static str, &'static [(&'static str, Counter)]),
    /// One of the host's counters.
    Counter(Counter),
    /// A whole number of what the host has room for.
    Capacity(fn(&Capacity) -> Option<u64>),
    /// Where TCP's memory is thought little, too much, and no more.
    MemoryLimits,
    /// Which share of the ports is in use.
    Ports,
    /// How old the reading is that each pod's numbers stand on, in whole seconds: nobody needs more, and a backlog is a tenth smaller.
    Ages,
}

/// Takes a value with its attributes.
type Point<'a, T> = &'a dyn Fn(T, &[KeyValue]);

/// Shows values of a sample.
pub(super) type Observe<T> = Box<dyn Fn(&Sample, Point<'_, T>) + Send + Sync>;

/// What shows values, by what they are.
pub(super) enum Observer {
    Whole(Observe<u64>),
    Seconds(Observe<f64>),
}

impl Values {
    /// What shows them.
    pub(super) fn observer(self, options: &Options) -> Observer {
        match self {
            Self::Seconds(value) => Observer::Seconds(Box::new(move |sample, point| {
                if let Some(value) = sample.vitals.as_ref().and_then(value) {
                    point(value, &[]);
                }
            })),
            Self::PodsSeconds(value) => Observer::Seconds(Box::new(move |sample, point| {
                if let Some(pods) = &sample.pods {
                    point(value(&pods.stats), &[]);
                }
            })),
            Self::Ports => Observer::Seconds(host_values::ports()),
            whole => Observer::Whole(whole.whole(options)),
        }
    }

    fn whole(self, options: &Options) -> Observe<u64> {
        match self {
            Self::Five(five) => Box::new(move |sample, point| {
                trusted(sample).for_each(|reading| point(five.of(&reading.counted), &[]));
                for pod in of_pods(sample) {
                    point(five.of(&pod.counted), &owner(&pod.owner));
                }
            }),
            Self::States => states(options),
            // These are of the agent: they are told even of a reading whose totals are not.
            Self::Reading(value) => Box::new(move |sample, point| {
                for reading in &sample.readings {
                    point(value(reading), &[]);
                }
            }),
            Self::Sources => {
                let sources = Source::ALL
                    .map(|source| (source, [KeyValue::new("tcpgauge.source", source.name())]));
                Box::new(move |sample, point| {
                    for reading in &sample.readings {
                        for (source, attributes) in &sources {
                            point(u64::from(reading.source == *source), attributes);
                        }
                    }
                })
            }
            Self::Vitals(value) => Box::new(move |sample, point| {
                if let Some(value) = sample.vitals.as_ref().and_then(value) {
                    point(value, &[]);
                }
            }),
            Self::Faults => Box::new(|sample, point| {
                for (reason, number) in sample.vitals.iter().flat_map(|vitals| &vitals.faults) {
                    point(*number, &[KeyValue::new("error.type", *reason)]);
                }
            }),
            Self::Dropped => Box::new(|sample, point| {
                if let Some(delivery) = delivery(sample) {
                    for (reason, number) in [
                        ("full", delivery.dropped_full),
                        ("old", delivery.dropped_old),
                        ("refused", delivery.dropped_refused),
                    ] {
                        point(number, &[KeyValue::new("tcpgauge.drop.reason", reason)]);
                    }
                }
            }),
            Self::Pods(value) => Box::new(move |sample, point| {
                if let Some(pods) = &sample.pods {
                    point(value(&pods.stats), &[]);
                }
            }),
            Self::PodsBy(key, values) => Box::new(move |sample, point| {
                if let Some(pods) = &sample.pods {
                    for (name, number) in values(&pods.stats) {
                        point(number, &[KeyValue::new(key, name)]);
                    }
                }
            }),
            Self::Ages => Box::new(|sample, point| {
                for pod in of_pods(sample) {
                    point(pod.age.as_secs(), &owner(&pod.owner));
                }
            }),
            Self::Culprits => culprit_values::sockets(options),
            Self::CulpritAges => culprit_values::ages(options),
            Self::Alerts => alert_instruments::standing(),
            Self::Listeners(value) => host_values::listeners(value),
            Self::ListenerPorts(value) => host_values::listener_ports(value),
            Self::Counter(counter) => host_values::counter(counter),
            Self::CountersBy(key, counters) => host_values::counters_by(key, counters),
            Self::Capacity(value) => host_values::capacity(value),
            Self::MemoryLimits => host_values::memory_limits(),
            Self::Seconds(_) | Self::PodsSeconds(_) | Self::Ports => Box::new(|_, _| {}),
        }
    }
}

pub(super) fn of_pods(sample: &Sample) -> impl Iterator<Item = &PodReading> {
    sample.pods.iter().flat_map(|pods| &pods.readings)
}

pub(super) fn trusted(sample: &Sample) -> impl Iterator<Item = &Reading> {
    sample
        .readings
        .iter()
        .filter(|reading| reading.counted.is_trusted())
}

/// What tells a pod's points from all others.
pub(super) fn owner(owner: &Owner) -> Vec<KeyValue> {
    let attributes = owner.attributes().into_iter();
    attributes
        .map(|(key, value)| KeyValue::new(key, value))
        .collect()
}

fn delivery(sample: &Sample) -> Option<&Delivery> {
    sample.vitals.as_ref()?.delivery.as_ref()
}

/// Sockets by state, of the host and, if that is wanted, of each pod.
fn states(options: &Options) -> Observe<u64> {
    let (split, with_pods) = (options.split_network_type, options.states_of_pods);
    let together = state_attributes(None);
    let ipv4 = state_attributes(Some(Family::Ipv4));
    let ipv6 = state_attributes(Some(Family::Ipv6));
    Box::new(move |sample, point| {
        let tell = |sockets: &Sockets, owner: &[KeyValue]| match sockets {
            sockets if !split => tell(&sockets.both(), owner, &together, point),
            Sockets::ByFamily {
                ipv4: counts4,
                ipv6: counts6,
            } => {
                tell(counts4, owner, &ipv4, point);
                if let Some(counts) = counts6 {
                    tell(counts, owner, &ipv6, point);
                }
            }
            // What does not tell the families apart has no such points.
            Sockets::Together { .. } => {}
        };
        trusted(sample).for_each(|reading| tell(&reading.counted.sockets, &[]));
        for pod in of_pods(sample).filter(|_| with_pods) {
            tell(&pod.counted.sockets, &owner(&pod.owner));
        }
    })
}

type States = Vec<(State, Vec<KeyValue>)>;

fn tell(counts: &Counts, owner: &[KeyValue], states: &States, point: Point<'_, u64>) {
    for (state, attributes) in states {
        let number = counts.get(*state);
        if owner.is_empty() {
            point(number, attributes);
        } else {
            point(number, &[owner, attributes].concat());
        }
    }
}

fn state_attributes(family: Option<Family>) -> States {
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
