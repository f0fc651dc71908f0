//! Which namespaces will have to be read for the next tick, and when. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Gate;
use super::gates::{MOST_DERIVED, MOST_HELD};
use crate::source::proc_root::NamespaceId;

/// A namespace that could be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) id: NamespaceId,
    /// How it was told of with this tick; as one to be read if it was not.
    pub(super) gate: Gate,
    /// When it was read: the last time, or what a gate stands on.
    pub(super) read: Option<Instant>,
}

/// One to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) at: Instant,
    pub(super) id: NamespaceId,
    /// Even if it would pass a gate.
    pub(super) anyway: bool,
}

/// Spreads over the time until the next tick what did not pass a gate at this one, and readings that stand and will not for long.
///
/// The longest-waiting goes first.
pub(super) fn plan(
    mut candidates: Vec<Candidate>,
    now: Instant,
    interval: Duration,
) -> VecDeque<Turn> {
    candidates.sort_unstable_by_key(|candidate| (candidate.read, candidate.id));
    let mut renewals = [
        (Gate::Hold, MOST_HELD),
        (Gate::Derive, MOST_HELD.min(interval * MOST_DERIVED)),
    ]
    .map(|(gate, longest)| {
        let gated = candidates.iter().filter(|found| found.gate == gate);
        let age = |read| now.saturating_duration_since(read);
        let ages: Vec<_> = gated.map(|found| found.read.map_or(longest, age)).collect();
        (gate, renewals(&ages, interval, longest))
    });
    let mut turns = Vec::new();
    for Candidate { id, gate, .. } in candidates {
        let renewal = renewals.iter_mut().find(|renewal| renewal.0 == gate);
        match renewal {
            None => turns.push((id, false)),
            Some((_, 0)) => {}
            Some((_, left)) => {
                *left -= 1;
                turns.push((id, true));
            }
        }
    }
    let slot = interval / u32::try_from(turns.len() + 1).unwrap_or(u32::MAX);
    let places = turns.into_iter().zip(1_u32..);
    places
        .map(|((id, anyway), place)| Turn {
            at: now + slot * place,
            id,
            anyway,
        })
        .collect()
}

/// How many of the oldest readings to renew before the next tick, so that none gets as old as `longest` and as few as can be are read at
/// a time, however many were read at once before. `ages` begin with the oldest.
fn renewals(ages: &[Duration], interval: Duration, longest: Duration) -> usize {
    // Who stands beyond the next tick can wait for its slot; there are as many as readings, until the last of them is too old.
    let usable = longest.saturating_sub(interval);
    let slot = (usable.as_nanos() / ages.len().max(1) as u128).max(1);
    let places = ages.iter().zip(1_usize..);
    let needed = places.map(|(age, place)| {
        let slots_left = usable.saturating_sub(*age).as_nanos().div_ceil(slot);
        place.saturating_sub(usize::try_from(slots_left).unwrap_or(usize::MAX))
    });
    needed.max().unwrap_or_default()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
