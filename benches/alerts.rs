//! What it costs to hold the default rules against one sample of a host and 110 pods.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may stop at the first surprise"
)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use criterion::{Criterion, criterion_group, criterion_main};
use tcpgauge::alerts::{Engine, Listening, Metric, Observation, Reads, Rules, Setup, Subject};
use tcpgauge::culprits::Whose;
use tcpgauge::pods::Owner;
use tcpgauge::source::Scope;

const PODS: usize = 110;
const INTERVAL: Duration = Duration::from_secs(30);

fn subject(whose: Whose, ports: u16, load: u64) -> Subject {
    let listening: Vec<_> = (0..ports)
        .map(|port| Listening {
            port: 8000 + port,
            sockets: 1,
            user: Some(0),
        })
        .collect();
    let mut subject = Subject {
        whose,
        values: [Some(0.0); Metric::ALL.len()],
        listening: Some(listening.into()),
        fullest_port: None,
    };
    let load = u32::try_from(load).unwrap();
    subject.set(Metric::Connections, Some(f64::from(1000 + load)));
    subject.set(Metric::Established, Some(f64::from(900 + load)));
    subject.set(Metric::Listen, Some(f64::from(ports)));
    subject
}

fn observation(tick: u64) -> Observation {
    let pods = (0..PODS).map(|pod| {
        let owner = Owner::Container {
            id: Arc::from(format!("{pod:064}")),
        };
        subject(Whose::Of(owner), 2, tick % 7)
    });
    let host = subject(Whose::Alone(Scope::Host), 50, tick % 7);
    Observation {
        time: SystemTime::UNIX_EPOCH + INTERVAL * u32::try_from(tick).unwrap(),
        step: if tick == 0 { Duration::ZERO } else { INTERVAL },
        subjects: std::iter::once(host).chain(pods).collect(),
        unread: Vec::new(),
        pods_read: true,
    }
}

fn alerts(criterion: &mut Criterion) {
    let mut engine = Engine::new(
        Rules::defaults(),
        Setup {
            runbooks: Arc::from(""),
            instance: Arc::from("one"),
            interval: INTERVAL,
            reads: Reads {
                alone: Some(Scope::Host),
                pods: true,
            },
        },
    );
    let mut tick = 0;
    for _ in 0..200 {
        engine.take(&observation(tick), None);
        tick += 1;
    }
    criterion.bench_function("alerts of a host and 110 pods", |bencher| {
        bencher.iter_batched(
            || {
                tick += 1;
                observation(tick)
            },
            |observation| engine.take(&observation, None),
            criterion::BatchSize::SmallInput,
        );
    });
    criterion.bench_function("saved", |bencher| bencher.iter(|| engine.save()));
}

criterion_group!(benches, alerts);
criterion_main!(benches);
