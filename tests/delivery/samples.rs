//! What the backend got, as samples: one `ResourceMetrics` each. Their timestamps alone tell whether ticks were on time and
//! whether any was lost, sent twice or out of order; so most claims here rest on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric, NumberDataPoint, ResourceMetrics, number_data_point,
};

use crate::agent::Ended;
use crate::otlp_server::Received;

/// How late after its moment a sample may be taken on a machine that is busy, or stands still for a while: it is nearer to its own
/// second than to the next.
const ON_TIME: Duration = Duration::from_millis(500);

const INTERVAL: Duration = Duration::from_secs(1);

pub(crate) const INSTRUMENTS: [&str; 6] = [
    "system.network.connection.count",
    "tcp_close_wait",
    "tcp_connections",
    "tcp_established",
    "tcp_listen",
    "tcp_time_wait",
];

/// Everything of one tick.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) time: Duration,
    pub(crate) resource: BTreeMap<String, String>,
    whole: ResourceMetrics,
}

pub(crate) fn samples(received: &[Received]) -> Vec<Sample> {
    received
        .iter()
        .flat_map(|one| samples_of(&one.request))
        .collect()
}

pub(crate) fn samples_of(request: &ExportMetricsServiceRequest) -> Vec<Sample> {
    request.resource_metrics.iter().map(Sample::from).collect()
}

pub(crate) fn times(received: &[Received]) -> Vec<Duration> {
    samples(received).iter().map(|sample| sample.time).collect()
}

impl From<&ResourceMetrics> for Sample {
    fn from(whole: &ResourceMetrics) -> Self {
        let points = metrics(whole).flat_map(points);
        let times: BTreeSet<u64> = points.map(|point| point.time_unix_nano).collect();
        assert_eq!(
            times.len(),
            1,
            "the points of one sample carry one timestamp"
        );
        let attributes = whole
            .resource
            .iter()
            .flat_map(|resource| &resource.attributes);
        Self {
            time: times.into_iter().map(Duration::from_nanos).next().unwrap(),
            resource: attributes.map(|one| (one.key.clone(), text(one))).collect(),
            whole: whole.clone(),
        }
    }
}

impl Sample {
    pub(crate) fn instruments(&self) -> BTreeSet<&str> {
        metrics(&self.whole)
            .map(|metric| metric.name.as_str())
            .collect()
    }

    /// The only point of an instrument.
    pub(crate) fn value(&self, name: &str) -> i64 {
        let all: Vec<i64> = self.points(name).into_values().collect();
        assert_eq!(all.len(), 1, "{name} has one point");
        all[0]
    }

    /// An instrument's values by its attributes as they are rendered.
    pub(crate) fn points(&self, name: &str) -> BTreeMap<String, i64> {
        let metric = metrics(&self.whole).find(|metric| metric.name == name);
        metric
            .iter()
            .flat_map(|metric| points(metric))
            .map(|point| (attributes(point), int(point)))
            .collect()
    }

    /// All of it, sorted, a line for each fact, without what differs from one run or version to the next.
    pub(crate) fn render(&self) -> String {
        let mut text = String::from("resource\n");
        for (name, value) in &self.resource {
            let value = if VOLATILE.contains(&name.as_str()) && !value.is_empty() {
                "<volatile>"
            } else {
                value
            };
            writeln!(text, "  {name} = {value}").unwrap();
        }
        for scope in &self.whole.scope_metrics {
            let known = scope.scope.clone().unwrap_or_default();
            let version = if known.version == env!("CARGO_PKG_VERSION") {
                "<this version>"
            } else {
                &known.version
            };
            writeln!(text, "scope {} {version}", known.name).unwrap();
            let mut metrics: Vec<&Metric> = scope.metrics.iter().collect();
            metrics.sort_by_key(|metric| &metric.name);
            for metric in metrics {
                render_metric(metric, &mut text);
            }
        }
        text
    }
}

const VOLATILE: [&str; 3] = [
    "service.instance.id",
    "service.version",
    "telemetry.sdk.version",
];

fn render_metric(metric: &Metric, text: &mut String) {
    let description = if metric.description.is_empty() {
        "no description"
    } else {
        "described"
    };
    writeln!(
        text,
        "  {} {} {}, {description}",
        kind(metric),
        metric.name,
        metric.unit
    )
    .unwrap();
    let lines: BTreeSet<String> = points(metric)
        .iter()
        .map(|point| format!("    {{{}}} {}\n", attributes(point), int(point)))
        .collect();
    assert_eq!(
        lines.len(),
        points(metric).len(),
        "no point of {} is there twice",
        metric.name
    );
    text.extend(lines);
}

fn kind(metric: &Metric) -> String {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(_) => "gauge".to_owned(),
        Data::Sum(sum) => {
            let temporality =
                AggregationTemporality::try_from(sum.aggregation_temporality).unwrap();
            let direction = if sum.is_monotonic {
                "up only"
            } else {
                "up and down"
            };
            format!("sum ({}, {direction})", temporality.as_str_name())
        }
        other => panic!("neither a gauge nor a sum: {other:?}"),
    }
}

fn metrics(whole: &ResourceMetrics) -> impl Iterator<Item = &Metric> {
    whole.scope_metrics.iter().flat_map(|scope| &scope.metrics)
}

fn points(metric: &Metric) -> &[NumberDataPoint] {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => &gauge.data_points,
        Data::Sum(sum) => &sum.data_points,
        other => panic!("neither a gauge nor a sum: {other:?}"),
    }
}

fn int(point: &NumberDataPoint) -> i64 {
    match point.value {
        Some(number_data_point::Value::AsInt(value)) => value,
        ref other => panic!("not an integer: {other:?}"),
    }
}

fn attributes(point: &NumberDataPoint) -> String {
    let sorted: BTreeMap<&str, String> = point
        .attributes
        .iter()
        .map(|one| (one.key.as_str(), text(one)))
        .collect();
    sorted
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn text(attribute: &KeyValue) -> String {
    match attribute
        .value
        .as_ref()
        .and_then(|value| value.value.as_ref())
    {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// Every sample that the agent took between its start and its end is in `times`, once, in order, and was taken on time.
///
/// Nothing of that needs the agent's word: the first sample is taken at the start, the last at the signal, and one at every
/// full second between them, so a sample that is missing, double, late or out of place shows as a wrong step.
pub(crate) fn assert_whole(times: &[Duration], ended: &Ended) {
    let faults = faults_of(times, ended.started, ended.stopped);
    assert!(
        faults.is_empty(),
        "{}\nsamples: {}\nlog:\n{}",
        faults.join("\n"),
        relative(times, ended.started),
        ended.log
    );
}

fn faults_of(times: &[Duration], started: Duration, stopped: Duration) -> Vec<String> {
    let (Some(&first), Some(&last)) = (times.first(), times.last()) else {
        return vec!["no sample at all".to_owned()];
    };
    let mut faults = Vec::new();
    let mut claim = |holds: bool, fault: String| {
        if !holds {
            faults.push(fault);
        }
    };
    let first_tick = Duration::from_secs(started.as_secs() + 1);
    claim(
        started <= first && first < first_tick,
        "the first sample is not of the start".to_owned(),
    );
    claim(
        stopped <= last && last < stopped + INTERVAL,
        "the last sample is not of the signal to end".to_owned(),
    );
    for step in times.windows(2) {
        let gap = step[1].saturating_sub(step[0]);
        claim(
            gap > Duration::ZERO,
            format!("out of order or twice: {}", relative(step, started)),
        );
        claim(
            gap <= INTERVAL + ON_TIME,
            format!("missing between: {}", relative(step, started)),
        );
    }
    for &time in times.iter().skip(1).rev().skip(1) {
        claim(
            past_the_second(time) <= ON_TIME,
            format!("not on time: {}", relative(&[time], started)),
        );
    }
    for step in times.windows(2).skip(1).rev().skip(1) {
        let gap = step[1].saturating_sub(step[0]);
        claim(
            gap + ON_TIME >= INTERVAL,
            format!("too close: {}", relative(step, started)),
        );
    }
    faults
}

fn past_the_second(time: Duration) -> Duration {
    Duration::from_nanos(time.subsec_nanos().into())
}

/// Times as seconds since the start, to be read by people.
pub(crate) fn relative(times: &[Duration], start: Duration) -> String {
    times
        .iter()
        .map(|time| format!("{:+.3}", time.as_secs_f64() - start.as_secs_f64()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The full seconds, in order, at which a sample was taken.
pub(crate) fn seconds(times: &[Duration]) -> Vec<u64> {
    times.iter().map(Duration::as_secs).collect()
}

#[test]
fn a_sample_that_is_missing_or_double_or_late_or_out_of_place_is_seen() {
    let at = |millis: &[u64]| {
        millis
            .iter()
            .copied()
            .map(Duration::from_millis)
            .collect::<Vec<_>>()
    };
    let faults = |millis: &[u64]| {
        let (started, stopped) = (Duration::from_millis(10_400), Duration::from_millis(14_300));
        faults_of(&at(millis), started, stopped).join("; ")
    };
    assert_eq!(
        faults(&[10_450, 11_000, 12_100, 13_050, 14_000, 14_350]),
        ""
    );
    for (millis, word) in [
        (&[][..], "no sample"),
        (
            &[11_000, 12_000, 13_000, 14_000, 14_350],
            "not of the start",
        ),
        (&[10_450, 11_000, 12_000, 13_000], "not of the signal"),
        (&[10_450, 11_000, 13_000, 14_000, 14_350], "missing"),
        (
            &[10_450, 11_000, 12_000, 12_000, 13_000, 14_000, 14_350],
            "twice",
        ),
        (
            &[10_450, 12_000, 11_000, 13_000, 14_000, 14_350],
            "out of order",
        ),
        (
            &[10_450, 11_000, 12_000, 13_600, 14_000, 14_350],
            "not on time",
        ),
        (
            &[10_450, 11_000, 12_000, 12_300, 13_000, 14_000, 14_350],
            "too close",
        ),
    ] {
        assert!(faults(millis).contains(word), "{word}: {}", faults(millis));
    }
}
