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

#[path = "support/day.rs"]
mod day;

use std::time::Duration;

use day::{INTERVAL, requests_of_a_day};
use prost::encoding::{WireType, decode_key, decode_varint};
use tcpgauge::delivery::queue::{Bounds, Queue};
use tcpgauge::delivery::transport::Payload;
use tokio::time::Instant;

/// As many as Kubernetes puts on a node, unless it is told otherwise.
const PODS: usize = 110;

/// What the requests' lists have in them, whatever the order: that of a sealed block is another.
#[derive(Default, PartialEq)]
struct Elements {
    number: u64,
    sum: u64,
}

impl Elements {
    fn add(&mut self, mut requests: &[u8]) {
        while !requests.is_empty() {
            let key = decode_key(&mut requests).unwrap();
            assert_eq!(key, (1, WireType::LengthDelimited));
            let length = decode_varint(&mut requests).unwrap();
            let (element, rest) = requests.split_at(usize::try_from(length).unwrap());
            self.number += 1;
            self.sum += u64::from(crc32fast::hash(element));
            requests = rest;
        }
    }
}

/// Queues the samples of a day with so many pods, which may take so many bytes, and takes them out again.
fn a_day_waits_and_comes_back(pods: usize, most: usize) {
    let bounds = Bounds {
        bytes: 16 << 20,
        age: Duration::from_hours(24),
    };
    let mut queue = Queue::new(bounds);
    let start = Instant::now();
    let (mut number, mut plain, mut went_in) = (0, 0, Elements::default());
    let (mut pushing, mut slowest) = (Duration::ZERO, Duration::ZERO);
    requests_of_a_day(pods, |request| {
        went_in.add(&request);
        plain += request.len();
        let now = start + number * INTERVAL;
        let began = Instant::now();
        queue.push(request, now, now);
        let took = began.elapsed();
        (pushing, slowest) = (pushing + took, slowest.max(took));
        number += 1;
    });
    let bytes = queue.bytes();
    assert_eq!((queue.len(), queue.dropped()), (number as usize, 0));

    let (mut batches, mut sealed, mut came_out) = (0, 0, Elements::default());
    while let Some(batch) = queue.batch(1 << 20, batches % 2 == 0) {
        match &batch.payload {
            Payload::Plain(bodies) => bodies.iter().for_each(|body| came_out.add(body)),
            Payload::Gzip { bytes, .. } => {
                sealed += 1;
                let mut decoder = flate2::bufread::GzDecoder::new(&**bytes);
                let mut plain = Vec::new();
                std::io::Read::read_to_end(&mut decoder, &mut plain).unwrap();
                came_out.add(&plain);
            }
        }
        queue.delivered(&batch);
        batches += 1;
    }
    eprintln!(
        "{pods} pods: {number} samples of {} bytes: {plain} bytes plain, {bytes} in the queue; {pushing:?} for all pushes, {slowest:?} for the slowest; {batches} requests",
        plain / number as usize,
    );
    assert!(went_in == came_out, "what comes out is what went in");
    assert!(sealed > 0);
    assert!(bytes < most, "{bytes} bytes");
}

#[test]
fn a_day_of_samples_waits_in_a_fraction_of_the_bound_and_comes_back_as_it_was() {
    a_day_waits_and_comes_back(0, 2 << 20);
}

#[test]
fn a_day_of_samples_of_many_pods_waits_within_the_bound_and_comes_back_as_it_was() {
    a_day_waits_and_comes_back(PODS, 15 << 20);
}
