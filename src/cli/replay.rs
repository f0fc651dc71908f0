//! `tcpgauge alerts replay`: what the rules would have told of a recording.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::arguments::{Replay, ReplayForm};
use super::recording::Recording;
use super::{INCOMPLETE, complain, print};
use crate::alerts::engine::MOST_OF_PODS;
use crate::alerts::{Engine, Event, Observation, Reads, Setup, Transition};
use crate::config::Config;
use crate::culprits::Whose;
use crate::sample::{format_time, plain};

pub(super) fn main(config: &Config, replay: &Replay) -> anyhow::Result<ExitCode> {
    let mut recording = Recording::open(&replay.file)?;
    let mut engine = None;
    let mut summary = Summary::default();
    let ended = loop {
        let observation = match recording.next() {
            Ok(Some(observation)) => observation,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        summary.see(&observation, recording.interval());
        // Nobody may have been read in the first ones.
        if engine.is_none() && observation.subjects.is_empty() && observation.unread.is_empty() {
            continue;
        }
        let engine =
            engine.get_or_insert_with(|| engine_for(config, &observation, recording.interval()));
        for event in engine.take(&observation, None) {
            summary.hear(&event);
            let printed = print(&match replay.form {
                ReplayForm::Text => text(&event),
                ReplayForm::Json => format!("{}\n", json!({ "event": json(&event) })),
            });
            if printed != ExitCode::SUCCESS {
                return Ok(printed);
            }
        }
        summary.suppressed = summary.suppressed.max(engine.suppressed());
    };
    if let (Err(error), 0) = (&ended, summary.samples) {
        complain(&error.to_string());
        return Ok(ExitCode::from(INCOMPLETE));
    }
    for alert in engine.iter().flat_map(Engine::active) {
        summary.rule(&alert.rule).stand += 1;
    }
    let printed = print(&match replay.form {
        ReplayForm::Text => summary.text(),
        ReplayForm::Json => format!(
            "{}\n",
            json!({ "summary": summary.json(recording.is_cut()) })
        ),
    });
    if recording.is_cut() {
        complain(&format!(
            "{} was not ended, or is still being written: replayed up to its last sample",
            replay.file.display()
        ));
    }
    match ended {
        Ok(()) if summary.without_reading == summary.samples => Ok(ExitCode::from(INCOMPLETE)),
        Ok(()) => Ok(printed),
        Err(error) => {
            complain(&format!("{error}; what is before that was replayed"));
            Ok(ExitCode::from(INCOMPLETE))
        }
    }
}

/// An engine like that of the agent whose recording it is.
fn engine_for(config: &Config, first: &Observation, interval: Duration) -> Engine {
    let subjects = first.subjects.iter().map(|subject| &subject.whose);
    let mut scopes = subjects
        .chain(&first.unread)
        .filter_map(|whose| match whose {
            Whose::Alone(scope) => Some(*scope),
            Whose::Of(_) => None,
        });
    let setup = Setup {
        runbooks: Arc::clone(&config.alerts.runbooks),
        instance: Arc::from("replay"),
        interval,
        reads: Reads {
            alone: scopes.next(),
            pods: true,
        },
    };
    Engine::new(config.alerts.rules.clone(), setup)
}

/// What there was.
#[derive(Debug, Default)]
struct Summary {
    samples: u64,
    interval: Duration,
    first: Option<SystemTime>,
    last: Option<SystemTime>,
    gaps: u64,
    longest_gap: Duration,
    /// Times that an owner was there and was not counted.
    unread: u64,
    /// Samples in which nobody was counted.
    without_reading: u64,
    /// Alerts of pods for which there was no room, the most at a time.
    suppressed: u64,
    rules: BTreeMap<Arc<str>, OfRule>,
}

#[derive(Debug, Default)]
struct OfRule {
    fired: u64,
    resolved: u64,
    stand: u64,
}

impl Summary {
    fn see(&mut self, observation: &Observation, interval: Duration) {
        self.samples += 1;
        self.interval = interval;
        self.first.get_or_insert(observation.time);
        self.last = Some(observation.time);
        self.unread += observation.unread.len() as u64;
        self.without_reading += u64::from(!observation.has_reading());
        if observation.step > interval * 3 / 2 {
            self.gaps += 1;
            self.longest_gap = self.longest_gap.max(observation.step);
        }
    }

    fn rule(&mut self, rule: &Arc<str>) -> &mut OfRule {
        self.rules.entry(Arc::clone(rule)).or_default()
    }

    fn hear(&mut self, event: &Event) {
        let rule = self.rule(&event.alert.rule);
        match event.transition {
            Transition::Fired => rule.fired += 1,
            Transition::Resolved => rule.resolved += 1,
        }
    }

    fn text(&self) -> String {
        let mut page = String::new();
        let (Some(first), Some(last)) = (self.first, self.last) else {
            return "no sample\n".to_owned();
        };
        let _ = writeln!(
            page,
            "{} samples, {} apart, from {} to {}",
            self.samples,
            span(self.interval),
            format_time(first),
            format_time(last),
        );
        if self.gaps > 0 {
            let longest = span(self.longest_gap);
            let _ = writeln!(page, "{} gaps, the longest of {longest}", self.gaps);
        }
        if self.without_reading > 0 {
            let (without, samples) = (self.without_reading, self.samples);
            let _ = writeln!(page, "nobody was read in {without} of {samples} samples");
        }
        if self.unread > 0 {
            let unread = self.unread;
            let _ = writeln!(
                page,
                "{unread} times somebody's sockets had no count of their own"
            );
        }
        if self.suppressed > 0 {
            let suppressed = self.suppressed;
            let _ = writeln!(
                page,
                "up to {suppressed} more alerts of pods at a time were not told: no more than {MOST_OF_PODS} stand"
            );
        }
        if self.rules.is_empty() {
            page.push_str("no rule told anything\n");
            return page;
        }
        let _ = writeln!(
            page,
            "{:24} {:>6} {:>9} {:>6}",
            "rule", "fired", "resolved", "stands"
        );
        for (name, rule) in &self.rules {
            let OfRule {
                fired,
                resolved,
                stand,
            } = rule;
            let _ = writeln!(page, "{name:24} {fired:>6} {resolved:>9} {stand:>6}");
        }
        page
    }

    fn json(&self, is_cut: bool) -> Value {
        let rules = self.rules.iter().map(|(name, rule)| {
            let told =
                json!({ "fired": rule.fired, "resolved": rule.resolved, "stands": rule.stand });
            ((**name).to_owned(), told)
        });
        json!({
            "samples": self.samples,
            "interval_seconds": self.interval.as_secs_f64(),
            "first": self.first.map(format_time),
            "last": self.last.map(format_time),
            "gaps": self.gaps,
            "longest_gap_seconds": self.longest_gap.as_secs_f64(),
            "unread": self.unread,
            "samples_without_reading": self.without_reading,
            "most_suppressed": self.suppressed,
            "cut": is_cut,
            "rules": rules.collect::<serde_json::Map<_, _>>(),
        })
    }
}

fn text(event: &Event) -> String {
    let alert = &event.alert;
    format!(
        "{}  {:8}  {:8}  {}  {}\n    {}\n",
        format_time(event.time),
        event.transition.name(),
        alert.severity.name(),
        plain(&alert.rule),
        plain(&alert.whose.to_string()),
        plain(&alert.body),
    )
}

/// The form that docs/alerts.md documents.
fn json(event: &Event) -> Value {
    let alert = &event.alert;
    let (scope, owner) = match &alert.whose {
        Whose::Alone(scope) => (scope.name(), Value::Null),
        Whose::Of(owner) => ("pods", json!(owner)),
    };
    json!({
        "time": format_time(event.time),
        "transition": event.transition.name(),
        "rule": &*alert.rule,
        "severity": alert.severity.name(),
        "scope": scope,
        "owner": owner,
        "metric": alert.metric.name(),
        "value": alert.value,
        "limit": alert.limit,
        "since": format_time(alert.since),
        "body": &*alert.body,
    })
}

/// A time in words: `30s`, `1h 5m`.
fn span(time: Duration) -> String {
    let time = Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    jiff::SignedDuration::try_from(time)
        .map_or_else(|_| "for ever".to_owned(), |time| format!("{time:#}"))
}
