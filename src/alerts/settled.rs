//! Which ports are listened on, and which of them belong there.
//!
//! A port that was there steadily for a while belongs there, and is missed once it is gone. What comes and goes never gets that
//! far. In the other direction, what has come is unexpected until it has been there for long. Programs that ask for any port get
//! one out of a range where each time it is another, so of those the number counts: no more than there have been within a day are
//! unexpected.

use std::cmp::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Subject;
use super::judge::{Finding, Judgement, Time, tenths};
use super::moved::Moved;
use super::observation::Listening;
use super::port::{ANY_PORT, NOBODY, Port, TOGETHER, Trust, Way, replace};
use super::rule::{Kind, Rule, Side};
use crate::culprits::Whose;
use crate::source::details::MOST_LISTENING;

/// What was there and told of is known for so long.
const KNOWN_FOR: Duration = Duration::from_hours(24);
/// A pod that ends closes its listeners, and then its connections: for so long it may.
const DRAINS_FOR: Duration = Duration::from_mins(2);
/// What restarts on another port that the kernel hands out is there again within that.
const REPLACED_WITHIN: Duration = Duration::from_mins(2);
/// So many ports are remembered.
const MOST_PORTS: usize = MOST_LISTENING * 2;

/// The ports, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Settled {
    ports: Vec<Port>,
    /// Whether anything was seen yet: there may be nothing to remember of it.
    begun: bool,
    /// Whether they are known, or only how many.
    named: bool,
    /// How many listened in all, last time.
    total: u32,
}

/// What is to be done with each port.
struct Terms<'a> {
    settle: Duration,
    accept_after: Duration,
    held: Duration,
    is_first: bool,
    time: &'a Time,
}

impl Settled {
    /// Whether it can have been made here.
    pub(super) fn is_sound(&self) -> bool {
        let in_order = self
            .ports
            .is_sorted_by(|one, other| one.number < other.number);
        in_order && self.ports.len() <= MOST_PORTS
    }

    /// What belongs there and is not there yet may be on its way.
    pub(super) fn await_all(&mut self) {
        self.ports
            .iter_mut()
            .for_each(|port| port.is_awaited = true);
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.ports.capacity() * size_of::<Port>()
    }

    /// Whether such a value can be held against what is known: where ports are, one without them is a gap if anything has moved.
    pub(super) fn knows(&self, subject: &Subject, value: f64) -> bool {
        !self.begun || !self.named || subject.listening.is_some() || self.total == whole(value)
    }

    pub(super) fn judge(
        &mut self,
        rule: &Rule,
        subject: &Subject,
        value: f64,
        time: &Time,
    ) -> Judgement {
        let Kind::Settled {
            side,
            settle,
            accept_after,
        } = rule.kind
        else {
            return Judgement::Between;
        };
        let is_first = self.see(subject.listening.as_deref(), whole(value), side);
        let terms = Terms {
            settle,
            accept_after,
            held: if matches!(subject.whose, Whose::Of(_)) && self.total == 0 {
                rule.held.max(DRAINS_FOR)
            } else {
                rule.held
            },
            is_first,
            time,
        };
        match side {
            Side::Below => self.below(&terms, value),
            Side::Above => self.above(&terms, value),
        }
    }

    /// Puts in how many there are now; whether it begins with that.
    fn see(&mut self, listening: Option<&[Listening]>, total: u32, side: Side) -> bool {
        let is_first = !std::mem::replace(&mut self.begun, true);
        self.total = total;
        // What is missed by number is missed until the number is as it was.
        let listening = listening.filter(|_| is_first || self.named || !self.is_off(side));
        match listening {
            Some(listening) => {
                let is_first = is_first || !self.named;
                if is_first {
                    self.ports.clear();
                }
                self.named = true;
                self.ports.iter_mut().for_each(|port| port.now = 0);
                for one in listening.iter().take(MOST_LISTENING) {
                    self.put(one.port, one.sockets, one.user);
                    if one.port >= ANY_PORT {
                        self.put(TOGETHER, one.sockets, None);
                    }
                }
                is_first
            }
            // What was read before stands: nothing has moved.
            None if self.named => false,
            None => {
                self.ports.iter_mut().for_each(|port| port.now = 0);
                self.put(TOGETHER, total, None);
                is_first
            }
        }
    }

    /// Whether there are fewer, or more, than belong there, where only their number is known.
    fn is_off(&self, side: Side) -> bool {
        let level = self.ports.first().map_or(0, |port| u32::from(port.level));
        match side {
            Side::Below => self.total < level,
            Side::Above => self.total > level,
        }
    }

    fn put(&mut self, port: u16, sockets: u32, user: Option<u32>) {
        let sockets = u16::try_from(sockets).unwrap_or(u16::MAX);
        match self.ports.binary_search_by_key(&port, |known| known.number) {
            Ok(place) => {
                if let Some(known) = self.ports.get_mut(place) {
                    known.now = known.now.saturating_add(sockets);
                    known.user = user.unwrap_or(known.user);
                }
            }
            Err(place) => self.ports.insert(
                place,
                Port {
                    number: port,
                    now: sockets,
                    user: user.unwrap_or(NOBODY),
                    ..Port::default()
                },
            ),
        }
    }

    /// Forgets what is not there and does not belong there, and beyond what there is room for what was there the longest ago.
    fn tidy(&mut self, time: &Time) {
        let is_doubted = |port: &Port| {
            port.trust == Trust::Doubted
                && time.known.saturating_sub(port.since) < tenths(KNOWN_FOR)
        };
        self.ports
            .retain(|port| port.level > 0 || port.now > 0 || is_doubted(port));
        let excess = self.ports.len().saturating_sub(MOST_PORTS);
        if excess > 0 {
            let is_away = |port: &&Port| port.now == 0 && port.number != TOGETHER;
            let away = self.ports.iter().filter(is_away);
            let mut away: Vec<_> = away.map(|port| (port.last, port.number)).collect();
            away.sort_unstable();
            away.truncate(excess);
            let is_kept = |port: &Port| {
                port.now > 0 || away.binary_search(&(port.last, port.number)).is_err()
            };
            self.ports.retain(is_kept);
        }
        self.ports.shrink_to_fit();
    }

    fn below(&mut self, terms: &Terms<'_>, value: f64) -> Judgement {
        let Terms { time, .. } = terms;
        let named = self.named;
        let (mut limit, mut accepted, mut is_unripe) = (value, false, false);
        let mut moved = Vec::new();
        let coming = if named {
            replace(&mut self.ports, time, terms.held)
        } else {
            Vec::new()
        };
        for port in &mut self.ports {
            // Together they are no more than each by itself.
            if named && port.number == TOGETHER {
                port.level = 0;
                continue;
            }
            port.is_old |= terms.is_first;
            if port.way == Way::Fewer
                && port.is_told
                && port.trust != Trust::Proven
                && port.now >= port.level
            {
                port.level = 0;
                port.trust = Trust::Doubted;
            }
            port.is_awaited &= port.now < port.level;
            match port.now.cmp(&port.level) {
                Ordering::Equal => {
                    let past = port.goes(Way::Same, time);
                    if port.level > 0 && time.is_as_long(past, terms.accept_after) {
                        port.trust = Trust::Proven;
                    }
                }
                Ordering::Greater => {
                    if port.way != Way::More {
                        port.other = port.now;
                    }
                    port.other = port.other.min(port.now);
                    let past = port.goes(Way::More, time);
                    // What the kernel hands out is a service's only if it stays, or was there before anybody looked.
                    let has_to_stay = port.is_any() && !port.is_old || port.trust == Trust::Doubted;
                    let settle = if has_to_stay {
                        terms.settle.max(terms.accept_after)
                    } else {
                        terms.settle
                    };
                    if past > 0 && time.is_as_long(past, settle) {
                        // After a start services begin one after the other.
                        let is_early = !time.is_as_long(port.since, terms.settle);
                        if port.is_old || is_early || has_to_stay {
                            port.trust = Trust::Proven;
                        }
                        port.level = port.other;
                        port.is_old = false;
                        port.way = Way::Same;
                    }
                }
                Ordering::Less => {
                    port.is_old = false;
                    let past = port.goes(Way::Fewer, time);
                    let may_be_replaced =
                        port.is_any() && coming.iter().any(|one| one.is_of_the_user(port));
                    let held = if port.is_awaited {
                        terms.held.max(terms.settle)
                    } else if may_be_replaced {
                        terms.held.max(REPLACED_WITHIN)
                    } else {
                        terms.held
                    };
                    if time.is_accepted(past, terms.accept_after, held) {
                        port.level = port.now;
                        port.way = Way::Same;
                        accepted = true;
                    } else if port.is_told || past > 0 && time.is_as_long(past, held) {
                        port.is_told = true;
                        limit += f64::from(port.level - port.now);
                        moved.push(port.moved());
                    } else {
                        is_unripe = true;
                    }
                }
            }
        }
        self.tidy(time);
        verdict(moved, limit, time, accepted, is_unripe)
    }

    fn above(&mut self, terms: &Terms<'_>, value: f64) -> Judgement {
        let Terms { time, .. } = terms;
        let named = self.named;
        let (mut accepted, mut is_unripe) = (false, false);
        let mut moved = Vec::new();
        let mut excess = 0;
        // How many more there are of those that the kernel hands out, and which may be meant. It is the first in the order.
        let (mut room_for_any, mut any) = (0, Vec::new());
        let is_warm = terms.is_first || !time.is_as_long(time.known, terms.settle);
        for (place, port) in self.ports.iter_mut().enumerate() {
            let is_together = named && port.number == TOGETHER;
            let is_any = named && port.is_any();
            if port.now > port.level {
                if port.way != Way::More {
                    port.other = 0;
                }
                let past = port.goes(Way::More, time);
                let is_ripe = past > 0 && time.is_as_long(past, terms.held);
                if is_warm || time.is_accepted(past, terms.accept_after, terms.held) {
                    port.level = port.now;
                    port.way = Way::Same;
                    port.last = time.known;
                    accepted |= !is_warm;
                } else if is_together && is_ripe {
                    room_for_any = port.now - port.level;
                } else if is_any && is_ripe {
                    any.push((std::cmp::Reverse(port.since), place));
                } else if is_ripe {
                    let more = port.now - port.level;
                    excess += u32::from(more);
                    moved.push(port.tell_more(more));
                } else {
                    is_unripe |= !is_any || room_for_any > 0;
                }
            } else {
                if port.way == Way::More && port.is_told {
                    port.level = port.level.max(port.other);
                    port.last = time.known;
                }
                port.goes(Way::Same, time);
                if port.now == port.level {
                    port.last = time.known;
                } else if is_any || time.known.saturating_sub(port.last) >= tenths(KNOWN_FOR) {
                    port.level = port.now;
                    port.last = time.known;
                }
            }
        }
        // Which of them are meant is not known: those that came last.
        any.sort_unstable();
        let mut of_any = 0;
        for (_, place) in any {
            let Some(port) = self.ports.get_mut(place) else {
                continue;
            };
            let more = (port.now - port.level).min(room_for_any - of_any);
            if more > 0 {
                of_any += more;
                moved.push(port.tell_more(0));
            }
        }
        if of_any > 0
            && let Some(together) = self.ports.first_mut()
        {
            together.tell_more(of_any);
            excess += u32::from(of_any);
        }
        moved.sort_by_key(|one| one.port);
        self.tidy(time);
        verdict(moved, value - f64::from(excess), time, accepted, is_unripe)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "nobody has so many"
)]
fn whole(value: f64) -> u32 {
    value as u32
}

fn verdict(
    moved: Vec<Moved>,
    limit: f64,
    time: &Time,
    accepted: bool,
    is_unripe: bool,
) -> Judgement {
    if let Some(first) = moved.iter().map(|one| one.since).min() {
        return Judgement::Over {
            limit,
            before: time.now.saturating_sub(first),
            finding: Finding::Moved(moved),
        };
    }
    if is_unripe {
        Judgement::Between
    } else if accepted {
        Judgement::Accepted
    } else {
        Judgement::Under
    }
}

#[cfg(test)]
#[path = "settled_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "settled_gaps_tests.rs"]
mod gaps_tests;

#[cfg(test)]
#[path = "settled_known_tests.rs"]
mod known_tests;
