//! The points of many pods, which a real Collector turns into one resource for each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::child::{Served, wait_for};
use crate::collector::Setup;
use crate::node::{CLOSE_WAIT, ESTABLISHED, LISTEN, Node};
use crate::program::tcpgauge;

const FIVE: [&str; 5] = [
    "tcp_connections",
    "tcp_established",
    "tcp_time_wait",
    "tcp_close_wait",
    "tcp_listen",
];

/// What the documented configuration groups by.
fn keys() -> Vec<String> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/collector/pods.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let list = text
        .split("keys: [")
        .nth(1)
        .and_then(|rest| rest.split(']').next());
    let keys: Vec<_> = list.unwrap().split(", ").map(str::to_owned).collect();
    assert!(keys.len() > 1, "{file} says: {list:?}");
    keys
}

fn attributes(of: &Value) -> BTreeMap<String, String> {
    let attributes = of["attributes"].as_array().into_iter().flatten();
    attributes
        .map(|attribute| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (
                text(&attribute["key"]),
                text(&attribute["value"]["stringValue"]),
            )
        })
        .collect()
}

/// What a resource says whose it is, and the five of it.
fn five(resource: &Value, keys: &[String]) -> (BTreeMap<String, String>, Vec<(String, String)>) {
    let whose = attributes(&resource["resource"])
        .into_iter()
        .filter(|(key, _)| keys.contains(key));
    let mut values = Vec::new();
    for scope in resource["scopeMetrics"].as_array().unwrap() {
        for metric in scope["metrics"].as_array().unwrap() {
            let name = metric["name"].as_str().unwrap();
            for point in metric["gauge"]["dataPoints"].as_array().unwrap() {
                let said = attributes(point);
                assert!(
                    keys.iter().all(|key| !said.contains_key(key)),
                    "{point} still says whose it is"
                );
                // What is nobody's in particular stays with the host, as a series of its own.
                if !said.contains_key("tcpgauge.owner") {
                    let value = point["asInt"].as_str().unwrap();
                    values.push((name.to_owned(), value.to_owned()));
                }
            }
        }
    }
    values.sort_by_key(|(name, _)| FIVE.iter().position(|five| five == name));
    (whose.collect(), values)
}

#[test]
fn a_collector_makes_one_resource_of_each_pod() {
    let Some(mut setup) = Setup::new("a_collector_makes_one_resource_of_each_pod") else {
        return;
    };
    let keys = keys();
    let address = setup.metrics("pods", "grpc", json!({}));
    setup.process("pods", "groupbyattrs", json!({ "keys": keys }));
    let _collector = setup.start();

    let id = |digit: char| digit.to_string().repeat(64);
    let (web, db) = (
        "5f0c7a36-1de1-4b5c-9a38-0e3f6c1f2a77",
        "0b1f6c64-93a1-4d37-8d0c-6f2a1b7e9c55",
    );
    let mut node = Node::new(&[(ESTABLISHED, 8), (LISTEN, 1)]);
    node.pod(web, &id('a'), &[(CLOSE_WAIT, 12), (LISTEN, 2)]);
    node.name("shop", "web-0", web, &id('a'));
    node.pod(db, &id('b'), &[(ESTABLISHED, 40), (LISTEN, 1)]);
    node.start(
        &format!("/system.slice/docker-{}.scope", id('d')),
        &[(LISTEN, 3)],
    );
    node.start("/user.slice", &[(ESTABLISHED, 6)]);
    let mut command = tcpgauge(["run", "--scope", "host,pods", "--metrics", "five"]);
    command
        .args(node.arguments())
        .args(["--interval", "1s", "--host-name", "h"])
        .args(["--endpoint", &format!("http://{address}")]);
    let log = setup.directory().join("agent.log");
    let agent = Served::start(command, &log, |log| log.contains("scope=\"pods\""));

    let whose = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    };
    let numbers = |values: [&str; 5]| -> Vec<_> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        FIVE.into_iter().zip(values).map(owned).collect()
    };
    let expected = BTreeSet::from([
        (whose(&[]), numbers(["9", "8", "0", "0", "1"])),
        (
            whose(&[
                ("k8s.namespace.name", "shop"),
                ("k8s.pod.name", "web-0"),
                ("k8s.pod.uid", web),
            ]),
            numbers(["14", "0", "0", "12", "2"]),
        ),
        (
            whose(&[("k8s.pod.uid", db)]),
            numbers(["41", "40", "0", "0", "1"]),
        ),
        (
            whose(&[("container.id", &id('d'))]),
            numbers(["3", "0", "0", "0", "3"]),
        ),
    ]);
    wait_for(
        || {
            format!(
                "a resource of each pod: {:?}\n{}",
                setup.samples("pods"),
                agent.log()
            )
        },
        || {
            let resources = setup.samples("pods");
            let hosts = resources
                .iter()
                .all(|resource| attributes(&resource["resource"])["host.name"] == "h");
            assert!(hosts, "the agent's own attributes stay: {resources:?}");
            // The host's points come with those of others, which are in its resource or in one beside it.
            let found: BTreeSet<_> = resources
                .iter()
                .map(|resource| five(resource, &keys))
                .filter(|(_, values)| !values.is_empty())
                .collect();
            (found == expected).then_some(())
        },
    );
}
