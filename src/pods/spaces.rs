//! Network namespaces, found through the processes in them.
//!
//! The number of a namespace that ended is given to the next one at once. So a namespace is the same as before only as long as a
//! process that was in it before is still there: another one with that number is another namespace, and of the old one nothing is remembered.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cgroup::Evidence;
use super::names::Names;
use super::node::{About, Entry, Node, is_gone_io};
use crate::source::Fault;
use crate::source::proc_root::NamespaceId;

/// Whose a namespace is, without the names that people give.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A pod, by its UID.
    Pod(Arc<str>),
    /// A container of no pod, by its id.
    Container(Arc<str>),
    /// Nobody's that is known.
    #[default]
    Unowned,
}

/// A network namespace, and what `M` remembers of it.
#[derive(Debug, Default)]
pub(super) struct Space<M> {
    /// Whose it is.
    pub(super) owner: Key,
    /// Whether it holds a guest with a network stack of its own.
    pub(super) is_sandboxed: bool,
    /// Changes with each process that comes or goes.
    pub(super) population: u64,
    /// What is remembered; nothing once it is another namespace.
    pub(super) memory: M,
    /// The processes in it, the oldest first.
    members: BTreeMap<Member, About>,
    representative: Option<Member>,
}

/// A process, by when it began and its number.
type Member = (u64, u32);

impl<M> Space<M> {
    /// The process that it is looked at through.
    pub(super) fn representative(&self) -> Option<u32> {
        self.representative.map(|(_, pid)| pid)
    }

    fn evidence(&self) -> impl Iterator<Item = &Evidence> {
        self.members.values().map(|about| &about.evidence)
    }

    /// Whose it is. Older processes know better: who enters a namespace later need not belong to it.
    fn find_owner(&self, names: &Names) -> Key {
        let pod = || self.evidence().find_map(|found| found.pod.clone());
        let by_name = || {
            self.evidence().find_map(|found| {
                let container = found.container.as_ref()?;
                names.pod_of_container(container).map(|(uid, _)| uid)
            })
        };
        let container = || self.evidence().find_map(|found| found.container.clone());
        pod()
            .or_else(by_name)
            .map(Key::Pod)
            .or_else(|| container().map(Key::Container))
            .unwrap_or_default()
    }
}

/// Every network namespace but the host's.
#[derive(Debug, Default)]
pub(super) struct Spaces<M> {
    pub(super) all: BTreeMap<NamespaceId, Space<M>>,
    processes: HashMap<u32, Process>,
    entries: Vec<Entry>,
    /// The number of the walk.
    walk: u64,
}

#[derive(Debug)]
struct Process {
    inode: u64,
    seen: u64,
    first: Instant,
    looked: Instant,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Host,
    In(NamespaceId, Member),
    /// We may not look.
    Denied,
}

/// A process that is so young may still be on its way to its namespace and its cgroup.
const YOUNG: Duration = Duration::from_secs(10);

/// With so many walks every process is looked at anew, for it may have moved.
const WALKS_FOR_ALL: u64 = 20;

impl<M: Default> Spaces<M> {
    /// Finds out which there are, through processes that have come or gone since the last walk.
    pub(super) fn walk(
        &mut self,
        node: &mut impl Node,
        host: NamespaceId,
        now: Instant,
    ) -> Result<(), Fault> {
        let mut entries = std::mem::take(&mut self.entries);
        node.processes(&mut entries)?;
        self.walk += 1;
        let mut unknown = Vec::new();
        for entry in &entries {
            if !self.is_known(node, *entry) {
                unknown.push(*entry);
            }
        }
        // Who has gone goes first: a namespace that is left without anybody has ended, though its number may be here again.
        let walk = self.walk;
        let gone: Vec<_> = self
            .processes
            .iter()
            .filter(|(_, process)| process.seen != walk)
            .map(|(pid, _)| *pid)
            .collect();
        for pid in gone {
            self.forget(pid);
        }
        for entry in unknown {
            self.look(node, entry, host, now);
        }
        self.entries = entries;
        self.represent(node);
        Ok(())
    }

    /// Whether a process is known and need not be looked at.
    fn is_known(&mut self, node: &mut impl Node, entry: Entry) -> bool {
        let Some(process) = self.processes.get_mut(&entry.pid) else {
            return false;
        };
        let is_same = process.inode == entry.inode
            || match process.place {
                Place::In(_, (start, _)) => node.start(entry.pid).is_ok_and(|found| found == start),
                Place::Host | Place::Denied => false,
            };
        if !is_same {
            return false;
        }
        process.inode = entry.inode;
        process.seen = self.walk;
        let is_settled = process.looked.saturating_duration_since(process.first) >= YOUNG;
        let is_due = (u64::from(entry.pid) + self.walk).is_multiple_of(WALKS_FOR_ALL);
        is_settled && !is_due
    }

    /// Finds out where a process is.
    fn look(&mut self, node: &mut impl Node, entry: Entry, host: NamespaceId, now: Instant) {
        let pid = entry.pid;
        let found = place(node, pid, host);
        let known = self.processes.get(&pid);
        let first = known.map_or(now, |process| process.first);
        let before = known.map(|process| process.place);
        let Some((place, about)) = found else {
            self.forget(pid);
            return;
        };
        if before.is_some_and(|before| before != place) {
            self.forget(pid);
        }
        if let (Place::In(id, member), Some(about)) = (place, about) {
            let space = self.all.entry(id).or_default();
            let known = space.members.insert(member, about);
            space.population += u64::from(known.is_none());
        }
        let process = Process {
            inode: entry.inode,
            seen: self.walk,
            first,
            looked: now,
            place,
        };
        self.processes.insert(pid, process);
    }

    fn forget(&mut self, pid: u32) {
        let Some(process) = self.processes.remove(&pid) else {
            return;
        };
        let Place::In(id, member) = process.place else {
            return;
        };
        if let Some(space) = self.all.get_mut(&id) {
            space.members.remove(&member);
            space.population += 1;
            if space.members.is_empty() {
                self.all.remove(&id);
            }
        }
    }

    /// Sees to it that each namespace is represented by a process that is in it.
    fn represent(&mut self, node: &mut impl Node) {
        let mut strays = Vec::new();
        for (id, space) in &mut self.all {
            while space
                .representative
                .is_none_or(|member| !space.members.contains_key(&member))
            {
                let Some((member, _)) = space.members.first_key_value() else {
                    break;
                };
                let member = *member;
                if is_in(node, member.1, *id) {
                    space.representative = Some(member);
                } else {
                    // It has ended or moved, and is found again where it is.
                    space.members.remove(&member);
                    strays.push(member.1);
                }
            }
        }
        for pid in strays {
            self.forget(pid);
        }
        self.all.retain(|_, space| !space.members.is_empty());
    }

    /// Finds out whose they are. What was remembered of one that turns out to be another's is forgotten.
    pub(super) fn find_owners(&mut self, names: &Names) {
        for space in self.all.values_mut() {
            let owner = space.find_owner(names);
            if owner != space.owner {
                space.owner = owner;
                space.memory = M::default();
            }
            space.is_sandboxed = space.members.values().any(|about| about.is_sandbox);
        }
    }

    /// What processes say of whose they are.
    pub(super) fn evidence(&self) -> impl Iterator<Item = &Evidence> {
        self.all.values().flat_map(Space::evidence)
    }

    /// How many processes we may not look at, of how many.
    pub(super) fn denied(&self) -> (usize, usize) {
        let denied = self
            .processes
            .values()
            .filter(|process| process.place == Place::Denied);
        (denied.count(), self.processes.len())
    }
}

/// Whether a process is in that namespace.
pub(super) fn is_in(node: &mut impl Node, pid: u32, id: NamespaceId) -> bool {
    node.namespace(pid).is_ok_and(|found| found == id)
}

/// Where a process is, and what it says of itself if that is not the host's namespace; nothing if it ends or moves just now.
fn place(node: &mut impl Node, pid: u32, host: NamespaceId) -> Option<(Place, Option<About>)> {
    let denied = |error: &std::io::Error| (!is_gone_io(error)).then_some((Place::Denied, None));
    let id = match node.namespace(pid) {
        Ok(id) if id == host => return Some((Place::Host, None)),
        Ok(id) => id,
        Err(error) => return denied(&error),
    };
    let about = match node.about(pid) {
        Ok(about) => about,
        Err(error) => return denied(&error),
    };
    is_in(node, pid, id).then_some((Place::In(id, (about.start, pid)), Some(about)))
}
