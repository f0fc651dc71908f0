//! A backend: where it is, what it is spoken to, and one connection to it at a time.

use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use prost::bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::connection::{Connection, Received, is_unsent};
use super::dial::{CONNECT_TIMEOUT, diagnose, dial};
use super::endpoint::{Endpoint, Protocol, Signal};
use super::headers::{Headers, Values};
use super::tls::{self, Stamp, Trouble};
use super::transport::{Answer, Failure, Kind, Payload, Said, Transport, chain, printable};
use super::verdict::{Verdict, verdict};
use super::{Options, grpc, http};

/// Files of headers and certificates are small; a disk that does not answer must not hold up the rest.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The way to one backend.
#[derive(Debug)]
pub struct Backend {
    endpoint: Endpoint,
    headers: Headers,
    tls: tls::Options,
    timeout: Duration,
    /// Whether what is not compressed is, before it is sent.
    compress: bool,
    /// Kept from one request to the next, as long as the server answers as one that takes OTLP: after any other failure the
    /// next try resolves the name anew, and does not hang on a connection that is dead, or to somebody else.
    connection: Option<(Connection, Stamp)>,
    /// A look at the files that has not ended.
    looking: Option<JoinHandle<Result<(Values, Stamp), String>>>,
}

impl Backend {
    /// A backend, not connected yet.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self {
            endpoint: options.endpoint.clone(),
            headers: options.headers.clone(),
            tls: options.tls.clone(),
            timeout: options.timeout,
            compress: options.compress,
            connection: None,
            looking: None,
        }
    }

    /// What is read from files for each request: they may change while the agent runs.
    async fn look_at_files(&mut self) -> Result<(Values, Stamp), Failure> {
        let unusable = |message| Failure {
            kind: Kind::Unusable,
            message,
            asked: None,
        };
        if self.headers.have_no_files() && self.tls.has_no_files() {
            return self
                .headers
                .read()
                .map(|values| (values, Stamp::default()))
                .map_err(unusable);
        }
        // One that has not ended is waited for, and no other is sent after it.
        let mut looking = self.looking.take().unwrap_or_else(|| {
            let (headers, tls) = (self.headers.clone(), self.tls.clone());
            tokio::task::spawn_blocking(move || {
                let values = headers.read()?;
                Ok((values, tls.stamp()))
            })
        });
        match tokio::time::timeout(READ_TIMEOUT, &mut looking).await {
            Ok(Ok(found)) => found.map_err(unusable),
            Ok(Err(error)) => Err(unusable(error.to_string())),
            Err(_) => {
                self.looking = Some(looking);
                Err(unusable(format!(
                    "the files of headers and certificates cannot be read within {READ_TIMEOUT:?}"
                )))
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let within = CONNECT_TIMEOUT.min(self.timeout);
        let stream = dial(&self.endpoint, &self.tls, within).await?;
        let trouble = stream.trouble.clone();
        match tokio::time::timeout(within, Connection::open(&self.endpoint, stream)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.broke(false, &trouble, &*error)),
            Err(_) => Err(self.silent()),
        }
    }

    fn request(
        &self,
        message: Bytes,
        is_gzip: bool,
        values: &Values,
    ) -> Result<::http::Request<Full<Bytes>>, Failure> {
        let request = match self.endpoint.protocol {
            Protocol::Grpc => grpc::request(self.endpoint.path(), &message, is_gzip),
            Protocol::HttpProtobuf => http::request(&self.endpoint, message, is_gzip),
        };
        let mut request = request.map_err(|error| Failure {
            kind: Kind::Unusable,
            message: format!("{}: {error}", self.endpoint),
            asked: None,
        })?;
        request.headers_mut().extend(values.map().clone());
        Ok(request.map(Full::new))
    }

    fn said(&self, received: &Received, was_gzip: bool) -> Said {
        match self.endpoint.protocol {
            Protocol::Grpc => grpc::read(received, was_gzip),
            Protocol::HttpProtobuf => http::read(received, was_gzip, now()),
        }
    }

    /// A connection was made, and broke before or during a request.
    fn broke(&self, answered: bool, trouble: &Trouble, error: &(dyn Error + 'static)) -> Failure {
        let failure = |kind, message| Failure {
            kind,
            message,
            asked: None,
        };
        if let Some(diagnosis) = trouble.diagnosis() {
            return failure(Kind::Tls, format!("{}: {diagnosis}", self.endpoint));
        }
        let (kind, advice) = match io_error(error) {
            Some(error) => diagnose(error, &self.endpoint),
            None => (Kind::Lost, String::new()),
        };
        if answered || kind != Kind::Lost {
            return failure(kind, format!("{}: {}{advice}", self.endpoint, chain(error)));
        }
        // How it breaks depends on who is faster, the server that hangs up or we who go on talking: one kind for all.
        let other = match self.endpoint.protocol {
            Protocol::Grpc => "one for OTLP/HTTP (--protocol http/protobuf)",
            Protocol::HttpProtobuf => "one for OTLP/gRPC (--protocol grpc)",
        };
        let tls = if self.endpoint.is_encrypted() {
            ""
        } else {
            "a TLS port, "
        };
        let what_else = format!("{tls}{other}, or a proxy without a backend");
        failure(
            Kind::OtherProtocol,
            format!(
                "{} took the connection, but does not answer in {} ({}): is it {what_else}?",
                self.endpoint,
                self.endpoint.protocol.name(),
                chain(error),
            ),
        )
    }

    fn silent(&self) -> Failure {
        Failure {
            kind: Kind::Timeout,
            message: format!(
                "{} took the connection, but gave no answer within {:?}",
                self.endpoint, self.timeout
            ),
            asked: None,
        }
    }
}

impl Transport for Backend {
    async fn send(&mut self, payload: Payload) -> Result<Answer, Failure> {
        let sent = self.attempt(payload.clone(), self.compress).await;
        match (&sent, &payload) {
            // What it refuses may be the compression, which not every server that cannot take it calls by its name.
            (Err(failure), Payload::Plain(_))
                if self.compress
                    && verdict(failure.kind, self.endpoint.signal) == Verdict::Isolate =>
            {
                let again = self.attempt(payload, false).await;
                if again.is_ok() {
                    tracing::info!(
                        "{} takes what is not compressed, and not what is: from now on nothing is compressed",
                        self.endpoint
                    );
                    self.compress = false;
                }
                again
            }
            _ => sent,
        }
    }
}

impl Backend {
    async fn attempt(&mut self, payload: Payload, compress: bool) -> Result<Answer, Failure> {
        let (values, stamp) = self.look_at_files().await?;
        let (message, is_gzip) = message(payload, compress).await;
        // Certificates that have changed are for a new connection.
        let kept = self
            .connection
            .take()
            .filter(|(connection, made)| *made == stamp && !connection.is_closed());
        let mut kept = kept.map(|(connection, _)| connection);
        loop {
            let request = self.request(message.clone(), is_gzip, &values)?;
            let is_kept = kept.is_some();
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let mut received = Received::default();
            let exchange = connection.exchange(request, &mut received);
            let ended = tokio::time::timeout(self.timeout, exchange).await;
            let said = self.said(&received, is_gzip);
            // Only a connection that gave a whole answer is used again: after anything else the next try makes a new one.
            if matches!(ended, Ok(Ok(()))) && !matches!(said, Said::Nothing) {
                connection.answered = true;
                let judged = self.judge(said, &values);
                if self.may_go_on(&judged) && !received.ends_the_connection() {
                    self.connection = Some((connection, stamp));
                }
                return judged;
            }
            return match (said, ended) {
                (said @ Said::Refused { .. }, _) => self.judge(said, &values),
                // To send it again would double it.
                (Said::Taken(_), _) => Ok(grpc::unreadable()),
                // It was closed while nothing was said on it, as idle ones are.
                (Said::Nothing, Ok(Err(error))) if is_kept && is_unsent(&*error) => continue,
                (Said::Nothing, Ok(Err(error))) => {
                    Err(self.broke(connection.answered, &connection.trouble, &*error))
                }
                (Said::Nothing, Ok(Ok(()))) => {
                    Err(self.broke(connection.answered, &connection.trouble, &NoAnswer))
                }
                (Said::Nothing, Err(_)) => Err(self.silent()),
            };
        }
    }

    /// Whether the connection over which this was said is for the next request too.
    fn may_go_on(&self, judged: &Result<Answer, Failure>) -> bool {
        // Events are rare: a connection kept for the next one would be idle, and cost memory, for nothing.
        let is_idle = self.endpoint.signal == Signal::Logs;
        // It may be the wrong one who answers, as before a route is there: asked again, another may.
        let may_be_another = judged.as_ref().is_err_and(|failure| {
            matches!(
                verdict(failure.kind, self.endpoint.signal),
                Verdict::Mend(_)
            )
        });
        !is_idle && !may_be_another
    }

    /// What the server said, without what it must not repeat.
    fn judge(&mut self, said: Said, values: &Values) -> Result<Answer, Failure> {
        match said {
            Said::Taken(answer) => Ok(Answer {
                message: self.endpoint.redact(&values.redact(&answer.message)),
                ..answer
            }),
            Said::Refused {
                kind,
                message,
                asked,
            } => {
                // It would not take the next one either.
                self.compress &= kind != Kind::NoGzip;
                let pause = asked.map_or_else(String::new, |asked| {
                    format!(", and asks for a pause of {asked:?}")
                });
                Err(Failure {
                    kind,
                    message: format!(
                        "{} answered {}{pause}",
                        self.endpoint,
                        printable(&self.endpoint.redact(&values.redact(&message)))
                    ),
                    asked,
                })
            }
            Said::Nothing => Err(self.silent()),
        }
    }
}

/// An answer that ended before it said anything.
#[derive(Debug, thiserror::Error)]
#[error("the answer ended before it said anything")]
struct NoAnswer;

/// The bytes of one message, and whether they are compressed.
async fn message(payload: Payload, compress: bool) -> (Bytes, bool) {
    let bodies = match payload {
        Payload::Gzip { bytes, .. } => return (bytes, true),
        Payload::Plain(bodies) => bodies,
    };
    let mut plain = BytesMut::with_capacity(bodies.iter().map(Bytes::len).sum());
    for body in bodies {
        plain.extend_from_slice(&body);
    }
    let plain = plain.freeze();
    if !compress {
        return (plain, false);
    }
    // Off the thread that ticks.
    let input = plain.clone();
    match tokio::task::spawn_blocking(move || gzip(&input)).await {
        Ok(Ok(bytes)) => (bytes.into(), true),
        // Nothing is lost but time.
        _ => (plain, false),
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

#[expect(
    clippy::disallowed_methods,
    reason = "a server may name the moment when it wants to be asked again"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
