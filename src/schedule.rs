//! When the next reading is due: at multiples of the interval on the wall clock, so that hosts can be lined up.

use std::time::Duration;

/// The ticks that were.
#[derive(Debug, Default)]
pub struct Schedule {
    last: Option<u128>,
}

impl Schedule {
    /// How long to wait, at `now` since the epoch, for the next multiple of `interval`.
    ///
    /// Call it once after each tick. A clock that was set back or forth gives the next multiple on the new clock:
    /// no tick is made up for, and none waits for longer than an interval.
    pub fn wait(&mut self, now: Duration, interval: Duration) -> Duration {
        let interval = interval.as_nanos().max(1);
        let now = now.as_nanos();
        let mut next = now / interval + 1;
        // A timer that fired a little early, by this clock, has not reached the tick that it was for: do not tick twice for it.
        let left = next * interval - now;
        if self.last == Some(next) && left < interval / 10 {
            next += 1;
        }
        self.last = Some(next);
        Duration::from_nanos(u64::try_from(next * interval - now).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn ticks_are_multiples_of_the_interval() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.wait(seconds(1000.0), INTERVAL), seconds(20.0));
        assert_eq!(schedule.wait(seconds(1020.0), INTERVAL), seconds(30.0));
        assert_eq!(schedule.wait(seconds(1050.25), INTERVAL), seconds(29.75));
    }

    #[test]
    fn a_tick_that_came_a_little_early_is_not_repeated() {
        let mut schedule = Schedule::default();
        schedule.wait(seconds(1000.0), INTERVAL);
        assert_eq!(schedule.wait(seconds(1019.5), INTERVAL), seconds(30.5));
        assert_eq!(schedule.wait(seconds(1050.0), INTERVAL), seconds(30.0));
    }

    #[test]
    fn a_slow_tick_skips_and_makes_up_for_nothing() {
        let mut schedule = Schedule::default();
        schedule.wait(seconds(1000.0), INTERVAL);
        assert_eq!(schedule.wait(seconds(1090.0), INTERVAL), seconds(20.0));
    }

    #[test]
    fn a_clock_that_jumps_makes_nobody_wait_for_longer_than_an_interval() {
        let mut schedule = Schedule::default();
        for now in [1_000_000.0, 500.0, 490.0, 2_000_000.5, 0.0, 7.0] {
            let wait = schedule.wait(seconds(now), INTERVAL);
            assert!(wait > Duration::ZERO && wait <= INTERVAL, "{now}: {wait:?}");
        }
    }
}
