//! A number that is far outside what it was within the last hour, or a longer window.
//!
//! One value is kept of each thirtieth of it. What is usual lies between the second least and the second most of them, so that
//! one odd value does not widen it. While something is unusual, what was usual stays what it was when that began.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::judge::{Finding, Judgement, Tenths, Time, tenths};
use super::rule::{Kind, Rule, Side};

const VALUES: usize = 30;
/// From fewer values than this nothing is usual.
const FEWEST: usize = 10;
/// After a longer gap than this nothing is usual any more.
const LONGEST_GAP: Duration = Duration::from_mins(10);
/// So much of the way back to what is usual it is over.
const WAY_BACK: f64 = 0.3;
/// Where none was seen.
const NONE: u32 = u32::MAX;

/// What was seen within the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Range {
    /// In a ring, one of each stretch of time.
    values: [u32; VALUES],
    /// The stretch of the newest.
    newest: u32,
    /// What is usual, if that is known.
    usual: Option<(u32, u32)>,
    /// Since when it is unusual.
    since: Tenths,
}

impl Default for Range {
    fn default() -> Self {
        Self {
            values: [NONE; VALUES],
            newest: 0,
            usual: None,
            since: 0,
        }
    }
}

/// As it is written: what is said of a limit is what it is, before a restart and after.
fn plain(limit: f64) -> f64 {
    (limit * 1000.0).round() / 1000.0
}

impl Range {
    pub(super) fn judge(&mut self, rule: &Rule, value: f64, time: &Time) -> Judgement {
        let Kind::Range {
            side,
            window,
            factor,
            least,
            warm_up,
            accept_after,
        } = &rule.kind
        else {
            return Judgement::Between;
        };
        let values = u32::try_from(VALUES).unwrap_or(1);
        let width = tenths(*window / values).max(time.interval).max(1);
        let longest = tenths(LONGEST_GAP).max(time.interval.saturating_mul(3));
        if time.since_known.is_some_and(|since| since > longest) {
            self.values = [NONE; VALUES];
        }
        let fewest = usize::try_from(tenths(*warm_up) / width).unwrap_or(VALUES);
        let stretch = time.now / width;
        let is_new = stretch != self.newest || self.at(stretch) == NONE;
        if is_new {
            self.go_on_to(stretch);
            if !time.was_over {
                self.usual = self.usual(fewest.clamp(FEWEST, VALUES));
            }
            self.keep(stretch, value);
        }
        let Some((low, high)) = self.usual else {
            return Judgement::Between;
        };
        let (low, high) = (f64::from(low), f64::from(high));
        let (limit, is_over, clear) = match side {
            Side::Above => {
                let limit = plain((high * factor).max(high + least));
                let clear = limit - (limit - high) * WAY_BACK;
                (limit, value > limit, value <= clear)
            }
            Side::Below => {
                let limit = plain((low * factor).min(low - least));
                let clear = limit + (low - limit) * WAY_BACK;
                (limit, value < limit, value >= clear)
            }
        };
        if !is_over {
            return if clear {
                Judgement::Under
            } else {
                Judgement::Between
            };
        }
        if !time.was_over {
            self.since = time.known;
        } else if time.is_accepted(
            time.known.saturating_sub(self.since),
            *accept_after,
            rule.held,
        ) {
            // It is all that was seen in the window, or not yet enough to tell.
            self.usual = None;
            if accept_after < window {
                self.values = [NONE; VALUES];
            }
            return Judgement::Accepted;
        }
        Judgement::Over {
            limit,
            before: 0,
            finding: Finding::Usual(low, high),
        }
    }

    fn place(stretch: u32) -> usize {
        usize::try_from(stretch).unwrap_or_default() % VALUES
    }

    fn at(&self, stretch: u32) -> u32 {
        self.values
            .get(Self::place(stretch))
            .copied()
            .unwrap_or(NONE)
    }

    /// Forgets what is older than all of the ring.
    fn go_on_to(&mut self, stretch: u32) {
        let passed = stretch.saturating_sub(self.newest);
        let most = u32::try_from(VALUES).unwrap_or(u32::MAX);
        for skipped in 1..=passed.min(most) {
            self.put(self.newest.wrapping_add(skipped), NONE);
        }
        self.newest = stretch;
    }

    fn keep(&mut self, stretch: u32, value: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is too large or less than nothing becomes the nearest that fits"
        )]
        let value = (value as u32).min(NONE - 1);
        self.put(stretch, value);
    }

    fn put(&mut self, stretch: u32, value: u32) {
        if let Some(place) = self.values.get_mut(Self::place(stretch)) {
            *place = value;
        }
    }

    fn usual(&self, fewest: usize) -> Option<(u32, u32)> {
        let mut sorted = self.values;
        sorted.sort_unstable();
        // What is missing is behind all others.
        let known = sorted.iter().take_while(|value| **value != NONE).count();
        if known < fewest {
            return None;
        }
        Some((*sorted.get(1)?, *sorted.get(known.checked_sub(2)?)?))
    }
}
