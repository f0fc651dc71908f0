//! The SDK between a sample and its request, with its own clock set out of the way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};

use super::exporter::Exporter;
use super::instruments::Options;
use super::registry;
use crate::sample::Sample;

/// The reader's interval. It exports when it is told to, and never by itself.
const NEVER: Duration = Duration::from_hours(365 * 24);

/// The sample that is being exported, while it is.
///
/// Empty the rest of the time: whatever makes the SDK collect then finds nothing, and no old value goes out as new.
#[derive(Clone, Debug, Default)]
pub(super) struct Latest(Arc<Mutex<Option<Sample>>>);

impl Latest {
    fn replace(&self, sample: Option<Sample>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sample;
    }

    pub(super) fn see(&self, see: impl FnOnce(&Sample)) {
        if let Some(sample) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            see(sample);
        }
    }

    pub(super) fn time(&self) -> Option<SystemTime> {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.as_ref().map(|sample| sample.time)
    }
}

/// Where requests go. A thread of the SDK's calls it, while [`Pipeline::export`] waits.
pub trait Enqueue: Send + Sync + 'static {
    /// The SDK has collected, and what it has will be encoded now.
    fn collected(&self) {}

    /// Takes an encoded request.
    fn enqueue(&self, request: Vec<u8>);
}

impl<F: Fn(Vec<u8>) + Send + Sync + 'static> Enqueue for F {
    fn enqueue(&self, request: Vec<u8>) {
        self(request);
    }
}

/// Turns samples into OTLP requests.
#[derive(Debug)]
pub struct Pipeline {
    provider: SdkMeterProvider,
    latest: Latest,
}

impl Pipeline {
    /// A pipeline whose requests go to `enqueue`, encoded, one for each sample that has something to tell.
    pub fn new(options: &Options, resource: Resource, enqueue: impl Enqueue) -> Self {
        let latest = Latest::default();
        let exporter = Exporter::new(latest.clone(), enqueue);
        let reader = PeriodicReader::builder(exporter)
            .with_interval(NEVER)
            .build();
        let provider = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(reader)
            .with_view(registry::limits(options))
            .build();
        let scope = InstrumentationScope::builder("tcpgauge")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        registry::register(&provider.meter_with_scope(scope), options, &latest);
        Self { provider, latest }
    }

    /// Exports one sample: nothing is sent here, only encoded and handed over, so this takes microseconds.
    ///
    /// Fails only if the SDK's own thread is gone.
    pub fn export(&self, sample: Sample) -> Result<(), OTelSdkError> {
        self.latest.replace(Some(sample));
        let flushed = self.provider.force_flush();
        self.latest.replace(None);
        flushed
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
    use prost::Message;

    use super::super::instruments::Group;
    use super::*;
    use crate::sample::{Delivery, Vitals};
    use crate::source::{Counted, Details, Fault, Reading, Scope, Sockets, Source};
    use crate::tcp::Counts;

    fn sample(malformed: u64) -> Sample {
        let reading = Reading {
            scope: Scope::Host,
            source: Source::Text,
            why: None,
            step_downs: 0,
            details: Details::default(),
            counted: Counted {
                sockets: Sockets::Together {
                    both: Counts::default(),
                },
                unrecognised: 3,
                malformed,
                rows: 0,
            },
        };
        let mut sample = Sample::at(UNIX_EPOCH);
        sample.add(Ok(reading));
        sample
    }

    /// A pipeline with the instruments of these groups, and how many requests came out of it.
    fn pipeline(groups: &[Group]) -> (Pipeline, Arc<Mutex<u32>>) {
        let requests = Arc::new(Mutex::new(0));
        let count = Arc::clone(&requests);
        let options = Options {
            groups: groups.to_vec(),
            split_network_type: true,
            states_of_pods: false,
            most_pods: 512,
            listener_ports: [].into(),
            culprits_top: 10,
        };
        let resource = Resource::builder_empty().build();
        let pipeline = Pipeline::new(&options, resource, move |_| *count.lock().unwrap() += 1);
        (pipeline, requests)
    }

    #[test]
    fn a_sample_goes_out_once_whatever_makes_the_sdk_collect_after_it() {
        let (pipeline, requests) = pipeline(&Group::ALL);
        pipeline.export(sample(0)).unwrap();
        assert_eq!(*requests.lock().unwrap(), 1);
        pipeline.provider.force_flush().unwrap();
        drop(pipeline);
        assert_eq!(*requests.lock().unwrap(), 1);
    }

    #[test]
    fn a_sample_without_a_trusted_reading_makes_no_request() {
        let (pipeline, requests) = pipeline(&[Group::States]);
        let fault = Fault {
            what: String::new(),
            why: String::new(),
            reason: "read",
        };
        let mut failed = Sample::at(UNIX_EPOCH);
        failed.faults.push(fault);
        pipeline.export(failed).unwrap();
        pipeline.export(sample(1)).unwrap();
        assert_eq!(*requests.lock().unwrap(), 0);
    }

    #[test]
    fn the_agent_tells_of_itself_even_where_a_reading_failed() {
        let (pipeline, requests) = pipeline(&Group::ALL);
        let fault = Fault {
            what: String::new(),
            why: String::new(),
            reason: "open",
        };
        let mut sample = Sample::at(UNIX_EPOCH);
        sample.faults.push(fault);
        sample.vitals = Some(Vitals::default());
        pipeline.export(sample).unwrap();
        assert_eq!(*requests.lock().unwrap(), 1);
    }

    #[test]
    fn a_sum_has_one_start_also_where_the_clock_is_set_back() {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&sent);
        let options = Options {
            groups: vec![Group::Own],
            split_network_type: false,
            states_of_pods: false,
            most_pods: 512,
            listener_ports: [].into(),
            culprits_top: 10,
        };
        let resource = Resource::builder_empty().build();
        let pipeline = Pipeline::new(&options, resource, move |request: Vec<u8>| {
            keep.lock().unwrap().push(request);
        });
        // The SDK's own clock is far ahead of these.
        let [eleven, noon, one] = [11, 12, 13].map(|hour| Duration::from_hours(24 * 18_000 + hour));
        for time in [noon, one, eleven, noon, one] {
            let mut sample = sample(0);
            sample.time = UNIX_EPOCH + time;
            sample.vitals = Some(Vitals::default());
            pipeline.export(sample).unwrap();
        }
        let sent = sent.lock().unwrap();
        let starts = sent.iter().map(|request| {
            let request = ExportMetricsServiceRequest::decode(&request[..]).unwrap();
            let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
            let cpu = metrics
                .iter()
                .find(|one| one.name == "tcpgauge.process.cpu");
            let Some(Data::Sum(sum)) = &cpu.unwrap().data else {
                panic!("no sum: {cpu:?}");
            };
            Duration::from_nanos(sum.data_points[0].start_time_unix_nano)
        });
        let starts: Vec<_> = starts.collect();
        assert_eq!(starts, [noon, noon, eleven, eleven, eleven]);
    }

    #[test]
    fn what_is_exported_of_the_agent_is_what_the_sample_says() {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&sent);
        let options = Options {
            groups: vec![Group::Own],
            split_network_type: false,
            states_of_pods: false,
            most_pods: 512,
            listener_ports: [].into(),
            culprits_top: 10,
        };
        let resource = Resource::builder_empty().build();
        let pipeline = Pipeline::new(&options, resource, move |request| {
            *keep.lock().unwrap() = request;
        });
        let mut sample = sample(0);
        sample.readings[0].step_downs = 3;
        sample.readings[0].counted.rows = 71;
        sample.vitals = Some(Vitals {
            reading_took: Duration::from_millis(250),
            faults: [("open", 5)].into(),
            cpu: Duration::from_millis(1500),
            resident_bytes: Some(4096),
            delivery: Some(Delivery {
                records: 11,
                bytes: 12,
                oldest: Duration::from_secs(13),
                sent: 14,
                dropped_full: 15,
                dropped_old: 16,
                dropped_refused: 17,
                rejected_points: 18,
                spool_lost: Some(19),
            }),
            events_dropped: Some(20),
        });
        pipeline.export(sample).unwrap();
        let request = ExportMetricsServiceRequest::decode(&sent.lock().unwrap()[..]).unwrap();
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        let values = |name: &str| {
            let metric = metrics.iter().find(|metric| metric.name == name);
            let points = match metric.unwrap().data.as_ref().unwrap() {
                Data::Gauge(gauge) => &gauge.data_points,
                Data::Sum(sum) => &sum.data_points,
                other => panic!("{other:?}"),
            };
            let mut values: Vec<_> = points
                .iter()
                .map(|point| match point.value.unwrap() {
                    Value::AsInt(value) => value.to_string(),
                    Value::AsDouble(value) => value.to_string(),
                })
                .collect();
            values.sort_unstable();
            values.join(" ")
        };
        for (name, expected) in [
            ("tcpgauge.source.active", "0 0 1"),
            ("tcpgauge.source.step_downs", "3"),
            ("tcpgauge.reading.duration", "0.25"),
            ("tcpgauge.reading.rows", "71"),
            ("tcpgauge.reading.malformed", "0"),
            ("tcpgauge.faults", "5"),
            ("tcpgauge.queue.records", "11"),
            ("tcpgauge.queue.size", "12"),
            ("tcpgauge.queue.oldest_age", "13"),
            ("tcpgauge.delivery.sent", "14"),
            ("tcpgauge.delivery.dropped", "15 16 17"),
            ("tcpgauge.delivery.rejected_points", "18"),
            ("tcpgauge.spool.lost", "19"),
            ("tcpgauge.events.dropped", "20"),
            ("tcpgauge.process.cpu", "1.5"),
            ("tcpgauge.process.memory", "4096"),
        ] {
            assert_eq!(values(name), expected, "{name}");
        }
        assert_eq!(metrics.len(), 5 + 16, "each of them is looked at");
    }
}
