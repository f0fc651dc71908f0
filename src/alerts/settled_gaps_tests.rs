//! What is seen first, samples that name no port, pods that drain, and sums of pods.

#![allow(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "what is made up are small whole numbers"
)]

use super::super::Transition::{Fired, Resolved};
use super::super::made::*;
use super::super::observation::Metric;
use crate::culprits::Whose;
use crate::pods::Owner;

const FEW: [u16; 3] = [22, 80, 5432];

fn for_minutes(bench: &mut Bench, minutes: u64, ports: &[u16]) {
    for _ in 0..minutes * 60 / bench.interval {
        assert_eq!(bench.listens(ports), [], "at {}", bench.seconds);
    }
}

/// Of what is there when the agent begins nobody knows for how long it has been; that it was there once is not enough.
#[test]
fn what_was_there_at_first_and_for_few_minutes_is_not_missed() {
    for port in [20_000, 40_000] {
        let mut bench = Bench::defaults(30);
        for_minutes(&mut bench, 4, &[22, port]);
        for_minutes(&mut bench, 60, &[22]);
    }
    // A service may have a port of those that a kernel hands out, too.
    let mut bench = Bench::defaults(30);
    for_minutes(&mut bench, 6, &[22, 50_051]);
    bench.listens(&[22]);
    assert_eq!(told(&bench.listens(&[22])), [("listen-gone", Fired)]);
}

#[test]
fn where_nobody_listens_the_first_who_does_is_unexpected_and_nobody_is_missed_who_goes() {
    let mut bench = Bench::defaults(30);
    let mut take = |ports: &[u16]| bench.take(vec![listening(pod("worker"), ports)]);
    for _ in 0..100 {
        assert_eq!(take(&[]), []);
    }
    take(&[4444]);
    assert_eq!(told(&take(&[4444])), [("listen-unexpected", Fired)]);
    assert_eq!(take(&[4444]), []);
    assert_eq!(told(&take(&[])), [("listen-unexpected", Resolved)]);
    for _ in 0..100 {
        assert_eq!(take(&[]), []);
    }
}

/// More ports than can be told one by one are a gap for what is known by name.
#[test]
fn a_port_that_is_gone_is_still_gone_after_samples_that_name_none() {
    let mut bench = Bench::defaults(30);
    for_minutes(&mut bench, 20, &FEW);
    bench.listens(&[22, 5432]);
    assert_eq!(told(&bench.listens(&[22, 5432])), [("listen-gone", Fired)]);
    for _ in 0..20 {
        assert_eq!(bench.host(Metric::Listen, 1500.0), []);
    }
    let body = bench.engine.active().next().unwrap().body.to_string();
    assert!(
        body.starts_with("Last known at 12:20:30 UTC: Port 80 "),
        "{body}"
    );
    for_minutes(&mut bench, 20, &[22, 5432]);
    assert_eq!(bench.engine.active().count(), 1);
    assert_eq!(told(&bench.listens(&FEW)), [("listen-gone", Resolved)]);
}

#[test]
fn where_names_stay_away_the_number_tells_and_where_they_come_back_each_port_does() {
    let mut bench = Bench::defaults(30);
    for_minutes(&mut bench, 20, &FEW);
    for _ in 0..60 {
        assert_eq!(bench.host(Metric::Listen, 1500.0), []);
    }
    bench.host(Metric::Listen, 1499.0);
    let events = bench.host(Metric::Listen, 1499.0);
    assert_eq!(told(&events), [("listen-gone", Fired)]);
    // That they are named again does not end it: there are too few of them, until that counts as usual.
    for_minutes(&mut bench, 50, &FEW);
    let events: Vec<_> = (0..40).flat_map(|_| bench.listens(&FEW)).collect();
    assert_eq!(told(&events), [("listen-gone", Resolved)]);
    assert!(
        events[0].alert.body.contains("counts as usual"),
        "{}",
        events[0].alert.body
    );
    bench.listens(&[22, 80]);
    assert_eq!(told(&bench.listens(&[22, 80])), [("listen-gone", Fired)]);
}

/// A pod that ends closes its listeners, and serves the connections that it has for a while.
#[test]
fn a_pod_that_drains_is_no_alarm_and_one_that_stays_without_its_ports_is() {
    let serving = || listening(pod("web"), &[8080, 9090]);
    let drained = || listening(pod("web"), &[]);
    for (missing, fires) in [(3, false), (4, false), (5, true)] {
        let mut bench = Bench::defaults(30);
        for _ in 0..40 {
            assert_eq!(bench.take(vec![serving()]), []);
        }
        let events: Vec<_> = (0..missing)
            .flat_map(|_| bench.take(vec![drained()]))
            .collect();
        assert_eq!(events.len(), usize::from(fires), "{missing}");
        let ended = bench.take(Vec::new());
        assert_eq!(ended.len(), usize::from(fires), "{missing}");
    }
    // One of its ports is told of with the second sample, and stays told of when the other goes.
    let mut bench = Bench::defaults(30);
    for _ in 0..40 {
        assert_eq!(bench.take(vec![serving()]), []);
    }
    bench.take(vec![listening(pod("web"), &[9090])]);
    let events = bench.take(vec![listening(pod("web"), &[9090])]);
    assert_eq!(told(&events), [("listen-gone", Fired)]);
    for _ in 0..4 {
        assert_eq!(bench.take(vec![drained()]), []);
        let body = bench.engine.active().next().unwrap().body.to_string();
        assert!(
            body.starts_with("Port 8080 is no longer listened on since 12:20:00 UTC in pod"),
            "{body}"
        );
    }
    assert_eq!(told(&bench.take(vec![drained()])), [("listen-gone", Fired)]);
    // Of the host all are told of at once.
    let mut bench = Bench::defaults(30);
    for_minutes(&mut bench, 20, &[8080]);
    bench.listens(&[]);
    assert_eq!(told(&bench.listens(&[])), [("listen-gone", Fired)]);
}

#[test]
fn which_pods_are_summed_changes_and_their_listeners_and_ranges_are_not_judged() {
    let mut bench = Bench::defaults(30);
    let other = || Whose::Of(Owner::Other);
    let many = |subject: &mut super::super::Subject, established| {
        subject.set(Metric::Established, Some(established));
    };
    for sample in 0..400 {
        let mut sum = listening(other(), &[80, 9090, 8080]);
        many(&mut sum, 5000.0);
        assert_eq!(bench.take(vec![sum]), [], "{sample}");
    }
    for sample in 0..40 {
        let mut sum = listening(other(), &[80, 7070]);
        many(&mut sum, 20.0);
        assert_eq!(bench.take(vec![sum]), [], "{sample}");
    }
    // Thresholds hold.
    let sum = || subject(other(), &[(Metric::CloseWait, 500.0)]);
    let events: Vec<_> = (0..20).flat_map(|_| bench.take(vec![sum()])).collect();
    assert_eq!(told(&events), [("close-wait", Fired)]);
}
