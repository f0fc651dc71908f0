//! The queue as both ends see it: one side puts in, from any thread and without waiting; the other takes out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::queue::{Batch, Bounds, Queue};

/// A handle to the queue.
#[derive(Clone, Debug)]
pub struct Outbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Notify,
}

impl Outbox {
    /// An empty one.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Shared {
            queue: Mutex::new(Queue::new(bounds)),
            arrived: Notify::new(),
        }))
    }

    /// Puts in an encoded request.
    pub fn push(&self, body: Vec<u8>) {
        self.within_bounds(|queue, now| queue.push(body, now));
        self.0.arrived.notify_one();
    }

    /// How many records wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue().len()
    }

    /// How many records were dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.queue().dropped()
    }

    /// The oldest records, as [`Queue::batch`] gives them.
    pub(super) fn batch(&self, most: usize) -> Option<Batch> {
        self.within_bounds(|queue, now| {
            queue.expire(now);
            queue.batch(most)
        })
    }

    /// Does what may drop records, and says so when it begins.
    #[expect(
        clippy::disallowed_methods,
        reason = "the age of what waits is a matter of delivery"
    )]
    fn within_bounds<T>(&self, change: impl FnOnce(&mut Queue, Instant) -> T) -> T {
        let mut queue = self.queue();
        let before = queue.dropped();
        let result = change(&mut queue, Instant::now());
        let dropped = queue.dropped() - before;
        let news = dropped > 0 && !std::mem::replace(&mut queue.overflowing, true);
        let waiting = queue.len();
        drop(queue);
        if news {
            tracing::error!(
                dropped,
                waiting,
                "what waits is at its bounds (--queue-bytes, --queue-age): the oldest samples are dropped from now on"
            );
        }
        result
    }

    pub(super) fn delivered(&self, batch: &Batch) {
        let mut queue = self.queue();
        queue.delivered(batch);
        queue.overflowing = false;
    }

    pub(super) fn refused(&self, batch: &Batch) {
        self.queue().refused(batch);
    }

    /// Returns when something was put in since the last call.
    pub(super) async fn arrived(&self) {
        self.0.arrived.notified().await;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

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
        let outbox = Outbox::new(Bounds {
            bytes: 1 << 20,
            age,
        });
        (0..3).for_each(|_| outbox.push(vec![0; 100]));
        tokio::time::sleep(2 * age).await;
        assert!(outbox.batch(1 << 20).is_none());
        outbox.push(vec![0; 100]);
        tokio::time::sleep(2 * age).await;
        outbox.push(vec![0; 100]);
        let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(said.matches("--queue-age").count(), 1, "{said}");
        assert!(said.contains("dropped=3"), "{said}");
        assert_eq!((outbox.dropped(), outbox.waiting()), (4, 1));

        let batch = outbox.batch(1 << 20).unwrap();
        outbox.delivered(&batch);
        outbox.push(vec![0; 100]);
        tokio::time::sleep(2 * age).await;
        assert!(outbox.batch(1 << 20).is_none());
        let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            said.matches("--queue-age").count(),
            2,
            "after a delivery it is news again: {said}"
        );
    }
}
