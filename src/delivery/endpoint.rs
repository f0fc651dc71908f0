//! Where points are sent to: what the user wrote, checked before the first connection.

use std::fmt;
use std::path::PathBuf;

use http::uri::Authority;

/// What is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signal {
    /// Metrics.
    #[default]
    Metrics,
    /// The agent's own traces.
    Traces,
    /// Logs: that an alert begins or ends.
    Logs,
}

impl Signal {
    /// Its path below a base endpoint of OTLP/HTTP.
    const fn path(self) -> &'static str {
        match self {
            Self::Metrics => "/v1/metrics",
            Self::Traces => "/v1/traces",
            Self::Logs => "/v1/logs",
        }
    }

    /// The method of gRPC that takes it.
    const fn method(self) -> &'static str {
        match self {
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }

    /// What one record of it is called.
    #[must_use]
    pub const fn record(self) -> &'static str {
        match self {
            Self::Metrics => "sample",
            Self::Traces => "trace",
            Self::Logs => "event",
        }
    }
}

/// How OTLP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC.
    #[default]
    Grpc,
    /// OTLP/HTTP with Protocol Buffers.
    HttpProtobuf,
}

impl Protocol {
    /// The protocols by the names that OpenTelemetry gave them.
    pub const NAMES: [&'static str; 2] = ["grpc", "http/protobuf"];

    /// The protocol of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "grpc" => Some(Self::Grpc),
            "http/protobuf" => Some(Self::HttpProtobuf),
            _ => None,
        }
    }

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "OTLP/gRPC",
            Self::HttpProtobuf => "OTLP/HTTP",
        }
    }

    /// The port that it usually has.
    #[must_use]
    pub const fn usual_port(self) -> u16 {
        match self {
            Self::Grpc => 4317,
            Self::HttpProtobuf => 4318,
        }
    }
}

/// How a URL is to be understood.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// What is spoken there.
    pub protocol: Protocol,
    /// What is sent there.
    pub signal: Signal,
    /// Whether an address without a scheme means that nothing is encrypted.
    pub insecure: bool,
    /// Whether the URL is that of the signal as it is, and not the base of such URLs.
    pub complete: bool,
}

/// The address of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What is spoken there.
    pub protocol: Protocol,
    /// Where it listens.
    pub address: Address,
    /// What is sent there.
    pub signal: Signal,
    /// What is asked for there.
    path: String,
}

/// Where a backend listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// On a port.
    Tcp {
        /// Host and port.
        authority: Authority,
        /// Whether TLS is spoken there.
        tls: bool,
    },
    /// On a socket of the file system.
    Unix(PathBuf),
}

impl Endpoint {
    /// Where a signal goes if nobody says so.
    #[must_use]
    pub fn usual(protocol: Protocol, signal: Signal) -> Self {
        let authority = match protocol {
            Protocol::Grpc => Authority::from_static("localhost:4317"),
            Protocol::HttpProtobuf => Authority::from_static("localhost:4318"),
        };
        Self {
            protocol,
            address: Address::Tcp {
                authority,
                tls: false,
            },
            signal,
            path: path_of(protocol, signal, "", false),
        }
    }

    /// The endpoint that `text` names, or what is wrong with it. The text itself is not repeated: it may hold a password.
    pub fn parse(text: &str, how: Reading) -> Result<Self, String> {
        let protocol = how.protocol;
        let shape = match protocol {
            Protocol::Grpc => "http://HOST:4317",
            Protocol::HttpProtobuf => "http://HOST:4318",
        };
        let (tls, rest) = match (text.split_once("://"), protocol) {
            (Some((scheme, rest)), _) => match scheme.to_ascii_lowercase().as_str() {
                "http" => (false, rest),
                "https" => (true, rest),
                "unix" if protocol == Protocol::Grpc => return unix(rest, how.signal),
                "unix" => {
                    return Err("is a Unix socket, over which only OTLP/gRPC is spoken".to_owned());
                }
                _ => return Err("has an unknown scheme: use http:// or https://".to_owned()),
            },
            (None, Protocol::Grpc) if text.starts_with("unix:") => {
                return unix(text.get("unix:".len()..).unwrap_or_default(), how.signal);
            }
            // As OpenTelemetry has it, for gRPC alone.
            (None, Protocol::Grpc) if !text.is_empty() => (!how.insecure, text),
            (None, _) => {
                return Err(format!("has no scheme: write it as {shape}"));
            }
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(
                "holds a user name or password: put credentials into the headers".to_owned(),
            );
        }
        if protocol == Protocol::Grpc && !path.is_empty() && path != "/" {
            return Err(format!(
                "has a path, and OTLP/gRPC has none ({} belongs to OTLP/HTTP, port 4318, --protocol http/protobuf): write {shape}",
                how.signal.path()
            ));
        }
        if path.contains('#')
            || http::uri::PathAndQuery::try_from(path).is_err() && !path.is_empty()
        {
            return Err(format!("has a bad path: write {shape}/PATH"));
        }
        Ok(Self {
            protocol,
            address: Address::Tcp {
                authority: parse_authority(authority, shape)?,
                tls,
            },
            signal: how.signal,
            path: path_of(protocol, how.signal, path, how.complete),
        })
    }

    /// The host, without the brackets of an IPv6 address; nothing for a Unix socket.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let Address::Tcp { authority, .. } = &self.address else {
            return None;
        };
        let host = authority.host();
        Some(
            host.strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
                .unwrap_or(host),
        )
    }

    /// The port; that of the scheme where none is given.
    #[must_use]
    pub fn port(&self) -> u16 {
        match &self.address {
            Address::Tcp { authority, tls } => {
                authority.port_u16().unwrap_or(if *tls { 443 } else { 80 })
            }
            Address::Unix(_) => 0,
        }
    }

    /// Whether the port was left to us.
    #[must_use]
    pub fn port_is_implied(&self) -> bool {
        matches!(&self.address, Address::Tcp { authority, .. } if authority.port().is_none())
    }

    /// Whether TLS is spoken there.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self.address, Address::Tcp { tls: true, .. })
    }

    /// What is asked for there.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `text` without what comes after the question mark, which may be a token: a server may repeat what it was asked.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let Some((_, query)) = self.path.split_once('?') else {
            return text.to_owned();
        };
        let values = query
            .split('&')
            .map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        std::iter::once(query)
            .chain(values)
            .filter(|secret| secret.len() >= 4)
            .fold(text.to_owned(), |text, secret| {
                text.replace(secret, "[redacted]")
            })
    }

    /// The name that a request goes to.
    #[must_use]
    pub fn authority(&self) -> &str {
        match &self.address {
            Address::Tcp { authority, .. } => authority.as_str(),
            Address::Unix(_) => "localhost",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match self.protocol {
            Protocol::Grpc => "",
            // What comes after a question mark may be a token.
            Protocol::HttpProtobuf => self.path.split('?').next().unwrap_or_default(),
        };
        match &self.address {
            Address::Tcp { authority, tls } => {
                let scheme = if *tls { "https" } else { "http" };
                write!(f, "{scheme}://{authority}{path}")
            }
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

fn unix(path: &str, signal: Signal) -> Result<Endpoint, String> {
    if !path.starts_with('/') {
        return Err("is no absolute path of a Unix socket: write unix:///PATH".to_owned());
    }
    Ok(Endpoint {
        protocol: Protocol::Grpc,
        address: Address::Unix(path.into()),
        signal,
        path: signal.method().to_owned(),
    })
}

/// A base has the path of the signal put after its own, unless it is there already.
fn path_of(protocol: Protocol, signal: Signal, path: &str, complete: bool) -> String {
    let own = signal.path();
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (path, String::new()),
    };
    match protocol {
        Protocol::Grpc => signal.method().to_owned(),
        Protocol::HttpProtobuf if complete && path.is_empty() => format!("/{query}"),
        Protocol::HttpProtobuf if complete || path.ends_with(own) => {
            format!("{path}{query}")
        }
        Protocol::HttpProtobuf => {
            format!("{}{own}{query}", path.trim_end_matches('/'))
        }
    }
}

fn parse_authority(authority: &str, shape: &str) -> Result<Authority, String> {
    let port = authority
        .rsplit_once(':')
        .filter(|(_, port)| !port.ends_with(']'));
    if let Some((_, port)) = port
        && !(port.bytes().all(|digit| digit.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0))
    {
        return Err("has a bad port: it must be a number from 1 to 65535".to_owned());
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err(format!("has no host: write it as {shape}"));
    }
    let bad_host = || format!("has a bad host: write it as {shape}");
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or_else(bad_host)?;
        let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
        if !is_address || !(after.is_empty() || after.starts_with(':')) {
            return Err(bad_host());
        }
    }
    authority.parse().map_err(|_| bad_host())
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
