//! The queue as both ends see it: one side puts in, from any thread and without waiting; the other takes out. Where
//! there is a spool, it hears of whatever comes and goes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use prost::bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::endpoint::Signal;
use super::queue::{Batch, Bounds, Queue};
use super::spool::Spool;

/// A handle to the queue.
#[derive(Clone, Debug)]
pub struct Outbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    signal: Signal,
    state: Mutex<State>,
    arrived: Notify,
    spool: Option<Spool>,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    rejected_points: u64,
}

/// How delivery is doing; all but the first three are counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records that wait.
    pub records: u64,
    /// What they hold, counted as the bound counts.
    pub bytes: u64,
    /// For how long the oldest has waited.
    pub oldest_age: Duration,
    /// Records put in, those that the spool kept from before the start included.
    pub pushed: u64,
    /// Records that the backend took.
    pub sent: u64,
    /// Records dropped since there was no room.
    pub dropped_full: u64,
    /// Records dropped for their age.
    pub dropped_old: u64,
    /// Records that the backend will never take.
    pub dropped_refused: u64,
    /// Points that the backend threw away of what it took.
    pub rejected_points: u64,
    /// Records that the spool could not keep; they waited in memory all the same.
    pub spool_lost: u64,
}

impl Outbox {
    /// One of samples that holds what the spool kept, as far as the bounds let it. Reading that takes as long as the disk does.
    #[must_use]
    pub fn new(bounds: Bounds, spool: Option<Spool>) -> Self {
        Self::recovering(Signal::Metrics, bounds, spool, &AtomicU64::new(0))
    }

    /// The same of any signal, and counts in `recovered` what the spool gives back, for whoever wants to know whether it goes on.
    #[must_use]
    pub fn recovering(
        signal: Signal,
        bounds: Bounds,
        mut spool: Option<Spool>,
        recovered: &AtomicU64,
    ) -> Self {
        let mut queue = Queue::new(bounds);
        if let Some(spool) = &mut spool {
            let (now, time) = now();
            // Each came after the one before it, whatever the clock said.
            let mut least = None;
            spool.recover(time, |age, body| {
                let queued = now.checked_sub(age).unwrap_or(now);
                let queued = least.map_or(queued, |least| queued.max(least));
                least = Some(queued);
                queue.push(body, queued, now);
                recovered.fetch_add(1, Ordering::Relaxed);
            });
        }
        let outbox = Self(Arc::new(Shared {
            signal,
            state: Mutex::new(State {
                queue,
                rejected_points: 0,
            }),
            arrived: Notify::new(),
            spool,
        }));
        // What the bounds left out of what was kept is gone from the spool too, and is said.
        outbox.settle(0, 0, outbox.state());
        outbox
    }

    /// Puts in an encoded request, and gives it its number: they are numbered in the order in which they come.
    #[expect(clippy::must_use_candidate, reason = "mostly nobody wants to know")]
    pub fn push(&self, body: Vec<u8>) -> u64 {
        // Boxed on the way, so that no spare room is kept that nobody counts.
        let body = Bytes::from(body.into_boxed_slice());
        let number = self.within_bounds(|queue, now, time| {
            if let Some(spool) = &self.0.spool {
                spool.put(body.clone(), time);
            }
            let number = queue.first() + queue.len() as u64;
            queue.push(body, now, now);
            number
        });
        self.0.arrived.notify_one();
        number
    }

    /// What the records are of.
    pub(super) fn signal(&self) -> Signal {
        self.0.signal
    }

    /// How many records wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state().queue.len()
    }

    /// How many records were dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.state().queue.dropped()
    }

    /// How delivery is doing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.state();
        let (queue, tally) = (&state.queue, state.queue.decided());
        Stats {
            records: queue.len() as u64,
            bytes: queue.bytes() as u64,
            oldest_age: queue.oldest_age(now().0),
            pushed: tally.pushed,
            sent: tally.sent,
            dropped_full: tally.dropped_full,
            dropped_old: tally.dropped_old,
            dropped_refused: tally.dropped_refused,
            rejected_points: state.rejected_points,
            spool_lost: (self.0.spool.as_ref()).map_or(0, |spool| spool.status().lost),
        }
    }

    /// Ends the spool: what waits is on disk when this returns, unless that takes longer than `within`. It blocks.
    #[must_use]
    pub fn close(&self, within: Duration) -> bool {
        (self.0.spool.as_ref()).is_none_or(|spool| spool.close(within))
    }

    /// The oldest records, as [`Queue::batch`] gives them.
    pub(super) fn batch(&self, most: usize, may_be_sealed: bool) -> Option<Batch> {
        self.within_bounds(|queue, now, _| {
            queue.expire(now);
            queue.batch(most, may_be_sealed)
        })
    }

    /// Does what may drop records, and says so when it begins.
    fn within_bounds<T>(&self, change: impl FnOnce(&mut Queue, Instant, SystemTime) -> T) -> T {
        let mut state = self.state();
        let (first, dropped) = (state.queue.first(), state.queue.dropped());
        let (now, time) = now();
        let result = change(&mut state.queue, now, time);
        self.settle(first, dropped, state);
        result
    }

    /// Tells the spool, and the log, what has changed since the queue began with `first` and had dropped so many.
    fn settle(&self, first: u64, dropped: u64, mut state: MutexGuard<'_, State>) {
        let queue = &mut state.queue;
        if let Some(spool) = &self.0.spool
            && queue.first() > first
        {
            spool.gone_before(queue.first());
        }
        let dropped = queue.dropped().saturating_sub(dropped);
        let news = dropped > 0 && !std::mem::replace(&mut queue.overflowing, true);
        let waiting = queue.len();
        drop(state);
        if !news {
        } else if self.0.signal == Signal::Logs {
            tracing::warn!(
                dropped,
                waiting,
                "the events that wait are at their bounds (1 MiB, --queue-age): the oldest are dropped from now on"
            );
        } else {
            tracing::error!(
                dropped,
                waiting,
                "what waits is at its bounds (--queue-bytes, --queue-age): the oldest samples are dropped from now on"
            );
        }
    }

    pub(super) fn delivered(&self, batch: &Batch, rejected_points: u64) {
        let mut state = self.state();
        let (first, dropped) = (state.queue.first(), state.queue.dropped());
        state.rejected_points += rejected_points;
        state.queue.delivered(batch);
        state.queue.overflowing = false;
        self.settle(first, dropped, state);
    }

    pub(super) fn refused(&self, batch: &Batch) {
        let mut state = self.state();
        let first = state.queue.first();
        state.queue.refused(batch);
        // That is for whoever heard the refusal to say.
        let dropped = state.queue.dropped();
        self.settle(first, dropped, state);
    }

    /// Returns when something was put in since the last call.
    pub(super) async fn arrived(&self) {
        self.0.arrived.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the age of what waits is counted by, and what the disk knows it by.
#[expect(
    clippy::disallowed_methods,
    reason = "the age of what waits is a matter of delivery"
)]
fn now() -> (Instant, SystemTime) {
    (Instant::now(), SystemTime::now())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::super::transport::Payload;
    use super::*;

    /// A log that a test can read.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_dropped_for_its_age_is_said_once_with_a_count_whoever_notices() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let age = Duration::from_mins(1);
        let bounds = Bounds {
            bytes: 1 << 20,
            age,
        };
        let outbox = Outbox::new(bounds, None);
        (0..3).for_each(|_| {
            outbox.push(vec![0; 100]);
        });
        tokio::time::sleep(2 * age).await;
        assert!(outbox.batch(1 << 20, true).is_none());
        outbox.push(vec![0; 100]);
        tokio::time::sleep(2 * age).await;
        outbox.push(vec![0; 100]);
        let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(said.matches("--queue-age").count(), 1, "{said}");
        assert!(said.contains("dropped=3"), "{said}");
        assert_eq!((outbox.dropped(), outbox.waiting()), (4, 1));

        let batch = outbox.batch(1 << 20, true).unwrap();
        outbox.delivered(&batch, 0);
        outbox.push(vec![0; 100]);
        tokio::time::sleep(2 * age).await;
        assert!(outbox.batch(1 << 20, true).is_none());
        let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            said.matches("--queue-age").count(),
            2,
            "after a delivery it is news again: {said}"
        );
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    fn spooled(dir: &std::path::Path, bytes: usize, age: Duration) -> Outbox {
        let options = super::super::spool::Options {
            dir: dir.to_owned(),
            bytes: 64 << 20,
            sync: super::super::spool::SyncPolicy::EveryRecord,
            make: false,
        };
        Outbox::new(Bounds { bytes, age }, Some(Spool::open(&options).unwrap()))
    }

    /// The first bytes of all that waits, taken out.
    fn drain(outbox: &Outbox) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(batch) = outbox.batch(1 << 20, false) {
            let Payload::Plain(bodies) = &batch.payload else {
                panic!("sealed");
            };
            all.extend(bodies.iter().map(|body| body[0]));
            outbox.delivered(&batch, 0);
        }
        all
    }

    #[tokio::test]
    async fn what_the_spool_kept_goes_first_and_what_was_delivered_does_not_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = spooled(dir.path(), 1 << 20, Duration::from_hours(1));
        (0..100).for_each(|number| {
            outbox.push(vec![number; 10_000]);
        });
        let batch = outbox.batch(100_000, false).unwrap();
        outbox.delivered(&batch, 7);
        assert_eq!(outbox.stats().rejected_points, 7);
        assert!(outbox.close(PATIENCE));

        let outbox = spooled(dir.path(), 1 << 20, Duration::from_hours(1));
        (100..110).for_each(|number| {
            outbox.push(vec![number; 10_000]);
        });
        let stats = outbox.stats();
        assert_eq!((stats.records, stats.pushed), (100, 100));
        assert_eq!(drain(&outbox), (10..110).collect::<Vec<_>>());
        assert!(outbox.close(PATIENCE));
        let outbox = spooled(dir.path(), 1 << 20, Duration::from_hours(1));
        assert_eq!(outbox.stats().pushed, 0);
    }

    #[tokio::test]
    async fn of_what_the_spool_kept_the_bounds_let_in_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = spooled(dir.path(), 64 << 20, Duration::from_hours(1));
        (0..200).for_each(|number| {
            outbox.push(vec![number; 1000]);
        });
        assert!(outbox.close(PATIENCE));

        let outbox = spooled(dir.path(), 16 << 10, Duration::from_hours(1));
        let stats = outbox.stats();
        assert!(stats.bytes <= 16 << 10);
        assert_eq!(stats.dropped_full + stats.records, 200);
        let first = u8::try_from(stats.dropped_full).unwrap();
        assert!(outbox.close(PATIENCE));
        // What was dropped is gone from the disk as well.
        let outbox = spooled(dir.path(), 64 << 20, Duration::from_hours(1));
        assert_eq!(drain(&outbox), (first..200).collect::<Vec<_>>());

        let none = Duration::from_nanos(1);
        (0..3).for_each(|number| {
            outbox.push(vec![number; 1000]);
        });
        assert!(outbox.close(PATIENCE));
        let outbox = spooled(dir.path(), 64 << 20, none);
        let stats = outbox.stats();
        assert_eq!((stats.records, stats.dropped_old), (0, 3));
    }
}
