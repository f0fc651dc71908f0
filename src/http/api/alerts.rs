//! `/api/v1/alerts`: what is wrong, since when, who and what to do; and what began or ended lately.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::time::SystemTime;

use serde::Serialize;

use super::super::board::View;
use super::super::wrongs::Wrongs;
use super::{Answered, json, nothing_asked};
use crate::alerts::{Alert, Culprit, Event};
use crate::culprits::Whose;
use crate::sample::format_time;

/// So many that stand are told of in full, the worst and oldest first.
const MOST_STANDING: usize = 48;

/// So many changes are told of, the newest first.
const MOST_RECENT: usize = 64;

/// So many culprits, and so many steps, of each.
const MOST_CULPRITS: usize = 3;
const MOST_STEPS: usize = 5;

/// Answers.
pub(in super::super) fn alerts(view: &View<'_>, query: &str) -> Answered {
    nothing_asked(query)?;
    let now = view.wall();
    let told = view.wrongs(|wrongs| json(&Told::of(wrongs, now)));
    Ok(told.unwrap_or_else(|| json(&Told::default())))
}

#[derive(Default, Serialize)]
struct Told<'a> {
    /// Nothing where nobody judges.
    standing: Option<Vec<Shown<'a>>>,
    standing_in_all: Option<usize>,
    recent: Option<Vec<Changed<'a>>>,
    suppressed: Option<u64>,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    rule: &'a str,
    severity: &'static str,
    scope: &'static str,
    whose: String,
    metric: &'static str,
    value: f64,
    limit: f64,
    since: String,
    lasted_seconds: Option<u64>,
    body: &'a str,
    culprits: Vec<Who<'a>>,
    runbook: &'a str,
    steps: &'a [Box<str>],
}

#[derive(Serialize)]
struct Who<'a> {
    what: &'a str,
    sockets: u64,
    process: Option<Process<'a>>,
    user: Option<u32>,
    local_port: Option<u16>,
    peer: Option<IpAddr>,
    peer_port: Option<u16>,
}

#[derive(Serialize)]
struct Process<'a> {
    pid: u32,
    name: &'a str,
}

#[derive(Serialize)]
struct Changed<'a> {
    time: String,
    transition: &'static str,
    id: &'a str,
    rule: &'a str,
    severity: &'static str,
    whose: String,
    body: &'a str,
}

impl<'a> Told<'a> {
    fn of(wrongs: &Wrongs<'a>, now: Option<SystemTime>) -> Self {
        let mut standing = wrongs.standing.clone();
        standing.sort_by_key(|alert| (Reverse(alert.severity), alert.since));
        let shown = standing.iter().take(MOST_STANDING);
        let recent = wrongs.recent.iter().rev().take(MOST_RECENT);
        Self {
            standing: Some(shown.map(|alert| Shown::of(alert, now)).collect()),
            standing_in_all: Some(standing.len()),
            recent: Some(recent.map(|event| Changed::of(event)).collect()),
            suppressed: Some(wrongs.suppressed),
        }
    }
}

impl<'a> Shown<'a> {
    fn of(alert: &'a Alert, now: Option<SystemTime>) -> Self {
        let lasted = now.and_then(|now| now.duration_since(alert.since).ok());
        Self {
            id: &alert.id,
            rule: &alert.rule,
            severity: alert.severity.name(),
            scope: match &alert.whose {
                Whose::Alone(scope) => scope.name(),
                Whose::Of(_) => "pods",
            },
            whose: alert.whose.to_string(),
            metric: alert.metric.name(),
            value: alert.value,
            limit: alert.limit,
            since: format_time(alert.since),
            lasted_seconds: lasted.map(|lasted| lasted.as_secs()),
            body: &alert.body,
            culprits: alert
                .culprits
                .iter()
                .take(MOST_CULPRITS)
                .map(Who::of)
                .collect(),
            runbook: &alert.runbook,
            steps: alert.steps.get(..MOST_STEPS).unwrap_or(&alert.steps),
        }
    }
}

impl<'a> Who<'a> {
    fn of(culprit: &'a Culprit) -> Self {
        let process = culprit.process.as_ref();
        Self {
            what: &culprit.what,
            sockets: culprit.sockets,
            process: process.map(|(pid, name)| Process { pid: *pid, name }),
            user: culprit.user,
            local_port: culprit.local_port,
            peer: culprit.peer,
            peer_port: culprit.peer_port,
        }
    }
}

impl<'a> Changed<'a> {
    fn of(event: &'a Event) -> Self {
        let alert = &event.alert;
        Self {
            time: format_time(event.time),
            transition: event.transition.name(),
            id: &alert.id,
            rule: &alert.rule,
            severity: alert.severity.name(),
            whose: alert.whose.to_string(),
            body: &alert.body,
        }
    }
}
