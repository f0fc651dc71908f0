//! The sender against a backend that answers by a script, on a clock that jumps to the next timer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::Code;

use super::super::endpoint::Signal;
use super::super::queue::Bounds;
use super::super::transport::{Kind, Payload};
use super::*;

const DAY: Duration = Duration::from_hours(24);

/// What the backend does with the next request.
enum Step {
    Take,
    Refuse(Code, Option<Duration>),
    /// Refuses each request that holds this record, and goes on to the next step when that record came alone.
    RefuseRecord(Code, u8),
    /// Refuses each request of more than so many records, for ever.
    RefuseMoreThan(usize),
    /// Answers nothing for so long, and then the transport gives up.
    Silence(Duration),
    /// Takes no gzip, for ever.
    TakeNoGzip,
    /// Says that it takes no gzip, whatever it gets.
    MisunderstandGzip,
}

/// Of each record in a backlog that is large enough to be sealed.
const LARGE: usize = 10_000;

/// What the backend saw: when, and which records.
type Log = Arc<Mutex<Vec<(Duration, Vec<u8>)>>>;

struct Scripted {
    script: VecDeque<Step>,
    start: Instant,
    tried: Log,
    sealed: Log,
    taken: Log,
}

impl Transport for Scripted {
    async fn send(&mut self, payload: Payload) -> Result<Answer, Failure> {
        let sealed = matches!(payload, Payload::Gzip { .. });
        let records: Vec<u8> = match payload {
            Payload::Plain(bodies) => bodies.iter().map(|body| body[0]).collect(),
            Payload::Gzip { bytes, .. } => {
                unpack(&bytes).chunks(LARGE).map(|body| body[0]).collect()
            }
        };
        if sealed {
            self.sealed
                .lock()
                .unwrap()
                .push((self.start.elapsed(), records.clone()));
        }
        self.tried
            .lock()
            .unwrap()
            .push((self.start.elapsed(), records.clone()));
        let failure = match self.script.front() {
            Some(Step::Take) => {
                self.script.pop_front();
                None
            }
            Some(Step::Refuse(code, asked)) => {
                let failure = (*code, *asked);
                self.script.pop_front();
                Some((Kind::Status(failure.0), failure.1))
            }
            Some(Step::RefuseRecord(code, record)) if records.contains(record) => {
                let code = *code;
                if records.len() == 1 {
                    self.script.pop_front();
                }
                Some((Kind::Status(code), None))
            }
            Some(Step::RefuseMoreThan(most)) if records.len() > *most => {
                Some((Kind::Status(Code::ResourceExhausted), None))
            }
            Some(Step::TakeNoGzip) if sealed => Some((Kind::NoGzip, None)),
            Some(Step::MisunderstandGzip) => Some((Kind::NoGzip, None)),
            Some(Step::RefuseRecord(..) | Step::RefuseMoreThan(_) | Step::TakeNoGzip) | None => {
                None
            }
            Some(Step::Silence(silence)) => {
                let silence = *silence;
                self.script.pop_front();
                sleep(silence).await;
                Some((Kind::Timeout, None))
            }
        };
        if let Some((kind, asked)) = failure {
            return Err(Failure {
                kind,
                message: String::new(),
                asked,
            });
        }
        self.taken
            .lock()
            .unwrap()
            .push((self.start.elapsed(), records));
        Ok(Answer::default())
    }
}

fn unpack(gzip: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::bufread::GzDecoder::new(gzip), &mut plain).unwrap();
    plain
}

struct Run {
    outbox: Outbox,
    leave: watch::Sender<bool>,
    sender: JoinHandle<()>,
    tried: Log,
    sealed: Log,
    taken: Log,
}

impl Run {
    fn start(script: Vec<Step>) -> Self {
        Self::start_spread(script, Duration::ZERO)
    }

    fn start_spread(script: Vec<Step>, spread: Duration) -> Self {
        let bounds = Bounds {
            bytes: 16 << 20,
            age: DAY,
        };
        let outbox = Outbox::new(bounds, None);
        let (tried, sealed, taken) = (Log::default(), Log::default(), Log::default());
        let transport = Scripted {
            script: script.into(),
            start: Instant::now(),
            tried: tried.clone(),
            sealed: sealed.clone(),
            taken: taken.clone(),
        };
        let (leave, leaving) = watch::channel(false);
        let sender = tokio::spawn(Sender::new(outbox.clone(), transport, spread).run(leaving));
        Self {
            outbox,
            leave,
            sender,
            tried,
            sealed,
            taken,
        }
    }

    /// With a backlog of 200 records, most of which are sealed.
    fn with_backlog(script: Vec<Step>) -> Self {
        let run = Self::start(script);
        (0..200).for_each(|number| {
            run.outbox.push(vec![number; LARGE]);
        });
        run
    }

    /// Puts in a record every 30 s, and lets an hour go by.
    async fn samples(&self, numbers: std::ops::Range<u8>) {
        for number in numbers {
            self.outbox.push(vec![number; 100]);
            sleep(Duration::from_secs(30)).await;
        }
        sleep(Duration::from_hours(1)).await;
    }

    fn records(log: &Log) -> Vec<u8> {
        log.lock()
            .unwrap()
            .iter()
            .flat_map(|(_, records)| records.clone())
            .collect()
    }

    fn taken(&self) -> Vec<u8> {
        Self::records(&self.taken)
    }

    fn tries(&self) -> Vec<(Duration, Vec<u8>)> {
        self.tried.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn each_status_keeps_or_drops_as_its_verdict_says() {
    for code in (0..=16)
        .map(Code::from_i32)
        .filter(|code| *code != Code::Ok)
    {
        let run = Run::start(vec![Step::Take, Step::Refuse(code, None), Step::Take]);
        run.samples(0..5).await;
        let (taken, dropped) = match verdict(Kind::Status(code), Signal::Metrics) {
            Verdict::Isolate => (vec![0, 2, 3, 4], 1),
            _ => (vec![0, 1, 2, 3, 4], 0),
        };
        assert_eq!(run.taken(), taken, "{code:?}");
        assert_eq!(
            (run.outbox.dropped(), run.outbox.waiting()),
            (dropped, 0),
            "{code:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_what_waited_goes_oldest_first_and_several_in_one_request() {
    let silences = (0..40)
        .map(|_| Step::Silence(Duration::from_secs(10)))
        .collect();
    let run = Run::start(silences);
    run.samples(0..40).await;
    assert_eq!(run.taken(), (0..40).collect::<Vec<_>>());
    assert!(
        run.taken.lock().unwrap().len() < 40,
        "several went in one request"
    );
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_as_long_as_the_server_asks() {
    let asked = Duration::from_secs(17);
    let run = Run::start(vec![Step::Refuse(Code::ResourceExhausted, Some(asked))]);
    run.samples(0..1).await;
    let waited = run.tries()[1].0.abs_diff(run.tries()[0].0);
    assert!(
        (asked..asked + Duration::from_secs(2)).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_too_large_is_halved_until_it_fits_and_nothing_is_lost() {
    let run = Run::start(vec![Step::RefuseMoreThan(3)]);
    (0..64).for_each(|number| {
        run.outbox.push(vec![number; 100]);
    });
    sleep(Duration::from_mins(1)).await;
    assert_eq!(run.taken(), (0..64).collect::<Vec<_>>());
    assert_eq!(run.outbox.dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_record_that_is_too_large_alone_is_kept_and_does_not_make_a_storm() {
    let run = Run::start(vec![Step::RefuseMoreThan(0)]);
    run.outbox.push(vec![0; 100]);
    sleep(Duration::from_hours(1)).await;
    assert_eq!((run.outbox.waiting(), run.outbox.dropped()), (1, 0));
    assert!(
        (60..400).contains(&run.tries().len()),
        "{} tries in an hour",
        run.tries().len()
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_backlog_with_one_bad_record_only_that_one_is_dropped() {
    for bad in [0, 1, 31, 62, 63] {
        let run = Run::start(vec![
            Step::Take,
            Step::RefuseRecord(Code::InvalidArgument, bad),
        ]);
        run.outbox.push(vec![200; 100]);
        sleep(Duration::from_secs(1)).await;
        (0..64).for_each(|number| {
            run.outbox.push(vec![number; 100]);
        });
        sleep(Duration::from_mins(1)).await;
        let expected: Vec<u8> = std::iter::once(200)
            .chain((0..64).filter(|number| *number != bad))
            .collect();
        assert_eq!(run.taken(), expected, "bad record {bad}");
        assert_eq!(run.outbox.dropped(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_asked_for_is_made_however_large_the_request_was() {
    let asked = Duration::from_secs(17);
    let run = Run::start(vec![Step::Refuse(Code::ResourceExhausted, Some(asked))]);
    (0..8).for_each(|number| {
        run.outbox.push(vec![number; 100]);
    });
    sleep(Duration::from_mins(1)).await;
    let tries = run.tries();
    assert!(tries[1].0.abs_diff(tries[0].0) >= asked, "{tries:?}");
    assert_eq!(tries[1].1, tries[0].1, "the same again, and not half of it");
}

#[tokio::test(start_paused = true)]
async fn after_one_request_that_was_too_large_they_grow_again() {
    let run = Run::start(vec![Step::Refuse(Code::ResourceExhausted, None)]);
    (0..64).for_each(|number| {
        run.outbox.push(vec![number; 100]);
    });
    sleep(Duration::from_secs(1)).await;
    (64..128).for_each(|number| {
        run.outbox.push(vec![number; 100]);
    });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(run.taken(), (0..128).collect::<Vec<_>>());
    let sizes: Vec<_> = run
        .tries()
        .iter()
        .map(|(_, records)| records.len())
        .collect();
    assert_eq!(sizes, [64, 32, 32, 64]);
}

#[tokio::test(start_paused = true)]
async fn after_a_success_the_waits_are_short_again() {
    fastrand::seed(1);
    let refusals = || (0..8).map(|_| Step::Refuse(Code::Unavailable, None));
    let run = Run::start(refusals().chain([Step::Take]).chain(refusals()).collect());
    run.outbox.push(vec![0; 100]);
    sleep(Duration::from_mins(10)).await;
    let before = run.tries().len();
    run.outbox.push(vec![1; 100]);
    sleep(Duration::from_mins(10)).await;
    let tries = run.tries();
    let waited = tries[before + 1].0.abs_diff(tries[before].0);
    assert!(waited <= Duration::from_secs(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn leaving_ends_a_wait_and_delivers_what_is_there() {
    let refusals = (0..8)
        .map(|_| Step::Refuse(Code::Unavailable, None))
        .collect();
    let run = Run::start(refusals);
    (0..3).for_each(|number| {
        run.outbox.push(vec![number; 100]);
    });
    sleep(Duration::from_secs(1)).await;
    let _ = run.leave.send(true);
    tokio::time::timeout(Duration::from_secs(5), run.sender)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(Run::records(&run.taken), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn leaving_with_nothing_to_send_ends_at_once() {
    let run = Run::start(Vec::new());
    sleep(Duration::from_secs(1)).await;
    let before = Instant::now();
    let _ = run.leave.send(true);
    run.sender.await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[path = "sender_backlog_tests.rs"]
mod backlog;
