//! The source that is used: the cheapest that is right.
//!
//! A sparse reading over netlink stands on what is known of kernels, and a kernel may be otherwise. So it is compared with
//! a full dump, and that with the tables, before anything is believed, and again now and then. What disagrees or fails gives
//! way to what costs more, and is tried again later.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::comparison::{Comparison, Verdict, netlink_is_off, sparse_is_off};
use super::diag::{DiagError, Unproven};
use super::socket::Socket;
use super::ways::{Kernel, Ways};
use super::{Choice, Counted, Impossible, Options, ReadError, Reading, Source};

/// So long what was found is relied on.
pub(super) const RELIANCE: Duration = Duration::from_mins(15);

/// So soon is tried again what failed and was not wrong.
pub(super) const RECOVERY: Duration = Duration::from_mins(1);

/// So often in a row a reading may take longer than it may.
const MOST_STOPS: u32 = 2;

/// A source that weighs how to read, and says so with each reading.
#[derive(Debug)]
pub struct Chosen<K = Ways> {
    kernel: K,
    choice: Choice,
    settled: Option<Settled>,
    /// What has begun and not ended, for want of time; it goes on with the next reading.
    comparison: Option<Comparison>,
    /// Readings in a row that took longer than they may.
    stopped: u32,
    step_downs: u64,
}

/// What was found.
#[derive(Clone, Debug)]
struct Settled {
    way: Source,
    why: Arc<str>,
    /// Nothing where only another place to read could change it.
    until: Option<Instant>,
    impossible: Option<Impossible>,
}

impl Chosen {
    /// A source for `options`. Nothing is read yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self::of(options.choice, Ways::new(options))
    }

    /// Shows every socket to `see`, in the way in which `reading` was taken.
    pub fn show(
        &mut self,
        reading: &Reading,
        stop: &AtomicBool,
        see: &mut impl FnMut(&Socket<'_>),
    ) -> Result<Counted, ReadError> {
        self.kernel.show(reading.source, stop, see)
    }
}

impl<K: Kernel> Chosen<K> {
    fn of(choice: Choice, kernel: K) -> Self {
        Self {
            kernel,
            choice,
            settled: None,
            comparison: None,
            stopped: 0,
            step_downs: 0,
        }
    }

    /// Takes a reading at `now`. Allocates nothing, except when what was found before must be found anew.
    pub fn read(&mut self, now: Instant, stop: &AtomicBool) -> Result<Reading, ReadError> {
        if self.choice == Choice::Text {
            if self.settled.is_none() {
                self.settle(Source::Text, "asked for with --source text", None);
            }
            return self.take(Source::Text, stop);
        }
        if let Err(impossible) = self.kernel.allows_diag()? {
            return self.read_elsewhere(impossible, stop);
        }
        match &self.settled {
            Some(Settled {
                way,
                until: Some(until),
                ..
            }) if now < *until => self.read_so(*way, now, stop),
            _ => self.weigh(now, stop),
        }
    }

    /// Takes a reading where netlink does not tell of what is wanted.
    fn read_elsewhere(
        &mut self,
        impossible: Impossible,
        stop: &AtomicBool,
    ) -> Result<Reading, ReadError> {
        self.comparison = None;
        if self.choice == Choice::Diag {
            self.settled = None;
            return Err(ReadError::Impossible(impossible));
        }
        let known = self.settled.as_ref().and_then(|found| found.impossible);
        if known != Some(impossible) {
            self.settle(Source::Text, &impossible.to_string(), None);
            if let Some(settled) = &mut self.settled {
                settled.impossible = Some(impossible);
            }
        }
        self.take(Source::Text, stop)
    }

    /// Takes a reading in the way that was found right.
    fn read_so(
        &mut self,
        way: Source,
        now: Instant,
        stop: &AtomicBool,
    ) -> Result<Reading, ReadError> {
        let mut reading = self.take_settled(way, stop);
        if let Err(ReadError::Diag(error)) = &reading
            && !matches!(error, DiagError::Stopped)
        {
            reading = match error {
                DiagError::Negative(_) => self.read_again_watchfully(now, stop),
                _ => self.take(way, stop),
            };
        }
        match reading {
            Err(error) if error.is_stopped() => {
                self.stopped += 1;
                if way != Source::Text && self.stopped >= MOST_STOPS {
                    // Not of the last word: whoever waited for it is gone, and the next reading may be another.
                    self.stopped = 0;
                    self.step_downs += 1;
                    let why = netlink_is_off("it takes longer than a reading may");
                    self.settle(Source::Text, &why, Some(now + RECOVERY));
                }
                Err(error)
            }
            Err(ReadError::Diag(error)) => {
                let why = netlink_is_off(error);
                self.step_down(Source::Text, &why, now + RECOVERY, stop)
            }
            reading => {
                self.stopped = 0;
                reading
            }
        }
    }

    /// Takes a sparse reading after one that could not be: connections that ended between the counters and the dump explain
    /// it, or nothing does.
    fn read_again_watchfully(
        &mut self,
        now: Instant,
        stop: &AtomicBool,
    ) -> Result<Reading, ReadError> {
        let before = self.kernel.activity().map_err(DiagError::from)?;
        let negative = match self.take(Source::Diag, stop) {
            Err(ReadError::Diag(DiagError::Negative(negative))) => negative,
            reading => return reading,
        };
        let after = self.kernel.activity().map_err(DiagError::from)?;
        if negative.deficit() <= after.connections_since(&before) {
            return self.take(Source::DiagFull, stop);
        }
        let why = sparse_is_off(negative);
        self.step_down(Source::DiagFull, &why, now + RELIANCE, stop)
    }

    /// Finds out which way is right, and takes a reading in it.
    fn weigh(&mut self, now: Instant, stop: &AtomicBool) -> Result<Reading, ReadError> {
        let known = self
            .settled
            .as_ref()
            .filter(|found| found.impossible.is_none())
            .map(|found| found.way);
        let mut comparison = self.comparison.take().unwrap_or_else(|| match known {
            None | Some(Source::Text) => Comparison::of(Source::DiagFull, Source::Text),
            _ => Comparison::of(Source::Diag, Source::DiagFull),
        });
        let verdict = match self.compare_all(&mut comparison, stop) {
            Ok(Ok(reading)) => {
                let why = "this process's own network namespace; sparse and full dumps agree";
                self.settle(Source::Diag, why, Some(now + RELIANCE));
                return Ok(self.sign(reading));
            }
            Ok(Err(verdict)) => verdict,
            Err(error) => {
                self.put_off(comparison, known, &error, now);
                return Err(error);
            }
        };
        let until = now + verdict.holds;
        if known.is_some_and(|known| known >= verdict.way) {
            // It is no worse than it was.
            self.settle(verdict.way, &verdict.why, Some(until));
            self.take_settled(verdict.way, stop)
        } else {
            self.step_down(verdict.way, &verdict.why, until, stop)
        }
    }

    /// A comparison did not end in the time that a reading has. It goes on with the next one, unless it would never end.
    fn put_off(
        &mut self,
        mut comparison: Comparison,
        known: Option<Source>,
        error: &ReadError,
        now: Instant,
    ) {
        if !error.is_stopped() {
            return;
        }
        if comparison.may_go_on() {
            self.comparison = Some(comparison);
            return;
        }
        let until = Some(now + RELIANCE);
        match (&mut self.settled, known) {
            // Nothing has been found against it.
            (Some(settled), Some(_)) if !comparison.has_doubts() => settled.until = until,
            _ => {
                // It counts each socket, and derives nothing.
                let why = sparse_is_off("to compare them takes longer than a reading may");
                self.step_downs += u64::from(known.is_none_or(|known| known < Source::DiagFull));
                self.settle(Source::DiagFull, &why, until);
            }
        }
    }

    /// A reading if the sparse ones are right, or else what is.
    fn compare_all(
        &mut self,
        comparison: &mut Comparison,
        stop: &AtomicBool,
    ) -> Result<Result<Reading, Verdict>, ReadError> {
        if comparison.is_of_tables() {
            if let Err(verdict) = comparison.agree(&mut self.kernel, stop)? {
                return Ok(Err(verdict));
            }
            *comparison = Comparison::of(Source::Diag, Source::DiagFull);
        }
        if let Err(unproven) = self.kernel.counts_mptcp() {
            return Ok(Err(Verdict {
                way: Source::DiagFull,
                why: sparse_is_off(&unproven),
                holds: match unproven {
                    Unproven::Uncounted => RELIANCE,
                    Unproven::Untried(_) | Unproven::Counters(_) => RECOVERY,
                },
            }));
        }
        comparison.agree(&mut self.kernel, stop)
    }

    fn step_down(
        &mut self,
        way: Source,
        why: &str,
        until: Instant,
        stop: &AtomicBool,
    ) -> Result<Reading, ReadError> {
        self.step_downs += 1;
        self.settle(way, why, Some(until));
        self.take_settled(way, stop)
    }

    fn settle(&mut self, way: Source, why: &str, until: Option<Instant>) {
        // Whoever looks for a change sees none where only a number is another.
        let words = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
        let why = match &self.settled {
            Some(settled) if words(&settled.why) == words(why) => Arc::clone(&settled.why),
            _ => Arc::from(why),
        };
        self.settled = Some(Settled {
            way,
            why,
            until,
            impossible: None,
        });
    }

    /// Takes a reading in the way that is settled on, unless that is the tables and nobody wants them.
    fn take_settled(&mut self, way: Source, stop: &AtomicBool) -> Result<Reading, ReadError> {
        match &self.settled {
            Some(settled) if way == Source::Text && self.choice == Choice::Diag => {
                Err(ReadError::Distrusted(Arc::clone(&settled.why)))
            }
            _ => self.take(way, stop),
        }
    }

    fn take(&mut self, way: Source, stop: &AtomicBool) -> Result<Reading, ReadError> {
        let reading = self.kernel.take(way, stop)?;
        Ok(self.sign(reading))
    }

    fn sign(&self, mut reading: Reading) -> Reading {
        reading.why = self.settled.as_ref().map(|found| Arc::clone(&found.why));
        reading.step_downs = self.step_downs;
        reading
    }
}

#[cfg(test)]
#[path = "chosen_tests.rs"]
mod tests;
