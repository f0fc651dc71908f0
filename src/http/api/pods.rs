//! `/api/v1/pods`: the pods that need attention, those that need it most first, each with its last hour.

use std::cmp::Reverse;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::super::board::View;
use super::super::wrongs::Wrongs;
use super::{Answered, asked, json};
use crate::alerts::Severity;
use crate::culprits::Whose;
use crate::history::PodHistory;
use crate::pods::Owner;
use crate::sample::Five;

/// So many are told of.
const MOST: usize = 200;

/// A pod that was not told of in the last of its slots, so many of them, has ended.
const GONE: usize = 3;

/// Answers.
pub(in super::super) fn pods(view: &View<'_>, query: &str) -> Answered {
    let metric = asked(query, "metric")?.unwrap_or(Five::Connections.name());
    let Some(five) = Five::ALL.into_iter().find(|five| five.name() == metric) else {
        let names = Five::ALL.map(Five::name).join(", ");
        return Err(format!("there is no such metric: one of {names}"));
    };
    let Some(history) = view.history() else {
        return Ok(json(&Told::new(five, 0)));
    };
    let troubles = view.wrongs(troubles).unwrap_or_default();
    let mut found = Found::default();
    for pod in history.pods().filter(|pod| is_there(*pod)) {
        found.put(pod, &troubles);
    }
    let mut told = Told::new(five, history.pod_interval().as_secs());
    told.pods_in_all = found.in_all;
    let first = found.first().into_iter();
    told.pods = first.map(|pod| Shown { pod, five }).collect();
    Ok(json(&told))
}

fn is_there(pod: PodHistory<'_>) -> bool {
    let hour = pod.hour(Five::Connections);
    let before = hour.len().saturating_sub(GONE);
    hour.skip(before).any(|(_, value)| value.is_some())
}

/// What stands of pods: whose it is, how bad, and by which rule.
type Troubles = Vec<(Owner, Severity, Arc<str>)>;

fn troubles(wrongs: &Wrongs<'_>) -> Troubles {
    let standing = wrongs.standing.iter();
    let of_pods = standing.filter_map(|alert| match &alert.whose {
        Whose::Of(owner) => Some((owner.clone(), alert.severity, alert.rule.clone())),
        Whose::Alone(_) => None,
    });
    of_pods.collect()
}

#[derive(Serialize)]
struct Told<'a> {
    metric: &'static str,
    hour_step_seconds: u64,
    pods_in_all: usize,
    pods: Vec<Shown<'a>>,
}

impl Told<'_> {
    fn new(five: Five, step: u64) -> Self {
        Self {
            metric: five.name(),
            hour_step_seconds: step,
            pods_in_all: 0,
            pods: Vec::new(),
        }
    }
}

/// A pod, and whose hour of it is told.
struct Shown<'a> {
    pod: Pod<'a>,
    five: Five,
}

/// A pod and what stands of it.
struct Pod<'a> {
    past: PodHistory<'a>,
    /// Each of its five, where the last sample told of it.
    now: [Option<u64>; 5],
    worst: Option<Severity>,
    rules: Vec<Arc<str>>,
}

impl Pod<'_> {
    /// What needs attention most is the least: what stands, then what leaks, then what is large.
    fn rank(&self) -> impl Ord + use<> {
        let [connections, _, _, close_wait, _] = self.now;
        (
            Reverse(self.worst),
            Reverse(close_wait),
            Reverse(connections),
        )
    }
}

/// The first of all pods.
#[derive(Default)]
struct Found<'a> {
    in_all: usize,
    pods: Vec<Pod<'a>>,
}

impl<'a> Found<'a> {
    fn put(&mut self, past: PodHistory<'a>, troubles: &Troubles) {
        let owner = past.owner();
        self.in_all += 1;
        let of_it = troubles.iter().filter(|(whose, ..)| is_same(whose, owner));
        self.pods.push(Pod {
            past,
            now: Five::ALL.map(|five| past.now(five)),
            worst: of_it.clone().map(|(_, severity, _)| *severity).max(),
            rules: of_it.map(|(.., rule)| rule.clone()).collect(),
        });
        // A node has a few times as many at most; the bound is for where it has not.
        if self.pods.len() >= 2 * MOST {
            self.sort();
        }
    }

    fn sort(&mut self) {
        self.pods.sort_by_cached_key(Pod::rank);
        self.pods.truncate(MOST);
    }

    fn first(mut self) -> Vec<Pod<'a>> {
        self.sort();
        self.pods
    }
}

/// Whether two are the same, even if the name of one has become known since.
fn is_same(one: &Owner, other: &Owner) -> bool {
    match (one, other) {
        (Owner::Pod { uid: one, .. }, Owner::Pod { uid: other, .. }) => one == other,
        (one, other) => one == other,
    }
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Hour<'a>(PodHistory<'a>, Five);
        impl Serialize for Hour<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.0.hour(self.1).map(|(_, value)| value))
            }
        }
        let pod = &self.pod;
        let owner = pod.past.owner();
        let rules: Vec<&str> = pod.rules.iter().map(|rule| &**rule).collect();
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("name", &owner.to_string())?;
        object.serialize_entry("owner", owner)?;
        object.serialize_entry("state", pod.worst.map_or("ok", Severity::name))?;
        object.serialize_entry("alerts", &rules)?;
        for (five, value) in Five::ALL.iter().zip(pod.now) {
            object.serialize_entry(five.name(), &value)?;
        }
        object.serialize_entry("hour", &Hour(pod.past, self.five))?;
        object.end()
    }
}
