//! From a sample to what rules see of it.

use std::time::Duration;

use super::Reads;
use super::observation::{Metric, Observation, Subject};
use crate::counters::Counter;
use crate::culprits::Whose;
use crate::pods::PodReading;
use crate::sample::{Five, Sample};
use crate::source::details::Listeners;
use crate::source::{Counted, Details, Reading};
use crate::tcp::State;

/// Makes observations, and remembers what the last one counted.
#[derive(Clone, Debug)]
pub struct Observer {
    reads: Reads,
    overflows: Option<u64>,
}

impl Observer {
    /// One for what an agent reads. Nothing has been counted yet.
    #[must_use]
    pub const fn new(reads: Reads) -> Self {
        Self {
            reads,
            overflows: None,
        }
    }

    /// What is seen of `sample`, which was taken `step` after the one before; zero for the first.
    pub fn observe(&mut self, sample: &Sample, step: Duration) -> Observation {
        let mut subjects = Vec::new();
        let mut unread = Vec::new();
        let trusted = |reading: &&Reading| reading.counted.is_trusted();
        subjects.extend(sample.readings.iter().filter(trusted).map(of_reading));
        if let Some(alone) = self.reads.alone.map(Whose::Alone) {
            if let Some(subject) = subjects.iter_mut().find(|subject| subject.whose == alone) {
                self.add_what_is_the_hosts(subject, sample);
            } else {
                unread.push(alone);
            }
        }
        if let Some(pods) = &sample.pods {
            for reading in &pods.readings {
                if reading.counted.is_trusted() {
                    subjects.push(of_pod(reading));
                } else {
                    unread.push(Whose::Of(reading.owner.clone()));
                }
            }
            // Who is counted among the others has not ended, and nothing is known of its own.
            let uncounted = pods.unread.iter().chain(&pods.summed);
            unread.extend(uncounted.cloned().map(Whose::Of));
        }
        Observation {
            time: sample.time,
            step,
            subjects,
            unread,
            pods_read: sample.pods.is_some(),
        }
    }

    fn add_what_is_the_hosts(&mut self, subject: &mut Subject, sample: &Sample) {
        let counters = sample.counters.as_ref();
        let overflows = counters.and_then(|counters| counters.get(Counter::ListenOverflows));
        let since = self.overflows.zip(overflows).map(|(before, now)| {
            // Whoever reads them begins anew with 0 where they have.
            now.saturating_sub(before)
        });
        self.overflows = overflows.or(self.overflows);
        subject.set(Metric::ListenOverflows, since.map(number));
        let capacity = sample.capacity.as_ref();
        let memory = capacity.and_then(|capacity| {
            let [_, pressure, _] = capacity.memory_limits?;
            let used = capacity.memory?;
            (pressure > 0).then(|| 100.0 * number(used) / number(pressure))
        });
        subject.set(Metric::Memory, memory);
        let ports = sample.ports.as_ref().and_then(|ports| {
            let most = ports.destinations()?.first().map_or(0, |most| most.ports);
            Some(ports.share(most))
        });
        let share = ports.or(sample.ports_at_most);
        subject.set(Metric::Ports, share.map(|share| 100.0 * share));
    }
}

fn of_reading(reading: &Reading) -> Subject {
    subject(
        Whose::Alone(reading.scope),
        &reading.counted,
        Some(&reading.details),
    )
}

fn of_pod(reading: &PodReading) -> Subject {
    subject(
        Whose::Of(reading.owner.clone()),
        &reading.counted,
        reading.details.as_ref(),
    )
}

fn subject(whose: Whose, counted: &Counted, details: Option<&Details>) -> Subject {
    let mut subject = Subject {
        whose,
        values: [None; Metric::ALL.len()],
        listening: details.and_then(|details| details.listening.clone()),
        fullest_port: None,
    };
    for (metric, five) in [
        (Metric::Connections, Five::Connections),
        (Metric::Established, Five::Established),
        (Metric::TimeWait, Five::TimeWait),
        (Metric::CloseWait, Five::CloseWait),
        (Metric::Listen, Five::Listen),
    ] {
        subject.set(metric, Some(number(five.of(counted))));
    }
    let received = counted.count(State::SynReceived);
    subject.set(Metric::SynReceived, Some(number(received)));
    // What a gate lets stand tells nothing of queues.
    if let Some(details) = details {
        let (fullest, port) = fullest(&details.listeners);
        subject.set(Metric::AcceptQueue, fullest);
        subject.fullest_port = port;
    }
    subject
}

/// How full the fullest accept queue is, in percent, and its port where it is known to be that one.
///
/// What is told of is the longest, which need not be the fullest, and whether any is full.
fn fullest(listeners: &Listeners) -> (Option<f64>, Option<u16>) {
    const FULL: f64 = 100.0;
    let Some(longest) = listeners.longest else {
        // Where nobody listens no queue is full.
        return (Some(0.0), None);
    };
    let share = longest
        .limit
        .map(|limit| FULL * number(longest.length) / number(limit.max(1)));
    let is_any_full = listeners.full.is_some_and(|full| full > 0);
    match share {
        Some(share) if share < FULL && is_any_full => (Some(FULL), None),
        Some(share) => (Some(share), Some(longest.port)),
        None => (None, None),
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has so many sockets")]
const fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[path = "observer_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "observer_details_tests.rs"]
mod details_tests;
