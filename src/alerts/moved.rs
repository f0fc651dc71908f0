//! The ports that an alert tells of: each once, however often it goes and comes while the alert stands, but anew where it had
//! settled in between.

use serde::{Deserialize, Serialize};

use super::judge::Tenths;
use super::observation::Listening;
use super::port::ANY_PORT;
use super::rule::Side;

/// One alert has room for no more.
pub(super) const MOST_TOLD: usize = 16;

/// A port that has fewer or more listeners than before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Moved {
    /// The port; 0 where only the number of all is known.
    pub(super) port: u16,
    /// Whose it is.
    pub(super) user: Option<u32>,
    /// How many listen there now.
    pub(super) sockets: u32,
    /// Since when, by the engine's clock.
    pub(super) since: Tenths,
    /// Whether that is over, and only the alert stands for others.
    pub(super) is_back: bool,
    /// Since when that is so.
    #[serde(default)]
    pub(super) back: Tenths,
}

impl Moved {
    /// Whether it is no longer on that side of what belongs there.
    pub(super) fn is_as_it_was(&self, side: Side) -> bool {
        (self.sockets > 0) == (side == Side::Below)
    }
}

/// Takes in which ports it is at a time, those that are to be told of first. Whether there are any of these: they were not told
/// of before, or have been as they were for as long as it takes to `settle`.
///
/// Of ports that a kernel hands out the number counts: one in the place of another is nothing new.
pub(super) fn add(
    told: &mut Vec<Moved>,
    now: &[Moved],
    side: Side,
    at: Tenths,
    settle: Tenths,
) -> bool {
    let is_any = |one: &Moved| side == Side::Above && one.port >= ANY_PORT;
    let count = |all: &[Moved]| all.iter().filter(|one| is_any(one)).count();
    let mut more = count(now).saturating_sub(count(told));
    for known in told.iter_mut() {
        if !known.is_back && !now.iter().any(|one| one.port == known.port) {
            known.is_back = true;
            known.back = at;
        }
    }
    let has_settled =
        |known: &Moved, one: &Moved| one.since.saturating_sub(known.back) >= settle && !is_any(one);
    let mut new = Vec::new();
    for one in now {
        if let Some(place) = told.iter().position(|known| known.port == one.port)
            && let Some(known) = told.get_mut(place)
        {
            if !known.is_back {
                *known = Moved {
                    since: known.since,
                    ..*one
                };
            } else if has_settled(known, one) {
                told.remove(place);
                new.push(*one);
            } else {
                *known = *one;
            }
        } else if is_any(one) && more == 0 {
            let mut gone = told.iter_mut().filter(|known| is_any(known));
            if let Some(gone) = gone.find(|known| known.is_back) {
                *gone = *one;
            }
        } else if told.len() + new.len() < MOST_TOLD || forget_one(told, side) {
            more = more.saturating_sub(usize::from(is_any(one)));
            new.push(*one);
        }
    }
    let is_more = new.iter().any(|one| one.port > 0);
    told.splice(0..0, new);
    is_more
}

/// Makes room: one that stayed as it became, and counts as usual, can neither come back nor go for minutes.
fn forget_one(told: &mut Vec<Moved>, side: Side) -> bool {
    let is_usual = |one: &Moved| one.is_back && !one.is_as_it_was(side);
    let place = told.iter().rposition(is_usual);
    place.map(|place| told.remove(place)).is_some()
}

/// Takes in how many listen on each, where that is known.
pub(super) fn count(told: &mut [Moved], listening: Option<&[Listening]>) {
    let Some(listening) = listening else { return };
    for known in told.iter_mut().filter(|known| known.port > 0) {
        let now = listening.iter().find(|now| now.port == known.port);
        known.sockets = now.map_or(0, |now| now.sockets);
    }
}

#[cfg(test)]
#[path = "moved_tests.rs"]
mod tests;
