//! A backend of OTLP/HTTP inside the test: it keeps what came, and answers as it is told.

use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use prost::bytes::Bytes;

use crate::otlp_server::Port;
use crate::samples::{Sample, samples_of};

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn of(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn saying(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The number of the connection, from 0.
    pub(crate) connection: usize,
    pub(crate) arrived: Instant,
    pub(crate) path: String,
    pub(crate) is_gzip: bool,
    /// What it sent of credentials.
    pub(crate) authorization: Option<String>,
    pub(crate) samples: Vec<Sample>,
    /// Their times.
    pub(crate) times: Vec<Duration>,
    /// The status that it was answered with.
    pub(crate) status: u16,
}

impl Asked {
    pub(crate) fn is_taken(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Decides from the number of the request, from 0, and the request.
type Script = Box<dyn FnMut(usize, &Asked) -> Answer + Send>;

struct Book {
    script: Script,
    asked: Vec<Asked>,
}

/// The backend. Dropping it ends it.
pub(crate) struct HttpServer {
    port: Port,
    book: Arc<Mutex<Book>>,
    _runtime: tokio::runtime::Runtime,
}

fn locked(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HttpServer {
    pub(crate) fn start(script: impl FnMut(usize, &Asked) -> Answer + Send + 'static) -> Self {
        Self::start_on(Port::reserve(), script)
    }

    pub(crate) fn start_on(
        port: Port,
        script: impl FnMut(usize, &Asked) -> Answer + Send + 'static,
    ) -> Self {
        let listener = port.listen(64);
        listener.set_nonblocking(true).unwrap();
        let book = Arc::new(Mutex::new(Book {
            script: Box::new(script),
            asked: Vec::new(),
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let kept = Arc::clone(&book);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let kept = Arc::clone(&kept);
                let service = hyper::service::service_fn(move |request| {
                    let kept = Arc::clone(&kept);
                    answer(connection, request, kept)
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self {
            port,
            book,
            _runtime: runtime,
        }
    }

    pub(crate) fn port(&self) -> &Port {
        &self.port
    }

    pub(crate) fn endpoint(&self) -> String {
        self.port.endpoint()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        locked(&self.book).asked.clone()
    }

    /// The samples that were taken.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let asked = self.asked().into_iter();
        let taken = asked.filter(Asked::is_taken);
        taken.flat_map(|asked| asked.samples).collect()
    }

    /// The times of the samples that were taken, in the order in which they came.
    pub(crate) fn times(&self) -> Vec<Duration> {
        let asked = self.asked();
        let taken = asked.iter().filter(|asked| asked.is_taken());
        taken.flat_map(|asked| asked.times.clone()).collect()
    }
}

async fn answer(
    connection: usize,
    request: Request<Incoming>,
    book: Arc<Mutex<Book>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let header = |name: &str| {
        let value = head.headers.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let is_gzip = header("content-encoding").as_deref() == Some("gzip");
    let message = if is_gzip {
        gunzip(&body)
    } else {
        body.to_vec()
    };
    // Logs are no samples, and who sends them looks at the status alone.
    let samples = if head.uri.path().ends_with("/v1/logs") {
        Vec::new()
    } else {
        samples_of(&ExportMetricsServiceRequest::decode(&message[..]).unwrap())
    };
    let mut asked = Asked {
        connection,
        arrived: Instant::now(),
        path: head.uri.to_string(),
        is_gzip,
        authorization: header("authorization"),
        times: samples.iter().map(|sample| sample.time).collect(),
        samples,
        status: 0,
    };
    let answer = {
        let mut book = locked(&book);
        let number = book.asked.len();
        let answer = (book.script)(number, &asked);
        asked.status = answer.status;
        book.asked.push(asked);
        answer
    };
    let mut response = Response::builder().status(StatusCode::from_u16(answer.status).unwrap());
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(answer.body.into())).unwrap())
}

/// Members one after the other are all of it.
fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .read_to_end(&mut plain)
        .unwrap();
    plain
}
