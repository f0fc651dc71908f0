//! OTLP over gRPC: the queued bytes as they are, one request at a time, nothing without a time limit.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use prost::bytes::{Buf, BufMut, Bytes};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport;
use tonic::{Request, Status};
use tonic_types::StatusExt;

use super::connection::{Connection, Seen};
use super::endpoint::Headers;
use super::transport::{Answer, Failure, Kind, Payload, Transport};
use super::{Options, endpoint};

const PATH: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// A connection that takes longer to make is given up, the name's resolution included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// While a request is under way, a connection that has been silent for this long is asked for a sign of life …
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// … and left if it gives none within this time.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A backend that speaks OTLP/gRPC.
#[derive(Debug)]
pub struct Grpc {
    address: endpoint::Endpoint,
    endpoint: transport::Endpoint,
    headers: Headers,
    timeout: Duration,
    /// Kept from one request to the next, as long as the server answers: after any other failure the next try resolves
    /// the name anew, and does not hang on a connection that is dead.
    connection: Option<Connection>,
}

impl Grpc {
    /// A backend, not connected yet.
    pub fn new(options: &Options) -> Result<Self, transport::Error> {
        let endpoint = transport::Endpoint::from(options.endpoint.uri().clone())
            .user_agent(concat!("tcpgauge/", env!("CARGO_PKG_VERSION")))?
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        Ok(Self {
            address: options.endpoint.clone(),
            endpoint,
            headers: options.headers.clone(),
            timeout: options.timeout,
            connection: None,
        })
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let within = CONNECT_TIMEOUT.min(self.timeout);
        match tokio::time::timeout(within, Connection::open(&self.endpoint)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.lost(&error)),
            Err(_) => Err(Failure {
                kind: Kind::ConnectTimeout,
                message: format!(
                    "no connection to {} within {within:?}: does its name resolve, is it the right address, and does a firewall let this host through?",
                    self.address
                ),
                asked: None,
            }),
        }
    }

    async fn request(
        &self,
        connection: &Connection,
        seen: Seen,
        bodies: Vec<Bytes>,
    ) -> Result<Answer, Status> {
        let mut request = Request::new(bodies);
        *request.metadata_mut() = self.headers.metadata().clone();
        let mut client = tonic::client::Grpc::new(connection.for_request(seen));
        client
            .ready()
            .await
            .map_err(|error| Status::from_error(error.into()))?;
        let path = PathAndQuery::from_static(PATH);
        let response = client
            .unary(request, path, Concatenated)
            .await?
            .into_inner();
        let partial = response.partial_success.unwrap_or_default();
        Ok(Answer {
            rejected_points: partial.rejected_data_points.max(0).cast_unsigned(),
            message: self.headers.redact(&partial.error_message),
        })
    }

    /// A server answered, and did not take it.
    fn refused(&self, status: &Status) -> Failure {
        let asked = status
            .get_details_retry_info()
            .and_then(|info| info.retry_delay);
        let pause = asked.map_or_else(String::new, |asked| {
            format!(", and asks for a pause of {asked:?}")
        });
        let said = self.headers.redact(status.message());
        Failure {
            kind: Kind::Status(status.code()),
            message: format!(
                "{} answered {:?}: {}{pause}",
                self.address,
                status.code(),
                printable(&said)
            ),
            asked,
        }
    }

    /// A failure below gRPC: no server answered.
    fn lost(&self, error: &(dyn Error + 'static)) -> Failure {
        let (kind, advice) = diagnose(error);
        Failure {
            kind,
            message: format!("{}: {}{advice}", self.address, chain(error)),
            asked: None,
        }
    }

    /// A connection was made, and broke before or during a request.
    fn broke(&self, answered: bool, error: &(dyn Error + 'static)) -> Failure {
        let failure = self.lost(error);
        if answered || failure.kind != Kind::Lost {
            return failure;
        }
        // How it breaks depends on who is faster, the server that hangs up or we who go on talking: one kind for all.
        Failure {
            kind: Kind::NotGrpc,
            message: format!(
                "{} took the connection, but does not answer in gRPC ({}): is it a TLS port, one for OTLP/HTTP, or a proxy without a backend?",
                self.address,
                chain(error),
            ),
            asked: None,
        }
    }
}

impl Transport for Grpc {
    async fn send(&mut self, payload: Payload) -> Result<Answer, Failure> {
        let Payload::Plain(bodies) = payload else {
            return Err(Failure {
                kind: Kind::NoGzip,
                message: "gzip".to_owned(),
                asked: None,
            });
        };
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let seen = Seen::default();
        let request = self.request(&connection, seen.clone(), bodies);
        let ended = tokio::time::timeout(self.timeout, request).await;
        let result = match ended {
            Ok(Ok(answer)) => Ok(answer),
            // To send it again would double it.
            Ok(Err(_)) | Err(_) if seen.taken() => {
                return Ok(Answer {
                    rejected_points: 0,
                    message: "an answer that cannot be read".to_owned(),
                });
            }
            // A status that came over the wire has no cause on this side.
            Ok(Err(status)) if status.source().is_none() => Err(self.refused(&status)),
            Ok(Err(status)) => {
                let cause = status.source().unwrap_or(&status);
                return Err(self.broke(connection.answered, cause));
            }
            Err(_) => {
                return Err(Failure {
                    kind: Kind::Timeout,
                    message: format!(
                        "{} took the connection, but gave no answer within {:?}",
                        self.address, self.timeout
                    ),
                    asked: None,
                });
            }
        };
        // Only a connection that gave a proper answer is used again: after anything else the next try makes a new one.
        connection.answered = true;
        self.connection = Some(connection);
        result
    }
}

/// What happened below gRPC, and what to look at.
fn diagnose(error: &(dyn Error + 'static)) -> (Kind, &'static str) {
    let mut cause = Some(error);
    let mut text = String::new();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    return (
                        Kind::Refused,
                        ": nobody listens there; is the backend running, and is this its OTLP/gRPC port?",
                    );
                }
                io::ErrorKind::TimedOut
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable => {
                    return (
                        Kind::Unreachable,
                        ": is it the right address, and does a firewall let this host through?",
                    );
                }
                _ => {}
            }
        }
        text += &error.to_string();
        cause = error.source();
    }
    if text.contains("dns error") {
        return (Kind::Unresolved, ": the name does not resolve");
    }
    (Kind::Lost, "")
}

/// An error with its causes, each said once.
fn chain(error: &(dyn Error + 'static)) -> String {
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

/// Requests that are encoded already: one after the other they are one valid message, since Protocol Buffers merge repeated fields.
#[derive(Clone, Copy, Debug)]
struct Concatenated;

impl Codec for Concatenated {
    type Encode = Vec<Bytes>;
    type Decode = ExportMetricsServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Concatenated {
    type Item = Vec<Bytes>;
    type Error = Status;

    fn encode(&mut self, bodies: Vec<Bytes>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.reserve(bodies.iter().map(Bytes::len).sum());
        for body in bodies {
            into.put(body);
        }
        Ok(())
    }
}

impl Decoder for Concatenated {
    type Item = ExportMetricsServiceResponse;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let response = ExportMetricsServiceResponse::decode(from.copy_to_bytes(from.remaining()));
        // It was taken, whatever was said about it: to send it again would double it.
        Ok(Some(response.unwrap_or_default()))
    }
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
