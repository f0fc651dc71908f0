//! What is said of each metric as an alert fires, stands, is nearly over and is resolved: the whole of it, to be read.

use super::super::made::*;
use super::super::{Event, Metric, Subject};

/// One sample of each, and the body that comes of it.
fn bodies(rule: &str, samples: &[Subject]) -> Vec<String> {
    let mut bench = Bench::new(only(rule), 30);
    let said = |bench: &mut Bench, subject: &Subject| {
        let events: Vec<Event> = bench.take(vec![subject.clone()]);
        let standing = bench.engine.active().next().map(|alert| alert.body.clone());
        let event = events.into_iter().next().map(|event| event.alert.body);
        event.or(standing).map(|body| body.to_string())
    };
    let all = samples
        .iter()
        .filter_map(|subject| said(&mut bench, subject));
    all.collect()
}

#[test]
fn each_metric_reads_well_as_it_fires_stands_and_ends() {
    let said = |metric: Metric| {
        let rule = format!(
            "[x]\nmetric = \"{}\"\nabove = 80\nclear = 50\nfor = \"30s\"\nclear_for = \"30s\"\nscope = [\"host\"]\n",
            metric.name()
        );
        let samples =
            [81.0, 82.0, 90.5, 60.0, 1.0, 1.0].map(|value| subject(HOST, &[(metric, value)]));
        bodies(&rule, &samples).join("\n")
    };
    let all = [
        ("%n TCP sockets", "1 TCP socket"),
        (
            "%n connections in ESTABLISHED",
            "1 connection in ESTABLISHED",
        ),
        ("%n connections in TIME_WAIT", "1 connection in TIME_WAIT"),
        ("%n connections in CLOSE_WAIT", "1 connection in CLOSE_WAIT"),
        ("%n listening sockets", "1 listening socket"),
        (
            "%n connections in SYN_RECEIVED",
            "1 connection in SYN_RECEIVED",
        ),
        (
            "%n % of an accept queue in use",
            "1 % of an accept queue in use",
        ),
        (
            "%n connections found an accept queue full",
            "1 connection found an accept queue full",
        ),
        (
            "%n % of the ports toward one destination in use",
            "1 % of the ports toward one destination in use",
        ),
        (
            "%n % of the memory from which the kernel spares in use by TCP",
            "1 % of the memory from which the kernel spares in use by TCP",
        ),
    ];
    for (metric, (many, one)) in Metric::ALL.into_iter().zip(all) {
        let [first, second, within] = ["82", "90.5", "60"].map(|value| many.replace("%n", value));
        let percent = if many.contains(" % ") { " %" } else { "" };
        let who = match super::command(metric) {
            Some((command, what)) => format!(" `{command}` says {what}."),
            None => String::new(),
        };
        let page = format!(
            "{first} on the host, more than 80{percent} since 12:00:00 UTC.{who}
{second} on the host, more than 80{percent} since 12:00:00 UTC.{who}
{within} on the host now; more than 80{percent} first at 12:00:00 UTC and last at 12:01:00 UTC. Resolved once it is no more than 50{percent} for 30 s.
{one} on the host now; more than 80{percent} first at 12:00:00 UTC and last at 12:01:00 UTC. Resolved at 12:02:30 UTC if that lasts.
{one} on the host now, after more than 80{percent} since 12:00:00 UTC; it was so for 3 min."
        );
        assert_eq!(said(metric), page);
    }
}
