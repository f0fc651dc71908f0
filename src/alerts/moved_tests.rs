//! Ports that go and come while an alert stands, one after the other.

use super::super::Transition::{Fired, Resolved};
use super::super::made::*;
use super::super::{Event, Listening};
use super::*;

const THREE: [u16; 3] = [22, 80, 5432];

fn for_samples(bench: &mut Bench, samples: usize, ports: &[u16]) {
    for _ in 0..samples {
        assert_eq!(bench.listens(ports), [], "at {}", bench.seconds);
    }
}

fn only_one(events: Vec<Event>, way: super::super::Transition) -> Event {
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].transition, way);
    events.into_iter().next().unwrap()
}

#[test]
fn a_second_service_that_dies_is_an_event_of_the_same_alert_with_its_port_first() {
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 40, &THREE);
    bench.listens(&[22, 5432]);
    let first = only_one(bench.listens(&[22, 5432]), Fired);
    for_samples(&mut bench, 18, &[22, 5432]);
    bench.listens(&[22]);
    let second = only_one(bench.listens(&[22]), Fired);
    assert_eq!(second.alert.id, first.alert.id);
    assert_eq!(
        (first.alert.since, second.alert.since),
        (at(1200), at(1800))
    );
    assert_eq!(second.alert.culprits[0].local_port, Some(5432));
    assert_eq!(
        &*second.alert.body,
        "Port 5432 is no longer listened on since 12:30:00 UTC, and port 80 since 12:20:00 UTC, on the host, where there is 1 listening socket (3 with what is missing): port 5432 of user 26; port 80 of user 26. Runbook: docs/runbooks/listener-gone.md."
    );
    // What stands is the one alert, since the first.
    let stands: Vec<_> = bench.engine.active().cloned().collect();
    assert_eq!((stands.len(), stands[0].since), (1, at(1200)));
    assert_eq!(stands[0].body, second.alert.body);
    // One that is back is no longer named as gone.
    for_samples(&mut bench, 10, &[22, 5432]);
    let body = bench.engine.active().next().unwrap().body.to_string();
    assert!(
        body.starts_with("Port 80 is no longer listened on since 12:20:00 UTC on the host, where there are 2 listening sockets (3 with what is missing): port 80 of"),
        "{body}"
    );
    let resolved = only_one(bench.listens(&THREE), Resolved);
    assert_eq!(resolved.alert.id, first.alert.id);
    assert_eq!(
        &*resolved.alert.body,
        "Ports 5432, 80 are listened on again on the host, where there are 3 listening sockets now; missing were port 5432 since 12:30:00 UTC, port 80 since 12:20:00 UTC, and it was so for 16 min. Runbook: docs/runbooks/listener-gone.md."
    );
}

#[test]
fn a_second_port_that_nobody_planned_is_an_event_too() {
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 40, &THREE);
    let deployed = [22, 80, 5432, 9000];
    bench.listens(&deployed);
    let first = only_one(bench.listens(&deployed), Fired);
    for_samples(&mut bench, 18, &deployed);
    let intruded = [22, 80, 4444, 5432, 9000];
    bench.listens(&intruded);
    let second = only_one(bench.listens(&intruded), Fired);
    assert_eq!(second.alert.id, first.alert.id);
    assert!(
        second.alert.body.starts_with("Port 4444 is unexpectedly listened on since 12:30:00 UTC, and port 9000 since 12:20:00 UTC, on the host, where there are 5 listening sockets (3 without what is unexpected): port 4444 of"),
        "{}",
        second.alert.body
    );
    // Each belongs there after its own hour.
    for_samples(&mut bench, 100, &intruded);
    let body = bench.engine.active().next().unwrap().body.to_string();
    assert!(body.starts_with("Port 4444 is unexpectedly"), "{body}");
    let events: Vec<_> = (0..60).flat_map(|_| bench.listens(&intruded)).collect();
    let resolved = only_one(events, Resolved);
    assert!(
        resolved.alert.body.ends_with(": that counts as usual now. It was so for 70 min. Port 9000 is still listened on, which counts as usual. Runbook: docs/runbooks/listener-gone.md."),
        "{}",
        resolved.alert.body
    );
}

#[test]
fn a_port_that_flaps_while_an_alert_stands_is_told_of_once() {
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 40, &THREE);
    let mut events = Vec::new();
    for _ in 0..10 {
        for ports in [[22].as_slice(), &[22], &[22], &[22, 5432], &[22, 5432]] {
            events.extend(bench.listens(ports));
        }
    }
    assert_eq!(told(&events), [("listen-gone", Fired)]);
    // Both were told of with the first, at once.
    assert!(
        events[0]
            .alert
            .body
            .starts_with("Ports 80, 5432 are no longer")
    );
    only_one(bench.listens(&THREE), Resolved);
    bench.listens(&[22, 80]);
    only_one(bench.listens(&[22, 80]), Fired);
}

#[test]
fn a_port_that_had_settled_again_while_an_alert_stands_is_told_of_anew_with_its_own_time() {
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 150, &THREE);
    bench.listens(&[22]);
    let first = only_one(bench.listens(&[22]), Fired);
    // Port 80 stays away; 5432 comes back, stays for long, and dies once more.
    for_samples(&mut bench, 12, &[22, 5432]);
    let died = bench.seconds + 30;
    bench.listens(&[22]);
    let second = only_one(bench.listens(&[22]), Fired);
    assert_eq!(second.alert.id, first.alert.id);
    assert_eq!(second.alert.since, at(died));
    assert_eq!(second.alert.culprits[0].local_port, Some(5432));
    assert!(
        second.alert.body.starts_with("Port 5432 is no longer listened on since 13:22:00 UTC, and port 80 since 13:15:00 UTC, on the host,"),
        "{}",
        second.alert.body
    );
    // One that comes and goes faster is told of once, and is not said to have been away all the time.
    for_samples(&mut bench, 4, &[22, 5432]);
    for_samples(&mut bench, 4, &[22]);
    let body = bench.engine.active().next().unwrap().body.to_string();
    assert!(
        body.contains("5432 is no longer listened on since 13:25:00 UTC"),
        "{body}"
    );
}

#[test]
fn every_port_that_is_gone_is_named() {
    let mut bench = Bench::defaults(30);
    let many: Vec<u16> = (8001..=8012).collect();
    for_samples(&mut bench, 40, &many);
    bench.listens(&[]);
    let fired = only_one(bench.listens(&[]), Fired);
    let resolved = only_one(bench.listens(&many), Resolved);
    for port in many.iter().map(ToString::to_string) {
        assert!(fired.alert.body.contains(&port), "{}", fired.alert.body);
        assert!(
            resolved.alert.body.contains(&port),
            "{}",
            resolved.alert.body
        );
    }
}

#[test]
fn after_a_restart_what_was_told_is_not_told_again_and_what_dies_then_is() {
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 40, &THREE);
    bench.listens(&[22, 5432]);
    let first = only_one(bench.listens(&[22, 5432]), Fired);
    let mut again = Bench::defaults(30);
    again
        .engine
        .restore(&bench.engine.save(), at(bench.seconds))
        .unwrap();
    again.seconds = bench.seconds;
    for_samples(&mut again, 5, &[22, 5432]);
    again.listens(&[22]);
    let second = only_one(again.listens(&[22]), Fired);
    assert_eq!(second.alert.id, first.alert.id);
    assert!(
        second
            .alert
            .body
            .contains("and port 80 since 12:20:00 UTC, on"),
        "{}",
        second.alert.body
    );
}

#[test]
fn however_many_ports_come_an_alert_tells_of_a_bounded_number() {
    let mut bench = Bench::defaults(30);
    for_samples(&mut bench, 40, &[22]);
    let mut events = Vec::new();
    for count in 1..60 {
        let ports: Vec<_> = [22].into_iter().chain(9000..9000 + count).collect();
        events.extend(bench.listens(&ports));
    }
    assert_eq!(events.len(), MOST_TOLD);
    assert!(events.iter().all(|event| event.transition == Fired));
}

fn port(number: u16) -> Moved {
    Moved {
        port: number,
        user: None,
        sockets: 1,
        since: 0,
        is_back: false,
        back: 0,
    }
}

#[test]
fn one_port_of_any_in_the_place_of_another_is_nothing_new() {
    let mut told = vec![port(40_000)];
    assert!(!add(&mut told, &[port(40_001)], Side::Above, 0, 0));
    assert_eq!(told, [port(40_001)]);
    assert!(add(
        &mut told,
        &[port(40_001), port(40_002)],
        Side::Above,
        0,
        0
    ));
    assert_eq!(told, [port(40_002), port(40_001)]);
    // One that belonged there is missed as any other is.
    assert!(add(&mut told, &[port(40_003)], Side::Below, 0, 0));
}

#[test]
fn what_listens_is_counted_where_it_is_known() {
    let mut told = vec![port(80), port(0)];
    count(&mut told, None);
    assert_eq!(told[0].sockets, 1);
    let listening = |sockets| Listening {
        port: 80,
        sockets,
        user: None,
    };
    count(&mut told, Some(&[listening(3)]));
    assert_eq!((told[0].sockets, told[1].sockets), (3, 1));
    count(&mut told, Some(&[]));
    assert_eq!(told[0].sockets, 0);
}
