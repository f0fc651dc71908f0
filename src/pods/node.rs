//! What is seen of a machine: its processes, and the network namespace of each. The real one, and a trait for others.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use procfs::FromRead;
use procfs::process::Stat;

use super::Options;
use super::cgroup::{self, Evidence};
use crate::source::counters::{CountersError, Everything, Files};
use crate::source::diag::{self, Unproven};
use crate::source::namespace::Namespace;
use crate::source::proc_root::{self, NamespaceId, OpenError, ProcRoot};
use crate::source::socket::Socket;
use crate::source::tables::{self, Found, TableError};
use crate::source::text::{Buffer, ScanError};
use crate::source::{Fault, Scope};
use crate::tcp::Family;

/// No machine has more processes (`PID_MAX_LIMIT`).
const MOST_PROCESSES: usize = 1 << 22;

/// Of a command line only the first word is wanted.
const MOST_OF_A_COMMAND: u64 = 4096;

/// A process, as the directory of the proc root shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub pid: u32,
    /// The inode of its directory. Another process of that number has another one; the same process may get another one too.
    pub inode: u64,
}

/// What a process says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// When it began, in clock ticks since the machine did.
    pub start: u64,
    /// Whose it is.
    pub evidence: Evidence,
    /// Whether it keeps a guest with a network stack of its own.
    pub is_sandbox: bool,
}

/// Why a namespace could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The process that it was looked at through is gone, which is normal.
    #[error("the process has ended")]
    Gone,
    /// The caller asked to stop.
    #[error("reading it took longer than the time that it was given")]
    Stopped,
    /// Something else.
    #[error("{0}")]
    Failed(String),
}

/// A machine.
pub trait Node {
    /// Puts every process into `entries`.
    fn processes(&mut self, entries: &mut Vec<Entry>) -> Result<(), Fault>;
    /// The network namespace of the host; its processes are no pod's.
    fn host(&mut self) -> Result<NamespaceId, Fault>;
    /// The network namespace of a process.
    fn namespace(&mut self, pid: u32) -> io::Result<NamespaceId>;
    /// When a process began.
    fn start(&mut self, pid: u32) -> io::Result<u64>;
    /// What a process says of itself.
    fn about(&mut self, pid: u32) -> io::Result<About>;
    /// The counters of a process's namespace.
    fn counters(&mut self, pid: u32) -> Result<Everything, LookError>;
    /// A table of a process's namespace, each of whose sockets is shown to `see`; nothing if the namespace has no such family.
    fn table(
        &mut self,
        pid: u32,
        family: Family,
        stop: &AtomicBool,
        see: &mut dyn FnMut(&Socket<'_>),
    ) -> Result<Option<Found>, LookError>;
    /// Whether the kernel's counter of IPv6 sockets counts them all.
    fn counts_mptcp(&mut self) -> Result<(), Unproven>;
    /// CPU time that the calling thread has used.
    fn cpu(&self) -> Duration;
}

/// The machine that a proc root shows.
#[derive(Debug)]
pub struct ProcNode {
    root: ProcRoot,
    files: Files,
    own: Files,
    buffer: Buffer,
}

impl ProcNode {
    /// The machine that `options` name. Nothing is looked at yet.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let own = options.proc_root.join(Scope::Own.directory());
        Self {
            root: options.proc_root.clone(),
            files: Files::new(&own),
            own: Files::new(&own),
            buffer: Buffer::default(),
        }
    }

    fn of(&self, pid: u32, name: &str) -> PathBuf {
        self.root.join(&format!("{pid}/{name}"))
    }

    /// Where the network of a process is whose first thread has ended, while others go on: there is nothing in its own place.
    fn net_of_threads(&self, pid: u32) -> Option<PathBuf> {
        let tasks = self.of(pid, "task");
        let threads = proc_root::list(&tasks).ok()?.flatten();
        threads
            .map(|(thread, _)| tasks.join(thread).join("net"))
            .find(|net| NamespaceId::of(&net.join("tcp")).is_ok())
    }

    fn everything(&mut self, pid: u32, net: &Path) -> Result<Everything, LookError> {
        self.files.turn_to(net);
        self.files.everything().map_err(|error| match error {
            // A file that this kernel does not have says nothing of the process.
            CountersError::Read { cause, .. }
                if is_gone(&cause) && self.namespace(pid).is_err() =>
            {
                LookError::Gone
            }
            error => LookError::Failed(error.to_string()),
        })
    }

    fn text_of(&self, pid: u32, name: &str) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        proc_root::open_small(&self.of(pid, name))
            .map_err(io_error)?
            .read_to_end(&mut text)?;
        Ok(text)
    }

    fn stat(&self, pid: u32) -> io::Result<Stat> {
        // Read before it is parsed, for a parser does not tell a process that ends meanwhile from a text that it cannot read.
        let text = self.text_of(pid, "stat")?;
        Stat::from_read(text.as_slice()).map_err(io::Error::other)
    }
}

impl Node for ProcNode {
    fn processes(&mut self, entries: &mut Vec<Entry>) -> Result<(), Fault> {
        entries.clear();
        let failed = |error: &io::Error| Fault {
            what: format!("list the processes in {}", self.root.path().display()),
            why: format!(
                "{error}: mount the host's /proc there, or name the right place with --proc-root or HOST_PROC"
            ),
            reason: "open",
        };
        for found in proc_root::list(self.root.path()).map_err(|error| failed(&error))? {
            let (name, inode) = found.map_err(|error| failed(&error))?;
            if let Some(pid) = name.to_str().and_then(|name| name.parse().ok())
                && entries.len() < MOST_PROCESSES
            {
                entries.push(Entry { pid, inode });
            }
        }
        Ok(())
    }

    fn host(&mut self) -> Result<NamespaceId, Fault> {
        let path = Scope::Host.table(&self.root, "tcp");
        let fault = |why: String, reason| Fault {
            what: format!(
                "find the host's network namespace, which {} shows",
                path.display()
            ),
            why,
            reason,
        };
        let id = NamespaceId::of(&path).map_err(|error| {
            let why = format!(
                "{error}: mount the host's /proc at {}, without hidepid, or with a gid= of it that this user is in",
                self.root.path().display()
            );
            fault(why, "open")
        })?;
        let host = Namespace::inspect(&self.root, Scope::Host);
        if host.is_ok_and(|host| host.is_a_containers) {
            let why = "that is this container's own, and no other pod can be seen from here: mount the host's /proc read-only \
                       (-v /proc:/host/proc:ro) and set HOST_PROC=/host/proc";
            return Err(fault(why.to_owned(), "not_the_host"));
        }
        Ok(id)
    }

    fn namespace(&mut self, pid: u32) -> io::Result<NamespaceId> {
        NamespaceId::of(&self.of(pid, "net/tcp")).or_else(|error| {
            let threads = is_gone_io(&error).then(|| self.net_of_threads(pid));
            match threads.flatten() {
                Some(net) => NamespaceId::of(&net.join("tcp")),
                None => Err(error),
            }
        })
    }

    fn start(&mut self, pid: u32) -> io::Result<u64> {
        self.stat(pid).map(|stat| stat.starttime)
    }

    fn about(&mut self, pid: u32) -> io::Result<About> {
        let stat = self.stat(pid)?;
        let cgroup = self.text_of(pid, "cgroup")?;
        let mut command = Vec::new();
        proc_root::open_small(&self.of(pid, "cmdline"))
            .map_err(io_error)?
            .take(MOST_OF_A_COMMAND)
            .read_to_end(&mut command)?;
        Ok(About {
            start: stat.starttime,
            evidence: cgroup::evidence(&cgroup),
            is_sandbox: cgroup::is_sandbox(stat.comm.as_bytes(), &command),
        })
    }

    fn counters(&mut self, pid: u32) -> Result<Everything, LookError> {
        let own = self.of(pid, "net");
        match self.everything(pid, &own) {
            Err(error) if NamespaceId::of(&own.join("tcp")).is_err() => {
                match self.net_of_threads(pid) {
                    Some(net) => self.everything(pid, &net),
                    None => Err(error),
                }
            }
            found => found,
        }
    }

    fn table(
        &mut self,
        pid: u32,
        family: Family,
        stop: &AtomicBool,
        see: &mut dyn FnMut(&Socket<'_>),
    ) -> Result<Option<Found>, LookError> {
        let mut net = self.of(pid, "net");
        if NamespaceId::of(&net.join("tcp")).is_err() {
            net = self.net_of_threads(pid).unwrap_or(net);
        }
        let path = net.join(match family {
            Family::Ipv4 => "tcp",
            Family::Ipv6 => "tcp6",
        });
        let failed = |error: &dyn std::fmt::Display| {
            LookError::Failed(format!("cannot read {}: {error}", path.display()))
        };
        let file = match proc_root::open(&path) {
            Ok((file, _)) => file,
            // Whoever asked looks whether the process is still there.
            Err(cause) if is_gone(&cause) && family == Family::Ipv6 => return Ok(None),
            Err(cause) if is_gone(&cause) => return Err(LookError::Gone),
            Err(cause) => return Err(failed(&cause)),
        };
        match tables::count(file, family, &mut self.buffer, stop, see) {
            Ok(found) => Ok(Some(found)),
            Err(TableError::Scan(ScanError::Stopped)) => Err(LookError::Stopped),
            Err(error) => Err(failed(&error)),
        }
    }

    fn counts_mptcp(&mut self) -> Result<(), Unproven> {
        diag::counts_mptcp(&mut self.own).map(drop)
    }

    fn cpu(&self) -> Duration {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::try_from(used).unwrap_or_default()
    }
}

/// Whether a file is not there because its process is not.
fn is_gone(cause: &OpenError) -> bool {
    matches!(cause, OpenError::Io(cause) if is_gone_io(cause))
}

/// Whether a process is no longer there.
pub(super) fn is_gone_io(error: &io::Error) -> bool {
    let no_such_process = rustix::io::Errno::SRCH.raw_os_error();
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(no_such_process)
}

fn io_error(cause: OpenError) -> io::Error {
    match cause {
        OpenError::Io(cause) => cause,
        OpenError::NotAFile(_) => io::Error::other(cause.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::details::Attention;

    fn node(root: &std::path::Path) -> ProcNode {
        ProcNode::new(&Options {
            proc_root: ProcRoot::new(root),
            container_logs_dir: root.join("nowhere"),
            most: 1,
            gates: true,
            cpu_budget: 1.0,
            at_once: Duration::from_mins(1),
            interval: Duration::from_secs(1),
            by_family: false,
            attention: Attention::default(),
        })
    }

    #[test]
    fn a_process_whose_first_thread_has_ended_is_seen_through_another() {
        let root = tempfile::tempdir().unwrap();
        let net = root.path().join("5/task/7/net");
        std::fs::create_dir_all(root.path().join("5/task/5")).unwrap();
        std::fs::create_dir_all(&net).unwrap();
        let row = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1";
        std::fs::write(net.join("tcp"), format!("  sl  local_address\n{row}\n")).unwrap();
        std::fs::write(
            net.join("sockstat"),
            "TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 1\n",
        )
        .unwrap();
        std::fs::write(net.join("snmp"), "Tcp: CurrEstab InSegs\nTcp: 0 5\n").unwrap();
        let mut node = node(root.path());
        assert_eq!(
            node.namespace(5).unwrap(),
            NamespaceId::of(&net.join("tcp")).unwrap()
        );
        assert_eq!(node.counters(5).unwrap().counters.inuse4, 1);
        let stop = AtomicBool::new(false);
        let found = node
            .table(5, Family::Ipv4, &stop, &mut |_| {})
            .unwrap()
            .unwrap();
        assert_eq!(found.scanned.rows, 1);
        assert!(node.namespace(6).is_err());
    }

    #[test]
    fn a_kernel_without_a_counter_is_no_process_that_has_ended() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("5/net")).unwrap();
        std::fs::write(root.path().join("5/net/tcp"), "  sl  local_address\n").unwrap();
        let mut node = node(root.path());
        assert!(matches!(node.counters(5), Err(LookError::Failed(_))));
        assert!(matches!(node.counters(6), Err(LookError::Gone)));
        let stop = AtomicBool::new(false);
        assert!(matches!(
            node.table(5, Family::Ipv4, &stop, &mut |_| {}),
            Ok(Some(_))
        ));
        assert!(matches!(
            node.table(5, Family::Ipv6, &stop, &mut |_| {}),
            Ok(None)
        ));
        assert!(matches!(
            node.table(6, Family::Ipv4, &stop, &mut |_| {}),
            Err(LookError::Gone)
        ));
    }
}
