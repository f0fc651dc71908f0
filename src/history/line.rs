//! Where on the time line each slot is. Pure; times are milliseconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// No time is later: the end of the year 9999.
pub(super) const END_MS: i64 = 253_402_300_799_000;

/// Slots of one width, aligned to the wall clock; the newest takes the place of the oldest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// Of a slot.
    pub(super) width: i64,
    slots: usize,
    /// The number of the newest slot: its time, divided by the width.
    newest: Option<i64>,
    /// Where the newest is.
    at: usize,
    /// By how much the clock has been set and the slots have not been moved, for they move by whole slots.
    owed: i64,
}

impl Line {
    pub(super) fn new(width: Duration, slots: usize) -> Self {
        Self {
            width: whole(width).max(1),
            slots: slots.max(1),
            newest: None,
            at: 0,
            owed: 0,
        }
    }

    pub(super) const fn slots(&self) -> usize {
        self.slots
    }

    pub(super) fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Makes room for what belongs to `time`. Gives its place, and how many slots up to it are new and have to be cleared.
    ///
    /// What is older than the newest slot belongs there: only a clock that was set by less than a slot, or a tick that came
    /// early, can do that.
    pub(super) fn place(&mut self, time: i64) -> (usize, usize) {
        let number = time.div_euclid(self.width);
        let ahead = self.newest.map_or(i64::MAX, |newest| number - newest);
        if ahead <= 0 {
            return (self.at, 0);
        }
        self.newest = Some(number);
        let slots = self.slots as u64;
        let ahead = ahead.unsigned_abs();
        let step = usize::try_from(ahead % slots).unwrap_or_default();
        self.at = (self.at + step) % self.slots;
        (
            self.at,
            usize::try_from(ahead.min(slots)).unwrap_or(self.slots),
        )
    }

    /// The place of what belongs to `time`; nothing where that is not kept.
    pub(super) fn find(&self, time: i64) -> Option<usize> {
        let back = self.newest? - time.div_euclid(self.width);
        let back = usize::try_from(back)
            .ok()
            .filter(|back| *back < self.slots)?;
        Some((self.at + self.slots - back) % self.slots)
    }

    /// The clock was set forth by so much (back, if it is negative): what was before was so much later than was thought.
    pub(super) fn shift(&mut self, by: i64) {
        let Some(newest) = &mut self.newest else {
            return;
        };
        self.owed += by;
        let slots = (self.owed + self.width / 2).div_euclid(self.width);
        *newest += slots;
        self.owed -= slots * self.width;
    }

    /// Sees to it that no slot is later than `time`.
    pub(super) fn end_at(&mut self, time: i64) {
        let number = time.div_euclid(self.width);
        self.newest = self.newest.map(|newest| newest.min(number));
    }

    /// The places of the newest slots, so many of them, from the newest on.
    pub(super) fn last(&self, slots: usize) -> impl Iterator<Item = usize> + use<> {
        let (at, all) = (self.at, self.slots);
        (0..slots.min(all)).map(move |back| (at + all - back) % all)
    }

    /// Every slot, the oldest first: its number and its place. None before the first sample.
    pub(super) fn numbered(&self) -> impl ExactSizeIterator<Item = (i64, usize)> + Clone + use<> {
        let (at, all) = (self.at, self.slots);
        let newest = self.newest.unwrap_or_default();
        let shown = if self.newest.is_some() { all } else { 0 };
        (0..shown).rev().map(move |back| {
            let before = i64::try_from(back).unwrap_or(i64::MAX);
            (newest - before, (at + all - back) % all)
        })
    }

    /// When a slot begins.
    pub(super) fn time(&self, number: i64) -> SystemTime {
        wall(number * self.width)
    }
}

/// Whole milliseconds.
pub(super) fn whole(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).map_or(END_MS, |time| time.min(END_MS))
}

/// Since 1970; what is before is taken for that.
pub(super) fn since_epoch(time: SystemTime) -> i64 {
    whole(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// The time that this is; what is before 1970 is told too, for a clock that was set back to there has a past.
pub(super) fn wall(ms: i64) -> SystemTime {
    let away = Duration::from_millis(ms.unsigned_abs());
    let time = if ms < 0 {
        UNIX_EPOCH.checked_sub(away)
    } else {
        UNIX_EPOCH.checked_add(away)
    };
    time.unwrap_or(UNIX_EPOCH)
}
