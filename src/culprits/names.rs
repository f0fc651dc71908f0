//! What is asked of a search, and what it answers.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::Process;

/// A socket whose process is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its inode.
    pub inode: u64,
    /// Its user.
    pub uid: Option<u32>,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The process that holds a socket, by the inode of the socket.
    pub of: HashMap<u64, Arc<Process>>,
    /// Whether there may be more.
    pub access: Access,
}

/// Whether processes could be looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// All that had to be were.
    #[default]
    Whole,
    /// So many may not be, and sockets are left that they may hold.
    Denied(u64),
    /// The time or the number of open files was used up before all sockets were found.
    Cut,
    /// They could not be listed, for this reason.
    Failed(Arc<str>),
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the processes that hold them were looked for"),
            Self::Denied(number) => write!(
                f,
                "{number} process(es) may not be looked into, so not all that hold them are named: that needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
            ),
            Self::Cut => f.write_str(
                "not all processes could be looked into in the time that there was, so not all that hold them are named yet",
            ),
            Self::Failed(why) => write!(f, "processes cannot be listed, so none is named: {why}"),
        }
    }
}
