//! What may be behind a port instead of a backend: something that accepts and says nothing, something that does not even accept,
//! a server that wants TLS, a server that speaks HTTP/1.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::otlp_server::Port;

/// Accepts connections and never says a word, until it is dropped.
pub(crate) struct BlackHole {
    // Nobody calls accept: the kernel completes the handshakes by itself, and what the client writes stays unread.
    _listener: TcpListener,
}

impl BlackHole {
    pub(crate) fn on(port: &Port) -> Self {
        Self {
            _listener: port.listen(1024),
        }
    }
}

/// A listener whose queue is full, so that the kernel drops every SYN: what a firewall without a REJECT rule looks like.
pub(crate) struct DropsSyns {
    _listener: TcpListener,
    _fillers: Vec<Socket>,
}

impl DropsSyns {
    pub(crate) fn on(port: &Port) -> Self {
        let listener = port.listen(0);
        let mut fillers = Vec::new();
        // A queue of length 0 holds one connection. One try more than fits shows that it is full.
        while fill(port.address(), &mut fillers) {
            assert!(
                fillers.len() < 16,
                "a queue of length 0 took 16 connections"
            );
        }
        Self {
            _listener: listener,
            _fillers: fillers,
        }
    }
}

fn fill(address: SocketAddr, fillers: &mut Vec<Socket>) -> bool {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let connected = socket
        .connect_timeout(&address.into(), Duration::from_millis(300))
        .is_ok();
    fillers.push(socket);
    connected
}

/// Keeps the first connection for ever without a word, and hands every later one to the backend: what is left of a
/// connection whose other end has moved away.
pub(crate) struct KeepsTheFirst;

impl KeepsTheFirst {
    pub(crate) fn before(port: &Port, backend: SocketAddr) -> Self {
        let listener = port.listen(16);
        std::thread::spawn(move || {
            let _first = listener.accept();
            while let Ok((client, _)) = listener.accept() {
                let backend = TcpStream::connect(backend).unwrap();
                pass_on(client.try_clone().unwrap(), backend.try_clone().unwrap());
                pass_on(backend, client);
            }
        });
        Self
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    // It ends when one of the two does.
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
}

/// Reads what the client says first, answers and hangs up at once, as servers of other protocols do; again and again, until
/// it is dropped.
pub(crate) struct Says {
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

/// What to say to a client that began so.
type Answer = fn(&[u8]) -> &'static [u8];

/// The TLS alert "fatal, `protocol_version`".
const TLS_ALERT: &[u8] = b"\x15\x03\x01\x00\x02\x02\x46";

impl Says {
    /// A TLS server that complains of clear text.
    pub(crate) fn tls_alert(port: &Port) -> Self {
        Self::on(port, |_| TLS_ALERT)
    }

    /// A TLS server that has no word for clear text, as those written in Go have none; to a handshake (a record of type 22) it
    /// would say something.
    pub(crate) fn tls_alert_to_tls_only(port: &Port) -> Self {
        Self::on(port, |first| match first {
            [0x16, 3, ..] => TLS_ALERT,
            _ => b"",
        })
    }

    pub(crate) fn http_1(port: &Port) -> Self {
        Self::on(port, |_| {
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        })
    }

    fn on(port: &Port, answer: Answer) -> Self {
        let listener = port.listen(1024);
        let accepting = listener.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            while let Ok((client, _)) = accepting.accept() {
                // A client that has gone already is no concern of this server.
                let _ = say(client, answer);
            }
        });
        Self {
            listener,
            thread: Some(thread),
        }
    }
}

fn say(mut client: TcpStream, answer: Answer) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut first = [0; 1024];
    let length = client.read(&mut first)?;
    client.write_all(answer(&first[..length]))
}

impl Drop for Says {
    fn drop(&mut self) {
        // Shutting a listening socket down wakes the accept that waits on it.
        SockRef::from(&self.listener)
            .shutdown(std::net::Shutdown::Both)
            .unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}
