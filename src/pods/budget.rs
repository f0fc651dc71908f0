//! How much CPU time may be used: so much earned with time, so much spent.

use std::time::{Duration, Instant};

/// What cannot be paid back in any time that can be told is not begun.
const LONG: Duration = Duration::from_hours(24);

/// What is earned and not spent. It may be overdrawn by one piece of work, and nothing is begun before that is paid back.
#[derive(Debug)]
pub(super) struct Budget {
    /// Seconds of CPU time per second.
    rate: f64,
    /// The most that is saved up, in seconds.
    most: f64,
    /// In seconds.
    balance: f64,
    since: Option<Instant>,
}

impl Budget {
    /// A budget of `rate` that saves up no more than for `saving`, and begins with that.
    pub(super) fn new(rate: f64, saving: Duration) -> Self {
        let most = rate * saving.as_secs_f64();
        Self {
            rate,
            most,
            balance: most,
            since: None,
        }
    }

    /// Whether there is anything to spend at `now`.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        self.earn(now);
        self.balance > 0.0
    }

    /// What there is to spend at `now`.
    pub(super) fn left(&mut self, now: Instant) -> Duration {
        self.earn(now);
        Duration::try_from_secs_f64(self.balance.max(0.0)).unwrap_or(Duration::MAX)
    }

    /// When there will be something to spend, seen from `now`.
    pub(super) fn ready(&mut self, now: Instant) -> Instant {
        self.earn(now);
        if self.balance > 0.0 {
            return now;
        }
        // A little more than nothing, so that it has something then.
        let wait = (-self.balance + self.most / 1e6) / self.rate;
        Duration::try_from_secs_f64(wait)
            .ok()
            .and_then(|wait| now.checked_add(wait + Duration::from_millis(1)))
            .unwrap_or(now + LONG)
    }

    pub(super) fn spend(&mut self, cpu: Duration) {
        self.balance -= cpu.as_secs_f64();
    }

    fn earn(&mut self, now: Instant) {
        if let Some(since) = self.since {
            let earned = now.saturating_duration_since(since).as_secs_f64() * self.rate;
            self.balance = (self.balance + earned).min(self.most);
        }
        self.since = Some(self.since.map_or(now, |since| since.max(now)));
    }
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "any moment will do for the first"
)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    #[test]
    fn no_more_is_spent_than_the_rate_but_for_one_piece_of_work() {
        let start = Instant::now();
        let piece = Duration::from_millis(43);
        let mut budget = Budget::new(0.02, INTERVAL);
        let (mut now, mut spent) = (start, Duration::ZERO);
        while now < start + 100 * INTERVAL {
            if budget.allows(now) {
                budget.spend(piece);
                spent += piece;
            } else {
                let ready = budget.ready(now);
                assert!(ready > now);
                now = ready;
            }
        }
        // One interval's worth was there at the start.
        let earned = (now - start + INTERVAL).mul_f64(0.02);
        assert!(spent <= earned + piece, "{spent:?} of {earned:?}");
        assert!(spent + 2 * piece >= earned, "{spent:?} of {earned:?}");
    }

    #[test]
    fn what_is_saved_up_has_a_bound() {
        let start = Instant::now();
        let mut budget = Budget::new(0.02, INTERVAL);
        assert!(budget.allows(start));
        assert!(budget.allows(start + 1000 * INTERVAL));
        budget.spend(Duration::from_millis(601));
        assert!(!budget.allows(start + 1000 * INTERVAL));
    }

    #[test]
    fn a_clock_that_goes_back_earns_nothing() {
        let start = Instant::now() + INTERVAL;
        let mut budget = Budget::new(0.02, INTERVAL);
        assert!(budget.allows(start));
        budget.spend(Duration::from_secs(1));
        for _ in 0..100 {
            assert!(!budget.allows(start.checked_sub(INTERVAL).unwrap()));
            assert!(!budget.allows(start));
        }
    }
}
