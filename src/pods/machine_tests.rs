//! A machine that is not there: processes, namespaces, sockets, CPU time and a clock, all made up.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::super::cgroup::Evidence;
use super::super::node::{About, Entry, LookError, Node};
use crate::source::Fault;
use crate::source::counters::{Counters, Everything};
use crate::source::diag::Unproven;
use crate::source::proc_root::NamespaceId;
use crate::source::socket::Socket;
use crate::source::tables::Found;
use crate::source::text::Scanned;
use crate::tcp::{Counts, Family, State};

/// A number no network namespace but the host's has.
const HOST: u64 = 1;

/// Something that is asked of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    Namespace,
    Start,
    About,
    Counters,
    Table,
}

/// A namespace, by a number that no other ever has.
pub(super) type Serial = usize;

#[derive(Clone, Debug)]
pub(super) struct Process {
    inode: u64,
    pub(super) start: u64,
    /// Nothing: the host's.
    pub(super) space: Option<Serial>,
    pub(super) about: About,
    pub(super) is_zombie: bool,
    pub(super) is_denied: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Space {
    /// What the kernel calls it while it lives.
    number: u64,
    /// Whose it is, in truth.
    pub(super) owner: String,
    /// What it held, from when on.
    pub(super) history: Vec<(Duration, Counts)>,
    /// Moves whenever anything does.
    segments: i64,
    pub(super) ended: Option<Duration>,
    is_broken: bool,
}

type Event = Box<dyn FnOnce(&mut Machine)>;

#[derive(Default)]
pub(super) struct Machine {
    pub(super) now: Duration,
    pub(super) processes: BTreeMap<u32, Process>,
    pub(super) spaces: Vec<Space>,
    pub(super) calls: BTreeMap<Call, u64>,
    pub(super) has_no_host: bool,
    /// Another mount of proc has other numbers for everything.
    pub(super) mount: u64,
    /// Happens right before this is asked of that process.
    pub(super) before: Option<(Call, u32, Event)>,
    /// What reading a table costs.
    pub(super) table_cost: Duration,
    pub(super) cpu: Duration,
    /// Numbers of namespaces that ended.
    free: BTreeSet<u64>,
    next: u64,
    next_pid: u32,
}

impl Machine {
    /// A namespace of `owner` with so many sockets. It has the number of one that ended, if there is one.
    pub(super) fn space(&mut self, owner: &str, counts: Counts) -> Serial {
        let fresh = HOST + 1 + self.spaces.len() as u64;
        self.spaces.push(Space {
            number: self.free.pop_first().unwrap_or(fresh),
            owner: owner.to_owned(),
            history: vec![(self.now, counts)],
            segments: 0,
            ended: None,
            is_broken: false,
        });
        self.spaces.len() - 1
    }

    /// A new process there, which says that it belongs to the namespace's owner.
    pub(super) fn process(&mut self, space: Option<Serial>) -> u32 {
        self.next_pid = self.next_pid.max(1) + 1;
        self.process_numbered(self.next_pid, space)
    }

    pub(super) fn process_numbered(&mut self, pid: u32, space: Option<Serial>) -> u32 {
        let owner = space.map_or("", |space| &self.spaces[space].owner);
        let evidence = evidence(owner);
        self.next += 1;
        let process = Process {
            inode: self.next,
            start: self.next,
            space,
            about: About {
                start: self.next,
                evidence,
                is_sandbox: false,
            },
            is_zombie: false,
            is_denied: false,
        };
        self.processes.insert(pid, process);
        pid
    }

    /// A namespace with one process.
    pub(super) fn pod(&mut self, owner: &str, counts: Counts) -> (Serial, u32) {
        let space = self.space(owner, counts);
        (space, self.process(Some(space)))
    }

    /// Ends a process, and its namespace if nobody else is in it.
    pub(super) fn kill(&mut self, pid: u32) {
        let process = self.processes.remove(&pid);
        self.leave(process.and_then(|process| process.space));
    }

    pub(super) fn move_to(&mut self, pid: u32, space: Option<Serial>) {
        let process = self.processes.get_mut(&pid).unwrap();
        let left = std::mem::replace(&mut process.space, space);
        self.leave(left);
    }

    fn leave(&mut self, space: Option<Serial>) {
        let is_left = |found: &Process| found.space == space && !found.is_zombie;
        if let Some(space) = space
            && !self.processes.values().any(is_left)
        {
            self.spaces[space].ended = Some(self.now);
            self.free.insert(self.spaces[space].number);
        }
    }

    /// Changes what a namespace holds, which moves its counters.
    pub(super) fn set(&mut self, space: Serial, counts: Counts) {
        let now = self.now;
        self.spaces[space].history.push((now, counts));
        self.talk(space);
    }

    /// Segments go to and fro, and no socket changes.
    pub(super) fn talk(&mut self, space: Serial) {
        self.spaces[space].segments += 1;
    }

    /// Its tables cannot be read any more, or can be again.
    pub(super) fn set_broken(&mut self, space: Serial, is_broken: bool) {
        self.spaces[space].is_broken = is_broken;
        self.talk(space);
    }

    /// All directories get other inodes.
    pub(super) fn drop_caches(&mut self) {
        for process in self.processes.values_mut() {
            self.next += 1;
            process.inode = self.next;
        }
    }

    fn numbered(&self, number: u64) -> NamespaceId {
        NamespaceId::numbered((self.mount << 32) + number)
    }

    pub(super) fn called(&self, call: Call) -> u64 {
        self.calls.get(&call).copied().unwrap_or_default()
    }

    fn call(&mut self, call: Call, pid: u32, cost: Duration) {
        *self.calls.entry(call).or_default() += 1;
        self.cpu += cost;
        if let Some((awaited, of, event)) = self.before.take() {
            if (awaited, of) == (call, pid) {
                event(self);
            } else {
                self.before = Some((awaited, of, event));
            }
        }
    }

    fn find(&self, pid: u32) -> io::Result<&Process> {
        let found = self.processes.get(&pid).filter(|found| !found.is_zombie);
        let found = found.ok_or(io::ErrorKind::NotFound)?;
        if found.is_denied {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(found)
    }

    fn seen_by(&self, pid: u32) -> Result<&Space, LookError> {
        let process = self.find(pid).map_err(|_| LookError::Gone)?;
        // Nobody reads the host's here.
        let space = process.space.ok_or(LookError::Gone)?;
        Ok(&self.spaces[space])
    }
}

impl Node for Machine {
    fn processes(&mut self, entries: &mut Vec<Entry>) -> Result<(), Fault> {
        entries.clear();
        self.cpu += Duration::from_micros(1) * u32::try_from(self.processes.len()).unwrap();
        let all = self.processes.iter();
        entries.extend(all.map(|(pid, process)| Entry {
            pid: *pid,
            inode: process.inode,
        }));
        Ok(())
    }

    fn host(&mut self) -> Result<NamespaceId, Fault> {
        if self.has_no_host {
            return Err(Fault {
                what: "find the host".to_owned(),
                why: "it is away".to_owned(),
                reason: "open",
            });
        }
        Ok(self.numbered(HOST))
    }

    fn namespace(&mut self, pid: u32) -> io::Result<NamespaceId> {
        self.call(Call::Namespace, pid, Duration::from_micros(10));
        let space = self.find(pid)?.space;
        let number = space.map_or(HOST, |space| self.spaces[space].number);
        Ok(self.numbered(number))
    }

    fn start(&mut self, pid: u32) -> io::Result<u64> {
        self.call(Call::Start, pid, Duration::from_micros(10));
        let found = self.processes.get(&pid);
        Ok(found.ok_or(io::ErrorKind::NotFound)?.start)
    }

    fn about(&mut self, pid: u32) -> io::Result<About> {
        self.call(Call::About, pid, Duration::from_micros(40));
        self.find(pid).map(|process| process.about.clone())
    }

    fn counters(&mut self, pid: u32) -> Result<Everything, LookError> {
        self.call(Call::Counters, pid, Duration::from_micros(60));
        let space = self.seen_by(pid)?;
        let counts = space.counts();
        let tw = counts.get(State::TimeWait);
        let counters = Counters {
            inuse4: counts.total() - tw,
            inuse6: Some(0),
            tw,
        };
        let established = counts.get(State::Established) + counts.get(State::CloseWait);
        Ok(Everything::at(counters, established, space.segments))
    }

    fn table(
        &mut self,
        pid: u32,
        family: Family,
        _stop: &AtomicBool,
        _see: &mut dyn FnMut(&Socket<'_>),
    ) -> Result<Option<Found>, LookError> {
        self.call(Call::Table, pid, self.table_cost);
        let space = self.seen_by(pid)?;
        if space.is_broken {
            return Err(LookError::Failed("it is broken".to_owned()));
        }
        let counts = match family {
            Family::Ipv4 => space.counts(),
            Family::Ipv6 => Counts::default(),
        };
        let rows = counts.total();
        Ok(Some(Found {
            counts,
            minis: counts.get(State::TimeWait),
            scanned: Scanned {
                rows,
                malformed: 0,
                bytes: 150 * (rows + 1),
            },
        }))
    }

    fn counts_mptcp(&mut self) -> Result<(), Unproven> {
        Ok(())
    }

    fn cpu(&self) -> Duration {
        self.cpu
    }
}

impl Space {
    pub(super) fn counts(&self) -> Counts {
        self.history.last().unwrap().1
    }
}

/// What a process of this owner says: `none`, `cid-…`, or the UID of a pod.
pub(super) fn evidence(owner: &str) -> Evidence {
    let told = (!owner.is_empty() && owner != "none").then(|| owner.into());
    let (container, pod) = if owner.starts_with("cid-") {
        (told, None)
    } else {
        (None, told)
    };
    Evidence { pod, container }
}

/// So many sockets in these states.
pub(super) fn counts(listen: u64, established: u64, time_wait: u64) -> Counts {
    let mut counts = Counts::default();
    counts.add(State::Listen, listen);
    counts.add(State::Established, established);
    counts.add(State::TimeWait, time_wait);
    counts
}
