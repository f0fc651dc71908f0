//! What waits to be sent: bounded by bytes and age, the oldest leaving first, whichever way it leaves.
//!
//! The newest records wait as they came, for in good times they leave with the next request. What is older is sealed
//! into compressed blocks. Records have ordinals, from 0 for the first that was ever put in, and only ever leave from the
//! front: one number tells what is gone.

use std::collections::VecDeque;
use std::time::Duration;

use prost::bytes::Bytes;
use tokio::time::Instant;

use super::block::{Block, Record};
use super::transport::Payload;

/// What may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// In all, what each record costs besides its bytes included.
    pub bytes: usize,
    /// For any one record.
    pub age: Duration,
}

/// What stays unsealed at least, and what a block holds at most of small records.
///
/// Small blocks are sealed in a moment, cost little to take apart, and little is lost at once when the bound wants its
/// due: an hour of samples at most, in whose place not a thousandth of the default bound is won. Blocks of 1 MiB would be 3 %
/// smaller, and take 20 ms each.
const PART_BYTES: usize = 256 << 10;

/// Large records, as those with a hundred pods in them, are too few in such a block to make up for what is said once in each. So it
/// holds so many of them …
const RECORDS_IN_PART: usize = 16;

/// … or so many bytes, which is what a request may be. While it fills it is in memory as it is, which the bound counts, and to
/// seal it takes some 300 KiB for a moment.
const MOST_PART_BYTES: usize = 1 << 20;

/// A queue with little room seals smaller blocks, but none smaller than this.
const LEAST_PART_BYTES: usize = 4 << 10;

/// What became of records since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Put in.
    pub pushed: u64,
    /// Taken by the backend.
    pub sent: u64,
    /// Dropped since there was no room.
    pub dropped_full: u64,
    /// Dropped for their age.
    pub dropped_old: u64,
    /// Dropped since the backend will never take them.
    pub dropped_refused: u64,
}

/// Why a record leaves undelivered.
#[derive(Clone, Copy, Debug)]
enum Why {
    Full,
    Old,
}

/// Records in the order in which they came.
#[derive(Debug)]
pub struct Queue {
    bounds: Bounds,
    /// The oldest, sealed.
    blocks: VecDeque<Block>,
    /// The newest, as they came.
    plain: VecDeque<Record>,
    /// Of the bodies of those.
    plain_bytes: usize,
    /// The ordinal of the front record.
    first: u64,
    len: usize,
    bytes: usize,
    tally: Tally,
    on_its_way: OnItsWay,
    /// Whether it has been said that records are being dropped.
    pub(super) overflowing: bool,
}

/// What the bounds push out of the batch that was given last.
#[derive(Debug, Default)]
struct OnItsWay {
    /// The ordinal after its last record.
    end: u64,
    full: u64,
    old: u64,
}

/// The oldest records, to be sent as one request. They stay in the queue until their fate is known.
#[derive(Debug)]
pub struct Batch {
    /// The number of the first record in it.
    pub first: u64,
    /// What is to be sent.
    pub payload: Payload,
    /// How many records that is.
    pub records: usize,
    /// What it is uncompressed.
    pub bytes: usize,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            blocks: VecDeque::new(),
            plain: VecDeque::new(),
            plain_bytes: 0,
            first: 0,
            len: 0,
            bytes: 0,
            tally: Tally::default(),
            on_its_way: OnItsWay::default(),
            overflowing: false,
        }
    }

    /// Adds a record at the end, and drops from the front what the bounds then forbid.
    pub fn push(&mut self, body: impl Into<Bytes>, queued: Instant, now: Instant) {
        let record = Record {
            body: body.into(),
            queued,
        };
        self.tally.pushed += 1;
        self.len += 1;
        self.bytes += record.cost();
        self.plain_bytes += record.body.len();
        self.plain.push_back(record);
        self.seal();
        self.expire(now);
        while self.bytes > self.bounds.bytes && self.len > 0 {
            self.drop_front(Why::Full);
        }
    }

    /// Drops what has waited for too long.
    pub fn expire(&mut self, now: Instant) {
        while let Some(queued) = self.front_queued()
            && now.saturating_duration_since(queued) > self.bounds.age
        {
            self.drop_front(Why::Old);
        }
    }

    /// The oldest records that fit into `most` bytes, and at least one; nothing if the queue is empty.
    #[must_use]
    pub fn batch(&mut self, most: usize, may_be_sealed: bool) -> Option<Batch> {
        let (payload, records, bytes) = loop {
            let Some(block) = self.blocks.front() else {
                break self.plain_batch(most)?;
            };
            if may_be_sealed
                && let Some((bytes, plain_bytes)) = block.whole()
                && plain_bytes <= most
            {
                let payload = Payload::Gzip { bytes, plain_bytes };
                break (payload, block.len(), plain_bytes);
            }
            if let Ok(bodies) = block.unpack(most) {
                let (records, bytes) = (bodies.len(), bodies.iter().map(Bytes::len).sum());
                break (Payload::Plain(bodies), records, bytes);
            }
            // What was sealed here and cannot be unpacked is gone; what comes after it is not.
            let lost = block.len();
            (0..lost).for_each(|_| self.drop_front(Why::Full));
        };
        self.on_its_way = OnItsWay {
            end: self.first + records as u64,
            full: 0,
            old: 0,
        };
        Some(Batch {
            first: self.first,
            payload,
            records,
            bytes,
        })
    }

    fn plain_batch(&self, most: usize) -> Option<(Payload, usize, usize)> {
        let mut bodies: Vec<Bytes> = Vec::new();
        let mut bytes = 0;
        for record in &self.plain {
            if !bodies.is_empty() && bytes + record.body.len() > most {
                break;
            }
            bytes += record.body.len();
            bodies.push(record.body.clone());
        }
        let records = bodies.len();
        (records > 0).then_some((Payload::Plain(bodies), records, bytes))
    }

    /// Takes out a batch that arrived.
    pub fn delivered(&mut self, batch: &Batch) {
        self.take_out(batch);
        self.tally.sent += batch.records as u64;
        // What the bounds pushed out while it was on its way has arrived all the same.
        let OnItsWay { full, old, .. } = std::mem::take(&mut self.on_its_way);
        self.tally.dropped_full -= full;
        self.tally.dropped_old -= old;
    }

    /// Takes out a batch that the backend will never take.
    pub fn refused(&mut self, batch: &Batch) {
        self.tally.dropped_refused += self.take_out(batch);
        self.on_its_way = OnItsWay::default();
    }

    /// How many records wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What it holds, counted as the bound counts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The ordinal of the oldest record, or of the next one: all before it are gone.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// For how long the oldest record has waited.
    #[must_use]
    pub fn oldest_age(&self, now: Instant) -> Duration {
        self.front_queued().map_or(Duration::ZERO, |queued| {
            now.saturating_duration_since(queued)
        })
    }

    /// What became of records, as far as it is decided: what the bounds pushed out while it was on its way may arrive.
    #[must_use]
    pub fn decided(&self) -> Tally {
        Tally {
            dropped_full: self.tally.dropped_full - self.on_its_way.full,
            dropped_old: self.tally.dropped_old - self.on_its_way.old,
            ..self.tally
        }
    }

    /// What became of records.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// How many records were dropped, for whatever reason, since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.tally.dropped_full + self.tally.dropped_old + self.tally.dropped_refused
    }

    /// Seals what is older than the newest part, a part at a time. The newest record stays as it is.
    fn seal(&mut self) {
        let usual = self.plain_bytes / self.plain.len().max(1);
        let part = (RECORDS_IN_PART * usual).clamp(PART_BYTES, MOST_PART_BYTES);
        let part = part.min((self.bounds.bytes / 4).max(LEAST_PART_BYTES));
        let unsealed = part.min(PART_BYTES);
        while self.plain_bytes > part + unsealed && self.plain.len() > 1 {
            let (mut records, mut plain_bytes) = (0, 0);
            for record in self.plain.iter().take(self.plain.len() - 1) {
                if records > 0 && plain_bytes + record.body.len() > part {
                    break;
                }
                records += 1;
                plain_bytes += record.body.len();
            }
            // What cannot be sealed waits as it is.
            let Ok(block) = Block::seal(self.plain.iter().take(records)) else {
                return;
            };
            self.bytes -= self
                .plain
                .drain(..records)
                .map(|record| record.cost())
                .sum::<usize>();
            self.plain_bytes -= plain_bytes;
            self.bytes += block.cost();
            self.blocks.push_back(block);
        }
    }

    fn front_queued(&self) -> Option<Instant> {
        match self.blocks.front() {
            Some(block) => block.queued(),
            None => self.plain.front().map(|record| record.queued),
        }
    }

    /// Takes out what the bounds have left of a batch, and says how many records that was.
    fn take_out(&mut self, batch: &Batch) -> u64 {
        let end = batch.first + batch.records as u64;
        let left = end.saturating_sub(self.first);
        (0..left).for_each(|_| self.remove_front());
        left
    }

    fn drop_front(&mut self, why: Why) {
        let on_its_way = u64::from(self.first < self.on_its_way.end);
        match why {
            Why::Full => {
                self.tally.dropped_full += 1;
                self.on_its_way.full += on_its_way;
            }
            Why::Old => {
                self.tally.dropped_old += 1;
                self.on_its_way.old += on_its_way;
            }
        }
        self.remove_front();
    }

    fn remove_front(&mut self) {
        if let Some(block) = self.blocks.front_mut() {
            block.remove_front();
            if block.len() == 0 {
                self.bytes -= block.cost();
                self.blocks.pop_front();
            }
        } else if let Some(record) = self.plain.pop_front() {
            self.bytes -= record.cost();
            self.plain_bytes -= record.body.len();
        } else {
            return;
        }
        self.first += 1;
        self.len -= 1;
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
#[expect(clippy::disallowed_methods, reason = "some moment to count from")]
mod tests;
