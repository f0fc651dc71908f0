//! Whose a network namespace is, told from who is in it. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::called::Called;
use super::cgroup::Evidence;

/// Whose a namespace is, without the names that people give.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A pod, by its UID.
    Pod(Arc<str>),
    /// A container of no pod, by its id.
    Container(Arc<str>),
    /// Nobody's that is known.
    #[default]
    Unowned,
}

/// Whose a namespace is. `members` are who is in it, each with the walk that found it there, in that order and then by age.
///
/// Who was there first knows best: who enters a namespace later, however old, need not belong to it. Of those who were there
/// first, the oldest tells: a node that is a container (as kind's are) is not one of the pods that share its network. Where
/// all of them are of pods, and not of the same, most of them tell, or nobody does.
pub(super) fn owner<'a>(
    members: impl Iterator<Item = (u64, &'a Evidence)> + Clone,
    called: &Called,
) -> Key {
    let mut first = None;
    let mut votes: BTreeMap<Key, u32> = BTreeMap::new();
    let mut oldest = None;
    for (joined, evidence) in members.clone() {
        let Some(key) = key(evidence, called) else {
            continue;
        };
        if *first.get_or_insert(joined) != joined {
            break;
        }
        *votes.entry(key.clone()).or_default() += 1;
        oldest.get_or_insert(key);
    }
    if votes.keys().any(|key| !matches!(key, Key::Pod(_))) {
        // A pod's own sandbox may be known by nothing but an id that no link tells; a container of the same pod is not.
        let mut of_containers = members.filter(|(_, found)| found.pod.is_none());
        let by_name = of_containers.find_map(|(_, found)| called.pod_of(found.container.as_ref()?));
        return match (oldest, by_name) {
            (Some(Key::Container(_)), Some(uid)) => Key::Pod(uid),
            (oldest, _) => oldest.unwrap_or_default(),
        };
    }
    let most = votes.values().max().copied();
    let mut winners = votes
        .into_iter()
        .filter(|(_, number)| Some(*number) == most);
    match (winners.next(), winners.next()) {
        (Some((winner, _)), None) => winner,
        _ => Key::Unowned,
    }
}

/// Whose a process is, if it tells.
fn key(evidence: &Evidence, called: &Called) -> Option<Key> {
    if let Some(uid) = &evidence.pod {
        return Some(Key::Pod(Arc::clone(uid)));
    }
    let container = evidence.container.as_ref()?;
    let pod = called.pod_of(container);
    Some(pod.map_or_else(|| Key::Container(Arc::clone(container)), Key::Pod))
}

#[cfg(test)]
#[path = "whose_tests.rs"]
mod tests;
