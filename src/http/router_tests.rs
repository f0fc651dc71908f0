//! What each page says when, whom a request is answered, and what goes with every answer.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant, UNIX_EPOCH};

use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::super::board::About;
use super::*;
use crate::pods::{Gate, Owner, PodReading, Pods};
use crate::sample::{Sample, Vitals};
use crate::source::{Counted, Details, Fault, Reading, Scope, Sockets, Source};
use crate::tcp::{Counts, State};

const INTERVAL: Duration = Duration::from_secs(30);
const LOCAL: Local = Local {
    ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
    everywhere: false,
};

thread_local! {
    static NOW: Cell<Instant> = Cell::new(some_moment());
}

#[expect(clippy::disallowed_methods, reason = "some moment to count from")]
fn some_moment() -> Instant {
    Instant::now()
}

fn pass(time: Duration) {
    NOW.set(NOW.get() + time);
}

fn about() -> About {
    About {
        interval: INTERVAL,
        scope: "host",
        proc_root: "/host/proc".to_owned(),
        given: vec!["flag --scope".to_owned()],
        warnings: Vec::new(),
        no_events: None,
    }
}

fn board_of(about: About) -> Board {
    Board::new(about, || NOW.get())
}

fn board() -> Board {
    board_of(about())
}

fn counted(listen: u64) -> Counted {
    let mut both = Counts::default();
    both.add(State::Listen, listen);
    Counted::of(Sockets::Together { both })
}

fn sample() -> Sample {
    let mut sample = Sample::at(UNIX_EPOCH + Duration::from_hours(500_000));
    sample.readings.push(Reading {
        scope: Scope::Host,
        source: Source::Text,
        why: Some("as it has to be".into()),
        step_downs: 0,
        counted: counted(7),
        details: Details::default(),
    });
    sample.vitals = Some(Vitals {
        reading_took: Duration::from_millis(5),
        ..Vitals::default()
    });
    sample
}

fn request(method: &str, path: &str, host: &str) -> Parts {
    let builder = Request::builder().method(method).uri(path);
    builder.header(HOST, host).body(()).unwrap().into_parts().0
}

fn get(board: &Board, path: &str) -> Response<Full<Bytes>> {
    answer(
        &request("GET", path, "127.0.0.1:9469"),
        Offer::All,
        LOCAL,
        board,
    )
}

fn code(board: &Board, path: &str) -> u16 {
    get(board, path).status().as_u16()
}

fn body(response: Response<Full<Bytes>>) -> String {
    let mut collected = std::pin::pin!(response.into_body().collect());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Ok(body)) = collected.as_mut().poll(&mut context) else {
        panic!("a body is all there from the start");
    };
    String::from_utf8(body.to_bytes().into()).unwrap()
}

fn status(board: &Board) -> Value {
    serde_json::from_str(&body(get(board, "/status"))).unwrap()
}

#[test]
fn an_agent_lives_from_its_start_and_is_ready_with_its_first_sample() {
    let board = board();
    assert_eq!(
        (code(&board, "/livez"), code(&board, "/readyz")),
        (200, 503)
    );
    board.ticks();
    assert_eq!(code(&board, "/readyz"), 503, "a tick is no sample");
    board.takes(&sample(), true);
    assert_eq!(
        (code(&board, "/livez"), code(&board, "/readyz")),
        (200, 200)
    );
}

#[test]
fn an_agent_whose_readings_hang_lives_and_is_not_ready() {
    let board = board();
    board.ticks();
    board.takes(&sample(), true);
    for _ in 0..2 {
        assert_eq!(code(&board, "/readyz"), 200);
        pass(INTERVAL);
        board.ticks();
        board.takes(&Sample::at(UNIX_EPOCH), false);
    }
    pass(Duration::from_millis(1));
    let answer = get(&board, "/readyz");
    assert_eq!(answer.status(), 503);
    assert!(body(answer).contains("60 s ago"));
    assert_eq!(code(&board, "/livez"), 200);
    board.takes(&sample(), true);
    assert_eq!(code(&board, "/readyz"), 200);
}

#[test]
fn an_agent_that_does_not_tick_for_three_intervals_and_what_a_tick_may_take_does_not_live() {
    let board = board();
    board.ticks();
    pass(3 * INTERVAL + Duration::from_secs(10));
    assert_eq!(code(&board, "/livez"), 200);
    pass(Duration::from_millis(1));
    assert_eq!(code(&board, "/livez"), 503);
    assert_eq!(status(&board)["live"], false);
    board.ticks();
    assert_eq!(code(&board, "/livez"), 200);
}

#[test]
fn a_probe_has_what_is_for_probes_alone_and_by_any_name() {
    let board = board();
    for (path, wanted) in [
        ("/livez", 200),
        ("/readyz", 503),
        ("/status", 404),
        ("/", 404),
    ] {
        for host in ["10.42.0.7:9470", "tcpgauge.monitoring", "localhost"] {
            let answer = answer(&request("GET", path, host), Offer::Health, LOCAL, &board);
            assert_eq!(answer.status(), wanted, "{path} of {host}");
        }
        let bare = Request::builder().uri(path).body(()).unwrap();
        let answer = answer(&bare.into_parts().0, Offer::Health, LOCAL, &board);
        assert_eq!(answer.status(), wanted);
    }
}

#[test]
fn all_there_is_is_given_to_who_asks_by_one_name_of_ours() {
    let board = board();
    let asked = |request: http::request::Builder| {
        let request = request.body(()).unwrap().into_parts().0;
        answer(&request, Offer::All, LOCAL, &board)
            .status()
            .as_u16()
    };
    let to = |uri: &str| Request::builder().uri(uri);
    assert_eq!(asked(to("/status").header(HOST, "localhost:9469")), 200);
    let full = || to("http://127.0.0.1:9469/status");
    assert_eq!(asked(full().header(HOST, "127.0.0.1:9469")), 200);
    for (why, request) in [
        ("no name", to("/status")),
        (
            "somebody's name",
            to("/livez").header(HOST, "evil.example:9469"),
        ),
        (
            "two names",
            to("/status")
                .header(HOST, "localhost")
                .header(HOST, "localhost"),
        ),
        (
            "no text",
            to("/status").header(HOST, HeaderValue::from_bytes(b"\xff").unwrap()),
        ),
        (
            "another in the target",
            to("http://evil.example/status").header(HOST, "localhost"),
        ),
        ("one in the target alone", full()),
        (
            "and not for a page that is not there",
            to("/nowhere").header(HOST, "evil.example"),
        ),
    ] {
        assert_eq!(asked(request), 421, "{why}");
    }
}

#[test]
fn nothing_can_be_changed() {
    let board = board();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"] {
        let answer = answer(
            &request(method, "/status", "localhost"),
            Offer::All,
            LOCAL,
            &board,
        );
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(answer.headers()[ALLOW], "GET, HEAD");
    }
    let answer = answer(
        &request("HEAD", "/livez", "localhost"),
        Offer::All,
        LOCAL,
        &board,
    );
    assert_eq!(answer.status(), 200);
}

#[test]
fn a_path_is_taken_as_it_is_written() {
    let board = board();
    assert_eq!(code(&board, "/livez?verbose=1"), 200);
    for path in [
        "/livez/",
        "//livez",
        "/LIVEZ",
        "/status/../livez",
        "/%6civez",
        "*",
    ] {
        assert_eq!(code(&board, path), 404, "{path}");
    }
}

#[test]
fn every_answer_says_that_it_is_for_nobody_to_keep_guess_at_or_frame() {
    let board = board();
    for path in ["/livez", "/readyz", "/status", "/nowhere"] {
        let answer = get(&board, path);
        let headers = answer.headers();
        assert_eq!(headers[CACHE_CONTROL], "no-store", "{path}");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none';"),
            "{path}: {policy}"
        );
        let kind = if path == "/status" { JSON } else { TEXT };
        assert_eq!(headers[CONTENT_TYPE], kind, "{path}");
    }
}

#[test]
fn a_status_tells_of_the_agent_before_there_is_anything_to_tell() {
    let board = board();
    pass(Duration::from_secs(2));
    let status = status(&board);
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["uptime_seconds"], 2.0);
    assert_eq!(status["interval_seconds"], 30.0);
    assert_eq!(status["proc_root"], "/host/proc");
    assert_eq!(status["given"], json!(["flag --scope"]));
    assert!(status["why_not_ready"].as_str().unwrap().contains("yet"));
    for nothing in ["sample", "agent", "delivery", "reads"] {
        assert_eq!(status[nothing], Value::Null, "{nothing}");
    }
}

#[test]
fn a_status_tells_the_last_sample_and_how_old_it_is() {
    let board = board();
    board.ticks();
    board.reads("reading /host/proc/1/net: the machine's own".to_owned());
    board.takes(&sample(), true);
    pass(Duration::from_secs(12));
    let status = status(&board);
    assert_eq!(status["ready"], true);
    assert_eq!(status["why_not_ready"], Value::Null);
    assert_eq!(status["last_tick_age_seconds"], 12.0);
    assert_eq!(
        status["reads"],
        "reading /host/proc/1/net: the machine's own"
    );
    let sample = &status["sample"];
    assert_eq!(sample["time"], "2027-01-15T08:00:00.000Z");
    assert_eq!(sample["age_seconds"], 12.0);
    assert_eq!(sample["reading_seconds"], 0.005);
    assert_eq!(sample["readings"][0]["tcp_listen"], 7);
    assert_eq!(sample["readings"][0]["source_reason"], "as it has to be");
    assert_eq!(sample["pods"], Value::Null);
}

#[test]
fn a_status_sums_up_pods_and_is_short_however_many_they_are() {
    let board = board();
    let pod = |number: u64| PodReading {
        owner: Owner::Container {
            id: number.to_string().into(),
        },
        counted: counted(2),
        gate: Gate::Read,
        age: Duration::ZERO,
        details: None,
    };
    let mut many = sample();
    many.pods = Some(Pods {
        readings: (0..4096).map(pod).collect(),
        ..Pods::default()
    });
    many.faults = (0..4096)
        .map(|number| Fault {
            what: format!("read /proc/{number}/net/tcp"),
            why: "it is gone".to_owned(),
            reason: "open",
        })
        .collect();
    board.takes(&many, true);
    let text = body(get(&board, "/status"));
    assert!(text.len() < 8192, "{}", text.len());
    let status: Value = serde_json::from_str(&text).unwrap();
    let sample = &status["sample"];
    assert_eq!(sample["faults"].as_array().unwrap().len(), 20);
    assert_eq!(sample["faults_in_all"], 4096);
    assert_eq!(sample["pods"]["told"], 4096);
    assert_eq!(sample["pods"]["tcp_listen"], 8192);
}

#[test]
fn a_sum_of_no_pods_is_nothing_and_not_zero() {
    let board = board();
    let mut none = sample();
    none.pods = Some(Pods::default());
    board.takes(&none, true);
    let status = status(&board);
    assert_eq!(status["sample"]["pods"]["told"], 0);
    assert_eq!(status["sample"]["pods"]["tcp_listen"], Value::Null);
}

#[path = "api_tests.rs"]
mod api_tests;

#[path = "delivery_tests.rs"]
mod delivery_tests;
