//! From readings and the names of processes to groups.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::sightings::Sightings;
use super::{Culprits, Group, MOST_GROUPS, Names, Process, Wanted, Whose};
use crate::pods::{Gate, Owner, PodReading};
use crate::source::Reading;
use crate::source::details::{Endpoint, Held, Holder, Holders};
use crate::tcp::State;

/// Puts together who holds the sockets in a state, tick by tick.
#[derive(Debug)]
pub struct Watch {
    state: State,
    /// Who has sockets, by what they are to be known by.
    parts: BTreeMap<String, Part>,
    sightings: Sightings,
}

/// The sockets of one owner.
#[derive(Debug)]
struct Part {
    whose: Whose,
    total: u64,
    /// Nothing where only the total is known.
    holders: Option<Holders>,
}

impl Watch {
    /// A watch over the sockets in `state`.
    #[must_use]
    pub fn new(state: State) -> Self {
        Self {
            state,
            parts: BTreeMap::new(),
            sightings: Sightings::default(),
        }
    }

    /// Takes what was read, and gives whether anything was.
    pub fn take<'a>(
        &mut self,
        readings: impl Iterator<Item = &'a mut Reading>,
        pods: impl Iterator<Item = &'a mut PodReading>,
    ) -> bool {
        let mut before = std::mem::take(&mut self.parts);
        for reading in readings {
            let total = reading.counted.count(self.state);
            let holders = reading.details.holders.take();
            self.put(Whose::Alone(reading.scope), total, holders);
        }
        for pod in pods {
            let total = pod.counted.count(self.state);
            let whose = Whose::Of(pod.owner.clone());
            let holders = pod
                .details
                .as_mut()
                .and_then(|details| details.holders.take());
            let holders = holders.or_else(|| {
                // Nothing has moved since they were seen.
                let part = before.remove(&id(&whose))?;
                let stands = pod.gate == Gate::Hold && part.total == total;
                part.holders.filter(|_| stands)
            });
            self.put(whose, total, holders);
        }
        !self.parts.is_empty()
    }

    fn put(&mut self, whose: Whose, total: u64, holders: Option<Holders>) {
        // More than were counted cannot be right.
        let holders = holders.filter(|holders| holders.total() <= total);
        let part = Part {
            whose,
            total,
            holders,
        };
        self.parts.insert(id(&part.whose), part);
    }

    /// The sockets whose processes are wanted.
    #[must_use]
    pub fn wanted(&self) -> Vec<Wanted> {
        let held = self
            .parts
            .values()
            .filter_map(|part| part.holders.as_ref())
            .flat_map(|holders| &holders.groups);
        held.flat_map(|(holder, held)| {
            let inodes = held.inodes.iter();
            inodes.map(|inode| Wanted {
                inode: *inode,
                uid: holder.uid,
            })
        })
        .collect()
    }

    /// Tells what was taken last, with the processes that were found for it.
    pub fn tell(&mut self, names: &Names, now: Instant) -> Culprits {
        let mut groups = Vec::new();
        for (id, part) in &self.parts {
            let mut left = part.total;
            let mut nobodys = 0;
            for (holder, held) in part.holders.iter().flat_map(|holders| &holders.groups) {
                left = left.saturating_sub(held.sockets);
                if (holder.uid, holder.endpoint) == (None, Endpoint::Unknown) {
                    nobodys += held.sockets;
                    continue;
                }
                let split = split(&part.whose, *holder, held, names);
                groups.extend(split.map(|group| (id.clone(), group)));
            }
            if left + nobodys > 0 {
                let holder = Holder {
                    uid: None,
                    endpoint: Endpoint::Unknown,
                };
                let held = Held::default();
                let group = group(&part.whose, holder, &held, None, left + nobodys);
                groups.push((id.clone(), group));
            }
        }
        groups.sort_by_cached_key(|(id, group)| {
            let process = group.process.as_ref().map(|process| process.pid);
            (
                Reverse(group.sockets),
                id.clone(),
                group.endpoint,
                group.user,
                process,
            )
        });
        groups.truncate(MOST_GROUPS);
        let parts = &self.parts;
        let was_told = |id: &str| parts.contains_key(id);
        let all = groups.iter_mut().map(|(id, group)| (id.clone(), group));
        self.sightings.see(all, was_told, now);
        let groups: Vec<_> = groups.into_iter().map(|(_, group)| group).collect();
        let total: u64 = self.parts.values().map(|part| part.total).sum();
        let told: u64 = groups.iter().map(|group| group.sockets).sum();
        Culprits {
            state: self.state,
            total,
            groups,
            rest: total.saturating_sub(told),
            access: names.access.clone(),
        }
    }
}

/// The sockets of one group by the processes that hold them.
fn split(whose: &Whose, holder: Holder, held: &Held, names: &Names) -> impl Iterator<Item = Group> {
    let mut by_process: HashMap<(u32, u64), (Arc<Process>, u64)> = HashMap::new();
    let mut left = held.sockets;
    for inode in &held.inodes {
        if let Some(process) = names.of.get(inode)
            && left > 0
        {
            let key = (process.pid, process.start);
            let (_, sockets) = by_process
                .entry(key)
                .or_insert_with(|| (Arc::clone(process), 0));
            *sockets += 1;
            left -= 1;
        }
    }
    let nameless = (left > 0).then(|| group(whose, holder, held, None, left));
    let parts: Vec<_> = by_process
        .into_values()
        .map(|(process, sockets)| group(whose, holder, held, Some(process), sockets))
        .collect();
    parts.into_iter().chain(nameless)
}

fn group(
    whose: &Whose,
    holder: Holder,
    held: &Held,
    process: Option<Arc<Process>>,
    sockets: u64,
) -> Group {
    Group {
        whose: whose.clone(),
        process,
        user: holder.uid,
        endpoint: holder.endpoint,
        peer: held.peer,
        has_more_peers: held.has_more_peers && sockets > 1,
        sockets,
        received: (sockets == held.sockets).then_some(held.received),
        seen: None,
    }
}

/// What an owner is known by, whatever it is called.
fn id(whose: &Whose) -> String {
    match whose {
        Whose::Alone(scope) => scope.name().to_owned(),
        Whose::Of(Owner::Pod { uid, .. }) => format!("pod {uid}"),
        Whose::Of(Owner::Container { id }) => format!("container {id}"),
        Whose::Of(Owner::Other) => "other".to_owned(),
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
