//! History on clocks that somebody sets.

use proptest::prelude::*;

use super::tests::{MINUTE, START, counted, interval, jump, ms, sample};
use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn times_rise_and_no_value_is_lost_or_told_twice_however_the_clock_is_set(
        interval in interval(),
        moves in prop::collection::vec((1..4_i64, jump()), 1..200),
    ) {
        let mut history = History::new(ms(interval), 0);
        let (mut taken, mut real, mut offset) = (Vec::new(), START, 0);
        for (value, (intervals, jump)) in (1..).zip(moves) {
            // The next tick, by the clock as it is shown.
            let wall = real + offset;
            let passed = (wall / interval + intervals) * interval - wall;
            real += passed;
            offset += jump;
            taken.push(real);
            history.take(&sample(real + offset, Some(counted(value, 0, 0)), Vec::new()), ms(passed));
        }
        let mut before = None;
        let mut shown = 0;
        for (time, counts) in history.hour() {
            prop_assert!(before < Some(time), "times rise");
            before = Some(time);
            if let Some(counts) = counts {
                let value = counts.five(Five::Established);
                prop_assert!(value > shown, "in their order, each once");
                shown = value;
                let was = taken[usize::try_from(value).unwrap() - 1] + offset;
                let away = (since_epoch(time) - was).abs();
                prop_assert!(away <= interval * 2, "{away} ms away");
            }
        }
        prop_assert_eq!(usize::try_from(shown).unwrap(), taken.len(), "the last is there");
        let kept: u32 = history.week().filter_map(|(_, quarter)| quarter).map(Quarter::samples).sum();
        let is_within = |was: &&i64| real - **was < 6 * 24 * 60 * MINUTE;
        prop_assert!(kept as usize >= taken.iter().filter(is_within).count(), "none is lost");
    }
}

#[test]
fn since_when_it_watches_moves_with_the_clock_and_not_with_what_a_sample_is_late_by() {
    let mut history = History::new(ms(MINUTE), 0);
    assert_eq!(history.began(), None);
    let taken = |history: &mut History, time, step| {
        history.take(&sample(time, None, Vec::new()), ms(step));
        since_epoch(history.began().unwrap())
    };
    assert_eq!(taken(&mut history, START, 0), START);
    assert_eq!(taken(&mut history, START + MINUTE + 80, MINUTE), START);
    // Three days forth, and back by an hour.
    let set = 3 * 24 * 60 * MINUTE;
    assert_eq!(
        taken(&mut history, START + set + 2 * MINUTE + 80, MINUTE),
        START + set
    );
    let set = set - 60 * MINUTE;
    assert_eq!(
        taken(&mut history, START + set + 3 * MINUTE + 80, MINUTE),
        START + set
    );
    // A machine that slept has had no clock set.
    assert_eq!(
        taken(&mut history, START + set + 63 * MINUTE + 80, 60 * MINUTE),
        START + set
    );
}
