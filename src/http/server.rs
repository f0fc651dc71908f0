//! Listeners and connections, within bounds: of whoever asks, none can take more than a little memory for a little time.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use super::board::Board;
use super::hosts::Local;
use super::router::{self, Offer};
use super::{Place, Wanted};

/// So many connections at once for each listener. One more ends the oldest, which has had its time: who holds connections
/// open keeps no probe from its answer.
const MOST_CONNECTIONS: usize = 32;

/// So many more may wait to be one of them.
const BACKLOG: u32 = 128;

/// A request without its body, which nobody reads.
const MOST_HEADER_BYTES: usize = 8 << 10;
const MOST_HEADERS: usize = 64;

/// What is read or written at once; the least that hyper allows.
const BUFFER: usize = 8 << 10;

/// How long a request may take to come, and a connection be without one.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);

/// How long a connection lives, whatever goes on: nobody is sent an answer for longer.
const LONGEST: Duration = Duration::from_mins(1);

/// What has used up all descriptors is given time to let go of some.
const PAUSE: Duration = Duration::from_millis(100);

/// A place that is listened at.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    offer: Offer,
}

/// A place cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {place} (--{flag}): {cause}{}", advice(cause))]
pub struct ListenError {
    place: Place,
    flag: &'static str,
    cause: io::Error,
}

impl ListenError {
    /// Whether somebody else has it.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrInUse
    }
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "; is another agent running here? Name another port, or none",
        io::ErrorKind::AddrNotAvailable => "; this host has no such address",
        io::ErrorKind::PermissionDenied => "; ports below 1024 want a privilege",
        _ => "",
    }
}

impl Listener {
    /// Listens where all there is is to be asked for, with the page for people or without.
    pub fn for_all(wanted: Wanted, page: bool) -> Result<Self, ListenError> {
        let offer = if page { Offer::All } else { Offer::WithoutPage };
        Self::bind(wanted.place, "http-listen", offer)
    }

    /// Listens where probes ask.
    pub fn for_health(place: Place) -> Result<Self, ListenError> {
        Self::bind(place, "health-listen", Offer::Health)
    }

    fn bind(place: Place, flag: &'static str, offer: Offer) -> Result<Self, ListenError> {
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in place.addresses() {
            let both = matches!(place, Place::Everywhere(_)) && address.is_ipv6();
            match listen(address, both) {
                Ok((socket, address)) => {
                    return Ok(Self {
                        socket,
                        address,
                        offer,
                    });
                }
                Err(cause) => {
                    let in_use = cause.kind() == io::ErrorKind::AddrInUse;
                    failed = cause;
                    if in_use {
                        break;
                    }
                }
            }
        }
        Err(ListenError {
            place,
            flag,
            cause: failed,
        })
    }

    /// Where it is, with the port that the kernel chose if it was to choose one.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers whoever asks, for as long as it is polled. It ends with all its connections.
    pub async fn serve(self, board: Board) {
        let mut connections = JoinSet::new();
        let mut oldest_first = VecDeque::with_capacity(MOST_CONNECTIONS);
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!("cannot take connections on {}: {error}", self.address);
                    }
                    sleep(PAUSE).await;
                    continue;
                }
            };
            failing = false;
            oldest_first.retain(|task: &AbortHandle| !task.is_finished());
            if oldest_first.len() >= MOST_CONNECTIONS
                && let Some(oldest) = oldest_first.pop_front()
            {
                oldest.abort();
            }
            let Ok(end) = stream.local_addr() else {
                continue;
            };
            let local = Local {
                ip: end.ip(),
                everywhere: self.address.ip().is_unspecified(),
            };
            let connection = converse(stream, self.offer, local, board.clone());
            oldest_first.push_back(connections.spawn(connection));
            // Whose request has come already gets its answer before the next connection can be the one too many.
            yield_now().await;
        }
    }
}

/// Listens at an address, and tells which one that is; at that of IPv6 for `both` families, whatever the machine's own default.
fn listen(address: SocketAddr, both: bool) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv6() {
        TcpSocket::new_v6()?
    } else {
        TcpSocket::new_v4()?
    };
    // What is left of connections of an agent that was here before does not keep this one out.
    socket.set_reuseaddr(true)?;
    if both {
        rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.bind(address)?;
    let socket = socket.listen(BACKLOG)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// Answers the requests of one connection.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    offer: Offer,
    local: Local,
    board: Board,
) {
    let service = service_fn(|request: hyper::Request<_>| {
        // What comes as its body is for nobody.
        let (request, _) = request.into_parts();
        let answer = router::answer(&request, offer, local, &board);
        async { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_WITHIN)
        .max_header_size(MOST_HEADER_BYTES)
        .max_headers(MOST_HEADERS)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    // Whatever went wrong with it is the other end's matter.
    let _ = timeout(LONGEST, connection).await;
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
