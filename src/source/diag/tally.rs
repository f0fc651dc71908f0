//! What a dump counted, and what follows from it.

use super::message::Kind;
use crate::source::Counted;
use crate::source::Sockets;
use crate::source::counters::Counters;
use crate::tcp::{Counts, Family, State};

/// The sockets of a dump.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    ipv4: Side,
    ipv6: Side,
    /// Sockets in a state whose number is unknown to us.
    unrecognised: u64,
}

/// Those of one family.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    counts: Counts,
    /// What `inuse` counts.
    full: u64,
    /// What `tw` counts and is not in `TIME_WAIT`.
    mini: u64,
}

/// A state that the dump left out, and of which less than nothing would be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sockstat counts {counted} and the dump shows {dumped} of them in other states, which leaves less than none in {}", state.name())]
pub struct Negative {
    /// The state that was to be derived.
    pub state: State,
    /// What the counter says.
    pub counted: u64,
    /// What the dump shows of what the counter counts.
    pub dumped: u64,
}

impl Negative {
    /// By how much.
    #[must_use]
    pub fn deficit(&self) -> u64 {
        self.dumped.saturating_sub(self.counted)
    }
}

impl Tally {
    pub(super) fn add(&mut self, family: Family, state: Option<State>, kind: Kind) {
        let side = match family {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
        };
        match state {
            Some(state) => side.counts.add(state, 1),
            None => self.unrecognised += 1,
        }
        match kind {
            Kind::Full => side.full += 1,
            Kind::Mini if state != Some(State::TimeWait) => side.mini += 1,
            Kind::Mini | Kind::Request => {}
        }
    }

    /// What was dumped, which came to these sockets.
    pub(super) fn counted(&self, sockets: Sockets) -> Counted {
        Counted {
            sockets,
            unrecognised: self.unrecognised,
            malformed: 0,
            rows: self.ipv4.counts.total() + self.ipv6.counts.total() + self.unrecognised,
        }
    }

    /// The sockets, where every state was dumped.
    pub(super) fn all(&self, has_ipv6: bool) -> Sockets {
        Sockets::ByFamily {
            ipv4: self.ipv4.counts,
            ipv6: (has_ipv6 || self.ipv6.counts.total() > 0).then_some(self.ipv6.counts),
        }
    }

    /// The sockets, where `ESTABLISHED` and `TIME_WAIT` were left out.
    pub(super) fn together(&self, counters: &Counters) -> Result<Sockets, Negative> {
        let mut counts = self.ipv4.counts + self.ipv6.counts;
        counts.add(
            State::Established,
            self.ipv4
                .established(counters.inuse4)?
                .saturating_add(self.ipv6.established(counters.inuse6.unwrap_or_default())?),
        );
        let mini = self.ipv4.mini + self.ipv6.mini;
        counts.add(State::TimeWait, left(State::TimeWait, counters.tw, mini)?);
        Ok(Sockets::Together { both: counts })
    }

    /// The sockets by family, where only `ESTABLISHED` was left out: `tw` does not tell the families apart.
    pub(super) fn by_family(&self, counters: &Counters) -> Result<Sockets, Negative> {
        let (mut ipv4, mut ipv6) = (self.ipv4.counts, self.ipv6.counts);
        ipv4.add(State::Established, self.ipv4.established(counters.inuse4)?);
        let inuse6 = counters.inuse6.unwrap_or_default();
        ipv6.add(State::Established, self.ipv6.established(inuse6)?);
        let is_there = counters.inuse6.is_some() || ipv6.total() > 0;
        Ok(Sockets::ByFamily {
            ipv4,
            ipv6: is_there.then_some(ipv6),
        })
    }
}

impl Side {
    fn established(&self, inuse: u64) -> Result<u64, Negative> {
        left(State::Established, inuse, self.full)
    }
}

/// Never less than nothing: that would mean that one of the two numbers is wrong.
fn left(state: State, counted: u64, dumped: u64) -> Result<u64, Negative> {
    counted.checked_sub(dumped).ok_or(Negative {
        state,
        counted,
        dumped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `number` sockets each; a state of nothing is an unknown one.
    fn tally(sockets: &[(Family, Option<State>, Kind, u64)]) -> Tally {
        let mut tally = Tally::default();
        for &(family, state, kind, number) in sockets {
            (0..number).for_each(|_| {
                tally.add(family, state, kind);
            });
        }
        tally
    }

    /// Every kind of socket that a sparse dump shows.
    fn mixed() -> Tally {
        use Family::{Ipv4, Ipv6};
        tally(&[
            (Ipv4, Some(State::Listen), Kind::Full, 1),
            (Ipv6, Some(State::Listen), Kind::Full, 2),
            (Ipv4, Some(State::FinWait2), Kind::Full, 3),
            (Ipv4, Some(State::FinWait2), Kind::Mini, 4),
            (Ipv6, Some(State::FinWait2), Kind::Mini, 5),
            (Ipv4, Some(State::SynReceived), Kind::Request, 6),
            (Ipv6, Some(State::SynReceived), Kind::Full, 7),
            (Ipv6, None, Kind::Full, 8),
        ])
    }

    #[test]
    fn what_the_dump_left_out_is_what_the_counters_have_beyond_it() {
        let counters = Counters {
            inuse4: 4 + 100,
            inuse6: Some(17 + 50),
            tw: 9 + 30,
        };
        let Sockets::Together { both: counts } = mixed().together(&counters).unwrap() else {
            panic!("by family");
        };
        assert_eq!(counts.get(State::Established), 150);
        assert_eq!(counts.get(State::TimeWait), 30);
        assert_eq!(counts.get(State::SynReceived), 13);
        assert_eq!(counts.get(State::FinWait2), 12);
        assert_eq!(mixed().unrecognised, 8);
    }

    #[test]
    fn by_family_each_has_its_own_counter() {
        let mut tally = mixed();
        tally.add(Family::Ipv6, Some(State::TimeWait), Kind::Mini);
        let counters = Counters {
            inuse4: 4 + 100,
            inuse6: Some(17 + 50),
            tw: 10,
        };
        let Sockets::ByFamily { ipv4, ipv6 } = tally.by_family(&counters).unwrap() else {
            panic!("together");
        };
        let ipv6 = ipv6.unwrap();
        assert_eq!(ipv4.get(State::Established), 100);
        assert_eq!(ipv6.get(State::Established), 50);
        assert_eq!(
            (ipv4.get(State::TimeWait), ipv6.get(State::TimeWait)),
            (0, 1)
        );
    }

    #[test]
    fn less_than_nothing_is_an_error_and_not_a_zero() {
        let short = |inuse4, inuse6, tw| Counters { inuse4, inuse6, tw };
        let negative = |state, counted, dumped| {
            Some(Negative {
                state,
                counted,
                dumped,
            })
        };
        for (counters, wrong) in [
            (short(3, Some(17), 9), negative(State::Established, 3, 4)),
            // What one family lacks the other one does not make up for.
            (short(50, Some(16), 9), negative(State::Established, 16, 17)),
            (short(50, None, 9), negative(State::Established, 0, 17)),
        ] {
            assert_eq!(mixed().together(&counters).err(), wrong, "{counters:?}");
            assert_eq!(mixed().by_family(&counters).err(), wrong, "{counters:?}");
        }
        let counters = short(4, Some(17), 8);
        assert_eq!(
            mixed().together(&counters).err(),
            negative(State::TimeWait, 8, 9)
        );
    }

    #[test]
    fn ipv6_is_absent_only_where_there_is_none() {
        let only4 = tally(&[(Family::Ipv4, Some(State::Listen), Kind::Full, 1)]);
        let counters = Counters {
            inuse4: 1,
            inuse6: None,
            tw: 0,
        };
        let ipv6_of = |sockets| match sockets {
            Sockets::ByFamily { ipv6, .. } => ipv6,
            Sockets::Together { .. } => panic!("together"),
        };
        assert_eq!(ipv6_of(only4.by_family(&counters).unwrap()), None);
        assert_eq!(ipv6_of(only4.all(false)), None);
        assert_eq!(ipv6_of(only4.all(true)), Some(Counts::default()));
        assert!(ipv6_of(mixed().all(false)).is_some());
    }
}
