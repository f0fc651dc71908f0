//! Listeners that go and come.

#![allow(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "what is made up are small whole numbers"
)]

use super::super::Transition::{Fired, Resolved};
use super::super::made::*;
use super::super::observation::Metric;

const FEW: [u16; 3] = [22, 80, 5432];

fn for_minutes(bench: &mut Bench, minutes: u64, ports: &[u16]) {
    for _ in 0..minutes * 60 / bench.interval {
        assert_eq!(bench.listens(ports), [], "at {}", bench.seconds);
    }
}

#[test]
fn a_port_that_is_gone_is_told_of_with_the_second_sample() {
    let mut bench = Bench::defaults(30);
    // For minutes and one sample, that is enough.
    for _ in 0..11 {
        assert_eq!(bench.listens(&FEW), []);
    }
    assert_eq!(bench.listens(&[22, 80]), []);
    let events = bench.listens(&[22, 80]);
    assert_eq!(told(&events), [("listen-gone", Fired)]);
    let alert = &events[0].alert;
    assert_eq!((alert.value, alert.limit), (2.0, 3.0));
    assert_eq!(alert.culprits[0].local_port, Some(5432));
    assert_eq!(alert.culprits[0].user, Some(26));
    assert!(
        alert
            .body
            .starts_with("Port 5432 is no longer listened on since 12:05:30 UTC on the host, where there are 2 listening sockets (3 with what is missing): port 5432 of user 26. Runbook: docs/runbooks/listener-gone.md."),
        "{}",
        alert.body
    );
    let events = bench.listens(&FEW);
    assert_eq!(told(&events), [("listen-gone", Resolved)]);
    assert!(
        events[0]
            .alert
            .body
            .starts_with("Port 5432 is listened on again on the host, where there are 3 listening sockets now; it was missing since 12:05:30 UTC, for 60 s."),
        "{}",
        events[0].alert.body
    );
}

#[test]
fn one_sample_without_a_port_is_a_restart() {
    let mut bench = Bench::defaults(30);
    for_minutes(&mut bench, 10, &FEW);
    for _ in 0..20 {
        assert_eq!(bench.listens(&[22, 80]), []);
        for_minutes(&mut bench, 1, &FEW);
    }
}

#[test]
fn a_port_that_goes_is_missed_though_another_comes() {
    let mut bench = Bench::defaults(30);
    for_minutes(&mut bench, 10, &FEW);
    bench.listens(&[22, 80, 5433]);
    let events = bench.listens(&[22, 80, 5433]);
    assert_eq!(
        told(&events),
        [("listen-gone", Fired), ("listen-unexpected", Fired)]
    );
    assert_eq!(events[1].alert.culprits[0].local_port, Some(5433));
}

#[test]
fn what_stays_so_for_an_hour_is_accepted_and_said_to_be() {
    let mut bench = Bench::defaults(30);
    for_minutes(&mut bench, 10, &FEW);
    let changed = [22, 80, 5433];
    bench.listens(&changed);
    bench.listens(&changed);
    for_minutes(&mut bench, 59, &changed);
    let events = bench.listens(&changed);
    assert_eq!(
        told(&events),
        [("listen-gone", Resolved), ("listen-unexpected", Resolved)]
    );
    for event in &events {
        assert!(
            event.alert.body.contains("counts as usual"),
            "{}",
            event.alert.body
        );
    }
    for_minutes(&mut bench, 120, &changed);
    bench.listens(&[22, 80]);
    assert_eq!(told(&bench.listens(&[22, 80])), [("listen-gone", Fired)]);
}

#[test]
fn servers_of_tests_that_come_and_go_are_told_of_once_and_hide_nothing() {
    let mut bench = Bench::defaults(30);
    for_minutes(&mut bench, 10, &FEW);
    let mut events = Vec::new();
    let mut port = 40_000;
    for minute in 0..600 {
        // Now and then there is one, each time on another port, for some minutes.
        let mut ports = FEW.to_vec();
        if minute % 10 < 4 {
            ports.push(port);
        } else {
            port += 1;
        }
        for _ in 0..2 {
            events.extend(bench.listens(&ports));
        }
    }
    assert_eq!(
        told(&events),
        [
            ("listen-unexpected", Fired),
            ("listen-unexpected", Resolved)
        ]
    );
    bench.listens(&[22, 80]);
    assert_eq!(told(&bench.listens(&[22, 80])), [("listen-gone", Fired)]);
}

#[test]
fn with_short_intervals_ten_seconds_must_have_passed() {
    let mut bench = Bench::defaults(1);
    for_minutes(&mut bench, 10, &FEW);
    for _ in 0..10 {
        assert_eq!(bench.listens(&[22, 80]), []);
    }
    assert_eq!(told(&bench.listens(&[22, 80])), [("listen-gone", Fired)]);
}

#[test]
fn where_ports_are_not_known_their_number_tells() {
    let mut bench = Bench::defaults(30);
    for _ in 0..20 {
        assert_eq!(bench.host(Metric::Listen, 12.0), []);
    }
    bench.host(Metric::Listen, 11.0);
    let events = bench.host(Metric::Listen, 11.0);
    assert_eq!(told(&events), [("listen-gone", Fired)]);
    assert!(
        events[0]
            .alert
            .body
            .starts_with("11 listening sockets on the host, fewer than the settled 12 since"),
        "{}",
        events[0].alert.body
    );
    bench.host(Metric::Listen, 13.0);
    assert_eq!(
        told(&bench.host(Metric::Listen, 13.0)),
        [("listen-unexpected", Fired)]
    );
}

#[test]
fn what_a_gate_lets_stand_is_as_good_as_a_reading() {
    let mut bench = Bench::defaults(30);
    let held = || subject(pod("a"), &[(Metric::Listen, 3.0)]);
    for _ in 0..40 {
        assert_eq!(bench.take(vec![listening(pod("a"), &FEW)]), []);
        assert_eq!(bench.take(vec![held()]), []);
        assert_eq!(bench.take(vec![held()]), []);
    }
    bench.take(vec![listening(pod("a"), &[22, 80])]);
    let events = bench.take(vec![listening(pod("a"), &[22, 80])]);
    assert_eq!(told(&events), [("listen-gone", Fired)]);
}

#[test]
fn one_of_several_sockets_of_a_port_is_missed_too() {
    let mut bench = Bench::defaults(30);
    let workers = |sockets: u32| {
        let mut subject = listening(HOST, &[443]);
        subject.set(Metric::Listen, Some(f64::from(sockets)));
        let mut ports = subject.listening.as_deref().unwrap().to_vec();
        ports[0].sockets = sockets;
        subject.listening = Some(ports.into());
        vec![subject]
    };
    for _ in 0..20 {
        assert_eq!(bench.take(workers(4)), []);
    }
    bench.take(workers(3));
    let events = bench.take(workers(3));
    assert!(
        events[0]
            .alert
            .body
            .starts_with("Port 443 is listened on by fewer sockets"),
        "{}",
        events[0].alert.body
    );
}

#[test]
fn whatever_comes_and_goes_on_other_ports_a_port_that_is_gone_is_told_of() {
    for (what, first, each) in [
        ("one sample each, any ports", 40_000, 1),
        ("minutes each, any ports", 40_000, 7),
        ("one sample each, fixed ports", 5000, 1),
        ("minutes each, fixed ports", 5000, 7),
        ("for so long that they belong there", 5000, 25),
    ] {
        let mut bench = Bench::defaults(30);
        let mut port = first;
        let mut day = |bench: &mut Bench, ports: &[u16], samples: usize| {
            let mut missing = 0;
            for sample in 0..samples {
                if sample % each == 0 {
                    port += 1;
                }
                let all: Vec<_> = ports.iter().copied().chain([port]).collect();
                for event in bench.listens(&all) {
                    let is_22 = event
                        .alert
                        .culprits
                        .iter()
                        .any(|one| one.local_port == Some(22));
                    missing += usize::from(&*event.alert.rule == "listen-gone" && is_22);
                }
                let names_it = bench
                    .engine
                    .active()
                    .any(|alert| alert.culprits.iter().any(|one| one.local_port == Some(22)));
                if !ports.contains(&22) && sample > 0 {
                    assert!(names_it, "{what}, {sample} samples after it was gone");
                }
            }
            missing
        };
        assert_eq!(day(&mut bench, &[22, 80], 1000), 0, "{what}");
        day(&mut bench, &[80], 20);
    }
}

#[test]
fn a_port_that_is_back_for_too_short_does_not_end_it_if_that_is_to_last() {
    let text = "[listen-gone]\nclear_for = \"2m\"\n";
    let rules = super::super::Rules::defaults().with(&text.parse().unwrap());
    let mut bench = Bench::new(rules.unwrap(), 30);
    for_minutes(&mut bench, 10, &FEW);
    bench.listens(&[22, 80]);
    assert_eq!(told(&bench.listens(&[22, 80])), [("listen-gone", Fired)]);
    // Back for a minute, and gone again: the same alert.
    for_minutes(&mut bench, 1, &FEW);
    let said: Vec<_> = bench
        .engine
        .active()
        .map(|alert| alert.body.to_string())
        .collect();
    assert_eq!(
        said,
        [
            "3 listening sockets on the host now; port 5432 missing first at 12:10:00 UTC and last at 12:10:30 UTC. Resolved at 12:13:00 UTC if that lasts. Runbook: docs/runbooks/listener-gone.md."
        ]
    );
    for_minutes(&mut bench, 2, &[22, 80]);
    for_minutes(&mut bench, 2, &FEW);
    assert_eq!(told(&bench.listens(&FEW)), [("listen-gone", Resolved)]);
    for_minutes(&mut bench, 60, &FEW);
}

#[test]
fn a_port_that_is_gone_does_not_wait_for_another_that_has_just_gone() {
    let mut bench = Bench::defaults(30);
    for_minutes(&mut bench, 10, &FEW);
    assert_eq!(bench.listens(&[80, 5432]), []);
    let events = bench.listens(&[80]);
    assert_eq!(told(&events), [("listen-gone", Fired)]);
    assert!(
        events[0].alert.body.starts_with("Port 22 is"),
        "{}",
        events[0].alert.body
    );
    assert_eq!(told(&bench.listens(&[80])), [("listen-gone", Fired)]);
    let alert = bench.engine.active().next().unwrap();
    assert!(
        alert.body.starts_with("Port 5432 is no longer listened on since 12:10:30 UTC, and port 22 since 12:10:00 UTC, on the host"),
        "{}",
        alert.body
    );
}

#[test]
fn an_interval_as_long_as_it_takes_to_be_accepted_has_it_told_before() {
    let mut bench = Bench::defaults(3600);
    for _ in 0..5 {
        assert_eq!(bench.listens(&[22, 80]), []);
    }
    assert_eq!(bench.listens(&[22, 443]), []);
    for way in [Fired, Resolved] {
        let events = bench.listens(&[22, 443]);
        let mut events = told(&events);
        events.sort_unstable_by_key(|event| event.0);
        assert_eq!(events, [("listen-gone", way), ("listen-unexpected", way)]);
    }
}
