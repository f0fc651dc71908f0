//! The kernel's own TCP counters of the host, and what it has room for.
//!
//! Counters are sums since the agent started: a kernel counts since the machine did, and what was before is nobody's rate.

use std::io;
use std::path::{Path, PathBuf};

use crate::source::counters::{self, CountersError};
use crate::source::namespace::Namespace;
use crate::source::proc_root::{OpenError, ProcRoot};
use crate::source::{Fault, Scope};

/// More than the kernel writes into any of the files.
const MOST_BYTES: usize = 32 << 10;

/// One of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Connections that this host began (`ActiveOpens`).
    OpenedActively,
    /// Connections that came in (`PassiveOpens`).
    OpenedPassively,
    /// Connections that failed before they stood (`AttemptFails`).
    Failed,
    /// Connections that ended by a reset (`EstabResets`).
    Reset,
    /// Segments that came in (`InSegs`).
    Received,
    /// Segments that went out, without what was sent again (`OutSegs`).
    Sent,
    /// Segments that were sent again (`RetransSegs`).
    Retransmitted,
    /// Connections that found an accept queue full (`ListenOverflows`).
    ListenOverflows,
    /// Connections that a listener dropped, for whichever reason (`ListenDrops`).
    ListenDrops,
    /// Sockets that found no room in the table of `TIME_WAIT` (`TCPTimeWaitOverflow`).
    TimeWaitOverflows,
    /// Times that TCP came to be short of memory (`TCPMemoryPressures`).
    MemoryPressures,
}

impl Counter {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::OpenedActively,
        Self::OpenedPassively,
        Self::Failed,
        Self::Reset,
        Self::Received,
        Self::Sent,
        Self::Retransmitted,
        Self::ListenOverflows,
        Self::ListenDrops,
        Self::TimeWaitOverflows,
        Self::MemoryPressures,
    ];

    /// The line and the column that the kernel has it in.
    const fn column(self) -> (&'static str, &'static str) {
        match self {
            Self::OpenedActively => ("Tcp:", "ActiveOpens"),
            Self::OpenedPassively => ("Tcp:", "PassiveOpens"),
            Self::Failed => ("Tcp:", "AttemptFails"),
            Self::Reset => ("Tcp:", "EstabResets"),
            Self::Received => ("Tcp:", "InSegs"),
            Self::Sent => ("Tcp:", "OutSegs"),
            Self::Retransmitted => ("Tcp:", "RetransSegs"),
            Self::ListenOverflows => ("TcpExt:", "ListenOverflows"),
            Self::ListenDrops => ("TcpExt:", "ListenDrops"),
            Self::TimeWaitOverflows => ("TcpExt:", "TCPTimeWaitOverflow"),
            Self::MemoryPressures => ("TcpExt:", "TCPMemoryPressures"),
        }
    }
}

/// A value for each counter, where this kernel has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters([Option<u64>; Counter::ALL.len()]);

impl Counters {
    /// What `value` says of each.
    #[must_use]
    pub fn of(value: impl FnMut(Counter) -> Option<u64>) -> Self {
        Self(Counter::ALL.map(value))
    }

    /// The value of one; nothing where this kernel does not have it.
    #[must_use]
    pub fn get(&self, counter: Counter) -> Option<u64> {
        self.0.get(counter as usize).copied().flatten()
    }

    /// What the texts of `snmp` and `netstat` say.
    fn parse(snmp: &str, netstat: &str) -> Self {
        Self::of(|counter| {
            let (line, name) = counter.column();
            let text = if line == "Tcp:" { snmp } else { netstat };
            counters::column(text, line, name)?.parse().ok()
        })
    }
}

/// What there is room for, and how much of it is used. Nothing where it is not known, or where the limit that can be read may not be the
/// one that applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Memory of all TCP sockets of the machine, in bytes.
    pub memory: Option<u64>,
    /// Where the kernel stops to be generous with it, where it begins to spare, and where it ends; in bytes.
    pub memory_limits: Option<[u64; 3]>,
    /// Sockets that no process holds any more, of the machine.
    pub orphans: Option<u64>,
    /// How many there may be.
    pub orphans_limit: Option<u64>,
    /// How many sockets there may be in `TIME_WAIT`.
    pub time_wait_limit: Option<u64>,
    /// Entries of connection tracking.
    pub conntrack: Option<u64>,
    /// How many there may be.
    pub conntrack_limit: Option<u64>,
    /// Open files of the machine.
    pub files: Option<u64>,
    /// How many there may be.
    pub files_limit: Option<u64>,
}

/// Which of the two is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What was counted.
    pub counters: bool,
    /// What there is room for.
    pub capacity: bool,
}

/// Reads both, and remembers what was counted before.
#[derive(Debug)]
pub struct Watch {
    root: ProcRoot,
    buffer: Box<[u8]>,
    last: Option<Counters>,
    sums: Counters,
}

impl Watch {
    /// A watch over the host that `root` shows. Nothing is read yet.
    #[must_use]
    pub fn new(root: ProcRoot) -> Self {
        Self {
            root,
            buffer: vec![0; MOST_BYTES].into_boxed_slice(),
            last: None,
            sums: Counters::default(),
        }
    }

    /// What was counted since the first time.
    pub fn counters(&mut self) -> Result<Counters, Fault> {
        let net = |name: &str| Scope::Host.table(&self.root, name);
        let mut read = |path: PathBuf| {
            match counters::read(&path, &mut self.buffer) {
                Ok(text) => Ok(text.to_owned()),
                // Of a kernel that does not have the file there is as little to tell as of one without a column.
                Err(CountersError::Read {
                    cause: OpenError::Io(error),
                    ..
                }) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
                Err(error) => Err(fault(&error)),
            }
        };
        let now = Counters::parse(&read(net("snmp"))?, &read(net("netstat"))?);
        let last = self.last.unwrap_or(now);
        self.last = Some(Counters::of(|counter| {
            now.get(counter).or(last.get(counter))
        }));
        let before = self.sums;
        self.sums = Counters::of(|counter| {
            let (now, last) = (now.get(counter)?, last.get(counter));
            let sum = before.get(counter).unwrap_or_default();
            Some(sum.saturating_add(last.map_or(0, |last| grown(last, now))))
        });
        Ok(self.sums)
    }

    /// What there is room for.
    pub fn capacity(&mut self) -> Capacity {
        let page = rustix::param::page_size() as u64;
        let sockstat = Scope::Host.table(&self.root, "sockstat");
        let sockstat = self.text(&sockstat);
        let of_sockets = |name| counters::sockstat(sockstat.as_deref()?, "TCP:", name);
        // What is below `sys/net` is of the namespace of whoever reads it.
        let is_own =
            Namespace::inspect(&self.root, Scope::Host).is_ok_and(|found| found.own == Some(true));
        let mut setting = |path: &str| self.numbers(path);
        let mut own = |path: &str| setting(path).filter(|_| is_own).and_then(first);
        let (time_wait_limit, conntrack, conntrack_limit) = (
            own("sys/net/ipv4/tcp_max_tw_buckets"),
            own("sys/net/netfilter/nf_conntrack_count"),
            own("sys/net/netfilter/nf_conntrack_max"),
        );
        // These two exist in the machine's initial namespace alone, and are the machine's.
        let memory_limits = setting("sys/net/ipv4/tcp_mem")
            .and_then(|pages| <[u64; 3]>::try_from(pages).ok())
            .map(|pages| pages.map(|pages| pages.saturating_mul(page)));
        let orphans_limit = setting("sys/net/ipv4/tcp_max_orphans").and_then(first);
        let files = setting("sys/fs/file-nr");
        let file = |place: usize| files.as_ref()?.get(place).copied();
        Capacity {
            memory: of_sockets("mem").map(|pages| pages.saturating_mul(page)),
            memory_limits,
            orphans: of_sockets("orphan"),
            orphans_limit,
            time_wait_limit,
            conntrack,
            conntrack_limit,
            files: file(0)
                .zip(file(1))
                .map(|(open, free)| open.saturating_sub(free)),
            files_limit: file(2),
        }
    }

    fn text(&mut self, path: &Path) -> Option<String> {
        counters::read(path, &mut self.buffer)
            .ok()
            .map(str::to_owned)
    }

    fn numbers(&mut self, path: &str) -> Option<Vec<u64>> {
        let text = self.text(&self.root.join(path))?;
        let numbers = text.split_ascii_whitespace().map(str::parse);
        numbers.collect::<Result<_, _>>().ok()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is the end of a chain")]
fn first(numbers: Vec<u64>) -> Option<u64> {
    numbers.first().copied()
}

/// How much a counter has grown. One that is smaller than before has wrapped, where it was near the end of 32 bits, or begun anew.
fn grown(last: u64, now: u64) -> u64 {
    const HALF: u64 = 1 << 31;
    const WHOLE: u64 = 1 << 32;
    match now.checked_sub(last) {
        Some(grown) => grown,
        None if last < WHOLE && last - now > HALF => WHOLE - last + now,
        None => 0,
    }
}

fn fault(error: &CountersError) -> Fault {
    Fault {
        what: "read the host's TCP counters".to_owned(),
        why: error.to_string(),
        reason: "counters",
    }
}

#[cfg(test)]
mod tests;
