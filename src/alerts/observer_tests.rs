//! What rules see of a sample: where each number is from, and what is a gap.

#![allow(clippy::float_cmp, reason = "what is made up are small whole numbers")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::SystemTime;

use super::*;
use crate::counters::{Capacity, Counters};
use crate::pods::{Gate, Owner, Pods};
use crate::ports::range::{Origin, Range};
use crate::ports::{Destination, Ports, Told, Usage};
use crate::source::details::AcceptQueue;
use crate::source::{Scope, Sockets, Source};
use crate::tcp::Counts;

const READS: Reads = Reads {
    alone: Some(Scope::Host),
    pods: true,
};

fn counted(of: &[(State, u64)], malformed: u64) -> Counted {
    let mut both = Counts::default();
    for (state, number) in of {
        both.add(*state, *number);
    }
    Counted {
        malformed,
        ..Counted::of(Sockets::Together { both })
    }
}

fn reading(scope: Scope, counted: Counted, details: Details) -> Reading {
    Reading {
        scope,
        source: Source::Text,
        why: None,
        step_downs: 0,
        counted,
        details,
    }
}

fn sample(reading: Reading) -> Sample {
    let mut sample = Sample::at(SystemTime::UNIX_EPOCH);
    sample.readings.push(reading);
    sample
}

fn host(of: &[(State, u64)]) -> Sample {
    sample(reading(Scope::Host, counted(of, 0), Details::default()))
}

fn see(sample: &Sample) -> Observation {
    Observer::new(READS).observe(sample, Duration::ZERO)
}

/// A metric of the only one who is told of.
fn value(sample: &Sample, metric: Metric) -> Option<f64> {
    let seen = see(sample);
    assert_eq!(seen.subjects.len(), 1);
    seen.subjects[0].value(metric)
}

#[test]
fn counts_are_those_of_the_states() {
    let sample = host(&[
        (State::Established, 100),
        (State::TimeWait, 20),
        (State::CloseWait, 3),
        (State::Listen, 7),
        (State::SynReceived, 11),
        (State::FinWait2, 5),
    ]);
    for (metric, expected) in [
        (Metric::Connections, Some(146.0)),
        (Metric::Established, Some(100.0)),
        (Metric::TimeWait, Some(20.0)),
        (Metric::CloseWait, Some(3.0)),
        (Metric::Listen, Some(7.0)),
        (Metric::SynReceived, Some(11.0)),
        (Metric::AcceptQueue, Some(0.0)),
        (Metric::ListenOverflows, None),
        (Metric::Ports, None),
        (Metric::Memory, None),
    ] {
        assert_eq!(value(&sample, metric), expected, "{}", metric.name());
    }
}

#[test]
fn an_accept_queue_is_as_full_as_the_fullest_that_is_known() {
    let queue = |length, limit| AcceptQueue {
        port: 80,
        length,
        limit,
    };
    for (longest, full, expected) in [
        (None, None, (Some(0.0), None)),
        (Some(queue(64, Some(128))), Some(0), (Some(50.0), Some(80))),
        (
            Some(queue(129, Some(128))),
            Some(1),
            (Some(100.0 * 129.0 / 128.0), Some(80)),
        ),
        // The longest is not the one that is full, so whose it is is not known.
        (Some(queue(64, Some(128))), Some(1), (Some(100.0), None)),
        (Some(queue(64, None)), None, (None, None)),
        (Some(queue(0, Some(0))), Some(0), (Some(0.0), Some(80))),
    ] {
        let details = Details {
            listeners: Listeners {
                longest,
                full,
                ..Listeners::default()
            },
            ..Details::default()
        };
        let sample = sample(reading(Scope::Host, counted(&[], 0), details));
        let seen = see(&sample);
        let subject = &seen.subjects[0];
        let found = (subject.value(Metric::AcceptQueue), subject.fullest_port);
        assert_eq!(found, expected, "{longest:?} {full:?}");
    }
}

#[test]
fn overflows_are_those_since_the_sample_before_that_had_them() {
    let mut observer = Observer::new(READS);
    for (counter, expected) in [
        (Some(7), None),
        (Some(7), Some(0.0)),
        (Some(9), Some(2.0)),
        (None, None),
        (Some(12), Some(3.0)),
        // Who counts them has begun anew.
        (Some(1), Some(0.0)),
        (Some(5), Some(4.0)),
    ] {
        let mut sample = host(&[]);
        sample.counters = counter
            .map(|count| Counters::of(|of| (of == Counter::ListenOverflows).then_some(count)));
        let seen = observer.observe(&sample, Duration::from_secs(30));
        let value = seen.subjects[0].value(Metric::ListenOverflows);
        assert_eq!(value, expected, "{counter:?}");
    }
}

#[test]
fn memory_is_a_share_of_where_the_kernel_begins_to_spare() {
    for (memory, memory_limits, expected) in [
        (Some(90), Some([50, 100, 200]), Some(90.0)),
        (Some(150), Some([50, 100, 200]), Some(150.0)),
        (None, Some([50, 100, 200]), None),
        (Some(90), None, None),
        (Some(90), Some([0, 0, 0]), None),
    ] {
        let mut sample = host(&[]);
        sample.capacity = Some(Capacity {
            memory,
            memory_limits,
            ..Capacity::default()
        });
        assert_eq!(
            value(&sample, Metric::Memory),
            expected,
            "{memory:?} {memory_limits:?}"
        );
    }
}

#[test]
fn ports_are_a_share_of_their_range_where_they_are_clear() {
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 443));
    let destination = |ports| Destination {
        to,
        from: IpAddr::V4(Ipv4Addr::LOCALHOST),
        ports,
    };
    let counted = |destinations| Usage::Counted {
        destinations,
        uncertainty: 0,
    };
    for (usage, at_most, expected) in [
        (
            Some(counted(vec![destination(80), destination(10)])),
            None,
            Some(80.0),
        ),
        // The last one is gone: that none is in use is a count too.
        (Some(counted(Vec::new())), None, Some(0.0)),
        (Some(Usage::Unclear), None, None),
        (None, Some(0.25), Some(25.0)),
        (None, None, None),
    ] {
        let mut sample = host(&[]);
        sample.ports_at_most = at_most;
        sample.ports = usage.clone().map(|usage| Ports {
            range: Range::new(40_000..=40_099, Vec::new(), Origin::Kernel).unwrap(),
            usage,
            told: Told::Each,
        });
        assert_eq!(
            value(&sample, Metric::Ports),
            expected,
            "{usage:?} {at_most:?}"
        );
    }
}

#[test]
fn what_was_not_read_is_a_gap_and_what_is_not_there_is_none() {
    let owner = |id: &str| Owner::Container { id: id.into() };
    let pod = |id: &str, malformed| PodReading {
        owner: owner(id),
        counted: counted(&[], malformed),
        gate: Gate::default(),
        age: Duration::ZERO,
        details: None,
    };
    let of = |id: &str| Whose::Of(owner(id));
    let alone = Whose::Alone(Scope::Host);
    let pods = Pods {
        readings: vec![pod("read", 0), pod("garbled", 1)],
        unread: vec![owner("waits")],
        summed: vec![owner("without room")],
        ..Pods::default()
    };
    let full = reading(Scope::Host, counted(&[], 0), Details::default());
    let garbled = reading(Scope::Host, counted(&[], 1), Details::default());
    let own = reading(Scope::Own, counted(&[], 0), Details::default());
    let gaps = [of("garbled"), of("waits"), of("without room")];
    for (what, readings, pods, subjects, unread) in [
        (
            "all",
            vec![full.clone()],
            Some(pods.clone()),
            vec![alone.clone(), of("read")],
            gaps.to_vec(),
        ),
        (
            "no host",
            vec![],
            Some(pods),
            vec![of("read")],
            [std::slice::from_ref(&alone), &gaps[..]].concat(),
        ),
        ("no pods", vec![full], None, vec![alone.clone()], vec![]),
        (
            "a garbled host",
            vec![garbled],
            None,
            vec![],
            vec![alone.clone()],
        ),
        (
            "another scope",
            vec![own],
            None,
            vec![Whose::Alone(Scope::Own)],
            vec![alone],
        ),
    ] {
        let mut sample = Sample::at(SystemTime::UNIX_EPOCH);
        sample.readings = readings;
        sample.pods = pods;
        let seen = see(&sample);
        let told: Vec<_> = seen.subjects.iter().map(|one| one.whose.clone()).collect();
        assert_eq!(told, subjects, "{what}");
        assert_eq!(seen.unread, unread, "{what}");
        assert_eq!(seen.pods_read, sample.pods.is_some(), "{what}");
    }
}

#[test]
fn who_reads_pods_alone_misses_no_host() {
    let reads = Reads {
        alone: None,
        pods: true,
    };
    let sample = Sample::at(SystemTime::UNIX_EPOCH);
    assert_eq!(
        Observer::new(reads).observe(&sample, Duration::ZERO).unread,
        []
    );
}

#[test]
fn what_is_of_the_machine_is_told_of_the_host_alone() {
    let mut sample = host(&[]);
    sample.pods = Some(Pods {
        readings: vec![PodReading {
            owner: Owner::Other,
            counted: counted(&[(State::CloseWait, 4)], 0),
            gate: Gate::Hold,
            age: Duration::ZERO,
            details: None,
        }],
        ..Pods::default()
    });
    sample.ports_at_most = Some(0.5);
    let seen = see(&sample);
    let [host, pod] = &seen.subjects[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(host.value(Metric::Ports), Some(50.0));
    assert_eq!(pod.value(Metric::CloseWait), Some(4.0));
    // A gate tells nothing of queues, and that is no empty queue.
    for metric in [
        Metric::Ports,
        Metric::Memory,
        Metric::ListenOverflows,
        Metric::AcceptQueue,
    ] {
        assert_eq!(pod.value(metric), None, "{}", metric.name());
    }
}
