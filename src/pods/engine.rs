//! What is done with every tick, and between two of them.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::budget::Budget;
use super::gates::{self, Anchor, Circumstances, MOST_HELD};
use super::names::Names;
use super::node::{LookError, Node};
use super::owners::{Shown, Sum, Table, Told};
use super::plan::{self, Candidate, Turn};
use super::spaces::{Key, Spaces, is_in};
use super::tables;
use super::{Gate, Options, Owner, PodReading, Pods, Stats};
use crate::source::proc_root::NamespaceId;
use crate::source::{Counted, Fault};

/// So soon is tried again what tells whether counters can be relied on.
const PROOF_AGAIN: Duration = Duration::from_mins(10);

/// Finds the pods of a machine and counts their sockets.
#[derive(Debug)]
pub struct Engine<N> {
    options: Options,
    node: N,
    names: Names,
    spaces: Spaces<Memory>,
    shown: Shown,
    budget: Budget,
    /// Who is to be read before the next tick.
    queue: VecDeque<Turn>,
    /// The ids that names have been looked for.
    asked: HashSet<Arc<str>>,
    /// Whether counters can be relied on, and when that was tried.
    proof: Option<(Instant, Result<(), Arc<str>>)>,
    stats: Stats,
}

/// What is remembered of a namespace.
#[derive(Clone, Debug, Default)]
struct Memory {
    /// The last reading that the counters are known of.
    anchor: Option<(Instant, u64, Anchor)>,
    /// What was found since the last tick, with the time of the reading that it stands on.
    found: Option<(Instant, Gate, Counted)>,
    /// How it was told of with the last tick; as one to be read if it was not.
    gate: Gate,
    /// When it was last read.
    read: Option<Instant>,
    /// Sockets, the last time that they were counted.
    size: u64,
    /// Why it could not be read since the last tick.
    fault: Option<String>,
}

impl<N: Node> Engine<N> {
    /// An engine for this machine. Nothing is looked at yet.
    pub fn new(options: Options, node: N) -> Self {
        Self {
            names: Names::new(options.container_logs_dir.clone()),
            budget: Budget::new(options.cpu_budget, options.interval),
            spaces: Spaces::default(),
            shown: Shown::default(),
            queue: VecDeque::new(),
            asked: HashSet::new(),
            proof: None,
            stats: Stats::default(),
            options,
            node,
        }
    }

    /// What there is to tell at `now`, which is `time` on the wall clock.
    pub fn tick(
        &mut self,
        now: Instant,
        time: SystemTime,
        stop: &AtomicBool,
    ) -> Result<Pods, Fault> {
        let before = self.node.cpu();
        let found = self.find(now, time);
        self.pay(before);
        let faults = found?;
        let before = self.node.cpu();
        self.prove(now);
        for id in self.readable() {
            self.look(id, now);
        }
        self.pay(before);
        // Who has nothing to tell is read now, as far as the budget goes.
        for id in self.longest_waiting(|memory| memory.found.is_none()) {
            if stop.load(Ordering::Relaxed) || !self.budget.allows(now) {
                break;
            }
            let before = self.node.cpu();
            self.read(id, now, stop);
            self.pay(before);
        }
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
        let before = self.node.cpu();
        if anyway || !self.look(id, now) {
            self.read(id, now, stop);
        }
        self.pay(before);
    }

    fn pay(&mut self, before: Duration) {
        let cost = self.node.cpu().saturating_sub(before);
        self.budget.spend(cost);
        self.stats.cpu += cost;
    }

    /// Finds the namespaces and whose they are.
    fn find(&mut self, now: Instant, time: SystemTime) -> Result<Vec<Fault>, Fault> {
        let host = self.node.host()?;
        self.spaces.walk(&mut self.node, host, now)?;
        let ids: HashSet<_> = self
            .spaces
            .evidence()
            .flat_map(|found| [&found.pod, &found.container])
            .flatten()
            .cloned()
            .collect();
        let unknown = !ids.is_subset(&self.asked);
        self.asked = ids;
        let mut faults = Vec::new();
        faults.extend(self.names.refresh(unknown, time).err());
        self.spaces.find_owners(&self.names);
        let (denied, all) = self.spaces.denied();
        if denied > 0 {
            faults.push(Fault {
                what: format!("find pods in {}", self.options.proc_root.path().display()),
                why: format!(
                    "{denied} of {all} processes may not be looked at, and pods that have no others are missing: allow this user to read them (hidepid, SELinux and AppArmor can forbid it)"
                ),
                reason: "denied",
            });
        }
        Ok(faults)
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

    fn readable(&self) -> Vec<NamespaceId> {
        let spaces = self.spaces.all.iter();
        let readable = spaces.filter(|(_, space)| !space.is_sandboxed);
        readable.map(|(id, _)| *id).collect()
    }

    /// Namespaces that are so, the one that was read the longest ago first.
    fn longest_waiting(&self, is_so: impl Fn(&Memory) -> bool) -> Vec<NamespaceId> {
        let spaces = self.spaces.all.iter();
        let mut waiting: Vec<_> = spaces
            .filter(|(_, space)| !space.is_sandboxed && is_so(&space.memory))
            .map(|(id, space)| (space.memory.read, *id))
            .collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, id)| id).collect()
    }

    /// Looks at a namespace, and gives whether that was enough.
    fn look(&mut self, id: NamespaceId, now: Instant) -> bool {
        let may_gate = self.may_gate();
        let Some(space) = self.spaces.all.get_mut(&id) else {
            return true;
        };
        let (Some(pid), Some((read, population, anchor))) =
            (space.representative(), &space.memory.anchor)
        else {
            return false;
        };
        let circumstances = Circumstances {
            age: now.saturating_duration_since(*read),
            interval: self.options.interval,
            same_processes: *population == space.population,
            by_family: self.options.by_family,
        };
        if !may_gate || circumstances.age >= MOST_HELD {
            return false;
        }
        let Ok(everything) = self.node.counters(pid) else {
            return false;
        };
        let Some((gate, counted)) = gates::judge(anchor, &everything, &circumstances) else {
            return false;
        };
        // It may have gone elsewhere, or ended and left its number to another.
        if !is_in(&mut self.node, pid, id) {
            return false;
        }
        space.memory.found = Some((*read, gate, counted));
        true
    }

    /// Reads the tables of a namespace.
    fn read(&mut self, id: NamespaceId, now: Instant, stop: &AtomicBool) {
        let may_skip = self.may_gate();
        let Some(space) = self.spaces.all.get_mut(&id) else {
            return;
        };
        let Some(pid) = space.representative() else {
            return;
        };
        let memory = &mut space.memory;
        let read = tables::read(&mut self.node, pid, may_skip, stop);
        if !is_in(&mut self.node, pid, id) {
            // Another process stands for it at the next tick, or it has ended.
            return;
        }
        match read {
            Ok(tables) if tables.counted.is_trusted() => {
                memory.read = Some(now);
                memory.size = tables.counted.total();
                memory.found = Some((now, Gate::Read, tables.counted));
                memory.anchor =
                    tables
                        .still
                        .filter(|_| tables.counted.is_complete())
                        .map(|everything| {
                            let counted = tables.counted;
                            (
                                now,
                                space.population,
                                Anchor {
                                    counted,
                                    everything,
                                },
                            )
                        });
                self.stats.skipped_tables += u64::from(tables.skipped);
            }
            Ok(tables) => {
                memory.read = Some(now);
                let malformed = tables.counted.malformed;
                memory.fault = Some(format!("{malformed} malformed or cut line(s)"));
            }
            Err(LookError::Gone | LookError::Stopped) => {}
            Err(error) => {
                memory.read = Some(now);
                memory.fault = Some(error.to_string());
            }
        }
    }

    /// What was found, by owner, and forgets it: it is told once.
    fn tell(&mut self, now: Instant, mut faults: Vec<Fault>) -> Pods {
        let is_exhausted = !self.budget.allows(now);
        let stats = &mut self.stats;
        (stats.pods, stats.containers, stats.unowned, stats.sandboxed) = (0, 0, 0, 0);
        let mut failed = Vec::new();
        let mut sums = Vec::new();
        for space in self.spaces.all.values_mut() {
            if space.is_sandboxed {
                stats.sandboxed += 1;
                continue;
            }
            match space.owner {
                Key::Pod(_) => stats.pods += 1,
                Key::Container(_) => stats.containers += 1,
                Key::Unowned => stats.unowned += 1,
            }
            let Memory {
                found,
                fault,
                size,
                gate,
                ..
            } = &mut space.memory;
            let told = found.take().map(|(read, gate, counted)| Told {
                counted,
                gate,
                age: now.saturating_duration_since(read),
            });
            *gate = told.map_or(Gate::Read, |told| told.gate);
            match (&told, fault.take()) {
                (Some(told), _) => {
                    if let Some(times) = stats.told.get_mut(told.gate as usize) {
                        *times += 1;
                    }
                }
                (None, Some(fault)) => {
                    stats.gaps_failed += 1;
                    failed.push((space.owner.clone(), fault));
                }
                (None, None) => stats.gaps_budget += u64::from(is_exhausted),
            }
            let size = told.map_or(*size, |told| told.counted.total());
            sums.push((space.owner.clone(), Sum::of(told, size)));
        }
        let Table {
            owners,
            others,
            summed,
        } = self.shown.choose(self.options.most, sums.into_iter());
        stats.summed = summed;
        let stats = *stats;
        if let Some((key, fault)) = failed.first() {
            faults.push(Fault {
                what: format!("read the tables of {}", self.owner(key)),
                why: match failed.len() {
                    1 => fault.clone(),
                    more => format!("{fault}; and {} more namespaces cannot be read", more - 1),
                },
                reason: "pod",
            });
        }
        let owners = owners.into_iter().map(|(key, sum)| (self.owner(&key), sum));
        let others = others.map(|sum| (Owner::Other, sum));
        let readings = owners
            .chain(others)
            .filter_map(|(owner, sum)| {
                let Told { counted, gate, age } = sum.told?;
                Some(PodReading {
                    owner,
                    counted,
                    gate,
                    age,
                })
            })
            .collect();
        let gates_off = match &self.proof {
            Some((_, Err(why))) => Some(Arc::clone(why)),
            _ => None,
        };
        Pods {
            readings,
            faults,
            gates_off,
            stats,
        }
    }

    fn owner(&self, key: &Key) -> Owner {
        match key {
            Key::Pod(uid) => Owner::Pod {
                uid: Arc::clone(uid),
                name: self.names.of_pod(uid).cloned(),
            },
            Key::Container(id) => Owner::Container { id: Arc::clone(id) },
            Key::Unowned => Owner::Other,
        }
    }

    /// Spreads over the time until the next tick what will have to be read for it.
    fn plan(&mut self, now: Instant) {
        let spaces = self.spaces.all.iter();
        let candidates = spaces
            .filter(|(_, space)| !space.is_sandboxed)
            .map(|(id, space)| Candidate {
                id: *id,
                gate: space.memory.gate,
                read: space.memory.read,
                anchored: space.memory.anchor.as_ref().map(|(read, ..)| *read),
            });
        self.queue = plan::plan(candidates.collect(), now, self.options.interval);
    }
}
