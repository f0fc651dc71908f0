//! A connection that belongs to its owner, and what is let through from the other end.
//!
//! Two things about the libraries below make this necessary. Dropping a channel of tonic leaves its tasks running for as
//! long as the server likes, so that each failure could cost a descriptor: here they end with the connection. And
//! tonic panics on a status whose details are not base64, which any proxy can send: here they are taken out before.

use std::pin::Pin;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, Response};
use http_body_util::BodyExt;
use hyper::body::Frame;
use hyper::rt::Executor;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::metadata::MetadataMap;
use tonic::transport::{self, Channel};
use tower::ServiceExt;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    channel: Channel,
    tasks: Tasks,
    /// Whether a server has answered on it.
    pub(super) answered: bool,
}

impl Connection {
    /// Connects to where `endpoint` says.
    pub(super) async fn open(endpoint: &transport::Endpoint) -> Result<Self, transport::Error> {
        let tasks = Tasks::default();
        let channel = endpoint.clone().executor(tasks.clone()).connect().await?;
        Ok(Self {
            channel,
            tasks,
            answered: false,
        })
    }

    /// The connection as tonic wants it, for one request whose answer `seen` takes note of.
    pub(super) fn for_request(
        &self,
        seen: Seen,
    ) -> impl GrpcService<Body, ResponseBody = Body, Error = transport::Error, Future: Send> + Send + use<>
    {
        self.channel
            .clone()
            .map_response(move |response: Response<Body>| {
                let (mut head, body) = response.into_parts();
                let origin = Origin::of(&head);
                seen.headers(&mut head.headers);
                let body = body.map_frame(move |frame| seen.frame(frame, origin));
                Response::from_parts(head, Body::new(body))
            })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tasks.end();
    }
}

/// The tasks of one connection.
#[derive(Clone, Debug, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    fn end(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
    }
}

impl Executor<Pin<Box<dyn Future<Output = ()> + Send>>> for Tasks {
    fn execute(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are kept until they are asked after.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Something that speaks gRPC.
    Grpc,
    /// Something on the way, with a page of its own.
    Other,
}

impl Origin {
    fn of(head: &http::response::Parts) -> Self {
        let kind = head.headers.get(http::header::CONTENT_TYPE);
        let is_grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        if is_grpc && head.status == http::StatusCode::OK {
            Self::Grpc
        } else {
            Self::Other
        }
    }
}

/// What came of an answer, whatever tonic makes of it.
#[derive(Clone, Debug)]
pub(super) struct Seen(Arc<AtomicI32>);

const NOTHING: i32 = -1;
const MESSAGE: i32 = -2;

impl Default for Seen {
    fn default() -> Self {
        Self(Arc::new(AtomicI32::new(NOTHING)))
    }
}

impl Seen {
    /// Whether the server took the request, even if nobody can read what it says of it: its status is 0, or it sent a
    /// message, which only comes for what was taken, and no status.
    pub(super) fn taken(&self) -> bool {
        matches!(self.0.load(Ordering::Relaxed), 0 | MESSAGE)
    }

    fn frame(
        &self,
        frame: Frame<prost::bytes::Bytes>,
        origin: Origin,
    ) -> Frame<prost::bytes::Bytes> {
        // A message begins with a flag that is 0 or 1.
        let is_message = frame
            .data_ref()
            .is_some_and(|data| matches!(data.first(), Some(0 | 1)));
        if is_message && origin == Origin::Grpc && self.0.load(Ordering::Relaxed) == NOTHING {
            self.0.store(MESSAGE, Ordering::Relaxed);
        }
        match frame.into_trailers() {
            Ok(mut trailers) => {
                self.headers(&mut trailers);
                Frame::trailers(trailers)
            }
            Err(frame) => frame,
        }
    }

    fn headers(&self, headers: &mut HeaderMap) {
        if let Some(status) = headers.get(STATUS) {
            let code = status
                .to_str()
                .ok()
                .and_then(|code| code.parse::<u16>().ok());
            self.0.store(
                code.map_or(i32::from(u16::MAX), i32::from),
                Ordering::Relaxed,
            );
        }
        if headers.contains_key(STATUS_DETAILS) {
            let metadata = MetadataMap::from_headers(std::mem::take(headers));
            let readable = metadata
                .get_all_bin(STATUS_DETAILS.as_str())
                .iter()
                .all(|details| details.to_bytes().is_ok());
            *headers = metadata.into_headers();
            if !readable {
                headers.remove(STATUS_DETAILS);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn after(status: Option<&'static str>, message: bool) -> Seen {
        let seen = Seen::default();
        if message {
            seen.frame(Frame::data("\0\0\0\0\0".into()), Origin::Grpc);
        }
        let mut trailers = HeaderMap::new();
        trailers.extend(status.map(|status| (STATUS, HeaderValue::from_static(status))));
        seen.frame(Frame::trailers(trailers), Origin::Grpc);
        seen
    }

    #[test]
    fn what_the_server_took_is_told_from_its_status_or_else_from_its_message() {
        for (status, message, taken) in [
            (Some("0"), true, true),
            (Some("0"), false, true),
            (None, true, true),
            (None, false, false),
            (Some("8"), true, false),
            (Some("14"), false, false),
            (Some("rubbish"), true, false),
        ] {
            assert_eq!(
                after(status, message).taken(),
                taken,
                "{status:?} {message}"
            );
        }
    }

    #[test]
    fn a_page_of_something_on_the_way_is_no_message() {
        for (origin, bytes) in [(Origin::Other, "\0\0\0\0\0"), (Origin::Grpc, "<html>")] {
            let seen = Seen::default();
            seen.frame(Frame::data(bytes.into()), origin);
            assert!(!seen.taken(), "{origin:?} {bytes:?}");
        }
        for (status, kind, origin) in [
            (200, "application/grpc", Origin::Grpc),
            (200, "application/grpc+proto", Origin::Grpc),
            (200, "text/html", Origin::Other),
            (502, "application/grpc", Origin::Other),
        ] {
            let response = Response::builder()
                .status(status)
                .header("content-type", kind)
                .body(());
            assert_eq!(
                Origin::of(&response.unwrap().into_parts().0),
                origin,
                "{status} {kind}"
            );
        }
    }

    #[test]
    fn details_that_are_not_base64_do_not_get_through_and_others_do() {
        for (details, stays) in [
            ("CAgSAA", true),
            ("CAgSAA==", true),
            ("", true),
            ("!!!not base64", false),
            ("A", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(STATUS, HeaderValue::from_static("8"));
            headers.insert(STATUS_DETAILS, HeaderValue::from_static(details));
            Seen::default().headers(&mut headers);
            assert_eq!(headers.contains_key(STATUS_DETAILS), stays, "{details}");
            assert!(headers.contains_key(STATUS));
            // This is what panics.
            let _ = tonic::Status::from_header_map(&headers);
        }
    }
}
