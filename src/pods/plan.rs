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
    /// When it was last read.
    pub(super) read: Option<Instant>,
    /// When it was read that its gates stand on.
    pub(super) anchored: Option<Instant>,
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
/// The longest-waiting goes first. Readings that stand end at different times if with every tick so many of the oldest are renewed.
pub(super) fn plan(
    mut candidates: Vec<Candidate>,
    now: Instant,
    interval: Duration,
) -> VecDeque<Turn> {
    candidates.sort_unstable_by_key(|candidate| (candidate.read, candidate.id));
    let mut shares = [
        (Gate::Hold, MOST_HELD),
        (Gate::Derive, interval * MOST_DERIVED),
    ]
    .map(|(gate, longest)| {
        let all = candidates.iter().filter(|found| found.gate == gate).count();
        let ticks = longest.as_nanos() / interval.as_nanos().max(1);
        let ticks = usize::try_from(ticks).unwrap_or(usize::MAX);
        (gate, longest, all.div_ceil(ticks.saturating_sub(1).max(1)))
    });
    let mut turns = Vec::new();
    for Candidate {
        id, gate, anchored, ..
    } in candidates
    {
        let share = shares.iter_mut().find(|share| share.0 == gate);
        let anyway = match share {
            None => false,
            Some((_, longest, left)) => {
                let ends = anchored
                    .is_none_or(|read| now.saturating_duration_since(read) + interval >= *longest);
                if *left == 0 && !ends {
                    continue;
                }
                *left = left.saturating_sub(1);
                true
            }
        };
        turns.push((id, anyway));
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
