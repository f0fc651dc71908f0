//! A port that is listened on, and how many sockets belong there.

use std::cmp::Reverse;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::judge::{Tenths, Time};
use super::moved::Moved;

/// Where the ports begin that a kernel hands out to who asks for any.
pub(super) const ANY_PORT: u16 = 32_768;
/// Stands for all of those together, or for all ports where they are not known.
pub(super) const TOGETHER: u16 = 0;
/// The number that no user has.
pub(super) const NOBODY: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Port {
    pub(super) number: u16,
    /// So many sockets belong there.
    pub(super) level: u16,
    /// So many are there.
    pub(super) now: u16,
    /// So many are steadily, or have been told of at most, while there are more than belong there.
    pub(super) other: u16,
    pub(super) way: Way,
    /// Whether it was there from the beginning.
    pub(super) is_old: bool,
    /// Whether it has been told of that it goes that way.
    pub(super) is_told: bool,
    #[serde(default)]
    pub(super) trust: Trust,
    /// Whether the machine was booted, and it has not been there again since.
    #[serde(default)]
    pub(super) is_awaited: bool,
    /// Since when it goes that way.
    pub(super) since: Tenths,
    /// While it goes as usual, when all that belong there were last there; else since when it does not, by the engine's clock.
    pub(super) last: Tenths,
    /// [`NOBODY`] where it is not known.
    pub(super) user: u32,
}

/// Whether it comes and goes, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Trust {
    /// Nobody knows.
    #[default]
    New,
    /// It was told of that it went when nobody knew: now it has to stay.
    Doubted,
    /// It was there from the beginning or has stayed for long: it belongs there whenever it is back.
    Proven,
}

/// How many there are against what belongs there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Way {
    #[default]
    Same,
    More,
    Fewer,
}

impl Port {
    /// For how long it has gone this way, having just been seen to.
    pub(super) fn goes(&mut self, way: Way, time: &Time) -> Tenths {
        if self.way != way {
            self.way = way;
            self.since = time.known;
            // Gaps are no part of what is known, and of how long it has been they are.
            self.last = if way == Way::Same {
                time.known
            } else {
                time.now
            };
            self.is_told = false;
        }
        time.known.saturating_sub(self.since)
    }

    /// What is told of it.
    pub(super) fn moved(&self) -> Moved {
        Moved {
            port: self.number,
            user: Some(self.user).filter(|user| *user != NOBODY),
            sockets: u32::from(self.now),
            since: self.last,
            is_back: false,
            back: 0,
        }
    }

    /// What is told of it, for which so many more count than belong there.
    pub(super) fn tell_more(&mut self, more: u16) -> Moved {
        self.is_told = true;
        self.other = self.other.max(self.level.saturating_add(more));
        self.moved()
    }

    /// Whether the kernel hands it out to who asks for any.
    pub(super) fn is_any(&self) -> bool {
        self.number >= ANY_PORT
    }

    /// Whether both may be of the same user, as far as that is known.
    pub(super) fn is_of_the_user(&self, other: &Self) -> bool {
        self.user == other.user || self.user == NOBODY || other.user == NOBODY
    }
}

/// Puts in the place of what is gone what has come since on another port that the kernel hands out: a service that has
/// restarted. What has come, and not for long enough yet.
pub(super) fn replace(ports: &mut [Port], time: &Time, held: Duration) -> Vec<Port> {
    let mut coming = Vec::new();
    let more = |port: &&Port| port.is_any() && port.now > port.level;
    let mut come: Vec<_> = ports.iter().filter(more).copied().collect();
    come.retain(|port| {
        let past = time.known.saturating_sub(port.since);
        let is_ripe = port.way == Way::More && past > 0 && time.is_as_long(past, held);
        if !is_ripe {
            coming.push(*port);
        }
        is_ripe
    });
    come.sort_by_key(|port| Reverse(port.since));
    let step = time.interval.saturating_add(time.slack);
    let is_gone = |port: &&mut Port| {
        let past = time.known.saturating_sub(port.since);
        port.is_any()
            && port.now < port.level
            && port.way == Way::Fewer
            && !port.is_told
            && time.is_as_long(past, held)
    };
    let mut placed = Vec::new();
    for gone in ports.iter_mut().filter(is_gone) {
        for one in &mut come {
            // It may have come before the other went.
            if one.is_of_the_user(gone) && one.since.saturating_add(step) >= gone.since {
                let sockets = (gone.level - gone.now).min(one.now - one.level);
                gone.level -= sockets;
                one.level += sockets;
                placed.push((one.number, sockets));
            }
        }
    }
    for (number, sockets) in placed {
        let place = ports.binary_search_by_key(&number, |one| one.number);
        if let Some(port) = place.ok().and_then(|place| ports.get_mut(place)) {
            port.level += sockets;
        }
    }
    coming
}
