//! From the inode of a socket to the process that holds it, through the open files of all processes.
//!
//! To look into every process costs as much as there are open files, so only what is not known is looked for, where it probably is first,
//! and only until all of it is found. What is known is looked at again, a little each time: a process can give a socket away.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Process;
use super::machine::{About, Candidate, Closed, Held, Machine};
use super::names::{Access, Names, Wanted};
use super::rivals;

/// So many open files are looked at in one search.
pub const MOST_FDS: usize = 1 << 20;

/// So many known sockets are looked at again with each search.
const LOOKED_AT_AGAIN: usize = 256;

/// So soon is looked again for a socket that no process was found to hold, and after a search in which nothing could be looked into.
const AGAIN: Duration = Duration::from_mins(5);

/// How late to look into a process. Whoever leaks does so as the user that he is, and has at least as many open files as he has leaked:
/// of those that have, who has the fewest is looked into the soonest; of the others who has the most.
fn likelihood(
    candidate: &Candidate,
    of_users: &HashMap<u32, u64>,
) -> (bool, bool, u64, Reverse<u64>, u32) {
    let leaked = of_users.get(&candidate.uid).copied();
    let can_have_all = candidate.fds >= leaked.unwrap_or_default();
    let cost = if can_have_all { candidate.fds } else { 0 };
    (
        leaked.is_none(),
        !can_have_all,
        cost,
        Reverse(candidate.fds),
        candidate.pid,
    )
}

/// A process, told from others that have or had its number.
pub(super) type Id = (u32, u64);

/// Where a socket was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) holder: Id,
    pub(super) number: i32,
}

/// A process that holds sockets.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) about: About,
    /// Who holds some of them too.
    pub(super) others: BTreeSet<Id>,
}

/// Sockets that are looked for in all processes, which can take several searches.
#[derive(Debug, Default)]
struct Round {
    inodes: HashSet<u64>,
    looked: HashSet<u32>,
    /// Who has so many files open that there was no time for those from this number on.
    cut: Option<(u32, i32)>,
    denied: u64,
}

/// Finds processes, and remembers what it found.
#[derive(Debug)]
pub struct Search<M> {
    machine: M,
    places: BTreeMap<u64, Place>,
    holders: HashMap<Id, Holder>,
    /// When to look again for what was not found.
    lost: HashMap<u64, Instant>,
    round: Option<Round>,
    /// How many processes may not be looked into, when all were tried last.
    denied: u64,
    /// Until when nothing is tried, for none that matters may be looked into.
    quiet: Option<Instant>,
    /// The last socket that was looked at again.
    turn: u64,
}

impl<M: Machine> Search<M> {
    /// A search of that machine. Nothing is looked at yet.
    pub fn new(machine: M) -> Self {
        Self {
            machine,
            places: BTreeMap::new(),
            holders: HashMap::new(),
            lost: HashMap::new(),
            round: None,
            denied: 0,
            quiet: None,
            turn: 0,
        }
    }

    /// Finds who holds the sockets that are wanted, until it is told to stop.
    pub fn find(&mut self, wanted: &[Wanted], now: Instant, stop: &AtomicBool) -> Names {
        let inodes: HashSet<u64> = wanted.iter().map(|wanted| wanted.inode).collect();
        self.places.retain(|inode, _| inodes.contains(inode));
        self.lost
            .retain(|inode, again| inodes.contains(inode) && now < *again);
        self.check(stop);
        let mut left: HashMap<u64, Option<u32>> = wanted
            .iter()
            .map(|wanted| (wanted.inode, wanted.uid))
            .filter(|(inode, _)| !self.places.contains_key(inode) && !self.lost.contains_key(inode))
            .collect();
        self.quiet = self.quiet.filter(|again| now < *again);
        let access = match self.quiet {
            _ if left.is_empty() => self.standing(),
            Some(_) => Access::Denied(self.denied),
            None => self.look_for(&mut left, now, stop),
        };
        Names {
            of: self.names(),
            access,
        }
    }

    fn standing(&self) -> Access {
        if self.denied > 0 && !self.lost.is_empty() {
            Access::Denied(self.denied)
        } else {
            Access::Whole
        }
    }

    /// Looks at what is known: whether its processes are still there, and whether they still hold it.
    fn check(&mut self, stop: &AtomicBool) {
        let Self {
            machine,
            holders,
            places,
            ..
        } = self;
        let mut is_there = |id: &Id| machine.start(id.0) == Some(id.1);
        let used: HashSet<Id> = places.values().map(|place| place.holder).collect();
        holders.retain(|id, holder| {
            holder.others.retain(&mut is_there);
            used.contains(id) && is_there(id)
        });
        places.retain(|_, place| holders.contains_key(&place.holder));
        let after = places.range(self.turn.saturating_add(1)..);
        let before = places.range(..=self.turn);
        let some: Vec<_> = after
            .chain(before)
            .take(LOOKED_AT_AGAIN)
            .map(|(inode, place)| (*inode, *place))
            .collect();
        let mut gave_away = HashSet::new();
        let mut open: HashMap<Id, Option<M::Open>> = HashMap::new();
        for (inode, place) in some {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            self.turn = inode;
            let process = open
                .entry(place.holder)
                .or_insert_with(|| self.machine.open(place.holder.0).ok());
            let found = process
                .as_mut()
                .and_then(|process| process.socket(place.number).ok()?);
            if found != Some(inode) {
                gave_away.insert(place.holder);
            }
        }
        // Whoever gave one away may have given all.
        self.places
            .retain(|_, place| !gave_away.contains(&place.holder));
        self.holders.retain(|id, _| !gave_away.contains(id));
    }

    fn look_for(
        &mut self,
        left: &mut HashMap<u64, Option<u32>>,
        now: Instant,
        stop: &AtomicBool,
    ) -> Access {
        let mut candidates = match self.machine.processes() {
            Ok(candidates) => candidates,
            Err(error) => return Access::Failed(error.to_string().into()),
        };
        let mut round = self.round.take().unwrap_or_else(|| Round {
            inodes: left.keys().copied().collect(),
            ..Round::default()
        });
        let mut known: HashMap<u32, HashSet<i32>> = HashMap::new();
        for place in self.places.values() {
            let numbers = known.entry(place.holder.0).or_default();
            numbers.insert(place.number);
        }
        let mut of_users: HashMap<u32, u64> = HashMap::new();
        for uid in left.values().flatten() {
            *of_users.entry(*uid).or_default() += 1;
        }
        candidates.sort_by_cached_key(|candidate| {
            let is_known = known.contains_key(&candidate.pid);
            (!is_known, likelihood(candidate, &of_users))
        });
        let mut found = BTreeMap::new();
        let mut room = MOST_FDS;
        let mut cut = false;
        for candidate in &candidates {
            if left.is_empty() {
                break;
            }
            if stop.load(Ordering::Relaxed) || room == 0 {
                cut = true;
                break;
            }
            // Who is known may have more by now.
            if round.looked.contains(&candidate.pid) && !known.contains_key(&candidate.pid) {
                continue;
            }
            let place = (candidate.pid, round.cut);
            let known = known.get(&candidate.pid);
            match self.look_into(place, known, left, &mut found, &mut room, stop) {
                Err(Closed::Denied) => round.denied += 1,
                Ok(Some(number)) => {
                    round.cut = Some((candidate.pid, number));
                    cut = true;
                    break;
                }
                Ok(None) | Err(Closed::Gone) => {}
            }
            round.looked.insert(candidate.pid);
        }
        // Of whom was known before it is known as well who shares with him.
        found.retain(|_, place: &mut Place| !known.contains_key(&place.holder.0));
        self.share(&found, &candidates, stop);
        if cut && !left.is_empty() {
            self.round = Some(round);
            return Access::Cut;
        }
        if left.is_empty() {
            return self.standing();
        }
        for inode in left.keys().filter(|inode| round.inodes.contains(inode)) {
            self.lost.insert(*inode, now + AGAIN);
        }
        self.denied = round.denied;
        if round.denied > 0 && self.places.is_empty() {
            self.quiet = Some(now + AGAIN);
        }
        self.standing()
    }

    /// Looks for sockets in a process, from where it was cut off if that was in this one. Gives where it had to end, if that is
    /// not the end.
    fn look_into(
        &mut self,
        (pid, cut): (u32, Option<(u32, i32)>),
        known: Option<&HashSet<i32>>,
        left: &mut HashMap<u64, Option<u32>>,
        found: &mut BTreeMap<u64, Place>,
        room: &mut usize,
        stop: &AtomicBool,
    ) -> Result<Option<i32>, Closed> {
        /// Between two looks at whether to stop.
        const MANY: usize = 256;
        /// So many are looked at in any case.
        const LEAST: usize = 4096;
        let mut process = self.machine.open(pid)?;
        let first = cut.map_or(0, |(whose, number)| if whose == pid { number } else { 0 });
        let is_new =
            |number: &i32| *number >= first && known.is_none_or(|known| !known.contains(number));
        // The same socket can be open twice.
        let mut sockets = BTreeMap::new();
        let mut ended = None;
        let numbers = process.numbers()?.into_iter();
        for (turn, number) in numbers.filter(is_new).enumerate() {
            if sockets.len() == left.len() {
                break;
            }
            // Some are looked at each time, or it would never end.
            let is_over = turn >= LEAST && turn % MANY == 0 && stop.load(Ordering::Relaxed);
            if is_over || *room == 0 {
                ended = Some(number);
                break;
            }
            *room -= 1;
            if let Some(inode) = process.socket(number)?
                && left.contains_key(&inode)
            {
                sockets.entry(inode).or_insert(number);
            }
        }
        let Some((&first, &number)) = sockets.first_key_value() else {
            return Ok(ended);
        };
        let about = process.about().ok_or(Closed::Gone)?;
        // It is still there, so what was said of that number was of it.
        if process.socket(number)? != Some(first) {
            return Err(Closed::Gone);
        }
        let holder = (pid, about.start);
        self.holders.entry(holder).or_insert_with(|| Holder {
            about,
            others: BTreeSet::new(),
        });
        for (inode, number) in sockets {
            left.remove(&inode);
            let place = Place { holder, number };
            self.places.insert(inode, place);
            found.insert(inode, place);
        }
        Ok(ended)
    }

    /// Finds out who holds what was found as well, and has the oldest of them named.
    fn share(&mut self, found: &BTreeMap<u64, Place>, candidates: &[Candidate], stop: &AtomicBool) {
        for shared in rivals::find(&mut self.machine, found, candidates, stop) {
            if let Some(about) = shared.about {
                let others = BTreeSet::new();
                let holder = Holder { about, others };
                self.holders.entry(shared.named).or_insert(holder);
                for (inode, number) in shared.sockets {
                    let holder = shared.named;
                    self.places.insert(inode, Place { holder, number });
                }
            }
            if let Some(holder) = self.holders.get_mut(&shared.named) {
                holder.others.extend(shared.others);
            }
        }
        let named: HashSet<Id> = self.places.values().map(|place| place.holder).collect();
        self.holders.retain(|id, _| named.contains(id));
    }

    fn names(&self) -> HashMap<u64, Arc<Process>> {
        let processes: HashMap<Id, Arc<Process>> = self
            .holders
            .iter()
            .map(|(id, holder)| {
                let process = Process {
                    pid: id.0,
                    start: id.1,
                    name: Arc::clone(&holder.about.name),
                    container: holder.about.container.clone(),
                    others: holder.others.len() as u64,
                };
                (*id, Arc::new(process))
            })
            .collect();
        let places = self.places.iter();
        places
            .filter_map(|(inode, place)| Some((*inode, Arc::clone(processes.get(&place.holder)?))))
            .collect()
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
