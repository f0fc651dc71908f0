//! The SDK's exporter: encodes and hands over. Nothing of the network is here, so nothing of it can hold up a tick.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, ResourceMetrics as ResourceMetricsMessage,
};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use prost::Message;

use super::instrument::OWNER;
use super::pipeline::{Enqueue, Latest};

pub(super) struct Exporter {
    latest: Latest,
    enqueue: Box<dyn Enqueue>,
    /// The time of the earliest sample, in nanoseconds since 1970.
    earliest: AtomicU64,
}

impl Exporter {
    pub(super) fn new(latest: Latest, enqueue: impl Enqueue) -> Self {
        Self {
            latest,
            enqueue: Box::new(enqueue),
            earliest: AtomicU64::new(u64::MAX),
        }
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl PushMetricExporter for Exporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.enqueue.collected();
        let mut request = ExportMetricsServiceRequest::from(metrics);
        set_pods_apart(&mut request);
        if let Some(time) = self.latest.time() {
            let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            let time = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
            let earliest = self.earliest.fetch_min(time, Ordering::Relaxed).min(time);
            stamp(&mut request, time, earliest);
        }
        self.enqueue.enqueue(request.encode_to_vec());
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

/// Gives every point the time of its sample, every sum one start, and every point its place.
///
/// The SDK stamps each instrument when it collects it, microseconds apart, and after the reading; the values of one
/// sample belong to one moment, and a backend should be able to line them up.
///
/// A sum cannot have started after it was taken, but the first sample is older than its instrument, and a clock that is set back makes
/// others so. A start that changed with each of them would say that the sum had begun anew: it is that of the earliest. A gauge has no
/// start.
///
/// In the SDK points are in a hash table. Where each pod has the same place in each metric, a backlog compresses by a fifth more.
fn stamp(request: &mut ExportMetricsServiceRequest, time: u64, earliest: u64) {
    let metrics = request
        .resource_metrics
        .iter_mut()
        .flat_map(|resource| &mut resource.scope_metrics)
        .flat_map(|scope| &mut scope.metrics);
    for metric in metrics {
        let (points, has_start) = match &mut metric.data {
            Some(Data::Gauge(gauge)) => (&mut gauge.data_points, false),
            Some(Data::Sum(sum)) => (&mut sum.data_points, true),
            _ => continue,
        };
        points.sort_by(|one, other| whose(one).cmp(whose(other)));
        for point in points {
            point.time_unix_nano = time;
            let start = point.start_time_unix_nano.min(earliest);
            point.start_time_unix_nano = if has_start { start } else { 0 };
        }
    }
}

/// So many parts have the points of pods, where there are enough of them.
const PARTS: usize = 8;

/// Puts the points of pods behind all others, in parts of the request that are requests by themselves.
///
/// A backlog is compressed part by part. Deflate sees no further than 32 KiB: what the host and the agent tell is not torn apart by what
/// many pods tell, and a pod is found again in the next metric. A pod is always in the same part, and all parts are there or only one
/// is: a backend could get its points out of order otherwise.
fn set_pods_apart(request: &mut ExportMetricsServiceRequest) {
    for mut resource in std::mem::take(&mut request.resource_metrics) {
        let points: Vec<Vec<NumberDataPoint>> = all_points(&mut resource)
            .map(|points| points.map(std::mem::take).unwrap_or_default())
            .collect();
        let places: Vec<Vec<usize>> = points
            .iter()
            .map(|points| points.iter().map(place).collect())
            .collect();
        let of_pods = || places.iter().flatten().filter(|place| **place > 0);
        let has_all = (1..=PARTS).all(|part| of_pods().any(|place| *place == part));
        let parts = match of_pods().next() {
            None => 1,
            Some(_) if has_all => 1 + PARTS,
            Some(_) => 2,
        };
        let mut apart = vec![resource; parts];
        for (number, (points, places)) in points.into_iter().zip(places).enumerate() {
            let mut into: Vec<_> = apart
                .iter_mut()
                .map(|part| all_points(part).nth(number).flatten())
                .collect();
            for (point, place) in points.into_iter().zip(places) {
                if let Some(Some(into)) = into.get_mut(place.min(parts - 1)) {
                    into.push(point);
                }
            }
        }
        request.resource_metrics.extend(apart);
    }
    for resource in &mut request.resource_metrics {
        for scope in &mut resource.scope_metrics {
            scope
                .metrics
                .retain_mut(|metric| points_of(metric).is_none_or(|points| !points.is_empty()));
        }
    }
    request.resource_metrics.retain(|resource| {
        let mut scopes = resource.scope_metrics.iter();
        scopes.any(|scope| !scope.metrics.is_empty())
    });
}

/// Which part a point belongs to: 0 if it is of no pod.
fn place(point: &NumberDataPoint) -> usize {
    let mut hasher = crc32fast::Hasher::new();
    let mut is_of_a_pod = false;
    for (key, value) in whose(point) {
        if OWNER.iter().any(|attribute| attribute.key == key) {
            is_of_a_pod = true;
            hasher.update(value.as_bytes());
        }
    }
    if is_of_a_pod {
        1 + hasher.finalize() as usize % PARTS
    } else {
        0
    }
}

/// The points of each metric, in order.
fn all_points(
    resource: &mut ResourceMetricsMessage,
) -> impl Iterator<Item = Option<&mut Vec<NumberDataPoint>>> {
    let scopes = resource.scope_metrics.iter_mut();
    scopes.flat_map(|scope| &mut scope.metrics).map(points_of)
}

/// The points of a metric of a kind that there is here.
fn points_of(metric: &mut Metric) -> Option<&mut Vec<NumberDataPoint>> {
    match &mut metric.data {
        Some(Data::Gauge(gauge)) => Some(&mut gauge.data_points),
        Some(Data::Sum(sum)) => Some(&mut sum.data_points),
        _ => None,
    }
}

/// What tells a point from the others of its metric.
fn whose(point: &NumberDataPoint) -> impl Iterator<Item = (&str, &str)> {
    point.attributes.iter().map(|attribute| {
        let value = attribute.value.as_ref().and_then(|any| any.value.as_ref());
        let value = match value {
            Some(any_value::Value::StringValue(text)) => text.as_str(),
            _ => "",
        };
        (attribute.key.as_str(), value)
    })
}
