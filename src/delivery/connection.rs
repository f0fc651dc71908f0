//! A connection that belongs to its owner, and what comes back on it, as far as it comes.
//!
//! Dropping a channel of tonic leaves its tasks running for as long as the server likes, so that each failure could cost a
//! descriptor: here they end with the connection. And an answer is kept piece by piece, for what has come when a
//! connection breaks may be enough to know that a request was taken.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use prost::bytes::{Bytes, BytesMut};
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::transport::{self, Channel};
use tower::{Service, ServiceExt, service_fn};

use super::dial::Stream;
use super::endpoint::{Endpoint, Protocol};
use super::tls::Trouble;

/// Who says so to a server.
pub(super) const USER_AGENT: &str = concat!("tcpgauge/", env!("CARGO_PKG_VERSION"));

/// While a request is under way, a connection that has been silent for this long is asked for a sign of life …
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// … and left if it gives none within this time.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// What is read at once of an answer over HTTP/1.
const MOST_BUFFERED: usize = 64 << 10;

/// No answer of OTLP is longer.
const MOST_BYTES: usize = 1 << 20;

type Failed = Box<dyn Error + Send + Sync>;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    way: Way,
    tasks: Tasks,
    /// Whether a server has answered on it.
    pub(super) answered: bool,
    /// What TLS says was wrong with it.
    pub(super) trouble: Trouble,
}

#[derive(Debug)]
enum Way {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(Channel),
}

/// What has come of an answer.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) status: Option<StatusCode>,
    pub(super) headers: HeaderMap,
    pub(super) body: BytesMut,
    pub(super) trailers: Option<HeaderMap>,
}

impl Received {
    /// Whether the server says that it will take nothing more on this connection.
    pub(super) fn ends_the_connection(&self) -> bool {
        let connection = self.headers.get(http::header::CONNECTION);
        connection.is_some_and(|words| words.as_bytes().eq_ignore_ascii_case(b"close"))
    }
}

impl Connection {
    /// Begins to speak the endpoint's protocol on `stream`.
    pub(super) async fn open(endpoint: &Endpoint, stream: Stream) -> Result<Self, Failed> {
        let tasks = Tasks::default();
        let trouble = stream.trouble.clone();
        let stream = TokioIo::new(stream);
        let way = match endpoint.protocol {
            Protocol::HttpProtobuf => {
                let (sender, connection) = http1::Builder::new()
                    .max_buf_size(MOST_BUFFERED)
                    .handshake(stream)
                    .await?;
                tasks.execute(Box::pin(async {
                    // Whoever waits for an answer is told why there is none.
                    let _ = connection.await;
                }));
                Way::Http1(sender)
            }
            Protocol::Grpc => {
                let scheme = if endpoint.is_encrypted() {
                    "https"
                } else {
                    "http"
                };
                let authority = endpoint.authority();
                let origin = Uri::try_from(format!("{scheme}://{authority}"))?;
                let mut stream = Some(stream);
                // Once: a connection that is lost is dialled anew by its owner.
                let connector = service_fn(move |_: Uri| {
                    let stream = stream.take().ok_or(Closed);
                    async move { stream }
                });
                let channel = transport::Endpoint::from_shared(format!("http://{authority}"))?
                    .origin(origin)
                    .user_agent(USER_AGENT)?
                    .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
                    .keep_alive_timeout(KEEPALIVE_TIMEOUT)
                    .executor(tasks.clone())
                    .connect_with_connector(connector)
                    .await?;
                Way::Http2(channel)
            }
        };
        Ok(Self {
            way,
            tasks,
            answered: false,
            trouble,
        })
    }

    /// Whether the other end is known to have closed it.
    pub(super) fn is_closed(&self) -> bool {
        matches!(&self.way, Way::Http1(sender) if sender.is_closed())
    }

    /// Makes a request, and puts what comes back into `received`, whether it ends well or not.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        received: &mut Received,
    ) -> Result<(), Failed> {
        match &mut self.way {
            Way::Http1(sender) => {
                sender.ready().await?;
                receive(sender.send_request(request).await?, received).await
            }
            Way::Http2(channel) => {
                let request = request.map(Body::new);
                let response = channel.ready().await?.call(request).await?;
                receive(response, received).await
            }
        }
    }
}

/// A connection is used once more after it was closed.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed")]
struct Closed;

/// Whether a request ended before any of it was written: then it can be made again without a double.
pub(super) fn is_unsent(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let hyper = error.downcast_ref::<hyper::Error>();
        if error.is::<Closed>() || hyper.is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        cause = error.source();
    }
    false
}

async fn receive<B>(response: Response<B>, received: &mut Received) -> Result<(), Failed>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<Failed>> + Unpin,
{
    let (head, mut body) = response.into_parts();
    received.status = Some(head.status);
    received.headers = head.headers;
    while let Some(frame) = body.frame().await {
        match frame.map_err(Into::into)?.into_data() {
            Ok(data) if received.body.len() + data.len() > MOST_BYTES => {
                return Err("the answer is longer than any of OTLP".into());
            }
            Ok(data) => received.body.extend_from_slice(&data),
            Err(frame) => received.trailers = frame.into_trailers().ok(),
        }
    }
    Ok(())
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
