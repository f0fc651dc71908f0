//! OTLP over gRPC: what is asked, and what an answer says. Pure: bytes in, bytes out.

use std::io::Read;

use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use prost::bytes::{BufMut, Bytes, BytesMut};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::connection::Received;
use super::transport::{Answer, Kind, Said, told};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// No answer of OTLP is longer, uncompressed.
const MOST_ANSWER_BYTES: u64 = 64 << 10;

/// Before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// A request with this message, compressed already or not.
pub(super) fn request(path: &str, message: &[u8], is_gzip: bool) -> http::Result<Request<Bytes>> {
    let mut body = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    body.put_u8(u8::from(is_gzip));
    // Requests are bounded far below that.
    body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    body.put_slice(message);
    let mut request = Request::post(path)
        .header(http::header::TE, "trailers")
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .body(body.freeze())?;
    if is_gzip {
        request
            .headers_mut()
            .insert(ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(request)
}

/// What an answer says, as far as it came.
pub(super) fn read(received: &Received, was_gzip: bool) -> Said {
    let Some(http) = received.status else {
        return Said::Nothing;
    };
    let kind = received.headers.get(http::header::CONTENT_TYPE);
    let is_grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let statuses = [received.trailers.as_ref(), Some(&received.headers)];
    let status = statuses
        .into_iter()
        .flatten()
        .find(|headers| headers.contains_key(STATUS));
    match status {
        Some(headers) => of_status(headers, received, was_gzip),
        // Something on the way, with a page of its own.
        None if !is_grpc || http != http::StatusCode::OK => Said::Refused {
            kind: Kind::Page(http.as_u16()),
            message: format!("HTTP {http}, and nothing of gRPC"),
            asked: None,
        },
        // A message only comes for what was taken. It begins with a flag that is 0 or 1.
        None if matches!(received.body.first(), Some(0 | 1)) => Said::Taken(unreadable()),
        None => Said::Nothing,
    }
}

fn of_status(headers: &HeaderMap, received: &Received, was_gzip: bool) -> Said {
    let headers = without_bad_details(headers);
    let status = Status::from_header_map(&headers)
        .unwrap_or_else(|| Status::unknown("a status that cannot be read"));
    if status.code() == Code::Ok {
        return Said::Taken(answer(&received.body, &received.headers));
    }
    let about_gzip = ["compress", "encoding", "gzip"]
        .iter()
        .any(|word| status.message().to_ascii_lowercase().contains(word));
    let kind = if was_gzip && status.code() == Code::Unimplemented && about_gzip {
        Kind::NoGzip
    } else {
        Kind::Status(status.code())
    };
    Said::Refused {
        kind,
        message: told(format!("{:?}", status.code()), status.message()),
        asked: status
            .get_details_retry_info()
            .and_then(|info| info.retry_delay),
    }
}

/// What is said of a request that was taken.
fn answer(body: &[u8], headers: &HeaderMap) -> Answer {
    match body.split_first_chunk::<PREFIX_BYTES>() {
        // It was taken, whatever was said about it: to send it again would double it.
        None => Answer::default(),
        Some(([0, _, _, _, _], message)) => answer_of(message),
        // Many a server answers as it was asked.
        Some(([1, _, _, _, _], message))
            if headers.get(ENCODING).is_some_and(|it| it == "gzip") =>
        {
            let mut plain = Vec::new();
            let gunzip = GzDecoder::new(message).take(MOST_ANSWER_BYTES);
            match { gunzip }.read_to_end(&mut plain) {
                Ok(_) => answer_of(&plain),
                Err(_) => unreadable(),
            }
        }
        Some(_) => unreadable(),
    }
}

/// What a message says of a request that was taken: of any signal, for their answers differ only in what the fields are called.
pub(super) fn answer_of(message: &[u8]) -> Answer {
    let Ok(response) = ExportMetricsServiceResponse::decode(message) else {
        return unreadable();
    };
    let partial = response.partial_success.unwrap_or_default();
    Answer {
        rejected_points: partial.rejected_data_points.max(0).cast_unsigned(),
        message: partial.error_message,
    }
}

/// The answer to what was taken, where nobody can read what was said about it.
pub(super) fn unreadable() -> Answer {
    Answer {
        rejected_points: 0,
        message: "an answer that cannot be read".to_owned(),
    }
}

/// Details that are not base64, which any proxy can send, make tonic panic.
fn without_bad_details(headers: &HeaderMap) -> HeaderMap {
    let metadata = MetadataMap::from_headers(headers.clone());
    let readable = metadata
        .get_all_bin(STATUS_DETAILS.as_str())
        .iter()
        .all(|details| details.to_bytes().is_ok());
    let mut headers = metadata.into_headers();
    if !readable {
        headers.remove(STATUS_DETAILS);
    }
    headers
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn received(
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &[u8],
        trailers: &[(&'static str, &'static str)],
    ) -> Received {
        let map = |headers: &[(&'static str, &'static str)]| {
            let pairs = headers.iter().map(|&(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            });
            pairs.collect::<HeaderMap>()
        };
        Received {
            status: Some(StatusCode::from_u16(status).unwrap()),
            headers: map(headers),
            body: body.into(),
            trailers: (!trailers.is_empty()).then(|| map(trailers)),
        }
    }

    const GRPC: (&str, &str) = ("content-type", "application/grpc");
    const MESSAGE: &[u8] = &[0; 5];

    fn kind_of(said: &Said) -> Option<Kind> {
        match said {
            Said::Refused { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    #[test]
    fn what_the_server_took_is_told_from_its_status_or_else_from_its_message() {
        let taken = |said: &Said| matches!(said, Said::Taken(_));
        let with = |status: Option<&'static str>, body: &[u8]| {
            let trailers: Vec<_> = status
                .map(|status| ("grpc-status", status))
                .into_iter()
                .collect();
            read(&received(200, &[GRPC], body, &trailers), false)
        };
        for (status, body, expected) in [
            (Some("0"), MESSAGE, true),
            (Some("0"), b"", true),
            (None, MESSAGE, true),
            (None, b"", false),
            (None, b"<html>", false),
            (Some("8"), MESSAGE, false),
            (Some("14"), b"", false),
            (Some("rubbish"), MESSAGE, false),
        ] {
            let said = with(status, body);
            assert_eq!(taken(&said), expected, "{status:?} {body:?}: {said:?}");
        }
        // All of it in the headers.
        let said = read(
            &received(200, &[GRPC, ("grpc-status", "0")], b"", &[]),
            false,
        );
        assert!(taken(&said));
        assert!(matches!(read(&Received::default(), false), Said::Nothing));
    }

    #[test]
    fn a_page_of_something_on_the_way_is_no_answer() {
        for (status, content_type) in [
            (200, "text/html"),
            (404, "text/html"),
            (502, "application/grpc"),
        ] {
            let page = received(status, &[("content-type", content_type)], MESSAGE, &[]);
            let found = kind_of(&read(&page, false));
            assert_eq!(found, Some(Kind::Page(status)));
        }
        // A status is one, whatever is around it.
        let refused = received(503, &[("grpc-status", "14")], b"", &[]);
        assert_eq!(
            kind_of(&read(&refused, false)),
            Some(Kind::Status(Code::Unavailable))
        );
    }

    #[test]
    fn a_server_without_gzip_is_told_from_one_without_metrics() {
        let refused = |message| {
            let trailers = [("grpc-status", "12"), ("grpc-message", message)];
            received(200, &[GRPC], b"", &trailers)
        };
        let no_gzip = refused("grpc: Decompressor is not installed for grpc-encoding \"gzip\"");
        assert_eq!(kind_of(&read(&no_gzip, true)), Some(Kind::NoGzip));
        let unimplemented = Some(Kind::Status(Code::Unimplemented));
        assert_eq!(kind_of(&read(&no_gzip, false)), unimplemented);
        let no_metrics = refused("unknown service opentelemetry.proto.collector.metrics.v1");
        assert_eq!(kind_of(&read(&no_metrics, true)), unimplemented);
    }

    #[test]
    fn details_that_are_not_base64_harm_nobody() {
        for details in ["CAgSAA", "CAgSAA==", "", "!!!not base64", "A"] {
            let trailers = [("grpc-status", "8"), ("grpc-status-details-bin", details)];
            let said = read(&received(200, &[GRPC], b"", &trailers), false);
            let expected = Some(Kind::Status(Code::ResourceExhausted));
            assert_eq!(kind_of(&said), expected, "{details}");
        }
    }

    #[test]
    fn rejected_points_are_told_and_rubbish_is_taken() {
        use opentelemetry_proto::tonic::collector::logs::v1::{
            ExportLogsPartialSuccess, ExportLogsServiceResponse,
        };
        use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsPartialSuccess;
        let partial = ExportMetricsServiceResponse {
            partial_success: Some(ExportMetricsPartialSuccess {
                rejected_data_points: 3,
                error_message: "too old".to_owned(),
            }),
        };
        let message = partial.encode_to_vec();
        let of_logs = ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess {
                rejected_log_records: 3,
                error_message: "too old".to_owned(),
            }),
        };
        assert_eq!(of_logs.encode_to_vec(), message, "of any signal");
        let body = [
            &[0, 0, 0, 0, u8::try_from(message.len()).unwrap()],
            &message[..],
        ]
        .concat();
        let found = answer(&body, &HeaderMap::new());
        assert_eq!(
            (found.rejected_points, found.message.as_str()),
            (3, "too old")
        );
        let none = HeaderMap::new();
        assert_eq!(answer(&[1, 0, 0, 0, 1, 7], &none), unreadable());
        assert_eq!(answer(&[0, 0, 0, 0, 1, 0xff], &none), unreadable());
        assert_eq!(answer(&[], &none), Answer::default());

        // Compressed, as it was asked.
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut gzip, &message).unwrap();
        let packed = [&[1, 0, 0, 0, 0][..], &gzip.finish().unwrap()].concat();
        let headers = HeaderMap::from_iter([(ENCODING, HeaderValue::from_static("gzip"))]);
        assert_eq!(answer(&packed, &headers).rejected_points, 3);
        assert_eq!(answer(&packed[..9], &headers), unreadable());
    }

    #[test]
    fn a_request_is_a_message_with_its_length() {
        for is_gzip in [false, true] {
            let request = request("/x", b"abc", is_gzip).unwrap();
            assert_eq!(
                request.body()[..],
                [u8::from(is_gzip), 0, 0, 0, 3, b'a', b'b', b'c']
            );
            assert_eq!(request.headers().contains_key(ENCODING), is_gzip);
        }
    }
}
