//! Sentences about ports that are no longer listened on, or unexpectedly are.

use std::fmt::Write;

use super::Alert;
use super::moved::Moved;
use super::rule::Side;
use super::words::Now;
use super::words_parts::{amount, capital, ports, there_are, time, whose};

/// So many times are told; what else there is are others.
const MOST_TIMES: usize = 3;

/// What is wrong, `since` the first of them.
pub(super) fn beyond(side: Side, alert: &Alert, moved: &[Moved], since: &str, now: &Now) -> String {
    let gone: Vec<_> = moved.iter().copied().filter(|one| !one.is_back).collect();
    let gone = if gone.is_empty() { moved } else { &gone };
    let times = by_time(gone, alert, now);
    let Some((first, rest)) = times.split_first() else {
        return String::new();
    };
    let is = if first.0.len() == 1 { "is" } else { "are" };
    let has = match side {
        Side::Below if gone.iter().all(|port| port.sockets > 0) => "listened on by fewer sockets",
        Side::Below if gone.iter().any(|port| port.sockets > 0) => {
            "no longer listened on, or by fewer sockets,"
        }
        Side::Below => "no longer listened on",
        Side::Above => "unexpectedly listened on",
    };
    let own = format!("since {}", first.1);
    let is_first = first.1 == time(alert.since, now.time);
    let since = if is_first { since } else { &own };
    let mut body = format!("{} {is} {has} {since}", capital(&ports(&first.0)));
    if !rest.is_empty() {
        let _ = write!(body, ", and {},", told(rest));
    }
    let there_are = there_are(alert.metric, alert.value);
    let limit = amount(alert.metric, alert.limit);
    let but_for_that = match side {
        Side::Below => "with what is missing",
        Side::Above => "without what is unexpected",
    };
    body + &format!(
        " {}, where {there_are} ({limit} {but_for_that})",
        whose(&alert.whose)
    )
}

/// That it is over for all of them.
pub(super) fn over(side: Side, alert: &Alert, moved: &[Moved], stood: &str, now: &Now) -> String {
    let (mut over, mut usual): (Vec<_>, Vec<_>) =
        moved.iter().partition(|one| one.is_as_it_was(side));
    if over.is_empty() {
        over = std::mem::take(&mut usual);
    }
    let has = match (side, over.len()) {
        (Side::Below, 1) => "is listened on again",
        (Side::Below, _) => "are listened on again",
        (Side::Above, 1) => "has no unexpected listener any more",
        (Side::Above, _) => "have no unexpected listeners any more",
    };
    let there_are = there_are(alert.metric, alert.value);
    let mut body = format!(
        "{} {has} {}, where {there_are} now",
        capital(&ports(&over)),
        whose(&alert.whose)
    );
    if !usual.is_empty() {
        let _ = write!(body, "; {}", usually(side, &usual));
    }
    let how = how(side);
    let times = by_time(moved, alert, now);
    match times.as_slice() {
        [(one, since)] => {
            let was = if one.len() == 1 {
                "it was"
            } else {
                "they were"
            };
            let _ = write!(body, "; {was} {how} since {since}, for {stood}.");
        }
        times => {
            let times = told(times);
            let _ = write!(body, "; {how} were {times}, and it was so for {stood}.");
        }
    }
    body
}

/// Those that it told of besides, and that were as they had been, or came to count as usual, while it stood for others.
pub(super) fn besides(side: Side, alert: &Alert, moved: &[Moved], now: &Now) -> String {
    let mut others: Vec<_> = moved.iter().copied().filter(|one| one.is_back).collect();
    others.retain(|one| one.port > 0);
    if others.len() == moved.len() {
        return String::new();
    }
    let (back, usual): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|one| one.is_as_it_was(side));
    let mut body = String::new();
    if !back.is_empty() {
        let was = if back.len() == 1 { "was" } else { "were" };
        let times = told(&by_time(&back, alert, now));
        let _ = write!(body, " Before, {} {was} {times}.", how(side));
    }
    if !usual.is_empty() {
        let usual: Vec<_> = usual.iter().collect();
        let _ = write!(body, " {}.", capital(&usually(side, &usual)));
    }
    body
}

fn usually(side: Side, usual: &[&Moved]) -> String {
    let is = if usual.len() == 1 { "is" } else { "are" };
    let not = match side {
        Side::Below => "not listened on",
        Side::Above => "still listened on",
    };
    format!("{} {is} {not}, which counts as usual", ports(usual))
}

const fn how(side: Side) -> &'static str {
    match side {
        Side::Below => "missing",
        Side::Above => "there",
    }
}

/// Those that have the same time together.
fn by_time<'a>(moved: &'a [Moved], alert: &Alert, now: &Now) -> Vec<(Vec<&'a Moved>, String)> {
    let mut times: Vec<(Vec<&Moved>, String)> = Vec::new();
    for one in moved.iter().filter(|one| one.port > 0) {
        let since = time(now.since(alert, one), now.time);
        match times.iter_mut().find(|(_, known)| *known == since) {
            Some((all, _)) => all.push(one),
            None => times.push((vec![one], since)),
        }
    }
    times
}

fn told(times: &[(Vec<&Moved>, String)]) -> String {
    let parts = times.iter().take(MOST_TIMES);
    let parts: Vec<_> = parts
        .map(|(all, since)| format!("{} since {since}", ports(all)))
        .collect();
    let others = if times.len() > MOST_TIMES {
        ", and others"
    } else {
        ""
    };
    parts.join(", ") + others
}
