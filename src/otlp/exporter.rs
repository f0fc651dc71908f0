//! The SDK's exporter: encodes and hands over. Nothing of the network is here, so nothing of it can hold up a tick.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use prost::Message;

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

/// Gives every point the time of its sample, and every sum one start.
///
/// The SDK stamps each instrument when it collects it, microseconds apart, and after the reading; the values of one
/// sample belong to one moment, and a backend should be able to line them up.
///
/// A sum cannot have started after it was taken, but the first sample is older than its instrument, and a clock that is set back makes
/// others so. A start that changed with each of them would say that the sum had begun anew: it is that of the earliest.
fn stamp(request: &mut ExportMetricsServiceRequest, time: u64, earliest: u64) {
    let metrics = request
        .resource_metrics
        .iter_mut()
        .flat_map(|resource| &mut resource.scope_metrics)
        .flat_map(|scope| &mut scope.metrics);
    for metric in metrics {
        let points = match &mut metric.data {
            Some(Data::Gauge(gauge)) => &mut gauge.data_points,
            Some(Data::Sum(sum)) => &mut sum.data_points,
            _ => continue,
        };
        for point in points {
            point.time_unix_nano = time;
            point.start_time_unix_nano = point.start_time_unix_nano.min(earliest);
        }
    }
}
