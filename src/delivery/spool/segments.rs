//! The segments of a spool as they are written: a new one when one is full, the oldest dropped where there is no room.
//! No thread and no clock; whoever calls waits for the disk.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use prost::bytes::Bytes;

use super::directory::Directory;
use super::format::{Entry, HEADER_BYTES, Header, MAX_BODY_BYTES};

/// What is dropped at once where there is no room, and what the spool holds on to for one record of it.
const MOST_SEGMENT_BYTES: u64 = 1 << 20;

/// A segment that is not written to any more.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) sequence: u64,
    pub(super) bytes: u64,
    pub(super) numbers: Numbers,
}

/// Numbers of records, mostly one after the other.
#[derive(Debug, Default)]
pub(super) struct Numbers(Vec<Range<u64>>);

impl Numbers {
    pub(super) fn add(&mut self, number: u64) {
        match self.0.last_mut() {
            Some(last) if last.end == number => last.end += 1,
            _ => self.0.push(number..number + 1),
        }
    }

    /// How many are not below `gone`.
    pub(super) fn left(&self, gone: u64) -> u64 {
        let left = |range: &Range<u64>| range.end.saturating_sub(range.start.max(gone));
        self.0.iter().map(left).sum()
    }
}

/// The one that is written to.
#[derive(Debug)]
struct Active {
    file: File,
    segment: Segment,
    /// What is on disk for sure.
    synced_bytes: u64,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Segments {
    directory: Arc<Directory>,
    most_bytes: u64,
    /// Oldest first.
    closed: VecDeque<Segment>,
    active: Option<Active>,
    /// Of the next segment.
    sequence: u64,
    gone: u64,
    /// Whether the disk knows what is gone.
    gone_is_written: bool,
    /// Whether anything that was not synced has been given up since somebody looked.
    pub(super) abandoned: bool,
    /// Whether the disk has taken anything for sure since somebody looked.
    pub(super) taken: bool,
    /// Records that the bound has dropped before they were gone.
    pub(super) lost: u64,
}

impl Segments {
    pub(super) fn new(
        directory: Arc<Directory>,
        most_bytes: u64,
        closed: VecDeque<Segment>,
        sequence: u64,
        gone: u64,
    ) -> Self {
        Self {
            directory,
            most_bytes,
            closed,
            active: None,
            sequence,
            gone,
            gone_is_written: true,
            abandoned: false,
            taken: false,
            lost: 0,
        }
    }

    /// What they take on disk.
    pub(super) fn bytes(&self) -> u64 {
        let closed: u64 = self.closed.iter().map(|segment| segment.bytes).sum();
        closed
            + self
                .active
                .as_ref()
                .map_or(0, |active| active.segment.bytes)
    }

    /// Whether everything that was written is on disk for sure.
    pub(super) fn are_synced(&self) -> bool {
        (self.active.as_ref()).is_none_or(|active| active.synced_bytes == active.segment.bytes)
    }

    /// Writes a record; it is not on disk for sure before [`Self::sync`].
    pub(super) fn append(&mut self, number: u64, time: u64, body: Bytes) -> io::Result<()> {
        let bytes = Entry::record_bytes(body.len());
        if bytes + HEADER_BYTES as u64 > self.most_bytes || body.len() > MAX_BODY_BYTES {
            self.lost += 1;
            return Ok(());
        }
        let segment_bytes = MOST_SEGMENT_BYTES.min(self.most_bytes / 4);
        if let Some(active) = &self.active
            && active.segment.bytes + bytes > segment_bytes
        {
            self.close()?;
            self.drop_gone()?;
        }
        self.make_room(bytes)?;
        self.write(number, &Entry::Record { number, time, body })?;
        if let Some(active) = &mut self.active {
            active.segment.numbers.add(number);
        }
        Ok(())
    }

    /// Writes down that all records below `gone` have left, of which `next` would be the next; deletes what is not needed for it.
    pub(super) fn gone_before(&mut self, gone: u64, next: u64) -> io::Result<()> {
        if gone > self.gone {
            self.gone = gone;
            self.gone_is_written = false;
        }
        if self.gone_is_written {
            return Ok(());
        }
        self.drop_gone()?;
        if self.active.is_some() || !self.closed.is_empty() {
            self.write(next, &Entry::Gone { before: gone })?;
        }
        self.gone_is_written = true;
        Ok(())
    }

    /// What was written is on disk when this returns well. When it does not, nobody knows what of it is, and it is to be
    /// written once more: a kernel that could not write a page may forget it, and be content the next time.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.are_synced() {
            return Ok(());
        }
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        if let Err(error) = active.file.sync_data() {
            self.abandon();
            return Err(error);
        }
        active.synced_bytes = active.segment.bytes;
        self.taken = true;
        Ok(())
    }

    /// The end: nothing is left behind if nothing waits.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.close()?;
        self.drop_gone()
    }

    /// Drops the oldest segments until so many bytes fit.
    pub(super) fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        // A new segment may be needed for them.
        while self.bytes() + bytes + HEADER_BYTES as u64 > self.most_bytes {
            if self.closed.is_empty() && self.active.is_some() {
                self.close()?;
            }
            let Some(oldest) = self.closed.front() else {
                return Ok(());
            };
            self.directory.remove(oldest.sequence)?;
            self.lost += oldest.numbers.left(self.gone);
            self.closed.pop_front();
        }
        Ok(())
    }

    /// Deletes, from the oldest on, segments whose records are all gone. What a later one says is gone must outlive them.
    pub(super) fn drop_gone(&mut self) -> io::Result<()> {
        while let Some(oldest) = self.closed.front()
            && oldest.numbers.left(self.gone) == 0
        {
            self.directory.remove(oldest.sequence)?;
            self.closed.pop_front();
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        self.sync()?;
        self.closed
            .extend(self.active.take().map(|active| active.segment));
        Ok(())
    }

    fn write(&mut self, next: u64, entry: &Entry) -> io::Result<()> {
        let active = match self.active.take() {
            Some(active) => active,
            None => self.create(next)?,
        };
        let active = self.active.insert(active);
        let bytes = entry.encode();
        if let Err(error) = active.file.write_all(&bytes) {
            // No half of an entry may stand before the next.
            if active.file.set_len(active.segment.bytes).is_err() {
                self.abandon();
            }
            return Err(error);
        }
        active.segment.bytes += bytes.len() as u64;
        Ok(())
    }

    fn create(&mut self, next: u64) -> io::Result<Active> {
        let sequence = self.sequence;
        let mut file = self.directory.create(sequence)?;
        self.sequence += 1;
        let header = Header {
            next,
            gone: self.gone,
        };
        let made = file
            .write_all(&header.encode())
            .and_then(|()| self.directory.sync());
        if let Err(error) = made {
            // What is left of it is no segment, and the next recovery takes it away.
            let _ = self.directory.remove(sequence);
            return Err(error);
        }
        Ok(Active {
            file,
            segment: Segment {
                sequence,
                bytes: HEADER_BYTES as u64,
                numbers: Numbers::default(),
            },
            synced_bytes: 0,
        })
    }

    /// Writes no more to a segment that cannot be trusted, and keeps what is on disk for sure.
    fn abandon(&mut self) {
        let Some(mut active) = self.active.take() else {
            return;
        };
        // What it said of what is gone may be in the part that nobody can be sure of.
        self.gone_is_written = false;
        self.abandoned = true;
        if active.synced_bytes == 0 && self.directory.remove(active.segment.sequence).is_ok() {
            return;
        }
        if active.file.set_len(active.synced_bytes).is_ok() {
            active.segment.bytes = active.synced_bytes;
        }
        self.closed.push_back(active.segment);
    }
}
