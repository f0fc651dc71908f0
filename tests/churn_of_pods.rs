//! A day on a node whose pods come and go all the time: what is exported tells of the living, and nothing is kept of the dead.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_sdk::Resource;
use prost::Message;
use tcpgauge::otlp::instruments::{Group, Options};
use tcpgauge::otlp::pipeline::Pipeline;
use tcpgauge::pods::{Gate, Owner, PodName, PodReading, Pods};
use tcpgauge::sample::Sample;
use tcpgauge::source::{Counted, Sockets};
use tcpgauge::tcp::{Counts, State};

/// Bytes that are allocated, by any thread: the SDK collects on one of its own.
static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is left to the system's allocator; counting touches an atomic number alone.
#[allow(
    unsafe_code,
    reason = "an allocator cannot be counted without being one"
)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(block, layout) }
    }
}

const TICKS_OF_A_DAY: usize = 24 * 60 * 2;

/// A node, its pods, and what is exported of them.
struct Node {
    pods: VecDeque<usize>,
    born: usize,
    pipeline: Pipeline,
    request: Arc<Mutex<Vec<u8>>>,
}

impl Node {
    fn with(pods: usize) -> Self {
        let request = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&request);
        let options = Options {
            groups: vec![Group::Own],
            split_network_type: false,
            states_of_pods: false,
            most_pods: pods,
            listener_ports: [].into(),
            culprits_top: 10,
        };
        let resource = Resource::builder_empty().build();
        let pipeline = Pipeline::new(&options, resource, move |request| {
            *keep.lock().unwrap() = request;
        });
        Self {
            pods: (0..pods).collect(),
            born: pods,
            pipeline,
            request,
        }
    }

    /// So many pods end, and others begin.
    fn replace(&mut self, pods: usize) {
        self.pods.drain(..pods);
        self.pods.extend(self.born..self.born + pods);
        self.born += pods;
    }

    fn export(&self) {
        let mut counts = Counts::default();
        counts.add(State::Established, 3);
        let readings = self.pods.iter().map(|pod| PodReading {
            owner: Owner::Pod {
                uid: uid(*pod).into(),
                name: Some(PodName {
                    namespace: "shop".into(),
                    pod: format!("web-{pod:09}").into(),
                }),
            },
            counted: Counted::of(Sockets::Together { both: counts }),
            gate: Gate::Hold,
            age: Duration::ZERO,
            details: None,
        });
        let pods = Pods {
            readings: readings.collect(),
            ..Pods::default()
        };
        let mut sample = Sample::at(UNIX_EPOCH);
        sample.add_pods(Ok(pods));
        self.pipeline.export(sample).unwrap();
    }

    /// Holds what was exported to be of the living, each once in each metric that is of pods.
    fn check(&self) {
        let living: BTreeSet<_> = self.pods.iter().map(|pod| uid(*pod)).collect();
        let request = self.request.lock().unwrap();
        let request = ExportMetricsServiceRequest::decode(&request[..]).unwrap();
        let mut of_pods: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let parts = request.resource_metrics.iter().skip(1);
        for metric in parts.flat_map(|part| &part.scope_metrics[0].metrics) {
            let Some(Data::Gauge(gauge)) = &metric.data else {
                panic!("{metric:?}");
            };
            let told = of_pods.entry(&metric.name).or_default();
            for point in &gauge.data_points {
                let uid = point
                    .attributes
                    .iter()
                    .find(|found| found.key == "k8s.pod.uid");
                if let Some(uid) = uid {
                    let value = uid.value.clone().unwrap().value.unwrap();
                    let any_value::Value::StringValue(uid) = value else {
                        panic!("{value:?}");
                    };
                    assert!(told.insert(uid), "a pod twice in {}", metric.name);
                }
            }
        }
        assert_eq!(of_pods.len(), 6, "the five, and the age of the reading");
        for (metric, told) in of_pods {
            assert_eq!(told, living, "{metric}");
        }
    }
}

fn uid(pod: usize) -> String {
    format!("{pod:08x}-6f0b-5d4f-9d3c-0f5a2b7c9e11")
}

/// Lets so many of so many pods be replaced at each of so many ticks. All that are looked at have their points and no others have,
/// and after the first of them no memory is kept.
fn churn(pods: usize, replaced: usize, ticks: usize, looked_at_every: usize) {
    let mut node = Node::with(pods);
    let mut settled = None;
    for tick in 0..ticks {
        node.replace(replaced);
        node.export();
        if tick % looked_at_every == looked_at_every - 1 {
            node.check();
            let live = LIVE.load(Ordering::Relaxed);
            let settled = *settled.get_or_insert(live);
            // Tables of the SDK's grow once more if what is in them happens to be unevenly spread; what is kept of one pod at each
            // tick would be more than that.
            assert!(
                live <= settled + ticks * 16,
                "{settled} bytes and then {live} at tick {tick} with {pods} pods"
            );
        }
    }
    eprintln!("{pods} pods, {} in all: {settled:?} bytes", node.born);
}

#[test]
fn only_the_living_are_exported_and_no_memory_is_kept_of_the_dead() {
    // A day of ticks, and as many pods as there may be: the two together would take minutes here.
    churn(32, 4, TICKS_OF_A_DAY, 96);
    churn(512, 64, 64, 16);
}
