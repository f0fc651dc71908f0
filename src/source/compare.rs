//! Whether two readings tell of the same sockets.
//!
//! Neither is of one moment, and on a busy host sockets come and go between them. So how much they may differ follows from the
//! kernel's counters, taken before the first and after the second: at rest that is nothing.

use std::fmt;

use super::counters::Activity;
use super::{Reading, Sockets, Source};
use crate::tcp::{Counts, Family, State};

/// One number in which two readings cannot both be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disagreement {
    first: (Source, u64),
    second: (Source, u64),
    /// Nothing for states that are unknown.
    state: Option<State>,
    /// Nothing for both together.
    family: Option<Family>,
    allowed: u64,
}

/// In which states, families and directions two readings disagree: what is wrong in itself is so each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places(u128);

impl Places {
    /// Nowhere.
    pub(super) const NONE: Self = Self(0);

    /// Where a state is less in the first reading than in the second.
    pub(super) fn less_in(state: State) -> Self {
        [None, Some(Family::Ipv4), Some(Family::Ipv6)]
            .into_iter()
            .fold(Self::NONE, |places, family| {
                Self(places.0 | bit(Some(state), family, true))
            })
    }

    /// All of these.
    pub(super) fn of(disagreements: &[Disagreement]) -> Self {
        let bits = disagreements.iter().map(Disagreement::bit);
        Self(bits.fold(0, |all, bit| all | bit))
    }

    /// Those that are in both.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether `disagreement` is one of them.
    pub(super) fn hold(self, disagreement: &Disagreement) -> bool {
        self.0 & disagreement.bit() != 0
    }
}

fn bit(state: Option<State>, family: Option<Family>, is_less: bool) -> u128 {
    // Eleven states and the unknown ones, three families counting both together, two directions: 72 bits.
    let state = state.map_or(0, |state| state as u32);
    let family = match family {
        None => 0,
        Some(Family::Ipv4) => 1,
        Some(Family::Ipv6) => 2,
    };
    1 << ((state * 3 + family) * 2 + u32::from(is_less))
}

impl Disagreement {
    fn bit(&self) -> u128 {
        bit(self.state, self.family, self.first.1 < self.second.1)
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = self.family.map_or("", Family::name);
        let state = self.state.map_or("unknown states", State::name);
        let ((first, first_count), (second, second_count)) = (self.first, self.second);
        write!(
            f,
            "{} counts {first_count} {family}{}socket(s) in {state} and {} {second_count}, and no more than {} can have changed between the two",
            first.name(),
            if family.is_empty() { "" } else { " " },
            second.name(),
            self.allowed
        )
    }
}

/// Compares two readings, both taken between `before` and `after`, in whichever order.
///
/// Between a sparse and a full dump only the derived states are judged: the others are dumped in both.
pub(super) fn compare(
    first: &Reading,
    second: &Reading,
    before: &Activity,
    after: &Activity,
) -> Vec<Disagreement> {
    let connections = after.connections_since(before);
    let segments = after.segments_since(before);
    let both_dump = first.source != Source::Text && second.source != Source::Text;
    let mut found = Vec::new();
    let mut compare = |family, one: &Counts, other: &Counts, unrecognised: (u64, u64)| {
        let mut judge = |state, (one, other): (u64, u64), allowed| {
            if one.abs_diff(other) > allowed {
                found.push(Disagreement {
                    first: (first.source, one),
                    second: (second.source, other),
                    state,
                    family,
                    allowed,
                });
            }
        };
        let counts = |state| (one.get(state), other.get(state));
        let (common, rare): (Vec<_>, Vec<_>) =
            State::ALL.into_iter().partition(|state| is_common(*state));
        let difference = |(one, other): (u64, u64)| one.abs_diff(other);
        let rare_moved: u64 = rare.iter().map(|state| difference(counts(*state))).sum();
        let moved = difference(unrecognised).saturating_add(rare_moved);
        if !both_dump {
            // A socket that exists goes from one rare state to another with a segment at least.
            let allowed = connections.saturating_add(segments);
            judge(None, unrecognised, allowed);
            for state in rare {
                judge(Some(state), counts(state), allowed);
            }
        }
        // Segments say nothing here, for most of them are data of connections that stay as they are. What leaves
        // ESTABLISHED and does not end is seen in another state.
        let allowed = connections.saturating_add(moved);
        for state in common {
            judge(Some(state), counts(state), allowed);
        }
    };
    let unrecognised = (first.counted.unrecognised, second.counted.unrecognised);
    if let (
        Sockets::ByFamily { ipv4, ipv6 },
        Sockets::ByFamily {
            ipv4: other4,
            ipv6: other6,
        },
    ) = (&first.counted.sockets, &second.counted.sockets)
    {
        compare(Some(Family::Ipv4), ipv4, other4, (0, 0));
        let (ipv6, other6) = (ipv6.unwrap_or_default(), other6.unwrap_or_default());
        compare(Some(Family::Ipv6), &ipv6, &other6, (0, 0));
    }
    let (one, other) = (first.counted.sockets.both(), second.counted.sockets.both());
    compare(None, &one, &other, unrecognised);
    found
}

/// Those that a sparse reading derives.
fn is_common(state: State) -> bool {
    matches!(state, State::Established | State::TimeWait)
}

#[cfg(test)]
mod tests {
    use super::super::counters::Counters;
    use super::super::{Counted, Details, Scope};
    use super::*;

    fn activity(connections: u64, segments: u64, inuse4: u64, tw: u64) -> Activity {
        let counters = Counters {
            inuse4,
            inuse6: Some(5),
            tw,
        };
        Activity::at(counters, connections, segments)
    }

    fn reading(source: Source, ipv4: &[(State, u64)], ipv6: &[(State, u64)]) -> Reading {
        let counts = |numbers: &[(State, u64)]| {
            let mut counts = Counts::default();
            for &(state, number) in numbers {
                counts.add(state, number);
            }
            counts
        };
        Reading {
            scope: Scope::Own,
            source,
            why: None,
            step_downs: 0,
            details: Details::default(),
            counted: Counted::of(Sockets::ByFamily {
                ipv4: counts(ipv4),
                ipv6: Some(counts(ipv6)),
            }),
        }
    }

    fn together(reading: &Reading) -> Reading {
        Reading {
            counted: Counted::of(Sockets::Together {
                both: reading.counted.sockets.both(),
            }),
            ..reading.clone()
        }
    }

    const QUIET: (u64, u64, u64, u64) = (7, 70, 100, 10);

    fn verdict(
        first: &Reading,
        second: &Reading,
        after: (u64, u64, u64, u64),
    ) -> Vec<Disagreement> {
        let of = |(connections, segments, inuse4, tw)| activity(connections, segments, inuse4, tw);
        compare(first, second, &of(QUIET), &of(after))
    }

    const DUMP: Source = Source::DiagFull;
    const TEXT: Source = Source::Text;

    #[test]
    fn at_rest_one_socket_is_a_disagreement() {
        let one = reading(DUMP, &[(State::Listen, 3)], &[(State::Listen, 1)]);
        assert_eq!(verdict(&one, &one, QUIET), []);
        for state in State::ALL {
            let more = reading(
                TEXT,
                &[(State::Listen, 3), (state, 1)],
                &[(State::Listen, 1)],
            );
            for (first, second) in [(&one, &more), (&more, &one)] {
                let found = verdict(first, second, QUIET);
                let places: Vec<_> = found.iter().map(|it| (it.state, it.family)).collect();
                assert!(
                    places.contains(&(Some(state), Some(Family::Ipv4))),
                    "{places:?}"
                );
                assert!(places.contains(&(Some(state), None)), "{places:?}");
            }
            let found = verdict(&together(&one), &more, QUIET);
            assert!(
                found
                    .iter()
                    .any(|it| it.state == Some(state) && it.family.is_none())
            );
        }
    }

    #[test]
    fn what_both_dump_is_not_judged_and_explains_what_is_derived() {
        let sparse = reading(
            Source::Diag,
            &[(State::Listen, 3), (State::Established, 9)],
            &[],
        );
        let full = reading(DUMP, &[(State::Listen, 4), (State::Established, 10)], &[]);
        assert_eq!(verdict(&sparse, &full, QUIET), []);
        let more = reading(DUMP, &[(State::Listen, 4), (State::Established, 11)], &[]);
        assert!(!verdict(&sparse, &more, QUIET).is_empty());
    }

    #[test]
    fn a_socket_in_the_wrong_family_is_a_disagreement_where_families_are_told_apart() {
        let one = reading(Source::Diag, &[(State::Established, 2)], &[]);
        let other = reading(DUMP, &[(State::Established, 1)], &[(State::Established, 1)]);
        assert_eq!(verdict(&one, &other, QUIET).len(), 2);
        assert_eq!(verdict(&together(&one), &other, QUIET), []);
    }

    #[test]
    fn an_unknown_state_counts_too() {
        let one = reading(DUMP, &[], &[]);
        let mut other = reading(TEXT, &[], &[]);
        other.counted.unrecognised = 1;
        let found = verdict(&one, &other, QUIET);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].state, None);
    }

    #[test]
    fn connections_that_came_and_went_explain_as_much_and_no_more() {
        let less = reading(Source::Diag, &[(State::Established, 100)], &[]);
        let more = reading(DUMP, &[(State::Established, 104)], &[]);
        for after in [
            // Two that began, and may have ended.
            (9, 70, 100, 10),
            (7, 70, 104, 10),
            (7, 70, 96, 10),
            (7, 70, 100, 14),
            (8, 70, 101, 11),
        ] {
            assert_eq!(verdict(&less, &more, after), [], "{after:?}");
        }
        for after in [(8, 70, 100, 10), (7, 70, 103, 10), (7, 70, 100, 13)] {
            assert!(!verdict(&less, &more, after).is_empty(), "{after:?}");
        }
    }

    #[test]
    fn traffic_alone_explains_no_difference_in_the_common_states() {
        let less = reading(DUMP, &[(State::Established, 100)], &[]);
        let more = reading(TEXT, &[(State::Established, 101)], &[]);
        let busy = (7, 1_000_070, 100, 10);
        let found = verdict(&less, &more, busy);
        assert!(found.iter().all(|it| it.state == Some(State::Established)));
        assert_eq!(found.len(), 2, "of IPv4, and of both");
        // But for what left it and is seen elsewhere.
        let half_closed = reading(
            TEXT,
            &[(State::Established, 99), (State::CloseWait, 1)],
            &[],
        );
        assert_eq!(verdict(&less, &half_closed, busy), []);
        assert!(!verdict(&less, &half_closed, QUIET).is_empty());
    }

    #[test]
    fn what_is_wrong_in_itself_is_wrong_in_the_same_place_each_time() {
        let base = reading(DUMP, &[(State::Established, 5)], &[]);
        let places = |established: u64, listen: u64| {
            let other = reading(
                TEXT,
                &[(State::Established, established), (State::Listen, listen)],
                &[],
            );
            Places::of(&verdict(&base, &other, QUIET))
        };
        // One listener that comes and goes hides nothing: both are seen.
        assert_ne!(places(9, 1).and(places(7, 0)), Places::NONE);
        assert_eq!(places(5, 1).and(places(5, 0)), Places::NONE);
        assert_eq!(
            places(9, 0).and(places(4, 0)),
            Places::NONE,
            "another direction"
        );
        let too_few = Places::less_in(State::Established);
        assert_ne!(too_few.and(places(9, 0)), Places::NONE);
        assert_eq!(too_few.and(places(4, 0)), Places::NONE);
    }

    #[test]
    fn each_place_has_a_bit_of_its_own() {
        let mut all = 0_u128;
        for state in State::ALL.into_iter().map(Some).chain([None]) {
            for family in [None, Some(Family::Ipv4), Some(Family::Ipv6)] {
                for is_less in [false, true] {
                    let bit = bit(state, family, is_less);
                    assert_eq!(all & bit, 0);
                    all |= bit;
                }
            }
        }
        assert_eq!(all.count_ones(), 72);
    }

    #[test]
    fn what_disagrees_is_said() {
        let less = reading(Source::Diag, &[(State::Established, 100)], &[]);
        let more = reading(DUMP, &[(State::Established, 110)], &[]);
        let said = verdict(&less, &more, (8, 70, 100, 10))[0].to_string();
        for part in [
            "diag counts 100 ipv4 ",
            "established",
            "diag-full 110",
            " 2 ",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }
}
