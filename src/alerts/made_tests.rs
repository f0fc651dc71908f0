//! A machine that is made up, and an engine that watches over it.

#![allow(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "what is made up are small whole numbers"
)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::observation::{Listening, Metric, Observation, Subject};
use super::{Engine, Event, Reads, Rules, Setup, Transition};
use crate::culprits::Whose;
use crate::pods::{Owner, PodName};
use crate::source::Scope;

pub(super) const HOST: Whose = Whose::Alone(Scope::Host);

pub(super) fn setup(interval: u64) -> Setup {
    Setup {
        runbooks: Arc::from(""),
        instance: Arc::from("one"),
        interval: Duration::from_secs(interval),
        reads: Reads {
            alone: Some(Scope::Host),
            pods: true,
        },
    }
}

/// 2026-11-29 12:00:00 UTC, and so many seconds.
pub(super) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_953_600 + seconds)
}

pub(super) fn pod(name: &str) -> Whose {
    Whose::Of(Owner::Pod {
        uid: Arc::from(format!("uid-{name}")),
        name: Some(PodName {
            namespace: Arc::from("shop"),
            pod: Arc::from(name),
        }),
    })
}

pub(super) fn subject(whose: Whose, values: &[(Metric, f64)]) -> Subject {
    let mut subject = Subject {
        whose,
        values: [None; Metric::ALL.len()],
        listening: None,
        fullest_port: None,
    };
    for (metric, value) in values {
        subject.set(*metric, Some(*value));
    }
    subject
}

/// One socket of user 26 on each port.
pub(super) fn listening(whose: Whose, ports: &[u16]) -> Subject {
    let listening: Vec<_> = ports
        .iter()
        .map(|port| Listening {
            port: *port,
            sockets: 1,
            user: Some(26),
        })
        .collect();
    Subject {
        listening: Some(Arc::from(listening)),
        ..subject(whose, &[(Metric::Listen, ports.len() as f64)])
    }
}

/// Rules of these tables alone.
pub(super) fn only(text: &str) -> Rules {
    let table = text.parse::<toml::Table>().unwrap();
    Rules::default().with(&table).unwrap()
}

/// An engine and its clock.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) engine: Engine,
    pub(super) interval: u64,
    pub(super) seconds: u64,
    is_first: bool,
}

impl Bench {
    pub(super) fn new(rules: Rules, interval: u64) -> Self {
        Self {
            engine: Engine::new(rules, setup(interval)),
            interval,
            seconds: 0,
            is_first: true,
        }
    }

    pub(super) fn defaults(interval: u64) -> Self {
        Self::new(Rules::defaults(), interval)
    }

    pub(super) fn observation(&mut self, step: u64, subjects: Vec<Subject>) -> Observation {
        let step = if std::mem::take(&mut self.is_first) {
            0
        } else {
            step
        };
        self.seconds += step;
        Observation {
            time: at(self.seconds),
            step: Duration::from_secs(step),
            subjects,
            unread: Vec::new(),
            pods_read: true,
        }
    }

    pub(super) fn take(&mut self, subjects: Vec<Subject>) -> Vec<Event> {
        let observation = self.observation(self.interval, subjects);
        self.engine.take(&observation, None)
    }

    /// What becomes of a value of the host's.
    pub(super) fn host(&mut self, metric: Metric, value: f64) -> Vec<Event> {
        self.take(vec![subject(HOST, &[(metric, value)])])
    }

    /// A sample in which the host could not be read.
    pub(super) fn gap(&mut self, seconds: u64) -> Vec<Event> {
        let mut observation = self.observation(seconds, Vec::new());
        observation.unread.push(HOST);
        self.engine.take(&observation, None)
    }

    pub(super) fn listens(&mut self, ports: &[u16]) -> Vec<Event> {
        self.take(vec![listening(HOST, ports)])
    }
}

/// Their rules and which way they went.
pub(super) fn told(events: &[Event]) -> Vec<(&str, Transition)> {
    let told = events
        .iter()
        .map(|event| (&*event.alert.rule, event.transition));
    told.collect()
}
