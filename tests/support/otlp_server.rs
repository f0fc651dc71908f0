//! An OTLP/gRPC metrics backend inside the test: it keeps every request with the moment it came, answers as it is told to, and
//! can be stopped and started again on the same port. In the test's own process, because only there can a claim such as "this
//! sample was refused twice and then accepted once" be read off a list.

#![allow(
    dead_code,
    reason = "each test crate that includes this file uses its own part of it"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::{KeyAndValueRef, MetadataMap};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// A loopback port that stays this test's own while nothing listens on it.
///
/// The socket held here is bound and never listens: connecting is refused, and the kernel gives the port to nobody else, neither
/// to another test nor to the very client that connects to it (which on loopback would then be talking to itself).
pub(crate) struct Port {
    _held: Socket,
    address: SocketAddr,
}

impl Port {
    pub(crate) fn reserve() -> Self {
        let held = tcp_socket();
        held.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
            .unwrap();
        // Only now, so that the choice above never falls on a port that another test holds in the same way.
        held.set_reuse_address(true).unwrap();
        let address = held.local_addr().unwrap().as_socket().unwrap();
        Self {
            _held: held,
            address,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the agent is given to reach this port in clear text.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn listen(&self, backlog: i32) -> TcpListener {
        let socket = tcp_socket();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&self.address.into()).unwrap();
        socket.listen(backlog).unwrap();
        socket.into()
    }
}

fn tcp_socket() -> Socket {
    Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap()
}

/// What the backend says to one request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    Ok,
    /// Accepted, but this many data points were thrown away by the backend.
    Partial {
        rejected: i64,
        message: String,
    },
    Refuse {
        code: Code,
        message: String,
        retry_in: Option<Duration>,
    },
    /// The request is taken and no answer ever comes.
    Never,
}

/// A reply, and how long the backend thinks about it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    reply: Reply,
    delay: Duration,
}

impl Answer {
    pub(crate) fn ok() -> Self {
        Self {
            reply: Reply::Ok,
            delay: Duration::ZERO,
        }
    }

    pub(crate) fn partial(rejected: i64, message: &str) -> Self {
        Self {
            reply: Reply::Partial {
                rejected,
                message: message.to_owned(),
            },
            ..Self::ok()
        }
    }

    pub(crate) fn refuse(code: Code, message: &str) -> Self {
        Self {
            reply: Reply::Refuse {
                code,
                message: message.to_owned(),
                retry_in: None,
            },
            ..Self::ok()
        }
    }

    /// A refusal that carries `google.rpc.RetryInfo`.
    pub(crate) fn refuse_for(code: Code, message: &str, wait: Duration) -> Self {
        Self {
            reply: Reply::Refuse {
                code,
                message: message.to_owned(),
                retry_in: Some(wait),
            },
            ..Self::ok()
        }
    }

    pub(crate) fn never() -> Self {
        Self {
            reply: Reply::Never,
            ..Self::ok()
        }
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// One request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) arrived: Instant,
    pub(crate) request: ExportMetricsServiceRequest,
    /// The metadata in text form, by lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    /// What was answered. None while it is thought about, and for ever when the client hung up before.
    pub(crate) reply: Option<Reply>,
}

impl Received {
    /// Whether the backend has taken this request's points over, so that sending them again would make them double.
    pub(crate) fn is_accepted(&self) -> bool {
        matches!(self.reply, Some(Reply::Ok | Reply::Partial { .. }))
    }
}

/// Decides the answer from the request's number (from 0, over all restarts) and content.
type Script = Box<dyn FnMut(usize, &ExportMetricsServiceRequest) -> Answer + Send>;

struct Book {
    script: Script,
    received: Vec<Received>,
}

#[derive(Clone)]
struct Shared {
    book: Arc<Mutex<Book>>,
    changed: Arc<Condvar>,
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The backend. Dropping it stops it.
pub(crate) struct OtlpServer {
    port: Port,
    shared: Shared,
    serving: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl OtlpServer {
    /// A backend that listens on a port of its own and accepts everything.
    pub(crate) fn started() -> Self {
        let mut server = Self::stopped(Port::reserve());
        server.start();
        server
    }

    /// A backend that is not there yet.
    pub(crate) fn stopped(port: Port) -> Self {
        let book = Book {
            script: Box::new(|_, _| Answer::ok()),
            received: Vec::new(),
        };
        let shared = Shared {
            book: Arc::new(Mutex::new(book)),
            changed: Arc::default(),
        };
        Self {
            port,
            shared,
            serving: None,
        }
    }

    pub(crate) fn port(&self) -> &Port {
        &self.port
    }

    pub(crate) fn endpoint(&self) -> String {
        self.port.endpoint()
    }

    /// From the next request on, answers come from this script.
    pub(crate) fn answer(
        &self,
        script: impl FnMut(usize, &ExportMetricsServiceRequest) -> Answer + Send + 'static,
    ) {
        self.shared.book().script = Box::new(script);
    }

    pub(crate) fn start(&mut self) {
        assert!(self.serving.is_none(), "the server runs already");
        let listener = self.port.listen(1024);
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel();
        let service = Service {
            shared: self.shared.clone(),
        };
        let thread = std::thread::spawn(move || serve(listener, service, stopped));
        self.serving = Some((stop, thread));
    }

    /// Gone at once, as after kill -9: requests in work get no answer, connections are closed under the client.
    pub(crate) fn stop(&mut self) {
        let (stop, thread) = self.serving.take().expect("the server runs");
        drop(stop);
        thread.join().unwrap();
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.book().received.clone()
    }

    /// The requests answered with success, in the order they came.
    pub(crate) fn accepted(&self) -> Vec<Received> {
        self.received()
            .into_iter()
            .filter(Received::is_accepted)
            .collect()
    }

    /// Waits until what came in is as asked, and says whether that happened in time.
    pub(crate) fn wait_until(
        &self,
        within: Duration,
        mut is_so: impl FnMut(&[Received]) -> bool,
    ) -> bool {
        let waiting = self
            .shared
            .changed
            .wait_timeout_while(self.shared.book(), within, |book| !is_so(&book.received));
        !waiting
            .unwrap_or_else(PoisonError::into_inner)
            .1
            .timed_out()
    }
}

impl Drop for OtlpServer {
    fn drop(&mut self) {
        if self.serving.is_some() {
            self.stop();
        }
    }
}

fn serve(listener: TcpListener, service: Service, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).unwrap());
        let router =
            tonic::transport::Server::builder().add_service(MetricsServiceServer::new(service));
        tokio::select! {
            served = router.serve_with_incoming(incoming) => served.unwrap(),
            _ = stopped => {}
        }
    });
    // Dropping the runtime here drops every connection's task, and with it the connection.
}

struct Service {
    shared: Shared,
}

#[tonic::async_trait]
impl MetricsService for Service {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let (index, answer) = self.note(&metadata, request);
        tokio::time::sleep(answer.delay).await;
        if answer.reply == Reply::Never {
            return std::future::pending().await;
        }
        // Written only here, as a client that gave up meanwhile has dropped this future and got no answer.
        self.shared.book().received[index].reply = Some(answer.reply.clone());
        self.shared.changed.notify_all();
        on_the_wire(answer.reply)
    }
}

impl Service {
    fn note(
        &self,
        metadata: &MetadataMap,
        request: ExportMetricsServiceRequest,
    ) -> (usize, Answer) {
        let mut book = self.shared.book();
        let index = book.received.len();
        let answer = (book.script)(index, &request);
        book.received.push(Received {
            arrived: Instant::now(),
            request,
            headers: text_headers(metadata),
            reply: None,
        });
        self.shared.changed.notify_all();
        (index, answer)
    }
}

fn on_the_wire(reply: Reply) -> Result<Response<ExportMetricsServiceResponse>, Status> {
    match reply {
        Reply::Ok | Reply::Never => Ok(Response::new(ExportMetricsServiceResponse::default())),
        Reply::Partial { rejected, message } => {
            let partial = ExportMetricsPartialSuccess {
                rejected_data_points: rejected,
                error_message: message,
            };
            Ok(Response::new(ExportMetricsServiceResponse {
                partial_success: Some(partial),
            }))
        }
        Reply::Refuse {
            code,
            message,
            retry_in: None,
        } => Err(Status::new(code, message)),
        Reply::Refuse {
            code,
            message,
            retry_in: wait,
        } => Err(Status::with_error_details(
            code,
            message,
            ErrorDetails::with_retry_info(wait),
        )),
    }
}

fn text_headers(metadata: &MetadataMap) -> BTreeMap<String, String> {
    let text = |entry| match entry {
        KeyAndValueRef::Ascii(name, value) => {
            Some((name.to_string(), value.to_str().ok()?.to_owned()))
        }
        KeyAndValueRef::Binary(..) => None,
    };
    metadata.iter().filter_map(text).collect()
}
