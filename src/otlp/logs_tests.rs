//! An event as it goes out: every field of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue as SdkKeyValue;

use super::*;
use crate::alerts::{Alert, Metric};
use crate::pods::{Owner, PodName};
use crate::source::Scope;

/// 2024-07-03T09:46:40.123Z.
fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_720_000_000_123)
}

fn event(transition: Transition, severity: Severity) -> Event {
    Event {
        time: noon(),
        transition,
        alert: Alert {
            id: "1f".into(),
            rule: "close-wait".into(),
            severity,
            whose: Whose::Alone(Scope::Host),
            metric: Metric::CloseWait,
            value: 12.0,
            limit: 10.0,
            since: noon() - Duration::from_mins(5),
            culprits: Vec::new(),
            body: "12 sockets in CLOSE_WAIT".into(),
            runbook: "https://r/close-wait.md".into(),
            steps: [].into(),
        },
    }
}

fn resource() -> opentelemetry_sdk::Resource {
    opentelemetry_sdk::Resource::builder_empty()
        .with_attributes([
            SdkKeyValue::new("service.name", "tcpgauge"),
            SdkKeyValue::new("host.name", "h"),
        ])
        .build()
}

/// What a backend makes of it.
fn taken(event: &Event) -> (LogRecord, ResourceLogs) {
    let request = Encoder::new(&resource()).encode(event);
    let mut request = ExportLogsServiceRequest::decode(&request[..]).unwrap();
    assert_eq!(request.resource_logs.len(), 1);
    let resource = request.resource_logs.remove(0);
    assert_eq!(resource.scope_logs.len(), 1);
    assert_eq!(resource.scope_logs[0].log_records.len(), 1);
    (resource.scope_logs[0].log_records[0].clone(), resource)
}

fn attributes(record: &LogRecord) -> BTreeMap<&str, String> {
    let told = record.attributes.iter().map(|attribute| {
        let value = attribute.value.clone().unwrap().value.unwrap();
        let told = match value {
            Value::StringValue(text) => format!("\"{text}\""),
            Value::IntValue(number) => number.to_string(),
            Value::DoubleValue(number) => format!("{number:?}"),
            other => panic!("{other:?}"),
        };
        (&*attribute.key, told)
    });
    let map: BTreeMap<_, _> = told.collect();
    assert_eq!(map.len(), record.attributes.len(), "each key once");
    map
}

#[test]
fn an_event_has_the_time_of_its_sample_the_sentence_of_its_alert_and_the_resource_of_the_metrics() {
    let (record, resource) = taken(&event(Transition::Fired, Severity::Warning));
    assert_eq!(record.time_unix_nano, 1_720_000_000_123_000_000);
    assert_eq!(record.observed_time_unix_nano, record.time_unix_nano);
    let body = record.body.clone().unwrap().value.unwrap();
    assert_eq!(body, Value::StringValue("12 sockets in CLOSE_WAIT".into()));
    let scope = resource.scope_logs[0].scope.clone().unwrap();
    assert_eq!(
        (&*scope.name, &*scope.version),
        ("tcpgauge", env!("CARGO_PKG_VERSION"))
    );
    let told: BTreeSet<_> = resource
        .resource
        .unwrap()
        .attributes
        .into_iter()
        .map(|one| (one.key, one.value.unwrap().value.unwrap()))
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    let expected = [
        "host.name=StringValue(\"h\")",
        "service.name=StringValue(\"tcpgauge\")",
    ];
    assert_eq!(told, expected.map(str::to_owned).into());
}

#[test]
fn its_severity_is_that_of_its_rule_and_that_it_is_over_is_information() {
    for (transition, severity, number, text, name) in [
        (Transition::Fired, Severity::Info, 9, "INFO", "fired"),
        (Transition::Fired, Severity::Warning, 13, "WARN", "fired"),
        (Transition::Fired, Severity::Critical, 17, "ERROR", "fired"),
        (Transition::Resolved, Severity::Info, 9, "INFO", "resolved"),
        (
            Transition::Resolved,
            Severity::Critical,
            9,
            "INFO",
            "resolved",
        ),
    ] {
        let (record, _) = taken(&event(transition, severity));
        assert_eq!(
            (record.severity_number, &*record.severity_text),
            (number, text)
        );
        assert_eq!(record.event_name, format!("tcpgauge.alert.{name}"));
        let told = attributes(&record)["tcpgauge.alert.severity"].clone();
        assert_eq!(told, format!("{:?}", severity.name()));
    }
}

/// With everything that can be known.
fn full() -> Event {
    let mut event = event(Transition::Fired, Severity::Critical);
    event.alert.whose = Whose::Of(Owner::Pod {
        uid: "u-1".into(),
        name: Some(PodName {
            namespace: "shop".into(),
            pod: "cart-0".into(),
        }),
    });
    event.alert.culprits = vec![
        Culprit {
            what: "java".to_owned(),
            sockets: 12,
            process: Some((4711, "java".into())),
            user: Some(1000),
            local_port: Some(8080),
            peer: Some("2001:db8::1".parse().unwrap()),
            peer_port: Some(443),
        },
        Culprit {
            process: Some((1, "another".into())),
            ..Culprit::default()
        },
    ];
    event
}

#[test]
fn its_attributes_say_which_alert_whose_and_of_the_first_culprit_who() {
    let (record, _) = taken(&full());
    let expected = [
        ("k8s.namespace.name", "\"shop\""),
        ("k8s.pod.name", "\"cart-0\""),
        ("k8s.pod.uid", "\"u-1\""),
        ("network.local.port", "8080"),
        ("network.peer.address", "\"2001:db8::1\""),
        ("network.peer.port", "443"),
        ("process.executable.name", "\"java\""),
        ("process.pid", "4711"),
        ("tcpgauge.alert.id", "\"1f\""),
        ("tcpgauge.alert.limit", "10.0"),
        ("tcpgauge.alert.metric", "\"tcp_close_wait\""),
        ("tcpgauge.alert.rule", "\"close-wait\""),
        ("tcpgauge.alert.runbook", "\"https://r/close-wait.md\""),
        ("tcpgauge.alert.severity", "\"critical\""),
        ("tcpgauge.alert.since", "\"2024-07-03T09:41:40.123Z\""),
        ("tcpgauge.alert.value", "12.0"),
        ("user.id", "\"1000\""),
    ];
    assert_eq!(
        attributes(&record),
        expected.map(|(key, value)| (key, value.to_owned())).into()
    );
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut event = event(Transition::Resolved, Severity::Warning);
    event.alert.runbook = "".into();
    event.alert.culprits = vec![Culprit {
        what: "an unknown process".to_owned(),
        sockets: 12,
        process: Some((7, "".into())),
        ..Culprit::default()
    }];
    let (record, _) = taken(&event);
    let keys: Vec<_> = attributes(&record).into_keys().collect();
    assert_eq!(
        keys,
        [
            "process.pid",
            "tcpgauge.alert.id",
            "tcpgauge.alert.limit",
            "tcpgauge.alert.metric",
            "tcpgauge.alert.rule",
            "tcpgauge.alert.severity",
            "tcpgauge.alert.since",
            "tcpgauge.alert.value",
        ]
    );
}

#[test]
fn the_page_tells_of_every_attribute_and_what_kind_it_has() {
    let (record, _) = taken(&full());
    let page = markdown();
    for (key, value) in attributes(&record) {
        let kind = match &value {
            text if text.starts_with('"') => "string",
            number if number.contains('.') => "double",
            _ => "int",
        };
        assert!(page.contains(&format!("| `{key}` | {kind} |")), "{key}");
    }
    let rows = page.matches("\n| `").count();
    assert_eq!(rows, ATTRIBUTES.len() + OWNER.len());
}

#[test]
fn hostile_names_stay_what_they_are_and_disturb_nothing_else() {
    let names = [
        "\u{1b}[31m\r\n\0",
        "</script><script>alert(1)</script>",
        "\u{202e}drowssap\u{2066}",
        "😀\u{fffd}",
        &"x".repeat(10_000),
    ];
    for name in names {
        let mut event = full();
        event.alert.body = name.into();
        event.alert.whose = Whose::Of(Owner::Container { id: name.into() });
        event.alert.culprits[0].process = Some((u32::MAX, name.into()));
        let (record, _) = taken(&event);
        let body = record.body.clone().unwrap().value.unwrap();
        assert_eq!(body, Value::StringValue(name.to_owned()));
        let attributes = attributes(&record);
        let quoted = format!("\"{name}\"");
        assert_eq!(attributes["container.id"], quoted);
        assert_eq!(attributes["process.executable.name"], quoted);
        assert_eq!(attributes["process.pid"], u32::MAX.to_string());
        assert_eq!(attributes["tcpgauge.alert.rule"], "\"close-wait\"");
    }
}

#[test]
fn a_time_out_of_range_is_no_reason_to_lose_an_event() {
    let mut event = event(Transition::Fired, Severity::Info);
    event.time = UNIX_EPOCH - Duration::from_secs(1);
    event.alert.since = UNIX_EPOCH - Duration::from_hours(24 * 365 * 20_000);
    event.alert.value = f64::INFINITY;
    let (record, _) = taken(&event);
    assert_eq!(record.time_unix_nano, 0);
    assert_eq!(attributes(&record)["tcpgauge.alert.value"], "inf");
}
