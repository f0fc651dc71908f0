//! What is told of the delivery of samples, and of that of events.

use super::super::super::board::{Delivery, Last};
use super::*;
use crate::sample;

fn delivery(last: Last) -> Delivery {
    Delivery {
        endpoint: "http://collector:4317".to_owned(),
        protocol: "OTLP/gRPC",
        queue: sample::Delivery {
            records: 3,
            oldest: Duration::from_secs(90),
            rejected_points: 2,
            ..sample::Delivery::default()
        },
        last,
    }
}

/// Both say it, in the same words.
fn told(board: &Board) -> Value {
    let now: Value = serde_json::from_str(&body(get(board, "/api/v1/now"))).unwrap();
    let status = status(board);
    for member in ["delivery", "events", "why_no_events"] {
        assert!(now.get(member).is_some(), "{member}");
        assert_eq!(now[member], status[member], "{member}");
    }
    status
}

#[test]
fn a_status_tells_how_delivery_is_at_the_moment_it_is_asked() {
    let board = board();
    board.ticks();
    board.takes(&sample(), true);
    let tell = |last: Last| {
        board.delivers(move || delivery(last.clone()));
        status(&board)["delivery"].clone()
    };
    let untried = tell(Last::Untried);
    assert_eq!(untried["health"], "untried");
    assert_eq!(untried["endpoint"], "http://collector:4317");
    assert_eq!(untried["waiting_samples"], 3);
    assert_eq!(untried["oldest_seconds"], 90.0);
    let works = tell(Last::Works(Duration::from_secs(5)));
    assert_eq!(
        (&works["health"], &works["health_seconds"]),
        (&json!("works"), &json!(5.0))
    );
    let fails = tell(Last::Fails(
        Duration::from_secs(7),
        "nobody listens there".into(),
    ));
    assert_eq!(fails["failure"], "nobody listens there");
    assert_eq!(
        (code(&board, "/livez"), code(&board, "/readyz")),
        (200, 200)
    );
}

#[test]
fn events_are_told_of_beside_samples_and_either_without_the_other() {
    let board = board();
    let failing = || Last::Fails(Duration::from_secs(7), "it takes no logs".into());
    board.delivers_events(move || delivery(failing()));
    let status = told(&board);
    assert_eq!(status["delivery"], Value::Null);
    let events = &status["events"];
    assert_eq!(events["failure"], "it takes no logs");
    assert_eq!(
        (&events["waiting_events"], &events["rejected_events"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(status["why_no_events"], Value::Null);
    board.delivers(|| delivery(Last::Works(Duration::ZERO)));
    let status = told(&board);
    // The same members, but for what each has of its own.
    let names = |what: &str| {
        let names = status[what].as_object().unwrap().keys();
        let names = names.map(|name| name.replace("samples", "events"));
        let names = names.map(|name| name.replace("points", "events"));
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("delivery"), names("events"));
    assert_eq!(status["delivery"]["health"], "works");
    assert_eq!(status["events"]["health"], "fails");
}

#[test]
fn why_no_events_are_sent_is_said() {
    let board = board_of(About {
        no_events: Some("logs_exporter is none".to_owned()),
        ..about()
    });
    let status = told(&board);
    assert_eq!(status["events"], Value::Null);
    assert_eq!(status["why_no_events"], "logs_exporter is none");
}
