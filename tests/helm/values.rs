//! The values and their schema: each knows what the other knows.

use std::collections::BTreeSet;

use serde_json::Value;

use tcpgauge::alerts::Rules;

use crate::chart::{directory, read, release};

fn schema() -> Value {
    serde_json::from_str(&read(&directory().join("values.schema.json"))).unwrap()
}

/// Objects in which users have names of their own, and those that Kubernetes or another chart describes.
fn is_open(path: &str) -> bool {
    [
        "otlp.headers",
        "otlp.headersFromSecrets",
        "resourceAttributes",
        "alerts.rules",
        "global",
        "commonLabels",
        "podLabels",
        "podAnnotations",
        "serviceAccount.annotations",
        "prometheusRule.labels",
        "dashboard.labels",
        "dashboard.annotations",
        "podSecurityContext",
        "containerSecurityContext",
        "resources.requests",
        "resources.limits",
        "nodeSelector",
        "affinity.nodeAffinity",
        "affinity.podAffinity",
        "affinity.podAntiAffinity",
        "dnsConfig",
    ]
    .contains(&path)
}

#[test]
fn every_object_of_the_schema_is_closed_but_those_that_cannot_be() {
    let schema = schema();
    let mut open = Vec::new();
    walk(&schema, &schema, "", &mut |path, node| {
        let is_object = node["properties"].is_object() || node["type"] == "object";
        if is_object && node["additionalProperties"] != Value::Bool(false) && !is_open(path) {
            open.push(path.to_owned());
        }
    });
    assert_eq!(open, Vec::<String>::new());
}

#[test]
fn the_schema_has_what_the_values_have_and_nothing_more() {
    let example = directory().join("ci/default-values.yaml");
    let Some(release) = release("the_schema_has_what_the_values_have", &example) else {
        return;
    };
    let mut of_values = BTreeSet::new();
    leaves(&release["chart"]["values"], "", &mut of_values);
    let schema = schema();
    let mut of_schema = BTreeSet::new();
    walk(&schema, &schema, "", &mut |path, node| {
        let inner = node["properties"].is_object() && !is_described_whole(path);
        if !inner {
            of_schema.insert(path.to_owned());
        }
    });
    // Not in values.yaml, for it is Helm that reads it.
    of_schema.remove("enabled");
    assert_eq!(of_values, of_schema);
}

#[test]
fn a_rule_of_the_chart_has_the_keys_of_one_of_the_agent() {
    let schema = schema();
    let keys = "/properties/alerts/properties/rules/additionalProperties/propertyNames/enum";
    let keys = schema.pointer(keys).unwrap().as_array().unwrap();
    let keys: BTreeSet<_> = keys.iter().map(|key| key.as_str().unwrap()).collect();
    assert_eq!(keys, Rules::keys().collect());
}

/// Values that are documented as one, though the schema sees into them.
fn is_described_whole(path: &str) -> bool {
    is_open(path)
        || [
            "config",
            "otlp.tls.ca",
            "otlp.tls.client",
            "livenessProbe",
            "readinessProbe",
            "resources",
            "affinity",
            "updateStrategy",
        ]
        .contains(&path)
}

fn leaves(values: &Value, path: &str, found: &mut BTreeSet<String>) {
    match values {
        Value::Object(members) if path.is_empty() || !is_described_whole(path) => {
            for (name, value) in members {
                leaves(value, &below(path, name), found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Every property of the schema, not into those that are described whole.
fn walk(schema: &Value, node: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    let node = match node["$ref"].as_str() {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap(),
        None => node,
    };
    if !path.is_empty() {
        visit(path, node);
    }
    if let Some(properties) = node["properties"].as_object()
        && (path.is_empty() || !is_described_whole(path))
    {
        for (name, property) in properties {
            walk(schema, property, &below(path, name), visit);
        }
    }
}
