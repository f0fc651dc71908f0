//! OTLP over HTTP with Protocol Buffers: what is asked, and what an answer says. Pure: bytes in, bytes out.

use std::time::{Duration, SystemTime};

use http::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT,
};
use http::{HeaderValue, Request, StatusCode};
use prost::Message;
use prost::bytes::Bytes;

use super::connection::{self, Received};
use super::endpoint::Endpoint;
use super::grpc;
use super::transport::{Answer, Kind, Said, told};

const PROTOBUF: &str = "application/x-protobuf";

/// A request with this message, compressed already or not.
pub(super) fn request(
    endpoint: &Endpoint,
    message: Bytes,
    is_gzip: bool,
) -> http::Result<Request<Bytes>> {
    let mut request = Request::post(endpoint.path())
        .header(HOST, endpoint.authority())
        .header(USER_AGENT, connection::USER_AGENT)
        .header(CONTENT_TYPE, PROTOBUF)
        // It would be left out of an empty request, to which some servers then answer 411.
        .header(CONTENT_LENGTH, message.len())
        .header(ACCEPT, PROTOBUF)
        .body(message)?;
    if is_gzip {
        request
            .headers_mut()
            .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(request)
}

/// What an answer says, as far as it came, at `now`.
pub(super) fn read(received: &Received, was_gzip: bool, now: SystemTime) -> Said {
    let Some(status) = received.status else {
        return Said::Nothing;
    };
    // A page for people, such as that of a login, is no answer of OTLP, whatever its status.
    if status.is_success() && is_page(received) {
        return Said::Refused {
            kind: Kind::Page(status.as_u16()),
            message: format!("HTTP {status} with a page for people"),
            asked: None,
        };
    }
    if status.is_success() {
        return Said::Taken(taken(received));
    }
    let kind = match status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE if was_gzip => Kind::NoGzip,
        // What servers of TLS say, in clear, to who does not speak it: nothing about the request.
        StatusCode::BAD_REQUEST if words(received).contains("HTTPS") => Kind::OtherProtocol,
        _ => Kind::Http(status.as_u16()),
    };
    let wait = received.headers.get(RETRY_AFTER);
    Said::Refused {
        kind,
        message: told(format!("HTTP {status}"), &words(received)),
        asked: wait
            .and_then(|wait| wait.to_str().ok())
            .and_then(|wait| retry_after(wait, now)),
    }
}

fn is_page(received: &Received) -> bool {
    let kind = received.headers.get(CONTENT_TYPE);
    let is_html = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    is_html && !received.body.is_empty()
}

fn is_protobuf(received: &Received) -> bool {
    let kind = received.headers.get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(PROTOBUF.as_bytes()))
}

/// What is said of a request that was taken. Many a backend says nothing, or something in its own words.
fn taken(received: &Received) -> Answer {
    if is_protobuf(received) {
        grpc::answer_of(&received.body)
    } else {
        Answer::default()
    }
}

/// What a server says of a request that it did not take.
fn words(received: &Received) -> String {
    /// `google.rpc.Status`, as far as it matters.
    #[derive(Clone, PartialEq, Message)]
    struct Status {
        #[prost(string, tag = "2")]
        message: String,
    }
    if is_protobuf(received)
        && let Ok(status) = Status::decode(&received.body[..])
    {
        return status.message;
    }
    String::from_utf8_lossy(&received.body).trim().to_owned()
}

/// A number of seconds, or a moment (RFC 9110, section 10.2.3).
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    SystemTime::from(moment).duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::super::endpoint::{Protocol, Reading, Signal};
    use super::*;

    fn received(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Received {
        let mut received = Received {
            status: Some(StatusCode::from_u16(status).unwrap()),
            body: body.into(),
            ..Received::default()
        };
        for (name, value) in headers {
            received
                .headers
                .insert(*name, HeaderValue::from_str(value).unwrap());
        }
        received
    }

    fn said(received: &Received) -> Said {
        read(received, false, UNIX_EPOCH)
    }

    #[test]
    fn any_success_was_taken_whatever_the_body_says() {
        for (status, kind, body) in [
            (200, PROTOBUF, &b""[..]),
            (200, PROTOBUF, b"\xff\xff"),
            (200, "text/html", b""),
            (200, "text/plain", b"fine"),
            (202, "application/json", b"{}"),
            (204, "", b""),
        ] {
            let found = said(&received(status, &[("content-type", kind)], body));
            assert!(matches!(found, Said::Taken(_)), "{status} {kind} {found:?}");
        }
        assert!(matches!(said(&Received::default()), Said::Nothing));
    }

    #[test]
    fn a_refusal_has_its_status_its_words_and_its_wait() {
        let status = [0x08, 0x03, 0x12, 0x03, b'b', b'a', b'd'];
        for (headers, body, words, asked) in [
            (vec![("content-type", PROTOBUF)], &status[..], "bad", None),
            (vec![("content-type", "text/plain")], b" no \n", "no", None),
            (vec![("retry-after", "7")], b"", "", Some(7)),
            (
                vec![("retry-after", "Thu, 01 Jan 1970 00:01:00 GMT")],
                b"",
                "",
                Some(60),
            ),
            (vec![("retry-after", "soon")], b"", "", None),
            (vec![("retry-after", "-5")], b"", "", None),
        ] {
            let Said::Refused {
                kind,
                message,
                asked: found,
            } = said(&received(503, &headers, body))
            else {
                panic!("{headers:?}");
            };
            assert_eq!(kind, Kind::Http(503));
            assert!(message.ends_with(words), "{message}");
            assert_eq!(found, asked.map(Duration::from_secs), "{headers:?}");
        }
        let past = received(
            503,
            &[("retry-after", "Thu, 01 Jan 1970 00:01:00 GMT")],
            b"",
        );
        let now = UNIX_EPOCH + Duration::from_hours(1);
        assert!(matches!(
            read(&past, false, now),
            Said::Refused { asked: None, .. }
        ));
    }

    #[test]
    fn a_page_for_people_takes_no_sample() {
        let page = received(
            200,
            &[("content-type", "text/html; charset=utf-8")],
            b"<html>",
        );
        let found = said(&page);
        assert!(
            matches!(
                found,
                Said::Refused {
                    kind: Kind::Page(200),
                    ..
                }
            ),
            "{found:?}"
        );
    }

    #[test]
    fn a_tls_port_that_answers_in_clear_refuses_no_sample() {
        for body in [
            "Client sent an HTTP request to an HTTPS server.",
            "<title>400 The plain HTTP request was sent to HTTPS port</title>",
        ] {
            let found = said(&received(400, &[], body.as_bytes()));
            assert!(
                matches!(
                    found,
                    Said::Refused {
                        kind: Kind::OtherProtocol,
                        ..
                    }
                ),
                "{found:?}"
            );
        }
    }

    #[test]
    fn what_is_not_supported_may_be_the_compression() {
        for (was_gzip, expected) in [(true, Kind::NoGzip), (false, Kind::Http(415))] {
            let found = read(&received(415, &[], b""), was_gzip, UNIX_EPOCH);
            assert!(matches!(found, Said::Refused { kind, .. } if kind == expected));
        }
    }

    #[test]
    fn a_request_goes_to_the_path_of_metrics() {
        let how = Reading {
            protocol: Protocol::HttpProtobuf,
            signal: Signal::Metrics,
            insecure: false,
            complete: false,
        };
        let endpoint = Endpoint::parse("https://h:4318/otlp", how).unwrap();
        for is_gzip in [false, true] {
            let request = request(&endpoint, Bytes::from_static(b"abc"), is_gzip).unwrap();
            assert_eq!(request.uri(), "/otlp/v1/metrics");
            assert_eq!(request.headers()[HOST], "h:4318");
            assert_eq!(request.headers()[CONTENT_LENGTH], "3");
            assert_eq!(request.headers().contains_key(CONTENT_ENCODING), is_gzip);
        }
    }
}
