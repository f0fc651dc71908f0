//! What counts as told of, what the kernel hands out, and how much is remembered.

#![allow(clippy::float_cmp, reason = "what is made up are small whole numbers")]

use std::collections::BTreeMap;

use super::super::Transition::{Fired, Resolved};
use super::super::made::*;

fn for_samples(bench: &mut Bench, samples: u64, ports: &[u16]) {
    for _ in 0..samples {
        assert_eq!(bench.listens(ports), [], "at {}", bench.seconds);
    }
}

/// With the second sample one port is told of, and nothing else.
fn tells(bench: &mut Bench, rule: &str, ports: &[u16], port: u16) {
    assert_eq!(bench.listens(ports), [], "at {}", bench.seconds);
    let since = at(bench.seconds);
    let events = bench.listens(ports);
    assert_eq!(told(&events), [(rule, Fired)]);
    let alert = &events[0].alert;
    assert_eq!(alert.culprits[0].local_port, Some(port));
    assert_eq!(alert.since, since);
    if rule == "listen-gone" {
        assert!(alert.value < alert.limit, "{}", alert.body);
    } else {
        assert!(alert.value > alert.limit, "{}", alert.body);
    }
}

#[test]
fn what_was_there_in_one_sample_has_not_been_told_of() {
    for (first, then) in [(4444, 4444), (41_234, 55_555)] {
        let mut bench = Bench::defaults(30);
        for_samples(&mut bench, 40, &[22]);
        // However often: it is told of once it is there in two.
        for _ in 0..10 {
            for_samples(&mut bench, 1, &[22, first]);
            for_samples(&mut bench, 3, &[22]);
        }
        tells(&mut bench, "listen-unexpected", &[22, then], then);
        // And then it has been, for a day.
        assert_eq!(
            told(&bench.listens(&[22])),
            [("listen-unexpected", Resolved)]
        );
        for_samples(&mut bench, 10, &[22, then]);
        for_samples(&mut bench, 2000, &[22]);
        for_samples(&mut bench, 10, &[22, then]);
        for_samples(&mut bench, 3000, &[22]);
        if then == 4444 {
            tells(&mut bench, "listen-unexpected", &[22, then], then);
        }
    }
}

#[test]
fn of_ports_that_the_kernel_hands_out_so_many_are_known_as_were_told_of() {
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 40, &[22]);
    tells(&mut bench, "listen-unexpected", &[22, 40_000], 40_000);
    // For one sample there are more.
    assert_eq!(bench.listens(&[22, 40_000, 40_001, 40_002]), []);
    assert_eq!(
        told(&bench.listens(&[22])),
        [("listen-unexpected", Resolved)]
    );
    for_samples(&mut bench, 10, &[22, 41_000]);
    tells(
        &mut bench,
        "listen-unexpected",
        &[22, 41_000, 42_000],
        42_000,
    );
}

#[test]
fn many_ports_that_come_and_go_make_nobody_blind() {
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 40, &[22, 80]);
    let mut fired = BTreeMap::new();
    let mut count = |events: Vec<super::super::Event>| {
        for event in events {
            *fired
                .entry((event.alert.rule.to_string(), event.transition.name()))
                .or_insert(0) += 1;
        }
    };
    // A thousand at a time, for long enough to be told of.
    for batch in 0..4 {
        let first = 1000 + batch * 1000;
        let ports: Vec<_> = [22, 80].into_iter().chain(first..first + 1000).collect();
        for _ in 0..15 {
            count(bench.listens(&ports));
        }
        count(bench.listens(&[22, 80]));
        count(bench.listens(&[22, 80]));
    }
    for _ in 0..130 {
        count(bench.listens(&[22, 80]));
    }
    assert_eq!(bench.engine.active().count(), 0, "{fired:?}");
    tells(&mut bench, "listen-unexpected", &[22, 80, 9999], 9999);
    for_samples(&mut bench, 20, &[22, 80, 9999]);
    tells(&mut bench, "listen-gone", &[22, 9999], 80);
    // What was told of last is still known.
    for_samples(&mut bench, 10, &[22, 4500, 9999]);
}

#[test]
fn what_takes_the_place_of_a_port_leaves_the_number_as_it_is_and_what_is_said_is_of_fewer() {
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 40, &[22, 80, 443]);
    bench.listens(&[22, 81, 443]);
    let events = bench.listens(&[22, 81, 443]);
    assert_eq!(
        told(&events),
        [("listen-gone", Fired), ("listen-unexpected", Fired)]
    );
    let [gone, come] = [&events[0].alert, &events[1].alert];
    assert_eq!((gone.value, gone.limit), (3.0, 4.0));
    assert_eq!((come.value, come.limit), (3.0, 2.0));
}

#[test]
fn a_service_that_restarts_on_another_port_of_the_kernels_is_neither_missed_nor_unexpected() {
    for between in 0..2 {
        let mut bench = Bench::defaults(30);
        for_samples(&mut bench, 40, &[22, 40_000]);
        for_samples(&mut bench, between, &[22]);
        for_samples(&mut bench, 60, &[22, 50_000]);
        // One sample with another tells nothing of either.
        for_samples(&mut bench, 1, &[22, 50_000, 55_555]);
        for_samples(&mut bench, 20, &[22, 50_000]);
        tells(
            &mut bench,
            "listen-unexpected",
            &[22, 50_000, 55_555],
            55_555,
        );
        // It belongs there as what it replaced did.
        let events: Vec<_> = (0..130)
            .flat_map(|_| bench.listens(&[22, 50_000, 55_555]))
            .collect();
        assert_eq!(told(&events), [("listen-unexpected", Resolved)]);
        tells(&mut bench, "listen-gone", &[22, 55_555], 50_000);
    }
    // If it goes soon, it is missed too.
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 40, &[22, 40_000]);
    for_samples(&mut bench, 6, &[22, 50_000]);
    tells(&mut bench, "listen-gone", &[22], 50_000);
}

#[test]
fn what_came_before_or_is_another_users_takes_nobodys_place() {
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 40, &[22, 50_051]);
    let events: Vec<_> = (0..10)
        .flat_map(|_| bench.listens(&[22, 41_000, 50_051]))
        .collect();
    assert_eq!(told(&events), [("listen-unexpected", Fired)]);
    // There are no more of them than there were.
    let events = bench.listens(&[22, 41_000]);
    assert_eq!(told(&events), [("listen-unexpected", Resolved)]);
    let events = bench.listens(&[22, 41_000]);
    assert_eq!(told(&events), [("listen-gone", Fired)]);
    assert_eq!(events[0].alert.culprits[0].local_port, Some(50_051));
    // Nor does what comes and goes for a sample each: that is waited for for two minutes.
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 40, &[22, 50_051]);
    let mut gone = Vec::new();
    for sample in 0..10 {
        let events = bench.listens(&[22, 40_000 + sample]);
        let is_gone = |event: &super::super::Event| &*event.alert.rule == "listen-gone";
        gone.extend(events.iter().any(is_gone).then_some(sample));
    }
    assert_eq!(gone, [4]);
    let take = |bench: &mut Bench, port, user| {
        let mut subject = listening(HOST, &[22, port]);
        let mut ports = subject.listening.as_deref().unwrap().to_vec();
        ports[1].user = Some(user);
        subject.listening = Some(ports.into());
        bench.take(vec![subject])
    };
    for (user, events) in [(7, 0), (8, 1)] {
        let mut bench = Bench::defaults(30);
        for _ in 0..40 {
            assert_eq!(take(&mut bench, 50_051, 7), []);
        }
        take(&mut bench, 40_000, user);
        assert_eq!(take(&mut bench, 40_000, user).len(), events);
    }
}

#[test]
fn a_gap_is_no_part_of_what_is_known_and_one_of_how_long_it_has_been() {
    for gap in [90, 600, 3600] {
        for (rule, before, after) in [
            ("listen-gone", &[22, 80][..], &[22][..]),
            ("listen-unexpected", &[22], &[22, 80]),
            ("listen-unexpected", &[22], &[22, 40_000]),
        ] {
            let mut bench = Bench::defaults(30);
            for_samples(&mut bench, 40, before);
            for_samples(&mut bench, 1, after);
            let since = bench.seconds;
            assert_eq!(bench.gap(gap), []);
            let events: Vec<_> = (0..2).flat_map(|_| bench.listens(after)).collect();
            assert_eq!(told(&events), [(rule, Fired)]);
            let alert = &events[0].alert;
            assert_eq!(alert.since, at(since), "{gap}: {}", alert.body);
            let said = format!(
                "since {} UTC",
                &crate::sample::format_time(at(since))[11..19]
            );
            assert!(alert.body.contains(&said), "{gap}: {}", alert.body);
        }
    }
}

#[test]
fn a_port_that_comes_and_goes_is_missed_once_and_then_has_to_stay() {
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 60, &[22]);
    let mut ways = Vec::new();
    // Half an hour of every hour, for a day.
    for turn in 0..24 * 120 {
        let is_there = turn % 120 < 60;
        let ports: &[u16] = if is_there { &[22, 8080] } else { &[22] };
        let events = bench.listens(ports);
        let gone = events
            .iter()
            .filter(|event| &*event.alert.rule == "listen-gone");
        ways.extend(gone.map(|event| event.transition));
    }
    assert_eq!(ways, [Fired, Resolved]);
    // Now it stays, and belongs there.
    for _ in 0..121 {
        bench.listens(&[22, 8080]);
    }
    tells(&mut bench, "listen-gone", &[22], 8080);
}

#[test]
fn a_service_that_was_there_from_the_beginning_is_missed_each_time() {
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 1, &[22]);
    // It began a little after the agent.
    for_samples(&mut bench, 20, &[22, 8080]);
    for _ in 0..5 {
        tells(&mut bench, "listen-gone", &[22], 8080);
        assert_eq!(
            told(&bench.listens(&[22, 8080])),
            [("listen-gone", Resolved)]
        );
        for_samples(&mut bench, 5, &[22, 8080]);
    }
}
