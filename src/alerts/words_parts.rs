//! The parts of a sentence about an alert: what is counted, how many, whose, and when.

use std::time::{Duration, SystemTime};

use super::Metric;
use super::moved::Moved;
use crate::culprits::Whose;
use crate::pods::Owner;
use crate::sample::plain;
use crate::source::Scope;

/// Names are strangers' words; more of one than this nobody needs.
const LONGEST_NAME: usize = 120;

/// A stranger's word: on one line, without what acts on a terminal or turns the text, and not endless.
pub(super) fn name(text: &str) -> String {
    let text = plain(text);
    // Most are short, and of one byte a character.
    if text.len() <= LONGEST_NAME {
        return text;
    }
    let start: String = text.chars().take(LONGEST_NAME).collect();
    format!("{start}…")
}

/// So many of what a metric counts.
pub(super) fn counted(metric: Metric, value: f64) -> String {
    let (one, many) = match metric {
        Metric::Connections => ("TCP socket", "TCP sockets"),
        Metric::Established => ("connection in ESTABLISHED", "connections in ESTABLISHED"),
        Metric::TimeWait => ("connection in TIME_WAIT", "connections in TIME_WAIT"),
        Metric::CloseWait => ("connection in CLOSE_WAIT", "connections in CLOSE_WAIT"),
        Metric::Listen => ("listening socket", "listening sockets"),
        Metric::SynReceived => ("connection in SYN_RECEIVED", "connections in SYN_RECEIVED"),
        Metric::AcceptQueue => ("of an accept queue in use", "of an accept queue in use"),
        Metric::ListenOverflows => (
            "connection found an accept queue full",
            "connections found an accept queue full",
        ),
        Metric::Ports => (
            "of the ports toward one destination in use",
            "of the ports toward one destination in use",
        ),
        Metric::Memory => (
            "of the memory from which the kernel spares in use by TCP",
            "of the memory from which the kernel spares in use by TCP",
        ),
    };
    let amount = amount(metric, value);
    let noun = if amount == "1" { one } else { many };
    format!("{amount} {noun}")
}

/// The same with a verb.
pub(super) fn there_are(metric: Metric, value: f64) -> String {
    let counted = counted(metric, value);
    if counted.starts_with("1 ") {
        format!("there is {counted}")
    } else {
        format!("there are {counted}")
    }
}

/// A number of what a metric counts.
pub(super) fn amount(metric: Metric, value: f64) -> String {
    let unit = match metric {
        Metric::AcceptQueue | Metric::Ports | Metric::Memory => " %",
        _ => "",
    };
    // What is added to less than nothing is nothing, without a sign.
    let rounded = format!("{:.1}", value.max(0.0) + 0.0);
    let (digits, rest) = rounded.split_once('.').unwrap_or((&rounded, "0"));
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest != "0" {
        grouped.push('.');
        grouped.push_str(rest);
    }
    grouped + unit
}

pub(super) fn whose(whose: &Whose) -> String {
    match whose {
        Whose::Alone(Scope::Host) => "on the host".to_owned(),
        Whose::Alone(Scope::Own) => "in the agent's own network namespace".to_owned(),
        Whose::Of(Owner::Other) => "in all other pods together".to_owned(),
        Whose::Of(Owner::Pod { name: None, .. } | Owner::Container { .. }) => {
            format!("in {}", name(&whose.to_string()))
        }
        Whose::Of(_) => format!("in pod {}", name(&whose.to_string())),
    }
}

/// Their ports, if those are known.
pub(super) fn ports(moved: &[&Moved]) -> String {
    let known: Vec<_> = moved.iter().filter(|moved| moved.port > 0).collect();
    let names: Vec<_> = known.iter().map(|moved| moved.port.to_string()).collect();
    match (names.as_slice(), known.len()) {
        ([], _) => String::new(),
        ([port], 1) => format!("port {port}"),
        _ => format!("ports {}", names.join(", ")),
    }
}

/// What tells where the alert cannot, and what it tells.
pub(super) fn command(metric: Metric) -> Option<(&'static str, &'static str)> {
    const WHOSE: &str = "whose they are";
    Some(match metric {
        Metric::CloseWait => ("tcpgauge culprits", WHOSE),
        Metric::TimeWait => ("tcpgauge culprits --state time-wait", WHOSE),
        Metric::Ports => ("tcpgauge snapshot", "where they go"),
        Metric::Established | Metric::Memory => ("tcpgauge culprits --state established", WHOSE),
        Metric::SynReceived => ("tcpgauge culprits --state syn-received", WHOSE),
        Metric::AcceptQueue | Metric::ListenOverflows | Metric::Listen => {
            ("tcpgauge culprits --state listen", WHOSE)
        }
        Metric::Connections => return None,
    })
}

/// The time of the day, with the day where that is another one than now.
pub(super) fn time(time: SystemTime, now: SystemTime) -> String {
    let Ok(stamp) = jiff::Timestamp::try_from(time) else {
        return "a time out of range".to_owned();
    };
    let day = |time: jiff::Timestamp| time.strftime("%Y-%m-%d").to_string();
    let is_today = jiff::Timestamp::try_from(now).is_ok_and(|now| day(now) == day(stamp));
    let form = if is_today {
        "%H:%M:%S UTC"
    } else {
        "%Y-%m-%d %H:%M:%S UTC"
    };
    stamp.strftime(form).to_string()
}

pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", (seconds + 30) / 60),
        7200..172_800 => format!("{} h", (seconds + 1800) / 3600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

#[cfg(test)]
#[path = "words_parts_tests.rs"]
mod tests;
