//! What speaks on a port that does not speak what it was spoken to: told from the first bytes that it answers.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::endpoint::{Endpoint, Protocol};

/// All of it together.
const PATIENCE: Duration = Duration::from_secs(4);

/// A server that has something to say to such first words says it sooner.
const SILENCE: Duration = Duration::from_secs(1);

/// What a client of HTTP/2 says first (RFC 9113, section 3.4), with an empty SETTINGS frame.
const HTTP2_PREFACE: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// The least that a client of TLS can say first (RFC 8446, section 4.1.2): one cipher suite, no extensions. A server
/// answers with its own hello or with an alert, and both are told by their first bytes.
const TLS_CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03\
    tcpgauge asks: is this TLS here?\x00\x00\x02\xc0\x2f\x01\x00";

/// What a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// TLS, whatever is in it.
    Tls,
    /// HTTP/1, in clear.
    Http1,
    /// HTTP/2, in clear.
    Http2,
}

impl fmt::Display for Speaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "this is a TLS port, and tcpgauge spoke to it in clear",
            Self::Http1 => "this is an HTTP/1 port in clear (OTLP/HTTP, 4318?)",
            Self::Http2 => "this is an HTTP/2 port in clear (OTLP/gRPC, 4317?)",
        })
    }
}

impl Speaks {
    /// What this means to somebody who spoke to it as `endpoint` says, to be put after what went wrong.
    #[must_use]
    pub fn to(self, endpoint: &Endpoint) -> String {
        match (self, endpoint.is_encrypted(), endpoint.protocol) {
            (Self::Tls, true, _)
            | (Self::Http1, false, Protocol::HttpProtobuf)
            | (Self::Http2, false, Protocol::Grpc) => String::new(),
            (Self::Tls, false, _) => format!(": {self}: write https://"),
            (Self::Http1 | Self::Http2, true, _) => format!(": {self}: write http://"),
            (Self::Http1, false, Protocol::Grpc) => {
                format!(": {self}, and tcpgauge speaks OTLP/gRPC (4317): --protocol http/protobuf")
            }
            (Self::Http2, false, Protocol::HttpProtobuf) => {
                format!(": {self}, and tcpgauge speaks OTLP/HTTP (4318): --protocol grpc")
            }
        }
    }
}

/// Asks the first of `addresses` that answers; nothing if no answer tells.
pub async fn what_speaks_at(addresses: &[SocketAddr]) -> Option<Speaks> {
    tokio::time::timeout(PATIENCE, async {
        for address in addresses {
            // Many a TLS server hangs up without a word on who does not speak TLS, so it is asked in TLS too.
            for first_words in [HTTP2_PREFACE, TLS_CLIENT_HELLO] {
                if let Some(found) = ask(*address, first_words).await {
                    return Some(found);
                }
            }
        }
        None
    })
    .await
    .ok()?
}

async fn ask(address: SocketAddr, first_words: &[u8]) -> Option<Speaks> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(first_words).await.ok()?;
    let mut first = [0; 8];
    let mut length = 0;
    while classify(first.get(..length)?).is_none() && length < first.len() {
        let Ok(Ok(count)) =
            tokio::time::timeout(SILENCE, stream.read(first.get_mut(length..)?)).await
        else {
            break;
        };
        if count == 0 {
            break;
        }
        length += count;
    }
    classify(first.get(..length)?)
}

fn classify(answer: &[u8]) -> Option<Speaks> {
    match answer {
        // An alert or handshake record of TLS (RFC 8446, section 5.1).
        [0x15 | 0x16, 3, ..] => Some(Speaks::Tls),
        [b'H', b'T', b'T', ..] => Some(Speaks::Http1),
        // A SETTINGS frame of less than 64 KiB, on stream 0 (RFC 9113, section 4.1).
        [0, _, _, 4, _, 0, 0, 0, ..] => Some(Speaks::Http2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_hello_is_as_long_as_it_says() {
        let [_, _, _, high, low, record @ ..] = TLS_CLIENT_HELLO else {
            panic!("no record")
        };
        assert_eq!(usize::from(*high) << 8 | usize::from(*low), record.len());
        assert_eq!(usize::from(record[3]), record.len() - 4);
    }

    #[test]
    fn the_first_bytes_tell_tls_and_http_1_from_the_rest() {
        assert_eq!(classify(b"\x15\x03\x01\x00\x02\x02\x46"), Some(Speaks::Tls));
        assert_eq!(classify(b"HTTP/1.1"), Some(Speaks::Http1));
        assert_eq!(classify(b"\0\0\x12\x04\0\0\0\0"), Some(Speaks::Http2));
        for other in [&b"\x00\x00\x12\x04"[..], b"SSH-2.0", b"", b"\x15"] {
            assert_eq!(classify(other), None);
        }
    }
}
