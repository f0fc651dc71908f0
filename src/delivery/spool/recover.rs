//! What a directory holds when the agent starts: read twice, first to know what is gone, then to hand out what is not.
//! So that a spool of hundreds of megabytes is never in memory at once.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader};

use prost::bytes::Bytes;

use super::directory::{Directory, name};
use super::format::{Entries, Entry, HEADER_BYTES, Head, Header, read_head};
use super::segments::{Numbers, Segment};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Oldest first.
    pub(super) segments: VecDeque<Segment>,
    /// Of the next segment.
    pub(super) sequence: u64,
    /// Records with lower numbers are gone.
    pub(super) gone: u64,
    /// Of the next record.
    pub(super) next: u64,
    /// Places that should have been entries, and segments that cannot be read.
    pub(super) damaged: u64,
    /// What is not the spool's.
    pub(super) foreign: Vec<String>,
}

/// Looks at all there is.
pub(super) fn look(directory: &Directory) -> io::Result<Found> {
    let listing = directory.list()?;
    let mut found = Found {
        foreign: listing.foreign,
        ..Found::default()
    };
    for sequence in listing.segments {
        found.sequence = found.sequence.max(sequence.saturating_add(1));
        match open(directory, sequence) {
            Ok(Some((head, file, bytes))) => found.segment(sequence, head, file, bytes),
            Ok(None) => found.foreign.push(name(sequence)),
            Err(_) => found.damaged += 1,
        }
    }
    Ok(found)
}

impl Found {
    fn segment(&mut self, sequence: u64, head: Head, file: BufReader<File>, bytes: u64) {
        let mut numbers = Numbers::default();
        if let Head::Segment(header) = head {
            if let Some(Header { next, gone }) = header {
                self.next = self.next.max(next);
                self.gone = self.gone.max(gone);
            } else {
                self.damaged += 1;
            }
            let mut entries = Entries::new(file, bytes - HEADER_BYTES as u64);
            for entry in entries.by_ref() {
                match entry {
                    Entry::Record { number, .. } => {
                        self.next = self.next.max(number.saturating_add(1));
                        numbers.add(number);
                    }
                    Entry::Gone { before } => self.gone = self.gone.max(before),
                }
            }
            self.damaged += entries.damaged;
        }
        self.next = self.next.max(self.gone);
        self.segments.push_back(Segment {
            sequence,
            bytes,
            numbers,
        });
    }
}

/// Hands out the records of these segments that are not `gone`, in their order, each once.
pub(super) fn records(
    directory: &Directory,
    segments: &[u64],
    gone: u64,
    mut each: impl FnMut(u64, u64, Bytes),
) {
    let mut least = gone;
    for sequence in segments {
        // It was there a moment ago, and what was wrong with it has been said.
        let Ok(Some((Head::Segment(_), file, bytes))) = open(directory, *sequence) else {
            continue;
        };
        for entry in Entries::new(file, bytes - HEADER_BYTES as u64) {
            if let Entry::Record { number, time, body } = entry
                && number >= least
            {
                least = number.saturating_add(1);
                each(number, time, body);
            }
        }
    }
}

/// A file with a segment's name; nothing if it is no segment.
fn open(directory: &Directory, sequence: u64) -> io::Result<Option<(Head, BufReader<File>, u64)>> {
    let Some((file, bytes)) = directory.read(sequence)? else {
        return Ok(None);
    };
    let mut file = BufReader::with_capacity(64 << 10, file);
    let head = read_head(&mut file)?;
    Ok((head != Head::Foreign).then_some((head, file, bytes)))
}
