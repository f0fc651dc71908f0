//! Network namespaces, found through the processes in them.
//!
//! The number of a namespace that ended is given to the next one at once. So a namespace is the same as before only as long as a
//! process that was in it before is still there: another one with that number is another namespace, and of the old one nothing is
//! remembered.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::called::Called;
use super::cgroup::Evidence;
use super::node::{About, Entry, Node, is_gone_io};
use super::whose::{self, Key};
use crate::source::Fault;
use crate::source::proc_root::NamespaceId;

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
    /// The processes in it, who was there first first.
    members: BTreeMap<Member, About>,
    representative: Option<Member>,
    /// The walk after which the representative was last seen in it.
    confirmed: u64,
}

/// A process in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    /// The walk that found it there first.
    joined: u64,
    start: u64,
    pid: u32,
}

impl<M: Default> Space<M> {
    /// The process that it is looked at through.
    pub(super) fn representative(&self) -> Option<u32> {
        self.representative.map(|member| member.pid)
    }

    fn evidence(&self) -> impl Iterator<Item = &Evidence> {
        self.members.values().map(|about| &about.evidence)
    }

    /// Has it represented by the first of its processes that is in it, and gives those that are not.
    fn choose(&mut self, node: &mut impl Node, id: NamespaceId) -> Vec<u32> {
        let mut strays = Vec::new();
        while self
            .representative
            .is_none_or(|member| !self.members.contains_key(&member))
        {
            let Some((member, _)) = self.members.first_key_value() else {
                break;
            };
            let member = *member;
            if is_in(node, member.pid, id) {
                self.representative = Some(member);
                if member.joined > self.confirmed {
                    // Nobody saw the two together, so this may be another namespace of that number.
                    self.memory = M::default();
                }
            } else {
                // It has ended or moved, and is found again where it is.
                self.members.remove(&member);
                strays.push(member.pid);
            }
        }
        strays
    }

    fn find_owner(&self, called: &Called) -> Key {
        let members = self.members.iter();
        whose::owner(
            members.map(|(member, about)| (member.joined, &about.evidence)),
            called,
        )
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
    host: Option<NamespaceId>,
    /// When the first walk was, and how long after it the last.
    walked: Option<(Instant, Duration)>,
}

#[derive(Clone, Copy, Debug)]
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

/// So soon it is looked at again.
const FIRST_AGAIN: Duration = Duration::from_secs(1);

/// Far from any number of processes, and a prime.
const TURN: u64 = 2_654_435_761;

/// So often every process is looked at anew, for it may have moved.
const RENEWED: Duration = Duration::from_mins(10);

impl<M: Default> Spaces<M> {
    /// Finds out which there are, through processes that have come or gone since the last walk.
    ///
    /// To look at a process is what costs: after `most` of CPU time the others wait for the next walk. Who has gone is found in any case.
    pub(super) fn walk(
        &mut self,
        node: &mut impl Node,
        host: NamespaceId,
        now: Instant,
        most: Duration,
    ) -> Result<(), Fault> {
        if self.host.replace(host) != Some(host) {
            // Another proc, or another host: no number means what it did.
            self.processes.clear();
            self.all.clear();
        }
        let mut entries = std::mem::take(&mut self.entries);
        node.processes(&mut entries)?;
        self.walk += 1;
        let (began, last) = self.walked.unwrap_or((now, Duration::ZERO));
        let times = (last, now.saturating_duration_since(began));
        self.walked = Some((began, times.1));
        let mut unknown = Vec::new();
        for entry in &entries {
            if !self.is_known(node, *entry, now) || is_renewed(entry.pid, times) {
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
        // From another place each time, so that a flood of processes keeps nobody waiting for ever.
        let from = usize::try_from(self.walk.wrapping_mul(TURN)).unwrap_or_default();
        let from = from.checked_rem(unknown.len()).unwrap_or_default();
        unknown.rotate_left(from);
        let before = node.cpu();
        for entry in unknown {
            if node.cpu().saturating_sub(before) >= most {
                break;
            }
            self.look(node, entry, host, now);
        }
        self.entries = entries;
        self.represent(node);
        Ok(())
    }

    /// Whether a process is known and need not be looked at.
    fn is_known(&mut self, node: &mut impl Node, entry: Entry, now: Instant) -> bool {
        let Some(process) = self.processes.get_mut(&entry.pid) else {
            return false;
        };
        let is_same = process.inode == entry.inode
            || match process.place {
                Place::In(_, member) => is_still(node, member),
                Place::Host | Place::Denied => false,
            };
        if !is_same {
            return false;
        }
        process.inode = entry.inode;
        process.seen = self.walk;
        // Less and less often.
        let looked = process.looked.saturating_duration_since(process.first);
        looked >= YOUNG || now.saturating_duration_since(process.first) < 2 * looked + FIRST_AGAIN
    }

    /// Finds out where a process is.
    fn look(&mut self, node: &mut impl Node, entry: Entry, host: NamespaceId, now: Instant) {
        let pid = entry.pid;
        let before = self.processes.get(&pid).copied();
        let (place, about) = match find(node, pid, host) {
            Found::Gone => {
                self.forget(pid);
                return;
            }
            Found::Host => (Place::Host, None),
            Found::Denied => (Place::Denied, None),
            Found::In(id, about) => {
                let joined = match before.map(|process| process.place) {
                    Some(Place::In(known, member))
                        if known == id && member.start == about.start =>
                    {
                        member.joined
                    }
                    _ => self.walk,
                };
                let member = Member {
                    joined,
                    start: about.start,
                    pid,
                };
                (Place::In(id, member), Some(about))
            }
        };
        if before.is_some_and(|process| process.place != place) {
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
            first: before.map_or(now, |process| process.first),
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
            // Who came is elsewhere if all who were there have left, and that namespace only has the number of this one.
            let newest = space.members.last_key_value();
            if newest.is_some_and(|(member, _)| member.joined == self.walk)
                && let Some(old) = space.representative
                && space.members.contains_key(&old)
                && !is_in(node, old.pid, *id)
            {
                space.members.remove(&old);
                strays.push(old.pid);
            }
            strays.extend(space.choose(node, *id));
        }
        for pid in strays {
            self.forget(pid);
        }
        self.all.retain(|_, space| !space.members.is_empty());
    }

    /// Has another process stand for a namespace whose representative has ended or moved, if there is one.
    pub(super) fn replace(&mut self, node: &mut impl Node, id: NamespaceId) -> bool {
        let representative = self.all.get(&id).and_then(Space::representative);
        if let Some(pid) = representative {
            self.forget(pid);
        }
        let Some(space) = self.all.get_mut(&id) else {
            return false;
        };
        for pid in space.choose(node, id) {
            self.forget(pid);
        }
        self.all.retain(|_, space| !space.members.is_empty());
        self.all.contains_key(&id)
    }

    /// Whether what was just seen through its representative was of this namespace. If not, that process has ended or moved.
    pub(super) fn confirm(&mut self, node: &mut impl Node, id: NamespaceId) -> bool {
        let Some(space) = self.all.get_mut(&id) else {
            return false;
        };
        let Some(member) = space.representative else {
            return false;
        };
        // In this order: if it is still the same process in the end, it was that process that was there before.
        if is_in(node, member.pid, id) && is_still(node, member) {
            space.confirmed = self.walk;
            return true;
        }
        if let Some(process) = self.processes.get_mut(&member.pid) {
            process.looked = process.first;
        }
        false
    }

    /// Finds out whose they are. What was remembered of one that turns out to be another's is forgotten.
    pub(super) fn find_owners(&mut self, called: &Called) {
        for space in self.all.values_mut() {
            let owner = space.find_owner(called);
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
fn is_in(node: &mut impl Node, pid: u32, id: NamespaceId) -> bool {
    node.namespace(pid).is_ok_and(|found| found == id)
}

/// Whether it is still that process, and not another with its number.
fn is_still(node: &mut impl Node, member: Member) -> bool {
    node.start(member.pid)
        .is_ok_and(|start| start == member.start)
}

/// Whether it is a process's turn to be looked at anew, with the last walk and this one so long after the first. Each has a second of its
/// own, so that they do not come together.
fn is_renewed(pid: u32, (last, now): (Duration, Duration)) -> bool {
    let every = RENEWED.as_secs();
    let times = |time: Duration| (time.as_secs() + u64::from(pid) % every) / every;
    times(now) != times(last)
}

/// Where a process is.
enum Found {
    Host,
    In(NamespaceId, About),
    /// We may not look.
    Denied,
    /// It ends or moves just now.
    Gone,
}

fn find(node: &mut impl Node, pid: u32, host: NamespaceId) -> Found {
    let failed = |error: &std::io::Error| {
        if is_gone_io(error) {
            Found::Gone
        } else {
            Found::Denied
        }
    };
    let id = match node.namespace(pid) {
        Ok(id) if id == host => return Found::Host,
        Ok(id) => id,
        Err(error) => return failed(&error),
    };
    match node.about(pid) {
        Ok(about) if is_in(node, pid, id) => Found::In(id, about),
        Ok(_) => Found::Gone,
        Err(error) => failed(&error),
    }
}
