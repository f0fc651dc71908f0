//! The requests of a day, as the agent makes them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use tcpgauge::counters::{Capacity, Counter, Counters};
use tcpgauge::culprits::Whose;
use tcpgauge::otlp::instruments::{Group, Options};
use tcpgauge::otlp::pipeline::Pipeline;
use tcpgauge::pods::{Gate, Owner, PodName, PodReading, Pods, Stats};
use tcpgauge::sample::{Delivery, Sample, Standing, Vitals};
use tcpgauge::source::details::{AcceptQueue, Listeners};
use tcpgauge::source::{Counted, Details, Reading, Scope, Sockets, Source};
use tcpgauge::tcp::{Counts, State};

pub(crate) const INTERVAL: Duration = Duration::from_secs(30);
pub(crate) const SAMPLES: u32 = 24 * 60 * 2;

/// Makes the requests of a day on a node with so many pods, by the pipeline that the agent has, with every group of instruments.
///
/// One by one: all together, they would be more than there is memory for on some machines.
pub(crate) fn requests_of_a_day(pods: usize, mut take: impl FnMut(Vec<u8>)) {
    let made = Arc::new(Mutex::new(None));
    let options = Options {
        groups: Group::ALL.to_vec(),
        split_network_type: true,
        states_of_pods: false,
        most_pods: if pods > 0 { 512 } else { 0 },
        listener_ports: [].into(),
        culprits_top: 10,
    };
    let resource = Resource::builder_empty().with_attributes([
        KeyValue::new("service.name", "tcpgauge"),
        KeyValue::new(
            "service.instance.id",
            "6f1c1d0e-6f0b-5d4f-9d3c-0f5a2b7c9e11",
        ),
        KeyValue::new("host.name", "worker-17.eu-central.example.net"),
    ]);
    let into = Arc::clone(&made);
    let pipeline = Pipeline::new(&options, resource.build(), move |request| {
        *into.lock().unwrap() = Some(request);
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
    let mut host = Host(fastrand::Rng::with_seed(6), Counters::of(|_| Some(0)));
    let mut node = Node::with(pods);
    for number in 0..SAMPLES {
        let reading = Reading {
            scope: Scope::Host,
            source: Source::Diag,
            why: None,
            step_downs: 0,
            details: details(host.0.u64(..40)),
            counted: Counted::of(Sockets::ByFamily {
                ipv4: counts(),
                ipv6: Some(counts()),
            }),
        };
        let mut sample = Sample::at(start + number * INTERVAL);
        sample.add(Ok(reading));
        sample.counters = Some(host.counters());
        sample.capacity = Some(host.capacity());
        sample.vitals = Some(vitals(u64::from(number)));
        sample.alerts = Some(RULES.map(standing).into());
        if pods > 0 {
            sample.add_pods(Ok(node.tick()));
        }
        pipeline.export(sample).unwrap();
        take(made.lock().unwrap().take().unwrap());
    }
}

/// As many as there are by default.
const RULES: [&str; 12] = [
    "accept-queue",
    "close-wait",
    "close-wait-growing",
    "connections-collapse",
    "connections-surge",
    "listen-gone",
    "listen-overflows",
    "listen-unexpected",
    "memory",
    "ports",
    "time-wait",
    "time-wait-many",
];

fn standing(rule: &str) -> Standing {
    Standing {
        rule: rule.into(),
        severity: "warning",
        whose: Whose::Alone(Scope::Host),
        stands: false,
    }
}

/// Listeners of whom one lets so many wait.
fn details(length: u64) -> Details {
    let longest = AcceptQueue {
        port: 443,
        length,
        limit: Some(4096),
    };
    Details {
        listeners: Listeners {
            longest: Some(longest),
            full: Some(0),
            ..Listeners::default()
        },
        ..Details::default()
    }
}

/// A host on which a hundred connections come and go in a second.
struct Host(fastrand::Rng, Counters);

impl Host {
    fn counters(&mut self) -> Counters {
        let Self(random, last) = self;
        *last = Counters::of(|counter| {
            let more = match counter {
                Counter::OpenedActively | Counter::OpenedPassively => 2_500..3_500,
                Counter::Received | Counter::Sent => 800_000..1_200_000,
                Counter::Retransmitted => 0..500,
                Counter::Failed | Counter::Reset => 0..50,
                _ => 0..1,
            };
            Some(last.get(counter)? + random.u64(more))
        });
        *last
    }

    fn capacity(&mut self) -> Capacity {
        let Self(random, _) = self;
        Capacity {
            memory: Some(random.u64(8_000..12_000) << 12),
            memory_limits: Some([94_830 << 12, 126_443 << 12, 189_660 << 12]),
            orphans: Some(random.u64(..100)),
            orphans_limit: Some(32_768),
            time_wait_limit: Some(32_768),
            conntrack: Some(random.u64(20_000..30_000)),
            conntrack_limit: Some(262_144),
            files: Some(random.u64(12_000..14_000)),
            files_limit: Some(9_223_372_036_854_775_807),
        }
    }
}

/// What an agent without a backend tells of itself.
fn vitals(number: u64) -> Vitals {
    Vitals {
        reading_took: Duration::from_micros(1900 + number * 7919 % 900),
        faults: [].into(),
        cpu: Duration::from_micros(120_000 + number * 9_137),
        events_dropped: Some(0),
        resident_bytes: Some(6 << 20 | (number / 40) << 12),
        delivery: Some(Delivery {
            records: number,
            bytes: number * 3_700,
            oldest: INTERVAL * u32::try_from(number).unwrap(),
            ..Delivery::default()
        }),
    }
}

/// A node's pods. Half of them rest; of the others, connections come and go between any two samples.
struct Node {
    pods: Vec<(Owner, Counts)>,
    stats: Stats,
    random: fastrand::Rng,
}

impl Node {
    fn with(pods: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(7);
        let mut owner = |number: usize| {
            let bits = random.u128(..);
            let uid = format!(
                "{:08x}-{:04x}-4{:03x}-9{:03x}-{:012x}",
                bits >> 96,
                bits >> 80 & 0xffff,
                bits >> 68 & 0xfff,
                bits >> 56 & 0xfff,
                bits & 0xffff_ffff_ffff,
            );
            let suffix: String = (0..5).map(|_| random.lowercase()).collect();
            Owner::Pod {
                uid: uid.into(),
                name: Some(PodName {
                    namespace: if number.is_multiple_of(3) {
                        "kube-system"
                    } else {
                        "shop"
                    }
                    .into(),
                    pod: format!(
                        "service-{:02}-7d9f8b6c5{}-{suffix}",
                        number / 3,
                        number % 10
                    )
                    .into(),
                }),
            }
        };
        let pods = (0..pods).map(|number| {
            let mut counts = Counts::default();
            counts.add(State::Listen, 1 + number as u64 % 3);
            counts.add(State::Established, 10 + number as u64);
            (owner(number), counts)
        });
        Self {
            pods: pods.collect(),
            stats: Stats::default(),
            random,
        }
    }

    fn tick(&mut self) -> Pods {
        let random = &mut self.random;
        let busy = |number: usize| number.is_multiple_of(2);
        for (number, (_, counts)) in self.pods.iter_mut().enumerate() {
            if busy(number) {
                let mut next = Counts::default();
                next.add(State::Listen, counts.get(State::Listen));
                let level = 10 + number as u64;
                next.add(State::Established, level + random.u64(..level));
                next.add(State::TimeWait, random.u64(..4 * level));
                next.add(State::CloseWait, random.u64(..3));
                *counts = next;
            }
        }
        let all = self.pods.len() as u64;
        self.stats.pods = all;
        for (told, more) in self.stats.told.iter_mut().zip([all / 2, all - all / 2, 0]) {
            *told += more;
        }
        self.stats.skipped_tables += all / 2;
        self.stats.cpu += Duration::from_micros(random.u64(90_000..160_000));
        let readings = self.pods.iter().enumerate().map(|(number, (owner, both))| {
            let (gate, most_ms) = if busy(number) {
                (Gate::Read, 30_000)
            } else {
                (Gate::Hold, 600_000)
            };
            PodReading {
                owner: owner.clone(),
                counted: Counted::of(Sockets::ByFamily {
                    ipv4: *both,
                    ipv6: Some(Counts::default()),
                }),
                gate,
                age: Duration::from_nanos(random.u64(..most_ms * 1_000_000)),
                details: (gate == Gate::Read).then(|| details(random.u64(..60).saturating_sub(50))),
            }
        });
        Pods {
            readings: readings.collect(),
            stats: self.stats,
            ..Pods::default()
        }
    }
}
