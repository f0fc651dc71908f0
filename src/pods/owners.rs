//! What is told of each owner: the sum of its namespaces, and who is told of by name where there are too many.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::whose::Key;
use super::{Gate, Owner, PodReading};
use crate::source::{Counted, Details, Sockets};

/// What is known of one namespace at a tick.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) counted: Counted,
    pub(super) gate: Gate,
    pub(super) age: Duration,
    pub(super) details: Option<Details>,
}

impl Told {
    /// The same, of whom it is.
    pub(super) fn of(self, owner: Owner) -> PodReading {
        PodReading {
            owner,
            counted: self.counted,
            gate: self.gate,
            age: self.age,
            details: self.details,
        }
    }
}

/// One owner's namespaces together.
#[derive(Clone, Debug)]
pub(super) struct Sum {
    /// Nothing if one of them is not known: the sum would be too small.
    pub(super) told: Option<Told>,
    /// Sockets, as far as they are known.
    size: u64,
}

impl Sum {
    /// Of one namespace.
    pub(super) fn of(told: Option<Told>, size: u64) -> Self {
        Self { told, size }
    }

    fn and(self, other: Self) -> Self {
        let told = self.told.zip(other.told).map(|(one, other)| Told {
            counted: together(one.counted, other.counted),
            gate: one.gate.max(other.gate),
            age: one.age.max(other.age),
            details: both(one.details, other.details),
        });
        Self {
            told,
            size: self.size.saturating_add(other.size),
        }
    }
}

/// What was seen in two namespaces of one owner.
///
/// A gate holds only where no queue is and nobody is looked for, so there is nothing to be added; but its listeners have names
/// that nobody told.
fn both(one: Option<Details>, other: Option<Details>) -> Option<Details> {
    match (one, other) {
        (Some(mut one), Some(other)) => {
            one.merge(other);
            Some(one)
        }
        (one, other) => one.or(other).map(|read| Details {
            listening: None,
            ..read
        }),
    }
}

fn together(one: Counted, other: Counted) -> Counted {
    let sockets = match (one.sockets, other.sockets) {
        (
            Sockets::ByFamily { ipv4, ipv6 },
            Sockets::ByFamily {
                ipv4: other4,
                ipv6: other6,
            },
        ) => Sockets::ByFamily {
            ipv4: ipv4 + other4,
            ipv6: match (ipv6, other6) {
                (Some(one), Some(other)) => Some(one + other),
                (one, other) => one.or(other),
            },
        },
        (one, other) => Sockets::Together {
            both: one.both() + other.both(),
        },
    };
    Counted {
        sockets,
        unrecognised: one.unrecognised.saturating_add(other.unrecognised),
        malformed: one.malformed.saturating_add(other.malformed),
        rows: one.rows.saturating_add(other.rows),
    }
}

/// Who is told of by name.
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeSet<Key>);

/// Who is not shown takes the place of who is if it has more than so many times the sockets,
const MUCH_BUSIER: u64 = 2;
/// and so many more: what few sockets do tells nothing.
const MORE: u64 = 10;

/// All owners, and all others together.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) owners: BTreeMap<Key, Sum>,
    /// Nothing where there are no others.
    pub(super) others: Option<Sum>,
    /// Who is among the others for want of room.
    pub(super) summed: Vec<Key>,
}

impl Shown {
    /// Puts namespaces together by owner, of whom the `most` busiest stay by themselves.
    ///
    /// Who is shown stays, as long as nobody is much busier: a series that comes and goes helps nobody.
    pub(super) fn choose(
        &mut self,
        most: usize,
        spaces: impl Iterator<Item = (Key, Sum)>,
    ) -> Table {
        let mut table = Table::default();
        for (key, sum) in spaces {
            let sum = match table.owners.remove(&key) {
                Some(known) => known.and(sum),
                None => sum,
            };
            table.owners.insert(key, sum);
        }
        table.others = table.owners.remove(&Key::Unowned);
        if table.owners.len() <= most {
            self.0 = table.owners.keys().cloned().collect();
            return table;
        }
        let mut ranked: Vec<_> = table
            .owners
            .iter()
            .map(|(key, sum)| {
                let is_shown = self.0.contains(key);
                let busy = if is_shown {
                    sum.size.saturating_mul(MUCH_BUSIER).saturating_add(MORE)
                } else {
                    sum.size
                };
                (busy, is_shown, key.clone())
            })
            .collect();
        ranked.sort_unstable_by(|one, other| {
            (other.0, other.1)
                .cmp(&(one.0, one.1))
                .then_with(|| one.2.cmp(&other.2))
        });
        self.0 = ranked.into_iter().take(most).map(|(.., key)| key).collect();
        let (shown, rest) = std::mem::take(&mut table.owners)
            .into_iter()
            .partition(|(key, _)| self.0.contains(key));
        table.owners = shown;
        let rest: BTreeMap<Key, Sum> = rest;
        table.summed = rest.keys().cloned().collect();
        for sum in rest.into_values() {
            table.others = Some(match table.others {
                Some(others) => others.and(sum),
                None => sum,
            });
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::details::{Endpoint, Held, Holder, Holders};
    use crate::tcp::Counts;

    fn space(gate: Gate, details: Option<Details>) -> Sum {
        let both = Counts::default();
        let told = Told {
            counted: Counted::of(Sockets::Together { both }),
            gate,
            age: Duration::ZERO,
            details,
        };
        Sum::of(Some(told), 0)
    }

    #[test]
    fn who_holds_sockets_in_one_namespace_is_told_of_though_another_was_merely_looked_at() {
        let holder = Holder {
            uid: Some(26),
            endpoint: Endpoint::Local(8080),
        };
        let held = Held {
            sockets: 54,
            ..Held::default()
        };
        let read = || {
            let holders = Holders {
                groups: [(holder, Box::new(held.clone()))].into(),
                rest: 0,
            };
            let details = Details {
                holders: Some(holders),
                listening: Some([].into()),
                ..Details::default()
            };
            space(Gate::Read, Some(details))
        };
        let looked_at = || space(Gate::Hold, None);
        for sum in [read().and(looked_at()), looked_at().and(read())] {
            let details = sum.told.unwrap().details.unwrap();
            assert_eq!(details.holders.unwrap().total(), 54);
            // Which ports the other listens on nobody has said.
            assert_eq!(details.listening, None);
        }
        let neither = looked_at().and(looked_at());
        assert_eq!(neither.told.unwrap().details, None);
    }
}
