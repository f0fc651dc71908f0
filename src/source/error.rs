//! Why there is no reading, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::diag::DiagError;
use super::proc_root::{OpenError, ProcRoot};
use super::text::ScanError;
use super::{Fault, Scope};

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
    /// A reading over netlink failed.
    #[error("{0}")]
    Diag(#[from] DiagError),
    /// A reading over netlink is not possible, and nothing else was asked for.
    #[error("{0}; --source auto reads the tables there")]
    Impossible(Impossible),
    /// A reading over netlink was found wrong, and nothing else was asked for.
    #[error("{0}; it is tried again later, and --source auto reads the tables meanwhile")]
    Distrusted(Arc<str>),
}

/// Why netlink cannot tell of the sockets that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// They are in another network namespace.
    #[error(
        "netlink tells of this process's own network namespace alone, and that is not the one to read (a container needs the host's network for it)"
    )]
    OtherNamespace,
    /// It cannot be told whether they are.
    #[error(
        "netlink tells of this process's own network namespace alone, and the proc root does not show which one that is"
    )]
    UnknownNamespace,
    /// What is to be read is not the kernel's.
    #[error("netlink tells of this machine, and the proc root is not a mounted proc")]
    NoProc,
}

impl ReadError {
    /// Whether the caller put an end to it.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(
            self,
            Self::Diag(DiagError::Stopped)
                | Self::Scan {
                    cause: ScanError::Stopped,
                    ..
                }
        )
    }

    /// The same for those who read it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let what = match self {
            Self::Open { path, .. }
            | Self::Scan { path, .. }
            | Self::Empty { path }
            | Self::NotTheHost { path } => format!("read {}", path.display()),
            Self::Impossible(_) => "--source diag".to_owned(),
            Self::Diag(_) | Self::Distrusted(_) => "read sockets over netlink".to_owned(),
        };
        let reason = match self {
            Self::Open { .. } => "open",
            Self::Scan { .. } => "read",
            Self::Empty { .. } => "empty",
            Self::NotTheHost { .. } => "not_the_host",
            Self::Diag(_) => "netlink",
            Self::Impossible(_) => "impossible",
            Self::Distrusted(_) => "distrusted",
        };
        Fault {
            what,
            why: self.to_string(),
            reason,
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
