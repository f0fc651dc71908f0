//! Delivery: bytes to a backend, none lost within the bounds. It knows nothing of TCP states.

pub mod backend;
pub mod backoff;
mod block;
mod connection;
mod dial;
pub mod endpoint;
mod file;
mod grpc;
pub mod headers;
pub mod health;
mod http;
pub mod outbox;
pub mod probe;
pub mod queue;
pub mod sender;
pub mod spool;
pub mod tls;
pub mod transport;
pub mod verdict;

use std::time::Duration;

use self::endpoint::Endpoint;
use self::headers::Headers;

/// Where to, how, and what may wait.
#[derive(Clone, Debug)]
pub struct Options {
    /// The backend.
    pub endpoint: Endpoint,
    /// What goes with every request.
    pub headers: Headers,
    /// Whom to believe there, and who we are.
    pub tls: tls::Options,
    /// Whether requests are compressed; a backlog is in any case, unless the backend cannot take it.
    pub compress: bool,
    /// How long one request may take.
    pub timeout: Duration,
    /// What may wait.
    pub queue: queue::Bounds,
    /// Where what waits is kept on disk as well.
    pub spool: Option<spool::Options>,
    /// Over how much time the requests of many agents are spread.
    pub spread: Duration,
}
