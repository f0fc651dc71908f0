//! What the agent keeps on disk from one run to the next: a few small files in a directory that is its alone.
//!
//! A file is replaced as a whole: the new one is written beside it, is made to last, and takes its name. So whenever the power
//! goes there is the old one or the new one. A file begins with what it is, how long it is and a checksum; one that does not hold
//! that is set aside, under a name that tells, and never believed; so is what whoever loaded it has no use for. Names are looked
//! up below the directory as it was opened, and no link is followed. Everything here may wait for the disk.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

const LOCK: &str = "tcpgauge-state.lock";
const PREFIX: &str = "tcpgauge-";
const SUFFIX: &str = ".state";
const NEW: &str = ".new";
const DAMAGED: &str = ".damaged";

const MAGIC: [u8; 8] = *b"TCPGSTAT";
const VERSION: u32 = 1;

/// Magic, version, length and checksum.
const HEADER_BYTES: usize = 8 + 4 + 8 + 4;

/// No file is longer.
pub const MOST_BYTES: usize = 16 << 20;

const READ_AND_WRITE_FOR_THE_OWNER: Mode = Mode::RUSR.union(Mode::WUSR);

/// Why something could not be kept, or not be read back.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The directory cannot be used.
    #[error(
        "cannot use the state directory {}: {source}; give a directory that is there and that the agent may write to (--state-dir)",
        path.display()
    )]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another agent has it.
    #[error(
        "cannot use the state directory {}: another tcpgauge uses it; give each its own (--state-dir)",
        path.display()
    )]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// A file cannot be read. Whoever cannot read it should not write there either.
    #[error(
        "cannot read {}: {source}; it is left as it is, and nothing is kept there in this run: see to it that the agent may read it, or move it away, and start the agent anew",
        path.display()
    )]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what was written. It is still there.
    #[error("{} is damaged: {why}; the agent sets it aside when it starts, and what it kept begins anew", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file is not what was written, or of no use to this run. It has been put out of the way.
    #[error("{} was set aside as {}, and what it kept begins anew: {why}", path.display(), aside.display())]
    SetAside {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// Where it is now.
        aside: PathBuf,
    },
    /// Such a file cannot be put out of the way.
    #[error(
        "{} could not be set aside ({source}), and nothing is kept there in this run: {why}; remove it, and start the agent anew",
        path.display()
    )]
    Stuck {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// Why it stays.
        source: io::Error,
    },
    /// A file cannot be written. What was there before still is.
    #[error(
        "cannot write {}: {source}; what was kept there before stays, and what came since would not survive a restart: see to it that there is room, and that the agent may write there",
        path.display()
    )]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is more than a file may hold.
    #[error("cannot write {}: {bytes} bytes are more than the {MOST_BYTES} that one may have", path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
        /// How many.
        bytes: usize,
    },
}

/// A directory, open, and this agent's alone for as long as this lives: the kernel lets go of it however the process ends.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    directory: OwnedFd,
    _lock: OwnedFd,
}

impl Store {
    /// Takes a directory that is there.
    pub fn open(dir: &Path) -> Result<Self, StateError> {
        let path = dir.to_owned();
        let failed = |source: Errno| StateError::Directory {
            path: path.clone(),
            source: source.into(),
        };
        let directory = open_directory(dir).map_err(failed)?;
        let lock = open(&directory, LOCK, OFlags::RDWR | OFlags::CREATE).map_err(failed)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                path,
                directory,
                _lock: lock,
            }),
            Err(Errno::WOULDBLOCK) => Err(StateError::InUse { path }),
            Err(error) => Err(failed(error)),
        }
    }

    /// What is wrong with what a run would find there: with the directory, or with files of these names. Leaves and changes nothing:
    /// whoever looks need not be who will write.
    pub fn look(
        dir: &Path,
        names: impl Iterator<Item = &'static str>,
    ) -> Result<Vec<StateError>, StateError> {
        let path = dir.to_owned();
        let failed = |source: Errno| StateError::Directory {
            path: path.clone(),
            source: source.into(),
        };
        let directory = open_directory(dir).map_err(failed)?;
        let access = Access::WRITE_OK | Access::EXEC_OK;
        rustix::fs::accessat(&directory, ".", access, AtFlags::EACCESS).map_err(failed)?;
        match open(&directory, LOCK, OFlags::RDWR) {
            Ok(lock) => match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => return Err(StateError::InUse { path }),
                locked => locked.map_err(failed)?,
            },
            Err(Errno::NOENT) => {}
            Err(error) => return Err(failed(error)),
        }
        let found = names.filter_map(|name| found(&directory, dir, name).err());
        Ok(found.collect())
    }

    /// What was saved under this name, byte for byte; nothing where nothing was. A damaged file is an error once, for it is not
    /// there again.
    pub fn load(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        found(&self.directory, &self.path, name).map_err(|error| match error {
            StateError::Damaged { why, .. } => {
                self.set_aside(name, format!("it is damaged: {why}"))
            }
            error => error,
        })
    }

    /// Puts `bytes` in the place of what was saved under this name. When this returns they are on the disk; where it fails, what
    /// was there before is.
    pub fn save(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let file = file_name(name);
        let path = self.path.join(&file);
        if bytes.len() > MOST_BYTES {
            return Err(StateError::TooLong {
                path,
                bytes: bytes.len(),
            });
        }
        let written = self.replace(&file, bytes);
        if written.is_err() {
            // What is half written is of no use, and on a full disk its room is.
            let _gone = rustix::fs::unlinkat(&self.directory, new_name(&file), AtFlags::empty());
        }
        written.map_err(|source| StateError::Write { path, source })
    }

    fn replace(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        let new = new_name(file);
        // Of a run that was killed, or put there by somebody: gone, whatever it is, so that what is opened is ours.
        match rustix::fs::unlinkat(&self.directory, &new, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut to = File::from(open(&self.directory, &new, flags)?);
        to.write_all(&header(bytes))?;
        to.write_all(bytes)?;
        to.sync_all()?;
        rustix::fs::renameat(&self.directory, &new, &self.directory, file)?;
        Ok(rustix::fs::fsync(&self.directory)?)
    }

    /// Puts what was saved under this name out of the way, in the place of what was there before; what that came to is for
    /// whoever reads the log.
    #[must_use]
    pub fn set_aside(&self, name: &str, why: String) -> StateError {
        let file = file_name(name);
        let aside = format!("{file}{DAMAGED}");
        let moved = rustix::fs::renameat(&self.directory, &file, &self.directory, &aside);
        let path = self.path.join(file);
        match moved.and_then(|()| rustix::fs::fsync(&self.directory)) {
            Ok(()) => StateError::SetAside {
                path,
                why,
                aside: self.path.join(aside),
            },
            Err(source) => StateError::Stuck {
                path,
                why,
                source: source.into(),
            },
        }
    }
}

/// What was saved in a directory under a name; nothing where nothing was.
fn found(directory: &OwnedFd, path: &Path, name: &str) -> Result<Option<Vec<u8>>, StateError> {
    let file = file_name(name);
    let path = path.join(&file);
    match read(directory, &file) {
        Ok(Found::Nothing) => Ok(None),
        Ok(Found::Kept(bytes)) => Ok(Some(bytes)),
        Ok(Found::Damaged(why)) => Err(StateError::Damaged { path, why }),
        Err(source) => Err(StateError::Read { path, source }),
    }
}

fn read(directory: &OwnedFd, file: &str) -> io::Result<Found> {
    let opened = match open(directory, file, OFlags::RDONLY) {
        Ok(opened) => opened,
        Err(Errno::NOENT) => return Ok(Found::Nothing),
        Err(Errno::LOOP) => return Ok(Found::Damaged("it is a link")),
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::fstat(&opened)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(Found::Damaged("it is no regular file"));
    }
    let mut bytes = Vec::new();
    let most = HEADER_BYTES + MOST_BYTES + 1;
    File::from(opened)
        .take(most as u64)
        .read_to_end(&mut bytes)?;
    Ok(match check(&bytes) {
        Ok(()) => Found::Kept(bytes.split_off(HEADER_BYTES)),
        Err(why) => Found::Damaged(why),
    })
}

enum Found {
    Nothing,
    Kept(Vec<u8>),
    Damaged(&'static str),
}

fn file_name(name: &str) -> String {
    format!("{PREFIX}{name}{SUFFIX}")
}

fn new_name(file: &str) -> String {
    format!("{file}{NEW}")
}

fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// Opens without waiting for whoever should be at the other end, whatever has that name.
fn open(directory: &OwnedFd, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, READ_AND_WRITE_FOR_THE_OWNER)
}

fn header(bytes: &[u8]) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(VERSION.to_le_bytes());
    header.extend((bytes.len() as u64).to_le_bytes());
    header.extend(checksum(&header, bytes).to_le_bytes());
    header
}

/// Of the header too: a bit that flips there is found as well.
fn checksum(header: &[u8], bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(bytes);
    hasher.finalize()
}

/// Whether this is a whole file as it was written.
fn check(file: &[u8]) -> Result<(), &'static str> {
    let (head, body) = file
        .split_at_checked(HEADER_BYTES)
        .ok_or("it is cut off in its first bytes")?;
    if !head.starts_with(&MAGIC) {
        return Err("it is no file of tcpgauge's state");
    }
    let expected = header(body);
    if head.get(8..12) != expected.get(8..12) {
        return Err("it is by another version");
    }
    if head.get(12..20) != expected.get(12..20) {
        return Err("it is not as long as it says");
    }
    if head != expected {
        return Err("its checksum is wrong");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
