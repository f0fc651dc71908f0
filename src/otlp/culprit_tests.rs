use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_sdk::Resource;
use prost::Message;

use super::super::instruments::Group as Metrics;
use super::super::pipeline::Pipeline;
use super::*;
use crate::culprits::{Access, Culprits, Process, Seen};
use crate::pods::{Gate, PodReading, Pods};
use crate::sample::Sample;
use crate::source::{Counted, Details, Reading, Scope, Sockets, Source};
use crate::tcp::{Counts, State};

fn options(culprits_top: usize) -> Options {
    Options {
        groups: vec![Metrics::Culprits],
        split_network_type: false,
        states_of_pods: false,
        most_pods: 2,
        listener_ports: [].into(),
        culprits_top,
    }
}

/// Points by their attributes, in words.
type Points = BTreeMap<String, i64>;

/// What is exported of these samples under that name, sample by sample.
fn exported(name: &str, options: &Options, samples: Vec<Sample>) -> Vec<Points> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&sent);
    let resource = Resource::builder_empty().build();
    let pipeline = Pipeline::new(options, resource, move |request: Vec<u8>| {
        keep.lock().unwrap().push(request);
    });
    for sample in samples {
        pipeline.export(sample).unwrap();
    }
    let sent = sent.lock().unwrap();
    sent.iter().map(|request| points(request, name)).collect()
}

fn points(request: &[u8], name: &str) -> Points {
    let request = ExportMetricsServiceRequest::decode(request).unwrap();
    let metrics = request
        .resource_metrics
        .into_iter()
        .flat_map(|resource| resource.scope_metrics)
        .flat_map(|scope| scope.metrics);
    let mut points = Points::new();
    for metric in metrics.filter(|metric| metric.name == name) {
        let Some(Data::Gauge(gauge)) = metric.data else {
            panic!("{name} is no gauge");
        };
        for point in gauge.data_points {
            let mut words: Vec<_> = point
                .attributes
                .into_iter()
                .map(|attribute| {
                    let value = match attribute.value.unwrap().value.unwrap() {
                        any_value::Value::StringValue(text) => text,
                        any_value::Value::IntValue(number) => format!("#{number}"),
                        other => panic!("{other:?}"),
                    };
                    format!("{}={value}", attribute.key)
                })
                .collect();
            words.sort();
            let Some(Value::AsInt(value)) = point.value else {
                panic!("no whole number");
            };
            let before = points.insert(words.join(" "), value);
            assert_eq!(before, None, "one series twice");
        }
    }
    points
}

fn counted(close_wait: u64) -> Counted {
    let mut both = Counts::default();
    both.add(State::CloseWait, close_wait);
    Counted::of(Sockets::Together { both })
}

fn group(whose: Whose, endpoint: Endpoint, sockets: u64) -> Group {
    Group {
        whose,
        process: None,
        user: Some(1000),
        endpoint,
        peer: None,
        has_more_peers: false,
        sockets,
        received: None,
        seen: Some(Seen {
            ago: Duration::from_millis(61_900),
            sockets: 1,
        }),
    }
}

fn pod() -> Owner {
    Owner::Pod {
        uid: "a".into(),
        name: None,
    }
}

/// A sample with so many sockets of the host and of a pod, in these groups.
fn sample(host: u64, of_pod: u64, mut groups: Vec<Group>) -> Sample {
    let mut sample = Sample::at(UNIX_EPOCH);
    sample.readings.push(Reading {
        scope: Scope::Host,
        source: Source::Text,
        why: None,
        step_downs: 0,
        counted: counted(host),
        details: Details::default(),
    });
    let pods = vec![PodReading {
        owner: pod(),
        counted: counted(of_pod),
        gate: Gate::Read,
        age: Duration::ZERO,
        details: None,
    }];
    sample.pods = Some(Pods {
        readings: pods,
        ..Pods::default()
    });
    groups.sort_by_key(|group| std::cmp::Reverse(group.sockets));
    let told: u64 = groups.iter().map(|group| group.sockets).sum();
    sample.culprits = Some(Culprits {
        state: State::CloseWait,
        total: host + of_pod,
        groups,
        rest: host + of_pod - told,
        access: Access::Whole,
    });
    sample
}

fn host() -> Whose {
    Whose::Alone(Scope::Host)
}

#[test]
fn each_group_is_a_series_and_all_others_are_one() {
    let process = Process {
        pid: 4711,
        start: 1,
        name: "leaker".into(),
        container: None,
        others: 0,
    };
    let groups = vec![
        Group {
            process: Some(Arc::new(process)),
            ..group(host(), Endpoint::Local(8080), 50)
        },
        group(
            Whose::Of(pod()),
            Endpoint::Remote(([10, 0, 0, 5], 5432).into()),
            7,
        ),
        group(host(), Endpoint::Local(81), 2),
    ];
    let sample = sample(55, 7, groups);
    let found = exported("tcp.close_wait.by_owner", &options(2), vec![sample.clone()]);
    let expected = [
        (
            "network.local.port=#8080 process.executable.name=leaker process.pid=#4711 user.id=1000",
            50,
        ),
        (
            "k8s.pod.uid=a network.peer.address=10.0.0.5 network.peer.port=#5432 user.id=1000",
            7,
        ),
        ("tcpgauge.owner=other", 5),
    ];
    let expected: Points = expected
        .into_iter()
        .map(|(words, value)| (words.to_owned(), value))
        .collect();
    assert_eq!(found, std::slice::from_ref(&expected));
    let ages = exported("tcp.close_wait.by_owner_age", &options(2), vec![sample]);
    assert_eq!(ages[0].len(), 2, "others have no age");
    assert!(ages[0].values().all(|age| *age == 61));
}

#[test]
fn no_socket_is_a_zero_and_no_reading_is_no_point() {
    let mut unread = sample(0, 0, vec![]);
    unread.culprits = None;
    let found = exported(
        "tcp.close_wait.by_owner",
        &options(2),
        vec![sample(0, 0, vec![]), unread],
    );
    assert_eq!(found[0], [("tcpgauge.owner=other".to_owned(), 0)].into());
    assert!(found.get(1).is_none_or(BTreeMap::is_empty), "{found:?}");
}

#[test]
fn series_add_up_to_tcp_close_wait_even_when_all_of_them_change() {
    let top = 100;
    let samples: Vec<_> = (0..5_u16)
        .map(|turn| {
            let groups = (0..150).map(|number| {
                let port = turn * 1000 + number + 1;
                group(host(), Endpoint::Local(port), u64::from(number) + 1)
            });
            let groups: Vec<_> = groups.collect();
            let told: u64 = groups.iter().map(|group| group.sockets).sum();
            sample(told + 3, 4, groups)
        })
        .collect();
    let all: Vec<i64> = exported("tcp_close_wait", &options(top), samples.clone())
        .into_iter()
        .map(|points| points.values().sum())
        .collect();
    let found = exported("tcp.close_wait.by_owner", &options(top), samples);
    for (points, all) in found.iter().zip(all) {
        assert_eq!(points.len(), top + 1);
        assert!(!points.keys().any(|words| words.contains("overflow")));
        assert_eq!(points.values().sum::<i64>(), all);
    }
}
