//! The spool's directory: the one place of delivery that opens files, and only those with names of its own.
//!
//! Names are looked up below the directory as it was opened, without following links, so nothing else is ever touched.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Access, AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

const LOCK: &str = "tcpgauge.lock";
/// The directory of the spool of events, below that of samples.
pub(super) const OF_LOGS: &str = "logs";
const PREFIX: &str = "tcpgauge-";
const SUFFIX: &str = ".spool";

const READ_AND_WRITE_FOR_THE_OWNER: Mode = Mode::RUSR.union(Mode::WUSR);

/// A directory, open.
#[derive(Debug)]
pub(super) struct Directory(OwnedFd);

/// Held for as long as the directory is in use; the kernel lets go of it however the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: OwnedFd,
}

/// What lies there.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Numbers of files with a segment's name, in order.
    pub(super) segments: Vec<u64>,
    /// Other names.
    pub(super) foreign: Vec<String>,
}

impl Directory {
    /// Makes it, if it is not there. What it is in must be.
    pub(super) fn make(path: &Path) -> io::Result<()> {
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) => path
                .parent()
                .map_or(Ok(()), |above| Self::open(above)?.sync()),
            Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Takes the directory for this agent alone; nothing if another has it.
    pub(super) fn lock(&self) -> io::Result<Option<Lock>> {
        let flags = OFlags::RDWR | OFlags::CREATE;
        let file = self.file(LOCK, flags)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether another has it. Leaves nothing there.
    pub(super) fn is_taken(&self) -> io::Result<bool> {
        let file = match self.file(LOCK, OFlags::RDWR) {
            Err(Errno::NOENT) => return Ok(false),
            file => file?,
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// An error where files cannot be made here.
    pub(super) fn may_be_written(&self) -> io::Result<()> {
        let access = Access::WRITE_OK | Access::EXEC_OK;
        Ok(rustix::fs::accessat(
            &self.0,
            ".",
            access,
            AtFlags::EACCESS,
        )?)
    }

    pub(super) fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            if let Some(sequence) = sequence(&name) {
                listing.segments.push(sequence);
            } else if !matches!(&*name, "." | ".." | LOCK | OF_LOGS) {
                listing.foreign.push(name.into_owned());
            }
        }
        listing.segments.sort_unstable();
        listing.foreign.sort_unstable();
        Ok(listing)
    }

    /// A new segment, empty, to be written at its end.
    pub(super) fn create(&self, sequence: u64) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
        Ok(self.file(&name(sequence), flags)?.into())
    }

    /// A segment and its length, to be read; nothing if it is no regular file.
    pub(super) fn read(&self, sequence: u64) -> io::Result<Option<(File, u64)>> {
        let file = match self.file(&name(sequence), OFlags::RDONLY) {
            // A link.
            Err(Errno::LOOP) => return Ok(None),
            file => file?,
        };
        let stat = rustix::fs::fstat(&file)?;
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let length = u64::try_from(stat.st_size).unwrap_or_default();
        Ok(regular.then(|| (File::from(file), length)))
    }

    pub(super) fn remove(&self, sequence: u64) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.0, name(sequence), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes names last that were made before.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }

    /// Opens without waiting for whoever should be at the other end, whatever has that name.
    fn file(&self, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, name, flags, READ_AND_WRITE_FOR_THE_OWNER)
    }
}

/// The name of a segment.
pub(super) fn name(sequence: u64) -> String {
    format!("{PREFIX}{sequence:016x}{SUFFIX}")
}

fn sequence(file: &str) -> Option<u64> {
    let digits = file.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let sequence = u64::from_str_radix(digits, 16).ok()?;
    // One number has one name, and there is always a next one.
    (name(sequence) == file && sequence < 1 << 63).then_some(sequence)
}
