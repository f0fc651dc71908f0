//! The agent's own traces: one for each sample, with what was done for it. They are for whoever wonders where the time went,
//! and for a backend that takes nothing else; metrics neither need nor notice them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Link, Span, SpanContext, SpanKind, Status, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue, trace::TraceContextExt};
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanLimits,
};

use crate::sample::Sample;

/// So many samples are remembered, for the requests that will hold them.
const MOST_REMEMBERED: usize = 256;

/// So many of them a request is linked to; the SDK keeps no more.
const MOST_LINKS: usize = 128;

/// So long spans wait for others.
const DELAY: Duration = Duration::from_secs(5);

/// So many spans wait at most; what comes then is dropped.
const MOST_WAITING: usize = 1024;

/// What makes and exports them.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// The spans of samples, by the numbers of their records.
    samples: Mutex<VecDeque<(u64, SpanContext)>>,
}

/// What was done in one cycle, one thing after the other. Each moment is told by how long it came after the time of the sample.
#[derive(Clone, Copy, Debug)]
pub struct Cycle {
    /// When the reading ended.
    pub read: Duration,
    /// What followed, if anything is exported.
    pub export: Option<Export>,
}

/// From a sample to the queue.
#[derive(Clone, Copy, Debug)]
pub struct Export {
    /// When the SDK began to collect.
    pub began: Duration,
    /// When it had.
    pub collected: Duration,
    /// What came of it, if the sample had anything to tell.
    pub record: Option<Record>,
}

/// What a sample has become.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Its number.
    pub number: u64,
    /// When it was encoded.
    pub encoded: Duration,
    /// When it was in the queue.
    pub enqueued: Duration,
}

/// One request to the backend of metrics.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The number of the first record in it.
    pub first: u64,
    /// How many it held.
    pub records: usize,
    /// What they are uncompressed.
    pub bytes: usize,
    /// When it began.
    pub began: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// Why it was not taken, if it was not.
    pub failure: Option<&'a str>,
}

impl Traces {
    /// Traces that `client` takes to a backend, in requests of OTLP/HTTP wherever that is.
    pub fn new(
        resource: Resource,
        client: impl HttpClient + 'static,
    ) -> Result<Self, opentelemetry_otlp::ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            // The client knows where it goes; this has to be there.
            .with_endpoint("http://localhost/v1/traces")
            .build()?;
        // All of it is said here: the environment, which the SDK would read itself, could make it spin.
        let batches = BatchConfigBuilder::default()
            .with_scheduled_delay(DELAY)
            .with_max_queue_size(MOST_WAITING)
            .with_max_export_batch_size(MOST_WAITING / 4)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::AlwaysOn)
            .with_span_limits(SpanLimits::default())
            .with_span_processor(processor)
            .build();
        let scope = opentelemetry::InstrumentationScope::builder("tcpgauge")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Ok(Self {
            tracer: provider.tracer_with_scope(scope),
            provider,
            samples: Mutex::default(),
        })
    }

    /// The trace of one cycle, whose sample this was.
    pub fn cycle(&self, sample: &Sample, cycle: &Cycle) {
        let mut root = self
            .tracer
            .span_builder("cycle")
            .with_start_time(sample.time)
            .start(&self.tracer);
        for fault in &sample.faults {
            root.add_event_with_timestamp(
                "fault",
                sample.time + cycle.read,
                vec![
                    KeyValue::new("error.type", fault.reason),
                    KeyValue::new("error.message", fault.to_string()),
                ],
            );
        }
        if !sample.has_readings() {
            root.set_status(Status::error("no reading"));
        }
        let context = Context::new().with_remote_span_context(root.span_context().clone());
        let child = |name, from: Duration, to: Duration, attributes: &[KeyValue]| {
            self.tracer
                .span_builder(name)
                .with_start_time(sample.time + from)
                .with_attributes(attributes.iter().cloned())
                .start_with_context(&self.tracer, &context)
                .end_with_timestamp(sample.time + to);
        };
        for reading in &sample.readings {
            let attributes = [
                KeyValue::new("tcpgauge.scope", reading.scope.name()),
                KeyValue::new("tcpgauge.source", reading.source.name()),
                KeyValue::new("tcpgauge.rows", whole(reading.counted.rows)),
            ];
            child("read", Duration::ZERO, cycle.read, &attributes);
        }
        if let Some(pods) = &sample.pods {
            let attributes = [
                KeyValue::new("tcpgauge.scope", "pods"),
                KeyValue::new("tcpgauge.pods", whole(pods.readings.len() as u64)),
            ];
            child("read", Duration::ZERO, cycle.read, &attributes);
        }
        if !sample.has_readings() {
            child("read", Duration::ZERO, cycle.read, &[]);
        }
        let mut end = cycle.read;
        if let Some(export) = &cycle.export {
            child("collect", export.began, export.collected, &[]);
            end = export.collected;
            if let Some(record) = &export.record {
                child("encode", export.collected, record.encoded, &[]);
                child("enqueue", record.encoded, record.enqueued, &[]);
                end = record.enqueued;
                self.remember(record.number, root.span_context());
            }
        }
        root.end_with_timestamp(sample.time + end);
    }

    fn remember(&self, record: u64, context: &SpanContext) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == MOST_REMEMBERED {
            samples.pop_front();
        }
        samples.push_back((record, context.clone()));
    }

    /// The trace of one request, which is linked to those of the samples in it.
    pub fn request(&self, request: &Request<'_>) {
        let past = request.first + request.records as u64;
        let links: Vec<_> = {
            let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
            let held = samples
                .iter()
                .filter(|(record, _)| (request.first..past).contains(record));
            held.take(MOST_LINKS)
                .map(|(_, context)| Link::new(context.clone(), Vec::new(), 0))
                .collect()
        };
        let mut span = self
            .tracer
            .span_builder("send")
            .with_kind(SpanKind::Client)
            .with_start_time(request.began)
            .with_links(links)
            .with_attributes([
                KeyValue::new("tcpgauge.records", whole(request.records)),
                KeyValue::new("tcpgauge.bytes", whole(request.bytes)),
            ])
            .start_with_context(&self.tracer, &Context::new());
        if let Some(failure) = request.failure {
            span.set_status(Status::error(failure.to_owned()));
        }
        span.end_with_timestamp(request.began + request.took);
    }

    /// Sends what is left. It blocks.
    pub fn shutdown(&self, within: Duration) {
        // Whatever becomes of it, the agent ends.
        let _ = self.provider.shutdown_with_timeout(within);
    }
}

/// A number as an attribute has it.
fn whole(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "traces_tests.rs"]
mod tests;
