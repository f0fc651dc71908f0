//! A day without a backend: what the samples of a day take while they wait, and what it costs to seal them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use tcpgauge::delivery::queue::{Bounds, Queue};
use tcpgauge::delivery::transport::Payload;
use tcpgauge::otlp::instruments::{Group, Options};
use tcpgauge::otlp::pipeline::Pipeline;
use tcpgauge::sample::Sample;
use tcpgauge::source::{Reading, Scope, Sockets, Source};
use tcpgauge::tcp::{Counts, State};
use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_secs(30);
const SAMPLES: u32 = 24 * 60 * 2;

/// The requests of a day, made by the pipeline that the agent has, with every group of instruments.
fn a_day_of_requests() -> Vec<Vec<u8>> {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let options = Options {
        groups: Group::ALL.to_vec(),
        split_network_type: true,
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
            sockets: Sockets::ByFamily {
                ipv4: counts(),
                ipv6: Some(counts()),
            },
            unrecognised: 0,
            malformed: 0,
            rows: 0,
        };
        let sample = Sample::new(start + number * INTERVAL, Ok(reading));
        pipeline.export(sample).unwrap();
    }
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    assert_eq!(requests.len(), SAMPLES as usize);
    requests
}

#[test]
fn a_day_of_samples_waits_in_a_fraction_of_the_bound_and_comes_back_as_it_was() {
    let requests = a_day_of_requests();
    let plain: usize = requests.iter().map(Vec::len).sum();
    let bounds = Bounds {
        bytes: 16 << 20,
        age: Duration::from_hours(24),
    };
    let mut queue = Queue::new(bounds);
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    for (number, request) in (0..).zip(&requests) {
        let now = start + number * INTERVAL;
        let request = request.clone();
        let began = Instant::now();
        queue.push(request, now, now);
        slowest = slowest.max(began.elapsed());
    }
    let pushing = start.elapsed();
    let bytes = queue.bytes();
    assert_eq!((queue.len(), queue.dropped()), (requests.len(), 0));
    assert!(bytes < 2 << 20, "{bytes} bytes");

    let (mut batches, mut sealed, mut all) = (0, 0, Vec::new());
    while let Some(batch) = queue.batch(1 << 20, batches % 2 == 0) {
        match &batch.payload {
            Payload::Plain(bodies) => all.extend(bodies.concat()),
            Payload::Gzip { bytes, .. } => {
                sealed += 1;
                let mut decoder = flate2::bufread::GzDecoder::new(&**bytes);
                std::io::Read::read_to_end(&mut decoder, &mut all).unwrap();
            }
        }
        queue.delivered(&batch);
        batches += 1;
    }
    assert!(all == requests.concat(), "what comes out is what went in");
    assert!(sealed > 0);
    eprintln!(
        "{} samples of {} bytes: {plain} bytes plain, {bytes} in the queue; {pushing:?} for all pushes, {slowest:?} for the slowest; {batches} requests",
        requests.len(),
        plain / requests.len(),
    );
}
