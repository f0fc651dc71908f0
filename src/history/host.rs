//! What is kept of whatever is read alone: the host, or the agent's own namespace.

use super::line::Line;
use crate::sample::Five;
use crate::source::{Counted, Scope};
use crate::tcp::State;

/// The states, and what is in none of them.
pub(super) const COUNTS: usize = State::ALL.len() + 1;

/// The same, and all together.
pub(super) const SPREADS: usize = COUNTS + 1;

/// What one sample counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u32; COUNTS]);

impl Counts {
    /// Nothing where the totals may be short, or a number is none that sockets can come to.
    pub(super) fn of(counted: &Counted) -> Option<Self> {
        if !counted.is_trusted() {
            return None;
        }
        let both = counted.sockets.both();
        let states = State::ALL.into_iter().map(|state| both.get(state));
        let mut counts = Self::default();
        for (count, number) in counts
            .0
            .iter_mut()
            .zip(states.chain([counted.unrecognised]))
        {
            *count = u32::try_from(number).ok()?;
        }
        counts.is_possible().then_some(counts)
    }

    pub(super) fn from_array(counts: [u32; COUNTS]) -> Option<Self> {
        let counts = Self(counts);
        counts.is_possible().then_some(counts)
    }

    fn is_possible(&self) -> bool {
        u32::try_from(self.five(Five::Connections)).is_ok()
    }

    pub(super) fn as_array(&self) -> &[u32; COUNTS] {
        &self.0
    }

    /// One of the five.
    #[must_use]
    pub fn five(&self, five: Five) -> u64 {
        self.0
            .get(columns(five))
            .unwrap_or_default()
            .iter()
            .map(|count| u64::from(*count))
            .sum()
    }

    /// Sockets in `state`.
    #[must_use]
    pub fn state(&self, state: State) -> u64 {
        self.0.get(column(state)).copied().map_or(0, u64::from)
    }

    /// Sockets in a state that is unknown to us: part of the total, in none of the states.
    #[must_use]
    pub fn unrecognised(&self) -> u64 {
        self.0.last().copied().map_or(0, u64::from)
    }
}

fn column(state: State) -> usize {
    state as usize - 1
}

fn columns(five: Five) -> std::ops::Range<usize> {
    let of = |state| column(state)..column(state) + 1;
    match five {
        Five::Connections => 0..COUNTS,
        Five::Established => of(State::Established),
        Five::TimeWait => of(State::TimeWait),
        Five::CloseWait => of(State::CloseWait),
        Five::Listen => of(State::Listen),
    }
}

/// How one number was in a quarter of an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The mean of its samples.
    pub average: f64,
    /// The least of them.
    pub least: u64,
    /// The most of them.
    pub most: u64,
}

/// What the samples of a quarter of an hour counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quarter {
    samples: u32,
    /// The states, what is in none, and all together: the least of the sum is not the sum of the least.
    spreads: [Added; SPREADS],
}

/// A number, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Added {
    pub(super) sum: u64,
    pub(super) least: u32,
    pub(super) most: u32,
}

impl Quarter {
    /// How many samples are in it. With 30 s between samples a quarter of an hour that was seen to its end has 30 of them.
    #[must_use]
    pub fn samples(&self) -> u32 {
        self.samples
    }

    /// One of the five.
    #[must_use]
    pub fn five(&self, five: Five) -> Spread {
        match five {
            Five::Connections => self.spread(COUNTS),
            other => self.spread(columns(other).start),
        }
    }

    /// Sockets in `state`.
    #[must_use]
    pub fn state(&self, state: State) -> Spread {
        self.spread(column(state))
    }

    /// Sockets in a state that is unknown to us.
    #[must_use]
    pub fn unrecognised(&self) -> Spread {
        self.spread(COUNTS - 1)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "sums of a quarter of an hour are far below 2^53"
    )]
    fn spread(&self, column: usize) -> Spread {
        let Added { sum, least, most } = self.spreads.get(column).copied().unwrap_or_default();
        Spread {
            average: sum as f64 / f64::from(self.samples.max(1)),
            least: u64::from(least),
            most: u64::from(most),
        }
    }

    pub(super) fn from_parts(samples: u32, spreads: [Added; SPREADS]) -> Option<Self> {
        let least = |sum: &Added| u64::from(sum.least) * u64::from(samples);
        let most = |sum: &Added| u64::from(sum.most) * u64::from(samples);
        let is_possible = |sum: &Added| (least(sum)..=most(sum)).contains(&sum.sum);
        let is_one = samples > 0 && spreads.iter().all(is_possible);
        is_one.then_some(Self { samples, spreads })
    }

    pub(super) fn spreads(&self) -> &[Added; SPREADS] {
        &self.spreads
    }

    fn add(&mut self, counts: &Counts) {
        let all = u32::try_from(counts.five(Five::Connections)).unwrap_or(u32::MAX);
        let each = counts.0.iter().copied().chain([all]);
        for (spread, value) in self.spreads.iter_mut().zip(each) {
            spread.least = if self.samples == 0 {
                value
            } else {
                spread.least.min(value)
            };
            spread.most = spread.most.max(value);
            spread.sum = spread.sum.saturating_add(u64::from(value));
        }
        self.samples = self.samples.saturating_add(1);
    }
}

/// The hour and the week.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Host {
    /// Whose sockets these are.
    pub(super) scope: Scope,
    hour: Box<[Option<Counts>]>,
    week: Box<[Quarter]>,
}

impl Host {
    pub(super) fn new(scope: Scope, hour: &Line, week: &Line) -> Self {
        Self {
            scope,
            hour: vec![None; hour.slots()].into(),
            week: vec![Quarter::default(); week.slots()].into(),
        }
    }

    pub(super) const fn bytes(hour: &Line, week: &Line) -> usize {
        hour.slots() * size_of::<Option<Counts>>() + week.slots() * size_of::<Quarter>()
    }

    pub(super) fn clear_hour(&mut self, places: impl Iterator<Item = usize>) {
        places.for_each(|place| self.set_hour(place, None));
    }

    pub(super) fn clear_week(&mut self, places: impl Iterator<Item = usize>) {
        places.for_each(|place| self.set_quarter(place, Quarter::default()));
    }

    pub(super) fn set_hour(&mut self, place: usize, counts: Option<Counts>) {
        if let Some(slot) = self.hour.get_mut(place) {
            *slot = counts;
        }
    }

    pub(super) fn set_quarter(&mut self, place: usize, quarter: Quarter) {
        if let Some(slot) = self.week.get_mut(place) {
            *slot = quarter;
        }
    }

    pub(super) fn add_to_quarter(&mut self, place: usize, counts: &Counts) {
        if let Some(slot) = self.week.get_mut(place) {
            slot.add(counts);
        }
    }

    pub(super) fn in_hour(&self, place: usize) -> Option<&Counts> {
        self.hour.get(place)?.as_ref()
    }

    pub(super) fn in_week(&self, place: usize) -> Option<&Quarter> {
        self.week.get(place).filter(|quarter| quarter.samples > 0)
    }
}
