//! What is kept of each pod: five numbers for each of its last slots, in three bytes each.

use super::line::Line;
use crate::pods::{Owner, PodReading};
use crate::sample::Five;

/// Of one number. No network namespace has room for more sockets than that tells: the kernel has 16 M at most for all its tables.
const NUMBER_BYTES: usize = 3;

/// Of one slot.
const SLOT_BYTES: usize = NUMBER_BYTES * Five::ALL.len();

/// Where nothing was told.
const NOTHING: u8 = 0xff;

/// One owner of sockets, and its last hour.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pod {
    pub(super) owner: Owner,
    /// So many slots ago it was told of last.
    ago: usize,
    /// Whether the last sample told of it.
    is_told: bool,
    slots: Box<[u8]>,
}

/// The pods, each once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    pods: Vec<Pod>,
    most: usize,
}

impl Pod {
    fn new(owner: Owner, slots: usize) -> Self {
        Self {
            owner,
            ago: 0,
            is_told: false,
            slots: vec![NOTHING; slots * SLOT_BYTES].into(),
        }
    }

    fn slot(&mut self, place: usize) -> Option<&mut [u8]> {
        self.slots.chunks_exact_mut(SLOT_BYTES).nth(place)
    }

    /// One of the five in one slot.
    pub(super) fn value(&self, place: usize, five: Five) -> Option<u64> {
        let slot = self.slots.chunks_exact(SLOT_BYTES).nth(place)?;
        match slot.chunks_exact(NUMBER_BYTES).nth(five as usize)? {
            [NOTHING, NOTHING, NOTHING] => None,
            [low, middle, high] => Some(u64::from(u32::from_le_bytes([*low, *middle, *high, 0]))),
            _ => None,
        }
    }

    /// All five in one slot; nothing if any is not known.
    pub(super) fn values(&self, place: usize) -> Option<[u64; Five::ALL.len()]> {
        let mut values = [0; Five::ALL.len()];
        for (value, five) in values.iter_mut().zip(Five::ALL) {
            *value = self.value(place, five)?;
        }
        Some(values)
    }

    fn clear(&mut self, place: usize) {
        if let Some(slot) = self.slot(place) {
            slot.fill(NOTHING);
        }
    }

    /// One of the five as the last sample told it; its slot alone may have it from another one.
    pub(super) fn now(&self, line: &Line, five: Five) -> Option<u64> {
        let place = line.last(1).next().filter(|_| self.is_told)?;
        self.value(place, five)
    }

    /// Writes all five, as the last sample tells them.
    fn tell(&mut self, place: usize, values: [u64; Five::ALL.len()]) {
        self.is_told = self.set(place, values);
    }

    /// Writes all five; nothing where one of them is more than can be told. Whether it did.
    pub(super) fn set(&mut self, place: usize, values: [u64; Five::ALL.len()]) -> bool {
        let is_possible = |value: &u64| *value < 0x00ff_ffff;
        let Some(slot) = self.slot(place).filter(|_| values.iter().all(is_possible)) else {
            return false;
        };
        for (bytes, value) in slot.chunks_exact_mut(NUMBER_BYTES).zip(values) {
            for (byte, part) in bytes.iter_mut().zip(value.to_le_bytes()) {
                *byte = part;
            }
        }
        self.ago = 0;
        true
    }
}

/// Whether both are the same, whatever they are called: a name may be found later.
fn is_same(one: &Owner, other: &Owner) -> bool {
    match (one, other) {
        (Owner::Pod { uid, .. }, Owner::Pod { uid: other, .. }) => uid == other,
        (Owner::Container { id }, Owner::Container { id: other }) => id == other,
        (Owner::Other, Owner::Other) => true,
        _ => false,
    }
}

impl Table {
    pub(super) fn new(most: usize) -> Self {
        Self {
            pods: Vec::new(),
            most,
        }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn has(&self, owner: &Owner) -> bool {
        self.find(owner, 0).is_some()
    }

    pub(super) fn bytes(&self, line: &Line) -> usize {
        self.most
            .saturating_mul(size_of::<Pod>() + line.slots() * SLOT_BYTES)
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Pod> {
        self.pods.iter()
    }

    /// So many slots have come, and hold what was there before. Who has nothing left is forgotten.
    pub(super) fn advance(&mut self, line: &Line, new: usize) {
        if new == 0 {
            return;
        }
        self.pods.retain_mut(|pod| {
            pod.ago = pod.ago.saturating_add(new);
            line.last(new).for_each(|place| pod.clear(place));
            pod.ago < line.slots()
        });
    }

    /// Puts in what a sample tells.
    pub(super) fn take(&mut self, readings: &[PodReading], line: &Line, place: usize) {
        // Pods come in the same order each time, so each is where the one before it was, and one more.
        let mut next = 0;
        let mut new = Vec::new();
        for pod in &mut self.pods {
            pod.is_told = false;
        }
        for reading in readings
            .iter()
            .filter(|reading| reading.counted.is_trusted())
        {
            let values = Five::ALL.map(|five| five.of(&reading.counted));
            let Some(found) = self.find(&reading.owner, next) else {
                new.push((&reading.owner, values));
                continue;
            };
            next = found + 1;
            if let Some(pod) = self.pods.get_mut(found) {
                if pod.owner != reading.owner {
                    pod.owner = reading.owner.clone();
                }
                pod.tell(place, values);
            }
        }
        // After those that are known, so that none of them makes room.
        for (owner, values) in new {
            if let Some(pod) = self.add(owner, line.slots()) {
                pod.tell(place, values);
            }
        }
    }

    /// Makes room for one more, if there is none at the cost of who has not been told of for longest. Nothing where all are being told of.
    pub(super) fn add(&mut self, owner: &Owner, slots: usize) -> Option<&mut Pod> {
        let pod = Pod::new(owner.clone(), slots);
        if self.pods.len() < self.most {
            // No doubling: what a vector has in reserve would be memory that nobody stated.
            self.pods.reserve_exact(1);
            self.pods.push(pod);
            return self.pods.last_mut();
        }
        let longest = self.pods.iter_mut().max_by_key(|pod| pod.ago)?;
        if longest.ago == 0 {
            return None;
        }
        *longest = pod;
        Some(longest)
    }

    /// What has been put in place by place is so old.
    pub(super) fn age(&mut self, line: &Line) {
        for pod in &mut self.pods {
            let told = line
                .last(line.slots())
                .position(|place| pod.values(place).is_some());
            pod.ago = told.unwrap_or(line.slots());
        }
        self.pods.retain(|pod| pod.ago < line.slots());
    }

    fn find(&self, owner: &Owner, guess: usize) -> Option<usize> {
        let is_it = |pod: &Pod| is_same(&pod.owner, owner);
        if self.pods.get(guess).is_some_and(is_it) {
            return Some(guess);
        }
        self.pods.iter().position(is_it)
    }
}
