//! `/api/v1/now`: the last sample, what is thought of it, and how the agent itself does.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::Serializer;

use super::super::board::{Delivery, OfEvents, View};
use super::super::kept::{AllPods, Kept};
use super::super::status::seconds;
use super::super::wrongs::Wrongs;
use super::{Answered, json, nothing_asked};
use crate::alerts::{Metric, Severity};
use crate::culprits::Whose;
use crate::sample::{Five, format_time};
use crate::source::{Fault, Reading};
use crate::tcp::Counts;

/// Answers.
pub(in super::super) fn now(view: &View<'_>, query: &str) -> Answered {
    nothing_asked(query)?;
    let about = view.about;
    let kept = view.sample().map(|(kept, _)| kept);
    // What may be short is a gap here as it is everywhere.
    let reading = kept.and_then(|kept| {
        let mut trusted = kept.readings.iter();
        trusted.find(|reading| reading.counted.is_trusted())
    });
    let vitals = kept.and_then(|kept| kept.vitals.as_ref());
    let uptime = view.uptime();
    Ok(json(&Now {
        version: env!("CARGO_PKG_VERSION"),
        host: view.host(),
        scope: about.scope,
        reads: view.reads(),
        live: view.live().is_ok(),
        ready: view.ready().is_ok(),
        why_not_ready: view.ready().err(),
        uptime_seconds: seconds(uptime),
        interval_seconds: seconds(about.interval),
        watches_since: view.watches_since().map(format_time),
        sample: view.sample().map(|(kept, age)| Taken {
            time: format_time(kept.time),
            age_seconds: seconds(age),
            faults: &kept.faults,
            faults_in_all: kept.faults_in_all,
        }),
        five: kept.map(|kept| Shown::of(kept, reading, view)),
        states: reading.map(|reading| reading.counted.sockets.both()),
        unrecognised: reading.map(|reading| reading.counted.unrecognised),
        source: reading.map(|reading| reading.source.name()),
        source_reason: reading.and_then(|reading| reading.why.as_deref()),
        pods: kept.and_then(|kept| kept.pods.as_ref()),
        alerts: view.wrongs(|wrongs| Standing {
            info: number(wrongs, Severity::Info),
            warning: number(wrongs, Severity::Warning),
            critical: number(wrongs, Severity::Critical),
            suppressed: wrongs.suppressed,
        }),
        agent: vitals.map(|vitals| Agent {
            cpu_seconds: seconds(vitals.cpu),
            cpu_share: vitals.cpu.as_secs_f64() / uptime.as_secs_f64().max(1.0),
            reading_seconds: seconds(vitals.reading_took),
            resident_bytes: vitals.resident_bytes,
            faults: &vitals.faults,
        }),
        delivery: view.delivery(),
        events: view.events(),
        why_no_events: about.no_events.as_deref(),
    }))
}

fn number(wrongs: &Wrongs<'_>, severity: Severity) -> usize {
    let standing = wrongs.standing.iter();
    standing.filter(|alert| alert.severity == severity).count()
}

#[derive(Serialize)]
struct Now<'a> {
    version: &'static str,
    host: Option<&'a str>,
    scope: &'static str,
    reads: Option<&'a str>,
    live: bool,
    ready: bool,
    why_not_ready: Option<String>,
    uptime_seconds: f64,
    interval_seconds: f64,
    watches_since: Option<String>,
    sample: Option<Taken<'a>>,
    five: Option<Shown>,
    states: Option<Counts>,
    unrecognised: Option<u64>,
    source: Option<&'static str>,
    source_reason: Option<&'a str>,
    pods: Option<&'a AllPods>,
    alerts: Option<Standing>,
    agent: Option<Agent<'a>>,
    delivery: Option<Delivery>,
    events: Option<OfEvents>,
    why_no_events: Option<&'a str>,
}

#[derive(Serialize)]
struct Taken<'a> {
    time: String,
    age_seconds: f64,
    faults: &'a [Fault],
    faults_in_all: usize,
}

#[derive(Serialize)]
struct Standing {
    info: usize,
    warning: usize,
    critical: usize,
    suppressed: u64,
}

#[derive(Serialize)]
struct Agent<'a> {
    cpu_seconds: f64,
    cpu_share: f64,
    reading_seconds: f64,
    resident_bytes: Option<u64>,
    faults: &'a BTreeMap<&'static str, u64>,
}

/// The five, each with what is thought of it.
struct Shown([(Option<u64>, Option<&'static str>); 5]);

impl Shown {
    /// Those of the host or of the agent's own namespace; where neither is read, those of all pods together.
    fn of(kept: &Kept, reading: Option<&Reading>, view: &View<'_>) -> Self {
        let of_pods = kept.pods.as_ref().filter(|_| view.about.scope == "pods");
        let sums = of_pods.and_then(|pods| pods.five);
        let mut index = 0;
        Self(Five::ALL.map(|five| {
            let sum = sums.and_then(|sums| sums.get(index).copied());
            index += 1;
            let value = reading.map(|reading| five.of(&reading.counted)).or(sum);
            let state = view.wrongs(|wrongs| state(wrongs, five, of_pods.is_some()));
            (value, state.filter(|_| value.is_some()))
        }))
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct One {
            value: Option<u64>,
            state: Option<&'static str>,
        }
        let all = Five::ALL.iter().zip(self.0);
        serializer
            .collect_map(all.map(|(five, (value, state))| (five.name(), One { value, state })))
    }
}

/// The worst that stands of a metric.
fn state(wrongs: &Wrongs<'_>, five: Five, of_pods: bool) -> &'static str {
    let metric = Metric::named(five.name());
    let standing = wrongs.standing.iter();
    let about_it = standing.filter(|alert| {
        Some(alert.metric) == metric && matches!(alert.whose, Whose::Alone(_)) != of_pods
    });
    let worst = about_it.map(|alert| alert.severity).max();
    worst.map_or("ok", Severity::name)
}
