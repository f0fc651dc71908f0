//! Where the values of an instrument come from: a sample, read one way or another.

use opentelemetry::KeyValue;

use crate::pods::Owner;
use crate::sample::{Delivery, Five, Sample, Vitals};
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
}

/// Takes a value with its attributes.
type Point<'a> = &'a dyn Fn(u64, &[KeyValue]);

/// Shows whole numbers of a sample.
pub(super) type Observe = Box<dyn Fn(&Sample, Point<'_>) + Send + Sync>;

impl Values {
    /// What shows them, if they are whole numbers.
    pub(super) fn observer(self, split: bool) -> Observe {
        match self {
            Self::Five(five) => Box::new(move |sample, point| {
                trusted(sample).for_each(|reading| point(five.of(&reading.counted), &[]));
                for pod in sample.pods.iter().flat_map(|pods| &pods.readings) {
                    point(five.of(&pod.counted), &owner(&pod.owner));
                }
            }),
            Self::States if split => by_family(),
            Self::States => {
                let states = state_attributes(None);
                Box::new(move |sample, point| {
                    trusted(sample)
                        .for_each(|reading| tell(&reading.counted.sockets.both(), &states, point));
                })
            }
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
            Self::Seconds(_) => Box::new(|_, _| {}),
        }
    }

    /// The seconds that they are, if they are that.
    pub(super) fn seconds(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::Seconds(value) => sample.vitals.as_ref().and_then(value),
            _ => None,
        }
    }
}

fn trusted(sample: &Sample) -> impl Iterator<Item = &Reading> {
    sample
        .readings
        .iter()
        .filter(|reading| reading.counted.is_trusted())
}

/// What tells a pod's points from all others.
fn owner(owner: &Owner) -> Vec<KeyValue> {
    let attributes = owner.attributes().into_iter();
    attributes
        .map(|(key, value)| KeyValue::new(key, value))
        .collect()
}

fn delivery(sample: &Sample) -> Option<&Delivery> {
    sample.vitals.as_ref()?.delivery.as_ref()
}

type States = Vec<(State, Vec<KeyValue>)>;

fn tell(counts: &Counts, states: &States, point: Point<'_>) {
    for (state, attributes) in states {
        point(counts.get(*state), attributes);
    }
}

fn by_family() -> Observe {
    let ipv4 = state_attributes(Some(Family::Ipv4));
    let ipv6 = state_attributes(Some(Family::Ipv6));
    Box::new(move |sample, point| {
        for reading in trusted(sample) {
            // A reading that does not tell the families apart has no such points.
            if let Sockets::ByFamily {
                ipv4: counts4,
                ipv6: counts6,
            } = &reading.counted.sockets
            {
                tell(counts4, &ipv4, point);
                if let Some(counts) = counts6 {
                    tell(counts, &ipv6, point);
                }
            }
        }
    })
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
