//! What begins and ends, and when.

use super::super::made::*;
use super::super::observation::Metric;
use super::*;
use crate::alerts::Transition;
use Transition::{Fired, Resolved};

const CLOSE_WAIT: &str = "[close-wait]\nmetric = \"tcp_close_wait\"\nabove = 10\nclear = 8\nfor = \"5m\"\nclear_for = \"2m\"\n";

#[test]
fn a_threshold_fires_once_it_was_held_and_ends_once_it_was_clear() {
    let mut bench = Bench::new(only(CLOSE_WAIT), 30);
    bench.host(Metric::CloseWait, 0.0);
    // The first of them begins it, and five minutes are ten more.
    for _ in 0..10 {
        assert_eq!(bench.host(Metric::CloseWait, 54.0), []);
    }
    let events = bench.host(Metric::CloseWait, 54.0);
    assert_eq!(told(&events), [("close-wait", Fired)]);
    assert_eq!(events[0].alert.since, at(30));
    assert_eq!(
        &*events[0].alert.body,
        "54 connections in CLOSE_WAIT on the host, more than 10 since 12:00:30 UTC. `tcpgauge culprits` says whose they are."
    );
    assert_eq!(bench.engine.active().count(), 1);
    for _ in 0..4 {
        assert_eq!(bench.host(Metric::CloseWait, 3.0), []);
    }
    let events = bench.host(Metric::CloseWait, 3.0);
    assert_eq!(told(&events), [("close-wait", Resolved)]);
    assert_eq!(
        &*events[0].alert.body,
        "3 connections in CLOSE_WAIT on the host now, after more than 10 since 12:00:30 UTC; it was so for 8 min."
    );
    assert_eq!(bench.engine.active().count(), 0);
    assert_eq!(bench.engine.recent().count(), 2);
}

#[test]
fn what_ends_in_between_begins_anew() {
    let mut bench = Bench::new(only(CLOSE_WAIT), 30);
    for value in [11.0, 11.0, 11.0, 11.0, 11.0, 11.0, 11.0, 11.0, 9.0].repeat(5) {
        assert_eq!(bench.host(Metric::CloseWait, value), []);
    }
}

#[test]
fn a_gap_neither_fires_nor_resolves() {
    let mut bench = Bench::new(only(CLOSE_WAIT), 30);
    bench.host(Metric::CloseWait, 54.0);
    bench.host(Metric::CloseWait, 54.0);
    // Neither samples without it nor hours without samples count.
    for _ in 0..100 {
        assert_eq!(bench.gap(30), []);
    }
    assert_eq!(bench.gap(7200), []);
    assert_eq!(bench.host(Metric::CloseWait, 54.0), []);
    for _ in 0..9 {
        assert_eq!(bench.host(Metric::CloseWait, 54.0), []);
    }
    assert_eq!(
        told(&bench.host(Metric::CloseWait, 54.0)),
        [("close-wait", Fired)]
    );
    bench.host(Metric::CloseWait, 1.0);
    for _ in 0..100 {
        assert_eq!(bench.gap(30), []);
    }
    assert_eq!(bench.host(Metric::CloseWait, 1.0), []);
    assert_eq!(bench.engine.active().count(), 1);
}

#[test]
fn a_rule_with_a_shorter_time_than_the_interval_needs_two_samples() {
    let mut bench = Bench::new(only(CLOSE_WAIT), 3600);
    assert_eq!(bench.host(Metric::CloseWait, 54.0), []);
    assert_eq!(
        told(&bench.host(Metric::CloseWait, 54.0)),
        [("close-wait", Fired)]
    );
}

#[test]
fn a_pod_that_has_ended_ends_its_alerts_and_one_that_was_not_read_does_not() {
    let mut bench = Bench::new(only(CLOSE_WAIT), 30);
    let leaks = || vec![subject(pod("cart"), &[(Metric::CloseWait, 54.0)])];
    for _ in 0..10 {
        bench.take(leaks());
    }
    let events = bench.take(leaks());
    assert_eq!(told(&events), [("close-wait", Fired)]);
    assert!(
        events[0].alert.body.contains("in pod shop/cart"),
        "{}",
        events[0].alert.body
    );
    let mut unread = bench.observation(30, Vec::new());
    unread.unread.push(pod("cart"));
    assert_eq!(bench.engine.take(&unread, None), []);
    let mut none = bench.observation(30, Vec::new());
    none.pods_read = false;
    assert_eq!(bench.engine.take(&none, None), []);
    let events = bench.take(Vec::new());
    assert_eq!(told(&events), [("close-wait", Resolved)]);
    assert!(
        events[0].alert.body.contains("It has ended"),
        "{}",
        events[0].alert.body
    );
    assert!(bench.engine.subjects.is_empty());
}

#[test]
fn a_value_that_is_told_of_no_more_ends_its_alert_after_a_while() {
    let rules = only("[ports]\nmetric = \"ports\"\nabove = 80\nfor = \"4m\"\n");
    let mut bench = Bench::new(rules, 30);
    let mut events = Vec::new();
    // They are counted every five minutes.
    for tick in 0..11 {
        events = if tick % 10 == 0 {
            bench.host(Metric::Ports, 90.0)
        } else {
            bench.host(Metric::Connections, 1.0)
        };
    }
    assert_eq!(told(&events), [("ports", Fired)]);
    for _ in 0..29 {
        assert_eq!(bench.host(Metric::Connections, 1.0), []);
        let alert = bench.engine.active().next().unwrap();
        assert!(
            alert
                .body
                .starts_with("Last known at 12:05:00 UTC: 90 % of the ports toward one destination in use on the host, more than 80 %"),
            "{}",
            alert.body
        );
    }
    let events = bench.host(Metric::Connections, 1.0);
    assert_eq!(told(&events), [("ports", Resolved)]);
    assert!(
        events[0].alert.body.contains("no longer told of"),
        "{}",
        events[0].alert.body
    );
}

#[test]
fn no_more_alerts_stand_than_there_is_room_for_and_the_rest_is_counted() {
    let rules = only("[many]\nmetric = \"tcp_close_wait\"\nabove = 1\nfor = \"0s\"\n");
    let mut bench = Bench::new(rules, 30);
    let pods = |range: std::ops::Range<usize>| {
        range
            .map(|n| subject(pod(&format!("p{n:04}")), &[(Metric::CloseWait, 2.0)]))
            .collect::<Vec<_>>()
    };
    let with_host = |mut pods: Vec<Subject>| {
        pods.push(subject(HOST, &[(Metric::CloseWait, 2.0)]));
        pods
    };
    let events = bench.take(pods(0..300));
    assert_eq!(events.len(), MOST_OF_PODS);
    // However many pods there are, the host has room of its own.
    let events = bench.take(with_host(pods(0..300)));
    assert_eq!(
        (told(&events), &events[0].alert.whose),
        (vec![("many", Fired)], &HOST)
    );
    assert_eq!(bench.engine.active().count(), MOST_OF_PODS + 1);
    assert_eq!(bench.engine.suppressed(), 300 - 256);
    assert_eq!(bench.engine.recent().count(), MOST_RECENT);
    // Where there is room again, they come.
    bench.take(with_host(pods(100..300)));
    let events = bench.take(with_host(pods(100..300)));
    assert_eq!((events.len(), bench.engine.suppressed()), (44, 0));
}

#[test]
fn the_order_of_subjects_and_one_that_is_there_twice_do_not_matter() {
    let one = || subject(pod("a"), &[(Metric::CloseWait, 54.0)]);
    let other = || subject(HOST, &[(Metric::CloseWait, 11.0)]);
    let mut benches = [(); 2].map(|()| Bench::new(only(CLOSE_WAIT), 30));
    for _ in 0..12 {
        let [straight, turned] = &mut benches;
        assert_eq!(
            straight.take(vec![one(), other()]),
            turned.take(vec![other(), one(), one(), other()])
        );
    }
    assert_eq!(benches[0].engine.active().count(), 2);
}

#[test]
fn the_gauge_has_each_rule_of_the_host_and_of_pods_those_that_stand() {
    let mut bench = Bench::new(only(CLOSE_WAIT), 30);
    let stands = |bench: &Bench| {
        let standing = bench.engine.standing().into_iter();
        let stands = standing.map(|one| (one.whose, one.stands));
        stands.collect::<Vec<_>>()
    };
    for _ in 0..11 {
        bench.take(vec![
            subject(HOST, &[(Metric::CloseWait, 0.0)]),
            subject(pod("a"), &[(Metric::CloseWait, 54.0)]),
        ]);
    }
    assert_eq!(stands(&bench), [(HOST, false), (pod("a"), true)]);
}

/// What cannot be read is a gap, and never a zero.
#[test]
fn the_gauge_has_no_point_of_a_rule_that_sees_nothing() {
    let mut bench = Bench::new(only(CLOSE_WAIT), 30);
    let points = |bench: &Bench| {
        let standing = bench.engine.standing().into_iter();
        standing.map(|one| one.stands).collect::<Vec<_>>()
    };
    assert!(points(&bench).is_empty());
    bench.gap(30);
    assert!(points(&bench).is_empty());
    // Its value is not told of, though others are.
    bench.host(Metric::Connections, 3.0);
    assert!(points(&bench).is_empty());
    bench.host(Metric::CloseWait, 0.0);
    for _ in 0..3 {
        assert_eq!(points(&bench), [false]);
        bench.gap(30);
    }
    assert_eq!(points(&bench), [false]);
    bench.gap(30);
    assert!(points(&bench).is_empty());
    // What stands does so until it is known that it does not.
    for _ in 0..11 {
        bench.host(Metric::CloseWait, 54.0);
    }
    for _ in 0..100 {
        bench.gap(30);
        assert_eq!(points(&bench), [true]);
    }
}

#[test]
fn the_clock_may_be_set_in_between() {
    let mut bench = Bench::new(only(CLOSE_WAIT), 30);
    let mut fired = Vec::new();
    for tick in 0..11 {
        let mut observation =
            bench.observation(30, vec![subject(HOST, &[(Metric::CloseWait, 54.0)])]);
        if tick > 5 {
            observation.time -= Duration::from_hours(24);
        }
        fired = bench.engine.take(&observation, None);
    }
    assert_eq!(told(&fired), [("close-wait", Fired)]);
    assert_eq!(
        fired[0].time.duration_since(fired[0].alert.since).unwrap(),
        Duration::from_mins(5)
    );
}

/// What is gone for good tells of itself that there is none, which is a value; what nobody can see any more is said to be that.
#[test]
fn what_an_alert_was_about_may_be_gone_for_good() {
    for (rule, metric) in [
        ("ports", Metric::Ports),
        ("accept-queue", Metric::AcceptQueue),
    ] {
        let mut bench = Bench::defaults(30);
        let fired: Vec<_> = (0..10).flat_map(|_| bench.host(metric, 95.0)).collect();
        assert_eq!(told(&fired), [(rule, Fired)]);
        let ended: Vec<_> = (0..10).flat_map(|_| bench.host(metric, 0.0)).collect();
        assert_eq!(told(&ended), [(rule, Resolved)]);
        assert!(
            ended[0].alert.body.starts_with("0 % "),
            "{}",
            ended[0].alert.body
        );

        let mut bench = Bench::defaults(30);
        for _ in 0..10 {
            bench.host(metric, 95.0);
        }
        // While nothing at all is read it stands, and says as of when.
        for _ in 0..200 {
            assert_eq!(bench.gap(30), []);
        }
        let alert = bench.engine.active().next().unwrap();
        assert!(
            alert.body.starts_with("Last known at 12:04:30 UTC: 95 % "),
            "{}",
            alert.body
        );
        // Where the rest is read and this is not, it ends after a quarter of an hour, and says so.
        let ended: Vec<_> = (0..30)
            .flat_map(|_| bench.host(Metric::Connections, 3.0))
            .collect();
        assert_eq!(told(&ended), [(rule, Resolved)]);
        assert!(
            ended[0].alert.body.contains("no longer told of"),
            "{}",
            ended[0].alert.body
        );
    }
}

#[test]
fn a_pod_without_room_keeps_its_alert_until_it_ends() {
    let mut bench = Bench::new(only(CLOSE_WAIT), 30);
    for _ in 0..11 {
        bench.take(vec![subject(pod("cart"), &[(Metric::CloseWait, 54.0)])]);
    }
    for _ in 0..100 {
        let mut among_others = bench.observation(30, Vec::new());
        among_others.unread.push(pod("cart"));
        assert_eq!(bench.engine.take(&among_others, None), []);
    }
    let alert = bench.engine.active().next().unwrap();
    assert!(
        alert.body.starts_with("Last known at 12:05:00 UTC: 54 "),
        "{}",
        alert.body
    );
    let events = bench.take(Vec::new());
    assert_eq!(told(&events), [("close-wait", Resolved)]);
    assert!(
        events[0]
            .alert
            .body
            .starts_with("Last known at 12:05:00 UTC: 54 "),
        "{}",
        events[0].alert.body
    );
}

/// What lies between two readings that are far apart was not read, so it does not count.
#[test]
fn two_readings_that_are_far_apart_are_no_minute_of_readings() {
    let mut bench = Bench::defaults(30);
    for _ in 0..40 {
        assert_eq!(bench.host(Metric::TimeWait, 0.0), []);
    }
    for (seconds, fires) in [(30, false), (90, false), (30, true)] {
        let subjects = vec![subject(HOST, &[(Metric::TimeWait, 35_000.0)])];
        let observation = bench.observation(seconds, subjects);
        let events = bench.engine.take(&observation, None);
        assert_eq!(events.len(), usize::from(fires), "at {}", bench.seconds);
    }
    // Nor is it for what ends.
    for (seconds, samples) in [(90, 3), (30, 7)] {
        for _ in 0..samples {
            let subjects = vec![subject(HOST, &[(Metric::TimeWait, 0.0)])];
            let observation = bench.observation(seconds, subjects);
            assert_eq!(bench.engine.take(&observation, None), []);
        }
    }
    assert_eq!(
        told(&bench.host(Metric::TimeWait, 0.0)),
        [("time-wait-many", Resolved)]
    );
}

#[test]
fn since_when_it_is_so_moves_with_a_clock_that_is_set() {
    let mut bench = Bench::new(only(CLOSE_WAIT), 30);
    for _ in 0..12 {
        bench.host(Metric::CloseWait, 54.0);
    }
    let since = |bench: &Bench| bench.engine.active().next().unwrap().since;
    let before = since(&bench);
    let day = 24 * 3600;
    bench.seconds += day;
    bench.host(Metric::CloseWait, 54.0);
    assert_eq!(since(&bench), before + Duration::from_secs(day));
    bench.seconds -= day / 2;
    bench.gap(30);
    assert_eq!(since(&bench), before + Duration::from_secs(day / 2));
    bench.host(Metric::CloseWait, 1.0);
    for _ in 0..3 {
        bench.host(Metric::CloseWait, 1.0);
    }
    let events = bench.host(Metric::CloseWait, 1.0);
    assert_eq!(told(&events), [("close-wait", Resolved)]);
    assert_eq!(events[0].alert.since, before + Duration::from_secs(day / 2));
}
