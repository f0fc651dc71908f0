//! How delivery is doing, said once for each change of it and not once for each failure.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::endpoint::Signal;
use super::transport::{Answer, Failure, Kind, printable};
use super::verdict::Verdict;

/// A backend that cannot make up its mind changes its state with every request. So many changes are said …
const MOST_CHANGES: u32 = 10;

/// … within this time.
const WITHIN: Duration = Duration::from_mins(10);

/// How the last request went, for whoever asks at any time.
#[derive(Clone, Debug, Default)]
pub struct Report(Arc<Mutex<Option<Last>>>);

/// How the last request went, and those before it that went the same way.
#[derive(Clone, Debug)]
pub struct Last {
    /// When the first of them ended.
    pub since: Instant,
    /// Why the last one was not taken, and what to do; nothing where it was.
    pub failure: Option<Arc<str>>,
}

impl Report {
    /// How the last request went; nothing where there was none.
    #[must_use]
    pub fn last(&self) -> Option<Last> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, failure: Option<String>, now: Instant) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match &*last {
            Some(last) if last.failure.is_some() == failure.is_some() => last.since,
            _ => now,
        };
        *last = Some(Last {
            since,
            failure: failure.map(Arc::from),
        });
    }
}

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// What is delivered.
    signal: Signal,
    state: State,
    pub(super) report: Report,
    /// Whether the backend's remark on what it takes has been said.
    remarked: bool,
    /// When the time began in which changes are counted, and how many there were.
    changes: Option<(Instant, u32)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Untried,
    Works,
    Fails(Kind),
}

impl Health {
    pub(super) fn of(signal: Signal) -> Self {
        Self {
            signal,
            ..Self::default()
        }
    }

    /// What the log calls it: samples are what an agent is about, and need no word.
    fn what(&self) -> &'static str {
        match self.signal {
            Signal::Metrics => "",
            Signal::Traces => " of traces",
            Signal::Logs => " of events",
        }
    }

    /// A request was taken, after which so much still waits and so much was dropped since the start.
    pub(super) fn delivered(
        &mut self,
        answer: &Answer,
        waiting: usize,
        dropped: u64,
        now: Instant,
    ) {
        self.report.note(None, now);
        if self.state != State::Works && self.may_say(now) {
            let what = self.what();
            match std::mem::replace(&mut self.state, State::Works) {
                State::Fails(_) => {
                    tracing::info!(waiting, dropped, "delivery{what} works again");
                }
                State::Untried | State::Works => tracing::info!("delivery{what} works"),
            }
        }
        let remark = answer.rejected_points > 0 || !answer.message.is_empty();
        if !remark {
            self.remarked = false;
        } else if !self.remarked && self.may_say(now) {
            self.remarked = true;
            let (rejected, said) = (answer.rejected_points, printable(&answer.message));
            if self.signal == Signal::Logs {
                tracing::warn!(
                    rejected_events = rejected,
                    "the backend took a request of events, with a remark: {said}; it is not said again until a request is taken without one",
                );
            } else {
                tracing::warn!(
                    rejected_points = rejected,
                    "the backend took a request, with a remark: {said}; it is not said again until a request is taken without one",
                );
            }
        }
    }

    /// A request was not taken, and is kept.
    pub(super) fn failed(
        &mut self,
        failure: &Failure,
        verdict: Verdict,
        waiting: usize,
        now: Instant,
    ) {
        let message = &failure.message;
        let advice = match verdict {
            Verdict::Mend(advice) => format!(": {advice}"),
            _ => String::new(),
        };
        self.report.note(Some(format!("{message}{advice}")), now);
        if !self.is_news(failure.kind, now) {
            return;
        }
        let what = match self.signal {
            Signal::Metrics => "",
            Signal::Traces => " traces",
            Signal::Logs => " events",
        };
        // Many a backend takes metrics alone, and of those nothing is wrong.
        if matches!(verdict, Verdict::Mend(_)) && self.signal == Signal::Metrics {
            tracing::error!(
                waiting,
                "cannot deliver{what}: {message}{advice}; keeping what waits and trying on"
            );
        } else {
            tracing::warn!(
                waiting,
                "cannot deliver{what}: {message}{advice}; keeping what waits and trying on"
            );
        }
    }

    /// A record was not taken and is dropped.
    pub(super) fn dropped(&mut self, failure: &Failure, dropped: u64, now: Instant) {
        self.report.note(Some(failure.message.clone()), now);
        if self.is_news(failure.kind, now) {
            tracing::error!(
                dropped,
                "the backend refuses {} {}, which is dropped: {}",
                if self.signal == Signal::Logs {
                    "an"
                } else {
                    "a"
                },
                self.signal.record(),
                failure.message
            );
        }
    }

    fn is_news(&mut self, kind: Kind, now: Instant) -> bool {
        let news = self.state != State::Fails(kind) && self.may_say(now);
        if news {
            self.state = State::Fails(kind);
        }
        news
    }

    /// Whether one more change may be said. What may not is said later, if it then still holds.
    fn may_say(&mut self, now: Instant) -> bool {
        let (began, count) = match self.changes {
            Some((began, count)) if now.saturating_duration_since(began) < WITHIN => {
                (began, count + 1)
            }
            _ => (now, 1),
        };
        self.changes = Some((began, count));
        if count == MOST_CHANGES + 1 {
            tracing::warn!(
                "delivery goes from one state to another and back; for up to {WITHIN:?} this is not said any more"
            );
        }
        count <= MOST_CHANGES
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "some moment to count from")]
mod tests {
    use super::*;

    #[test]
    fn changes_are_said_until_they_are_too_many_and_then_again_later() {
        let start = Instant::now();
        let mut health = Health::default();
        let mut said = |after: u64| {
            let now = start + Duration::from_secs(after);
            u32::from(health.is_news(Kind::Refused, now))
                + u32::from(health.is_news(Kind::Lost, now))
        };
        assert_eq!((0..100).map(&mut said).sum::<u32>(), MOST_CHANGES);
        assert_eq!(said(WITHIN.as_secs() + 100), 2);
    }

    #[test]
    fn a_remark_that_could_not_be_said_is_said_later() {
        let start = Instant::now();
        let mut health = Health::default();
        for _ in 0..MOST_CHANGES {
            health.is_news(Kind::Refused, start);
            health.is_news(Kind::Lost, start);
        }
        let answer = Answer {
            rejected_points: 5,
            ..Answer::default()
        };
        health.delivered(&answer, 0, 0, start);
        assert!(!health.remarked);
        health.delivered(&answer, 0, 0, start + WITHIN);
        assert!(health.remarked);
    }

    #[test]
    fn the_same_again_is_no_news() {
        let now = Instant::now();
        let mut health = Health::default();
        assert!(health.is_news(Kind::Refused, now));
        assert!(!health.is_news(Kind::Refused, now + 2 * WITHIN));
    }
    #[test]
    fn a_report_tells_how_it_goes_and_since_when() {
        let start = Instant::now();
        let mut health = Health::default();
        let report = health.report.clone();
        assert!(report.last().is_none(), "nothing was tried");
        let failure = |message: &str| Failure {
            kind: Kind::Refused,
            message: message.to_owned(),
            asked: None,
        };
        let told = || {
            let last = report.last().unwrap();
            (last.failure, last.since - start)
        };
        let seconds = Duration::from_secs;
        health.failed(&failure("first"), Verdict::Retry, 0, start);
        health.failed(
            &failure("second"),
            Verdict::Mend("mend it"),
            0,
            start + seconds(7),
        );
        assert_eq!(told(), (Some("second: mend it".into()), seconds(0)));
        health.delivered(&Answer::default(), 0, 0, start + seconds(8));
        health.delivered(&Answer::default(), 0, 0, start + seconds(9));
        assert_eq!(told(), (None, seconds(8)));
        health.dropped(&failure("bad"), 1, start + seconds(10));
        assert_eq!(told(), (Some("bad".into()), seconds(10)));
    }

    /// A log that a test can read.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn of_events_it_says_that_it_is_events_and_that_they_cannot_be_taken_is_no_error() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let now = Instant::now();
        let failure = Failure {
            kind: Kind::Http(404),
            message: "HTTP 404".to_owned(),
            asked: None,
        };
        for signal in [Signal::Metrics, Signal::Logs] {
            let mut health = Health::of(signal);
            health.failed(&failure, Verdict::Mend("mend it"), 3, now);
            health.delivered(&Answer::default(), 0, 0, now);
            let refused = Failure {
                kind: Kind::Http(400),
                ..failure.clone()
            };
            health.dropped(&refused, 1, now);
        }
        let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let said: Vec<_> = said.lines().collect();
        for (line, words) in said.iter().zip([
            ["ERROR", "cannot deliver: HTTP 404: mend it"],
            ["INFO", "delivery works again"],
            ["ERROR", "refuses a sample, which is dropped"],
            ["WARN", "cannot deliver events: HTTP 404: mend it"],
            ["INFO", "delivery of events works again"],
            ["ERROR", "refuses an event, which is dropped"],
        ]) {
            assert!(words.iter().all(|word| line.contains(word)), "{line}");
        }
        assert_eq!(said.len(), 6);
    }
}
