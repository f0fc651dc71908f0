//! The source that is used: the cheapest that is right.
//!
//! A sparse reading over netlink stands on what is known of kernels, and a kernel may be otherwise. So it is compared with
//! a full dump, and that with the tables, before anything is believed, and again now and then. What disagrees or fails gives
//! way to what costs more, and is tried again later.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::compare::{Disagreement, compare};
use super::diag::DiagError;
use super::diag::tally::Negative;
use super::ways::{Kernel, Ways};
use super::{Choice, Impossible, Options, ReadError, Reading, Source};

/// So long what was found is relied on.
const RELIANCE: Duration = Duration::from_mins(15);

/// So soon is tried again what failed and was not wrong.
const RECOVERY: Duration = Duration::from_mins(1);

/// A comparison that disagrees is made again, for what changes meanwhile cannot all be known: no counter tells of a listener that
/// comes and goes.
const COMPARISONS: u32 = 5;

/// A source that weighs how to read, and says so with each reading.
#[derive(Debug)]
pub struct Chosen<K = Ways> {
    kernel: K,
    choice: Choice,
    settled: Option<Settled>,
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

/// What makes one comparison fail.
#[derive(Clone, Copy)]
enum Doubt {
    Negative(Negative),
    Disagreement(Disagreement),
}

impl Doubt {
    fn is_again(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Negative(one), Self::Negative(other)) => one.state == other.state,
            (Self::Disagreement(one), Self::Disagreement(other)) => one.is_again(other),
            _ => false,
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Negative(negative) => negative.fmt(f),
            Self::Disagreement(disagreement) => disagreement.fmt(f),
        }
    }
}

/// Why a way is not relied on.
enum Trouble {
    /// It is wrong.
    Disagrees(String),
    /// It cannot be used, now.
    Fails(String),
}

impl Chosen {
    /// A source for `options`. Nothing is read yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self::of(options.choice, Ways::new(options))
    }
}

impl<K: Kernel> Chosen<K> {
    fn of(choice: Choice, kernel: K) -> Self {
        Self {
            kernel,
            choice,
            settled: None,
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
        let first = match self.take_settled(way, stop) {
            Err(ReadError::Diag(error)) if !matches!(error, DiagError::Stopped) => error,
            reading => return reading,
        };
        if let DiagError::Negative(_) = first {
            return self.read_again_watchfully(now, stop);
        }
        match self.take(way, stop) {
            Err(ReadError::Diag(error)) if !matches!(error, DiagError::Stopped) => {
                self.step_down(Source::Text, &netlink_is_off(&error), now + RECOVERY, stop)
            }
            reading => reading,
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
            .filter(|found| found.impossible.is_none());
        let known = known.map(|found| found.way);
        let weighed = match self.compare_all(known, stop) {
            Err(error) if error.is_stopped() => {
                // It would take as long the next time.
                let why = "comparing the ways to read takes longer than a reading may";
                match &mut self.settled {
                    Some(settled) if known.is_some() => settled.until = Some(now + RELIANCE),
                    _ => self.settle(Source::Text, why, Some(now + RELIANCE)),
                }
                return Err(error);
            }
            weighed => weighed?,
        };
        let (way, why, until) = match weighed {
            Ok(reading) => {
                let why = "this process's own network namespace; sparse and full dumps agree";
                self.settle(Source::Diag, why, Some(now + RELIANCE));
                return Ok(self.sign(reading));
            }
            Err((way, Trouble::Disagrees(why))) => (way, why, now + RELIANCE),
            Err((way, Trouble::Fails(why))) => (way, why, now + RECOVERY),
        };
        if known.is_some_and(|known| known >= way) {
            // It is no worse than it was.
            self.settle(way, &why, Some(until));
            self.take_settled(way, stop)
        } else {
            self.step_down(way, &why, until, stop)
        }
    }

    /// A sparse reading if that is right, else the way to take and what is wrong with the cheaper ones.
    fn compare_all(
        &mut self,
        known: Option<Source>,
        stop: &AtomicBool,
    ) -> Result<Result<Reading, (Source, Trouble)>, ReadError> {
        if matches!(known, None | Some(Source::Text))
            && let Err(trouble) = self.agree(Source::DiagFull, Source::Text, stop)?
        {
            let (Trouble::Disagrees(why) | Trouble::Fails(why)) = &trouble;
            let why = netlink_is_off(why);
            return Ok(Err((Source::Text, trouble.because(why))));
        }
        if let Err(unproven) = self.kernel.counts_mptcp() {
            let why = sparse_is_off(&unproven);
            return Ok(Err((Source::DiagFull, Trouble::Disagrees(why))));
        }
        Ok(match self.agree(Source::Diag, Source::DiagFull, stop)? {
            Ok(reading) => Ok(reading),
            Err(Trouble::Disagrees(why)) => {
                Err((Source::DiagFull, Trouble::Disagrees(sparse_is_off(&why))))
            }
            Err(Trouble::Fails(why)) => Err((Source::Text, Trouble::Fails(netlink_is_off(&why)))),
        })
    }

    /// Whether two ways agree; the reading is that of the first, unless it cannot be had while so much changes.
    fn agree(
        &mut self,
        first: Source,
        second: Source,
        stop: &AtomicBool,
    ) -> Result<Result<Reading, Trouble>, ReadError> {
        let mut failed = false;
        let mut doubt: Option<Doubt> = None;
        for _ in 0..COMPARISONS {
            match self.agree_once(first, second, stop) {
                Ok((reading, None)) => return Ok(Ok(reading)),
                Ok((reading, Some(found))) => {
                    // What is not wrong in the same way again is of sockets that came and went.
                    if doubt.is_some_and(|before| !found.is_again(&before)) {
                        return Ok(Ok(reading));
                    }
                    doubt = Some(found);
                }
                Err(error) if error.is_stopped() => return Err(error),
                Err(ReadError::Diag(error)) => {
                    if std::mem::replace(&mut failed, true) {
                        return Ok(Err(Trouble::Fails(error.to_string())));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let why = doubt.map_or_else(
            || "it fails now and then".to_owned(),
            |doubt| doubt.to_string(),
        );
        Ok(Err(Trouble::Disagrees(why)))
    }

    /// The reading of the first, if it can be had, and what is doubtful about it.
    fn agree_once(
        &mut self,
        first: Source,
        second: Source,
        stop: &AtomicBool,
    ) -> Result<(Reading, Option<Doubt>), ReadError> {
        let before = self.kernel.activity().map_err(DiagError::from)?;
        let one = self.kernel.take(first, stop);
        let other = self.kernel.take(second, stop)?;
        let after = self.kernel.activity().map_err(DiagError::from)?;
        match one {
            Err(ReadError::Diag(DiagError::Negative(negative))) => {
                let is_explained = negative.deficit() <= after.connections_since(&before);
                Ok((other, (!is_explained).then_some(Doubt::Negative(negative))))
            }
            one => {
                let one = one?;
                let doubt = compare(&one, &other, &before, &after).err();
                Ok((one, doubt.map(Doubt::Disagreement)))
            }
        }
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
        let why = match &self.settled {
            // Whoever looks for a change sees none.
            Some(settled) if *settled.why == *why => Arc::clone(&settled.why),
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

impl Trouble {
    fn because(&self, why: String) -> Self {
        match self {
            Self::Disagrees(_) => Self::Disagrees(why),
            Self::Fails(_) => Self::Fails(why),
        }
    }
}

fn netlink_is_off(why: impl fmt::Display) -> String {
    format!("readings over netlink are off: {why}")
}

fn sparse_is_off(why: impl fmt::Display) -> String {
    format!("sparse readings are off: {why}")
}

#[cfg(test)]
#[path = "chosen_tests.rs"]
mod tests;
