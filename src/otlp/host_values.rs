//! Values of a host besides its counts of sockets: its listeners, what its kernel counted, and what it has room for.

use opentelemetry::KeyValue;

use super::values::{Observe, of_pods, owner, trusted};
use crate::counters::{Capacity, Counter};
use crate::ports::Told;
use crate::source::details::{AcceptQueue, Listeners};

/// Of pods too, where they were read.
pub(super) fn listeners(value: fn(&Listeners) -> Option<u64>) -> Observe<u64> {
    Box::new(move |sample, point| {
        for reading in trusted(sample) {
            if let Some(value) = value(&reading.details.listeners) {
                point(value, &[]);
            }
        }
        for pod in of_pods(sample) {
            let details = pod.details.as_ref();
            if let Some(value) = details.and_then(|found| value(&found.listeners)) {
                point(value, &owner(&pod.owner));
            }
        }
    })
}

pub(super) fn listener_ports(value: fn(&AcceptQueue) -> Option<u64>) -> Observe<u64> {
    Box::new(move |sample, point| {
        for reading in trusted(sample) {
            for queue in reading.details.listeners.ports.iter().flatten() {
                if let Some(value) = value(queue) {
                    let port = i64::from(queue.port);
                    point(value, &[KeyValue::new("network.local.port", port)]);
                }
            }
        }
    })
}

pub(super) fn counter(counter: Counter) -> Observe<u64> {
    Box::new(move |sample, point| {
        let counters = sample.counters.as_ref();
        if let Some(value) = counters.and_then(|counters| counters.get(counter)) {
            point(value, &[]);
        }
    })
}

pub(super) fn counters_by(
    key: &'static str,
    counters: &'static [(&'static str, Counter)],
) -> Observe<u64> {
    Box::new(move |sample, point| {
        for (name, counter) in counters {
            let found = sample.counters.as_ref();
            if let Some(value) = found.and_then(|found| found.get(*counter)) {
                point(value, &[KeyValue::new(key, *name)]);
            }
        }
    })
}

pub(super) fn capacity(value: fn(&Capacity) -> Option<u64>) -> Observe<u64> {
    Box::new(move |sample, point| {
        if let Some(value) = sample.capacity.as_ref().and_then(value) {
            point(value, &[]);
        }
    })
}

pub(super) fn memory_limits() -> Observe<u64> {
    Box::new(|sample, point| {
        let limits = sample.capacity.and_then(|found| found.memory_limits);
        let names = ["low", "pressure", "high"];
        for (name, bytes) in names.into_iter().zip(limits.into_iter().flatten()) {
            point(bytes, &[KeyValue::new("tcp.memory.threshold", name)]);
        }
    })
}

/// Nothing where it is not clear how many are in use.
pub(super) fn ports() -> Observe<f64> {
    Box::new(|sample, point| {
        let Some(ports) = &sample.ports else {
            return;
        };
        let Some(destinations) = ports.destinations() else {
            return;
        };
        match ports.told {
            Told::Largest => {
                let largest = destinations.first().map_or(0, |largest| largest.ports);
                point(ports.share(largest), &[]);
            }
            Told::Each => {
                for destination in destinations {
                    let attributes = [
                        KeyValue::new("server.address", destination.to.ip().to_string()),
                        KeyValue::new("server.port", i64::from(destination.to.port())),
                    ];
                    point(ports.share(destination.ports), &attributes);
                }
            }
        }
    })
}
