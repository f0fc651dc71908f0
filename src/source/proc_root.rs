//! The one way to the host's files: every path of the host starts at the proc root, and what is opened there is a file.

use std::ffi::{CString, OsString};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirEntryExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// `PROC_SUPER_MAGIC` of `linux/magic.h`.
const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// Where the host's proc is mounted: `/proc`, or `/host/proc` in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcRoot(PathBuf);

impl ProcRoot {
    /// The proc mounted at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The root itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path below the root.
    #[must_use]
    pub fn join(&self, below: &str) -> PathBuf {
        self.0.join(below)
    }

    /// Whether a proc is mounted there, as opposed to a copy of one or something else; nothing if that cannot be told.
    #[must_use]
    pub fn is_mounted_proc(&self) -> Option<bool> {
        let found = rustix::fs::statfs(&self.0).ok()?;
        // The type of f_type differs between architectures.
        Some(u64::try_from(found.f_type) == Ok(PROC_SUPER_MAGIC))
    }
}

/// One mounted proc: another one, even of the same processes, is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mount(u64);

/// Which network namespace a file of `net/` belongs to.
///
/// Equal within a namespace and different between live ones, and `stat` needs no privilege, unlike `ns/net`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespaceId {
    device: u64,
    inode: u64,
}

impl NamespaceId {
    /// A namespace of this number.
    #[cfg(test)]
    pub(crate) fn numbered(inode: u64) -> Self {
        Self { device: 1, inode }
    }

    /// The namespace that the file at `path` belongs to.
    pub fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|found| Self::from(&found))
    }

    /// The mount that it was seen through.
    pub(super) fn mount(self) -> Mount {
        Mount(self.device)
    }

    /// The inode, which is what tells namespaces of one proc apart.
    #[must_use]
    pub fn inode(self) -> u64 {
        self.inode
    }
}

impl From<&std::fs::Metadata> for NamespaceId {
    fn from(found: &std::fs::Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
        }
    }
}

/// What stands in the place of a file and cannot be read as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAFile {
    /// A directory.
    Directory,
    /// A named pipe: reading it would wait for a writer.
    Fifo,
    /// A block or character device.
    Device,
    /// A socket, or something newer than this code.
    Other,
}

impl fmt::Display for NotAFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directory => "a directory",
            Self::Fifo => "a named pipe",
            Self::Device => "a device",
            Self::Other => "something that is no file",
        })
    }
}

/// Why a file of the host could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system's reason.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is something, but no file.
    #[error("there is {0} in its place")]
    NotAFile(NotAFile),
}

/// Opens the file at `path`, and nothing else: a FIFO or a device there must neither hang us nor feel that we came by.
pub fn open(path: &Path) -> Result<(File, NamespaceId), OpenError> {
    // Looked at before it is opened, because opening a device can do something; and again once it is open, because
    // it may have been replaced meanwhile, which O_NONBLOCK keeps from hanging us.
    regular(&std::fs::metadata(path)?)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
        .open(path)?;
    let found = file.metadata()?;
    regular(&found)?;
    Ok((file, NamespaceId::from(&found)))
}

/// Whether a file is one of a mounted proc.
pub(super) fn is_of_proc(file: &File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|found| u64::try_from(found.f_type) == Ok(PROC_SUPER_MAGIC))
}

/// The text of a small file at `path`: at most 64 KiB of it.
pub fn open_small(path: &Path) -> Result<impl Read + use<>, OpenError> {
    const MOST_BYTES: u64 = 64 << 10;
    open(path).map(|(file, _)| file.take(MOST_BYTES))
}

/// The names in a directory, each with its inode.
pub fn list(path: &Path) -> io::Result<impl Iterator<Item = io::Result<(OsString, u64)>> + use<>> {
    let entries = std::fs::read_dir(path)?;
    Ok(entries.map(|entry| entry.map(|entry| (entry.file_name(), entry.ino()))))
}

/// A directory that is held on to: what is read of it is of the same process, whoever has its number by then.
#[derive(Debug)]
pub struct Directory(File);

impl Directory {
    /// Opens the directory at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NONBLOCK;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.bits().cast_signed());
        options.open(path).map(Self)
    }

    /// The names in it that are numbers.
    pub fn numbers(&self) -> io::Result<impl Iterator<Item = i32> + use<>> {
        let entries = rustix::fs::Dir::read_from(&self.0)?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str().ok()?.parse().ok()))
    }

    /// Where the link of that number leads to.
    pub fn link(&self, number: i32) -> io::Result<CString> {
        let room = Vec::with_capacity(LINK_BYTES);
        Ok(rustix::fs::readlinkat(&self.0, number.to_string(), room)?)
    }
}

/// Most links are shorter.
const LINK_BYTES: usize = 64;

/// The user that what is at `path` belongs to, and its size.
pub fn user_and_size(path: &Path) -> io::Result<(u32, u64)> {
    std::fs::metadata(path).map(|found| (found.uid(), found.size()))
}

/// Whether there is nothing at `path`, not even a link that leads nowhere.
pub(super) fn is_absent(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn regular(found: &std::fs::Metadata) -> Result<(), OpenError> {
    let kind = found.file_type();
    let other = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        NotAFile::Directory
    } else if kind.is_fifo() {
        NotAFile::Fifo
    } else if kind.is_block_device() || kind.is_char_device() {
        NotAFile::Device
    } else {
        NotAFile::Other
    };
    Err(OpenError::NotAFile(other))
}
