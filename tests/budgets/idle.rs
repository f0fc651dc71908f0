//! The budget between two readings: nothing happens.

use std::thread::sleep;
use std::time::Duration;

use crate::agent::Agent;

/// A timer of one second alone would wake it more often.
const WAKEUPS: u64 = 1;
const WATCHED_FOR: Duration = Duration::from_secs(3);

/// The one that drives everything, the reader, the writer, and one worker of the runtime; a second one where two looks at files
/// overlapped at the start, which ends after ten seconds without work.
const THREADS: usize = 5;

#[test]
fn an_agent_between_two_readings_does_nothing() {
    let agent = Agent::after_its_first_sample("auto");
    // It has a moment to put its pencils down.
    let mut before = agent.waits();
    for _ in 0..50 {
        sleep(Duration::from_millis(100));
        let seen = std::mem::replace(&mut before, agent.waits());
        if seen == before {
            break;
        }
    }
    sleep(WATCHED_FOR);
    let after = agent.waits();

    let sum = |waits: &[(String, u64)]| waits.iter().map(|(_, number)| number).sum::<u64>();
    let is = format!("{before:?}, and {WATCHED_FOR:?} later {after:?}");
    assert!(sum(&after) - sum(&before) <= WAKEUPS, "it is woken: {is}");
    assert!(after.len() <= THREADS, "many threads: {is}");
}
