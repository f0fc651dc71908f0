//! What is remembered of a namespace from one tick to the next.

use std::time::{Duration, Instant};

use super::Gate;
use super::gates::{self, Anchor, Circumstances, MOST_DERIVED, MOST_HELD};
use super::owners::Told;
use super::tables::Tables;
use crate::source::counters::Everything;
use crate::source::{Counted, Details};

/// What is remembered of a namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The last reading that the counters are known of, when that was, and which processes there were.
    anchor: Option<(Instant, u64, Anchor)>,
    /// What was found since the last tick, with the time of the reading that it stands on.
    found: Option<(Instant, Gate, Counted)>,
    /// What was seen of single sockets, if it was read since the last tick.
    details: Option<Details>,
    /// How it was told of with the last tick; as one to be read if it was not.
    gate: Gate,
    /// When it was last read.
    read: Option<Instant>,
    /// When it was last told of.
    told: Option<Instant>,
    /// Sockets, the last time that they were counted.
    size: u64,
    /// Why it could not be read since the last tick.
    fault: Option<String>,
}

/// What is the same for all namespaces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) interval: Duration,
    pub(super) by_family: bool,
}

impl Memory {
    /// Whether a look may do for a reading.
    pub(super) fn may_stand(&self, now: Instant) -> bool {
        let age = |read| now.saturating_duration_since(read);
        let anchor = self.anchor.as_ref();
        anchor.is_some_and(|(read, ..)| age(*read) < MOST_HELD)
    }

    /// What stands of what was read before, now that the counters say this.
    pub(super) fn standing(
        &self,
        counters: &Everything,
        now: Instant,
        population: u64,
        terms: Terms,
    ) -> Option<(Instant, Gate, Counted)> {
        let (read, then, anchor) = self.anchor.as_ref()?;
        let circumstances = Circumstances {
            age: now.saturating_duration_since(*read),
            interval: terms.interval,
            same_processes: *then == population,
            by_family: terms.by_family,
        };
        let (gate, counted) = gates::judge(anchor, counters, &circumstances)?;
        Some((*read, gate, counted))
    }

    /// Forgets what stood when a look was last enough, for one at `now` is not: the tables have changed, or it has stood too long.
    pub(super) fn fall(&mut self) {
        self.found.take_if(|(_, gate, _)| *gate != Gate::Read);
    }

    /// Takes in what a look found.
    pub(super) fn stand(&mut self, standing: (Instant, Gate, Counted)) {
        self.found = Some(standing);
    }

    /// Takes in what was read.
    pub(super) fn keep(&mut self, tables: Tables, now: Instant, population: u64) {
        let Tables {
            counted,
            still,
            details,
            ..
        } = tables;
        self.read = Some(now);
        if !counted.is_trusted() {
            self.fault = Some(format!("{} malformed or cut line(s)", counted.malformed));
            return;
        }
        self.size = counted.total();
        self.found = Some((now, Gate::Read, counted));
        // Whoever holds sockets must be seen to be told of, so a look does not do.
        let has_holders = details
            .holders
            .as_ref()
            .is_some_and(|found| found.total() > 0);
        // A service that hangs lets its queue stand as it is, and that it does is what somebody wants to know.
        let has_queue = details
            .listeners
            .longest
            .is_some_and(|queue| queue.length > 0);
        let still = still.filter(|_| counted.is_complete() && !has_holders && !has_queue);
        self.details = Some(details);
        self.anchor = still.map(|everything| {
            let anchor = Anchor {
                counted,
                everything,
            };
            (now, population, anchor)
        });
    }

    /// Takes in that it could not be read.
    pub(super) fn fail(&mut self, why: String, now: Instant) {
        self.read = Some(now);
        self.fault = Some(why);
    }

    /// What is told of it at `now`, or why it could not be read. Both are forgotten: they are told once.
    pub(super) fn tell(
        &mut self,
        now: Instant,
        interval: Duration,
    ) -> (Option<Told>, Option<String>) {
        let details = self.details.take();
        let told = self.found.take().map(|(read, gate, counted)| Told {
            counted,
            gate,
            age: now.saturating_duration_since(read),
            details: details.filter(|_| gate == Gate::Read),
        });
        // What stood when it was last looked at may have stood too long by now.
        let told = told.filter(|told| match told.gate {
            Gate::Read => true,
            Gate::Hold => told.age < MOST_HELD,
            Gate::Derive => told.age < MOST_HELD && told.age <= interval * MOST_DERIVED,
        });
        self.gate = told.as_ref().map_or(Gate::Read, |told| told.gate);
        if let Some(told) = &told {
            self.told = Some(now);
            self.size = told.counted.total();
        }
        (told, self.fault.take())
    }

    /// Forgets what was found and not told: it is not of the next interval.
    pub(super) fn miss(&mut self) {
        self.found = None;
        self.details = None;
        self.fault = None;
        self.gate = Gate::Read;
    }

    pub(super) fn has_found(&self) -> bool {
        self.found.is_some()
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn gate(&self) -> Gate {
        self.gate
    }

    pub(super) fn read(&self) -> Option<Instant> {
        self.read
    }

    pub(super) fn told(&self) -> Option<Instant> {
        self.told
    }

    /// When it was read: the last time, or what its gate stands on.
    pub(super) fn stands_on(&self) -> Option<Instant> {
        match self.gate {
            Gate::Read => self.read,
            Gate::Hold | Gate::Derive => self.anchor.as_ref().map(|(read, ..)| *read),
        }
    }
}
