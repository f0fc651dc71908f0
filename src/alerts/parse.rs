//! From a table of TOML to a rule, or to everything that is wrong with it.

use std::sync::Arc;
use std::time::Duration;

use toml::{Table, Value};

use super::listing::span;
use super::parse_values::{Reader, meant};
use super::rule::{Kind, Rule, Scope, Side};
use super::{Metric, Severity};
use crate::sample::PORTS_MATTER_FROM;

pub(super) const KEYS: [&str; 19] = [
    "metric",
    "kind",
    "side",
    "above",
    "below",
    "clear",
    "window",
    "rise",
    "settle",
    "accept_after",
    "factor",
    "least",
    "warm_up",
    "for",
    "clear_for",
    "severity",
    "scope",
    "enabled",
    "runbook",
];
pub(super) const TEXTS: [&str; 2] = ["steps", "why"];

/// What only one kind has: if the kind changes, what the rule had before does not count.
const OF_A_KIND: [&str; 11] = [
    "side",
    "above",
    "below",
    "clear",
    "window",
    "rise",
    "settle",
    "accept_after",
    "factor",
    "least",
    "warm_up",
];

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const WEEK: Duration = Duration::from_hours(7 * 24);

const LONGEST_NAME: usize = 64;
const MOST_NUMBER: f64 = 1e9;
/// It is over at four fifths of a threshold, or at five quarters of one from below, where nobody says.
const CLEAR_ABOVE: f64 = 0.8;
const CLEAR_BELOW: f64 = 1.25;
/// What is computed is shown, and has no more than a millionth: four fifths of 3 are not 2.4000000000000004.
const ROUNDED_TO: f64 = 1e6;
/// Nothing is in use twice.
const ALL_PORTS: f64 = 100.0;

/// The rule that `value` makes, on top of what is `known` of one of that name; and the table that says all of it.
pub(super) fn rule(
    name: &str,
    known: Option<&Table>,
    value: &Value,
    meant: impl Fn() -> String,
) -> Result<(Rule, Table), Vec<String>> {
    let is_kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_kebab) {
        return Err(vec![format!(
            "alert.{name:.100?}: a rule's name has up to {LONGEST_NAME} letters a to z, digits and -{}",
            meant()
        )]);
    }
    let Some(given) = value.as_table() else {
        return Err(vec![format!(
            "alert.{name}: must be a table: write [alert.{name}], and its keys below{}",
            if known.is_some() {
                String::new()
            } else {
                meant()
            }
        )]);
    };
    let table = on_top_of(known, given);
    let mut reader = Reader {
        name,
        table: &table,
        faults: Vec::new(),
    };
    if known.is_none() && !given.contains_key("metric") {
        reader.fault(
            "metric",
            format!(
                "is missing, and there is no rule of that name to be changed{}",
                meant()
            ),
        );
    }
    let rule = reader.rule();
    let faults = reader.faults;
    match rule {
        Some(rule) if faults.is_empty() => Ok((rule, table)),
        _ => Err(faults),
    }
}

fn on_top_of(known: Option<&Table>, given: &Table) -> Table {
    let mut table = known.cloned().unwrap_or_default();
    if given
        .get("kind")
        .is_some_and(|kind| table.get("kind") != Some(kind))
    {
        table.retain(|key, _| !OF_A_KIND.contains(&key));
    }
    // Half of a pair of thresholds would not go with the other half of another.
    if given.contains_key("above") || given.contains_key("below") {
        table.retain(|key, _| !["above", "below", "clear"].contains(&key));
    }
    for (key, value) in given {
        table.insert(key.clone(), value.clone());
    }
    table
}

impl Reader<'_> {
    fn rule(&mut self) -> Option<Rule> {
        let known = || KEYS.into_iter().chain(TEXTS);
        for key in self.table.keys() {
            if !known().any(|known| known == key) {
                let problem = format!("there is no such key{}", meant(key, known()));
                // What is no key can be anything.
                let shown = format!("{key:?}");
                self.fault(&shown, problem);
            }
        }
        let metric = self.choice("metric", &Metric::ALL.map(Metric::name), Metric::named);
        let kind = self.kind(metric.flatten());
        let held = self.duration("for", "5m", Duration::ZERO, WEEK);
        if let (
            Some(Kind::Settled { accept_after, .. } | Kind::Range { accept_after, .. }),
            Some(held),
        ) = (&kind, held)
            && *accept_after <= held
        {
            let (accepted, held) = (span(*accept_after), span(held));
            self.fault(
                "accept_after",
                format!("{accepted} is not longer than for, {held}: it would be accepted before it was told"),
            );
        }
        let clear_for = self.duration("clear_for", "2m", Duration::ZERO, WEEK);
        let severity = self.choice("severity", &Severity::ALL.map(Severity::name), |name| {
            Severity::ALL
                .into_iter()
                .find(|severity| severity.name() == name)
        });
        let scope = self.scope(metric.flatten());
        let runbook = self.text("runbook");
        let why = self.text("why");
        let steps = self.steps();
        let enabled = self.boolean("enabled");
        Some(Rule {
            name: Arc::from(self.name),
            metric: metric??,
            kind: kind?,
            held: held?,
            clear_for: clear_for?,
            severity: severity?.unwrap_or(Severity::Warning),
            scope: scope?,
            runbook: Arc::from(runbook?),
            steps: steps?,
            why: why?.into(),
            enabled: enabled?,
        })
    }

    fn kind(&mut self, metric: Option<Metric>) -> Option<Kind> {
        let name = self.choice("kind", &Kind::NAMES, |name| {
            Kind::NAMES.into_iter().find(|kind| *kind == name)
        })?;
        let name = name.unwrap_or("threshold");
        let own: &[&str] = match name {
            "threshold" => &["above", "below", "clear"],
            "growth" => &["window", "rise"],
            "settled" => &["side", "settle", "accept_after"],
            _ => &[
                "side",
                "window",
                "factor",
                "least",
                "warm_up",
                "accept_after",
            ],
        };
        let foreign: Vec<_> = OF_A_KIND
            .into_iter()
            .filter(|key| self.table.contains_key(*key) && !own.contains(key))
            .collect();
        for key in foreign {
            self.fault(
                key,
                format!(
                    "means nothing to a rule of kind {name}, which has {}",
                    own.join(", ")
                ),
            );
        }
        if metric == Some(Metric::Ports) && name != "threshold" {
            self.fault(
                "kind",
                "of ports is threshold: what is not always counted has no growth and no range",
            );
        }
        match name {
            "threshold" => {
                let kind = self.threshold()?;
                if metric == Some(Metric::Ports)
                    && let Kind::Threshold {
                        side: Side::Above,
                        limit,
                        ..
                    } = kind
                {
                    self.limit_of_ports(limit);
                }
                Some(kind)
            }
            "growth" => {
                let window = self.duration("window", "30m", 6 * MINUTE, DAY);
                let rise = self
                    .number("rise", 1.0, MOST_NUMBER)
                    .map(|rise| rise.unwrap_or(5.0));
                Some(Kind::Growth {
                    window: window?,
                    rise: rise?,
                })
            }
            "settled" => {
                if metric.is_some_and(|metric| metric != Metric::Listen) {
                    self.fault(
                        "kind",
                        "settled is for tcp_listen alone: other numbers never settle",
                    );
                }
                let side = self.side();
                let settle = self.duration("settle", "5m", SECOND, DAY);
                let accept_after = self.duration("accept_after", "1h", MINUTE, WEEK);
                Some(Kind::Settled {
                    side: side?,
                    settle: settle?,
                    accept_after: accept_after?,
                })
            }
            _ => self.range(),
        }
    }

    fn limit_of_ports(&mut self, limit: f64) {
        if limit < PORTS_MATTER_FROM {
            self.fault(
                "above",
                format!(
                    "of ports must be {PORTS_MATTER_FROM} or more: below that they are not counted"
                ),
            );
        }
        if limit >= ALL_PORTS {
            self.fault(
                "above",
                format!("of ports must be less than {ALL_PORTS}: there are no more than all"),
            );
        }
    }

    fn threshold(&mut self) -> Option<Kind> {
        let above = self.number("above", 0.0, MOST_NUMBER)?;
        let below = self.number("below", 0.0, MOST_NUMBER)?;
        let clear = self.number("clear", 0.0, MOST_NUMBER)?;
        let (side, limit, usual) = match (above, below) {
            (Some(limit), None) => (Side::Above, limit, CLEAR_ABOVE),
            (None, Some(limit)) if limit <= 0.0 => {
                self.fault("below", "must be more than 0: nothing is less than that");
                return None;
            }
            (None, Some(limit)) => (Side::Below, limit, CLEAR_BELOW),
            (None, None) => {
                self.fault(
                    "above",
                    "is missing, and so is below: a threshold is one of them",
                );
                return None;
            }
            (Some(_), Some(_)) => {
                self.fault(
                    "below",
                    "does not go with above: a threshold is one of them",
                );
                return None;
            }
        };
        let clear = clear.unwrap_or((limit * usual * ROUNDED_TO).round() / ROUNDED_TO);
        let is_inside = match side {
            Side::Above => clear <= limit,
            Side::Below => clear >= limit,
        };
        if !is_inside {
            self.fault(
                "clear",
                format!("{clear} is on the wrong side of {limit}: nothing would ever be over"),
            );
            return None;
        }
        Some(Kind::Threshold { side, limit, clear })
    }

    fn range(&mut self) -> Option<Kind> {
        let side = self.side();
        let (low, high, usual) = match side {
            Some(Side::Below) => (0.001, 0.99, 0.2),
            _ => (1.01, 1000.0, 3.0),
        };
        let factor = self.number("factor", low, high);
        let least = self.number("least", 1.0, MOST_NUMBER);
        let window = self.duration("window", "1h", HOUR, DAY);
        let warm_up = self.duration("warm_up", "20m", MINUTE, window.unwrap_or(HOUR));
        let accept_after = self.duration("accept_after", "1h", MINUTE, WEEK);
        Some(Kind::Range {
            side: side?,
            window: window?,
            factor: factor?.unwrap_or(usual),
            least: least?.unwrap_or(50.0),
            warm_up: warm_up?,
            accept_after: accept_after?,
        })
    }

    fn side(&mut self) -> Option<Side> {
        let side = self.choice("side", &["above", "below"], |name| match name {
            "above" => Some(Side::Above),
            "below" => Some(Side::Below),
            _ => None,
        })?;
        if side.is_none() {
            self.fault("side", "is missing: above or below");
        }
        side
    }

    fn scope(&mut self, metric: Option<Metric>) -> Option<Scope> {
        let mut scope = Scope {
            host: false,
            pods: false,
        };
        let Some(value) = self.table.get("scope") else {
            return Some(Scope {
                host: true,
                pods: metric.is_none_or(Metric::is_of_pods),
            });
        };
        for name in value.as_array().map(Vec::as_slice).unwrap_or_default() {
            match name.as_str() {
                Some("host") => scope.host = true,
                Some("pods") => scope.pods = true,
                _ => {
                    scope = Scope {
                        host: false,
                        pods: false,
                    };
                    break;
                }
            }
        }
        if !scope.host && !scope.pods {
            self.fault("scope", "must be an array of \"host\", \"pods\" or both");
            return None;
        }
        if let Some(metric) = metric.filter(|metric| scope.pods && !metric.is_of_pods()) {
            let problem = format!(
                "{} is never known of pods: must be [\"host\"]",
                metric.name()
            );
            self.fault("scope", problem);
            return None;
        }
        Some(scope)
    }
}
