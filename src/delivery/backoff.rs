//! How long to wait before the next try: twice as long each time, with full jitter, so that many agents do not come back at once.

use std::time::Duration;

/// The first wait is at most this long.
const FIRST: Duration = Duration::from_secs(1);

/// No wait of ours is longer.
const MOST: Duration = Duration::from_mins(1);

/// No wait that a server asks for is honoured for longer: what it says may be wrong, and points wait.
const MOST_ASKED: Duration = Duration::from_mins(5);

/// The waits since the last success.
#[derive(Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next wait. `random` is in `0..1`; `asked` is what the server wants, which is obeyed within reason.
    pub fn next(&mut self, random: f64, asked: Option<Duration>) -> Duration {
        let most = FIRST.saturating_mul(1 << self.tries.min(16)).min(MOST);
        self.tries = self.tries.saturating_add(1);
        let own = most.mul_f64(random.clamp(0.0, 1.0));
        match asked {
            // The jitter goes on top, for the server asks everybody to come back at the same time.
            Some(asked) => asked.min(MOST_ASKED) + own.min(FIRST),
            None => own,
        }
    }

    /// Starts again from the shortest wait.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_spread_down_to_nothing() {
        let mut backoff = Backoff::default();
        let most: Vec<_> = (0..9).map(|_| backoff.next(1.0, None).as_secs()).collect();
        assert_eq!(most, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff.next(0.0, None), Duration::ZERO);
        assert_eq!(backoff.next(0.5, None), Duration::from_secs(30));
        backoff.reset();
        assert_eq!(backoff.next(1.0, None), FIRST);
    }

    #[test]
    fn a_server_is_obeyed_within_reason() {
        let asked = |seconds| Some(Duration::from_secs(seconds));
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(0.0, asked(7)), Duration::from_secs(7));
        assert_eq!(backoff.next(1.0, asked(7)), Duration::from_secs(8));
        assert_eq!(backoff.next(0.0, asked(u64::MAX)), MOST_ASKED);
    }
}
