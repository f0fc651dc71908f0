//! Whether what arrived is what was sampled, told from the times of the samples alone.

use std::time::Duration;

use crate::agent::Ended;
use crate::samples::relative;

/// How long the first sample may be in coming on a busy machine.
const START: Duration = Duration::from_secs(3);

/// Every sample that an agent with an interval of a second took from its start to its end is in `times`, once and in order.
///
/// The first is taken at the start, the last at the signal, and one at each full second between them. A tick that a busy
/// machine runs late is still known by its second.
pub(crate) fn assert_whole(times: &[Duration], ended: &Ended) {
    ended.assert_clean();
    let whole = faults(times, ended.started, Some(ended.stopped));
    assert!(
        whole.is_empty(),
        "{}\nsamples: {}\nlog:\n{}",
        whole.join("\n"),
        relative(times, ended.started),
        ended.log
    );
}

/// What is wrong with the samples of an agent that was started then, and was told to end then unless it was killed.
pub(crate) fn faults(
    times: &[Duration],
    started: Duration,
    stopped: Option<Duration>,
) -> Vec<String> {
    let (Some(&first), Some(&last)) = (times.first(), times.last()) else {
        return vec!["no sample at all".to_owned()];
    };
    let mut faults = Vec::new();
    if first < started || first > started + START {
        faults.push("the first is not of the start".to_owned());
    }
    if stopped.is_some_and(|stopped| last < stopped) {
        faults.push("the last is not of the signal to end".to_owned());
    }
    for (index, pair) in times.windows(2).enumerate() {
        let step = pair[1].as_secs().checked_sub(pair[0].as_secs());
        // The first and the last of all are taken between two ticks.
        let is_an_end = index == 0 || (stopped.is_some() && index + 2 == times.len());
        let is_right = pair[0] < pair[1] && (step == Some(1) || is_an_end && step == Some(0));
        if !is_right {
            faults.push(format!(
                "missing between, twice or out of order: {}",
                relative(pair, started)
            ));
        }
    }
    faults
}

#[test]
fn a_sample_that_is_missing_or_double_or_out_of_place_is_told() {
    let at = |millis: &[u64]| -> Vec<Duration> {
        millis.iter().copied().map(Duration::from_millis).collect()
    };
    let faults = |millis: &[u64]| {
        let stopped = Duration::from_millis(14_300);
        faults(&at(millis), Duration::from_millis(10_400), Some(stopped)).join("; ")
    };
    assert_eq!(
        faults(&[10_450, 11_000, 12_700, 13_050, 14_000, 14_350]),
        ""
    );
    for (millis, word) in [
        (&[][..], "no sample"),
        (&[14_000, 14_350], "of the start"),
        (&[10_450, 11_000, 12_000, 13_000], "of the signal"),
        (&[10_450, 11_000, 13_000, 14_000, 14_350], "missing"),
        (&[10_450, 12_000, 13_000, 14_000, 14_350], "missing"),
        (
            &[10_450, 11_000, 12_000, 12_000, 13_000, 14_000, 14_350],
            "twice",
        ),
        (
            &[10_450, 12_000, 11_000, 13_000, 14_000, 14_350],
            "out of order",
        ),
    ] {
        assert!(faults(millis).contains(word), "{word}: {}", faults(millis));
    }
}
