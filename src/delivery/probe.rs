//! What speaks on a port that does not speak gRPC in clear: told from the first bytes that it answers.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

/// Asks the first of `addresses` that answers; nothing if no answer tells.
pub async fn what_speaks_at(addresses: &[SocketAddr]) -> Option<&'static str> {
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

async fn ask(address: SocketAddr, first_words: &[u8]) -> Option<&'static str> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(first_words).await.ok()?;
    let mut first = [0; 8];
    let mut length = 0;
    while length < 3 {
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
    fn the_client_hello_is_as_long_as_it_says() {
        let [_, _, _, high, low, record @ ..] = TLS_CLIENT_HELLO else {
            panic!("no record")
        };
        assert_eq!(usize::from(*high) << 8 | usize::from(*low), record.len());
        assert_eq!(usize::from(record[3]), record.len() - 4);
    }

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
