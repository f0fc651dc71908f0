//! Events as OTLP log records: one request each, so that each is taken, refused or dropped by itself.
//!
//! A request has one resource. The queue seals requests that are made alike part by part, and of such the order then stays what it is.

use std::fmt::Write;
use std::time::UNIX_EPOCH;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use prost::Message;

use super::instrument::OWNER;
use crate::alerts::{Culprit, Event, Severity, Transition};
use crate::culprits::Whose;
use crate::sample::format_time;

/// An attribute of an event, besides those that say [whose](OWNER) sockets it is about.
struct Attribute {
    key: &'static str,
    /// What kind of value it has.
    kind: &'static str,
    /// What it says, in words.
    meaning: &'static str,
    value: fn(&Event) -> Option<Value>,
}

/// The first culprit's part of an event.
fn culprit<T>(event: &Event, part: impl Fn(&Culprit) -> Option<T>) -> Option<T> {
    event.alert.culprits.first().and_then(part)
}

fn text(text: impl Into<String>) -> Option<Value> {
    Some(Value::StringValue(text.into()))
        .filter(|value| !matches!(value, Value::StringValue(text) if text.is_empty()))
}

fn whole(number: impl Into<i64>) -> Value {
    Value::IntValue(number.into())
}

/// All of them. What is not known, or empty, is left out.
const ATTRIBUTES: &[Attribute] = &[
    Attribute {
        key: "tcpgauge.alert.id",
        kind: "string",
        meaning: "the same each time an alert fires and when it is resolved, and of no other alert of any agent",
        value: |event| text(&*event.alert.id),
    },
    Attribute {
        key: "tcpgauge.alert.rule",
        kind: "string",
        meaning: "the name of the rule",
        value: |event| text(&*event.alert.rule),
    },
    Attribute {
        key: "tcpgauge.alert.severity",
        kind: "string",
        meaning: "`info`, `warning` or `critical`, of the rule: also where the alert is resolved",
        value: |event| text(event.alert.severity.name()),
    },
    Attribute {
        key: "tcpgauge.alert.metric",
        kind: "string",
        meaning: "what the rule looks at",
        value: |event| text(event.alert.metric.name()),
    },
    Attribute {
        key: "tcpgauge.alert.value",
        kind: "double",
        meaning: "its value in this sample",
        value: |event| Some(Value::DoubleValue(event.alert.value)),
    },
    Attribute {
        key: "tcpgauge.alert.limit",
        kind: "double",
        meaning: "what that is held against: the threshold, the edge of the usual range, or how many would listen with what is missing, or without what is unexpected",
        value: |event| Some(Value::DoubleValue(event.alert.limit)),
    },
    Attribute {
        key: "tcpgauge.alert.since",
        kind: "string",
        meaning: "since when it has been so, in RFC 3339: before the alert fired by the time that its rule waits; where it fires again for another port, since when that one",
        value: |event| text(format_time(event.alert.since)),
    },
    Attribute {
        key: "tcpgauge.alert.runbook",
        kind: "string",
        meaning: "where it says what to do",
        value: |event| text(&*event.alert.runbook),
    },
    Attribute {
        key: "process.pid",
        kind: "int",
        meaning: "of the culprit with most sockets, its process, where tcpgauge may see it",
        value: |event| culprit(event, |one| Some(whole(one.process.as_ref()?.0))),
    },
    Attribute {
        key: "process.executable.name",
        kind: "string",
        meaning: "the name of that one's executable",
        value: |event| culprit(event, |one| text(&*one.process.as_ref()?.1)),
    },
    Attribute {
        key: "user.id",
        kind: "string",
        meaning: "the user that made its sockets",
        value: |event| culprit(event, |one| text(one.user?.to_string())),
    },
    Attribute {
        key: "network.local.port",
        kind: "int",
        meaning: "the port on this side",
        value: |event| culprit(event, |one| Some(whole(one.local_port?))),
    },
    Attribute {
        key: "network.peer.address",
        kind: "string",
        meaning: "the address of a peer",
        value: |event| culprit(event, |one| text(one.peer?.to_string())),
    },
    Attribute {
        key: "network.peer.port",
        kind: "int",
        meaning: "the port of that peer",
        value: |event| culprit(event, |one| Some(whole(one.peer_port?))),
    },
];

/// The name of the event, by which backends tell events from other logs.
const fn event_name(transition: Transition) -> &'static str {
    match transition {
        Transition::Fired => "tcpgauge.alert.fired",
        Transition::Resolved => "tcpgauge.alert.resolved",
    }
}

/// That something is over is worth to know, and no more than that.
const fn severity(event: &Event) -> (SeverityNumber, &'static str) {
    match (event.transition, event.alert.severity) {
        (Transition::Resolved, _) | (_, Severity::Info) => (SeverityNumber::Info, "INFO"),
        (_, Severity::Warning) => (SeverityNumber::Warn, "WARN"),
        (_, Severity::Critical) => (SeverityNumber::Error, "ERROR"),
    }
}

/// Makes requests of events.
#[derive(Debug)]
pub struct Encoder {
    resource: Resource,
    scope: InstrumentationScope,
}

impl Encoder {
    /// One for events of this resource, which is that of the metrics.
    #[must_use]
    pub fn new(resource: &opentelemetry_sdk::Resource) -> Self {
        Self {
            resource: Resource {
                attributes: ResourceAttributesWithSchema::from(resource).attributes.0,
                ..Resource::default()
            },
            scope: InstrumentationScope {
                name: "tcpgauge".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..InstrumentationScope::default()
            },
        }
    }

    /// An encoded request with this event, and nothing else.
    #[must_use]
    pub fn encode(&self, event: &Event) -> Vec<u8> {
        let logs = ScopeLogs {
            scope: Some(self.scope.clone()),
            log_records: vec![record(event)],
            ..ScopeLogs::default()
        };
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(self.resource.clone()),
                scope_logs: vec![logs],
                ..ResourceLogs::default()
            }],
        };
        request.encode_to_vec()
    }
}

fn record(event: &Event) -> LogRecord {
    let since_epoch = event.time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
    let (number, words) = severity(event);
    let attribute = |key: &str, value| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    let owner = match &event.alert.whose {
        Whose::Alone(_) => Vec::new(),
        Whose::Of(owner) => owner.attributes(),
    };
    let owner = owner
        .iter()
        .map(|(key, value)| attribute(key, Value::StringValue(value.to_string())));
    let own = ATTRIBUTES
        .iter()
        .filter_map(|one| Some(attribute(one.key, (one.value)(event)?)));
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time,
        severity_number: number.into(),
        severity_text: words.to_owned(),
        body: Some(AnyValue {
            value: Some(Value::StringValue(event.alert.body.to_string())),
        }),
        attributes: owner.chain(own).collect(),
        event_name: event_name(event.transition).to_owned(),
        ..LogRecord::default()
    }
}

/// What an event is, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(
        "# Events\n\n\
         <!-- Made from src/otlp/logs.rs by `UPDATE_DOCS=1 cargo test --test architecture`: do not edit. -->\n\n\
         When an alert fires, and when it is resolved, an event goes to the backend: one OTLP log record. It waits in a queue of its own,\n\
         so samples and events neither push each other out nor wait for each other: at most 1 MiB (`--queue-bytes`, if that is less) and\n\
         `--queue-age`, and with `--spool-dir`, or else with `--state-dir`, on disk as well, in its directory `logs`, at most 4 MiB there. Through outages each event arrives\n\
         in order, and with the time of its sample. What a network can always do to who asks for an answer, it can do here too: where a backend took a request and\n\
         its answer was lost, the request comes again. `tcpgauge.alert.id` and the time tell that it is the same event.\n\n\
         An alert fires once and is resolved once, but for those of listeners: while one stands, each port more that goes or comes is an event too. It fires again,\n\
         with the same `tcpgauge.alert.id`, names that port first, and its time. The same port is told of once until the alert is resolved, but anew where it had been as it was for `settle` in between; and an alert has\n\
         room for 16 ports; what resolves it is one event, which names them all.\n\n\
         Events go where metrics go (docs/config.md, `logs_exporter` and what follows it). A backend that takes no logs takes metrics as before: the log says so\n\
         once, with what to do, and the events wait within their bounds and are then dropped, and counted in `tcpgauge.events.dropped`.\n\
         `OTEL_LOGS_EXPORTER=none` sends none. Nothing is sent either where `OTEL_METRICS_EXPORTER=none` and nobody says anything of logs; nor where\n\
         `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` alone says where to: OpenTelemetry has logs go to localhost then, where mostly nobody takes them, and\n\
         `OTEL_LOGS_EXPORTER=otlp` has that done. `tcpgauge check` tells which it is, and so do the page and `/status` (docs/http.md), with how the last request went.\n\n\
         ## The record\n\n\
         | field | value |\n|---|---|\n\
         | event name | `tcpgauge.alert.fired` or `tcpgauge.alert.resolved` |\n\
         | time, observed time | when the sample was taken that told |\n\
         | severity | of `info` INFO (9), of `warning` WARN (13), of `critical` ERROR (17); resolved, INFO (9) |\n\
         | body | the alert in a sentence, the same as everywhere |\n\
         | scope | `tcpgauge`, with its version |\n\
         | resource | that of the metrics |\n\n\
         ## Attributes\n\n\
         What is not known is left out.\n\n\
         | attribute | type | value |\n|---|---|---|\n",
    );
    for Attribute {
        key, kind, meaning, ..
    } in ATTRIBUTES
    {
        let _ = writeln!(page, "| `{key}` | {kind} | {meaning} |");
    }
    for attribute in OWNER {
        let _ = writeln!(
            page,
            "| `{}` | string | of a pod: {} |",
            attribute.key, attribute.values
        );
    }
    page
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
