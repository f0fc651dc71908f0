//! How long the backlog of a day takes to a backend: `drain grpc|http/protobuf URL PODS`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark may stop at the first surprise"
)]

#[path = "../../tests/support/day.rs"]
mod day;

use std::time::{Duration, Instant};

use tcpgauge::delivery::backend::Backend;
use tcpgauge::delivery::endpoint::{Endpoint, Protocol, Reading, Signal};
use tcpgauge::delivery::headers::Headers;
use tcpgauge::delivery::outbox::Outbox;
use tcpgauge::delivery::queue::Bounds;
use tcpgauge::delivery::sender::Sender;
use tcpgauge::delivery::{Options, tls};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let protocol = Protocol::named(&arguments.next().unwrap()).unwrap();
    let how = Reading {
        protocol,
        signal: Signal::Metrics,
        insecure: true,
        complete: false,
    };
    let bounds = Bounds {
        bytes: 16 << 20,
        age: Duration::from_hours(24),
    };
    let options = Options {
        endpoint: Endpoint::parse(&arguments.next().unwrap(), how).unwrap(),
        headers: Headers::default(),
        tls: tls::Options::default(),
        compress: false,
        timeout: Duration::from_secs(10),
        queue: bounds,
        spool: None,
        spread: Duration::ZERO,
    };
    let pods = arguments.next().unwrap().parse().unwrap();
    let outbox = Outbox::new(bounds, None);
    let mut slowest = Duration::ZERO;
    let mut plain = 0;
    day::requests_of_a_day(pods, |request| {
        plain += request.len();
        let began = Instant::now();
        outbox.push(request);
        slowest = slowest.max(began.elapsed());
    });
    let waiting = outbox.stats();
    // Leaving: it returns when nothing is left.
    let (_leave, leaving) = tokio::sync::watch::channel(true);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let began = Instant::now();
    runtime
        .block_on(Sender::new(outbox.clone(), Backend::new(&options), Duration::ZERO).run(leaving));
    let took = began.elapsed();
    let stats = outbox.stats();
    println!(
        "{}, {pods} pods: {} samples of {} bytes, {} bytes in memory, in {took:?}; {} were dropped; {slowest:?} for the slowest to be queued",
        options.endpoint,
        stats.sent,
        plain / day::SAMPLES as usize,
        waiting.bytes,
        waiting.records - stats.sent,
    );
    assert_eq!(stats.sent, waiting.records);
    assert!(
        took < Duration::from_secs(5),
        "longer than the budget of 5 s"
    );
}
