//! The one who asks: HTTP by hand, so that it can be done badly.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::agent::Agent;
use crate::{NOBODY, PATIENCE};

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Makes a GET for `path`, as a well-behaved client does.
pub(crate) fn get(at: SocketAddr, path: &str) -> Answer {
    ask(
        at,
        &format!("GET {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\r\n"),
    )
}

/// The same, for a code alone.
pub(crate) fn code(at: SocketAddr, path: &str) -> u16 {
    get(at, path).code
}

/// The status, as JSON.
pub(crate) fn status(at: SocketAddr) -> Value {
    let answer = get(at, "/status");
    assert_eq!(answer.code, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// Sends `request` as it is; whatever comes back until the connection ends is the answer.
pub(crate) fn ask(at: SocketAddr, request: &str) -> Answer {
    let mut stream = connect(at);
    // A server that has heard enough may close before it has heard all.
    let _ = stream.write_all(request.as_bytes());
    let answer = read_to_end(&mut stream);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer to {request:?}: {answer:?}"));
    Answer {
        code: head[9..12].parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

pub(crate) fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that comes until the other end closes or resets the connection.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> String {
    let (mut got, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => got.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&got)),
        }
    }
    String::from_utf8(got).unwrap()
}

/// Where an agent says that it answers, by the page that it names.
pub(crate) fn address(agent: &Agent, page: &str) -> SocketAddr {
    let end = format!("/{page}\n");
    agent.wait_for_log(&end, PATIENCE);
    let log = agent.log();
    let line = log.lines().find(|line| line.ends_with(end.trim())).unwrap();
    let (_, url) = line.split_once("http://").unwrap();
    url.split('/').next().unwrap().parse().unwrap()
}

/// An agent that reads every second, sends to nobody, and answers; and where.
pub(crate) fn answering() -> (Agent, SocketAddr) {
    let agent = crate::agent::Tcpgauge::run(NOBODY);
    let agent = agent.args(["--http-listen", "127.0.0.1:0"]).start();
    let at = address(&agent, "");
    (agent, at)
}

/// Asks again and again until `what` is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
