//! Two ways to read, compared until it is known whether both can be right.

use std::fmt::Display;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::chosen::{RECOVERY, RELIANCE};
use super::compare::{Places, compare};
use super::diag::DiagError;
use super::ways::Kernel;
use super::{ReadError, Reading, Source};

/// Two ways disagree if they do so in the same place so often: no counter tells of a listener that comes and goes.
const ROUNDS: u32 = 8;

/// So often something may fail, or take longer than a reading may.
const MOST_FAILURES: u32 = 2;

/// Two ways that are compared, round by round.
#[derive(Debug)]
pub(super) struct Comparison {
    cheap: Source,
    dear: Source,
    rounds: u32,
    /// Where they disagreed in every round.
    places: Option<Places>,
    /// What that was in the last one.
    said: String,
    failures: u32,
    stops: u32,
}

/// How one round ended.
struct Round {
    /// A reading that is right: the cheap one, or if that is in doubt the dear one.
    reading: Reading,
    places: Places,
    said: String,
}

/// Why a way is not relied on, and which one is instead.
pub(super) struct Verdict {
    pub(super) way: Source,
    pub(super) why: String,
    /// For so long.
    pub(super) holds: Duration,
}

impl Comparison {
    /// A comparison of a cheap way with a dear one, of which nothing is known yet.
    pub(super) fn of(cheap: Source, dear: Source) -> Self {
        Self {
            cheap,
            dear,
            rounds: 0,
            places: None,
            said: String::new(),
            failures: 0,
            stops: 0,
        }
    }

    /// Whether it is with the tables.
    pub(super) fn is_of_tables(&self) -> bool {
        self.dear == Source::Text
    }

    /// Whether the two have disagreed in every round so far.
    pub(super) fn has_doubts(&self) -> bool {
        self.places.is_some()
    }

    /// Whether there is any use in going on after a round that did not end in time.
    pub(super) fn may_go_on(&mut self) -> bool {
        self.stops += 1;
        self.stops < MOST_FAILURES
    }

    /// Whether two ways agree: in one round, or in no place in all of them.
    pub(super) fn agree(
        &mut self,
        kernel: &mut impl Kernel,
        stop: &AtomicBool,
    ) -> Result<Result<Reading, Verdict>, ReadError> {
        loop {
            match self.once(kernel, stop) {
                Ok(round) => {
                    self.stops = 0;
                    self.rounds += 1;
                    let before = self.places.unwrap_or(round.places);
                    let places = before.and(round.places);
                    self.places = Some(places);
                    if places == Places::NONE {
                        return Ok(Ok(round.reading));
                    }
                    self.said = round.said;
                    if self.rounds >= ROUNDS {
                        return Ok(Err(self.disagrees()));
                    }
                }
                Err(ReadError::Diag(error)) if !matches!(error, DiagError::Stopped) => {
                    self.failures += 1;
                    if self.failures >= MOST_FAILURES {
                        return Ok(Err(Verdict {
                            way: Source::Text,
                            why: netlink_is_off(error),
                            holds: RECOVERY,
                        }));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn once(&self, kernel: &mut impl Kernel, stop: &AtomicBool) -> Result<Round, ReadError> {
        let Self { cheap, dear, .. } = *self;
        let before = kernel.activity().map_err(DiagError::from)?;
        // By turns: what comes and goes in step with us would always be seen by the same one.
        let (one, other) = if self.rounds.is_multiple_of(2) {
            let one = kernel.take(cheap, stop);
            (one, kernel.take(dear, stop)?)
        } else {
            let other = kernel.take(dear, stop)?;
            (kernel.take(cheap, stop), other)
        };
        let after = kernel.activity().map_err(DiagError::from)?;
        if let Err(ReadError::Diag(DiagError::Negative(negative))) = one {
            let is_explained = negative.deficit() <= after.connections_since(&before);
            return Ok(Round {
                reading: other,
                places: if is_explained {
                    Places::NONE
                } else {
                    Places::less_in(negative.state)
                },
                said: negative.to_string(),
            });
        }
        let one = one?;
        let found = compare(&one, &other, &before, &after);
        let places = Places::of(&found);
        let common = self.places.map_or(places, |known| known.and(places));
        let said = found.iter().find(|it| common.hold(it));
        Ok(Round {
            said: said.map_or_else(String::new, ToString::to_string),
            reading: if found.is_empty() { one } else { other },
            places,
        })
    }

    fn disagrees(&self) -> Verdict {
        let why = match self.dear {
            Source::Text => netlink_is_off(&self.said),
            _ => sparse_is_off(&self.said),
        };
        Verdict {
            way: self.dear,
            why,
            holds: RELIANCE,
        }
    }
}

pub(super) fn netlink_is_off(why: impl Display) -> String {
    format!("readings over netlink are off: {why}")
}

pub(super) fn sparse_is_off(why: impl Display) -> String {
    format!("sparse readings are off: {why}")
}
