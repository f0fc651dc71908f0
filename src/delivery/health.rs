//! How delivery is doing, said once for each change of it and not once for each failure.

use std::time::Duration;

use tokio::time::Instant;

use super::transport::{Answer, Failure, Kind, printable};
use super::verdict::Verdict;

/// A backend that cannot make up its mind changes its state with every request. So many changes are said …
const MOST_CHANGES: u32 = 10;

/// … within this time.
const WITHIN: Duration = Duration::from_mins(10);

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Health {
    state: State,
    /// Whether the backend's remark on what it takes has been said.
    remarked: bool,
    /// When the time began in which changes are counted, and how many there were.
    changes: Option<(Instant, u32)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Untried,
    Works,
    Fails(Kind),
}

impl Health {
    /// A request was taken, after which so much still waits and so much was dropped since the start.
    pub(super) fn delivered(
        &mut self,
        answer: &Answer,
        waiting: usize,
        dropped: u64,
        now: Instant,
    ) {
        if self.state != State::Works && self.may_say(now) {
            match std::mem::replace(&mut self.state, State::Works) {
                State::Fails(_) => tracing::info!(waiting, dropped, "delivery works again"),
                State::Untried | State::Works => tracing::info!("delivery works"),
            }
        }
        let remark = answer.rejected_points > 0 || !answer.message.is_empty();
        if !remark {
            self.remarked = false;
        } else if !self.remarked && self.may_say(now) {
            self.remarked = true;
            tracing::warn!(
                rejected_points = answer.rejected_points,
                "the backend took a request, with a remark: {}; it is not said again until a request is taken without one",
                printable(&answer.message),
            );
        }
    }

    /// A request was not taken, and is kept.
    pub(super) fn failed(
        &mut self,
        failure: &Failure,
        verdict: Verdict,
        waiting: usize,
        now: Instant,
    ) {
        if !self.is_news(failure.kind, now) {
            return;
        }
        let message = &failure.message;
        if let Verdict::Mend(advice) = verdict {
            tracing::error!(
                waiting,
                "cannot deliver: {message}: {advice}; keeping what waits and trying on"
            );
        } else {
            tracing::warn!(
                waiting,
                "cannot deliver: {message}; keeping what waits and trying on"
            );
        }
    }

    /// A record was not taken and is dropped.
    pub(super) fn dropped(&mut self, failure: &Failure, dropped: u64, now: Instant) {
        if self.is_news(failure.kind, now) {
            tracing::error!(
                dropped,
                "the backend refuses a sample, which is dropped: {}",
                failure.message
            );
        }
    }

    fn is_news(&mut self, kind: Kind, now: Instant) -> bool {
        let news = self.state != State::Fails(kind) && self.may_say(now);
        if news {
            self.state = State::Fails(kind);
        }
        news
    }

    /// Whether one more change may be said. What may not is said later, if it then still holds.
    fn may_say(&mut self, now: Instant) -> bool {
        let (began, count) = match self.changes {
            Some((began, count)) if now.saturating_duration_since(began) < WITHIN => {
                (began, count + 1)
            }
            _ => (now, 1),
        };
        self.changes = Some((began, count));
        if count == MOST_CHANGES + 1 {
            tracing::warn!(
                "delivery goes from one state to another and back; for up to {WITHIN:?} this is not said any more"
            );
        }
        count <= MOST_CHANGES
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "some moment to count from")]
mod tests {
    use super::*;

    #[test]
    fn changes_are_said_until_they_are_too_many_and_then_again_later() {
        let start = Instant::now();
        let mut health = Health::default();
        let mut said = |after: u64| {
            let now = start + Duration::from_secs(after);
            u32::from(health.is_news(Kind::Refused, now))
                + u32::from(health.is_news(Kind::Lost, now))
        };
        assert_eq!((0..100).map(&mut said).sum::<u32>(), MOST_CHANGES);
        assert_eq!(said(WITHIN.as_secs() + 100), 2);
    }

    #[test]
    fn a_remark_that_could_not_be_said_is_said_later() {
        let start = Instant::now();
        let mut health = Health::default();
        for _ in 0..MOST_CHANGES {
            health.is_news(Kind::Refused, start);
            health.is_news(Kind::Lost, start);
        }
        let answer = Answer {
            rejected_points: 5,
            ..Answer::default()
        };
        health.delivered(&answer, 0, 0, start);
        assert!(!health.remarked);
        health.delivered(&answer, 0, 0, start + WITHIN);
        assert!(health.remarked);
    }

    #[test]
    fn the_same_again_is_no_news() {
        let now = Instant::now();
        let mut health = Health::default();
        assert!(health.is_news(Kind::Refused, now));
        assert!(!health.is_news(Kind::Refused, now + 2 * WITHIN));
    }
}
