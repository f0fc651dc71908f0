//! Between the agent and the disk: what is to be written, bounded, and never waited for.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prost::bytes::Bytes;

use super::MOST_UNSYNCED;

/// What may wait for the disk, besides the queue; a record alone may be larger. Twice what may be unsynced, so that there is room
/// while that is synced.
const INBOX_BYTES: usize = 2 * MOST_UNSYNCED;

/// A disk that has had a request for this long is said to hang.
const HANGS: Duration = Duration::from_secs(30);

/// A record that is not on disk yet.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) number: u64,
    pub(super) time: u64,
    pub(super) body: Bytes,
}

/// How the spool is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Records put in since the start that are on disk for sure, or gone since.
    pub synced: u64,
    /// Records that are not kept: the disk did not take them in time, or the bound dropped them while they still waited.
    pub lost: u64,
    /// What the segments take on disk.
    pub bytes: u64,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Open,
    /// The writer is to end.
    Closing,
    /// It has.
    Ended,
}

/// What both sides see.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) pending: VecDeque<Pending>,
    /// Of what is pending, and of what the writer has taken and not synced.
    pub(super) bytes: usize,
    /// Of the next record.
    pub(super) next: u64,
    /// Records with lower numbers have left the queue.
    pub(super) gone: u64,
    pub(super) flush: bool,
    pub(super) phase: Phase,
    /// Since when the writer has been waiting for the disk.
    pub(super) busy: Option<Instant>,
    /// Whether the writer has anything that is not on disk for sure.
    pub(super) unsynced: bool,
    /// Whether it has been said that the disk gives trouble.
    pub(super) trouble: bool,
    pub(super) status: Status,
}

impl State {
    /// Whether all that has been said to the spool is on disk.
    fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.busy.is_none() && !self.unsynced && !self.flush
    }
}

/// The place itself.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Whose disk it is, for what is said of it: of events nobody may have given an option of their own.
    pub(super) dir: PathBuf,
    state: Mutex<State>,
    /// For the writer: there is something to do.
    pub(super) work: Condvar,
    /// For those who wait for the writer.
    pub(super) done: Condvar,
}

impl Inbox {
    pub(super) fn new(dir: PathBuf, next: u64, gone: u64, bytes: u64) -> Self {
        let inbox = Self {
            dir,
            ..Self::default()
        };
        {
            let mut state = inbox.state();
            state.next = next;
            state.gone = gone;
            state.status.bytes = bytes;
        }
        inbox
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in a record, and says whether there was room.
    pub(super) fn put(&self, time: u64, body: Bytes) -> bool {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        let full = state.bytes > 0 && state.bytes + body.len() > INBOX_BYTES;
        let fits = !full && state.phase != Phase::Ended;
        if fits {
            state.bytes += body.len();
            state.pending.push_back(Pending { number, time, body });
        } else {
            state.status.lost += 1;
        }
        let hangs = state.busy.is_some_and(|since| since.elapsed() > HANGS);
        let news = (full || hangs) && !std::mem::replace(&mut state.trouble, true);
        drop(state);
        self.work.notify_one();
        if news {
            tracing::error!(
                "the disk of the spool in {} does not keep up: what comes waits in memory alone until it does, and would not survive a crash",
                self.dir.display()
            );
        }
        fits
    }

    /// All records with lower numbers have left the queue.
    pub(super) fn gone_before(&self, number: u64) {
        let mut state = self.state();
        state.gone = state.gone.max(number);
        drop(state);
        self.work.notify_one();
    }

    /// Waits until all that was said is on disk; false if that takes longer.
    pub(super) fn flush(&self, within: Duration) -> bool {
        let mut state = self.state();
        state.flush = true;
        self.work.notify_one();
        self.wait(state, within, State::is_settled)
    }

    /// Ends the writer, which writes what is left; false if that takes longer.
    pub(super) fn close(&self, within: Duration) -> bool {
        let mut state = self.state();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
        }
        self.work.notify_one();
        self.wait(state, within, |state| state.phase == Phase::Ended)
    }

    fn wait(
        &self,
        state: MutexGuard<'_, State>,
        within: Duration,
        is_so: impl Fn(&State) -> bool,
    ) -> bool {
        let waited = self.done.wait_timeout_while(state, within, |state| {
            !is_so(state) && state.phase != Phase::Ended
        });
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        is_so(&state)
    }
}
