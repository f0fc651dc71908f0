//! Single claims of history, and bytes that are none.

use proptest::prelude::*;

use super::tests::{counted, ms, pod, reading, sample};
use super::*;
use crate::source::Scope;

const START: i64 = 1_767_225_600_000;
const TICK: i64 = 30_000;

/// `ticks` samples of a host that has as many sockets as there were ticks before, and of `pods` pods.
fn after(ticks: i64, pods: usize) -> History {
    let mut history = History::new(ms(TICK), 110);
    for tick in 0..ticks {
        let number = tick.unsigned_abs();
        let readings = (0..pods).map(|uid| pod(uid, counted(number + uid as u64, 1, 0)));
        let sample = sample(
            START + tick * TICK,
            Some(counted(number, 2, 1)),
            readings.collect(),
        );
        history.take(&sample, ms(TICK));
    }
    history
}

fn established(history: &History) -> Vec<Option<u64>> {
    history
        .hour()
        .map(|(_, counts)| counts.map(|counts| counts.five(Five::Established)))
        .collect()
}

#[test]
fn an_hour_and_a_week_have_the_slots_that_are_stated() {
    for (seconds, slots) in [(1, 3600), (30, 120), (60, 60), (3600, 1)] {
        let mut history = History::new(Duration::from_secs(seconds), 1);
        history.take(
            &sample(
                START,
                Some(counted(1, 0, 0)),
                vec![pod(1, counted(1, 0, 0))],
            ),
            Duration::ZERO,
        );
        assert_eq!((history.hour().len(), history.week().len()), (slots, 672));
        let pod = history.pods().next().unwrap();
        assert_eq!(pod.hour(Five::Listen).len(), slots.min(60));
    }
}

#[test]
fn memory_is_what_docs_say() {
    let told: Vec<_> = [(1, 0), (30, 0), (30, 110)]
        .map(|(seconds, pods)| History::new(Duration::from_secs(seconds), pods).bytes() >> 10)
        .into();
    assert_eq!(told, [325, 149, 255], "KiB, in docs/history.md");
}

#[test]
fn a_sample_without_a_reading_is_a_gap_and_no_zero() {
    let mut history = after(3, 1);
    history.take(&sample(START + 3 * TICK, None, Vec::new()), ms(TICK));
    history.take(
        &sample(START + 4 * TICK, Some(counted(9, 0, 0)), Vec::new()),
        ms(TICK),
    );
    assert_eq!(
        established(&history)[115..],
        [Some(0), Some(1), Some(2), None, Some(9)]
    );
    let (_, quarter) = history.week().last().unwrap();
    assert_eq!(quarter.unwrap().samples(), 4);
    let pod = history.pods().next().unwrap();
    let told: Vec<_> = pod
        .hour(Five::Established)
        .map(|(_, value)| value)
        .collect();
    assert_eq!(told[57..], [Some(1), Some(2), None]);
}

#[test]
fn where_only_pods_are_read_there_is_no_host() {
    let mut history = History::new(ms(TICK), 110);
    history.take(
        &sample(START, None, vec![pod(1, counted(5, 0, 0))]),
        Duration::ZERO,
    );
    assert_eq!(
        (
            history.hour().len(),
            history.week().len(),
            history.pods().len()
        ),
        (0, 0, 1)
    );
}

#[test]
fn numbers_of_one_namespace_are_not_told_under_the_name_of_another() {
    let mut history = after(3, 0);
    let mut other = sample(START + 3 * TICK, None, Vec::new());
    other.readings = vec![reading(Scope::Own, counted(7, 0, 0))];
    history.take(&other, ms(TICK));
    let kept: Vec<_> = established(&history).into_iter().flatten().collect();
    assert_eq!(kept, [7]);
}

#[test]
fn a_clock_that_was_set_wrong_and_right_again_leaves_no_trace() {
    for away in [-86_400_000, 86_400_000, -56 * 365 * 86_400_000] {
        let mut history = after(60, 2);
        let mut straight = history.clone();
        for tick in 60..70_i64 {
            let wrong = if tick < 65 { away } else { 0 };
            let of = |time| sample(time, Some(counted(tick.unsigned_abs(), 0, 0)), Vec::new());
            history.take(&of(START + tick * TICK + wrong), ms(TICK));
            straight.take(&of(START + tick * TICK), ms(TICK));
        }
        assert_eq!(history, straight);
    }
}

#[test]
fn sleep_is_a_gap() {
    let mut history = after(10, 0);
    history.take(
        &sample(START + 29 * TICK, Some(counted(77, 0, 0)), Vec::new()),
        ms(20 * TICK),
    );
    let kept = established(&history);
    assert_eq!(kept[99..101], [Some(9), None]);
    assert_eq!((kept[118], kept[119]), (None, Some(77)));
}

#[test]
fn a_pod_that_ended_stays_for_its_hour() {
    let mut history = after(2, 1);
    for tick in 2..121 {
        history.take(&sample(START + tick * TICK, None, Vec::new()), ms(TICK));
        assert_eq!(history.pods().len(), usize::from(tick < 120), "{tick}");
    }
}

#[test]
fn a_pod_that_ended_makes_room_the_longest_gone_first() {
    let mut history = History::new(ms(60_000), 1);
    let mut take = |tick: i64, pods: &[usize]| {
        let pods = pods.iter().map(|uid| pod(*uid, counted(1, 0, 0))).collect();
        history.take(&sample(START + tick * 60_000, None, pods), ms(60_000));
        let mut named: Vec<_> = history.pods().map(|pod| pod.owner().to_string()).collect();
        named.sort_unstable();
        named.join(" ")
    };
    assert_eq!(take(0, &[1, 2]), "shop/web-1 shop/web-2");
    assert_eq!(take(1, &[2]), "shop/web-1 shop/web-2");
    assert_eq!(take(2, &[3, 2]), "shop/web-2 shop/web-3");
    assert_eq!(
        take(3, &[4, 3, 2]),
        "shop/web-2 shop/web-3",
        "all others are being told of"
    );
}

#[test]
fn a_pod_is_found_by_its_key_and_gets_its_name_when_that_is_known() {
    let mut history = History::new(ms(TICK), 5);
    let named = pod(1, counted(5, 0, 0));
    let mut unnamed = named.clone();
    let uid = match &mut unnamed.owner {
        Owner::Pod { uid, name } => {
            *name = None;
            uid.to_string()
        }
        _ => unreachable!(),
    };
    history.take(&sample(START, None, vec![unnamed]), Duration::ZERO);
    history.take(&sample(START + TICK, None, vec![named]), ms(TICK));
    assert_eq!(history.pods().len(), 1);
    assert_eq!(history.pod(&uid).unwrap().owner().to_string(), "shop/web-1");
    assert!(history.pod("other").is_none());
}

#[test]
fn more_sockets_than_a_slot_can_tell_are_a_gap() {
    let mut history = History::new(ms(TICK), 5);
    let many = [16_777_213, 16_777_214, u64::from(u32::MAX)];
    let pods = many
        .iter()
        .enumerate()
        .map(|(uid, many)| pod(uid, counted(*many, 0, 0)));
    history.take(
        &sample(START, Some(counted(u64::MAX / 2, 0, 0)), pods.collect()),
        Duration::ZERO,
    );
    let last = |pod: PodHistory<'_>| pod.hour(Five::Connections).last().unwrap().1;
    let told: Vec<_> = history.pods().map(last).collect();
    assert_eq!(told, [Some(16_777_213), Some(16_777_214), None]);
    assert_eq!(history.hour().len(), 0);
}

#[test]
fn another_interval_keeps_the_week_and_puts_points_where_they_belong() {
    let saved = after(119, 3).save();
    let now = line::wall(START + 119 * TICK);
    for interval in [10_000, 60_000, 300_000] {
        let mut history = History::new(ms(interval), 110);
        history.restore(&saved, now).unwrap();
        let week: u32 = history
            .week()
            .filter_map(|(_, quarter)| quarter)
            .map(Quarter::samples)
            .sum();
        assert_eq!((week, history.pods().len()), (119, 3));
        for (time, counts) in history.hour() {
            let from = (since_epoch(time) - START) / TICK;
            let last = from + (interval / TICK).max(1) - 1;
            let is_taken = since_epoch(time) % TICK == 0 || interval > TICK;
            let told = counts.map(|counts| counts.five(Five::Established));
            if is_taken && (0..119).contains(&from) {
                assert_eq!(told, Some(last.min(118).unsigned_abs()));
            } else {
                assert_eq!(told, None);
            }
        }
    }
}

#[test]
fn what_is_too_old_is_not_shown_as_the_last_hour() {
    let mut history = History::new(ms(TICK), 110);
    history
        .restore(&after(119, 3).save(), line::wall(START + 400 * TICK))
        .unwrap();
    history.take(
        &sample(START + 400 * TICK, Some(counted(5, 0, 0)), Vec::new()),
        ms(TICK),
    );
    assert_eq!(
        established(&history)
            .into_iter()
            .flatten()
            .collect::<Vec<_>>(),
        [5]
    );
    assert_eq!(history.pods().len(), 0);
    assert_eq!(
        history
            .week()
            .filter(|(_, quarter)| quarter.is_some())
            .count(),
        5
    );
}

#[test]
fn a_version_that_nobody_knows_is_said() {
    let mut bytes = after(3, 1).save();
    bytes[0] = 9;
    let error = History::new(ms(TICK), 1)
        .restore(&bytes, line::wall(START))
        .unwrap_err();
    assert_eq!(error, RestoreError::Version(9));
}

#[test]
fn what_is_saved_is_small() {
    let saved = after(7 * 24 * 120, 110).save().len();
    assert!(
        (100_000..110_000).contains(&saved),
        "{saved} bytes, in docs/history.md"
    );
}

proptest! {
    #[test]
    fn bytes_that_are_no_history_are_an_error_and_change_nothing(
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=u8::MAX), 0..6),
    ) {
        let mut bytes = after(150, 4).save();
        let whole = bytes.len();
        bytes.truncate(cut.index(whole * 2));
        for (place, flip) in flips {
            let place = place.index(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= flip;
            }
        }
        let mut history = after(5, 1);
        let before = history.clone();
        if history.restore(&bytes, line::wall(START + 200 * TICK)).is_err() {
            prop_assert_eq!(history, before);
        } else {
            prop_assert_eq!(bytes.len(), whole);
            history.take(&sample(START + 200 * TICK, Some(counted(1, 0, 0)), Vec::new()), ms(TICK));
            prop_assert!(history.save().len() <= whole + 200);
        }
    }

    #[test]
    fn anything_at_all_can_be_restored_or_not(mut bytes in prop::collection::vec(any::<u8>(), 0..400), now in 0..2 * START) {
        let mut history = History::new(ms(TICK), 2);
        let _either = history.restore(&bytes, line::wall(now));
        bytes.insert(0, 1);
        let _either = history.restore(&bytes, line::wall(now));
        history.take(&sample(now, Some(counted(1, 0, 0)), Vec::new()), ms(TICK));
        let last = history.hour().last().unwrap();
        prop_assert!(last.0 <= line::wall(now) + ms(TICK));
        prop_assert_eq!(last.1.unwrap().five(Five::Established), 1);
    }
}
