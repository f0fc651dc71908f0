//! What is kept of a sample for whoever asks: as much as a status tells, however many pods there are.

use std::sync::Arc;
use std::time::SystemTime;

use crate::pods::{Pods, Stats};
use crate::sample::{Five, Sample, Vitals};
use crate::source::{Fault, Reading};

/// So many faults are told of; a node with many pods can have as many.
const MOST_FAULTS: usize = 20;

/// A sample, in short.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) time: SystemTime,
    /// The first of them.
    pub(super) faults: Vec<Fault>,
    pub(super) faults_in_all: usize,
    pub(super) readings: Vec<Reading>,
    pub(super) pods: Option<AllPods>,
    pub(super) vitals: Option<Vitals>,
}

/// All pods together.
#[derive(Debug)]
pub(super) struct AllPods {
    /// Those that were told of.
    pub(super) told: usize,
    /// Their sums, in the order of [`Five::ALL`]. Of none there is no sum: it would be a zero that nobody counted.
    pub(super) five: Option<[u64; 5]>,
    pub(super) gates_off: Option<Arc<str>>,
    pub(super) stats: Stats,
}

impl Kept {
    pub(super) fn of(sample: &Sample) -> Self {
        let mut readings = sample.readings.clone();
        for reading in &mut readings {
            reading.details.holders = None;
        }
        Self {
            time: sample.time,
            faults: sample.faults.iter().take(MOST_FAULTS).cloned().collect(),
            faults_in_all: sample.faults.len(),
            readings,
            pods: sample.pods.as_ref().map(AllPods::of),
            vitals: sample.vitals.clone(),
        }
    }
}

impl AllPods {
    fn of(pods: &Pods) -> Self {
        let sum = |five: Five| {
            let values = pods.readings.iter().map(|pod| five.of(&pod.counted));
            values.sum::<u64>()
        };
        Self {
            told: pods.readings.len(),
            five: (!pods.readings.is_empty()).then(|| Five::ALL.map(sum)),
            gates_off: pods.gates_off.clone(),
            stats: pods.stats,
        }
    }
}
