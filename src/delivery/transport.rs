//! What the sender knows of a protocol: bytes go, an answer or a failure comes.

use std::error::Error;
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
    /// Encoded requests; one after the other they are one valid request, since Protocol Buffers merge repeated fields.
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
    /// Points in it, or events, that it threw away all the same (OTLP's partial success).
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
    /// What a request needs on this side, such as a file with a token, cannot be had.
    Unusable,
    /// The name does not resolve.
    Unresolved,
    /// Nobody listens there.
    Refused,
    /// There is no way there.
    Unreachable,
    /// Nothing came back while connecting.
    ConnectTimeout,
    /// TLS failed.
    Tls,
    /// Nothing came back to a request.
    Timeout,
    /// What took the connection speaks something else, or nothing at all.
    OtherProtocol,
    /// The connection broke.
    Lost,
    /// The server does not take what is compressed.
    NoGzip,
    /// A server of gRPC answered so.
    Status(Code),
    /// A server of OTLP/HTTP answered so.
    Http(u16),
    /// Something that does not speak gRPC answered so in its place.
    Page(u16),
}

/// What an answer says.
#[derive(Debug)]
pub(super) enum Said {
    /// The request was taken.
    Taken(Answer),
    /// It was not.
    Refused {
        kind: Kind,
        message: String,
        /// How long to wait.
        asked: Option<Duration>,
    },
    /// Nothing, so far.
    Nothing,
}

/// A status, with the words of the server if it has any.
pub(super) fn told(status: String, words: &str) -> String {
    if words.is_empty() {
        status
    } else {
        format!("{status}: {words}")
    }
}

/// What a server says, fit for a log: bounded, on one line.
pub(super) fn printable(message: &str) -> String {
    const MOST: usize = 500;
    let mut text: String = message
        .chars()
        .take(MOST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if message.chars().nth(MOST).is_some() {
        text.push('…');
    }
    text
}

/// An error with its causes, each said once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_fits_on_a_line() {
        assert_eq!(printable("two\nlines\u{1b}[31m"), "two lines [31m");
        assert_eq!(printable(&"é".repeat(600)).chars().count(), 501);
    }
}
