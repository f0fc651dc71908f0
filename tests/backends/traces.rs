//! The agent's own traces, in a real Collector: where the time of a cycle went, and which request took its sample away.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::agent::{Tcpgauge, sampled};
use crate::child::wait_for;
use crate::collector::Setup;

/// What is done for a sample, in order.
const PARTS: [&str; 4] = ["read", "collect", "encode", "enqueue"];

fn text<'a>(span: &'a Value, key: &str) -> &'a str {
    span[key].as_str().unwrap_or_default()
}

/// In nanoseconds.
fn times(span: &Value) -> (u64, u64) {
    let time = |key| text(span, key).parse().unwrap();
    (time("startTimeUnixNano"), time("endTimeUnixNano"))
}

fn named<'a>(spans: &'a [Value], name: &'a str) -> impl Iterator<Item = &'a Value> {
    spans.iter().filter(move |span| span["name"] == name)
}

/// The sends that are linked to this span.
fn linked<'a>(spans: &'a [Value], to: &'a Value) -> impl Iterator<Item = &'a Value> {
    named(spans, "send").filter(move |send| {
        let links = send["links"].as_array().into_iter().flatten();
        links
            .into_iter()
            .any(|link| (&link["traceId"], &link["spanId"]) == (&to["traceId"], &to["spanId"]))
    })
}

#[test]
fn each_cycle_is_one_trace_whose_parts_are_in_order_and_its_sending_is_linked_to_it() {
    let Some(mut setup) = Setup::new("traces") else {
        return;
    };
    let metrics = setup.metrics("metrics", "grpc", json!({}));
    let cases = [
        ("grpc", "grpc", ""),
        ("http/protobuf", "http", "/v1/traces"),
    ]
    .map(|(protocol, receiver, path)| {
        let address = setup.traces(receiver, receiver);
        (protocol, receiver, format!("http://{address}{path}"))
    });
    let _collector = setup.start();
    let agents = cases.map(|(protocol, receiver, endpoint)| {
        let agent = Tcpgauge::run(&format!("http://{metrics}"))
            .env("OTEL_TRACES_EXPORTER", "otlp")
            .env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocol)
            .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &endpoint);
        (receiver, agent.start())
    });
    for (receiver, agent) in agents {
        let cycles = || named(&setup.spans(receiver), "cycle").count();
        wait_for(|| agent.log(), || (cycles() >= 3).then_some(()));
        let ended = agent.stop();
        ended.assert_clean();
        assert!(ended.complaints().is_empty(), "{}", ended.log);
        // The last ones are sent before it ends.
        let samples = sampled(&ended.log);
        wait_for(|| ended.log.clone(), || (cycles() == samples).then_some(()));
        let spans = setup.spans(receiver);
        let mut traces: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for span in spans.iter().filter(|span| span["name"] != "send") {
            traces.entry(text(span, "traceId")).or_default().push(span);
        }
        assert_eq!(traces.len(), samples, "one for each sample");
        for trace in traces.values() {
            is_a_cycle(trace);
        }
        for cycle in named(&spans, "cycle") {
            let sends: BTreeSet<_> = linked(&spans, cycle).map(times).collect();
            assert!(!sends.is_empty(), "its sample was sent: {cycle}");
            assert!(
                sends
                    .iter()
                    .all(|(start, end)| times(cycle).0 < *start && start < end),
                "{sends:?} {cycle}"
            );
        }
    }
}

fn is_a_cycle(trace: &[&Value]) {
    let (roots, mut parts): (Vec<&Value>, Vec<&Value>) =
        trace.iter().partition(|span| span["name"] == "cycle");
    let [root] = roots[..] else {
        panic!("one root: {trace:?}");
    };
    assert_eq!(text(root, "parentSpanId"), "");
    parts.sort_by_key(|part| times(part));
    let names: Vec<_> = parts.iter().map(|part| text(part, "name")).collect();
    assert_eq!(names, PARTS);
    let (start, end) = times(root);
    let mut before = start;
    for part in &parts {
        assert_eq!(part["parentSpanId"], root["spanId"]);
        let (from, to) = times(part);
        assert!(before <= from && from < to && to <= end, "{trace:?}");
        before = to;
    }
    assert_eq!((times(parts[0]).0, before), (start, end));
    let attributes = parts[0]["attributes"].as_array().unwrap();
    let scope = json!({"key": "tcpgauge.scope", "value": {"stringValue": "host"}});
    assert!(attributes.contains(&scope), "{attributes:?}");
}
