//! The thread that waits for the disk, so that nobody else does.
//!
//! What it has taken it keeps until it is on disk for sure: whatever fails is written once more, to a new segment.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::directory::Lock;
use super::inbox::{Inbox, Pending, Phase, State};
use super::segments::Segments;
use super::{MOST_UNSYNCED, SyncPolicy};

/// After a failure it tries again after this time, then after twice as long, and so on …
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// … up to this.
const MOST_PAUSE: Duration = Duration::from_mins(1);

/// One who writes.
#[derive(Debug)]
pub(super) struct Writer {
    inbox: Arc<Inbox>,
    segments: Segments,
    policy: SyncPolicy,
    /// Given back when the last byte is written.
    _lock: Lock,
    /// Taken from the inbox and not on disk for sure; so many of them are written.
    taken: VecDeque<Pending>,
    written: usize,
    /// Since when anything has been unsynced.
    unsynced: Option<Instant>,
    /// After a failure: when to try again, and how long the pause was.
    pause: Option<(Instant, Duration)>,
}

impl Writer {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        segments: Segments,
        policy: SyncPolicy,
        lock: Lock,
    ) -> Self {
        Self {
            inbox,
            segments,
            policy,
            _lock: lock,
            taken: VecDeque::new(),
            written: 0,
            unsynced: None,
            pause: None,
        }
    }

    /// Writes until the inbox is closed.
    pub(super) fn run(mut self) {
        let inbox = Arc::clone(&self.inbox);
        let mut gone = inbox.state().gone;
        loop {
            let mut state = self.wait(inbox.state(), gone);
            self.taken.append(&mut state.pending);
            gone = state.gone;
            let (next, closing) = (state.next, state.phase != Phase::Open);
            let flush = state.flush || closing;
            state.busy = Some(now());
            drop(state);

            let result = self.work(gone, next, flush, closing);
            let synced = if self.unsynced.is_none() {
                self.written
            } else {
                0
            };
            self.written -= synced;
            let bytes: usize = self
                .taken
                .drain(..synced)
                .map(|pending| pending.body.len())
                .sum();

            let mut state = inbox.state();
            state.busy = None;
            state.bytes -= bytes;
            state.unsynced = !self.taken.is_empty() || self.unsynced.is_some();
            let more = state.unsynced || !state.pending.is_empty() || state.gone > gone;
            state.flush &= more;
            state.status.synced += synced as u64;
            state.status.lost += std::mem::take(&mut self.segments.lost);
            state.status.bytes = self.segments.bytes();
            let troubled = state.trouble;
            // Where nothing was left to do, nothing was shown.
            let taken = std::mem::take(&mut self.segments.taken);
            state.trouble = result.is_err() || (troubled && !taken);
            let works_again = troubled && !state.trouble;
            let lost = state.status.lost;
            drop(state);
            inbox.done.notify_all();
            if works_again {
                tracing::info!(lost, "the spool works again");
            }
            self.after(result, troubled);
            if closing {
                break;
            }
        }
        let taken = std::mem::take(&mut self.taken);
        // The directory is given back before anybody hears that this has ended.
        drop(self);
        let mut state = inbox.state();
        state.phase = Phase::Ended;
        state.status.lost += taken.len() as u64;
        drop(state);
        inbox.done.notify_all();
    }

    /// Returns when there is something to do.
    fn wait<'a>(&self, mut state: MutexGuard<'a, State>, gone: u64) -> MutexGuard<'a, State> {
        loop {
            let deadline = match (self.pause, self.policy, self.unsynced) {
                (Some((until, _)), ..) => Some(until),
                (None, SyncPolicy::Every { interval, .. }, Some(since)) => Some(since + interval),
                _ => None,
            };
            let news = !state.pending.is_empty() || state.gone > gone || state.flush;
            let due = deadline.is_some_and(|deadline| deadline <= now());
            if state.phase != Phase::Open || due || (news && self.pause.is_none()) {
                return state;
            }
            let work = &self.inbox.work;
            state = match deadline {
                Some(deadline) => {
                    work.wait_timeout(state, deadline.saturating_duration_since(now()))
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => work.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Writes what is to be written, and sees to it that it lasts when that is due.
    fn work(&mut self, gone: u64, next: u64, flush: bool, closing: bool) -> io::Result<()> {
        let written = self.write(gone, next);
        if !self.segments.are_synced() {
            self.unsynced.get_or_insert_with(now);
        }
        // What could be written is to last, even if the next could not.
        let synced = if flush || self.is_due() {
            self.segments.sync().map(|()| self.unsynced = None)
        } else {
            Ok(())
        };
        if std::mem::take(&mut self.segments.abandoned) {
            // All of it again: recovery takes each number once.
            self.written = 0;
            self.unsynced = None;
        }
        written.and(synced)?;
        if closing {
            self.segments.finish()?;
        }
        Ok(())
    }

    fn write(&mut self, gone: u64, next: u64) -> io::Result<()> {
        // First what has left, for that is not written below: a crash in between must not leave a gap.
        let first = self.taken.get(self.written);
        let next = first.map_or(next, |pending| pending.number);
        self.segments.gone_before(gone, next)?;
        while let Some(pending) = self.taken.get(self.written) {
            // What has left meanwhile need not be written.
            if pending.number >= gone {
                let (number, time, body) = (pending.number, pending.time, pending.body.clone());
                self.segments.append(number, time, body)?;
            }
            self.written += 1;
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        match (self.policy, self.unsynced) {
            (_, None) => false,
            // What has left is not worth a sync of its own.
            (SyncPolicy::EveryRecord, Some(_)) => self.written > 0,
            (SyncPolicy::Every { bytes, interval }, Some(since)) => {
                let written = self.taken.iter().take(self.written);
                let unsynced: usize = written.map(|pending| pending.body.len()).sum();
                unsynced >= bytes.min(MOST_UNSYNCED) || since.elapsed() >= interval
            }
        }
    }

    /// Pauses after a failure, which is said unless the disk is known to give trouble.
    fn after(&mut self, result: io::Result<()>, troubled: bool) {
        match result {
            Ok(()) => self.pause = None,
            Err(error) => {
                let pause = self.pause.map_or(FIRST_PAUSE, |(_, pause)| {
                    pause.saturating_mul(2).min(MOST_PAUSE)
                });
                self.pause = Some((now() + pause, pause));
                if !troubled {
                    tracing::error!(
                        "cannot write to the spool in {}: {error}; what comes waits in memory alone until that works again, and would not survive a crash",
                        self.inbox.dir.display()
                    );
                }
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a disk takes is a matter of delivery"
)]
fn now() -> Instant {
    Instant::now()
}
