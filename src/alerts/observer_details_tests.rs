//! What is seen of listening ports, and of ports in use.

use std::sync::Arc;
use std::time::SystemTime;

use super::*;
use crate::alerts::{Listening, Rules};
use crate::pods::{Gate, Owner, Pods};
use crate::source::{Scope, Sockets, Source};
use crate::tcp::Counts;

fn counted(malformed: u64) -> Counted {
    Counted {
        malformed,
        ..Counted::of(Sockets::Together {
            both: Counts::default(),
        })
    }
}

fn listening(port: u16) -> Details {
    let listening = Listening {
        port,
        sockets: 1,
        user: Some(0),
    };
    Details {
        listening: Some(Arc::from([listening])),
        ..Details::default()
    }
}

fn sample(malformed: u64) -> Sample {
    let mut sample = Sample::at(SystemTime::UNIX_EPOCH);
    sample.readings.push(Reading {
        scope: Scope::Host,
        source: Source::Text,
        why: None,
        step_downs: 0,
        counted: counted(malformed),
        details: listening(22),
    });
    sample
}

fn observe(sample: &Sample) -> Observation {
    let reads = Reads {
        alone: Some(Scope::Host),
        pods: true,
    };
    Observer::new(reads).observe(sample, Duration::ZERO)
}

#[test]
fn listening_ports_are_told_of_who_was_read_and_of_nobody_else() {
    let owner = |id: &str| Owner::Container { id: id.into() };
    let pod = |id: &str, details| PodReading {
        owner: owner(id),
        counted: counted(0),
        gate: Gate::default(),
        age: Duration::ZERO,
        details,
    };
    let mut sample = sample(0);
    sample.pods = Some(Pods {
        readings: vec![pod("read", Some(listening(80))), pod("held", None)],
        unread: vec![owner("waits")],
        ..Pods::default()
    });
    let seen = observe(&sample);
    let ports: Vec<_> = seen
        .subjects
        .iter()
        .map(|subject| subject.listening.as_ref().map(|ports| ports[0].port))
        .collect();
    assert_eq!(ports, [Some(22), Some(80), None]);
    assert_eq!(seen.unread, [Whose::Of(owner("waits"))]);
}

#[test]
fn ports_that_were_not_all_seen_are_not_told() {
    let seen = observe(&sample(1));
    assert_eq!(seen.subjects, []);
    assert_eq!(seen.unread, [Whose::Alone(Scope::Host)]);
}

#[test]
fn ports_too_few_to_matter_are_what_they_are_at_most_so_that_an_alert_can_end() {
    let mut sample = sample(0);
    let ports = |sample: &Sample| observe(sample).subjects[0].value(Metric::Ports);
    assert_eq!(ports(&sample), None);
    sample.ports_at_most = Some(0.25);
    assert_eq!(ports(&sample), Some(25.0));
}

#[test]
fn no_rule_is_about_ports_that_are_not_counted() {
    let with = |rule: &str| {
        let table = format!("[ports]\n{rule}").parse().unwrap();
        Rules::defaults()
            .with(&table)
            .map_err(|faults| faults.concat())
    };
    assert!(with("above = 50\nclear = 45").is_ok());
    let fault = with("above = 49\nclear = 45").unwrap_err();
    assert!(fault.contains("50 or more"), "{fault}");
}
