//! History as bytes: what is there and nothing else, so that what has gaps, and small numbers, is small.
//!
//! A version, the interval, when the last sample was taken; then lists, of the hour, the week and each pod, in which each slot
//! has its number, less that of the one before. Ahead of them the number of the newest slot is told, which may be empty, and one
//! more; 0 where there is none. Numbers are varints. Whether bytes are as they were written is for whoever stores them to know;
//! nothing here trusts that.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::host::{Added, COUNTS, Counts, Host, Quarter, SPREADS};
use super::line::{END_MS, Line, since_epoch, whole};
use super::pods::Table;
use super::{HOUR, History, QUARTER};
use crate::pods::{Owner, PodName};
use crate::sample::Five;
use crate::source::Scope;

const VERSION: u64 = 1;

/// No text in it is longer: names of namespaces and pods, UIDs and ids.
const LONGEST_TEXT: usize = 256;

/// What came before the last sample may be later than now by so much: clocks are set a little all the time.
const LITTLE: i64 = 60_000;

const NO_SCOPE: u64 = 0;
const HOST: u64 = 1;
const OWN: u64 = 2;

const OTHER: u64 = 0;
const CONTAINER: u64 = 1;
const POD: u64 = 2;
const NAMED_POD: u64 = 3;

/// Why bytes are no history. What was in memory is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// They are by another version.
    #[error("it is of version {0}, and this is one that reads version {VERSION}")]
    Version(u64),
    /// They are no history.
    #[error("{0}")]
    Damaged(&'static str),
}

use RestoreError::Damaged;

/// What was taken up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The last sample was so much later than now, so the clock has been set back: all was moved, to end now.
    pub moved_back: Option<Duration>,
}

impl History {
    /// All of it, to be taken up by another run.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, VERSION);
        put(&mut bytes, self.interval.unsigned_abs());
        put(&mut bytes, self.minutes.width.unsigned_abs());
        put(&mut bytes, self.last.unwrap_or_default().unsigned_abs());
        let scope = self.host.as_ref().map(|host| host.scope);
        put(
            &mut bytes,
            match scope {
                None => NO_SCOPE,
                Some(Scope::Host) => HOST,
                Some(Scope::Own) => OWN,
            },
        );
        let host = self.host.as_ref();
        let hour = |place| Some(host?.in_hour(place)?.as_array());
        put_newest(&mut bytes, &self.hour);
        slots(&mut bytes, &self.hour, hour, |bytes, counts| {
            for count in counts {
                put(bytes, u64::from(*count));
            }
        });
        put_newest(&mut bytes, &self.week);
        slots(
            &mut bytes,
            &self.week,
            |place| host?.in_week(place),
            |bytes, quarter| {
                put(bytes, u64::from(quarter.samples()));
                for Added { sum, least, most } in quarter.spreads() {
                    put(bytes, *sum);
                    put(bytes, u64::from(*least));
                    put(bytes, u64::from(*most));
                }
            },
        );
        put_newest(&mut bytes, &self.minutes);
        put(&mut bytes, self.pods.iter().len() as u64);
        for pod in self.pods.iter() {
            put_owner(&mut bytes, &pod.owner);
            let values = |place| pod.values(place);
            slots(&mut bytes, &self.minutes, values, |bytes, values| {
                for value in values {
                    put(bytes, value);
                }
            });
        }
        bytes
    }

    /// Takes up what another run saved. What has no room is left out: pods beyond the bound, and what is older than an hour or a
    /// week than its end. Where the interval was another one, each point goes into the slot that its time is in, and the last of
    /// several stays.
    ///
    /// Bytes that make no sense are an error; they cost no more than they are long, and change nothing.
    pub fn restore(&mut self, bytes: &[u8], now: SystemTime) -> Result<Restored, RestoreError> {
        let mut from = Reader(bytes);
        let version = from.number()?;
        if version != VERSION {
            return Err(RestoreError::Version(version));
        }
        let mut new = Self::with(self.interval, self.pods.most());
        let hour_width = from.width()?;
        let minutes_width = from.width()?;
        let saved_at = Some(from.below(END_MS)?).filter(|time| *time > 0);
        let scope = match from.number()? {
            NO_SCOPE => None,
            HOST => Some(Scope::Host),
            OWN => Some(Scope::Own),
            _ => return Err(Damaged("it tells of sockets of nobody")),
        };
        let mut host = scope.map(|scope| Host::new(scope, &new.hour, &new.week));
        let line = &mut new.hour;
        from.newest(hour_width, line)?;
        from.slots(hour_width, |from, time| {
            let counts = Counts::from_array(from.numbers::<COUNTS>()?);
            let counts = counts.ok_or(Damaged("it counts more than there can be"))?;
            let host = host.as_mut().ok_or(Damaged("it has points of nobody"))?;
            if let Some(place) = line.find(time) {
                host.set_hour(place, Some(counts));
            }
            Ok(())
        })?;
        let line = &mut new.week;
        from.newest(whole(QUARTER), line)?;
        from.slots(whole(QUARTER), |from, time| {
            let samples = from.small()?;
            let mut spreads = [Added::default(); SPREADS];
            for spread in &mut spreads {
                let (sum, least, most) = (from.number()?, from.small()?, from.small()?);
                *spread = Added { sum, least, most };
            }
            let quarter = Quarter::from_parts(samples, spreads);
            let quarter = quarter.ok_or(Damaged("an average is not between least and most"))?;
            let host = host.as_mut().ok_or(Damaged("it has quarters of nobody"))?;
            if let Some(place) = line.find(time) {
                host.set_quarter(place, quarter);
            }
            Ok(())
        })?;
        new.host = host;
        from.newest(minutes_width, &mut new.minutes)?;
        from.pods(minutes_width, &new.minutes, &mut new.pods)?;
        if !from.0.is_empty() {
            return Err(Damaged("it goes on behind its end"));
        }
        let now = since_epoch(now);
        let ahead = saved_at.unwrap_or_default() - now;
        if ahead > 0 {
            new.shift(-ahead);
        }
        new.end_at(now);
        new.last = saved_at.map(|time| time.min(now));
        *self = new;
        let moved_back = (ahead > LITTLE).then(|| Duration::from_millis(ahead.unsigned_abs()));
        Ok(Restored { moved_back })
    }
}

fn put_newest(bytes: &mut Vec<u8>, line: &Line) {
    let number = line.newest().map_or(0, |newest| newest + 1);
    put(bytes, u64::try_from(number).unwrap_or_default());
}

/// Writes the slots in which there is something.
fn slots<T>(
    bytes: &mut Vec<u8>,
    line: &Line,
    value: impl Fn(usize) -> Option<T>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    let filled = line
        .numbered()
        .filter_map(|(number, place)| Some((u64::try_from(number).ok()?, value(place)?)));
    let number = filled.clone().count();
    put(bytes, number as u64);
    let mut before = 0;
    for (number, value) in filled {
        put(bytes, number - before);
        before = number;
        write(bytes, value);
    }
}

fn put_owner(bytes: &mut Vec<u8>, owner: &Owner) {
    let text = |bytes: &mut Vec<u8>, text: &str| {
        put(bytes, text.len() as u64);
        bytes.extend(text.as_bytes());
    };
    match owner {
        Owner::Other => put(bytes, OTHER),
        Owner::Container { id } => {
            put(bytes, CONTAINER);
            text(bytes, id);
        }
        Owner::Pod { uid, name: None } => {
            put(bytes, POD);
            text(bytes, uid);
        }
        Owner::Pod {
            uid,
            name: Some(name),
        } => {
            put(bytes, NAMED_POD);
            text(bytes, uid);
            text(bytes, &name.namespace);
            text(bytes, &name.pod);
        }
    }
}

/// Seven bits to a byte, the least first; the eighth tells that there are more.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while let Some(low) = u8::try_from(number & 0x7f).ok().filter(|_| number > 0x7f) {
        bytes.push(low | 0x80);
        number >>= 7;
    }
    bytes.extend(u8::try_from(number));
}

/// What is left to be read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Result<u64, RestoreError> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Damaged("it ends too early"))?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damaged("a number in it has no end"))
    }

    fn small(&mut self) -> Result<u32, RestoreError> {
        u32::try_from(self.number()?).map_err(|_| Damaged("a number in it is too large"))
    }

    fn below(&mut self, end: i64) -> Result<i64, RestoreError> {
        let number = i64::try_from(self.number()?).ok();
        let number = number.filter(|number| *number <= end);
        number.ok_or(Damaged("a time in it is past the end of time"))
    }

    fn width(&mut self) -> Result<i64, RestoreError> {
        let width = self.below(whole(HOUR))?;
        let is_one = width >= 1000;
        is_one
            .then_some(width)
            .ok_or(Damaged("an interval in it is none"))
    }

    fn numbers<const N: usize>(&mut self) -> Result<[u32; N], RestoreError> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = self.small()?;
        }
        Ok(numbers)
    }

    fn text(&mut self) -> Result<Arc<str>, RestoreError> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if length > LONGEST_TEXT {
            return Err(Damaged("a name in it is too long"));
        }
        let (text, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(Damaged("it ends too early"))?;
        self.0 = rest;
        let text = std::str::from_utf8(text).map_err(|_| Damaged("a name in it is no text"))?;
        Ok(Arc::from(text))
    }

    /// Slots of this width, each later than the one before.
    fn slots(
        &mut self,
        width: i64,
        mut each: impl FnMut(&mut Self, i64) -> Result<(), RestoreError>,
    ) -> Result<(), RestoreError> {
        let mut number = 0;
        for nth in 0..self.number()? {
            let step = self.below(END_MS)?;
            if step == 0 && nth > 0 {
                return Err(Damaged("a time in it is there twice"));
            }
            number += step;
            if number > END_MS / width {
                return Err(Damaged("a time in it is past the end of time"));
            }
            each(self, number * width)?;
        }
        Ok(())
    }

    fn owner(&mut self) -> Result<Owner, RestoreError> {
        Ok(match self.number()? {
            OTHER => Owner::Other,
            CONTAINER => Owner::Container { id: self.text()? },
            POD => Owner::Pod {
                uid: self.text()?,
                name: None,
            },
            NAMED_POD => Owner::Pod {
                uid: self.text()?,
                name: Some(PodName {
                    namespace: self.text()?,
                    pod: self.text()?,
                }),
            },
            _ => return Err(Damaged("it tells of an owner of no kind")),
        })
    }

    fn newest(&mut self, width: i64, line: &mut Line) -> Result<(), RestoreError> {
        let number = self.below(END_MS / width)?;
        if number > 0 {
            line.place((number - 1) * width);
        }
        Ok(())
    }

    fn pods(&mut self, width: i64, line: &Line, pods: &mut Table) -> Result<(), RestoreError> {
        for _ in 0..self.number()? {
            let owner = self.owner()?;
            if pods.has(&owner) {
                return Err(Damaged("a pod is in it twice"));
            }
            let mut pod = pods.add(&owner, line.slots());
            self.slots(width, |from, time| {
                let values = from.numbers::<{ Five::ALL.len() }>()?;
                if let (Some(pod), Some(place)) = (&mut pod, line.find(time)) {
                    pod.set(place, values.map(u64::from));
                }
                Ok(())
            })?;
        }
        pods.age(line);
        Ok(())
    }
}
