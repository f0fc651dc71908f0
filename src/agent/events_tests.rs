//! Events before and after it is known whose they are.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::*;
use crate::alerts::{Alert, Metric, Severity, Transition};
use crate::config::{Config, Environment, Flags, settings::UsedBy};
use crate::culprits::Whose;
use crate::source::Scope;

fn event(number: usize) -> Event {
    Event {
        time: UNIX_EPOCH,
        transition: Transition::Fired,
        alert: Alert {
            id: number.to_string().into(),
            rule: "close-wait".into(),
            severity: Severity::Warning,
            whose: Whose::Alone(Scope::Host),
            metric: Metric::CloseWait,
            value: 12.0,
            limit: 10.0,
            since: UNIX_EPOCH,
            culprits: Vec::new(),
            body: "it leaks".into(),
            runbook: "".into(),
            steps: Arc::from([]),
        },
    }
}

fn resource() -> Resource {
    Resource::builder_empty().build()
}

/// Nobody listens on port 1: everything waits.
async fn start() -> Events {
    let flags = Flags {
        settings: [("logs_endpoint", "http://127.0.0.1:1".to_owned())].into(),
        file: None,
    };
    let config = Config::load(flags, Environment::default(), UsedBy::Senders).unwrap();
    let options = config.events.options().unwrap();
    Events::start(options, Duration::ZERO).await.unwrap()
}

#[tokio::test]
async fn events_are_held_until_it_is_known_whose_they_are() {
    let mut events = start().await;
    events.tell(&[event(0), event(1)]);
    events.tell(&[]);
    events.tell(&[event(2)]);
    assert_eq!(events.line.outbox.waiting(), 0);
    events.identify(&resource());
    assert_eq!(events.line.outbox.waiting(), 3);
    events.tell(&[event(3)]);
    assert_eq!(events.line.outbox.waiting(), 4, "each is a record");
    assert_eq!(events.dropped(), 0);
}

#[tokio::test]
async fn of_more_events_than_are_held_the_newest_are() {
    let mut events = start().await;
    let all: Vec<_> = (0..MOST_HELD + 3).map(event).collect();
    events.tell(&all);
    let held: Vec<_> = events.held.iter().map(|one| one.alert.id.clone()).collect();
    assert_eq!((held.len(), &*held[0]), (MOST_HELD, "3"));
    events.identify(&resource());
    assert_eq!(events.line.outbox.waiting(), MOST_HELD);
}

#[tokio::test]
async fn events_that_are_more_than_anybody_reads_push_out_the_oldest_and_are_counted() {
    let mut events = start().await;
    events.identify(&resource());
    let mut told = 0;
    while events.dropped() == 0 {
        events.tell(&[event(told)]);
        told += 1;
        assert!(told < 100_000);
    }
    let stats = events.line.outbox.stats();
    assert!(stats.bytes <= 1 << 20, "{stats:?}");
    assert_eq!(stats.records + events.dropped(), told as u64);
    assert!(stats.records > 1000, "{stats:?}");
}
