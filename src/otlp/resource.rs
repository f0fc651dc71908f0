//! The resource: which host the numbers are of, and which agent tells them.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use crate::source::Scope;

/// What the user says of the resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `service.name`.
    pub service_name: Option<String>,
    /// `host.name`.
    pub host_name: Option<String>,
    /// Anything else.
    pub attributes: Vec<Attribute>,
}

impl Options {
    /// Whether the user gave host.name, in either way.
    #[must_use]
    pub fn names_the_host(&self) -> bool {
        self.host_name.is_some()
            || self
                .attributes
                .iter()
                .any(|attribute| attribute.key == "host.name")
    }
}

/// An attribute of the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Parts from `attributes` those that describe the agent's own pod or container, by their keys.
///
/// In scope host the numbers are the host's, and such an attribute would put them under the agent's pod. In scope
/// self that pod is what is measured, so there they stay.
#[must_use]
pub fn split_own(attributes: Vec<Attribute>, scope: Scope) -> (Vec<Attribute>, Vec<String>) {
    if scope == Scope::Own {
        return (attributes, Vec::new());
    }
    let (own, kept): (Vec<_>, Vec<_>) =
        attributes.into_iter().partition(|Attribute { key, .. }| {
            key.starts_with("k8s.pod.") || key.starts_with("container.")
        });
    (
        kept,
        own.into_iter().map(|attribute| attribute.key).collect(),
    )
}

/// Builds the resource. What the user says counts more than what was found out.
#[must_use]
pub fn build(options: &Options, host_name: Option<&str>, instance_id: &str) -> Resource {
    let own = [
        Some(KeyValue::new("service.name", "tcpgauge")),
        Some(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))),
        Some(KeyValue::new("service.instance.id", instance_id.to_owned())),
        host_name.map(|name| KeyValue::new("host.name", name.to_owned())),
    ];
    let given = options
        .attributes
        .iter()
        .map(|attribute| KeyValue::new(attribute.key.clone(), attribute.value.clone()));
    let named = [
        options
            .service_name
            .clone()
            .map(|name| KeyValue::new("service.name", name)),
        options
            .host_name
            .clone()
            .map(|name| KeyValue::new("host.name", name)),
    ];
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(own.into_iter().flatten())
        .with_attributes(given)
        .with_attributes(named.into_iter().flatten())
        .build()
}

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;

    fn attribute(key: &str, value: &str) -> Attribute {
        Attribute {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn what_the_user_says_counts_more_than_what_was_found_out() {
        let mut options = Options {
            attributes: vec![
                attribute("host.name", "given"),
                attribute("service.name", "given"),
                attribute("x", "y"),
            ],
            ..Options::default()
        };
        let value = |options: &Options, key: &'static str| {
            build(options, Some("found"), "id")
                .get(&Key::new(key))
                .map(|value| value.to_string())
        };
        assert_eq!(value(&options, "host.name").as_deref(), Some("given"));
        assert_eq!(value(&options, "service.name").as_deref(), Some("given"));
        assert_eq!(value(&options, "x").as_deref(), Some("y"));
        options.service_name = Some("named".to_owned());
        options.host_name = Some("named".to_owned());
        assert_eq!(value(&options, "host.name").as_deref(), Some("named"));
        assert_eq!(value(&options, "service.name").as_deref(), Some("named"));
        assert_eq!(
            value(&Options::default(), "host.name").as_deref(),
            Some("found")
        );
        assert_eq!(
            value(&Options::default(), "service.instance.id").as_deref(),
            Some("id")
        );
    }

    #[test]
    fn the_agents_own_pod_is_not_the_host() {
        let keys = [
            "k8s.pod.name",
            "container.id",
            "k8s.node.name",
            "k8s.cluster.name",
        ];
        let given: Vec<_> = keys.iter().map(|key| attribute(key, "v")).collect();
        let (kept, refused) = split_own(given.clone(), Scope::Host);
        assert_eq!(refused, ["k8s.pod.name", "container.id"]);
        assert_eq!(kept, given[2..]);
        assert_eq!(split_own(given.clone(), Scope::Own), (given, Vec::new()));
    }
}
