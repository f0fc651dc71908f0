//! What rises, and what is outside of what is usual.

#![allow(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "what is made up are small whole numbers"
)]

use super::Transition::{Fired, Resolved};
use super::made::*;
use super::observation::Metric;

/// A number for each sample, 30 seconds apart; and the minute that it is told of, if it is.
fn told_at(rule: &str, metric: Metric, minutes: u64, value: impl Fn(u64) -> f64) -> Option<u64> {
    let rules = super::Rules::defaults();
    let mut bench = Bench::new(rules, 30);
    for sample in 0..minutes * 2 {
        for event in bench.host(metric, value(sample)) {
            if *event.alert.rule == *rule {
                return Some(sample / 2);
            }
        }
    }
    None
}

/// Noise that is the same each time: 0 to `most`.
fn noise(sample: u64, most: u64) -> f64 {
    let mixed = (sample + 7).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed >> 33) % (most + 1)) as f64
}

#[test]
fn a_leak_is_found_below_the_threshold_and_what_comes_and_goes_is_none() {
    let found =
        |value: fn(u64) -> f64| told_at("close-wait-growing", Metric::CloseWait, 24 * 60, value);
    // One a minute, and one in five minutes; on top of what comes and goes too.
    let fast = found(|sample| (sample / 2) as f64).unwrap();
    assert!((25..=32).contains(&fast), "{fast}");
    let slow = found(|sample| (sample / 10) as f64).unwrap();
    assert!((25..=36).contains(&slow), "{slow}");
    let noisy = found(|sample| (sample / 2) as f64 + noise(sample, 8)).unwrap();
    assert!((25..=60).contains(&noisy), "{noisy}");
    for (what, value) in [
        ("noise", (|sample| noise(sample, 8)) as fn(u64) -> f64),
        (
            "a burst that settles",
            |sample| if sample < 200 { 0.0 } else { 9.0 },
        ),
        ("a burst that ends", |sample| {
            if sample % 400 < 40 { 40.0 } else { 0.0 }
        }),
        ("a sawtooth", |sample| (sample % 40) as f64 / 4.0),
        ("two steps", |sample| {
            f64::from(u8::from(sample > 200) + u8::from(sample > 260)) * 3.0
        }),
    ] {
        assert_eq!(found(value), None, "{what}");
    }
}

#[test]
fn a_leak_that_ends_is_over() {
    let mut bench = Bench::defaults(30);
    let mut told_of = Vec::new();
    for sample in 0..400_u64 {
        let value = (sample.min(80) / 10) as f64;
        for event in bench.host(Metric::CloseWait, value) {
            told_of.push((
                event.alert.rule.to_string(),
                event.transition,
                event.alert.body.to_string(),
            ));
        }
    }
    let told_of: Vec<_> = told_of
        .iter()
        .map(|(rule, way, body)| (&**rule, *way, &**body))
        .collect();
    let [(_, Fired, body), (_, Resolved, _)] = told_of[..] else {
        panic!("{told_of:?}");
    };
    assert!(
        body.contains("rising steadily since 12:00:00 UTC from 0"),
        "{body}"
    );
}

#[test]
fn a_surge_is_told_of_and_a_daily_rhythm_is_not() {
    let found =
        |value: fn(u64) -> f64| told_at("connections-surge", Metric::Established, 48 * 60, value);
    let surge = found(|sample| {
        if sample < 240 {
            300.0 + noise(sample, 60)
        } else {
            5000.0
        }
    })
    .unwrap();
    assert!((124..=126).contains(&surge), "{surge}");
    for (what, value) in [
        (
            "a day",
            (|sample| 3000.0 + 2500.0 * (sample as f64 / 458.0).sin() + noise(sample, 200))
                as fn(u64) -> f64,
        ),
        ("idle", |sample| noise(sample, 40)),
        ("a burst of two minutes", |sample| {
            if sample % 100 < 4 { 9000.0 } else { 100.0 }
        }),
        (
            "warming up",
            |sample| if sample < 16 { 10.0 } else { 9000.0 },
        ),
    ] {
        assert_eq!(found(value), None, "{what}");
    }
}

#[test]
fn a_collapse_is_told_of_and_a_restart_is_not() {
    let found = |value: fn(u64) -> f64| {
        told_at("connections-collapse", Metric::Established, 48 * 60, value)
    };
    let collapse = found(|sample| if sample < 240 { 300.0 } else { 3.0 }).unwrap();
    assert!((121..=123).contains(&collapse), "{collapse}");
    assert_eq!(
        found(|sample| if sample % 200 < 3 { 0.0 } else { 300.0 }),
        None
    );
    assert_eq!(found(|sample| noise(sample, 40)), None);
}

#[test]
fn a_new_level_that_stays_is_accepted_and_said_to_be() {
    let mut bench = Bench::defaults(30);
    let mut told_of = Vec::new();
    for sample in 0..600 {
        let value = if sample < 200 { 300.0 } else { 9000.0 };
        for event in bench.host(Metric::Established, value) {
            told_of.push((event.transition, sample, event.alert.body.to_string()));
        }
    }
    let [(Fired, 210, fired), (Resolved, 320, resolved)] = &told_of[..] else {
        panic!("{told_of:?}");
    };
    assert!(
        fired.contains("in the hour before it was 300 to 300"),
        "{fired}"
    );
    assert!(resolved.contains("counts as usual"), "{resolved}");
}

#[test]
fn after_a_long_gap_what_was_usual_before_it_counts_no_more() {
    let (hour, pause) = (3600, 900);
    for (what, gap, gaps, over_before) in [
        ("the machine slept", hour, 1, 0),
        ("it could not be read", 30, 120, 0),
        ("and something had begun", hour, 1, 3),
        ("a quarter of an hour", pause + 30, 1, 3),
    ] {
        for (before, after) in [(300.0, 9000.0), (3000.0, 3.0)] {
            let mut bench = Bench::defaults(30);
            for _ in 0..400 {
                bench.host(Metric::Established, before);
            }
            for _ in 0..over_before {
                assert_eq!(bench.host(Metric::Established, after), []);
            }
            for _ in 0..gaps {
                assert_eq!(bench.gap(gap), [], "{what}");
            }
            for _ in 0..600 {
                assert_eq!(bench.host(Metric::Established, after), [], "{what}");
            }
            // It has learnt, and has not gone blind.
            let told: Vec<_> = (0..30)
                .flat_map(|_| bench.host(Metric::Established, before))
                .collect();
            assert_eq!(told.len(), 1, "{what}");
        }
    }
}

#[test]
fn after_a_short_gap_it_still_does() {
    let mut bench = Bench::defaults(30);
    for _ in 0..200 {
        bench.host(Metric::Established, 300.0);
    }
    bench.gap(300);
    let told: Vec<_> = (0..11)
        .flat_map(|_| bench.host(Metric::Established, 9000.0))
        .collect();
    assert_eq!(super::made::told(&told), [("connections-surge", Fired)]);
}

#[test]
fn a_leak_is_not_made_of_pieces_with_gaps_between_them() {
    let rule = "[x]\nmetric = \"tcp_close_wait\"\nkind = \"growth\"\nrise = 4\nfor = \"0s\"\n";
    let mut bench = Bench::new(only(rule), 30);
    let mut sample = 0_u64;
    for _ in 0..8 {
        // Twenty minutes are too short, and how it went in between nobody knows.
        for _ in 0..40 {
            sample += 1;
            let sockets = (sample / 8) as f64;
            assert_eq!(bench.host(Metric::CloseWait, sockets), []);
        }
        bench.gap(3600);
    }
    // One piece that is long enough is a leak.
    let told: Vec<_> = (0..80)
        .flat_map(|more| bench.host(Metric::CloseWait, (sample / 8 + more / 3) as f64))
        .collect();
    assert_eq!(super::made::told(&told), [("x", Fired)]);
}

#[test]
fn who_it_is_is_asked_when_an_alert_is_near_and_while_it_stands() {
    let text = "[held]\nmetric = \"tcp_close_wait\"\nabove = 10\nclear = 8\nfor = \"5m\"\nclear_for = \"2m\"\n";
    let mut bench = Bench::new(only(text), 30);
    // What passes through is nobody's fault, however much it is.
    for value in [
        54.0, 54.0, 54.0, 0.0, 11.0, 9.0, 54.0, 54.0, 54.0, 54.0, 54.0,
    ] {
        bench.host(Metric::CloseWait, value);
        assert!(!bench.engine.asks_who(), "{value}");
    }
    for sample in 0..10 {
        bench.host(Metric::CloseWait, 54.0);
        assert_eq!(bench.engine.asks_who(), sample >= 1, "{sample}");
    }
    assert_eq!(bench.engine.active().count(), 1);
    bench.host(Metric::CloseWait, 0.0);
    assert!(bench.engine.asks_who());
    for _ in 0..5 {
        bench.host(Metric::CloseWait, 0.0);
    }
    assert!(!bench.engine.asks_who());
}

#[test]
fn who_it_is_is_asked_before_a_slow_leak_is_told_of() {
    let text =
        "[slow]\nmetric = \"tcp_close_wait\"\nkind = \"growth\"\nwindow = \"30m\"\nrise = 4\n";
    let mut bench = Bench::new(only(text), 30);
    let mut asked = None;
    for sample in 0..200_u32 {
        let told = bench.host(Metric::CloseWait, f64::from(sample / 10));
        if !told.is_empty() {
            assert!(
                asked.is_some_and(|asked| sample - asked >= 4),
                "{asked:?} {sample}"
            );
            return;
        }
        asked = asked.or(bench.engine.asks_who().then_some(sample));
    }
    panic!("it was not told of");
}

#[test]
fn a_rise_between_readings_far_apart_is_no_steady_one() {
    let text = "[slow]\nmetric = \"tcp_close_wait\"\nkind = \"growth\"\nwindow = \"30m\"\nrise = 4\nfor = \"0s\"\n";
    let mut bench = Bench::new(only(text), 30);
    for sample in 1..=20_u32 {
        assert_eq!(bench.host(Metric::CloseWait, f64::from(sample)), []);
        bench.gap(270);
    }
}
