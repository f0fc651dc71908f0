//! A reading of one namespace, with what the counters said around it.

use std::sync::atomic::AtomicBool;

use super::gates;
use super::node::{LookError, Node};
use crate::source::counters::Everything;
use crate::source::details::Watcher;
use crate::source::socket::Socket;
use crate::source::tables::Found;
use crate::source::{Counted, Details, Sockets};
use crate::tcp::Family;

/// What was read of one namespace.
pub(super) struct Tables {
    pub(super) counted: Counted,
    /// What the counters said, if they said the same before and after.
    pub(super) still: Option<Everything>,
    /// One of the tables was not read, for nothing can be in it.
    pub(super) skipped: bool,
    /// What was seen of single sockets.
    pub(super) details: Details,
}

/// Reads the tables of the namespace that a process is in.
pub(super) fn read(
    node: &mut impl Node,
    pid: u32,
    may_skip: bool,
    stop: &AtomicBool,
    watcher: &mut Watcher,
) -> Result<Tables, LookError> {
    watcher.begin();
    let mut see = |socket: &Socket<'_>| watcher.see(socket);
    let before = counters(node, pid)?;
    let first = before.as_ref().map_or(Family::Ipv4, gates::first_table);
    let one = node.table(pid, first, stop, &mut see)?;
    let mut after = counters(node, pid)?;
    let skipped = may_skip
        && match (&one, &before, &after) {
            (Some(found), Some(before), Some(after)) => {
                gates::other_is_empty(first, found, before, after)
            }
            _ => false,
        };
    let second = match first {
        Family::Ipv4 => Family::Ipv6,
        Family::Ipv6 => Family::Ipv4,
    };
    let other = if skipped {
        Some(Found::default())
    } else {
        let found = node.table(pid, second, stop, &mut see)?;
        after = counters(node, pid)?;
        found
    };
    let (ipv4, ipv6) = match first {
        Family::Ipv4 => (one, other),
        Family::Ipv6 => (other, one),
    };
    let both = [ipv4, ipv6].into_iter().flatten();
    let sum = |of: fn(&Found) -> u64| both.clone().map(|found| of(&found)).sum();
    Ok(Tables {
        counted: Counted {
            sockets: Sockets::ByFamily {
                ipv4: ipv4.unwrap_or_default().counts,
                ipv6: ipv6.map(|found| found.counts),
            },
            unrecognised: sum(Found::unrecognised),
            malformed: sum(|found| found.scanned.malformed),
            rows: sum(|found| found.scanned.rows),
        },
        still: before.filter(|before| after == Some(*before)),
        skipped,
        details: watcher.end(),
    })
}

/// The counters, where they can be read: the tables are read without them too.
fn counters(node: &mut impl Node, pid: u32) -> Result<Option<Everything>, LookError> {
    match node.counters(pid) {
        Ok(everything) => Ok(Some(everything)),
        Err(LookError::Failed(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
