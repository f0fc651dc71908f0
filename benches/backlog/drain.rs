//! How long the backlog of a day takes to a backend: `drain grpc|http/protobuf URL PODS`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::cast_precision_loss,
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
    // A row of a table in Markdown.
    println!(
        "| {pods} | {} | {:.1} KB | {:.1} MB | {:.0} ms | {:.2} s | {:.1} MiB |",
        protocol.name(),
        plain as f64 / f64::from(day::SAMPLES) / 1e3,
        waiting.bytes as f64 / 1e6,
        slowest.as_secs_f64() * 1e3,
        took.as_secs_f64(),
        most_memory_kib() / 1024.0,
    );
    assert_eq!(stats.sent, waiting.records);
    assert!(
        took < Duration::from_secs(5),
        "longer than the budget of 5 s"
    );
}

/// The most that this process, which makes the samples too, has had at any time.
fn most_memory_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}
