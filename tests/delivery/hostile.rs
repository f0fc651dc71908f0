//! Servers and proxies that speak HTTP/2 and get gRPC wrong: the agent lives on, loses nothing and doubles nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use prost::bytes::Bytes;

use crate::agent::{Tcpgauge, all_at_once};
use crate::otlp_server::Port;
use crate::samples::samples_of;

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// What is answered to the request with this number, and whether the server took it then.
type Answer = fn(usize) -> (Response<Body>, bool);

/// A server that answers as it is told, byte for byte.
struct Server {
    port: Port,
    /// Times of the samples that it took.
    taken: Arc<Mutex<Vec<Duration>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start(answer: Answer) -> Self {
        let port = Port::reserve();
        let listener = port.listen(16);
        listener.set_nonblocking(true).unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::new(Mutex::new(0));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let log = Arc::clone(&taken);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, requests) = (Arc::clone(&log), Arc::clone(&requests));
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let (log, requests) = (Arc::clone(&log), Arc::clone(&requests));
                    async move {
                        let body = request.into_body().collect().await?.to_bytes();
                        let number = {
                            let mut requests = requests.lock().unwrap();
                            *requests += 1;
                            *requests - 1
                        };
                        let (response, taken) = answer(number);
                        if taken {
                            // The message follows a flag and a length.
                            let request = ExportMetricsServiceRequest::decode(&body[5..]).unwrap();
                            log.lock()
                                .unwrap()
                                .extend(samples_of(&request).iter().map(|sample| sample.time));
                        }
                        Ok::<_, hyper::Error>(response)
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self {
            port,
            taken,
            _runtime: runtime,
        }
    }
}

/// An answer of gRPC with these bytes as its body, and these trailers.
fn answer(body: &'static [u8], trailers: &[(&'static str, &'static str)]) -> Response<Body> {
    let mut map = hyper::HeaderMap::new();
    map.extend(trailers.iter().map(|(name, value)| {
        (
            hyper::header::HeaderName::from_static(name),
            hyper::header::HeaderValue::from_static(value),
        )
    }));
    let mut frames = vec![Ok(Frame::data(Bytes::from_static(body)))];
    if !trailers.is_empty() {
        frames.push(Ok(Frame::trailers(map)));
    }
    let body = StreamBody::new(tokio_stream::iter(frames)).boxed_unsync();
    Response::builder()
        .header("content-type", "application/grpc")
        .body(body)
        .unwrap()
}

/// A status and nothing else, all of it in the headers.
fn only_headers(headers: &[(&'static str, &'static str)]) -> Response<Body> {
    let mut response = Response::builder().header("content-type", "application/grpc");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::default().boxed_unsync()).unwrap()
}

const NO_MESSAGE: &[u8] = b"";
const EMPTY_MESSAGE: &[u8] = b"\x00\x00\x00\x00\x00";

fn good() -> (Response<Body>, bool) {
    (answer(EMPTY_MESSAGE, &[("grpc-status", "0")]), true)
}

/// A page of a proxy whose backend is away.
fn page(status: u16) -> Response<Body> {
    let body = Full::new(Bytes::from_static(b"<html>not here</html>")).boxed_unsync();
    Response::builder()
        .status(status)
        .header("content-type", "text/html")
        .body(body)
        .unwrap()
}

const CASES: [(&str, Answer); 12] = [
    (
        "a proxy's page for a backend that is away",
        |request| match request {
            0..2 => (page(502), false),
            _ => good(),
        },
    ),
    ("a page that is not found", |request| match request {
        0..2 => (page(404), false),
        _ => good(),
    }),
    ("a page instead of an answer", |request| match request {
        0..2 => (page(200), false),
        _ => good(),
    }),
    ("a page that calls itself gRPC", |request| match request {
        0..2 => (answer(b"<html>not here</html>", &[]), false),
        _ => good(),
    }),
    ("a message without a status", |_| {
        (answer(EMPTY_MESSAGE, &[]), true)
    }),
    (
        "details of a refusal that are not base64, in the headers",
        |request| match request {
            0..2 => (
                only_headers(&[
                    ("grpc-status", "14"),
                    ("grpc-status-details-bin", "!!!not base64"),
                ]),
                false,
            ),
            _ => good(),
        },
    ),
    (
        "details of a refusal that are not base64, in the trailers",
        |request| match request {
            0..2 => (
                answer(
                    NO_MESSAGE,
                    &[("grpc-status", "14"), ("grpc-status-details-bin", "%%%")],
                ),
                false,
            ),
            _ => good(),
        },
    ),
    (
        "a message of a refusal that is not UTF-8",
        |request| match request {
            0..2 => (
                only_headers(&[("grpc-status", "14"), ("grpc-message", "%ff%fe")]),
                false,
            ),
            _ => good(),
        },
    ),
    ("success without a message", |_| {
        (answer(NO_MESSAGE, &[("grpc-status", "0")]), true)
    }),
    ("a message that says it is compressed", |_| {
        (
            answer(b"\x01\x00\x00\x00\x00", &[("grpc-status", "0")]),
            true,
        )
    }),
    ("a message that says it is of 4 GiB", |_| {
        (
            answer(b"\x00\xff\xff\xff\xff", &[("grpc-status", "0")]),
            true,
        )
    }),
    ("a message that is no protobuf", |_| {
        (
            answer(b"\x00\x00\x00\x00\x02\xff\xff", &[("grpc-status", "0")]),
            true,
        )
    }),
];

#[test]
fn what_is_wrong_with_an_answer_neither_ends_the_agent_nor_doubles_what_was_taken() {
    all_at_once(&CASES, |answer| {
        let server = Server::start(*answer);
        let agent = Tcpgauge::run(&server.port.endpoint())
            .args(["--timeout", "2s"])
            .start();
        std::thread::sleep(Duration::from_secs(7));
        let ended = agent.stop();
        ended.assert_clean();
        let taken = server.taken.lock().unwrap().clone();
        let mut once = taken.clone();
        once.dedup();
        assert!(
            taken.is_sorted() && once == taken,
            "doubled or out of order: {taken:?}\n{}",
            ended.log
        );
        // From the first sample to the last, each a second after the one before.
        let whole = [&[ended.started], &taken[..], &[ended.stopped]].concat();
        let missing = whole
            .windows(2)
            .find(|pair| pair[1].abs_diff(pair[0]) > Duration::from_millis(1300));
        assert!(
            missing.is_none(),
            "nothing between {missing:?}: {taken:?}\n{}",
            ended.log
        );
        let complaints = ended.complaints();
        assert!(complaints.len() <= 2, "{complaints:#?}");
    });
}
