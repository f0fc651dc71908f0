//! Delivery: bytes to a backend, none lost within the bounds. It knows nothing of TCP states.

pub mod backoff;
mod connection;
pub mod endpoint;
pub mod grpc;
mod health;
pub mod outbox;
pub mod probe;
pub mod queue;
pub mod sender;
pub mod transport;
pub mod verdict;

use std::time::Duration;

use self::endpoint::{Endpoint, Headers};

/// Where to, how, and what may wait.
#[derive(Clone, Debug)]
pub struct Options {
    /// The backend.
    pub endpoint: Endpoint,
    /// What goes with every request.
    pub headers: Headers,
    /// How long one request may take.
    pub timeout: Duration,
    /// What may wait.
    pub queue: queue::Bounds,
}
