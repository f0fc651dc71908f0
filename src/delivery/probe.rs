//! What speaks on a port that does not speak gRPC in clear: told from the first bytes that it answers.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// All of it together.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a client of HTTP/2 says first (RFC 9113, section 3.4), with an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// Asks the first of `addresses` that answers; nothing if no answer tells.
pub async fn what_speaks_at(addresses: &[SocketAddr]) -> Option<&'static str> {
    tokio::time::timeout(PATIENCE, async {
        for address in addresses {
            if let Some(found) = ask(*address).await {
                return Some(found);
            }
        }
        None
    })
    .await
    .ok()?
}

async fn ask(address: SocketAddr) -> Option<&'static str> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(PREFACE).await.ok()?;
    let mut first = [0; 8];
    let mut length = 0;
    while length < 3 {
        match stream.read(first.get_mut(length..)?).await.ok()? {
            0 => break,
            count => length += count,
        }
    }
    classify(first.get(..length)?)
}

fn classify(answer: &[u8]) -> Option<&'static str> {
    match answer {
        // An alert or handshake record of TLS (RFC 8446, section 5.1).
        [0x15 | 0x16, 3, ..] => Some("this is a TLS port, and tcpgauge spoke to it in clear"),
        [b'H', b'T', b'T', ..] => {
            Some("this is an HTTP/1 port (OTLP/HTTP, 4318?), and tcpgauge speaks OTLP/gRPC (4317)")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_tls_and_http_1_from_the_rest() {
        assert!(
            classify(b"\x15\x03\x01\x00\x02\x02\x46").is_some_and(|found| found.contains("TLS"))
        );
        assert!(
            classify(b"HTTP/1.1 400 Bad Request").is_some_and(|found| found.contains("HTTP/1"))
        );
        for other in [&b"\x00\x00\x12\x04"[..], b"SSH-2.0", b"", b"\x15"] {
            assert_eq!(classify(other), None);
        }
    }
}
