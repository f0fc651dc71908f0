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
    #[expect(
        clippy::disallowed_methods,
        reason = "the age of what waits is a matter of delivery"
    )]
    pub fn push(&self, body: Vec<u8>) {
        let mut queue = self.queue();
        let dropped = queue.dropped();
        queue.push(body, Instant::now());
        let first = queue.dropped() > dropped && !std::mem::replace(&mut queue.overflowing, true);
        let waiting = queue.len();
        drop(queue);
        if first {
            tracing::error!(
                waiting,
                "the queue is at its bounds (--queue-bytes, --queue-age): 1 sample dropped; from now on the oldest is dropped for each new one"
            );
        }
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
    #[expect(
        clippy::disallowed_methods,
        reason = "the age of what waits is a matter of delivery"
    )]
    pub(super) fn batch(&self, most: usize) -> Option<Batch> {
        let mut queue = self.queue();
        queue.expire(Instant::now());
        queue.batch(most)
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
