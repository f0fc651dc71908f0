//! The last hour and the last week, in memory that does not grow.
//!
//! Of whatever is read alone (the host, or the agent's own namespace) one hour is kept as it was counted, and seven days in
//! quarters of an hour with average, least and most. Of each pod the five are kept for an hour, a minute to a slot. What was not
//! counted is nothing in its slot, never a zero and never a value from beside it.
//!
//! # Memory
//!
//! [`History::bytes`] is what all of it takes when it is full; `docs/history.md` has the numbers. An hour has as many slots as it has
//! intervals, a week 672; pods are no more than are told of. There is nothing else.
//!
//! # Time
//!
//! Slots are aligned to the wall clock, and samples are known by how long after one another they were taken. Where the two
//! disagree the clock was set, and all that was before moves with it: it was as long ago as it was, by the clock as it is now. So
//! nothing is written twice or over one another, a clock that is set wrong and right again leaves no trace, and times always
//! rise. Slots move by whole slots, the nearest; so what is kept of the time before may be told half a slot too early or too
//! late. That needs a `step` of a clock that nobody sets and that goes on while the machine sleeps (`CLOCK_BOOTTIME`): by one
//! that stands still meanwhile, sleep would look like a clock that was set, and leave no gap.

mod host;
mod line;
mod pods;
mod saved;

use std::time::{Duration, SystemTime};

pub use self::host::{Counts, Quarter, Spread};
pub use self::saved::{RestoreError, Restored};

use self::host::Host;
use self::line::{Line, since_epoch, whole};
use self::pods::{Pod, Table};
use crate::pods::Owner;
use crate::sample::{Five, Sample};

/// How long what was counted is kept as it was.
const HOUR: Duration = Duration::from_hours(1);

/// How much time is in one slot of the week …
const QUARTER: Duration = Duration::from_mins(15);

/// … and so many of them.
const QUARTERS: usize = 7 * 24 * 4;

/// No slot of a pod is shorter.
const POD_SLOT: Duration = Duration::from_mins(1);

/// A clock that goes so many milliseconds otherwise than time did has been set.
const SET: i64 = 1000;

/// What is kept of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    interval: i64,
    /// When the last sample was taken.
    last: Option<i64>,
    /// When the first sample of this run was taken; nothing before that.
    began: Option<i64>,
    hour: Line,
    week: Line,
    /// Of pods.
    minutes: Line,
    /// Nothing as long as nothing was read alone.
    host: Option<Host>,
    pods: Table,
}

impl History {
    /// Of samples that are taken at multiples of `interval`, with no more than `most_pods` pods, and all others together.
    #[must_use]
    pub fn new(interval: Duration, most_pods: usize) -> Self {
        let interval = interval.clamp(Duration::from_secs(1), HOUR);
        // All others together are one more.
        Self::with(whole(interval), most_pods.saturating_add(1))
    }

    fn with(interval: i64, most: usize) -> Self {
        let width = Duration::from_millis(interval.unsigned_abs());
        let slots = |width: Duration| {
            usize::try_from(HOUR.as_millis() / width.as_millis().max(1)).unwrap_or(1)
        };
        let minute = width.max(POD_SLOT);
        Self {
            interval,
            last: None,
            began: None,
            hour: Line::new(width, slots(width)),
            week: Line::new(QUARTER, QUARTERS),
            minutes: Line::new(minute, slots(minute)),
            host: None,
            pods: Table::new(most),
        }
    }

    /// What it takes in memory when it is full, and never more: names aside, which others have too.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + Host::bytes(&self.hour, &self.week) + self.pods.bytes(&self.minutes)
    }

    /// Takes a sample that was taken `step` after the one before; of the first one after a start nobody knows.
    pub fn take(&mut self, sample: &Sample, step: Duration) {
        let now = since_epoch(sample.time);
        if let (Some(last), Some(began)) = (self.last, self.began) {
            let by = now - last - whole(step);
            self.shift(by);
            // Not for what one sample is later than another.
            if by.abs() >= SET {
                self.began = Some(began + by);
            }
        } else {
            self.end_at(now);
            self.began = Some(now);
        }
        self.last = Some(now);
        let tick = self.tick(now);
        let (in_hour, new_hour) = self.hour.place(tick);
        let (in_week, new_week) = self.week.place(tick);
        let (in_minutes, new_minutes) = self.minutes.place(tick);
        if let Some(host) = &mut self.host {
            host.clear_hour(self.hour.last(new_hour));
            host.clear_week(self.week.last(new_week));
        }
        if let Some(reading) = sample.readings.first()
            && let Some(counts) = Counts::of(&reading.counted)
        {
            let scope = reading.scope;
            // No namespace's numbers under another's name.
            let kept = self.host.take().filter(|host| host.scope == scope);
            let host = kept.unwrap_or_else(|| Host::new(scope, &self.hour, &self.week));
            let host = self.host.insert(host);
            host.set_hour(in_hour, Some(counts));
            host.add_to_quarter(in_week, &counts);
        }
        self.pods.advance(&self.minutes, new_minutes);
        let readings = sample.pods.as_ref().map(|pods| &*pods.readings);
        self.pods
            .take(readings.unwrap_or_default(), &self.minutes, in_minutes);
    }

    /// The tick that a sample belongs to: ticks are late a little, and early less.
    fn tick(&self, time: i64) -> i64 {
        (time + self.interval / 8).div_euclid(self.interval) * self.interval
    }

    fn lines(&mut self) -> [&mut Line; 3] {
        [&mut self.hour, &mut self.week, &mut self.minutes]
    }

    fn shift(&mut self, by: i64) {
        for line in self.lines() {
            line.shift(by);
        }
    }

    fn end_at(&mut self, time: i64) {
        let tick = self.tick(time);
        for line in self.lines() {
            line.end_at(tick);
        }
    }

    /// How much time is in a slot of the hour: the interval.
    #[must_use]
    pub fn interval(&self) -> Duration {
        width(&self.hour)
    }

    /// How much time is in a slot of a pod: a minute, or the interval where that is longer. A slot tells the last that was told in it.
    #[must_use]
    pub fn pod_interval(&self) -> Duration {
        width(&self.minutes)
    }

    /// How much time is in a slot of the week.
    #[must_use]
    pub const fn quarter() -> Duration {
        QUARTER
    }

    /// When the first sample of this run was taken, by the clock as it is now.
    #[must_use]
    pub fn began(&self) -> Option<SystemTime> {
        self.began.map(line::wall)
    }

    /// When the last sample was taken.
    #[must_use]
    pub fn last(&self) -> Option<SystemTime> {
        self.last.map(line::wall)
    }

    /// The last hour, slot by slot, the oldest first: when it begins, and what the last sample in it counted. Empty where nothing
    /// is read alone.
    pub fn hour(&self) -> impl ExactSizeIterator<Item = (SystemTime, Option<&Counts>)> {
        series(&self.hour, self.host.as_ref(), Host::in_hour)
    }

    /// The last seven days, slot by slot, the oldest first. Empty where nothing is read alone.
    pub fn week(&self) -> impl ExactSizeIterator<Item = (SystemTime, Option<&Quarter>)> {
        series(&self.week, self.host.as_ref(), Host::in_week)
    }

    /// Everyone who was told of in the last hour.
    #[must_use]
    pub fn pods(&self) -> impl ExactSizeIterator<Item = PodHistory<'_>> {
        let line = &self.minutes;
        self.pods.iter().map(move |pod| PodHistory { pod, line })
    }

    /// The one with this key.
    #[must_use]
    pub fn pod(&self, key: &str) -> Option<PodHistory<'_>> {
        self.pods().find(|pod| pod.key() == key)
    }
}

fn width(line: &Line) -> Duration {
    Duration::from_millis(line.width.unsigned_abs())
}

fn series<'a, T: 'a>(
    line: &'a Line,
    host: Option<&'a Host>,
    value: impl Fn(&'a Host, usize) -> Option<&'a T>,
) -> impl ExactSizeIterator<Item = (SystemTime, Option<&'a T>)> {
    let shown = if host.is_some() { usize::MAX } else { 0 };
    let slots = line.numbered().take(shown);
    slots.map(move |(number, place)| {
        let value = host.and_then(|host| value(host, place));
        (line.time(number), value)
    })
}

/// The last hour of one owner of sockets.
#[derive(Clone, Copy, Debug)]
pub struct PodHistory<'a> {
    pod: &'a Pod,
    line: &'a Line,
}

impl<'a> PodHistory<'a> {
    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> &'a Owner {
        &self.pod.owner
    }

    /// What it is found by: the pod's UID, the container's id, or `other`.
    #[must_use]
    pub fn key(&self) -> &'a str {
        match &self.pod.owner {
            Owner::Pod { uid, .. } => uid,
            Owner::Container { id } => id,
            Owner::Other => "other",
        }
    }

    /// One of the five in the last sample; nothing where that did not tell of it.
    #[must_use]
    pub fn now(self, five: Five) -> Option<u64> {
        self.pod.now(self.line, five)
    }

    /// One of the five, slot by slot, the oldest first: when it begins, and the last value told in it.
    #[must_use]
    pub fn hour(
        self,
        five: Five,
    ) -> impl ExactSizeIterator<Item = (SystemTime, Option<u64>)> + use<'a> {
        let Self { pod, line } = self;
        let slots = line.numbered();
        slots.map(move |(number, place)| (line.time(number), pod.value(place, five)))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "cases_tests.rs"]
mod cases;

#[cfg(test)]
#[path = "clock_tests.rs"]
mod clocks;
