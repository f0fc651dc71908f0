//! What is exported of alerts: that they stand, or do not, by rule and by pod.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_sdk::Resource;
use prost::Message;

use super::*;
use crate::otlp::instruments::Options;
use crate::otlp::pipeline::Pipeline;
use crate::pods::{Owner, PodName};
use crate::sample::{Sample, Standing};
use crate::source::Scope;

fn standing(rule: &str, whose: Whose, stands: bool) -> Standing {
    Standing {
        rule: rule.into(),
        severity: "warning",
        whose,
        stands,
    }
}

fn pod(name: &str) -> Whose {
    Whose::Of(Owner::Pod {
        uid: format!("uid-{name}").into(),
        name: Some(PodName {
            namespace: "shop".into(),
            pod: name.into(),
        }),
    })
}

type Series = BTreeMap<String, String>;

/// A pipeline, and what came out of it last.
struct Exported(Pipeline, Arc<Mutex<Option<Vec<u8>>>>);

impl Exported {
    fn new() -> Self {
        let last = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&last);
        let options = Options {
            groups: vec![Group::Alerts],
            split_network_type: false,
            states_of_pods: false,
            most_pods: 512,
            listener_ports: [].into(),
            culprits_top: 10,
        };
        let resource = Resource::builder_empty().build();
        let pipeline = Pipeline::new(&options, resource, move |request| {
            *keep.lock().unwrap() = Some(request);
        });
        Self(pipeline, last)
    }

    /// The points of a sample with these alerts; nothing where the metric is not there.
    fn of(&self, alerts: Option<Vec<Standing>>) -> Option<Vec<(Series, i64)>> {
        let mut sample = Sample::at(UNIX_EPOCH);
        sample.alerts = alerts;
        self.0.export(sample).unwrap();
        let request = self.1.lock().unwrap().take()?;
        let request = ExportMetricsServiceRequest::decode(&request[..]).unwrap();
        let scopes = request.resource_metrics.into_iter();
        let mut metrics = scopes
            .flat_map(|one| one.scope_metrics)
            .flat_map(|one| one.metrics)
            .filter(|metric| metric.name == "tcpgauge.alert.active")
            .map(|metric| {
                assert_eq!(metric.unit, "{alert}");
                let Some(Data::Gauge(gauge)) = metric.data else {
                    panic!("no gauge");
                };
                gauge.data_points
            });
        // Pods are in requests of their own kind, behind all else.
        let first = metrics.next()?;
        let points = first.into_iter().chain(metrics.flatten());
        let points = points.map(|point| {
            let attributes = point.attributes.into_iter().map(|attribute| {
                let Some(any_value::Value::StringValue(text)) = attribute.value.unwrap().value
                else {
                    panic!("{}, which the SDK has when it sums up", attribute.key);
                };
                (attribute.key, text)
            });
            let Some(Value::AsInt(value)) = point.value else {
                panic!("{:?}", point.value);
            };
            (attributes.collect(), value)
        });
        let mut points: Vec<_> = points.collect();
        points.sort();
        Some(points)
    }
}

fn series(attributes: &[(&str, &str)]) -> Series {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    attributes.iter().map(owned).collect()
}

#[test]
fn of_the_host_each_rule_has_a_point_and_of_pods_each_alert_that_stands() {
    let exported = Exported::new();
    let alone = Whose::Alone(Scope::Host);
    let found = exported.of(Some(vec![
        standing("close-wait", alone.clone(), true),
        standing("time-wait", alone, false),
        standing("close-wait", pod("cart"), true),
    ]));
    let rule = |name| ("tcpgauge.alert.rule", name);
    let severity = ("tcpgauge.alert.severity", "warning");
    let expected = [
        (
            series(&[
                ("k8s.namespace.name", "shop"),
                ("k8s.pod.name", "cart"),
                ("k8s.pod.uid", "uid-cart"),
                rule("close-wait"),
                severity,
            ]),
            1,
        ),
        (series(&[rule("close-wait"), severity]), 1),
        (series(&[rule("time-wait"), severity]), 0),
    ];
    assert_eq!(found.unwrap(), expected);
}

#[test]
fn an_alert_of_a_pod_that_is_over_has_no_point_in_the_next_sample() {
    let exported = Exported::new();
    let one = standing("close-wait", pod("cart"), true);
    assert_eq!(exported.of(Some(vec![one])).unwrap().len(), 1);
    assert_eq!(exported.of(Some(Vec::new())), None);
}

#[test]
fn where_there_are_no_alerts_there_is_no_point_and_no_zero() {
    assert_eq!(Exported::new().of(None), None);
}

#[test]
fn the_sdk_sums_up_no_alerts_even_if_all_are_others_than_before() {
    let exported = Exported::new();
    for generation in 0..3 {
        let rules = (0..MOST_RULES)
            .map(|rule| standing(&format!("rule-{rule}"), Whose::Alone(Scope::Host), true));
        let pods = (0..MOST_OF_PODS)
            .map(|number| standing("close-wait", pod(&format!("{generation}-{number}")), true));
        let found = exported.of(Some(rules.chain(pods).collect())).unwrap();
        assert_eq!(found.len(), MOST_RULES + MOST_OF_PODS);
    }
}
