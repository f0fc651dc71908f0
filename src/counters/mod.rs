//! The kernel's own TCP counters of the host, and what it has room for.
//!
//! Counters are sums since the agent started: a kernel counts since the machine did, and what was before is nobody's rate.

use std::io;
use std::path::Path;

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
    /// Connections that connection tracking could not take in, mostly because translation found no port (`insert_failed`).
    ConntrackInsertFailed,
    /// Packets that connection tracking dropped, mostly because its table is full (`drop`).
    ConntrackDrops,
}

/// A file that the kernel has counters in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    Snmp,
    Netstat,
    Conntrack,
}

impl File {
    /// Its place below a namespace's directory.
    const fn path(self) -> &'static str {
        match self {
            Self::Snmp => "snmp",
            Self::Netstat => "netstat",
            Self::Conntrack => "stat/nf_conntrack",
        }
    }
}

impl Counter {
    /// Every one.
    pub const ALL: [Self; 13] = [
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
        Self::ConntrackInsertFailed,
        Self::ConntrackDrops,
    ];

    /// The file and the column that the kernel has it in.
    const fn column(self) -> (File, &'static str) {
        match self {
            Self::OpenedActively => (File::Snmp, "ActiveOpens"),
            Self::OpenedPassively => (File::Snmp, "PassiveOpens"),
            Self::Failed => (File::Snmp, "AttemptFails"),
            Self::Reset => (File::Snmp, "EstabResets"),
            Self::Received => (File::Snmp, "InSegs"),
            Self::Sent => (File::Snmp, "OutSegs"),
            Self::Retransmitted => (File::Snmp, "RetransSegs"),
            Self::ListenOverflows => (File::Netstat, "ListenOverflows"),
            Self::ListenDrops => (File::Netstat, "ListenDrops"),
            Self::TimeWaitOverflows => (File::Netstat, "TCPTimeWaitOverflow"),
            Self::MemoryPressures => (File::Netstat, "TCPMemoryPressures"),
            Self::ConntrackInsertFailed => (File::Conntrack, "insert_failed"),
            Self::ConntrackDrops => (File::Conntrack, "drop"),
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

    /// What the texts of the kernel's files say.
    fn parse(snmp: &str, netstat: &str, conntrack: &str) -> Self {
        Self::of(|counter| {
            let (file, name) = counter.column();
            match file {
                File::Snmp => counters::column(snmp, "Tcp:", name)?.parse().ok(),
                File::Netstat => counters::column(netstat, "TcpExt:", name)?.parse().ok(),
                File::Conntrack => of_every_cpu(conntrack, name),
            }
        })
    }
}

/// The sum of a column that has a line for each CPU, in hexadecimal.
fn of_every_cpu(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    let mut names = lines.next()?.split_ascii_whitespace();
    let place = names.position(|found| found == name)?;
    let mut values = lines.map(|line| {
        let value = line.split_ascii_whitespace().nth(place)?;
        u64::from_str_radix(value, 16).ok()
    });
    let first = values.next()??;
    values.try_fold(first, |sum, value| sum.checked_add(value?))
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
        let mut read = |file: File| {
            let path = Scope::Host.table(&self.root, file.path());
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
        let now = Counters::parse(
            &read(File::Snmp)?,
            &read(File::Netstat)?,
            &read(File::Conntrack)?,
        );
        let last = self.last.unwrap_or(now);
        self.last = Some(Counters::of(|counter| {
            now.get(counter).or(last.get(counter))
        }));
        let before = self.sums;
        self.sums = Counters::of(|counter| {
            let sum = before.get(counter).unwrap_or_default();
            let (last, now) = (last.get(counter), now.get(counter));
            // One that is smaller has begun anew, or has wrapped. Which, nobody knows, and what was guessed could be a spike.
            let more = last
                .zip(now)
                .map_or(0, |(last, now)| now.saturating_sub(last));
            Some(sum.saturating_add(more))
        });
        Ok(Counters::of(|counter| {
            now.get(counter).and(self.sums.get(counter))
        }))
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

fn fault(error: &CountersError) -> Fault {
    Fault {
        what: "read the host's TCP counters".to_owned(),
        why: error.to_string(),
        reason: "counters",
    }
}

#[cfg(test)]
mod tests;
