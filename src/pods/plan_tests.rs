//! What is planned, over hours.

use proptest::prelude::*;

use super::*;

#[allow(
    clippy::disallowed_methods,
    reason = "any moment will do for the first"
)]
fn start() -> Instant {
    Instant::now() + MOST_HELD
}

/// Readings taken at one moment, and how many of them are renewed with each of so many ticks, none ever too late.
fn renewed(number: u64, gate: Gate, interval: Duration, ticks: u32) -> Vec<usize> {
    let longest = match gate {
        Gate::Derive => MOST_HELD.min(interval * MOST_DERIVED),
        _ => MOST_HELD,
    };
    let start = start();
    let mut reads = vec![start; usize::try_from(number).unwrap()];
    let mut renewed = Vec::new();
    for tick in 1..=ticks {
        let now = start + interval * tick;
        let candidates = reads.iter().zip(0..).map(|(read, id)| Candidate {
            id: NamespaceId::numbered(id),
            gate,
            read: Some(*read),
        });
        let turns = plan(candidates.collect(), now, interval);
        for turn in &turns {
            assert!(turn.anyway && turn.at > now && turn.at < now + interval);
            let id = usize::try_from(turn.id.inode()).unwrap();
            reads[id] = turn.at;
        }
        for read in &reads {
            let age = (now + interval).saturating_duration_since(*read);
            assert!(age < longest || interval >= longest, "{age:?}");
        }
        renewed.push(turns.len());
    }
    renewed
}

#[test]
fn readings_that_stand_are_renewed_a_few_at_a_time_though_all_were_read_at_once() {
    for (number, interval, most) in [
        (110, 30, 7),
        (1, 1, 1),
        (20, 5, 1),
        (1000, 30, 54),
        (3, 60, 1),
    ] {
        let renewed = renewed(number, Gate::Hold, Duration::from_secs(interval), 2000);
        assert!(
            renewed.iter().all(|count| *count <= most),
            "{number} {interval} {renewed:?}"
        );
    }
}

#[test]
fn a_reading_that_stands_is_not_renewed_much_oftener_than_it_must_be() {
    for (number, interval) in [(1, 1), (20, 5), (110, 1), (110, 30), (1, 30)] {
        let interval = Duration::from_secs(interval);
        let ticks = u32::try_from(20 * MOST_HELD.as_secs() / interval.as_secs()).unwrap();
        let all: usize = renewed(number, Gate::Hold, interval, ticks).iter().sum();
        let needed = usize::try_from(20 * number).unwrap();
        assert!(
            all <= needed + needed / 5 + 1,
            "{number} {interval:?}: {all} of {needed}"
        );
    }
}

#[test]
fn with_an_hour_between_ticks_everything_is_read_each_time() {
    for gate in [Gate::Hold, Gate::Derive] {
        let renewed = renewed(110, gate, Duration::from_hours(1), 5);
        assert!(renewed.iter().all(|count| *count == 110));
    }
}

proptest! {
    #[test]
    fn nothing_gets_too_old_and_nothing_is_read_twice(
        number in 0_u64..300,
        interval in 1_u64..300,
        derives in any::<bool>(),
    ) {
        let gate = if derives { Gate::Derive } else { Gate::Hold };
        renewed(number, gate, Duration::from_secs(interval), 60);
    }
}
