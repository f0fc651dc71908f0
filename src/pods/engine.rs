//! What is done with every tick, and between two of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::budget::Budget;
use super::called::Called;
use super::memory::{Memory, Terms};
use super::names::Names;
use super::node::{LookError, Node};
use super::owners::{Shown, Sum, Table};
use super::plan::{self, Candidate, Turn};
use super::spaces::{Space, Spaces};
use super::tables;
use super::whose::Key;
use super::{Options, Owner, Pods, Stats};
use crate::source::Fault;
use crate::source::details::Watcher;
use crate::source::proc_root::NamespaceId;

/// So soon is tried again what tells whether counters can be relied on.
const PROOF_AGAIN: Duration = Duration::from_mins(10);

/// So many processes are tried that end while their namespace is read.
const MOST_TRIES: u32 = 3;

/// Finds the pods of a machine and counts their sockets.
#[derive(Debug)]
pub struct Engine<N> {
    options: Options,
    node: N,
    watcher: Watcher,
    called: Called,
    spaces: Spaces<Memory>,
    shown: Shown,
    /// For everything.
    budget: Budget,
    /// For what every tick does, whatever readings have cost: half of it, so that neither starves the other.
    cheap: Budget,
    /// Who is to be read before the next tick.
    queue: VecDeque<Turn>,
    /// Whether counters can be relied on, and when that was tried.
    proof: Option<(Instant, Result<(), Arc<str>>)>,
    stats: Stats,
    /// CPU time of this thread that is paid for.
    paid: Option<Duration>,
}

impl<N: Node> Engine<N> {
    /// An engine for this machine. Nothing is looked at yet.
    pub fn new(options: Options, node: N) -> Self {
        Self {
            called: Called::new(Names::new(options.container_logs_dir.clone())),
            budget: Budget::new(options.cpu_budget, options.interval),
            cheap: Budget::new(options.cpu_budget / 2.0, options.interval),
            spaces: Spaces::default(),
            shown: Shown::default(),
            queue: VecDeque::new(),
            proof: None,
            stats: Stats::default(),
            paid: None,
            watcher: Watcher::new(options.attention.clone()),
            options,
            node,
        }
    }

    /// What there is to tell at `now`, which is `time` on the wall clock. What is read for it is taken to be of that moment, though
    /// reading takes a while: told ages are rather too high than too low.
    pub fn tick(
        &mut self,
        now: Instant,
        time: SystemTime,
        stop: &AtomicBool,
    ) -> Result<Pods, Fault> {
        self.pay();
        let mut faults = Vec::new();
        let found = self.find(now, time);
        if found.is_ok() {
            self.prove(now);
        }
        self.pay_cheap();
        match found {
            Ok(fault) => faults.extend(fault),
            Err(fault) => {
                let spaces = self.spaces.all.values_mut();
                spaces.for_each(|space| space.memory.miss());
                self.plan(now);
                return Err(fault);
            }
        }
        for id in self.sorted_by(|memory| (memory.told(), memory.read())) {
            if !self.cheap.allows(now) {
                break;
            }
            if !self.look(id, now)
                && let Some(space) = self.spaces.all.get_mut(&id)
            {
                space.memory.fall();
            }
            self.pay_cheap();
        }
        // Who has nothing to tell is read now, as far as the budget goes, and the time that others wait for it.
        let mut left = self.options.at_once;
        for id in self.sorted_by(Memory::read) {
            if stop.load(Ordering::Relaxed) || left.is_zero() || !self.budget.allows(now) {
                break;
            }
            let space = self.spaces.all.get(&id);
            if space.is_some_and(|space| !space.memory.has_found()) {
                self.read(id, now, stop);
                left = left.saturating_sub(self.pay());
            }
        }
        faults.extend(self.denied());
        let pods = self.tell(now, faults);
        self.plan(now);
        Ok(pods)
    }

    /// When there is something to do, if there is before the next tick.
    pub fn due(&mut self, now: Instant) -> Option<Instant> {
        let turn = self.queue.front()?;
        Some(turn.at.max(self.budget.ready(now)))
    }

    /// Does what is due at `now`.
    pub fn turn(&mut self, now: Instant, stop: &AtomicBool) {
        let Some(Turn { id, anyway, .. }) = self.queue.pop_front() else {
            return;
        };
        if anyway || !self.look(id, now) {
            self.read(id, now, stop);
        }
        self.pay();
    }

    /// Pays for all that this thread has done since it paid last, and gives what that was.
    fn pay(&mut self) -> Duration {
        let used = self.node.cpu();
        let cost = used.saturating_sub(self.paid.replace(used).unwrap_or(used));
        self.budget.spend(cost);
        self.stats.cpu += cost;
        cost
    }

    fn pay_cheap(&mut self) {
        let cost = self.pay();
        self.cheap.spend(cost);
    }

    /// Finds the namespaces and whose they are, and gives what keeps their names from being found.
    fn find(&mut self, now: Instant, time: SystemTime) -> Result<Option<Fault>, Fault> {
        let host = self.node.host()?;
        // Whatever the budget says, who has ended must not be told of.
        // And whatever comes, those who are there must be looked at too.
        let share = if self.spaces.all.is_empty() { 1 } else { 2 };
        let most = self.cheap.left(now) / share;
        self.spaces.walk(&mut self.node, host, now, most)?;
        let fault = self.called.refresh(self.spaces.evidence(), time);
        self.spaces.find_owners(&self.called);
        Ok(fault)
    }

    fn denied(&self) -> Option<Fault> {
        let (denied, all) = self.spaces.denied();
        (denied > 0).then(|| Fault {
            what: format!("find pods in {}", self.options.proc_root.path().display()),
            why: format!(
                "{denied} of {all} processes may not be looked at, and pods that have no others are missing: allow this user to read them (hidepid, SELinux and AppArmor can forbid it)"
            ),
            reason: "denied",
        })
    }

    /// Finds out whether the counters can be relied on.
    fn prove(&mut self, now: Instant) {
        let again = match &self.proof {
            None => true,
            Some((_, Ok(()))) => false,
            Some((tried, Err(_))) => now.saturating_duration_since(*tried) >= PROOF_AGAIN,
        };
        if !(self.options.gates && again) {
            return;
        }
        let proof = self.node.counts_mptcp();
        let proof = proof.map_err(|error| Arc::from(error.to_string()));
        self.proof = Some((now, proof));
    }

    fn may_gate(&self) -> bool {
        self.options.gates && matches!(self.proof, Some((_, Ok(()))))
    }

    /// Namespaces that can be read, in that order.
    fn sorted_by<K: Ord>(&self, key: impl Fn(&Memory) -> K) -> Vec<NamespaceId> {
        let spaces = self.spaces.all.iter();
        let mut readable: Vec<_> = spaces
            .filter(|(_, space)| !space.is_sandboxed)
            .map(|(id, space)| (key(&space.memory), *id))
            .collect();
        readable.sort_unstable();
        readable.into_iter().map(|(_, id)| id).collect()
    }

    /// Looks at a namespace, and gives whether that was enough.
    fn look(&mut self, id: NamespaceId, now: Instant) -> bool {
        let Some(space) = self.spaces.all.get(&id) else {
            return true;
        };
        let Some(pid) = space.representative() else {
            return false;
        };
        if !self.may_gate() || !space.memory.may_stand(now) {
            return false;
        }
        let Ok(counters) = self.node.counters(pid) else {
            return false;
        };
        let terms = Terms {
            interval: self.options.interval,
            by_family: self.options.by_family,
        };
        let population = space.population;
        let Some(standing) = space.memory.standing(&counters, now, population, terms) else {
            return false;
        };
        if !self.spaces.confirm(&mut self.node, id) {
            return false;
        }
        if let Some(space) = self.spaces.all.get_mut(&id) {
            space.memory.stand(standing);
        }
        true
    }

    /// Reads the tables of a namespace, through another process if the first one ends meanwhile.
    fn read(&mut self, id: NamespaceId, now: Instant, stop: &AtomicBool) {
        for _ in 0..MOST_TRIES {
            if self.try_to_read(id, now, stop) || !self.spaces.replace(&mut self.node, id) {
                break;
            }
        }
    }

    /// Whether what was read, if anything was, is of that namespace.
    fn try_to_read(&mut self, id: NamespaceId, now: Instant, stop: &AtomicBool) -> bool {
        let may_skip = self.may_gate();
        let space = self.spaces.all.get(&id);
        let Some(pid) = space.and_then(Space::representative) else {
            return false;
        };
        let read = tables::read(&mut self.node, pid, may_skip, stop, &mut self.watcher);
        // It may have gone elsewhere, or ended and left its number to another.
        if !self.spaces.confirm(&mut self.node, id) {
            return false;
        }
        let Some(space) = self.spaces.all.get_mut(&id) else {
            return false;
        };
        match read {
            Ok(tables) => {
                self.stats.skipped_tables += u64::from(tables.skipped);
                space.memory.keep(tables, now, space.population);
            }
            Err(LookError::Gone | LookError::Stopped) => {}
            Err(error) => space.memory.fail(error.to_string(), now),
        }
        true
    }

    /// What was found, by owner, and forgets it: it is told once.
    fn tell(&mut self, now: Instant, mut faults: Vec<Fault>) -> Pods {
        let is_exhausted = !(self.budget.allows(now) && self.cheap.allows(now));
        let stats = &mut self.stats;
        (stats.pods, stats.containers, stats.unowned, stats.sandboxed) = (0, 0, 0, 0);
        let mut failed = Vec::new();
        let mut sums = Vec::new();
        for space in self.spaces.all.values_mut() {
            if space.is_sandboxed {
                space.memory.miss();
                stats.sandboxed += 1;
                continue;
            }
            match space.owner {
                Key::Pod(_) => stats.pods += 1,
                Key::Container(_) => stats.containers += 1,
                Key::Unowned => stats.unowned += 1,
            }
            let (told, fault) = space.memory.tell(now, self.options.interval);
            match (&told, fault) {
                (Some(told), _) => {
                    if let Some(times) = stats.told.get_mut(told.gate as usize) {
                        *times += 1;
                    }
                }
                (None, Some(fault)) => {
                    stats.gaps_failed += 1;
                    failed.push((space.owner.clone(), fault));
                }
                (None, None) if is_exhausted => stats.gaps_budget += 1,
                (None, None) => stats.gaps_waiting += 1,
            }
            sums.push((space.owner.clone(), Sum::of(told, space.memory.size())));
        }
        let Table {
            owners,
            others,
            summed,
        } = self.shown.choose(self.options.most, sums.into_iter());
        stats.summed = summed.len() as u64;
        let stats = *stats;
        if let Some((key, fault)) = failed.first() {
            faults.push(Fault {
                what: format!("read the tables of {}", self.called.owner(key)),
                why: match failed.len() {
                    1 => fault.clone(),
                    more => format!("{fault}; and {} more namespaces cannot be read", more - 1),
                },
                reason: "pod",
            });
        }
        let owners = owners
            .into_iter()
            .map(|(key, sum)| (self.called.owner(&key), sum));
        let others = others.map(|sum| (Owner::Other, sum));
        let mut readings = Vec::new();
        let mut unread = Vec::new();
        for (owner, sum) in owners.chain(others) {
            match sum.told {
                Some(told) => readings.push(told.of(owner)),
                None => unread.push(owner),
            }
        }
        let gates_off = match &self.proof {
            Some((_, Err(why))) => Some(Arc::clone(why)),
            _ => None,
        };
        let summed = summed.iter().map(|key| self.called.owner(key)).collect();
        Pods {
            readings,
            unread,
            summed,
            faults,
            gates_off,
            stats,
        }
    }

    /// Spreads over the time until the next tick what will have to be read for it.
    fn plan(&mut self, now: Instant) {
        let spaces = self.spaces.all.iter();
        let candidates = spaces
            .filter(|(_, space)| !space.is_sandboxed)
            .map(|(id, space)| Candidate {
                id: *id,
                gate: space.memory.gate(),
                read: space.memory.stands_on(),
            });
        self.queue = plan::plan(candidates.collect(), now, self.options.interval);
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod machine;

#[cfg(test)]
#[path = "simulation_tests.rs"]
mod simulation;

#[cfg(test)]
#[path = "identity_tests.rs"]
mod identity_tests;

#[cfg(test)]
#[path = "load_tests.rs"]
mod load_tests;

#[cfg(test)]
#[path = "refuted_tests.rs"]
mod refuted_tests;

#[cfg(test)]
#[path = "random_tests.rs"]
mod random_tests;
