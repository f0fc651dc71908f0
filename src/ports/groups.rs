//! How many there are of each kind, in bounded memory however many kinds there are.

use std::collections::HashMap;
use std::hash::Hash;

/// Counts by kind, as Misra and Gries do: exact as long as there is room for every kind. Beyond it one is taken off each of them, together
/// with the one that finds no room; a kind is then counted too low, by no more than the number of times that this was done.
#[derive(Debug)]
pub(super) struct Groups<K> {
    counts: HashMap<K, u32>,
    most: usize,
    lost: u64,
}

impl<K: Eq + Hash> Groups<K> {
    /// Room for `most` kinds.
    pub(super) fn new(most: usize) -> Self {
        Self {
            counts: HashMap::with_capacity(most),
            most,
            lost: 0,
        }
    }

    /// Counts one more.
    pub(super) fn add(&mut self, kind: K) {
        if let Some(count) = self.counts.get_mut(&kind) {
            *count = count.saturating_add(1);
        } else if self.counts.len() < self.most {
            self.counts.insert(kind, 1);
        } else {
            // Each time takes off as many as there is room for, so it is seldom.
            self.lost += 1;
            self.counts.retain(|_, count| {
                *count -= 1;
                *count > 0
            });
        }
    }

    /// By so much at most a kind can be more than it was counted.
    pub(super) fn uncertainty(&self) -> u64 {
        self.lost
    }

    /// Every kind that was counted.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, u64)> {
        self.counts
            .iter()
            .map(|(kind, count)| (kind, u64::from(*count)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Many of few kinds, and few of many.
    fn kinds() -> impl Strategy<Value = Vec<u16>> {
        let kind = prop_oneof![0..4_u16, 0..30_u16, any::<u16>()];
        prop::collection::vec(kind, 0..500)
    }

    proptest! {
        #[test]
        fn no_kind_is_counted_too_high_or_lower_than_is_said(kinds in kinds(), most in 1..40_usize) {
            let mut groups = Groups::new(most);
            let mut naive = HashMap::<u16, u64>::new();
            for kind in &kinds {
                groups.add(*kind);
                *naive.entry(*kind).or_default() += 1;
            }
            let counted: HashMap<u16, u64> = groups.iter().map(|(kind, count)| (*kind, count)).collect();
            prop_assert!(counted.len() <= most);
            for (kind, count) in &naive {
                let found = counted.get(kind).copied().unwrap_or_default();
                prop_assert!(found <= *count);
                prop_assert!(*count <= found + groups.uncertainty());
            }
            prop_assert!(groups.uncertainty() <= kinds.len() as u64 / (most as u64 + 1));
            if naive.len() <= most {
                prop_assert_eq!(groups.uncertainty(), 0);
                prop_assert_eq!(counted, naive);
            }
        }
    }
}
