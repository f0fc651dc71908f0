//! What the API tells, how it refuses, and how large it can get.

use std::sync::{Arc, Mutex};

use super::*;
use crate::alerts::{Alert, Culprit, Event, Metric, Severity, Transition};
use crate::culprits::Whose;
use crate::history::History;
use crate::http::wrongs::{Alarms, Wrongs};
use crate::pods::PodName;

/// On the boundary of a quarter of an hour.
const BEGIN: Duration = Duration::from_hours(500_000);
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"\\\u{202e}\0\n";

struct Made(Vec<Alert>, Vec<Event>);

impl Alarms for Made {
    fn look(&self, see: &mut dyn FnMut(&Wrongs<'_>)) {
        see(&Wrongs {
            standing: self.0.iter().collect(),
            recent: self.1.iter().collect(),
            suppressed: 2,
        });
    }
}

fn asked(board: &Board, path: &str) -> (String, Value) {
    let answer = get(board, path);
    assert_eq!(answer.status(), 200, "{path}");
    assert_eq!(answer.headers()[CONTENT_TYPE], JSON, "{path}");
    let text = body(answer);
    let value = serde_json::from_str(&text).unwrap();
    (text, value)
}

fn owner(number: usize) -> Owner {
    Owner::Pod {
        uid: format!("00000000-0000-4000-8000-{number:012}").into(),
        name: Some(PodName {
            namespace: "a-namespace-of-some-length".into(),
            pod: if number == 3 {
                HOSTILE.into()
            } else {
                format!("a-deployment-{number}-7d9c6b5f4-x7x7x").into()
            },
        }),
    }
}

fn many(state: State, number: u64) -> Counted {
    let mut both = Counts::default();
    both.add(state, number);
    both.add(State::Established, 12_345);
    Counted::of(Sockets::Together { both })
}

fn with_pods(time: Duration, pods: usize) -> Sample {
    let mut sample = sample();
    sample.time = UNIX_EPOCH + time;
    let reading = |number: usize| PodReading {
        owner: owner(number),
        counted: many(State::CloseWait, number as u64 % 7),
        gate: Gate::Read,
        age: Duration::ZERO,
        details: None,
    };
    sample.pods = Some(Pods {
        readings: (0..pods).map(reading).collect(),
        ..Pods::default()
    });
    sample
}

/// A board that has seen an hour of these, with nothing counted of the host in its third quarter of an hour.
fn after_an_hour(pods: usize) -> Board {
    let board = board();
    let mut history = History::new(INTERVAL, pods);
    for tick in 0..=120 {
        let mut sample = with_pods(BEGIN + INTERVAL * tick, pods);
        if (60..90).contains(&tick) {
            sample.readings.clear();
        }
        history.take(&sample, INTERVAL);
        if tick == 120 {
            board.takes(&sample, true);
        }
    }
    board.remembers(Arc::new(Mutex::new(history)));
    board
}

fn alert(number: u64, severity: Severity, whose: Whose, metric: Metric) -> Alert {
    Alert {
        id: format!("id-{number}").into(),
        rule: "close-wait".into(),
        severity,
        whose,
        metric,
        value: 20.0,
        limit: 10.0,
        since: UNIX_EPOCH + BEGIN + Duration::from_secs(number),
        culprits: vec![
            Culprit {
                what: HOSTILE.to_owned(),
                sockets: 20,
                process: Some((4711, HOSTILE.into())),
                ..Culprit::default()
            };
            10
        ],
        body: format!(
            "{number}: {HOSTILE} holds 20 connections in CLOSE_WAIT, {}",
            "and so on ".repeat(20)
        )
        .into(),
        runbook: "docs/runbooks/close-wait.md".into(),
        steps: (0..3)
            .map(|_| "Look at it, and then at what it talks to.".into())
            .collect(),
    }
}

#[test]
fn before_there_is_anything_to_tell_the_api_says_that_there_is_nothing() {
    let board = board();
    let (_, now) = asked(&board, "/api/v1/now");
    for nothing in [
        "host",
        "sample",
        "five",
        "states",
        "alerts",
        "agent",
        "delivery",
        "watches_since",
    ] {
        assert_eq!(now[nothing], Value::Null, "{nothing}");
    }
    assert_eq!(asked(&board, "/api/v1/history").1["rows"], json!([]));
    assert_eq!(asked(&board, "/api/v1/pods").1["pods"], json!([]));
    assert_eq!(asked(&board, "/api/v1/alerts").1["standing"], Value::Null);
    assert_eq!(status(&board)["alerts"], Value::Null);
}

#[test]
fn now_is_the_last_sample_with_what_is_thought_of_it() {
    let board = after_an_hour(2);
    let host = || Whose::Alone(Scope::Host);
    let standing = vec![
        alert(1, Severity::Info, host(), Metric::Listen),
        alert(2, Severity::Critical, host(), Metric::Listen),
        alert(3, Severity::Warning, Whose::Of(owner(1)), Metric::CloseWait),
    ];
    board.judges(Arc::new(Made(standing, Vec::new())));
    board.is_on(HOSTILE.to_owned());
    pass(Duration::from_secs(7));
    let (_, now) = asked(&board, "/api/v1/now");
    assert_eq!(now["host"], HOSTILE);
    assert_eq!(
        now["five"]["tcp_listen"],
        json!({ "value": 7, "state": "critical" })
    );
    // What a pod does is no matter of the host's numbers.
    assert_eq!(
        now["five"]["tcp_close_wait"],
        json!({ "value": 0, "state": "ok" })
    );
    assert_eq!(now["states"]["listen"], 7);
    assert_eq!(now["states"]["closing"], 0);
    assert_eq!(now["sample"]["age_seconds"], 7.0);
    assert_eq!(
        now["alerts"],
        json!({ "info": 1, "warning": 1, "critical": 1, "suppressed": 2 })
    );
    assert_eq!(status(&board)["alerts"]["standing"], 3);
}

#[test]
fn what_may_be_short_is_neither_a_number_nor_all_right() {
    let board = board();
    let mut short = sample();
    short.readings[0].counted.malformed = 1;
    board.takes(&short, false);
    board.judges(Arc::new(Made(Vec::new(), Vec::new())));
    let (_, now) = asked(&board, "/api/v1/now");
    assert_eq!(
        now["five"]["tcp_listen"],
        json!({ "value": null, "state": null })
    );
    assert_eq!(now["states"], Value::Null);
}

#[test]
fn alerts_come_worst_first_with_their_very_words() {
    let board = after_an_hour(0);
    let host = || Whose::Alone(Scope::Host);
    let standing = vec![
        alert(30, Severity::Warning, host(), Metric::TimeWait),
        alert(20, Severity::Critical, host(), Metric::Listen),
        alert(
            10,
            Severity::Warning,
            Whose::Of(owner(3)),
            Metric::CloseWait,
        ),
    ];
    let event = |transition, alert: &Alert| Event {
        time: UNIX_EPOCH + BEGIN,
        transition,
        alert: alert.clone(),
    };
    let recent = vec![
        event(Transition::Fired, &standing[0]),
        event(Transition::Resolved, &standing[2]),
    ];
    let body = standing[1].body.clone();
    board.judges(Arc::new(Made(standing, recent)));
    let (_, told) = asked(&board, "/api/v1/alerts");
    let ids: Vec<_> = told["standing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| &alert["id"])
        .collect();
    assert_eq!(ids, ["id-20", "id-10", "id-30"]);
    let worst = &told["standing"][0];
    assert_eq!(worst["body"], &*body);
    assert_eq!(
        (&worst["since"], &worst["lasted_seconds"]),
        (&json!("2027-01-15T08:00:20.000Z"), &json!(3580))
    );
    assert_eq!(
        worst["culprits"][0]["process"],
        json!({ "pid": 4711, "name": HOSTILE })
    );
    assert_eq!(told["standing"][1]["scope"], "pods");
    assert_eq!(told["recent"][0]["transition"], "resolved");
    assert_eq!(told["suppressed"], 2);
    let brief = &status(&board)["alerts"];
    assert_eq!(brief["recent"][0]["transition"], "resolved");
}

#[test]
fn however_many_alerts_there_are_their_answer_has_a_bound() {
    let board = after_an_hour(0);
    let alerts: Vec<_> = (0..2000)
        .map(|number| {
            alert(
                number,
                Severity::Warning,
                Whose::Of(owner(3)),
                Metric::CloseWait,
            )
        })
        .collect();
    let events = alerts.iter().map(|alert| Event {
        time: UNIX_EPOCH,
        transition: Transition::Fired,
        alert: alert.clone(),
    });
    let events = events.collect();
    board.judges(Arc::new(Made(alerts, events)));
    let (text, told) = asked(&board, "/api/v1/alerts");
    assert!(text.len() < 130_000, "{}", text.len());
    assert_eq!(told["standing_in_all"], 2000);
    assert!(body(get(&board, "/status")).len() < 8192);
}

#[test]
fn what_cannot_be_asked_is_refused_in_words() {
    let board = after_an_hour(1);
    for (path, words) in [
        ("/api/v1/now?x=1", "nothing can be asked"),
        ("/api/v1/alerts?range=hour", "nothing can be asked"),
        ("/api/v1/history?range=year", "range=hour or range=week"),
        ("/api/v1/history?range=", "range=hour or range=week"),
        ("/api/v1/history?range", "range=hour or range=week"),
        ("/api/v1/history?Range=week", "range="),
        ("/api/v1/history?range=week&range=hour", "once"),
        ("/api/v1/history?range=week&x", "all that can be asked"),
        ("/api/v1/history?range=%77eek", "range=hour or range=week"),
        ("/api/v1/pods?metric=listen", "tcp_listen"),
        ("/api/v1/pods?metric=tcp_listen%00", "tcp_listen"),
        ("/api/v1/pods?metric=<script>", "tcp_listen"),
    ] {
        let uri = path.replace('<', "%3C").replace('>', "%3E");
        let answer = get(&board, &uri);
        assert_eq!(answer.status(), 400, "{path}");
        assert_eq!(answer.headers()[CONTENT_TYPE], TEXT, "{path}");
        let said = body(answer);
        assert!(said.contains(words), "{path}: {said}");
        assert!(!said.contains("script"), "{said}");
    }
    for path in [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/v1/now/",
        "/api/v2/now",
    ] {
        assert_eq!(code(&board, path), 404, "{path}");
    }
}

#[test]
fn the_page_is_there_unless_it_is_turned_off_and_the_api_stays() {
    let board = board();
    let ask = |path: &str, offer| answer(&request("GET", path, "localhost"), offer, LOCAL, &board);
    let page = ask("/", Offer::All);
    assert_eq!(
        (page.status().as_u16(), &page.headers()[CONTENT_TYPE]),
        (200, &HTML)
    );
    assert_eq!(page.headers()[CONTENT_SECURITY_POLICY], *page::POLICY);
    assert_eq!(page.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(body(page), page::DOCUMENT);
    let off = ask("/", Offer::WithoutPage);
    assert_eq!(off.status(), 404);
    assert!(body(off).contains("--http-page"));
    for path in [
        "/api/v1/now",
        "/api/v1/history",
        "/api/v1/pods",
        "/api/v1/alerts",
        "/status",
        "/livez",
    ] {
        assert_eq!(ask(path, Offer::WithoutPage).status(), 200, "{path}");
        if path != "/livez" {
            assert_eq!(ask(path, Offer::Health).status(), 404, "{path}");
        }
    }
}

#[test]
fn no_page_takes_anything_but_a_question() {
    let board = board();
    for (path, ..) in PAGES {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let asked = request(method, path, "localhost");
            assert_eq!(
                answer(&asked, Offer::All, LOCAL, &board).status(),
                405,
                "{method} {path}"
            );
        }
        let from_elsewhere = request("GET", path, "evil.example:9469");
        assert_eq!(
            answer(&from_elsewhere, Offer::All, LOCAL, &board).status(),
            421,
            "{path}"
        );
        assert_eq!(
            answer(&from_elsewhere, Offer::WithoutPage, LOCAL, &board).status(),
            421,
            "{path}"
        );
    }
}

#[path = "api_past_tests.rs"]
mod past;
