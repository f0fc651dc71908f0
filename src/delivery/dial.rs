//! Makes a connection, all of it: the name, the port or Unix socket, TLS. Nothing here is without a time limit.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

use super::endpoint::{Address, Endpoint, Protocol};
use super::tls::{self, Trouble};
use super::transport::{Failure, Kind};

/// A connection that takes longer to make is given up, the name's resolution included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// So much is read of what somebody said who has hung up, in pieces of a kibibyte.
const LAST_WORDS: usize = 16;

/// A connection, and what TLS says was wrong with it: protocols above it keep only the words.
#[derive(Debug)]
pub(super) struct Stream {
    way: Way,
    pub(super) trouble: Trouble,
    /// Why a write failed, while there may be more to be read.
    failed: Option<io::Error>,
}

#[derive(Debug)]
enum Way {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl From<Way> for Stream {
    fn from(way: Way) -> Self {
        Self {
            way,
            trouble: Trouble::default(),
            failed: None,
        }
    }
}

/// Connects to `endpoint`, within `patience`.
pub(super) async fn dial(
    endpoint: &Endpoint,
    options: &tls::Options,
    patience: Duration,
) -> Result<Stream, Failure> {
    let connecting = async {
        match &endpoint.address {
            Address::Unix(path) => UnixStream::connect(path)
                .await
                .map(|stream| Way::Unix(stream).into())
                .map_err(|error| refused(endpoint, &error)),
            Address::Tcp { tls, .. } => {
                let stream = tcp(endpoint, patience).await?;
                if *tls {
                    encrypt(endpoint, options, stream).await
                } else {
                    Ok(Way::Tcp(stream).into())
                }
            }
        }
    };
    timeout(patience, connecting).await.unwrap_or_else(|_| {
        Err(failure(
            Kind::ConnectTimeout,
            format!(
                "no connection to {endpoint} within {patience:?}: does its name resolve, is it the right address and port, and does a firewall let this host through?"
            ),
        ))
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the addresses of one name share the time"
)]
async fn tcp(endpoint: &Endpoint, patience: Duration) -> Result<TcpStream, Failure> {
    let deadline = Instant::now() + patience;
    let host = endpoint.host().unwrap_or_default();
    let addresses: Vec<_> = tokio::net::lookup_host((host, endpoint.port()))
        .await
        .map_err(|error| {
            failure(
                Kind::Unresolved,
                format!("{endpoint}: {error}: the name does not resolve"),
            )
        })?
        .collect();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for (index, address) in addresses.iter().enumerate() {
        // One that does not answer leaves the others their part.
        let left = deadline.saturating_duration_since(Instant::now());
        let parts = u32::try_from(addresses.len() - index).unwrap_or(1);
        // The last one has all that is left, and whoever waits for all of it says when it is over.
        let part = if parts > 1 { left / parts } else { 2 * left };
        match timeout(part, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small messages, which nobody wants to wait for each other.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(refused(endpoint, &last))
}

async fn encrypt(
    endpoint: &Endpoint,
    options: &tls::Options,
    stream: TcpStream,
) -> Result<Stream, Failure> {
    let unusable = |message| failure(Kind::Unusable, format!("{endpoint}: {message}"));
    let name = tls::server_name(endpoint.host().unwrap_or_default()).map_err(unusable)?;
    let protocol: &[u8] = match endpoint.protocol {
        Protocol::Grpc => b"h2",
        Protocol::HttpProtobuf => b"http/1.1",
    };
    let options = options.clone();
    // Files may be on a disk that does not answer.
    let connector = tokio::task::spawn_blocking(move || options.connector(protocol))
        .await
        .map_err(|error| unusable(error.to_string()))?
        .map_err(unusable)?;
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Way::Tls(Box::new(stream)).into()),
        Err(error) => Err(match tls::Diagnosis::of(&error) {
            Some(diagnosis) => failure(Kind::Tls, format!("{endpoint}: {diagnosis}")),
            None => failure(
                Kind::OtherProtocol,
                format!(
                    "{endpoint} took the connection, but does not answer in TLS ({error}): write http:// if it is to be spoken to in clear"
                ),
            ),
        }),
    }
}

fn refused(endpoint: &Endpoint, error: &io::Error) -> Failure {
    let (kind, advice) = diagnose(error, endpoint);
    failure(kind, format!("{endpoint}: {error}{advice}"))
}

/// What happened below any protocol, and what to look at.
pub(super) fn diagnose(error: &io::Error, endpoint: &Endpoint) -> (Kind, String) {
    match (error.kind(), &endpoint.address) {
        (io::ErrorKind::NotFound, Address::Unix(_)) => (
            Kind::Refused,
            ": there is no such socket; is the backend running, and is its directory mounted here?"
                .to_owned(),
        ),
        (io::ErrorKind::PermissionDenied, Address::Unix(_)) => (
            Kind::Refused,
            ": allow this user to write to that socket".to_owned(),
        ),
        (io::ErrorKind::ConnectionRefused, _) => (
            Kind::Refused,
            format!(
                ": nobody listens there; is the backend running, and is this its {} port?",
                endpoint.protocol.name()
            ),
        ),
        (
            io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable,
            _,
        ) => (
            Kind::Unreachable,
            ": is it the right address, and does a firewall let this host through?".to_owned(),
        ),
        _ => (Kind::Lost, String::new()),
    }
}

fn failure(kind: Kind, message: String) -> Failure {
    Failure {
        kind,
        message,
        asked: None,
    }
}

impl Stream {
    /// Who hangs up in TLS says why before that, and it may be a write that finds nobody there any more: it fails only when
    /// what was said is read.
    fn after_a_write<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match polled {
            Poll::Ready(Err(error)) => {
                self.failed = Some(error);
                self.last_words(context)
            }
            polled => polled,
        }
    }

    fn last_words<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if let Way::Tls(stream) = &mut self.way {
            let mut aside = [0; 1024];
            // Nobody would listen to anything else, and there is no more than a few records of it.
            for _ in 0..LAST_WORDS {
                let mut buffer = ReadBuf::new(&mut aside);
                let read = Pin::new(&mut *stream).poll_read(context, &mut buffer);
                let is_over = match &read {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(read) => read.is_err() || buffer.filled().is_empty(),
                };
                let _ = self.trouble.note(read);
                if is_over {
                    break;
                }
            }
        }
        let error = self.failed.take();
        let error = error.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
        self.trouble.note(Poll::Ready(Err(error)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = match &mut this.way {
            Way::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Way::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Way::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        this.trouble.note(polled)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.failed.is_some() {
            return this.last_words(context);
        }
        let polled = match &mut this.way {
            Way::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Way::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Way::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        this.after_a_write(context, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.failed.is_some() {
            return this.last_words(context);
        }
        let polled = match &mut this.way {
            Way::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Way::Tls(stream) => Pin::new(stream).poll_flush(context),
            Way::Unix(stream) => Pin::new(stream).poll_flush(context),
        };
        this.after_a_write(context, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().way {
            Way::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Way::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Way::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
