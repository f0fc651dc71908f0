//! Sources: ways to take a reading of one network namespace.

pub mod namespace;
pub mod proc_root;
pub mod row;
pub mod text;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use self::namespace::Reader;
use self::proc_root::{OpenError, ProcRoot};
use self::text::{Buffer, ScanError, Scanned};
use crate::tcp::{Counts, State};

/// What is read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where the host's proc is.
    pub proc_root: ProcRoot,
    /// Whose sockets are read.
    pub scope: Scope,
}

/// Whose sockets are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Scope {
    /// Those of the namespace that PID 1 of the proc root is in: the host's.
    #[default]
    #[serde(rename = "host")]
    Host,
    /// Those of the namespace that this process is in: a sidecar's pod.
    #[serde(rename = "self")]
    Own,
}

impl Scope {
    /// The scopes by name, for those who choose one.
    pub const NAMES: [&'static str; 2] = ["host", "self"];

    /// The name that it is chosen by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Own => "self",
        }
    }

    /// The directory below the proc root with the tables of this scope.
    #[must_use]
    pub const fn directory(self) -> &'static str {
        match self {
            Self::Host => "1/net",
            Self::Own => "self/net",
        }
    }

    /// The path of one of the tables.
    #[must_use]
    pub fn table(self, root: &ProcRoot, name: &str) -> PathBuf {
        root.join(self.directory()).join(name)
    }
}

impl FromStr for Scope {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "host" => Ok(Self::Host),
            "self" => Ok(Self::Own),
            _ => Err(()),
        }
    }
}

/// A way to take a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The tables in `net/tcp` and `net/tcp6`.
    Text,
}

/// What one source saw in one network namespace at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whose sockets.
    pub scope: Scope,
    /// How they were read.
    pub source: Source,
    /// Sockets listed in `tcp`.
    pub ipv4: Counts,
    /// Sockets listed in `tcp6`; nothing where the namespace has none because IPv6 is off.
    pub ipv6: Option<Counts>,
    /// Sockets in a state whose number is unknown to us: part of the total, in none of the states.
    pub unrecognised: u64,
    /// Lines that are no row: each may have been a socket.
    pub malformed: u64,
}

impl Reading {
    /// Sockets in `state`, of both families.
    #[must_use]
    pub fn count(&self, state: State) -> u64 {
        self.ipv4.get(state) + self.ipv6.map_or(0, |counts| counts.get(state))
    }

    /// Sockets in any state, of both families.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ipv4.total() + self.ipv6.map_or(0, |counts| counts.total()) + self.unrecognised
    }

    /// Whether everything in the tables was understood.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.malformed == 0 && self.unrecognised == 0
    }

    /// Whether the totals may be told as the truth.
    ///
    /// A malformed line may have been a socket in any state, so every total may be short. A socket in a state that
    /// is unknown to us was counted, and is in none of the states that we know.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.malformed == 0
    }

    /// What keeps the reading from being complete, in words.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let what = format!("{} reading", self.scope.name());
        let mut faults = Vec::new();
        if self.malformed > 0 {
            faults.push(Fault {
                what: what.clone(),
                why: format!(
                    "{} malformed or cut line(s) may each have been a socket, so the totals may be short and are not exported",
                    self.malformed
                ),
            });
        }
        if self.unrecognised > 0 {
            faults.push(Fault {
                what,
                why: format!(
                    "{} socket(s) are in a state that this version does not know; they are in tcp_connections and in no other count",
                    self.unrecognised
                ),
            });
        }
        faults
    }
}

/// Something that was asked for and is not there, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What was tried, on what.
    pub what: String,
    /// Why it failed, and what to do.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// Why there is no reading.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A table could not be opened.
    #[error("{cause}{}", advice(cause, *scope, root))]
    Open {
        /// Which one.
        path: PathBuf,
        /// Why.
        cause: OpenError,
        /// Whose sockets were wanted.
        scope: Scope,
        /// Where they were looked for.
        root: ProcRoot,
    },
    /// A table could not be read to its end.
    #[error("{cause}")]
    Scan {
        /// Which one.
        path: PathBuf,
        /// Why.
        cause: ScanError,
    },
    /// A table holds nothing, not even the header that the kernel always writes.
    #[error(
        "it is empty, without even the header that the kernel writes: this is not the kernel's table"
    )]
    Empty {
        /// Which one.
        path: PathBuf,
    },
    /// PID 1 of the proc root is this container's own init.
    #[error(
        "this is the container's own table, not the host's: mount the host's /proc read-only \
         (-v /proc:/host/proc:ro) and set HOST_PROC=/host/proc, or read this namespace on purpose with --scope self"
    )]
    NotTheHost {
        /// The table.
        path: PathBuf,
    },
}

impl ReadError {
    /// The same for those who read it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let (Self::Open { path, .. }
        | Self::Scan { path, .. }
        | Self::Empty { path }
        | Self::NotTheHost { path }) = self;
        Fault {
            what: format!("read {}", path.display()),
            why: self.to_string(),
        }
    }
}

/// What to do about a table that cannot be opened, told from what is there instead.
fn advice(cause: &OpenError, scope: Scope, root: &ProcRoot) -> String {
    let OpenError::Io(cause) = cause else {
        return ": the proc root is not a proc".to_owned();
    };
    let root_path = root.path().display();
    let process = scope.directory().trim_end_matches("/net");
    match cause.kind() {
        io::ErrorKind::PermissionDenied => format!(
            ": allow this user to read {root_path}/{process} (hidepid, SELinux and AppArmor can forbid it)"
        ),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if !root.path().is_dir() => format!(
            ": {root_path} is no directory; mount the host's /proc there, or name the right place with --proc-root or HOST_PROC"
        ),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if !root.join(process).is_dir() => {
            format!(
                ": there is no {root_path}/{process}; mount the host's /proc at {root_path}, without hidepid, or with a gid= of it that this user is in"
            )
        }
        io::ErrorKind::NotFound => {
            format!(": {root_path} does not hold what a proc does; mount the host's /proc there")
        }
        _ => String::new(),
    }
}

/// Reads one scope from the text tables, as often as asked.
#[derive(Debug)]
pub struct TextSource {
    options: Options,
    tcp: PathBuf,
    tcp6: PathBuf,
    /// Where this process stands, once there was something to read.
    reader: Option<Reader>,
    buffer: Buffer,
}

impl TextSource {
    /// A source for `options`. Nothing is read yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            tcp: options.scope.table(&options.proc_root, "tcp"),
            tcp6: options.scope.table(&options.proc_root, "tcp6"),
            reader: None,
            buffer: Buffer::default(),
            options,
        }
    }

    /// Takes a reading. Allocates nothing, except on the first call and to tell of an error.
    pub fn read(&mut self, stop: &AtomicBool) -> Result<Reading, ReadError> {
        let mut reading = Reading {
            scope: self.options.scope,
            source: Source::Text,
            ipv4: Counts::default(),
            ipv6: None,
            unrecognised: 0,
            malformed: 0,
        };
        let (file, namespace) = proc_root::open(&self.tcp).map_err(|cause| {
            // When it opens again, something else may be mounted there.
            self.reader = None;
            self.open_error(&self.tcp, cause)
        })?;
        let root = &self.options.proc_root;
        let reader = self.reader.get_or_insert_with(|| Reader::inspect(root));
        if self.options.scope == Scope::Host && reader.pid_1_is_a_containers(namespace) {
            return Err(ReadError::NotTheHost {
                path: self.tcp.clone(),
            });
        }
        reading.ipv4 = count(&self.tcp, file, &mut self.buffer, stop, &mut reading)?;

        match proc_root::open(&self.tcp6) {
            Ok((file, _)) => {
                reading.ipv6 = Some(count(
                    &self.tcp6,
                    file,
                    &mut self.buffer,
                    stop,
                    &mut reading,
                )?);
            }
            Err(_) if proc_root::is_absent(&self.tcp6) => {}
            Err(cause) => return Err(self.open_error(&self.tcp6, cause)),
        }
        Ok(reading)
    }

    fn open_error(&self, path: &Path, cause: OpenError) -> ReadError {
        ReadError::Open {
            path: path.to_owned(),
            cause,
            scope: self.options.scope,
            root: self.options.proc_root.clone(),
        }
    }
}

/// Counts the rows of one table by state; what cannot be counted goes to `reading`.
fn count(
    path: &Path,
    table: std::fs::File,
    buffer: &mut Buffer,
    stop: &AtomicBool,
    reading: &mut Reading,
) -> Result<Counts, ReadError> {
    let mut counts = Counts::default();
    let mut unrecognised = 0;
    let scanned = text::scan(table, buffer, stop, |row| match row.state {
        Some(state) => counts.add(state),
        None => unrecognised += 1,
    });
    match scanned {
        Ok(Scanned { bytes: 0, .. }) => Err(ReadError::Empty {
            path: path.to_owned(),
        }),
        Ok(Scanned { malformed, .. }) => {
            reading.unrecognised += unrecognised;
            reading.malformed += malformed;
            Ok(counts)
        }
        Err(cause) => Err(ReadError::Scan {
            path: path.to_owned(),
            cause,
        }),
    }
}
