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

use day::{INTERVAL, a_day_of_requests};
use tcpgauge::delivery::queue::{Bounds, Queue};
use tcpgauge::delivery::transport::Payload;
use tokio::time::Instant;

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
