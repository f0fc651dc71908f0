//! Since when each group has been there. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Group, MOST_GROUPS, Seen};
use crate::source::details::Endpoint;

/// So long is remembered of an owner that was not told of meanwhile.
const MEMORY: Duration = Duration::from_mins(10);

/// So many groups are remembered: those that are there, and as many of owners that are not told of just now.
const MOST_REMEMBERED: usize = 2 * MOST_GROUPS;

/// What makes a group the same from one time to the next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    whose: String,
    user: Option<u32>,
    endpoint: Endpoint,
    process: Option<(u32, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Sighting {
    first: Instant,
    sockets: u64,
    last: Instant,
}

/// First sightings of groups.
#[derive(Debug, Default)]
pub(super) struct Sightings(HashMap<Key, Sighting>);

impl Sightings {
    /// Tells each group since when it has been there, and forgets those that are not any more.
    ///
    /// `was_told` says of whom everything is in `groups`: of others nothing is known just now, and nothing is forgotten.
    pub(super) fn see<'a>(
        &mut self,
        groups: impl Iterator<Item = (String, &'a mut Group)>,
        was_told: impl Fn(&str) -> bool,
        now: Instant,
    ) {
        let mut old = std::mem::take(&mut self.0);
        let groups: Vec<_> = groups
            .map(|(whose, group)| (key(whose, group), group))
            .collect();
        for (key, group) in &groups {
            let before = old.get(key).copied();
            let sighting = Sighting {
                last: now,
                ..before.unwrap_or(Sighting {
                    first: now,
                    sockets: group.sockets,
                    last: now,
                })
            };
            self.0.insert(key.clone(), sighting);
        }
        // Of whom the process was not known yet.
        for (key, _) in &groups {
            let nameless = Key {
                process: None,
                ..key.clone()
            };
            if key.process.is_some()
                && !old.contains_key(key)
                && !self.0.contains_key(&nameless)
                && let Some(before) = old.get(&nameless)
                && let Some(sighting) = self.0.get_mut(key)
            {
                (sighting.first, sighting.sockets) = (before.first, before.sockets);
            }
        }
        for (key, group) in groups {
            group.seen = self.0.get(&key).map(|sighting| Seen {
                ago: now.saturating_duration_since(sighting.first),
                sockets: sighting.sockets,
            });
        }
        old.retain(|key, sighting| {
            !was_told(&key.whose) && now.saturating_duration_since(sighting.last) <= MEMORY
        });
        let room = MOST_REMEMBERED.saturating_sub(self.0.len());
        self.0.extend(old.into_iter().take(room));
    }
}

fn key(whose: String, group: &Group) -> Key {
    let process = group.process.as_ref();
    Key {
        whose,
        user: group.user,
        endpoint: group.endpoint,
        process: process.map(|process| (process.pid, process.start)),
    }
}

#[cfg(test)]
#[path = "sightings_tests.rs"]
mod tests;
