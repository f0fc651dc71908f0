//! A number that rises steadily, however slowly and however low it is.
//!
//! Of each sixth of the window only the least and the most are kept. What comes and goes has a least that stays low, or one that
//! does not get beyond the most there was at first; what jumps once and settles rises in one sixth alone; a leak never falls and
//! rises in nearly every one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::judge::{Finding, Judgement, Tenths, Time, tenths};

const PARTS: usize = 6;
/// So many of the five steps from part to part have to go up, for a slow leak may miss one.
const RISING: usize = 4;
/// With no more than this it no longer rises.
const RESTING: usize = 1;
/// Where there are many already, what is added must be this part of them: the load of a day rises steadily too.
const SHARE: f64 = 0.2;
/// So many samples have to be in a part.
const SAMPLES: u32 = 2;

/// What is remembered of a window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Growth {
    /// The least and the most of each part that is over, oldest first.
    parts_seen: [(u32, u32); PARTS],
    /// How many of these there are.
    parts: u8,
    /// The least and the most of the part that is not over, and how long the value had been known when that began.
    current: Option<((u32, u32), Tenths)>,
}

impl Growth {
    pub(super) fn judge(
        &mut self,
        window: Duration,
        rise: f64,
        value: f64,
        time: &Time,
    ) -> Judgement {
        let parts = u32::try_from(PARTS).unwrap_or(1);
        let width = tenths(window / parts).max(time.interval.saturating_mul(SAMPLES));
        if time.since_known.is_some_and(|since| since > width) {
            *self = Self::default();
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is too large or less than nothing becomes the nearest that fits"
        )]
        let value = value as u32;
        let new = ((value, value), time.known);
        let ((least, most), began) = *self.current.get_or_insert(new);
        if time.known.saturating_sub(began) >= width {
            self.end((least, most));
            self.current = Some(new);
        } else {
            self.current = Some(((least.min(value), most.max(value)), began));
        }
        self.verdict(rise, width)
    }

    /// Whether it can have been made here.
    pub(super) fn is_sound(&self) -> bool {
        usize::from(self.parts) <= PARTS
    }

    fn end(&mut self, seen: (u32, u32)) {
        if usize::from(self.parts) >= PARTS {
            self.parts_seen.rotate_left(1);
            self.parts = u8::try_from(PARTS - 1).unwrap_or_default();
        }
        if let Some(place) = self.parts_seen.get_mut(usize::from(self.parts)) {
            *place = seen;
        }
        self.parts += 1;
    }

    /// Whether it may soon have risen for all of the window.
    pub(super) fn rises(&self) -> bool {
        let seen = self
            .parts_seen
            .get(..usize::from(self.parts))
            .unwrap_or(&[]);
        let ends = seen.first().zip(seen.last());
        usize::from(self.parts) + 1 >= PARTS
            && seen.is_sorted_by_key(|(least, _)| *least)
            && ends.is_some_and(|(first, last)| first.0 < last.0)
    }

    fn verdict(&self, rise: f64, width: Tenths) -> Judgement {
        if usize::from(self.parts) < PARTS {
            return Judgement::Between;
        }
        let leasts = || self.parts_seen.iter().map(|(of_part, _)| *of_part);
        let steps = || leasts().zip(leasts().skip(1));
        let rises = steps().filter(|(before, after)| after > before).count();
        let falls = steps().any(|(before, after)| after < before);
        let [(first, most_at_first), .., (last, _)] = self.parts_seen;
        let more = f64::from(last) - f64::from(first);
        // What passes through in numbers has a least that rises for a while by chance.
        let is_beyond_chance = last > most_at_first;
        if !falls
            && is_beyond_chance
            && rises >= RISING
            && more >= rise.max(f64::from(first) * SHARE)
        {
            return Judgement::Over {
                limit: f64::from(first),
                before: width.saturating_mul(u32::from(self.parts)),
                finding: Finding::Rising,
            };
        }
        if rises <= RESTING || more <= 0.0 {
            return Judgement::Under;
        }
        Judgement::Between
    }
}
