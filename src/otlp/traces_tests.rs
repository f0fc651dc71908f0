//! What a backend of traces gets.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use http::{Request as HttpRequest, Response};
use opentelemetry_http::HttpError;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span as Exported;
use prost::Message;
use prost::bytes::Bytes;

use super::*;
use crate::source::{Counted, Details, Fault, Reading, Scope, Sockets, Source};
use crate::tcp::Counts;

/// A backend that keeps what comes.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<Bytes>>>);

#[async_trait::async_trait]
impl HttpClient for Kept {
    async fn send_bytes(&self, request: HttpRequest<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.0.lock().unwrap().push(request.into_body());
        Ok(Response::new(Bytes::new()))
    }
}

/// What is exported of what `work` does, in the order in which it began.
fn exported(work: impl FnOnce(&Traces)) -> Vec<Exported> {
    let kept = Kept::default();
    let traces = Traces::new(Resource::builder_empty().build(), kept.clone()).unwrap();
    work(&traces);
    traces.shutdown(Duration::from_secs(10));
    let requests = kept.0.lock().unwrap();
    let requests = requests
        .iter()
        .map(|body| ExportTraceServiceRequest::decode(body.clone()).unwrap());
    let resources = requests.flat_map(|request| request.resource_spans);
    let scopes = resources.flat_map(|resource| resource.scope_spans);
    let mut spans: Vec<_> = scopes.flat_map(|scope| scope.spans).collect();
    // The root begins and ends with others.
    spans.sort_by_key(|span| {
        (
            span.start_time_unix_nano,
            !span.parent_span_id.is_empty(),
            span.end_time_unix_nano,
        )
    });
    spans
}

const TIME: Duration = Duration::from_secs(1_790_000_000);

fn sample(readings: &[Scope]) -> Sample {
    let reading = |scope: &Scope| Reading {
        scope: *scope,
        source: Source::Text,
        why: None,
        step_downs: 0,
        details: Details::default(),
        counted: Counted {
            sockets: Sockets::Together {
                both: Counts::default(),
            },
            unrecognised: 0,
            malformed: 0,
            rows: 71,
        },
    };
    let fault = Fault {
        what: "read there".to_owned(),
        why: "it is gone".to_owned(),
        reason: "open",
    };
    Sample {
        faults: if readings.is_empty() {
            vec![fault]
        } else {
            Vec::new()
        },
        readings: readings.iter().map(reading).collect(),
        ..Sample::at(UNIX_EPOCH + TIME)
    }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn cycle(number: u64) -> Cycle {
    Cycle {
        read: millis(10),
        export: Some(Export {
            began: millis(12),
            collected: millis(15),
            record: Some(Record {
                number,
                encoded: millis(19),
                enqueued: millis(24),
            }),
        }),
    }
}

/// Names, and milliseconds since the time of the sample.
fn shown(spans: &[Exported]) -> Vec<(&str, u64, u64)> {
    let since = |nanoseconds: u64| {
        let since = Duration::from_nanos(nanoseconds).checked_sub(TIME);
        u64::try_from(since.unwrap().as_millis()).unwrap()
    };
    spans
        .iter()
        .map(|span| {
            let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
            (span.name.as_str(), since(start), since(end))
        })
        .collect()
}

fn attribute<'a>(span: &'a Exported, name: &str) -> Option<&'a Value> {
    let attribute = span.attributes.iter().find(|one| one.key == name)?;
    attribute.value.as_ref()?.value.as_ref()
}

#[test]
fn a_cycle_is_one_trace_with_a_span_for_each_thing_that_was_done() {
    let spans = exported(|traces| traces.cycle(&sample(&[Scope::Host, Scope::Own]), &cycle(0)));
    assert_eq!(
        shown(&spans),
        [
            ("cycle", 0, 24),
            ("read", 0, 10),
            ("read", 0, 10),
            ("collect", 12, 15),
            ("encode", 15, 19),
            ("enqueue", 19, 24),
        ]
    );
    let (root, parts) = spans.split_first().unwrap();
    assert!(root.parent_span_id.is_empty());
    for part in parts {
        assert_eq!(part.trace_id, root.trace_id);
        assert_eq!(part.parent_span_id, root.span_id);
    }
    let text = |value: &str| Some(Value::StringValue(value.to_owned()));
    for (read, scope) in parts.iter().zip([Scope::Host, Scope::Own]) {
        assert_eq!(
            attribute(read, "tcpgauge.scope"),
            text(scope.name()).as_ref()
        );
        assert_eq!(attribute(read, "tcpgauge.source"), text("text").as_ref());
        assert_eq!(attribute(read, "tcpgauge.rows"), Some(&Value::IntValue(71)));
    }
}

#[test]
fn what_was_not_done_has_no_span() {
    let nothing_told = Export {
        record: None,
        ..cycle(0).export.unwrap()
    };
    for (export, expected) in [
        (None, &[("cycle", 0, 10), ("read", 0, 10)][..]),
        (
            Some(nothing_told),
            &[("cycle", 0, 15), ("read", 0, 10), ("collect", 12, 15)],
        ),
    ] {
        let cycle = Cycle { export, ..cycle(0) };
        let spans = exported(|traces| traces.cycle(&sample(&[]), &cycle));
        assert_eq!(shown(&spans), expected);
        assert_eq!(spans[0].status.as_ref().unwrap().message, "no reading");
        assert_eq!(spans[0].events.len(), 1);
    }
}

#[test]
fn a_request_is_linked_to_the_cycles_whose_samples_it_holds() {
    let request = Request {
        first: 6,
        records: 3,
        bytes: 3000,
        began: UNIX_EPOCH + TIME + millis(500),
        took: millis(250),
        failure: Some("nobody there"),
    };
    let spans = exported(|traces| {
        for number in 5..8 {
            traces.cycle(&sample(&[Scope::Host]), &cycle(number));
        }
        traces.request(&request);
    });
    let (send, cycles) = spans.split_last().unwrap();
    assert_eq!(shown(std::slice::from_ref(send)), [("send", 500, 750)]);
    assert_eq!(send.status.as_ref().unwrap().message, "nobody there");
    assert_eq!(
        attribute(send, "tcpgauge.records"),
        Some(&Value::IntValue(3))
    );
    let linked: Vec<_> = send.links.iter().map(|link| &link.span_id).collect();
    assert_eq!(linked.len(), 2, "of 5 to 7, those from 6 on");
    for link in linked {
        let root = cycles.iter().find(|span| span.span_id == *link).unwrap();
        assert_eq!(root.name, "cycle");
        assert_ne!(root.trace_id, send.trace_id);
    }
}
