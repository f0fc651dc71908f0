//! Takes from the queue and sends, strictly oldest first, one request at a time, for as long as the agent lives.

use std::fmt;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::backoff::Backoff;
use super::health::{Health, Report};
use super::outbox::Outbox;
use super::queue::Batch;
use super::transport::{Answer, Failure, Kind, Transport};
use super::verdict::{Verdict, verdict};

/// The most that one request holds; gRPC servers take 4 MiB unless told otherwise.
pub const MAX_REQUEST_BYTES: usize = 1 << 20;

/// Between tries once the agent is leaving and has seconds left.
const LAST_TRIES: Duration = Duration::from_millis(500);

/// The one who sends.
#[derive(Debug)]
pub struct Sender<T> {
    outbox: Outbox,
    transport: T,
    backoff: Backoff,
    health: Health,
    /// What a request may hold now: halved when one is too large, doubled when one is taken.
    most: usize,
    /// Whether what is sealed may go as it is: until the server says that it takes no gzip.
    may_be_sealed: bool,
    /// For how long a record that comes while none waits is held back.
    spread: Duration,
    /// Whether anything has been sent yet.
    started: bool,
    watch: Option<Watch>,
    /// Whether the last record whose fate is known was refused.
    refuses: bool,
}

/// One request, as somebody sees it who watches.
#[derive(Debug)]
pub struct Sent<'a> {
    /// The number of the first record in it.
    pub first: u64,
    /// How many records it held.
    pub records: usize,
    /// What they are uncompressed.
    pub bytes: usize,
    /// When it began.
    pub began: SystemTime,
    /// How long it took, whatever became of the clock meanwhile.
    pub took: Duration,
    /// Why it was not taken, if it was not.
    pub failure: Option<&'a str>,
}

/// Somebody who watches. He must not wait for anything.
struct Watch(Box<dyn Fn(&Sent<'_>) + Send + Sync>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

impl<T: Transport> Sender<T> {
    /// Sends what is in `outbox` by way of `transport`.
    ///
    /// `spread` is this host's own, the same at each start: all hosts tick at the same moment, and their requests should
    /// not arrive in the same second. Nothing is held back for it before the first request, while records wait that could
    /// not be sent, or when the agent is leaving.
    #[must_use]
    pub fn new(outbox: Outbox, transport: T, spread: Duration) -> Self {
        Self {
            health: Health::of(outbox.signal()),
            outbox,
            transport,
            backoff: Backoff::default(),
            most: MAX_REQUEST_BYTES,
            may_be_sealed: true,
            spread,
            started: false,
            watch: None,
            refuses: false,
        }
    }

    /// Shows each request to `watch` when it has ended.
    #[must_use]
    pub fn watched(self, watch: impl Fn(&Sent<'_>) + Send + Sync + 'static) -> Self {
        Self {
            watch: Some(Watch(Box::new(watch))),
            ..self
        }
    }

    /// How its requests go, told for as long as anybody asks.
    #[must_use]
    pub fn report(&self) -> Report {
        self.health.report.clone()
    }

    /// Sends whatever comes. Once `leaving` is true it waits for nothing any more, and returns when the queue is empty.
    pub async fn run(mut self, mut leaving: watch::Receiver<bool>) {
        loop {
            // Nobody left to say so means the same.
            let is_leaving = *leaving.borrow() || leaving.has_changed().is_err();
            let Some(batch) = self.outbox.batch(self.most, self.may_be_sealed) else {
                if is_leaving {
                    return;
                }
                tokio::select! {
                    () = self.next_record() => {}
                    () = left(&mut leaving) => {}
                }
                continue;
            };
            self.started = true;
            let (time, began) = (wall_clock(), now());
            let sent = self.transport.send(batch.payload.clone()).await;
            self.tell(&batch, time, now() - began, &sent);
            let wait = match sent {
                Ok(answer) => {
                    self.taken(&batch, &answer);
                    continue;
                }
                Err(failure) => self.not_taken(&batch, &failure),
            };
            if is_leaving {
                sleep(wait.min(LAST_TRIES)).await;
            } else {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = left(&mut leaving) => {}
                }
            }
        }
    }

    fn tell(
        &self,
        batch: &Batch,
        began: SystemTime,
        took: Duration,
        sent: &Result<Answer, Failure>,
    ) {
        if let Some(watch) = &self.watch {
            (watch.0)(&Sent {
                first: batch.first,
                records: batch.records,
                bytes: batch.bytes,
                began,
                took,
                failure: sent.as_ref().err().map(|failure| failure.message.as_str()),
            });
        }
    }

    /// Returns when there is a record, and its time has come.
    async fn next_record(&self) {
        // The queue tells of records that have left long since, too.
        while self.outbox.waiting() == 0 {
            self.outbox.arrived().await;
        }
        if self.started {
            sleep(self.spread).await;
        }
    }

    fn taken(&mut self, batch: &Batch, answer: &Answer) {
        self.outbox.delivered(batch, answer.rejected_points);
        self.backoff.reset();
        self.refuses = false;
        self.most = self.most.saturating_mul(2).min(MAX_REQUEST_BYTES);
        self.health
            .delivered(answer, self.outbox.waiting(), self.outbox.dropped(), now());
    }

    /// Decides what becomes of a batch that was not taken, and says how long to wait.
    fn not_taken(&mut self, batch: &Batch, failure: &Failure) -> Duration {
        let verdict = verdict(failure.kind, self.outbox.signal());
        let several = batch.records > 1;
        match verdict {
            // Once; who says so of what is not compressed has not understood.
            Verdict::Unpack if self.may_be_sealed => {
                tracing::info!("the backend takes no gzip: from now on nothing is compressed");
                self.may_be_sealed = false;
                Duration::ZERO
            }
            Verdict::Shrink if several && failure.asked.is_none() => self.halve(batch),
            Verdict::Isolate if several => self.halve(batch),
            Verdict::Isolate => {
                self.outbox.refused(batch);
                self.health.dropped(failure, self.outbox.dropped(), now());
                // One record is bad by itself. Who refuses each of them says nothing about them, and is given time.
                if std::mem::replace(&mut self.refuses, true) {
                    self.backoff.next(fastrand::f64(), failure.asked)
                } else {
                    Duration::ZERO
                }
            }
            _ => {
                // On a slow way a smaller one may arrive, and so may what comes after it.
                if several && matches!(failure.kind, Kind::Timeout | Kind::Lost) {
                    self.most = batch.bytes / 2;
                }
                self.health
                    .failed(failure, verdict, self.outbox.waiting(), now());
                self.backoff.next(fastrand::f64(), failure.asked)
            }
        }
    }

    /// Tries at once with half of it: there are at most as many halvings as a batch has records.
    fn halve(&mut self, batch: &Batch) -> Duration {
        self.most = batch.bytes / 2;
        Duration::ZERO
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how often something is said, and how long it takes, is a matter of time"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever watches wants to know when a request was made"
)]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// Returns when `leaving` is true.
async fn left(leaving: &mut watch::Receiver<bool>) {
    let _ = leaving.wait_for(|leaving| *leaving).await;
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the clock is the test's own")]
#[path = "sender_tests.rs"]
mod tests;
