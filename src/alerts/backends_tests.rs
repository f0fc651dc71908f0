//! The rules of the agent and the alerts for backends (deploy/alerts.toml) are of the same things. Where they differ it is said
//! here, and why.

#![allow(clippy::cast_precision_loss, reason = "thresholds are small")]

use std::collections::BTreeSet;
use std::time::Duration;

use super::rule::{Kind, Rule};
use super::{Metric, Rules};

/// A rule, the alert of a backend that tells of the same, and the thresholds that have a number of the rule's, with what makes it that.
type Same = (&'static str, &'static str, &'static [(&'static str, f64)]);

const SAME: &[Same] = &[
    ("close-wait", "TcpCloseWait", &[("close_wait", 1.0)]),
    (
        "close-wait-growing",
        "TcpCloseWaitGrowing",
        &[("close_wait_growth", 0.5)],
    ),
    ("time-wait", "TcpTimeWaitHigh", &[("time_wait", 1.0)]),
    (
        "time-wait-many",
        "TcpTimeWaitVeryHigh",
        &[("time_wait_many", 1.0)],
    ),
    (
        "listen-gone",
        "TcpListenersGone",
        &[("listen_dropped", 1.0)],
    ),
    (
        "listen-unexpected",
        "TcpListenersUnexpected",
        &[("listen_rose", 1.0)],
    ),
    (
        "connections-surge",
        "TcpConnectionsSurged",
        &[("surge_factor", 1.0), ("surge_least", 1.0)],
    ),
    (
        "connections-collapse",
        "TcpConnectionsCollapsed",
        &[("collapse_factor", 1.0), ("collapse_least", 1.0)],
    ),
    ("ports", "TcpPortsNearlyUsedUp", &[("ports", 100.0)]),
    (
        "accept-queue",
        "TcpAcceptQueueFilling",
        &[("accept_queue", 100.0)],
    ),
    ("listen-overflows", "TcpAcceptQueueOverflows", &[]),
    ("memory", "TcpMemoryHigh", &[("memory", 100.0)]),
];

/// What differs, with the agent's first, and why that is meant.
const DIFFERENCES: &[(&str, &str)] = &[
    // It looks at the least of each 5 minutes, and so waits for no threshold to be crossed; the backend's asks for more than 10
    // besides, and is the second alert of the same leak there.
    ("close-wait-growing", "4 and not 5"),
    ("close-wait-growing", "for 0s and not 30m"),
    ("close-wait-growing", "warning and not critical"),
    // It sees every sample; a backend's last points stay in sight for minutes.
    ("time-wait-many", "for 1m and not 5m"),
    ("accept-queue", "for 1m and not 2m"),
    // Ports are told apart by their numbers, so two samples do; a backend has their number alone, held against a median.
    ("listen-gone", "for 10s and not 5m"),
    ("listen-unexpected", "for 10s and not 15m"),
    // Against the hour before, in which a job of a batch host looks like a surge; a backend's median of a day knows jobs.
    (
        "connections-surge",
        "tcp_established and not tcp_connections",
    ),
    ("connections-surge", "1000 and not 500"),
    ("connections-surge", "for 5m and not 10m"),
    ("connections-collapse", "for 2m and not 5m"),
    // Two counts that are 5 minutes apart, give or take.
    ("ports", "for 4m and not 5m"),
    // Each sample of a minute must have some, where a backend's increase over 5 minutes stays for as long.
    ("listen-overflows", "for 1m and not 2m"),
];

/// What only a backend can tell, or what tells of the agent itself.
const OF_BACKENDS_ALONE: &[&str] = &[
    "TcpAcceptQueueFull",
    "TcpAcceptQueueLong",
    "TcpMemoryPressure",
    "TcpgaugeSilent",
    "TcpgaugeAbsent",
    "TcpgaugeFaults",
    "TcpgaugeLosesSamples",
];

fn deploy() -> toml::Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/alerts.toml");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn numbers(rule: &Rule) -> Vec<f64> {
    match rule.kind {
        Kind::Threshold { limit, .. } => vec![limit],
        Kind::Growth { rise, .. } => vec![rise],
        Kind::Settled { .. } => vec![1.0],
        Kind::Range { factor, least, .. } => vec![factor, least],
    }
}

fn span(text: &str) -> Duration {
    let span: jiff::SignedDuration = text.parse().unwrap();
    Duration::try_from(span).unwrap()
}

#[test]
fn rules_and_alerts_for_backends_agree_but_where_it_is_said_why_they_do_not() {
    let deploy = deploy();
    let alerts = deploy["alert"].as_array().unwrap();
    let text = |alert: &toml::Value, key: &str| alert[key].as_str().unwrap().to_owned();
    let thresholds = deploy["thresholds"].as_table().unwrap();
    let rules = Rules::defaults();
    let mut differences = BTreeSet::new();
    for (name, alert, of) in SAME {
        let rule = rules.iter().find(|rule| *rule.name == **name).unwrap();
        let alert = alerts.iter().find(|one| text(one, "name") == *alert);
        let alert = alert.unwrap();
        let mut differs = |what: String| differences.insert((*name, what));
        for (number, (threshold, times)) in numbers(rule).into_iter().zip(*of) {
            let value = &thresholds[*threshold];
            let whole = value.as_integer().map(|value| value as f64);
            let value = value.as_float().or(whole).unwrap() * times;
            if (number - value).abs() > 1e-9 {
                differs(format!("{number} and not {value}"));
            }
        }
        let held = super::listing::span(rule.held);
        if rule.held != span(&text(alert, "for")) {
            differs(format!("for {held} and not {}", text(alert, "for")));
        }
        if rule.severity.name() != text(alert, "severity") {
            differs(format!(
                "{} and not {}",
                rule.severity.name(),
                text(alert, "severity")
            ));
        }
        let query = text(alert, "promql");
        let others = Metric::ALL.map(Metric::name).into_iter().take(5);
        if let Some(other) = others
            .into_iter()
            .find(|other| query.contains(&format!("max without (instance) ({other})")))
            && other != rule.metric.name()
        {
            differs(format!("{} and not {other}", rule.metric.name()));
        }
        assert!(rule.runbook.ends_with(&text(alert, "runbook")), "{name}");
    }
    let stated: BTreeSet<_> = DIFFERENCES
        .iter()
        .map(|(name, what)| (*name, (*what).to_owned()))
        .collect();
    assert_eq!(differences, stated);
}

#[test]
fn each_rule_and_each_alert_for_backends_was_thought_of() {
    let mut rules: Vec<_> = Rules::defaults()
        .iter()
        .map(|rule| rule.name.to_string())
        .collect();
    rules.sort();
    let mut thought_of: Vec<_> = SAME.iter().map(|(rule, ..)| (*rule).to_owned()).collect();
    thought_of.sort();
    assert_eq!(rules, thought_of);
    let deploy = deploy();
    let alerts = deploy["alert"].as_array().unwrap();
    let alerts: BTreeSet<_> = alerts
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    let both = SAME.iter().map(|(_, alert, _)| *alert);
    let expected: BTreeSet<_> = both.chain(OF_BACKENDS_ALONE.iter().copied()).collect();
    assert_eq!(alerts, expected);
}
