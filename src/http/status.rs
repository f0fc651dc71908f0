//! `/status`: what `check` and the last sample know. Its size does not depend on how many pods there are, so that many who ask
//! slowly take little memory; and nothing in it is a secret, for whoever is on the host may ask.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::board::{Delivery, Last, OfEvents, View};
use super::kept::{AllPods, Kept};
use super::wrongs::Wrongs;
use crate::sample::{Five, format_time};
use crate::source::{Fault, Reading};

/// So many changes of alerts are told of; `/api/v1/alerts` has more.
const MOST_CHANGES: usize = 5;

/// The document, in one line.
pub(super) fn json(view: &View<'_>) -> Vec<u8> {
    let about = view.about;
    let sample = view.sample();
    let vitals = sample.and_then(|(kept, _)| kept.vitals.as_ref());
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        live: view.live().is_ok(),
        ready: view.ready().is_ok(),
        why_not_ready: view.ready().err(),
        uptime_seconds: seconds(view.uptime()),
        interval_seconds: seconds(about.interval),
        last_tick_age_seconds: seconds(view.since_tick()),
        scope: about.scope,
        proc_root: &about.proc_root,
        reads: view.reads(),
        given: &about.given,
        warnings: &about.warnings,
        sample: sample.map(|(kept, age)| Told::of(kept, age)),
        agent: vitals.map(|vitals| Agent {
            cpu_seconds: seconds(vitals.cpu),
            resident_bytes: vitals.resident_bytes,
            faults: &vitals.faults,
        }),
        delivery: view.delivery(),
        events: view.events(),
        why_no_events: about.no_events.as_deref(),
        alerts: view.wrongs(Brief::of),
    };
    // It has no map whose keys are not strings, and no number that JSON cannot write.
    let mut json = serde_json::to_vec(&status).unwrap_or_default();
    json.push(b'\n');
    json
}

#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    live: bool,
    ready: bool,
    why_not_ready: Option<String>,
    uptime_seconds: f64,
    interval_seconds: f64,
    last_tick_age_seconds: f64,
    scope: &'static str,
    proc_root: &'a str,
    reads: Option<&'a str>,
    given: &'a [String],
    warnings: &'a [String],
    sample: Option<Told<'a>>,
    agent: Option<Agent<'a>>,
    delivery: Option<Delivery>,
    events: Option<OfEvents>,
    why_no_events: Option<&'a str>,
    alerts: Option<Brief>,
}

/// What is wrong, in brief.
#[derive(Serialize)]
struct Brief {
    standing: usize,
    suppressed: u64,
    /// The last of what began or ended, the newest first.
    recent: Vec<Changed>,
}

#[derive(Serialize)]
struct Changed {
    time: String,
    transition: &'static str,
    rule: String,
    severity: &'static str,
    whose: String,
}

impl Brief {
    fn of(wrongs: &Wrongs<'_>) -> Self {
        let newest = wrongs.recent.iter().rev().take(MOST_CHANGES);
        Self {
            standing: wrongs.standing.len(),
            suppressed: wrongs.suppressed,
            recent: newest
                .map(|event| Changed {
                    time: format_time(event.time),
                    transition: event.transition.name(),
                    rule: event.alert.rule.to_string(),
                    severity: event.alert.severity.name(),
                    whose: event.alert.whose.to_string(),
                })
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct Agent<'a> {
    cpu_seconds: f64,
    resident_bytes: Option<u64>,
    faults: &'a BTreeMap<&'static str, u64>,
}

/// The last sample.
#[derive(Serialize)]
struct Told<'a> {
    time: String,
    age_seconds: f64,
    reading_seconds: Option<f64>,
    faults: &'a [Fault],
    faults_in_all: usize,
    readings: &'a [Reading],
    pods: Option<&'a AllPods>,
}

impl<'a> Told<'a> {
    fn of(kept: &'a Kept, age: Duration) -> Self {
        let took = kept.vitals.as_ref().map(|vitals| vitals.reading_took);
        Self {
            time: format_time(kept.time),
            age_seconds: seconds(age),
            reading_seconds: took.map(seconds),
            faults: &kept.faults,
            faults_in_all: kept.faults_in_all,
            readings: &kept.readings,
            pods: kept.pods.as_ref(),
        }
    }
}

impl Serialize for AllPods {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stats = &self.stats;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("told", &self.told)?;
        for (index, five) in Five::ALL.iter().enumerate() {
            let sum = self.five.as_ref().and_then(|sums| sums.get(index));
            object.serialize_entry(five.name(), &sum)?;
        }
        for (name, number) in [
            ("pod_namespaces", stats.pods),
            ("container_namespaces", stats.containers),
            ("unowned_namespaces", stats.unowned),
            ("sandboxed", stats.sandboxed),
            ("summed", stats.summed),
            ("gaps_budget", stats.gaps_budget),
            ("gaps_waiting", stats.gaps_waiting),
            ("gaps_failed", stats.gaps_failed),
        ] {
            object.serialize_entry(name, &number)?;
        }
        object.serialize_entry("cpu_seconds", &seconds(stats.cpu))?;
        object.serialize_entry("gates_off", &self.gates_off.as_deref())?;
        object.end()
    }
}

impl Serialize for Delivery {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.told("waiting_samples", "rejected_points", serializer)
    }
}

impl Serialize for OfEvents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.told("waiting_events", "rejected_events", serializer)
    }
}

impl Delivery {
    /// With the names of what is of one signal alone.
    fn told<S: Serializer>(
        &self,
        waiting: &'static str,
        rejected: &'static str,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let (health, lasted, failure): (_, _, Option<&Arc<str>>) = match &self.last {
            Last::Untried => ("untried", None, None),
            Last::Works(lasted) => ("works", Some(*lasted), None),
            Last::Fails(lasted, why) => ("fails", Some(*lasted), Some(why)),
        };
        let queue = &self.queue;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("endpoint", &self.endpoint)?;
        object.serialize_entry("protocol", self.protocol)?;
        object.serialize_entry("health", health)?;
        object.serialize_entry("health_seconds", &lasted.map(seconds))?;
        object.serialize_entry("failure", &failure.map(|why| &**why))?;
        for (name, number) in [
            (waiting, queue.records),
            ("waiting_bytes", queue.bytes),
            ("sent", queue.sent),
            ("dropped_full", queue.dropped_full),
            ("dropped_old", queue.dropped_old),
            ("dropped_refused", queue.dropped_refused),
            (rejected, queue.rejected_points),
        ] {
            object.serialize_entry(name, &number)?;
        }
        object.serialize_entry("oldest_seconds", &seconds(queue.oldest))?;
        object.serialize_entry("spool_lost", &queue.spool_lost)?;
        object.end()
    }
}

/// To the microsecond, which is as long as a number should be.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}
