//! What the sender knows of a protocol: bytes go, an answer or a failure comes.

use std::time::Duration;

use prost::bytes::Bytes;
use tonic::Code;

/// A way to a backend. It has its own time limits: a `send` always ends.
pub trait Transport: Send {
    /// Sends one request.
    fn send(&mut self, payload: Payload) -> impl Future<Output = Result<Answer, Failure>> + Send;
}

/// What goes in one request.
#[derive(Clone, Debug)]
pub enum Payload {
    /// Encoded requests; one after the other they are one valid request.
    Plain(Vec<Bytes>),
    /// The same, compressed already.
    Gzip {
        /// One gzip member.
        bytes: Bytes,
        /// What it is uncompressed.
        plain_bytes: usize,
    },
}

/// The backend took the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Points in it that it threw away all the same (OTLP's partial success).
    pub rejected_points: u64,
    /// What it says to that.
    pub message: String,
}

/// The backend did not take the request, or nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which one it is: a change of it is news, the same again is not.
    pub kind: Kind,
    /// What was tried, why it failed, what to do.
    pub message: String,
    /// How long the server wants us to wait.
    pub asked: Option<Duration>,
}

/// What a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The name does not resolve.
    Unresolved,
    /// Nobody listens there.
    Refused,
    /// There is no way there.
    Unreachable,
    /// Nothing came back while connecting.
    ConnectTimeout,
    /// Nothing came back to a request.
    Timeout,
    /// What took the connection speaks something else, or nothing at all.
    NotGrpc,
    /// The connection broke.
    Lost,
    /// The server does not take what is compressed.
    NoGzip,
    /// A server answered so.
    Status(Code),
}
