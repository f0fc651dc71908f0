//! The way of a sample into the queue, and when it got where, for whoever traces it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::moment;
use crate::delivery::outbox::Outbox;
use crate::otlp::pipeline::Enqueue;
use crate::otlp::traces::{Export, Record};

/// When a sample got where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    began: Instant,
    collected: Instant,
    record: Option<Passed>,
}

/// When it had become a record, if it had anything to tell.
#[derive(Clone, Copy, Debug)]
struct Passed {
    number: u64,
    encoded: Instant,
    enqueued: Instant,
}

impl Passage {
    fn begin() -> Self {
        let began = moment();
        Self {
            began,
            collected: began,
            record: None,
        }
    }

    /// The same, told by how long it came after the tick.
    pub(super) fn since(self, tick: Instant) -> Export {
        Export {
            began: self.began - tick,
            collected: self.collected - tick,
            record: self.record.map(|passed| Record {
                number: passed.number,
                encoded: passed.encoded - tick,
                enqueued: passed.enqueued - tick,
            }),
        }
    }
}

/// The end of the pipeline, and the passage of the latest sample through it.
#[derive(Clone, Debug)]
pub(super) struct IntoQueue {
    outbox: Outbox,
    latest: Arc<Mutex<Passage>>,
}

impl IntoQueue {
    pub(super) fn new(outbox: Outbox) -> Self {
        Self {
            outbox,
            latest: Arc::new(Mutex::new(Passage::begin())),
        }
    }

    /// Watches the passage of what `export` lets go.
    pub(super) fn watch<T>(&self, export: impl FnOnce() -> T) -> (T, Passage) {
        *self.latest() = Passage::begin();
        let exported = export();
        let mut passage = *self.latest();
        // With nothing to tell, nobody was told when all was collected.
        if passage.record.is_none() {
            passage.collected = moment();
        }
        (exported, passage)
    }

    fn latest(&self) -> MutexGuard<'_, Passage> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Enqueue for IntoQueue {
    fn collected(&self) {
        self.latest().collected = moment();
    }

    fn enqueue(&self, request: Vec<u8>) {
        let encoded = moment();
        let number = self.outbox.push(request);
        self.latest().record = Some(Passed {
            number,
            encoded,
            enqueued: moment(),
        });
    }
}
