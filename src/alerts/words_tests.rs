//! What alerts say, while they stand and when they end.

use std::net::SocketAddr;
use std::sync::Arc;

use super::super::made::*;
use super::super::{Metric, Severity};
use super::*;
use crate::culprits::Whose;

/// Who is told of in each sample.
type Day<'a> = &'a dyn Fn(u64) -> Vec<super::super::Subject>;

const CLOSE_WAIT: &str = "[close-wait]\nmetric = \"tcp_close_wait\"\nabove = 10\nclear = 8\nfor = \"1m\"\nclear_for = \"2m\"\n";

/// What is said of the one alert that stands.
fn said(bench: &Bench) -> String {
    bench
        .engine
        .active()
        .map(|alert| alert.body.to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn what_stands_is_true_at_each_moment_of_its_life() {
    let mut bench = Bench::new(only(CLOSE_WAIT), 30);
    for (value, says) in [
        (Some(11.0), ""),
        (Some(12.0), ""),
        (
            Some(13.0),
            "13 connections in CLOSE_WAIT on the host, more than 10 since 12:00:00 UTC. `tcpgauge culprits` says whose they are.",
        ),
        (
            Some(9.0),
            "9 connections in CLOSE_WAIT on the host now; more than 10 first at 12:00:00 UTC and last at 12:01:00 UTC. Resolved once it is no more than 8 for 2 min.",
        ),
        (
            Some(8.0),
            "8 connections in CLOSE_WAIT on the host now; more than 10 first at 12:00:00 UTC and last at 12:01:00 UTC. Resolved at 12:04:00 UTC if that lasts.",
        ),
        (
            Some(0.0),
            "0 connections in CLOSE_WAIT on the host now; more than 10 first at 12:00:00 UTC and last at 12:01:00 UTC. Resolved at 12:04:00 UTC if that lasts.",
        ),
        (
            None,
            "Last known at 12:02:30 UTC: 0 connections in CLOSE_WAIT on the host; more than 10 first at 12:00:00 UTC and last at 12:01:00 UTC. Resolved once it is no more than 8 for 2 min.",
        ),
        (
            Some(20.0),
            "20 connections in CLOSE_WAIT on the host, more than 10 again since 12:03:30 UTC, first at 12:00:00 UTC. `tcpgauge culprits` says whose they are.",
        ),
        (
            None,
            "Last known at 12:03:30 UTC: 20 connections in CLOSE_WAIT on the host, more than 10 again since 12:03:30 UTC, first at 12:00:00 UTC. `tcpgauge culprits` says whose they are.",
        ),
        (
            Some(21.0),
            "21 connections in CLOSE_WAIT on the host, more than 10 again since 12:03:30 UTC, first at 12:00:00 UTC. `tcpgauge culprits` says whose they are.",
        ),
        (
            Some(10.0),
            "10 connections in CLOSE_WAIT on the host now; more than 10 first at 12:00:00 UTC and last at 12:04:30 UTC. Resolved once it is no more than 8 for 2 min.",
        ),
    ] {
        match value {
            Some(value) => bench.host(Metric::CloseWait, value),
            None => bench.gap(30),
        };
        assert_eq!(said(&bench), says, "at {}", bench.seconds);
    }
    let saved = bench.engine.save();
    let mut again = Bench::new(only(CLOSE_WAIT), 30);
    again.engine.restore(&saved, at(bench.seconds)).unwrap();
    assert_eq!(said(&again), said(&bench));
}

#[test]
fn each_kind_says_what_it_was_and_what_ends_it() {
    let growing = |sample: u64| if sample < 80 { sample / 4 } else { 20 };
    let of_growth = |sample| {
        vec![subject(
            HOST,
            &[(
                Metric::CloseWait,
                f64::from(u32::try_from(growing(sample)).unwrap()),
            )],
        )]
    };
    let of_range = |sample| {
        vec![subject(
            HOST,
            &[(
                Metric::Established,
                if sample < 60 {
                    300.0
                } else if sample < 63 {
                    5000.0
                } else {
                    1200.0
                },
            )],
        )]
    };
    let of_listeners = |sample| {
        vec![listening(
            HOST,
            if sample < 20 {
                &[22, 80, 443]
            } else if sample < 23 {
                &[22, 443]
            } else {
                &[22, 80]
            },
        )]
    };
    let of_ports = |sample| {
        vec![subject(
            HOST,
            &[(Metric::Ports, if sample < 3 { 90.5 } else { 75.0 })],
        )]
    };
    let days: [(&str, u64, Day<'_>, &str); 4] = [
        (
            "[x]\nmetric = \"tcp_close_wait\"\nkind = \"growth\"\nrise = 4\nclear_for = \"10m\"\nfor = \"0s\"\n",
            115,
            &of_growth,
            "20 connections in CLOSE_WAIT on the host now; a steady rise from 0 first at 12:00:00 UTC and last at 12:54:30 UTC. Resolved once it has not risen for 10 min.",
        ),
        (
            "[x]\nmetric = \"tcp_established\"\nkind = \"range\"\nside = \"above\"\nleast = 1000\nfor = \"1m\"\n",
            64,
            &of_range,
            "1,200 connections in ESTABLISHED on the host now; more than 1,300 (in the hour before it was 300 to 300) first at 12:30:00 UTC and last at 12:31:00 UTC. Resolved once it is near what is usual for 2 min.",
        ),
        (
            "[x]\nmetric = \"tcp_listen\"\nkind = \"settled\"\nside = \"below\"\nfor = \"40s\"\n",
            24,
            &of_listeners,
            "2 listening sockets on the host now; port 80 missing first at 12:10:00 UTC and last at 12:11:00 UTC. Resolved once none is missing for 2 min.",
        ),
        (
            "[x]\nmetric = \"ports\"\nabove = 80\nclear = 70\nfor = \"1m\"\n",
            4,
            &of_ports,
            "75 % of the ports toward one destination in use on the host now; more than 80 % first at 12:00:00 UTC and last at 12:01:00 UTC. Resolved once it is no more than 70 % for 2 min.",
        ),
    ];
    for (rule, samples, day, says) in days {
        let mut bench = Bench::new(only(rule), 30);
        for sample in 0..samples {
            bench.take(day(sample));
        }
        assert_eq!(said(&bench), says, "{rule}");
    }
}

fn alert(value: f64, limit: f64) -> Alert {
    Alert {
        id: Arc::from("id"),
        rule: Arc::from("x"),
        severity: Severity::Warning,
        whose: Whose::clone(&HOST),
        metric: Metric::CloseWait,
        value,
        limit,
        since: at(30),
        culprits: Vec::new(),
        body: Arc::from(""),
        runbook: Arc::from("docs/x.md"),
        steps: Arc::default(),
    }
}

fn culprit() -> Culprit {
    let peer: SocketAddr = "10.0.0.7:9000".parse().unwrap();
    Culprit {
        what: "python3 (pid 4711, user 26)".to_owned(),
        sockets: 54,
        local_port: Some(8080),
        peer: Some(peer.ip()),
        ..Culprit::default()
    }
}

fn now(phase: Phase, are_culprits_new: bool) -> Now {
    Now {
        time: at(600),
        moment: Moment {
            now: 6000,
            step: 300,
            interval: 300,
        },
        began: 300,
        known: None,
        phase,
        are_culprits_new,
    }
}

#[test]
fn who_it_is_is_said_of_now_or_of_when_it_was_known() {
    let rules = only(CLOSE_WAIT);
    let rule = rules.iter().next().unwrap();
    let leaks = Alert {
        culprits: vec![culprit()],
        ..alert(54.0, 10.0)
    };
    let over = Phase::Over(None);
    let within = Phase::Within(at(300), None);
    for (now, says) in [
        (
            now(over, true),
            "since 12:00:30 UTC: python3 (pid 4711, user 26) holds 54 on port 8080, peer 10.0.0.7. Runbook: docs/x.md.",
        ),
        (
            now(over, false),
            "since 12:00:30 UTC: python3 (pid 4711, user 26) held 54 on port 8080, peer 10.0.0.7, when that was last known. Runbook: docs/x.md.",
        ),
        (
            now(within, true),
            "last at 12:05:00 UTC. Now python3 (pid 4711, user 26) holds 54 on port 8080, peer 10.0.0.7. Resolved once it is no more than 8 for 2 min. Runbook: docs/x.md.",
        ),
        (
            now(within, false),
            "last at 12:05:00 UTC. Resolved once it is no more than 8 for 2 min. Runbook: docs/x.md.",
        ),
    ] {
        let body = standing(rule, &leaks, &Finding::Plain, &now);
        assert!(body.ends_with(says), "{body}");
    }
}

#[test]
fn whatever_ends_it_is_said_with_what_it_was_and_since_when() {
    let rules = only(CLOSE_WAIT);
    let rule = rules.iter().next();
    let stood = Duration::from_mins(8);
    let over = Phase::Over(None);
    let gone = Now {
        known: Some(at(510)),
        ..now(over, false)
    };
    let within = now(Phase::Within(at(300), None), true);
    for (value, reason, rule, now, says) in [
        (
            3.0,
            Reason::Over,
            rule,
            within,
            "3 connections in CLOSE_WAIT on the host now, after more than 10 since 12:00:30 UTC; it was so for 8 min. It was python3 (pid 4711, user 26).",
        ),
        (
            54.0,
            Reason::Accepted,
            rule,
            now(over, true),
            "54 connections in CLOSE_WAIT on the host, more than 10 since 12:00:30 UTC: that counts as usual now. It was so for 8 min. It was",
        ),
        (
            54.0,
            Reason::Gone,
            rule,
            gone,
            "Last known at 12:08:30 UTC: 54 connections in CLOSE_WAIT on the host, more than 10 since 12:00:30 UTC. It has ended, and the alert with it, after 8 min. It was",
        ),
        (
            54.0,
            Reason::Untold,
            rule,
            gone,
            "Last known at 12:08:30 UTC: 54 connections in CLOSE_WAIT on the host, more than 10 since 12:00:30 UTC. Its value is no longer told of, and the alert ends with that, after 8 min. It was",
        ),
        (
            54.0,
            Reason::RuleChanged,
            None,
            gone,
            "Last known: 54 connections in CLOSE_WAIT on the host, of which an alert stood since 12:00:30 UTC. The rule x was changed or turned off, after 8 min.",
        ),
        (
            54.0,
            Reason::Unread,
            None,
            gone,
            "Last known: 54 connections in CLOSE_WAIT on the host, of which an alert stood since 12:00:30 UTC. It is no longer read, after 8 min.",
        ),
    ] {
        let leaks = Alert {
            culprits: vec![culprit()],
            ..alert(value, 10.0)
        };
        let behind = behind(&leaks, &Finding::Plain);
        let body = ended(
            rule.map(|rule| &**rule),
            &leaks,
            &Finding::Plain,
            reason,
            stood,
            &behind,
            &now,
        );
        assert!(body.starts_with(says), "{body}");
        assert!(body.ends_with(" Runbook: docs/x.md."), "{body}");
    }
}
