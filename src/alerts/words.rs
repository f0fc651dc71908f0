//! An alert as a sentence or two: what, against which limit, since when, who, and where it says what to do.
//!
//! Whoever reads one reads it at some moment, so what is said of an alert that stands is true then: a value that is back within
//! its limit is not said to be beyond it, and one that is not known now is said to be of when it was.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use super::judge::{Finding, Tenths};
use super::moved::Moved;
use super::rule::{Kind, Rule, Side};
use super::watch::{Moment, Reason};
use super::words_parts::{amount, command, counted, ports, span, time, whose};
use super::{Alert, Culprit, words_listeners};

/// How an alert is at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// The moment.
    pub(super) time: SystemTime,
    /// The same by the engine's clock.
    pub(super) moment: Moment,
    /// When it began by that.
    pub(super) began: Tenths,
    /// When its value was known last, if it is not known now.
    pub(super) known: Option<SystemTime>,
    /// On which side of the limit that is.
    pub(super) phase: Phase,
    /// Whether its culprits are of that moment.
    pub(super) are_culprits_new: bool,
}

impl Now {
    /// Since when a port has been gone or there. Of the first that is what the alert says, whatever became of the machine's clock.
    pub(super) fn since(&self, alert: &Alert, moved: &Moved) -> SystemTime {
        if moved.since == self.began {
            alert.since
        } else {
            self.moment.ago(self.time, moved.since)
        }
    }
}

/// On which side of its limit a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// Beyond it, without a break since a time if there was a break.
    Over(Option<SystemTime>),
    /// It was beyond it at a time, the last. If that lasts it is resolved at another.
    Within(SystemTime, Option<SystemTime>),
}

/// What is said while an alert stands.
pub(super) fn standing(rule: &Rule, alert: &Alert, finding: &Finding, now: &Now) -> String {
    let mut body = clause(rule, alert, finding, now);
    let who = who(&alert.culprits, finding, now);
    match now.phase {
        Phase::Over(_) => {
            if let Some(who) = who {
                let _ = write!(body, ": {who}.");
            } else {
                body.push('.');
                if let Some((command, what)) = command(alert.metric) {
                    let _ = write!(body, " `{command}` says {what}.");
                }
            }
        }
        Phase::Within(_, until) => {
            body.push('.');
            let is_gone_or_come = matches!(finding, Finding::Moved(_));
            if let Some(who) = who.filter(|_| now.are_culprits_new && !is_gone_or_come) {
                let _ = write!(body, " Now {who}.");
            }
            if let Some(until) = until.filter(|_| now.known.is_none()) {
                let until = time(until, now.time);
                let _ = write!(body, " Resolved at {until} if that lasts.");
            } else {
                let _ = write!(body, " Resolved {}.", end(rule, alert));
            }
        }
    }
    add_runbook(&mut body, alert);
    body
}

/// What is said once it has ended.
pub(super) fn ended(
    rule: Option<&Rule>,
    alert: &Alert,
    finding: &Finding,
    reason: Reason,
    stood: Duration,
    behind: &str,
    now: &Now,
) -> String {
    let stood = span(stood);
    let known = match rule {
        Some(rule) => clause(rule, alert, finding, now),
        None => format!(
            "Last known: {} {}, of which an alert stood since {}",
            counted(alert.metric, alert.value),
            whose(&alert.whose),
            time(alert.since, now.time)
        ),
    };
    let mut body = match (reason, rule) {
        (Reason::Over, Some(rule)) => over(rule, alert, finding, &stood, now),
        (Reason::Over, None) => format!("{known}: over after {stood}."),
        (Reason::Accepted, _) => {
            format!("{known}: that counts as usual now. It was so for {stood}.")
        }
        (Reason::Gone, _) => {
            format!("{known}. It has ended, and the alert with it, after {stood}.")
        }
        (Reason::Untold, _) => format!(
            "{known}. Its value is no longer told of, and the alert ends with that, after {stood}."
        ),
        (Reason::RuleChanged, _) => format!(
            "{known}. The rule {} was changed or turned off, after {stood}.",
            alert.rule
        ),
        (Reason::Unread, _) => format!("{known}. It is no longer read, after {stood}."),
    };
    if !behind.is_empty() {
        let _ = write!(body, " It was {behind}.");
    }
    if reason != Reason::Over
        && let (Some(Kind::Settled { side, .. }), Finding::Moved(moved)) =
            (rule.map(|rule| &rule.kind), finding)
    {
        body += &words_listeners::besides(*side, alert, moved, now);
    }
    add_runbook(&mut body, alert);
    body
}

/// Who is behind it, for when it has ended; where ports are named already, nobody.
pub(super) fn behind(alert: &Alert, finding: &Finding) -> String {
    if matches!(finding, Finding::Moved(_)) {
        return String::new();
    }
    let names: Vec<_> = alert.culprits.iter().map(|one| one.what.as_str()).collect();
    names.join("; ")
}

fn over(rule: &Rule, alert: &Alert, finding: &Finding, stood: &str, now: &Now) -> String {
    let since = time(alert.since, now.time);
    let (value, whose) = (counted(alert.metric, alert.value), whose(&alert.whose));
    if let (Kind::Settled { side, .. }, Finding::Moved(moved)) = (&rule.kind, finding)
        && is_named(moved)
    {
        return words_listeners::over(*side, alert, moved, stood, now);
    }
    let against = against(rule, alert, finding);
    format!("{value} {whose} now, after {against} since {since}; it was so for {stood}.")
}

/// What is wrong, or was.
fn clause(rule: &Rule, alert: &Alert, finding: &Finding, now: &Now) -> String {
    let since = time(alert.since, now.time);
    let mut body = match now.known {
        Some(known) => format!("Last known at {}: ", time(known, now.time)),
        None => String::new(),
    };
    match now.phase {
        Phase::Over(None) => body += &beyond(rule, alert, finding, &format!("since {since}"), now),
        Phase::Over(Some(again)) => {
            let again = time(again, now.time);
            let since = format!("again since {again}, first at {since}");
            body += &beyond(rule, alert, finding, &since, now);
        }
        Phase::Within(last, _) => {
            let last = time(last, now.time);
            let (value, whose) = (counted(alert.metric, alert.value), whose(&alert.whose));
            let now = if now.known.is_none() { " now" } else { "" };
            let against = against(rule, alert, finding);
            let _ = write!(
                body,
                "{value} {whose}{now}; {against} first at {since} and last at {last}"
            );
        }
    }
    body
}

fn beyond(rule: &Rule, alert: &Alert, finding: &Finding, since: &str, now: &Now) -> String {
    let (value, whose) = (counted(alert.metric, alert.value), whose(&alert.whose));
    let limit = amount(alert.metric, alert.limit);
    match (&rule.kind, finding) {
        (Kind::Settled { side, .. }, Finding::Moved(moved)) if is_named(moved) => {
            words_listeners::beyond(*side, alert, moved, since, now)
        }
        (Kind::Growth { .. }, _) => {
            format!("{value} {whose}, rising steadily {since} from {limit}")
        }
        (Kind::Range { .. }, Finding::Usual(..)) => {
            let than = than(rule);
            let usual = usual(rule, alert, finding);
            format!("{value} {whose}, {than} than {limit} {since}; {usual}")
        }
        _ => format!("{value} {whose}, {} {since}", against(rule, alert, finding)),
    }
}

fn is_named(moved: &[Moved]) -> bool {
    moved.iter().any(|one| one.port > 0)
}

/// What it is wrong against, without the value.
fn against(rule: &Rule, alert: &Alert, finding: &Finding) -> String {
    let limit = amount(alert.metric, alert.limit);
    let than = than(rule);
    match (&rule.kind, finding) {
        (Kind::Settled { side, .. }, Finding::Moved(moved)) => {
            let names = ports(&moved.iter().collect::<Vec<_>>());
            match side {
                _ if names.is_empty() => format!("{than} than the settled {limit}"),
                Side::Below => format!("{names} missing"),
                Side::Above => format!("{names} unexpectedly listened on"),
            }
        }
        (Kind::Growth { .. }, _) => format!("a steady rise from {limit}"),
        (Kind::Range { .. }, Finding::Usual(..)) => {
            format!("{than} than {limit} ({})", usual(rule, alert, finding))
        }
        _ => format!("{than} than {limit}"),
    }
}

fn than(rule: &Rule) -> &'static str {
    match rule.kind {
        Kind::Settled {
            side: Side::Below, ..
        } => "fewer",
        Kind::Threshold {
            side: Side::Below, ..
        }
        | Kind::Range {
            side: Side::Below, ..
        } => "less",
        _ => "more",
    }
}

fn usual(rule: &Rule, alert: &Alert, finding: &Finding) -> String {
    let (Kind::Range { window, .. }, Finding::Usual(low, high)) = (&rule.kind, finding) else {
        return String::new();
    };
    let (low, high) = (amount(alert.metric, *low), amount(alert.metric, *high));
    let before = match window.as_secs() {
        3600 => "hour".to_owned(),
        _ => span(*window),
    };
    format!("in the {before} before it was {low} to {high}")
}

/// What it takes to be resolved.
fn end(rule: &Rule, alert: &Alert) -> String {
    let lasts = match rule.clear_for {
        Duration::ZERO => String::new(),
        long => format!(" for {}", span(long)),
    };
    match rule.kind {
        Kind::Threshold { side, clear, .. } => {
            let than = match side {
                Side::Above => "no more than",
                Side::Below => "no less than",
            };
            format!("once it is {than} {}{lasts}", amount(alert.metric, clear))
        }
        Kind::Growth { .. } => format!("once it has not risen{lasts}"),
        Kind::Settled {
            side: Side::Below, ..
        } => format!("once none is missing{lasts}"),
        Kind::Settled {
            side: Side::Above, ..
        } => format!("once none is unexpected{lasts}"),
        Kind::Range { .. } => format!("once it is near what is usual{lasts}"),
    }
}

fn who(culprits: &[Culprit], finding: &Finding, now: &Now) -> Option<String> {
    let gone_or_come = matches!(finding, Finding::Moved(_));
    let has_numbers = !gone_or_come && culprits.iter().any(|culprit| culprit.sockets > 0);
    let (holds, when) = if now.are_culprits_new || !has_numbers {
        ("holds", "")
    } else {
        ("held", ", when that was last known")
    };
    let parts: Vec<_> = culprits
        .iter()
        .map(|culprit| {
            if gone_or_come || culprit.sockets == 0 {
                return culprit.what.clone();
            }
            let mut words = format!("{} {holds} {}", culprit.what, culprit.sockets);
            if let Some(port) = culprit.local_port {
                let _ = write!(words, " on port {port}");
            }
            match (culprit.peer, culprit.peer_port) {
                (Some(peer), Some(port)) => {
                    let _ = write!(words, ", peer {}", std::net::SocketAddr::new(peer, port));
                }
                (Some(peer), None) => {
                    let _ = write!(words, ", peer {peer}");
                }
                _ => {}
            }
            words
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join("; ") + when)
}

fn add_runbook(body: &mut String, alert: &Alert) {
    if !alert.runbook.is_empty() {
        let _ = write!(body, " Runbook: {}.", alert.runbook);
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "words_metrics_tests.rs"]
mod metrics_tests;
