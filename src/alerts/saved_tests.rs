//! An engine that goes on where another one was.

use super::super::made::*;
use super::super::{Rules, engine};
use super::*;
use crate::alerts::{Metric, Transition};
use Transition::{Fired, Resolved};

fn leaking(bench: &mut Bench) {
    for _ in 0..11 {
        bench.take(vec![
            subject(pod("cart"), &[(Metric::CloseWait, 54.0)]),
            subject(HOST, &[(Metric::CloseWait, 99.0)]),
        ]);
    }
    assert_eq!(bench.engine.active().count(), 2);
}

#[test]
fn a_restart_does_not_tell_again_what_was_told_and_goes_on_with_its_time() {
    let mut bench = Bench::defaults(30);
    leaking(&mut bench);
    let before: Vec<_> = bench.engine.active().cloned().collect();
    let saved = bench.engine.save();
    let mut again = Bench::defaults(30);
    again
        .engine
        .restore(&saved, at(bench.seconds + 40))
        .unwrap();
    again.seconds = bench.seconds + 40;
    assert_eq!(again.engine.active().cloned().collect::<Vec<_>>(), before);
    assert_eq!(again.engine.recent().count(), 2);
    for _ in 0..4 {
        let events = again.take(vec![subject(HOST, &[(Metric::CloseWait, 1.0)])]);
        // The pod ended meanwhile.
        assert!(events.iter().all(|event| event.alert.whose != HOST));
    }
    let events = again.take(vec![subject(HOST, &[(Metric::CloseWait, 1.0)])]);
    assert_eq!(told(&events), [("close-wait", Resolved)]);
    assert_eq!(events[0].alert.id, before[0].id);
    assert_eq!(events[0].alert.since, at(0));
}

#[test]
fn a_service_that_died_while_the_agent_was_away_is_told_of_with_the_second_sample() {
    let mut bench = Bench::defaults(30);
    for _ in 0..20 {
        bench.listens(&[22, 5432]);
    }
    let saved = bench.engine.save();
    for away in [10, 3600] {
        let mut again = restored(&saved, bench.seconds + away);
        assert_eq!(again.listens(&[22]), []);
        assert_eq!(told(&again.listens(&[22])), [("listen-gone", Fired)]);
    }
    // One sample has seen it already: what comes first after the restart is the second.
    bench.listens(&[22]);
    let mut again = restored(&bench.engine.save(), bench.seconds + 20);
    assert_eq!(told(&again.listens(&[22])), [("listen-gone", Fired)]);
}

fn restored(saved: &[u8], seconds: u64) -> Bench {
    let mut again = Bench::defaults(30);
    again.seconds = seconds;
    again.engine.restore(saved, at(seconds)).unwrap();
    again
}

#[test]
fn no_more_stands_or_ends_after_a_restart_than_there_is_room_for() {
    let rules = "[many]\nmetric = \"tcp_close_wait\"\nabove = 1\nfor = \"0s\"\n";
    let mut bench = Bench::new(only(rules), 30);
    bench.take(vec![
        subject(pod("p"), &[(Metric::CloseWait, 2.0)]),
        subject(HOST, &[(Metric::CloseWait, 2.0)]),
    ]);
    let mut state: serde_json::Value = serde_json::from_slice(&bench.engine.save()).unwrap();
    let subjects = state["subjects"].as_array_mut().unwrap();
    let (host, one) = (subjects[0].clone(), subjects[1].clone());
    for number in 0..1000 {
        let mut other = one.clone();
        other["whose"]["Pod"][0] = format!("uid-{number}").into();
        subjects.push(other);
        subjects.push(host.clone());
    }
    let saved = serde_json::to_vec(&state).unwrap();
    let mut again = Bench::new(only(rules), 30);
    again.engine.restore(&saved, at(0)).unwrap();
    let of_pods = again.engine.active().filter(|alert| alert.whose != HOST);
    assert_eq!(of_pods.count(), engine::MOST_OF_PODS);
    // Their rule is no more, and neither are they.
    let mut without = Bench::defaults(30);
    without.engine.restore(&saved, at(0)).unwrap();
    let events = without.take(Vec::new());
    assert_eq!(
        events.len(),
        engine::MOST_OF_PODS + super::super::MOST_RULES
    );
}

#[test]
fn alerts_of_a_scope_that_is_read_no_more_end_and_say_so() {
    let mut bench = Bench::defaults(30);
    leaking(&mut bench);
    let mut setup = setup(30);
    setup.reads.alone = Some(crate::source::Scope::Own);
    let mut own = Engine::new(Rules::defaults(), setup);
    own.restore(&bench.engine.save(), at(400)).unwrap();
    let events = own.take(
        &bench.observation(30, vec![subject(pod("cart"), &[])]),
        None,
    );
    let [event] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((event.transition, &event.alert.whose), (Resolved, &HOST));
    assert!(
        event.alert.body.contains("It is no longer read"),
        "{}",
        event.alert.body
    );
    assert_eq!(own.active().count(), 1);
}

#[test]
fn alerts_that_nobody_looks_after_any_more_end() {
    let mut bench = Bench::defaults(30);
    leaking(&mut bench);
    let saved = bench.engine.save();
    let off = "[close-wait]\nenabled = false\n".parse().unwrap();
    let mut without = Bench::new(Rules::defaults().with(&off).unwrap(), 30);
    without.engine.restore(&saved, at(400)).unwrap();
    let events = without.take(Vec::new());
    assert_eq!(told(&events), [("close-wait", Resolved); 2]);
    assert!(
        events[0].alert.body.contains("changed or turned off"),
        "{}",
        events[0].alert.body
    );
    assert_eq!(without.take(Vec::new()), []);

    let mut setup = setup(30);
    setup.reads.pods = false;
    let mut alone = Engine::new(Rules::defaults(), setup);
    alone.restore(&saved, at(400)).unwrap();
    assert_eq!(alone.active().count(), 1);
    let mut observation = bench.observation(30, Vec::new());
    observation.pods_read = false;
    let events = alone.take(&observation, None);
    assert_eq!(told(&events), [("close-wait", Resolved)]);
    assert!(
        events[0].alert.body.contains("no longer read"),
        "{}",
        events[0].alert.body
    );
}

#[test]
fn what_is_not_a_state_is_an_error_and_changes_nothing() {
    let mut bench = Bench::defaults(30);
    leaking(&mut bench);
    let saved = bench.engine.save();
    let mut again = Bench::defaults(30);
    for cut in 0..saved.len() {
        assert!(again.engine.restore(&saved[..cut], at(400)).is_err());
        assert_eq!(again.engine.active().count(), 0);
    }
    let other = String::from_utf8(saved.clone())
        .unwrap()
        .replace("\"version\":1", "\"version\":2");
    let error = bench.engine.restore(other.as_bytes(), at(400)).unwrap_err();
    assert!(error.contains("version 2"), "{error}");
    let week = at(8 * 86_400);
    assert!(
        bench
            .engine
            .restore(&saved, week)
            .unwrap_err()
            .contains("week")
    );
}

#[test]
fn the_state_of_110_pods_is_small() {
    let mut bench = Bench::defaults(30);
    for _ in 0..4 {
        let pods = (0..110).map(|n| listening(pod(&format!("p{n}")), &[80, 443]));
        bench.take(pods.collect());
    }
    let one = &bench.engine.subjects[&Key::of(&pod("p1"))];
    let boxed: usize = one.watches.iter().map(|watch| watch.memory.size()).sum();
    let size =
        size_of::<State>() + size_of::<Key>() + one.watches.len() * size_of::<Watch>() + boxed;
    assert!(size <= 1100, "{size} bytes");
    let saved = bench.engine.save().len();
    assert!(saved <= 110 * 3000, "{saved} bytes");
    assert!(engine::MOST_SUBJECTS * size < 9 << 20);
}

/// What is remembered in another way than a rule judges would make it blind.
#[test]
fn what_does_not_go_with_its_rule_begins_anew() {
    let mut bench = Bench::defaults(30);
    for _ in 0..4 {
        bench.listens(&[80, 443]);
    }
    let saved: serde_json::Value = serde_json::from_slice(&bench.engine.save()).unwrap();
    for (rule, memory) in [
        ("connections-surge", serde_json::json!("Threshold")),
        (
            "close-wait",
            saved["subjects"][0]["watches"][2]["watch"]["memory"].clone(),
        ),
        (
            "listen-gone",
            serde_json::json!({"Settled": {"ports": [port(443), port(80)], "begun": true, "named": true, "total": 2}}),
        ),
        (
            "listen-gone",
            serde_json::json!({"Settled": {"ports": (0..9000).map(port).collect::<Vec<_>>(), "begun": true, "named": true, "total": 2}}),
        ),
        (
            "close-wait-growing",
            serde_json::json!({"Growth": {"parts_seen": [[0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0]], "parts": 7, "current": null}}),
        ),
    ] {
        let mut state = saved.clone();
        let watches = state["subjects"][0]["watches"].as_array_mut().unwrap();
        let watch = watches
            .iter_mut()
            .find(|watch| watch["rule"] == rule)
            .unwrap();
        assert_ne!(watch["watch"]["memory"], memory, "{rule}");
        watch["watch"]["memory"] = memory;
        let mut again = Bench::defaults(30);
        again
            .engine
            .restore(&serde_json::to_vec(&state).unwrap(), at(90))
            .unwrap();
        let state = &again.engine.subjects[&Key::Alone];
        for (rule, watch) in again.engine.of_host.iter().zip(&state.watches) {
            assert!(watch.memory.is_of(rule), "{}", rule.name);
        }
    }
}

fn port(number: u16) -> serde_json::Value {
    serde_json::json!({"number": number, "level": 1, "now": 1, "other": 0, "way": "Same", "is_old": false, "is_told": false, "since": 0, "last": 0, "user": 0})
}

/// What is beyond the bound is left out, and not all of it lost: what stands is the last to go.
#[test]
fn as_much_is_saved_as_can_be_restored() {
    let mut bench = Bench::defaults(30);
    let pods = |count: usize| {
        let others = (0..count).map(|n| {
            let held = if n % 10 == 9 { 54.0 } else { 0.0 };
            subject(pod(&format!("p{n:04}")), &[(Metric::CloseWait, held)])
        });
        let host = subject(HOST, &[(Metric::CloseWait, 54.0)]);
        others.chain([host]).collect::<Vec<_>>()
    };
    for _ in 0..12 {
        bench.take(pods(100));
    }
    assert_eq!(bench.engine.active().count(), 11);
    let whole = bench.engine.save();
    assert_eq!(bench.engine.save_within(whole.len()), whole);
    let most = whole.len() / 2;
    let part = bench.engine.save_within(most);
    assert!(
        part.len() <= most && part.len() > most / 4,
        "{}",
        part.len()
    );
    let again = restored(&part, bench.seconds);
    assert_eq!(
        again.engine.active().collect::<Vec<_>>(),
        bench.engine.active().collect::<Vec<_>>()
    );
    assert!(again.engine.subjects.len() < 101);
    // With room for nothing there is an empty one.
    restored(&bench.engine.save_within(0), bench.seconds);
}

#[test]
fn after_a_boot_services_have_time_to_begin_and_after_a_restart_they_have_not() {
    let mut bench = Bench::defaults(30);
    for _ in 0..20 {
        bench.listens(&[22, 5432]);
    }
    let saved = bench.engine.save();
    let seconds = bench.seconds + 600;
    let uptime = |seconds| std::time::Duration::from_secs(seconds);
    let mut again = restored(&saved, seconds);
    again.engine.booted(uptime(900), at(seconds));
    again.listens(&[22]);
    assert_eq!(told(&again.listens(&[22])), [("listen-gone", Fired)]);

    let mut booted = restored(&saved, seconds);
    booted.engine.booted(uptime(20), at(seconds));
    for _ in 0..9 {
        assert_eq!(booted.listens(&[22]), []);
    }
    assert_eq!(booted.listens(&[22, 5432]), []);
    // Once it was there it is missed as always.
    booted.listens(&[22]);
    assert_eq!(told(&booted.listens(&[22])), [("listen-gone", Fired)]);

    let mut gone = restored(&saved, seconds);
    gone.engine.booted(uptime(20), at(seconds));
    for _ in 0..5 {
        assert_eq!(gone.listens(&[22]), []);
    }
    // The agent is started once more meanwhile.
    let (again, seconds) = (gone.engine.save(), gone.seconds);
    gone = restored(&again, seconds);
    gone.engine.booted(uptime(170), at(seconds));
    // Its first sample comes at once.
    for _ in 0..6 {
        assert_eq!(gone.listens(&[22]), []);
    }
    assert_eq!(told(&gone.listens(&[22])), [("listen-gone", Fired)]);
}
