//! What waits to be sent: bounded by bytes and age, the oldest leaving first, whichever way it leaves.

use std::collections::VecDeque;
use std::time::Duration;

use prost::bytes::Bytes;
use tokio::time::Instant;

/// What may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// In all, what each record costs besides its bytes included.
    pub bytes: usize,
    /// For any one record.
    pub age: Duration,
}

/// What a record costs besides its bytes: its place in the queue, and the allocator's part.
const OVERHEAD_BYTES: usize = size_of::<Record>() + 32;

#[derive(Debug)]
struct Record {
    body: Bytes,
    queued: Instant,
}

impl Record {
    fn cost(&self) -> usize {
        self.body.len() + OVERHEAD_BYTES
    }
}

/// Records in the order in which they came.
#[derive(Debug)]
pub struct Queue {
    bounds: Bounds,
    records: VecDeque<Record>,
    /// The number of the front record; records are numbered in the order in which they came.
    first: u64,
    bytes: usize,
    dropped: u64,
    /// Whether it has been said that records are being dropped.
    pub(super) overflowing: bool,
}

/// The oldest records, to be sent as one request. They stay in the queue until their fate is known.
#[derive(Debug)]
pub struct Batch {
    first: u64,
    /// Encoded requests; one after the other they are one valid request.
    pub bodies: Vec<Bytes>,
    /// Of the bodies.
    pub bytes: usize,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            records: VecDeque::new(),
            first: 0,
            bytes: 0,
            dropped: 0,
            overflowing: false,
        }
    }

    /// Adds a record at the end, and drops from the front what the bounds then forbid.
    pub fn push(&mut self, body: Vec<u8>, now: Instant) {
        let record = Record {
            body: body.into(),
            queued: now,
        };
        self.bytes += record.cost();
        self.records.push_back(record);
        self.expire(now);
        while self.bytes > self.bounds.bytes {
            self.drop_front();
        }
    }

    /// Drops what has waited for too long.
    pub fn expire(&mut self, now: Instant) {
        while let Some(record) = self.records.front()
            && now.saturating_duration_since(record.queued) > self.bounds.age
        {
            self.drop_front();
        }
    }

    /// The oldest records that fit into `most` bytes, and at least one; nothing if the queue is empty.
    #[must_use]
    pub fn batch(&self, most: usize) -> Option<Batch> {
        let mut batch = Batch {
            first: self.first,
            bodies: Vec::new(),
            bytes: 0,
        };
        for record in &self.records {
            if !batch.bodies.is_empty() && batch.bytes + record.body.len() > most {
                break;
            }
            batch.bytes += record.body.len();
            batch.bodies.push(record.body.clone());
        }
        (!batch.bodies.is_empty()).then_some(batch)
    }

    /// Takes out a batch that arrived.
    pub fn delivered(&mut self, batch: &Batch) {
        let (still_there, gone) = self.parts(batch);
        (0..still_there).for_each(|_| drop(self.remove_front()));
        // What the bounds pushed out while it was on its way has arrived all the same.
        self.dropped -= gone;
    }

    /// Takes out a batch that the backend will never take.
    pub fn refused(&mut self, batch: &Batch) {
        let (still_there, _) = self.parts(batch);
        (0..still_there).for_each(|_| self.drop_front());
    }

    /// How many records wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many records were dropped, for whatever reason, since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many records of a batch are still in the queue, and how many were dropped meanwhile.
    fn parts(&self, batch: &Batch) -> (u64, u64) {
        let size = batch.bodies.len() as u64;
        let gone = self.first.saturating_sub(batch.first).min(size);
        (size - gone, gone)
    }

    fn drop_front(&mut self) {
        self.dropped += u64::from(self.remove_front().is_some());
    }

    fn remove_front(&mut self) -> Option<Record> {
        let record = self.records.pop_front()?;
        self.first += 1;
        self.bytes -= record.cost();
        Some(record)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "some moment to count from")]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn queue(bytes: usize) -> Queue {
        Queue::new(Bounds { bytes, age: DAY })
    }

    fn bodies(batch: &Batch) -> Vec<u8> {
        batch.bodies.iter().map(|body| body[0]).collect()
    }

    #[test]
    fn the_oldest_leave_first_as_far_as_a_request_holds_them() {
        let mut queue = queue(1 << 20);
        let now = Instant::now();
        (0..10).for_each(|n| queue.push(vec![n; 100], now));
        let batch = queue.batch(350).unwrap();
        assert_eq!(bodies(&batch), [0, 1, 2]);
        queue.delivered(&batch);
        assert_eq!(
            bodies(&queue.batch(1).unwrap()),
            [3],
            "one that is too large alone goes alone"
        );
        assert_eq!((queue.len(), queue.dropped()), (7, 0));
    }

    #[test]
    fn the_byte_bound_is_never_exceeded_and_drops_the_oldest() {
        let mut queue = queue(10 * (100 + OVERHEAD_BYTES));
        let now = Instant::now();
        for n in 0..50 {
            queue.push(vec![n; 100], now);
            assert!(queue.bytes <= queue.bounds.bytes);
        }
        assert_eq!(
            bodies(&queue.batch(usize::MAX).unwrap()),
            (40..50).collect::<Vec<_>>()
        );
        assert_eq!(queue.dropped(), 40);
        queue.push(vec![0; 1 << 20], now);
        assert!(
            queue.is_empty(),
            "a record over the bound does not fit by itself either"
        );
        assert_eq!((queue.dropped(), queue.bytes), (51, 0));
    }

    #[test]
    fn what_has_waited_for_longer_than_the_age_is_dropped() {
        let mut queue = queue(1 << 20);
        let start = Instant::now();
        queue.push(vec![0], start);
        queue.push(vec![1], start + DAY);
        assert_eq!(queue.len(), 2, "at the bound, not over it");
        queue.expire(start + DAY + Duration::from_secs(1));
        assert_eq!(
            (bodies(&queue.batch(9).unwrap()), queue.dropped()),
            (vec![1], 1)
        );
    }

    #[test]
    fn what_is_dropped_while_it_is_on_its_way_and_arrives_was_not_dropped() {
        let mut queue = queue(4 * (1 + OVERHEAD_BYTES));
        let now = Instant::now();
        (0..4).for_each(|n| queue.push(vec![n], now));
        let batch = queue.batch(2).unwrap();
        (4..7).for_each(|n| queue.push(vec![n], now));
        assert_eq!(queue.dropped(), 3);
        queue.delivered(&batch);
        assert_eq!(
            (bodies(&queue.batch(9).unwrap()), queue.dropped()),
            (vec![3, 4, 5, 6], 1)
        );
        let batch = queue.batch(1).unwrap();
        queue.refused(&batch);
        assert_eq!((queue.len(), queue.dropped()), (3, 2));
    }
}
