//! Those who ask badly, or too often: they get little, and nobody else loses by it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::asking::{answering, ask, code, connect, read_to_end, until};

/// As many as a listener serves at once.
const MOST: usize = 32;

/// Half a request, and then nothing.
fn slow(at: SocketAddr) -> TcpStream {
    let mut stream = connect(at);
    stream.write_all(b"GET /livez HTTP/1.1\r\nho").unwrap();
    stream
}

/// Whether the other end has closed it by now.
fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut stream = stream;
    match stream.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

#[test]
fn connections_that_are_held_open_keep_no_probe_from_its_answer() {
    let (_agent, at) = answering();
    let mut held: Vec<_> = (0..3 * MOST).map(|_| slow(at)).collect();
    assert_eq!(code(at, "/livez"), 200);
    // One more than there may be ends the oldest.
    let newest = held.split_off(2 * MOST + 1);
    until("the oldest are closed", || held.iter().all(is_closed));
    let open = newest.iter().filter(|stream| !is_closed(stream)).count();
    assert_eq!(open, newest.len(), "and no other");
}

#[test]
fn a_head_of_a_request_that_is_too_long_is_refused_before_it_is_all_there() {
    let (_agent, at) = answering();
    let start = "GET /livez HTTP/1.1\r\nhost: localhost\r\n";
    let long = format!("{start}x: {}\r\n\r\n", "y".repeat(9 << 10));
    let many = format!("{start}{}\r\n", "x: y\r\n".repeat(100));
    let target = format!(
        "GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "y".repeat(9 << 10)
    );
    for request in [long, many, target] {
        let code = ask(at, &request).code;
        assert!([414, 431].contains(&code), "{code}");
    }

    let mut endless = connect(at);
    endless.write_all(start.as_bytes()).unwrap();
    let mut taken = 0;
    while taken < 64 << 20 && endless.write_all(&[b'y'; 4096]).is_ok() {
        taken += 4096;
    }
    assert!(taken < 64 << 20, "it took {taken} bytes of one header");
    assert_eq!(code(at, "/livez"), 200);
}

#[test]
fn what_is_no_request_is_refused_and_nothing_more() {
    let (_agent, at) = answering();
    for bytes in [
        // The start of TLS, of HTTP/2, of another protocol, and of nothing at all.
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\0\0\0\0\0\0\0\0",
        b"GET /livez HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n",
        b"GET /livez HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"GET /livez\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\nzz",
        b"",
    ] {
        let mut stream = connect(at);
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let answer = read_to_end(&mut stream);
        assert!(!answer.contains("200"), "{bytes:?}: {answer}");
    }
    assert_eq!(code(at, "/livez"), 200);
}

#[test]
fn only_who_asks_by_a_name_of_ours_is_answered_and_nobody_changes_anything() {
    let (_agent, at) = answering();
    let asked = |method: &str, path: &str, host: &str| {
        let request = format!("{method} {path} HTTP/1.1\r\n{host}connection: close\r\n\r\n");
        ask(at, &request).code
    };
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:9469"] {
        assert_eq!(
            asked("GET", "/livez", &format!("host: {host}\r\n")),
            200,
            "{host}"
        );
    }
    for host in [
        "host: evil.example\r\n",
        "host: 203.0.113.9\r\n",
        "host: localhost.evil.example\r\n",
        "host: localhost\r\nhost: evil.example\r\n",
        "host:\r\n",
        "",
    ] {
        for path in ["/livez", "/readyz", "/status", "/"] {
            assert_eq!(asked("GET", path, host), 421, "{host:?} {path}");
        }
    }
    assert_eq!(
        asked("GET", "http://evil.example/status", "host: localhost\r\n"),
        421
    );
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        assert_eq!(
            asked(method, "/status", "host: localhost\r\n"),
            405,
            "{method}"
        );
    }
    assert_ne!(
        asked("CONNECT", "evil.example:80", "host: localhost\r\n"),
        200
    );
}

#[test]
fn a_body_that_nobody_wants_is_not_waited_for() {
    let (_agent, at) = answering();
    let began = Instant::now();
    let request =
        format!("GET /livez HTTP/1.1\r\nhost: {at}\r\ncontent-length: 1000000\r\n\r\nonly this");
    let mut stream = connect(at);
    stream.write_all(request.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn many_who_ask_at_once_and_without_end_hold_up_no_tick() {
    let (agent, at) = answering();
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..MOST / 2 {
            scope.spawn(|| {
                let request = format!("GET /status HTTP/1.1\r\nhost: {at}\r\n\r\n").repeat(20);
                while !enough.load(Ordering::Relaxed) {
                    let Ok(mut stream) = TcpStream::connect(at) else {
                        continue;
                    };
                    // Some read what they get, some go away.
                    if stream.write_all(request.as_bytes()).is_ok() {
                        let _ = stream.read(&mut [0; 4096]);
                    }
                }
            });
        }
        let began = Instant::now();
        agent.wait_for_samples(3);
        let took = began.elapsed();
        enough.store(true, Ordering::Relaxed);
        assert!(
            took < Duration::from_secs(10),
            "three samples took {took:?}"
        );
    });
    until("a sample", || code(at, "/readyz") == 200);
}
