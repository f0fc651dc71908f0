//! The requests of a day, as the agent makes them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use tcpgauge::otlp::instruments::{Group, Options};
use tcpgauge::otlp::pipeline::Pipeline;
use tcpgauge::sample::Sample;
use tcpgauge::source::{Counted, Reading, Scope, Sockets, Source};
use tcpgauge::tcp::{Counts, State};

pub(crate) const INTERVAL: Duration = Duration::from_secs(30);
const SAMPLES: u32 = 24 * 60 * 2;

/// The requests of a day, made by the pipeline that the agent has, with every group of instruments.
pub(crate) fn a_day_of_requests() -> Vec<Vec<u8>> {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let options = Options {
        groups: Group::ALL.to_vec(),
        split_network_type: true,
        states_of_pods: false,
        most_pods: 512,
    };
    let resource = Resource::builder_empty().with_attributes([
        KeyValue::new("service.name", "tcpgauge"),
        KeyValue::new(
            "service.instance.id",
            "6f1c1d0e-6f0b-5d4f-9d3c-0f5a2b7c9e11",
        ),
        KeyValue::new("host.name", "worker-17.eu-central.example.net"),
    ]);
    let into = Arc::clone(&requests);
    let pipeline = Pipeline::new(&options, resource.build(), move |request| {
        into.lock().unwrap().push(request);
    });
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    let mut random = fastrand::Rng::with_seed(5);
    let mut counts = || {
        let mut counts = Counts::default();
        for state in State::ALL {
            counts.add(state, random.u64(..20_000));
        }
        counts
    };
    for number in 0..SAMPLES {
        let reading = Reading {
            scope: Scope::Host,
            source: Source::Diag,
            why: None,
            step_downs: 0,
            counted: Counted::of(Sockets::ByFamily {
                ipv4: counts(),
                ipv6: Some(counts()),
            }),
        };
        let mut sample = Sample::at(start + number * INTERVAL);
        sample.add(Ok(reading));
        pipeline.export(sample).unwrap();
    }
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    assert_eq!(requests.len(), SAMPLES as usize);
    requests
}
