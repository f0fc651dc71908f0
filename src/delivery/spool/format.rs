//! Bytes of a segment: made, and made sense of whatever has become of them.

use std::io::{self, Read};

use prost::bytes::Bytes;

const MAGIC: [u8; 8] = *b"TCPGSPOL";
const VERSION: u32 = 1;

/// Of a segment's head.
pub(super) const HEADER_BYTES: usize = 8 + 4 + 8 + 8 + 4;

/// Of an entry without its body: length and checksum …
const FRAME_BYTES: usize = 4 + 4;

/// … and what both are of.
const META_BYTES: usize = 1 + 8 + 8;

/// No entry is longer, and a length that says so is damage.
pub(super) const MAX_BODY_BYTES: usize = 64 << 20;

/// No number is as high in any time to come; one that is can only be made up.
const NUMBERS_END: u64 = 1 << 63;

const RECORD: u8 = 1;
const GONE: u8 = 2;

/// What is known when a segment begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// No record in this segment has a lower number, and none before it has one as high unless it was written twice.
    pub(super) next: u64,
    /// All records with lower numbers are gone.
    pub(super) gone: u64,
}

/// What the head of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A segment. Without what its head said, if that is damaged.
    Segment(Option<Header>),
    /// A segment whose head was never written to its end.
    Unfinished,
    /// Something else, or by a version that writes otherwise.
    Foreign,
}

impl Header {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.next.to_le_bytes());
        bytes.extend(self.gone.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }
}

/// Reads the head of a file.
pub(super) fn read_head(from: &mut impl Read) -> io::Result<Head> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    from.take(HEADER_BYTES as u64).read_to_end(&mut bytes)?;
    // Where power was lost, a file may have its length and none of its bytes.
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(Head::Unfinished);
    }
    let mut rest = &*bytes;
    let known: Vec<u8> = MAGIC.into_iter().chain(VERSION.to_le_bytes()).collect();
    let length = known.len().min(rest.len());
    if known.get(..length) != rest.get(..length) {
        return Ok(Head::Foreign);
    }
    if bytes.len() < HEADER_BYTES {
        return Ok(Head::Unfinished);
    }
    let (_, next, gone, crc) = (
        take::<12>(&mut rest),
        number(&mut rest),
        number(&mut rest),
        take::<4>(&mut rest).map(u32::from_le_bytes),
    );
    let sum = crc32fast::hash(bytes.get(..HEADER_BYTES - 4).unwrap_or_default());
    Ok(Head::Segment(match (next, gone) {
        (Some(next), Some(gone)) if crc == Some(sum) => Some(Header { next, gone }),
        _ => None,
    }))
}

/// What a segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A record that was put in at `time`, in nanoseconds since 1970.
    Record { number: u64, time: u64, body: Bytes },
    /// All records with lower numbers have left the queue.
    Gone { before: u64 },
}

impl Entry {
    /// How long a record with such a body is.
    pub(super) const fn record_bytes(body: usize) -> u64 {
        (FRAME_BYTES + META_BYTES + body) as u64
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, number, time, body) = match self {
            Self::Record { number, time, body } => (RECORD, *number, *time, &**body),
            Self::Gone { before } => (GONE, *before, 0, &[][..]),
        };
        let length = u32::try_from(META_BYTES + body.len()).unwrap_or(u32::MAX);
        let mut rest = Vec::with_capacity(META_BYTES + body.len());
        rest.push(kind);
        rest.extend(number.to_le_bytes());
        rest.extend(time.to_le_bytes());
        rest.extend(body);
        let mut bytes = Vec::with_capacity(FRAME_BYTES + rest.len());
        bytes.extend(length.to_le_bytes());
        bytes.extend(checksum(length, &rest).to_le_bytes());
        bytes.extend(rest);
        bytes
    }

    fn decode(bytes: Vec<u8>) -> Option<Self> {
        let mut rest = &*bytes;
        let (kind, number, time) = (
            take::<1>(&mut rest)?,
            number(&mut rest)?,
            take(&mut rest).map(u64::from_le_bytes)?,
        );
        match kind {
            [RECORD] => Some(Self::Record {
                number,
                time,
                body: Bytes::from(bytes).split_off(META_BYTES),
            }),
            [GONE] => Some(Self::Gone { before: number }),
            _ => None,
        }
    }
}

/// Of the length too, so that no run of zeros is an entry.
fn checksum(length: u32, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(rest);
    hasher.finalize()
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*taken)
}

/// The number of a record: there is always a next one.
fn number(from: &mut &[u8]) -> Option<u64> {
    take(from)
        .map(u64::from_le_bytes)
        .filter(|number| *number < NUMBERS_END)
}

/// The entries of a segment, from behind its head. Damage is passed over where the next entry can still be found.
#[derive(Debug)]
pub(super) struct Entries<R> {
    from: R,
    left: u64,
    /// Places that were no entry.
    pub(super) damaged: u64,
    /// Whether the end is missing, as after a crash.
    pub(super) torn: bool,
}

impl<R: Read> Entries<R> {
    /// `left` bytes of `from`.
    pub(super) fn new(from: R, left: u64) -> Self {
        Self {
            from,
            left,
            damaged: 0,
            torn: false,
        }
    }

    fn read(&mut self, bytes: usize) -> Option<Vec<u8>> {
        if bytes as u64 > self.left {
            return None;
        }
        let mut read = vec![0; bytes];
        self.from.read_exact(&mut read).ok()?;
        self.left -= bytes as u64;
        Some(read)
    }

    fn entry(&mut self) -> Option<Result<Entry, Damage>> {
        if self.left == 0 {
            return None;
        }
        let Some(frame) = self.read(FRAME_BYTES) else {
            return Some(Err(Damage::Torn));
        };
        let mut rest = &*frame;
        let (length, sum) = (
            take(&mut rest).map(u32::from_le_bytes)?,
            take(&mut rest).map(u32::from_le_bytes)?,
        );
        let bytes = length as usize;
        if !(META_BYTES..=META_BYTES + MAX_BODY_BYTES).contains(&bytes) {
            let nothing = (length, sum) == (0, 0);
            return Some(Err(if nothing {
                Damage::Torn
            } else {
                Damage::ToTheEnd
            }));
        }
        let Some(bytes) = self.read(bytes) else {
            return Some(Err(Damage::Torn));
        };
        if checksum(length, &bytes) != sum {
            return Some(Err(Damage::OfOne));
        }
        Some(Entry::decode(bytes).ok_or(Damage::OfOne))
    }
}

enum Damage {
    /// What comes next may be sound.
    OfOne,
    /// Nobody knows where the next would begin.
    ToTheEnd,
    /// It was never written to its end.
    Torn,
}

impl<R: Read> Iterator for Entries<R> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            match self.entry()? {
                Ok(entry) => return Some(entry),
                Err(Damage::OfOne) => self.damaged += 1,
                Err(Damage::ToTheEnd) => {
                    self.damaged += 1;
                    self.left = 0;
                }
                Err(Damage::Torn) => {
                    self.torn = true;
                    self.left = 0;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(bodies: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Header { next: 7, gone: 3 }.encode();
        let mut ends = Vec::new();
        for (number, body) in (7..).zip(bodies) {
            let body = Bytes::from(body.clone());
            bytes.extend(
                Entry::Record {
                    number,
                    time: 1,
                    body,
                }
                .encode(),
            );
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn read(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let head = read_head(&mut bytes).unwrap();
        if !matches!(head, Head::Segment(_)) {
            return Vec::new();
        }
        Entries::new(bytes, bytes.len() as u64)
            .map(|entry| match entry {
                Entry::Record { body, .. } => body.to_vec(),
                Entry::Gone { .. } => panic!("nothing was gone"),
            })
            .collect()
    }

    fn some_bodies() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20)
    }

    proptest! {
        #[test]
        fn of_a_segment_that_is_cut_off_anywhere_every_whole_record_is_kept(
            bodies in some_bodies(), cut in any::<prop::sample::Index>(),
        ) {
            let (mut bytes, ends) = segment(&bodies);
            bytes.truncate(cut.index(bytes.len() + 1));
            let whole = ends.iter().filter(|end| **end <= bytes.len()).count();
            prop_assert_eq!(read(&bytes), &bodies[..whole]);
        }

        #[test]
        fn where_bytes_are_changed_what_is_before_them_is_kept_and_nothing_is_made_up(
            bodies in some_bodies(),
            flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=u8::MAX), 1..5),
        ) {
            let (sound, ends) = segment(&bodies);
            let mut bytes = sound.clone();
            for (place, flip) in flips {
                bytes[place.index(sound.len())] ^= flip;
            }
            let first = sound.iter().zip(&bytes).position(|(sound, byte)| sound != byte);
            let whole = first.map_or(bodies.len(), |first| {
                ends.iter().filter(|end| **end <= first).count()
            });
            let kept = read(&bytes);
            prop_assert!(kept.starts_with(&bodies[..whole]), "{} of {whole}", kept.len());
            let mut all = bodies.iter();
            prop_assert!(kept.iter().all(|kept| all.any(|body| body == kept)), "in order, as they were");
        }

        #[test]
        fn anything_at_all_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let mut file = Header::default().encode();
            file.extend(&bytes);
            prop_assert!(read(&file).is_empty());
            prop_assert!(read(&bytes).is_empty());
        }
    }

    #[test]
    fn one_damaged_record_does_not_take_the_next_with_it() {
        let (mut bytes, ends) = segment(&[vec![1; 50], vec![2; 50], vec![3; 50]]);
        bytes[ends[1] - 1] ^= 1;
        assert_eq!(read(&bytes), [vec![1; 50], vec![3; 50]]);
    }

    #[test]
    fn heads_tell_what_is_ours() {
        let sound = Header { next: 9, gone: 4 }.encode();
        let head = |bytes: &[u8]| read_head(&mut { bytes }).unwrap();
        assert_eq!(
            head(&sound),
            Head::Segment(Some(Header { next: 9, gone: 4 }))
        );
        for length in 0..HEADER_BYTES {
            assert_eq!(head(&sound[..length]), Head::Unfinished);
        }
        assert_eq!(head(&[0; HEADER_BYTES]), Head::Unfinished);
        let mut damaged = sound.clone();
        damaged[15] ^= 1;
        assert_eq!(head(&damaged), Head::Segment(None));
        let mut newer = sound;
        newer[8] += 1;
        assert_eq!(head(&newer), Head::Foreign);
        assert_eq!(head(b"some text"), Head::Foreign);
    }

    #[test]
    fn what_is_gone_is_read_back() {
        let bytes = Entry::Gone { before: 77 }.encode();
        let entries: Vec<_> = Entries::new(&*bytes, bytes.len() as u64).collect();
        assert_eq!(entries, [Entry::Gone { before: 77 }]);
    }
}
