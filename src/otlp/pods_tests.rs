//! What is exported of pods.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint};
use opentelemetry_sdk::Resource;
use prost::Message;

use super::instruments::{self, Group, Options};
use super::pipeline::Pipeline;
use crate::pods::{Gate, Owner, PodName, PodReading, Pods, Stats};
use crate::sample::Sample;
use crate::source::details::AcceptQueue;
use crate::source::{Counted, Details, Reading, Scope, Sockets, Source};
use crate::tcp::{Counts, State};

const STATES: &str = "system.network.connection.count";

/// The attributes of a point, and its value.
type Points = BTreeMap<BTreeMap<String, String>, String>;

/// Makes requests of samples, and takes them apart.
struct Exported {
    pipeline: Pipeline,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Exported {
    fn with(options: &Options) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&requests);
        let resource = Resource::builder_empty().build();
        let pipeline = Pipeline::new(options, resource, move |request| {
            keep.lock().unwrap().push(request);
        });
        Self { pipeline, requests }
    }

    /// The metrics of a sample, by name.
    fn of(&self, pods: Pods) -> BTreeMap<String, Points> {
        let counted = counted(7);
        let mut sample = Sample::at(UNIX_EPOCH);
        sample.add(Ok(Reading {
            scope: Scope::Host,
            source: Source::Text,
            why: None,
            step_downs: 0,
            details: details(),
            counted,
        }));
        sample.add_pods(Ok(pods));
        self.pipeline.export(sample).unwrap();
        let request = self.requests.lock().unwrap().pop().unwrap();
        let request = ExportMetricsServiceRequest::decode(&request[..]).unwrap();
        let mut found: BTreeMap<String, Points> = BTreeMap::new();
        let scopes = request
            .resource_metrics
            .iter()
            .flat_map(|resource| &resource.scope_metrics);
        for metric in scopes.flat_map(|scope| &scope.metrics) {
            let points = match metric.data.as_ref().unwrap() {
                Data::Gauge(gauge) => &gauge.data_points,
                Data::Sum(sum) => &sum.data_points,
                other => panic!("{other:?}"),
            };
            for point in points {
                let attributes = point.attributes.iter().map(|attribute| {
                    let value = attribute.value.clone().unwrap().value.unwrap();
                    let any_value::Value::StringValue(value) = value else {
                        panic!("{attribute:?}, which the SDK has when it sums up")
                    };
                    (attribute.key.clone(), value)
                });
                let value = match point.value.unwrap() {
                    Value::AsInt(value) => value.to_string(),
                    Value::AsDouble(value) => value.to_string(),
                };
                let of_metric = found.entry(metric.name.clone()).or_default();
                let twice = of_metric.insert(attributes.collect(), value);
                assert_eq!(twice, None, "{}: a series twice", metric.name);
            }
        }
        found
    }
}

fn options(most_pods: usize, states_of_pods: bool, split_network_type: bool) -> Options {
    Options {
        listener_ports: [].into(),
        culprits_top: 10,
        groups: Group::ALL.to_vec(),
        split_network_type,
        states_of_pods,
        most_pods,
    }
}

fn counted(established: u64) -> Counted {
    let mut ipv4 = Counts::default();
    ipv4.add(State::Established, established);
    Counted::of(Sockets::ByFamily {
        ipv4,
        ipv6: Some(Counts::default()),
    })
}

fn details() -> Details {
    let mut details = Details::default();
    details.listeners.longest = Some(AcceptQueue {
        port: 80,
        length: 0,
        limit: None,
    });
    details
}

fn reading(owner: Owner, established: u64) -> PodReading {
    PodReading {
        owner,
        counted: counted(established),
        gate: Gate::Hold,
        age: Duration::from_millis(1500),
        details: Some(details()),
    }
}

fn pod(uid: &str, name: Option<(&str, &str)>) -> Owner {
    Owner::Pod {
        uid: uid.into(),
        name: name.map(|(namespace, pod)| PodName {
            namespace: namespace.into(),
            pod: pod.into(),
        }),
    }
}

fn container(id: &str) -> Owner {
    Owner::Container { id: id.into() }
}

/// So many pods of this generation, and all others.
fn crowd(number: usize, generation: usize) -> Pods {
    let pods = (0..number).map(|pod_number| {
        let name = format!("{generation}-{pod_number}");
        reading(pod(&format!("uid-{name}"), Some(("shop", &name))), 1)
    });
    Pods {
        readings: pods.chain([reading(Owner::Other, 1)]).collect(),
        ..Pods::default()
    }
}

fn series(attributes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    attributes.iter().map(owned).collect()
}

#[test]
fn the_sdk_sums_up_no_pods_even_if_all_are_others_than_before() {
    for (most, states, split) in [(1, true, false), (512, true, true), (4096, false, false)] {
        let exported = Exported::with(&options(most, states, split));
        for generation in 0..3 {
            let metrics = exported.of(crowd(most, generation));
            for instrument in instruments::all().filter(|metric| metric.of_pods.is_some()) {
                let points = &metrics[instrument.name];
                let expected = match (instrument.name, split) {
                    (STATES, true) => (most + 2) * 22,
                    (STATES, false) if states => (most + 2) * 11,
                    (STATES, false) => 11,
                    // Nothing of a host is read that long ago.
                    ("tcpgauge.pods.reading_age", _) => most + 1,
                    _ => most + 2,
                };
                assert_eq!(points.len(), expected, "{} of {most}", instrument.name);
            }
        }
    }
}

#[test]
fn two_pods_never_share_a_series() {
    let owners = [
        pod("a", Some(("shop", "web-0"))),
        // The same one, made again.
        pod("b", Some(("shop", "web-0"))),
        pod("c", Some(("bank", "web-0"))),
        pod("d", Some(("web-0", "shop"))),
        pod("e", None),
        pod("shop", None),
        container("a"),
        container("e"),
        pod("other", None),
        container("other"),
        Owner::Other,
    ];
    let exported = Exported::with(&options(512, true, false));
    let readings = owners.iter().cloned().zip(100..);
    let metrics = exported.of(Pods {
        readings: readings
            .map(|(owner, number)| reading(owner, number))
            .collect(),
        ..Pods::default()
    });
    for name in ["tcp_connections", "tcp_established"] {
        let points = &metrics[name];
        assert_eq!(points.len(), owners.len() + 1);
        let values: BTreeSet<_> = points.values().cloned().collect();
        let expected = (100..).take(owners.len()).chain([7]);
        assert_eq!(values, expected.map(|number| number.to_string()).collect());
    }
    let established = metrics[STATES]
        .iter()
        .filter(|(series, _)| series["network.connection.state"] == "established");
    assert_eq!(established.count(), owners.len() + 1);
}

#[test]
fn a_pods_series_says_what_is_known_of_it() {
    let metrics = Exported::with(&options(512, false, false)).of(Pods {
        readings: vec![
            reading(pod("a", Some(("shop", "web-0"))), 1),
            reading(pod("b", None), 2),
            reading(container("c"), 3),
            reading(Owner::Other, 4),
        ],
        ..Pods::default()
    });
    let expected = Points::from([
        (series(&[]), "7".to_owned()),
        (
            series(&[
                ("k8s.namespace.name", "shop"),
                ("k8s.pod.name", "web-0"),
                ("k8s.pod.uid", "a"),
            ]),
            "1".to_owned(),
        ),
        (series(&[("k8s.pod.uid", "b")]), "2".to_owned()),
        (series(&[("container.id", "c")]), "3".to_owned()),
        (series(&[("tcpgauge.owner", "other")]), "4".to_owned()),
    ]);
    assert_eq!(metrics["tcp_established"], expected);
}

#[test]
fn a_pod_that_ends_or_was_not_read_is_gone_from_the_next_export() {
    let exported = Exported::with(&options(512, true, true));
    let of = |uids: &[&str]| {
        let readings = uids.iter().map(|uid| reading(pod(uid, None), 1));
        let metrics = exported.of(Pods {
            readings: readings.collect(),
            ..Pods::default()
        });
        instruments::all()
            .filter(|instrument| instrument.of_pods.is_some())
            .map(|instrument| {
                let points = metrics.get(instrument.name).into_iter().flatten();
                let uids: BTreeSet<_> = points
                    .filter_map(|(series, _)| series.get("k8s.pod.uid").cloned())
                    .collect();
                uids.into_iter().collect::<Vec<_>>().join(" ")
            })
            .collect::<BTreeSet<_>>()
    };
    for (uids, expected) in [
        (&["a", "b"][..], "a b"),
        (&["b", "c"], "b c"),
        (&[], ""),
        (&["a"], "a"),
    ] {
        assert_eq!(of(uids), [expected.to_owned()].into(), "in every metric");
    }
}

#[test]
fn states_of_pods_are_exported_only_if_they_are_wanted() {
    let number = |wanted, split| {
        let metrics = Exported::with(&options(512, wanted, split)).of(crowd(1, 0));
        metrics[STATES].len()
    };
    assert_eq!((number(false, false), number(true, false)), (11, 33));
    assert_eq!((number(false, true), number(true, true)), (22, 66));
}

#[test]
fn what_is_exported_of_how_pods_are_read_is_what_the_sample_says() {
    let metrics = Exported::with(&options(512, false, false)).of(Pods {
        readings: vec![reading(pod("a", None), 1)],
        stats: Stats {
            pods: 1,
            containers: 2,
            unowned: 3,
            sandboxed: 4,
            summed: 5,
            told: [6, 7, 8],
            skipped_tables: 9,
            gaps_budget: 10,
            gaps_waiting: 13,
            gaps_failed: 11,
            cpu: Duration::from_millis(12_500),
        },
        ..Pods::default()
    });
    let expected = [
        ("namespaces", "container=2 none=3 pod=1 sandboxed=4"),
        ("summed", "=5"),
        ("reading_age", "a=1"),
        ("readings", "derive=8 hold=7 read=6"),
        ("skipped_tables", "=9"),
        ("gaps", "budget=10 failed=11 waiting=13"),
        ("cpu", "=12.5"),
    ];
    for (name, expected) in expected {
        let name = format!("tcpgauge.pods.{name}");
        let points = metrics[&name].iter().map(|(series, value)| {
            let attributes: Vec<_> = series.values().cloned().collect();
            format!("{}={value}", attributes.join(","))
        });
        assert_eq!(points.collect::<Vec<_>>().join(" "), expected, "{name}");
    }
    let of_pods = metrics
        .keys()
        .filter(|name| name.starts_with("tcpgauge.pods."));
    assert_eq!(of_pods.count(), expected.len(), "each of them is looked at");
}

/// The UIDs of the points of each metric, by part of the request.
fn uids_by_part(exported: &Exported, pods: Pods) -> Vec<Vec<Vec<Option<AnyValue>>>> {
    let mut sample = Sample::at(UNIX_EPOCH);
    sample.add_pods(Ok(pods));
    exported.pipeline.export(sample).unwrap();
    let request = exported.requests.lock().unwrap().pop().unwrap();
    let request = ExportMetricsServiceRequest::decode(&request[..]).unwrap();
    let uid = |point: &NumberDataPoint| {
        let mut attributes = point.attributes.iter();
        let uid = attributes.find(|found| found.key == "k8s.pod.uid")?;
        uid.value.clone()
    };
    let uids = |metric: &Metric| match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.iter().map(uid).collect(),
        _ => Vec::new(),
    };
    let parts = request.resource_metrics.iter();
    parts
        .map(|part| {
            let metrics = &part.scope_metrics[0].metrics;
            metrics
                .iter()
                .map(uids)
                .filter(|uids| !uids.is_empty())
                .collect()
        })
        .collect()
}

/// For what is compressed together must be beside its like.
#[test]
fn pods_are_apart_from_the_rest_and_in_the_same_order_in_each_metric() {
    let exported = Exported::with(&options(512, false, false));
    for (pods, parts) in [(0, 2), (1, 2), (6, 2), (200, 9)] {
        let found = uids_by_part(&exported, crowd(pods, 0));
        assert_eq!(found.len(), parts, "{pods}");
        let (rest, apart) = found.split_first().unwrap();
        assert!(rest.iter().flatten().all(Option::is_none));
        for part in apart {
            let orders: BTreeSet<_> = part.iter().map(|order| format!("{order:?}")).collect();
            assert_eq!(orders.len(), 1, "{orders:?}");
        }
        let of_one_metric = apart.iter().flat_map(|part| &part[0]);
        assert_eq!(of_one_metric.count(), pods + 1);
    }
}

/// For a backlog is sent part by part, and points that are older than what a backend has are lost.
#[test]
fn a_pod_stays_in_its_part_whoever_comes_and_goes() {
    let exported = Exported::with(&options(512, false, false));
    let mut known = BTreeMap::new();
    for generation in 0..10 {
        let mut pods = crowd(150, 0);
        pods.readings.extend(crowd(50, 1 + generation).readings);
        let keep = |at: usize| at % 10 != generation;
        let mut at = 0..;
        pods.readings.retain(|_| at.next().is_some_and(keep));
        let found = uids_by_part(&exported, pods);
        assert_eq!(found.len(), 9);
        for (number, part) in found.iter().enumerate() {
            for uid in part.iter().flatten().flatten() {
                let place = known.entry(format!("{uid:?}")).or_insert(number);
                assert_eq!(*place, number, "{uid:?}");
            }
        }
    }
}
