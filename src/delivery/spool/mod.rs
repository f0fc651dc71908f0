//! What waits, on disk as well: a copy of the queue that survives a crash.
//!
//! The queue stays what it is, in memory; the spool hears what comes and what leaves, and is read only when the agent
//! starts. All waiting for the disk is done by a thread of its own. A disk that is full, read-only, broken or hangs costs
//! the copy and nothing else.
//!
//! # The directory
//!
//! Below it, in `logs`, is a spool of the same make for events, with a lock and segments of its own.
//!
//! `tcpgauge.lock` is held with flock(2) while an agent runs. Segments are named `tcpgauge-<sequence, 16 hexadecimal
//! digits>.spool` and are read in that order. Files are made with mode 0600. Whatever else lies there is left alone.
//!
//! # A segment
//!
//! Numbers are little-endian; checksums are CRC-32 as in gzip.
//!
//! ```text
//! head    magic "TCPGSPOL" · version u32 = 1 · next u64 · gone u64 · checksum u32 of what is before it
//! entry   length u32 · checksum u32 of length, kind, number, time and body · kind u8 · number u64 · time u64 · body
//! ```
//!
//! The length is that of kind, number, time and body. Kind 1 is a record: its number, when it came (nanoseconds since
//! 1970 by the wall clock), and an encoded request. Kind 2 says that all records below its number have left the queue;
//! its time is 0 and its body empty. Records leave oldest first, so one number tells all of it. `next` in the head is
//! the least number that a record in this segment may have, `gone` what had left when the segment was begun.
//!
//! A segment is only ever appended to, by the agent that made it, and closed at 1 MiB (a quarter of the bound, if that is
//! less). It is deleted when all its records have left, or to make room for new ones, the oldest first.
//!
//! # What can be relied on
//!
//! A record is on disk when fdatasync(2) has returned ([`SyncPolicy`]), and the segment's name when fsync(2) of the directory has. What has
//! left is written down at once, and synced with the next record: after a crash of the agent nothing is sent again
//! that had arrived, after a loss of power it may be. Recovery keeps every whole entry: an end that is torn off is
//! dropped; of an entry whose checksum is wrong only that one; where a length makes no sense, what follows in that segment. A
//! number that is found twice (a failed fsync has everything written again) counts once.

mod directory;
mod format;
mod inbox;
mod recover;
mod segments;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::bytes::Bytes;
use thiserror::Error;

use self::directory::Directory;
use self::inbox::Inbox;
pub use self::inbox::Status;
use self::segments::Segments;
use self::writer::Writer;

/// No more than this is left unsynced, whatever the policy: it is kept in memory until it is on disk for sure.
pub const MOST_UNSYNCED: usize = 1 << 20;

/// Nobody ran this before 2020: a clock that said so was not set yet.
const CLOCK_IS_SET: Duration = Duration::from_hours(24 * (50 * 365 + 12));

/// Where to, how much, how sure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A directory for this agent alone.
    pub dir: PathBuf,
    /// What all segments together may take.
    pub bytes: u64,
    /// When what was written is made to last.
    pub sync: SyncPolicy,
    /// Whether it is made where it is not there.
    pub make: bool,
}

impl Options {
    /// A spool of other records, in a directory of its own below this one.
    #[must_use]
    pub fn of_logs(&self, most: u64) -> Self {
        Self {
            bytes: self.bytes.min(most),
            sync: self.sync,
            ..Self::of_logs_in(&self.dir, most)
        }
    }

    /// The same below a directory that is there for something else.
    #[must_use]
    pub fn of_logs_in(dir: &Path, bytes: u64) -> Self {
        Self {
            dir: dir.join(directory::OF_LOGS),
            bytes,
            sync: SyncPolicy::EveryRecord,
            make: true,
        }
    }
}

/// When what was written is made to last; before that it survives the end of the agent, but not a loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// With every record, or those that came while the disk was busy with the one before.
    EveryRecord,
    /// When so much has come, or so much time has passed since the first of it.
    Every {
        /// Of records, at most [`MOST_UNSYNCED`].
        bytes: usize,
        /// Since the first of them was written.
        interval: Duration,
    },
}

/// Why there is no spool.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// Another agent has it. Two would send and delete each other's samples.
    #[error(
        "{} is in use by another tcpgauge: give each agent a directory of its own (--spool-dir), or end the other one",
        .0.display()
    )]
    InUse(PathBuf),
    /// It cannot be used as it is.
    #[error("cannot use {} as a spool: {source}{}", dir.display(), advice(source))]
    Unusable {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "; make the directory first (--spool-dir; of events --state-dir, where only that is given)"
        }
        io::ErrorKind::NotADirectory => "; --spool-dir must name a directory",
        io::ErrorKind::PermissionDenied => {
            "; the user that the agent runs as must own it, or be allowed to write there (--spool-dir)"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "; mount it so that the agent can write, or name another (--spool-dir)"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room there",
        _ => "",
    }
}

/// A spool, open.
#[derive(Debug)]
pub struct Spool {
    inbox: Arc<Inbox>,
    directory: Arc<Directory>,
    dir: PathBuf,
    /// Segments that are there from before, until they have been read.
    segments: Vec<u64>,
    gone: u64,
    /// The ordinals from which numbers follow one after the other, and the numbers there. Records count from 0 in the
    /// order in which they were handed out or put in; on disk they keep the numbers that they have, and some may be missing.
    runs: Vec<(u64, u64)>,
}

impl Spool {
    /// Takes a directory, looks at what is there, and says what cannot be used. This takes as long as the disk does.
    pub fn open(options: &Options) -> Result<Self, SpoolError> {
        let unusable = |source| SpoolError::Unusable {
            dir: options.dir.clone(),
            source,
        };
        if options.make {
            Directory::make(&options.dir).map_err(unusable)?;
        }
        let directory = Arc::new(Directory::open(&options.dir).map_err(unusable)?);
        let Some(lock) = directory.lock().map_err(unusable)? else {
            return Err(SpoolError::InUse(options.dir.clone()));
        };
        let found = recover::look(&directory).map_err(unusable)?;
        say_what_is_wrong(&options.dir, found.damaged, &found.foreign);
        let sequences = found.segments.iter().map(|segment| segment.sequence);
        let sequences = sequences.collect();
        let segments = Segments::new(
            Arc::clone(&directory),
            options.bytes,
            found.segments,
            found.sequence,
            found.gone,
        );
        let inbox = Arc::new(Inbox::new(
            options.dir.clone(),
            found.next,
            found.gone,
            segments.bytes(),
        ));
        let writer = Writer::new(Arc::clone(&inbox), segments, options.sync, lock);
        std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || writer.run())
            .map_err(unusable)?;
        Ok(Self {
            inbox,
            directory,
            dir: options.dir.clone(),
            segments: sequences,
            gone: found.gone,
            runs: vec![(0, found.next)],
        })
    }

    /// Whether a spool can be opened there. Leaves nothing behind: whoever looks need not be who will write.
    pub fn look(options: &Options) -> Result<(), SpoolError> {
        let unusable = |source| SpoolError::Unusable {
            dir: options.dir.clone(),
            source,
        };
        let looked = Directory::open(&options.dir).and_then(|directory| {
            directory.may_be_written()?;
            recover::look(&directory)?;
            directory.is_taken()
        });
        match looked {
            Ok(false) => Ok(()),
            Ok(true) => Err(SpoolError::InUse(options.dir.clone())),
            Err(error) if options.make && error.kind() == io::ErrorKind::NotFound => {
                // It is made in what is there.
                let above = options.dir.parent().unwrap_or(Path::new("/"));
                let above = Directory::open(above).map_err(unusable)?;
                above.may_be_written().map_err(unusable)
            }
            Err(error) => Err(unusable(error)),
        }
    }

    /// Hands out, once and before anything is put in, what was kept: oldest first, each with its age at `now`.
    ///
    /// Clocks jump. A time that has not come yet, or was before there was any agent, tells nothing: the record counts as new. A clock
    /// that was set forth since is no different from time that has passed. While the agent runs, ages are not told by the clock.
    pub fn recover(&mut self, now: SystemTime, mut each: impl FnMut(Duration, Bytes)) {
        let next = self.inbox.state().next;
        let (mut ordinal, mut runs) = (0, Vec::<(u64, u64)>::new());
        let segments = std::mem::take(&mut self.segments);
        recover::records(
            &self.directory,
            &segments,
            self.gone,
            |number, time, body| {
                let follows = runs
                    .last()
                    .is_some_and(|(from, first)| number - first == ordinal - from);
                if !follows {
                    runs.push((ordinal, number));
                }
                ordinal += 1;
                each(age(time, now), body);
            },
        );
        runs.push((ordinal, next));
        self.runs = runs;
        if ordinal > 0 {
            tracing::info!(
                "{ordinal} record(s) that were not delivered before are in {}",
                self.dir.display()
            );
        }
    }

    /// Keeps a record, as soon as the disk takes it; waits for nothing. False, and counted, if too much waits already.
    pub fn put(&self, body: Bytes, time: SystemTime) -> bool {
        let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.inbox.put(time, body)
    }

    /// All records before this ordinal have left the queue.
    pub fn gone_before(&self, ordinal: u64) {
        let run = self.runs.iter().rev().find(|(from, _)| *from <= ordinal);
        if let Some((from, first)) = run {
            self.inbox.gone_before(first + (ordinal - from));
        }
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inbox.state().status
    }

    /// Waits until all that came and left is on disk; false if that takes longer.
    #[must_use]
    pub fn flush(&self, within: Duration) -> bool {
        self.inbox.flush(within)
    }

    /// Writes what is left, and gives the directory back; false if that takes longer. Nothing can be put in any more.
    #[must_use]
    pub fn close(&self, within: Duration) -> bool {
        self.inbox.close(within)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.inbox.close(Duration::ZERO);
    }
}

fn age(time: u64, now: SystemTime) -> Duration {
    let time = Duration::from_nanos(time);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    if time < CLOCK_IS_SET {
        Duration::ZERO
    } else {
        now.saturating_sub(time)
    }
}

fn say_what_is_wrong(dir: &Path, damaged: u64, foreign: &[String]) {
    const MOST_NAMES: usize = 5;
    let dir = dir.display();
    if damaged > 0 {
        tracing::warn!(
            damaged,
            "{damaged} place(s) in {dir} are damaged, and what was written there is lost; the rest is used"
        );
    }
    if !foreign.is_empty() {
        let names: Vec<_> = foreign.iter().take(MOST_NAMES).collect();
        tracing::warn!(
            files = foreign.len(),
            "{dir} holds what is not this spool's, which is left alone: {names:?}"
        );
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "patience is counted by a clock")]
mod tests;
