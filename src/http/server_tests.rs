//! How long a connection lives, by a clock that waits for nobody. What takes a real socket is in `tests/http`.

use std::net::{IpAddr, Ipv4Addr};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::board::About;
use super::*;

const PROBE: &[u8] = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// The client's end of a connection that holds so much in each direction, and the server's task.
fn connection(holds: usize) -> (DuplexStream, JoinHandle<()>) {
    let about = About {
        interval: Duration::from_hours(1),
        scope: "host",
        proc_root: String::new(),
        given: Vec::new(),
        warnings: Vec::new(),
        no_events: None,
    };
    let local = Local {
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        everywhere: false,
    };
    let (client, server) = duplex(holds);
    let board = Board::new(about, || now().into_std());
    let task = tokio::spawn(converse(server, Offer::All, local, board));
    (client, task)
}

#[expect(clippy::disallowed_methods, reason = "the clock is the test's own")]
fn now() -> Instant {
    Instant::now()
}

/// Reads until the answer has come to its end, which is that of `ok`.
async fn read_ok(client: &mut DuplexStream) -> String {
    let mut got = Vec::new();
    while !got.ends_with(b"ok\n") {
        assert_ne!(client.read_buf(&mut got).await.unwrap(), 0, "{got:?}");
    }
    String::from_utf8(got).unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_connection_has_many_answers() {
    let (mut client, _task) = connection(1 << 16);
    for _ in 0..5 {
        client.write_all(PROBE).await.unwrap();
        assert!(read_ok(&mut client).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_left_after_the_time_of_a_request() {
    for first in [&b""[..], b"GET /livez HT", PROBE] {
        let (mut client, task) = connection(1 << 16);
        let began = now();
        client.write_all(first).await.unwrap();
        task.await.unwrap();
        let took = now() - began;
        assert!(
            took >= REQUEST_WITHIN && took < REQUEST_WITHIN + Duration::from_secs(1),
            "{took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_a_little_now_and_then_has_no_more_time_for_a_request() {
    let (mut client, task) = connection(1 << 16);
    let began = now();
    client
        .write_all(b"GET /livez HTTP/1.1\r\nx: ")
        .await
        .unwrap();
    while client.write_all(b"y").await.is_ok() {
        sleep(Duration::from_millis(500)).await;
    }
    task.await.unwrap();
    assert!(now() - began < REQUEST_WITHIN + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn who_asks_again_and_again_is_left_after_the_time_of_a_connection() {
    let (mut client, task) = connection(1 << 16);
    let began = now();
    while client.write_all(PROBE).await.is_ok() {
        let mut some = [0; 4096];
        if client.read(&mut some).await.unwrap_or(0) == 0 {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    task.await.unwrap();
    let took = now() - began;
    let late = Duration::from_secs(2);
    assert!(took + late > LONGEST && took < LONGEST + late, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_its_answer_is_left_after_the_time_of_a_connection() {
    // Less than an answer fits into the way back.
    let (mut client, task) = connection(64);
    let began = now();
    client.write_all(PROBE).await.unwrap();
    task.await.unwrap();
    assert_eq!(now() - began, LONGEST);
}
