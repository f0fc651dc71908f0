//! Who else holds sockets that were found in one process.
//!
//! Almost always that is a child: it has the same files under the same numbers. So a few numbers are tried in every process, which costs
//! far less than to look through all its files. Of those that have some of them in common the oldest is named, and the others are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use super::machine::{About, Candidate, Held, Machine};
use super::search::{Id, Place};

/// So many sockets are tried one by one in older processes, at most.
const MOST_TRIED: usize = 1 << 18;

/// So many processes have their sockets tried in others: those that hold the most.
const MOST_HOLDERS: usize = 16;

/// So many of a process's sockets are tried, or a few more.
const SAMPLES: usize = 8;

/// Inodes, and the numbers of the files.
type Sockets = Vec<(u64, i32)>;

/// Sockets that several processes hold.
#[derive(Debug)]
pub(super) struct Shared {
    /// The oldest of them.
    pub(super) named: Id,
    /// What that one is; nothing where it is the one that they were found in.
    pub(super) about: Option<About>,
    pub(super) sockets: Sockets,
    /// Who else holds some of them.
    pub(super) others: BTreeSet<Id>,
}

/// Finds who of `candidates` holds some of what was found.
pub(super) fn find<M: Machine>(
    machine: &mut M,
    found: &BTreeMap<u64, Place>,
    candidates: &[Candidate],
    stop: &AtomicBool,
) -> Vec<Shared> {
    let mut by_holder: BTreeMap<Id, Sockets> = BTreeMap::new();
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
    // By holder: who has some of its sockets too, the oldest first.
    let mut rivals: Vec<BTreeMap<(u64, u32), About>> = vec![BTreeMap::new(); by_holder.len()];
    for candidate in candidates {
        if by_holder.is_empty() || stop.load(Ordering::Relaxed) {
            break;
        }
        let Ok(mut process) = machine.open(candidate.pid) else {
            continue;
        };
        for ((holder, sockets), rivals) in by_holder.iter().zip(&mut rivals) {
            if holder.0 != candidate.pid
                && let Some((inode, number)) = first_of(&mut process, sockets)
                && let Some(about) = process.about()
                // It is still there, so what was said of that number was of it.
                && process.socket(number) == Ok(Some(inode))
            {
                rivals.insert((about.start, candidate.pid), about);
            }
        }
    }
    let mut room = MOST_TRIED;
    let shared = by_holder.into_iter().zip(rivals);
    shared
        .filter(|(_, rivals)| !rivals.is_empty())
        .flat_map(|((holder, sockets), rivals)| {
            name(machine, holder, sockets, &rivals, &mut room, stop)
        })
        .collect()
}

/// One of a few of these sockets, if the process has it under the same number.
fn first_of(process: &mut impl Held, sockets: &Sockets) -> Option<(u64, i32)> {
    let apart = (sockets.len() / SAMPLES).max(1);
    let mut samples = sockets.iter().step_by(apart).copied();
    samples.find(|(inode, number)| process.socket(*number) == Ok(Some(*inode)))
}

/// The sockets of `holder` by the oldest process that holds them.
fn name<M: Machine>(
    machine: &mut M,
    holder: Id,
    sockets: Sockets,
    rivals: &BTreeMap<(u64, u32), About>,
    room: &mut usize,
    stop: &AtomicBool,
) -> Vec<Shared> {
    let mut left = sockets;
    let mut named = Vec::new();
    for ((start, pid), about) in rivals.range(..(holder.1, holder.0)) {
        let Ok(mut process) = machine.open(*pid) else {
            continue;
        };
        let (its, others): (Sockets, Sockets) = left.into_iter().partition(|(inode, number)| {
            if *room == 0 || stop.load(Ordering::Relaxed) {
                return false;
            }
            *room -= 1;
            process.socket(*number) == Ok(Some(*inode))
        });
        left = others;
        if !its.is_empty() {
            named.push(((*pid, *start), Some(about.clone()), its));
        }
    }
    if !left.is_empty() {
        named.push((holder, None, left));
    }
    let all = rivals.keys().map(|(start, pid)| (*pid, *start));
    let all: Vec<Id> = all.chain([holder]).collect();
    let named = named.into_iter().map(|(named, about, sockets)| {
        let others = all.iter().copied().filter(|other| *other != named);
        let others = others.filter(|(pid, _)| {
            let process = machine.open(*pid);
            process.is_ok_and(|mut process| first_of(&mut process, &sockets).is_some())
        });
        Shared {
            others: others.collect(),
            named,
            about,
            sockets,
        }
    });
    named.collect()
}
