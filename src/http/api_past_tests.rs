//! What the API tells of the past and of pods.

use super::*;

#[test]
fn an_hour_is_its_slots_and_a_gap_is_null() {
    let board = after_an_hour(0);
    for path in ["/api/v1/history", "/api/v1/history?range=hour"] {
        let (_, hour) = asked(&board, path);
        assert_eq!(hour["step_seconds"], 30.0);
        assert_eq!(
            hour["columns"],
            json!([
                "time",
                "tcp_connections",
                "tcp_established",
                "tcp_time_wait",
                "tcp_close_wait",
                "tcp_listen"
            ])
        );
        let rows = hour["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 120);
        let last = BEGIN.as_secs() + 3600;
        assert_eq!(rows[119], json!([last, 7, 0, 0, 0, 7]));
        let gaps = rows.iter().filter(|row| row[1].is_null());
        assert_eq!(gaps.count(), 30);
        assert_eq!(rows[59], json!([last - 1800, null, null, null, null, null]));
    }
}

#[test]
fn a_week_is_its_quarters_with_least_average_and_most() {
    let board = after_an_hour(0);
    let (text, week) = asked(&board, "/api/v1/history?range=week");
    let rows = week["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &week["step_seconds"]), (672, &json!(900.0)));
    let begin = BEGIN.as_secs();
    assert_eq!(
        rows[670],
        json!([
            begin + 2700,
            [7, 7.0, 7],
            [0, 0.0, 0],
            [0, 0.0, 0],
            [0, 0.0, 0],
            [7, 7.0, 7]
        ])
    );
    assert_eq!(
        rows[669],
        json!([begin + 1800, null, null, null, null, null])
    );
    assert!(text.len() < 100_000, "{}", text.len());
}

#[test]
fn a_full_week_and_an_hour_of_seconds_stay_below_a_hundred_kilobytes() {
    for (interval, ticks, path) in [
        (Duration::from_mins(15), 700, "/api/v1/history?range=week"),
        (Duration::from_secs(1), 4000, "/api/v1/history?range=hour"),
    ] {
        let board = board();
        let mut history = History::new(interval, 0);
        for tick in 0..ticks {
            let mut sample = with_pods(BEGIN + interval * tick, 0);
            sample.readings[0].counted = many(State::CloseWait, 10_000);
            history.take(&sample, interval);
            board.takes(&sample, true);
        }
        board.remembers(Arc::new(Mutex::new(history)));
        let (text, value) = asked(&board, path);
        assert!(text.len() < 100_000, "{path}: {}", text.len());
        let rows = value["rows"].as_array().unwrap();
        assert!(
            rows.len() >= 600 && rows.iter().all(|row| !row[1].is_null()),
            "{path}"
        );
    }
}

/// An hour of seconds that ends now, in which `value` tells how many are in CLOSE_WAIT, or that nothing was counted.
fn after_seconds(value: impl Fn(u32) -> Option<u64>) -> Value {
    let board = board();
    let second = Duration::from_secs(1);
    let mut history = History::new(second, 0);
    for tick in 0..=3600 {
        let mut sample = sample();
        sample.time = UNIX_EPOCH + BEGIN + second * tick;
        match value(tick) {
            Some(value) => sample.readings[0].counted = many(State::CloseWait, value),
            None => sample.readings.clear(),
        }
        history.take(&sample, second);
    }
    board.remembers(Arc::new(Mutex::new(history)));
    asked(&board, "/api/v1/history?range=hour").1
}

/// Only every third of so many was told once: what was between was seen by nobody, and was in neither least nor most.
#[test]
fn neither_a_spike_nor_a_gap_of_a_second_is_hidden_in_an_hour_of_seconds() {
    let hour = after_seconds(|tick| match tick {
        100 => Some(9000),
        101 => Some(0),
        200 | 307..=325 => None,
        _ => Some(3),
    });
    assert_eq!(
        (&hour["cells"], &hour["step_seconds"]),
        (&json!("least,average,most"), &json!(6.0))
    );
    assert_eq!(hour["columns"][6], "missing");
    let rows = hour["rows"].as_array().unwrap();
    // The first second of the first row is over an hour ago, and the last row has one second so far.
    assert_eq!(rows.len(), 601);
    let begin = BEGIN.as_secs();
    let row = |at: u64| {
        let found = rows.iter().find(|row| row[0] == begin + at);
        let row = found.unwrap_or_else(|| panic!("no row of {at}"));
        (row[4].clone(), row[6].clone())
    };
    assert_eq!(row(0), (json!([3, 3.0, 3]), json!(0)));
    assert_eq!(row(96), (json!([0, 1502.0, 9000]), json!(0)));
    assert_eq!(row(198), (json!([3, 3.0, 3]), json!(1)));
    assert_eq!(row(306), (json!([3, 3.0, 3]), json!(5)));
    assert_eq!(row(312), (Value::Null, json!(6)));
    assert_eq!(row(324), (json!([3, 3.0, 3]), json!(2)));
    assert_eq!(row(3600), (json!([3, 3.0, 3]), json!(0)));
    let spikes = rows.iter().filter(|row| row[4][2] == 9000);
    assert_eq!(spikes.count(), 1);
    let missing: u64 = rows.iter().filter_map(|row| row[6].as_u64()).sum();
    assert_eq!(missing, 20);
}

#[test]
fn up_to_twelve_hundred_readings_each_is_a_row() {
    for (seconds, rows, cells) in [(3, 1200, "count"), (2, 600, "least,average,most")] {
        let board = board();
        let interval = Duration::from_secs(seconds);
        let mut history = History::new(interval, 0);
        for tick in 0..2000 {
            let mut sample = sample();
            sample.time = UNIX_EPOCH + BEGIN + interval * tick;
            history.take(&sample, interval);
        }
        board.remembers(Arc::new(Mutex::new(history)));
        let (_, hour) = asked(&board, "/api/v1/history");
        let told = hour["rows"].as_array().unwrap().len();
        assert!((rows..=rows + 1).contains(&told), "{told} of {seconds} s");
        assert_eq!(hour["cells"], cells);
    }
}

#[test]
fn pods_come_by_need_of_attention_and_a_hundred_and_ten_stay_below_a_hundred_kilobytes() {
    let board = after_an_hour(110);
    let leaks = alert(
        1,
        Severity::Warning,
        Whose::Of(owner(21)),
        Metric::CloseWait,
    );
    board.judges(Arc::new(Made(vec![leaks], Vec::new())));
    let (text, told) = asked(&board, "/api/v1/pods?metric=tcp_close_wait");
    assert!(text.len() < 100_000, "{}", text.len());
    assert_eq!(
        (&told["metric"], &told["pods_in_all"]),
        (&json!("tcp_close_wait"), &json!(110))
    );
    let pods = told["pods"].as_array().unwrap();
    assert_eq!(pods.len(), 110);
    assert_eq!(
        (&pods[0]["state"], &pods[0]["alerts"]),
        (&json!("warning"), &json!(["close-wait"]))
    );
    assert_eq!(
        pods[0]["owner"]["k8s.pod.uid"],
        "00000000-0000-4000-8000-000000000021"
    );
    let leaking: Vec<_> = pods[1..]
        .iter()
        .map(|pod| pod["tcp_close_wait"].as_u64())
        .collect();
    assert!(leaking.is_sorted_by(|a, b| a >= b), "{leaking:?}");
    assert_eq!(pods[1]["hour"].as_array().unwrap().len(), 60);
    assert_eq!(pods[1]["hour"][59], 6);
    let hostile = pods
        .iter()
        .find(|pod| pod["name"].as_str().unwrap().ends_with(HOSTILE));
    assert!(hostile.is_some(), "{pods:?}");
}

#[test]
fn of_more_pods_than_a_node_has_the_first_are_told() {
    let board = after_an_hour(1000);
    let worst = alert(1, Severity::Info, Whose::Of(owner(994)), Metric::CloseWait);
    board.judges(Arc::new(Made(vec![worst], Vec::new())));
    let (_, told) = asked(&board, "/api/v1/pods");
    assert_eq!(told["pods_in_all"], 1000);
    let pods = told["pods"].as_array().unwrap();
    assert_eq!((pods.len(), &pods[0]["state"]), (200, &json!("info")));
    assert!(pods[1..143].iter().all(|pod| pod["tcp_close_wait"] == 6));
}

#[test]
fn a_pod_that_has_ended_is_not_told_of() {
    let board = board();
    let mut history = History::new(INTERVAL, 8);
    for tick in 0..20 {
        history.take(
            &with_pods(BEGIN + INTERVAL * tick, if tick < 10 { 2 } else { 1 }),
            INTERVAL,
        );
    }
    board.remembers(Arc::new(Mutex::new(history)));
    let (_, told) = asked(&board, "/api/v1/pods");
    assert_eq!(told["pods_in_all"], 1);
}

/// A minute's slot of a pod keeps what was told in it; what is now is of the last sample alone.
#[test]
fn what_the_last_sample_did_not_tell_of_a_pod_is_not_told_as_now() {
    let board = board();
    let mut history = History::new(INTERVAL, 8);
    // The last two samples are of one minute, and in the last of them there is one pod, and all others together.
    for tick in 0..20 {
        let mut sample = with_pods(BEGIN + INTERVAL * tick, 3);
        if tick == 19 {
            let pods = sample.pods.as_mut().unwrap();
            pods.readings.truncate(2);
            pods.readings[1].owner = Owner::Other;
        }
        history.take(&sample, INTERVAL);
    }
    let history = Arc::new(Mutex::new(history));
    board.remembers(history.clone());
    let told = || {
        let (_, told) = asked(&board, "/api/v1/pods");
        let mut pods = told["pods"].as_array().unwrap().clone();
        pods.sort_by_key(|pod| pod["name"].to_string());
        pods
    };
    let now = |pods: &[Value]| -> Vec<_> {
        let now = pods.iter().map(|pod| pod["tcp_connections"].as_u64());
        now.collect()
    };
    let pods = told();
    assert_eq!(now(&pods), [Some(12_345), None, None, Some(12_346)]);
    for gone in &pods[1..3] {
        assert_eq!(gone["tcp_close_wait"], Value::Null);
        assert!(gone["hour"][59].is_u64(), "it was there in this minute");
    }
    // A sample without pods tells of none of them.
    let mut later = sample();
    later.time = UNIX_EPOCH + BEGIN + INTERVAL * 20;
    history.lock().unwrap().take(&later, INTERVAL);
    assert_eq!(now(&told()), [None; 4]);
}
