//! Who else holds sockets that were found in one process.
//!
//! Almost always that is a child: it has the same files under the same numbers. So a few numbers are tried in every process, which costs
//! far less than to look through all its files, and the others where one of them is the same socket.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::machine::{About, Candidate, Held, Machine};
use super::search::{Id, Place};

/// So many sockets of others are gathered, at most.
const MOST_SHARED: usize = 1 << 18;

/// So many processes have their sockets tried in others: those that hold the most.
const MOST_HOLDERS: usize = 16;

/// So many of a process's sockets are tried, or a few more.
const SAMPLES: usize = 8;

/// A process that holds sockets that another one was found to hold.
#[derive(Debug)]
pub(super) struct Rival {
    pub(super) id: Id,
    pub(super) about: About,
    /// The inodes, and the numbers of the files.
    pub(super) shared: Vec<(u64, i32)>,
}

/// Finds them among `candidates`.
pub(super) fn find<M: Machine>(
    machine: &mut M,
    found: &BTreeMap<u64, Place>,
    candidates: &[Candidate],
    stop: &AtomicBool,
) -> Vec<Rival> {
    let mut by_holder: BTreeMap<Id, Vec<(u64, i32)>> = BTreeMap::new();
    for (inode, place) in found {
        let sockets = by_holder.entry(place.holder).or_default();
        sockets.push((*inode, place.number));
    }
    let mut by_holder: Vec<_> = by_holder.into_iter().collect();
    by_holder.sort_by_key(|(_, sockets)| std::cmp::Reverse(sockets.len()));
    by_holder.truncate(MOST_HOLDERS);
    for (_, sockets) in &mut by_holder {
        // Who shares only some mostly has all of the first, or all of the last.
        sockets.sort_unstable_by_key(|(_, number)| *number);
    }
    let mut rivals = Vec::new();
    let mut room = MOST_SHARED;
    for candidate in candidates {
        if by_holder.is_empty() || room == 0 || stop.load(Ordering::Relaxed) {
            break;
        }
        let Ok(mut process) = machine.open(candidate.pid) else {
            continue;
        };
        let mut shared = shared(&mut process, candidate.pid, &by_holder, stop);
        shared.truncate(room);
        room -= shared.len();
        let Some(&(inode, number)) = shared.first() else {
            continue;
        };
        if let Some(about) = process.about()
            && process.socket(number) == Ok(Some(inode))
        {
            let id = (candidate.pid, about.start);
            rivals.push(Rival { id, about, shared });
        }
    }
    rivals
}

fn shared(
    process: &mut impl Held,
    pid: u32,
    by_holder: &[(Id, Vec<(u64, i32)>)],
    stop: &AtomicBool,
) -> Vec<(u64, i32)> {
    let mut shared = Vec::new();
    for (_, sockets) in by_holder.iter().filter(|(holder, _)| holder.0 != pid) {
        let apart = (sockets.len() / SAMPLES).max(1);
        let mut samples = sockets.iter().step_by(apart);
        let mut has = |(inode, number): &(u64, i32)| process.socket(*number) == Ok(Some(*inode));
        if samples.any(&mut has) {
            let going_on = sockets.iter().take_while(|_| !stop.load(Ordering::Relaxed));
            shared.extend(going_on.copied().filter(|socket| has(socket)));
        }
    }
    shared
}
