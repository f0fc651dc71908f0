//! What is exported of the ports in use.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_sdk::Resource;
use prost::Message;

use super::pipeline::Pipeline;
use crate::config::settings::UsedBy;
use crate::config::{Config, Environment, Flags};
use crate::ports::range::{Origin, Range};
use crate::ports::{Destination, MOST_DESTINATIONS, Ports, Told, Usage};
use crate::sample::Sample;

/// An attribute-less point is one of the share alone.
type Point = (Option<(String, i64)>, f64);

/// The points of the metric in a request for each of these, which there may be none of.
fn exported(of: impl IntoIterator<Item = Option<Ports>>) -> Vec<Vec<Point>> {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&requests);
    let config = Config::load(Flags::default(), Environment::default(), UsedBy::Readers).unwrap();
    let resource = Resource::builder_empty().build();
    let pipeline = Pipeline::new(&config.metrics, resource, move |request: Vec<u8>| {
        keep.lock().unwrap().push(request);
    });
    let points = of.into_iter().map(|ports| {
        let mut sample = Sample::at(UNIX_EPOCH);
        sample.ports = ports;
        pipeline.export(sample).unwrap();
        let request = requests.lock().unwrap().pop().unwrap_or_default();
        points(&request)
    });
    points.collect()
}

fn points(request: &[u8]) -> Vec<Point> {
    let request = ExportMetricsServiceRequest::decode(request).unwrap();
    let scopes = request.resource_metrics.iter();
    let metrics = scopes
        .flat_map(|resource| &resource.scope_metrics)
        .flat_map(|scope| &scope.metrics);
    let mut found = Vec::new();
    for metric in metrics.filter(|metric| metric.name == "tcp.ports.utilization") {
        let Some(Data::Gauge(gauge)) = &metric.data else {
            panic!("{metric:?}");
        };
        for point in &gauge.data_points {
            let attribute = |key: &str| {
                let attribute = point.attributes.iter().find(|found| found.key == key)?;
                attribute.value.clone()?.value
            };
            let to = match (attribute("server.address"), attribute("server.port")) {
                (Some(Attribute::StringValue(address)), Some(Attribute::IntValue(port))) => {
                    Some((address, port))
                }
                (None, None) => None,
                other => panic!("{other:?}"),
            };
            let Some(Value::AsDouble(share)) = point.value else {
                panic!("{point:?}");
            };
            found.push((to, share));
        }
    }
    found.sort_by(|one, other| other.1.total_cmp(&one.1));
    found
}

/// So many destinations, with 90 ports of 100 in use toward the first, and one fewer toward each next one.
fn ports(told: Told, destinations: u8) -> Ports {
    let destination = |number: u8| Destination {
        to: SocketAddr::new(Ipv4Addr::new(10, 0, 0, number).into(), 443),
        from: IpAddr::V4(Ipv4Addr::LOCALHOST),
        ports: 90 - u64::from(number),
    };
    Ports {
        range: Range::new(40_000..=40_099, Vec::new(), Origin::Kernel).unwrap(),
        usage: Usage::Counted {
            destinations: (0..destinations).map(destination).collect(),
            uncertainty: 0,
        },
        told,
    }
}

#[test]
fn the_largest_share_is_told_without_a_name_unless_names_are_wanted() {
    let found = exported([
        Some(ports(Told::Largest, 2)),
        Some(ports(Told::Each, 2)),
        Some(ports(Told::Largest, 0)),
    ]);
    let named = |address: &str| Some((address.to_owned(), 443));
    assert_eq!(found[0], [(None, 0.9)]);
    assert_eq!(
        found[1],
        [(named("10.0.0.0"), 0.9), (named("10.0.0.1"), 0.89)]
    );
    assert_eq!(found[2], [(None, 0.0)]);
}

#[test]
fn a_share_is_told_with_the_sample_that_it_was_counted_with_and_no_other() {
    let unclear = Ports {
        usage: Usage::Unclear,
        ..ports(Told::Largest, 0)
    };
    let counted = || Some(ports(Told::Largest, 1));
    let found = exported([None, counted(), None, Some(unclear), counted()]);
    let told: Vec<_> = found.iter().map(Vec::len).collect();
    assert_eq!(told, [0, 1, 0, 0, 1]);
}

#[test]
fn as_many_destinations_are_told_as_there_can_be_even_if_all_are_others_than_before() {
    let most = u8::try_from(MOST_DESTINATIONS).unwrap();
    let others = || {
        let mut ports = ports(Told::Each, most);
        if let Usage::Counted { destinations, .. } = &mut ports.usage {
            for one in destinations {
                one.to.set_port(80);
            }
        }
        ports
    };
    for points in exported([Some(ports(Told::Each, most)), Some(others())]) {
        assert_eq!(points.len(), MOST_DESTINATIONS);
        assert!(points.iter().all(|(to, _)| to.is_some()));
    }
}
