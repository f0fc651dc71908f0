//! A made world behind the real server: an hour and a week with gaps, 110 pods, alerts, and names that nobody should have.
//!
//! `page_world ADDRESS FILE [plain]` serves it there, and writes what it is made of to the file, as JSON. `plain` is without such
//! names, and has the alerts that the default rules make of its hour. A word a line on its input changes it: `tick` takes another
//! sample, `resolve` ends the worst alert, `calm` ends all of them, `stop` ends it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod judged;
mod wrong;

use std::io::BufRead;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tcpgauge::alerts::{Event, Severity, Transition};
use tcpgauge::history::History;
use tcpgauge::http::board::{About, Board, Delivery, Last};
use tcpgauge::http::server::Listener;
use tcpgauge::http::{Place, Wanted};
use tcpgauge::pods::{Gate, Owner, PodName, PodReading, Pods, Stats};
use tcpgauge::sample::{self, Sample, Vitals};
use tcpgauge::source::{Counted, Details, Reading, Scope, Sockets, Source};
use tcpgauge::tcp::{Counts, State};

use self::judged::judge;
use self::wrong::{Made, alerts};

/// Sunday, 2026-11-22T18:08:30Z.
const END: u64 = 1_795_370_910;
const SLOT: u64 = 30;
const PODS: u64 = 110;

/// Names as nobody should have them: they are text on the page, and nothing else.
const HOSTILE: [(&str, &str); 5] = [
    ("<script>alert(1)</script>", "x"),
    ("shop", "\"><img src=x onerror=alert(2)>"),
    ("evil", "\u{202e}txt.exe\u{2066}"),
    ("javascript:alert(3)", "&lt;b&gt;'`${7*7}`{{7*7}}"),
    ("zalgo", "\0\u{1b}[31m\n\t\u{200b}end"),
];

/// The five, with what else there is, at a time; nothing where there is a gap.
fn host(time: u64) -> Option<Counts> {
    let ago = (END.saturating_sub(time)) as f64;
    let in_gap = [
        (1500.0, 1740.0),
        (2700.0, 2700.0),
        (250_000.0, 283_000.0),
        (430_000.0, 433_000.0),
    ];
    if in_gap
        .iter()
        .any(|(least, most)| (*least..=*most).contains(&ago))
    {
        return None;
    }
    let hour = time as f64 / 3600.0;
    let day = ((hour / 24.0 - 0.6) * std::f64::consts::TAU).cos() * 0.5 + 0.5;
    // Not at random, so that it is the same each time.
    let mut noise = time / SLOT;
    for _ in 0..2 {
        noise = (noise ^ (noise >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    let noise = (noise >> 40) % 1000;
    let noise = noise as f64 / 1000.0;
    let deploy = if (2000.0..2200.0).contains(&ago) {
        0.45
    } else {
        1.0
    };
    let leak = if time > END {
        3 + 1200 / 60
    } else {
        3 + (1200.0 - ago).max(0.0) as u64 / 60
    };
    let mut counts = Counts::default();
    counts.add(
        State::Established,
        (deploy * (430.0 + 520.0 * day + 60.0 * noise)) as u64,
    );
    counts.add(
        State::TimeWait,
        (210.0 + 900.0 * day * day + 120.0 * noise) as u64,
    );
    counts.add(State::CloseWait, leak);
    let listen = if ago < 90.0 { 26 } else { 28 };
    counts.add(State::Listen, if deploy < 1.0 { 21 } else { listen });
    counts.add(State::SynSent, (3.0 * noise) as u64);
    counts.add(State::FinWait2, (9.0 * noise) as u64);
    counts.add(State::LastAck, 1);
    Some(counts)
}

fn five(counts: &Counts) -> [u64; 5] {
    let of = |state| counts.get(state);
    [
        counts.total(),
        of(State::Established),
        of(State::TimeWait),
        of(State::CloseWait),
        of(State::Listen),
    ]
}

const ROLES: [&str; 6] = [
    "cart",
    "checkout",
    "search",
    "payments-gateway",
    "frontend",
    "ledger",
];

fn owner(number: u64) -> Owner {
    let hostile = HOSTILE.get(number as usize).filter(|_| !is_plain());
    let (namespace, pod) = if let Some((namespace, pod)) = hostile {
        ((*namespace).to_owned(), (*pod).to_owned())
    } else {
        let namespace = ["shop", "billing", "web", "kube-system"][number as usize % 4];
        let role = ROLES[number as usize % ROLES.len()];
        let pod = format!("{role}-7d9c6b5f4-{number:05x}");
        (namespace.to_owned(), pod)
    };
    Owner::Pod {
        uid: format!("00000000-0000-4000-8000-{number:012}").into(),
        name: Some(PodName {
            namespace: namespace.into(),
            pod: pod.into(),
        }),
    }
}

/// Whether it is to be a world without the names that nobody should have.
fn is_plain() -> bool {
    std::env::args().nth(3).is_some_and(|word| word == "plain")
}

/// Of a pod at a time; nothing where it has a gap of its own.
fn pod(number: u64, time: u64) -> Option<Counts> {
    let slot = time / 60;
    if (slot + number * 7).is_multiple_of(41)
        || (number == 9 && (END - 1200..END - 600).contains(&time))
    {
        return None;
    }
    let mut counts = Counts::default();
    counts.add(
        State::Established,
        4 + number % 13 * 9 + (slot * (number + 3)) % 17,
    );
    counts.add(State::TimeWait, (slot * number) % 23);
    let leak = 1200_u64.saturating_sub(END.saturating_sub(time)) / 60;
    counts.add(
        State::CloseWait,
        if number == 7 && !is_plain() {
            leak
        } else {
            u64::from(number % 29 == 3)
        },
    );
    counts.add(State::Listen, 1 + number % 4);
    Some(counts)
}

fn counted(counts: Counts) -> Counted {
    Counted::of(Sockets::Together { both: counts })
}

fn at(time: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time)
}

fn sample(time: u64, with_pods: bool) -> Sample {
    let mut sample = Sample::at(at(time));
    if let Some(counts) = host(time) {
        sample.readings.push(Reading {
            scope: Scope::Host,
            source: Source::Diag,
            why: Some("the cheapest that is right: a full dump agreed with the tables, and 96 sparse readings with full dumps".into()),
            step_downs: 0,
            counted: counted(counts),
            details: Details::default(),
        });
    }
    let reading = |number: u64| {
        Some(PodReading {
            owner: owner(number),
            counted: counted(pod(number, time)?),
            gate: Gate::Read,
            age: Duration::ZERO,
            details: None,
        })
    };
    sample.pods = with_pods.then(|| Pods {
        readings: (0..PODS).filter_map(reading).collect(),
        stats: Stats {
            pods: PODS,
            gaps_waiting: 214,
            ..Stats::default()
        },
        ..Pods::default()
    });
    sample.vitals = Some(Vitals {
        reading_took: Duration::from_micros(4210),
        cpu: Duration::from_millis(310),
        resident_bytes: Some(7_130_000),
        ..Vitals::default()
    });
    sample
}

/// What the page is to show of what the samples were, worked out in the plainest way.
fn truth(times: &[u64], last: u64) -> Value {
    let slot = |time: u64, width: u64| time / width * width;
    let first_hour = slot(last, SLOT) - 3600 + SLOT;
    let hour = (first_hour..=last).step_by(SLOT as usize);
    let hour: Vec<Value> = hour
        .map(|time| json!([time, host(time).map(|counts| five(&counts))]))
        .collect();
    let first_quarter = slot(last, 900) - 7 * 86400 + 900;
    let week = (first_quarter..=last).step_by(900).map(|begin| {
        let of_it = times.iter().filter(|time| slot(**time, 900) == begin);
        let counted: Vec<[u64; 5]> = of_it.filter_map(|time| Some(five(&host(*time)?))).collect();
        let column = |index: usize| {
            let values = || counted.iter().map(|five| five[index]);
            let average = values().sum::<u64>() as f64 / counted.len() as f64;
            let average = (average * 10.0).round() / 10.0;
            json!([values().min().unwrap(), average, values().max().unwrap()])
        };
        let cells = (!counted.is_empty()).then(|| (0..5).map(column).collect::<Vec<_>>());
        json!([begin, cells])
    });
    let counts = host(last).unwrap();
    let states = State::ALL.map(|state| (state.name(), counts.get(state)));
    let pods = (0..PODS).map(|number| {
        let now = pod(number, last).map(|counts| five(&counts));
        json!({ "name": owner(number).to_string(), "five": now })
    });
    json!({
        "now": five(&counts),
        "states": states.iter().map(|(name, count)| json!([name, count])).collect::<Vec<_>>(),
        "hour": hour,
        "week": week.collect::<Vec<_>>(),
        "pods": pods.collect::<Vec<_>>(),
        "leaking": owner(7).to_string(),
        "hostile": (0..HOSTILE.len() as u64).map(|number| owner(number).to_string()).collect::<Vec<_>>(),
        "bodies": alerts().0.iter().map(|alert| alert.body.to_string()).collect::<Vec<_>>(),
    })
}

/// Samples go where events do not, unless the world is plain.
fn delivers(board: &Board) {
    board.delivers(|| Delivery {
        endpoint: "http://collector.monitoring:4317".to_owned(),
        protocol: "OTLP/gRPC",
        queue: sample::Delivery {
            sent: 20_160,
            ..sample::Delivery::default()
        },
        last: Last::Works(Duration::from_hours(72)),
    });
    board.delivers_events(|| {
        let (waiting, last) = if is_plain() {
            (0, Last::Works(Duration::from_hours(3)))
        } else {
            (
                2,
                Last::Fails(
                    Duration::from_hours(3),
                    "<b>UNIMPLEMENTED</b>: it takes no logs".into(),
                ),
            )
        };
        Delivery {
            endpoint: "http://collector.monitoring:4317".to_owned(),
            protocol: "OTLP/gRPC",
            queue: sample::Delivery {
                records: waiting,
                bytes: 700 * waiting,
                oldest: Duration::from_mins(10),
                sent: 3,
                rejected_points: waiting / 2,
                ..sample::Delivery::default()
            },
            last,
        }
    });
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("an address to serve at");
    let file = arguments.next().expect("a file for what it is made of");
    let about = About {
        interval: Duration::from_secs(2),
        scope: "host,pods",
        proc_root: "/host/proc".to_owned(),
        given: Vec::new(),
        warnings: Vec::new(),
        no_events: None,
    };
    let board = Board::new(about, Instant::now);
    let history = Arc::new(Mutex::new(History::new(Duration::from_secs(SLOT), 128)));
    let before = (END - 7 * 86400..END - 3600).step_by(180);
    let mut times: Vec<u64> = before
        .chain((END - 3600..=END).step_by(SLOT as usize))
        .collect();
    let mut step = Duration::ZERO;
    for pair in times.windows(2).chain([&[END, END + 1][..]]) {
        let with_pods = pair[0] >= END - 3600;
        history
            .lock()
            .unwrap()
            .take(&sample(pair[0], with_pods), step);
        step = Duration::from_secs(pair[1] - pair[0]);
    }
    let made = Arc::new(Made(Mutex::new(alerts())));
    board.is_on("web-07.example".to_owned());
    board.reads(
        "reading pods, and /host/proc/1/net: the network namespace of the machine's PID 1"
            .to_owned(),
    );
    board.remembers(Arc::clone(&history));
    if is_plain() {
        let hour = (END - 3600..=END).step_by(SLOT as usize);
        board.judges(judge(hour.map(|time| sample(time, true))));
    } else {
        board.judges(made.clone());
    }
    delivers(&board);
    board.takes(&sample(END, true), true);
    std::fs::write(&file, truth(&times, END).to_string()).unwrap();
    let wanted = Wanted {
        place: Place::parse(&address).unwrap(),
        asked_for: true,
    };
    let listener = Listener::for_all(wanted, true).unwrap();
    println!("{}", listener.address());
    tokio::spawn(listener.serve(board.clone()));
    let last = Arc::new(Mutex::new(END));
    let told = Arc::clone(&last);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let mut made = made.0.lock().unwrap();
            match line.unwrap().as_str() {
                "tick" => {
                    let mut last = last.lock().unwrap();
                    *last += SLOT;
                    times.push(*last);
                    history
                        .lock()
                        .unwrap()
                        .take(&sample(*last, true), Duration::from_secs(SLOT));
                    std::fs::write(&file, truth(&times, *last).to_string()).unwrap();
                }
                "resolve" => {
                    let worst = made
                        .0
                        .iter()
                        .position(|alert| alert.severity == Severity::Critical);
                    let alert = made.0.remove(worst.unwrap());
                    made.1.push(Event {
                        time: at(END + SLOT),
                        transition: Transition::Resolved,
                        alert,
                    });
                }
                "calm" => made.0.clear(),
                _ => std::process::exit(0),
            }
        }
    });
    loop {
        let time = *told.lock().unwrap();
        board.ticks();
        board.takes(&sample(time, true), true);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
