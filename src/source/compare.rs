//! Whether two readings tell of the same sockets.
//!
//! Neither is of one moment, and on a busy host sockets come and go between them. So how much they may differ follows from the
//! kernel's counters, taken before the first and after the second: at rest that is nothing.

use std::fmt;

use super::diag::counters::Activity;
use super::{Reading, Sockets, Source};
use crate::tcp::{Counts, Family, State};

/// Two readings that cannot both be right.
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

impl Disagreement {
    /// Whether it is the same again: what is wrong in itself is wrong each time, in the same state and the same direction.
    pub(super) fn is_again(&self, other: &Self) -> bool {
        let direction = |it: &Self| it.first.1.cmp(&it.second.1);
        (self.state, self.family, direction(self)) == (other.state, other.family, direction(other))
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

/// Compares two readings, taken one after the other between `before` and `after`.
pub(super) fn compare(
    first: &Reading,
    second: &Reading,
    before: &Activity,
    after: &Activity,
) -> Result<(), Disagreement> {
    let connections = after.connections_since(before);
    let segments = after.segments_since(before);
    let compare = |family, one: &Counts, other: &Counts, unrecognised: (u64, u64)| {
        let disagreement = |state, (one, other), allowed| Disagreement {
            first: (first.source, one),
            second: (second.source, other),
            state,
            family,
            allowed,
        };
        let mut moved = unrecognised.0.abs_diff(unrecognised.1);
        // A socket that exists goes from one rare state to another with a segment at least.
        let allowed = connections.saturating_add(segments);
        if moved > allowed {
            return Err(disagreement(None, unrecognised, allowed));
        }
        for state in State::ALL.into_iter().filter(|state| !is_common(*state)) {
            let counts = (one.get(state), other.get(state));
            let difference = counts.0.abs_diff(counts.1);
            if difference > allowed {
                return Err(disagreement(Some(state), counts, allowed));
            }
            moved += difference;
        }
        // Segments say nothing here, for most of them are data of connections that stay as they are. What leaves
        // ESTABLISHED and does not end is seen in another state.
        let allowed = connections.saturating_add(moved);
        for state in State::ALL.into_iter().filter(|state| is_common(*state)) {
            let counts = (one.get(state), other.get(state));
            if counts.0.abs_diff(counts.1) > allowed {
                return Err(disagreement(Some(state), counts, allowed));
            }
        }
        Ok(())
    };
    let unrecognised = (first.unrecognised, second.unrecognised);
    if let (
        Sockets::ByFamily { ipv4, ipv6 },
        Sockets::ByFamily {
            ipv4: other4,
            ipv6: other6,
        },
    ) = (&first.sockets, &second.sockets)
    {
        compare(Some(Family::Ipv4), ipv4, other4, (0, 0))?;
        let (ipv6, other6) = (ipv6.unwrap_or_default(), other6.unwrap_or_default());
        compare(Some(Family::Ipv6), &ipv6, &other6, (0, 0))?;
    }
    compare(
        None,
        &first.sockets.both(),
        &second.sockets.both(),
        unrecognised,
    )
}

/// Those that a sparse reading derives.
fn is_common(state: State) -> bool {
    matches!(state, State::Established | State::TimeWait)
}

#[cfg(test)]
mod tests {
    use super::super::Scope;
    use super::super::diag::counters::Counters;
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
            sockets: Sockets::ByFamily {
                ipv4: counts(ipv4),
                ipv6: Some(counts(ipv6)),
            },
            unrecognised: 0,
            malformed: 0,
            rows: 0,
        }
    }

    fn together(reading: &Reading) -> Reading {
        Reading {
            sockets: Sockets::Together {
                both: reading.sockets.both(),
            },
            ..reading.clone()
        }
    }

    const QUIET: (u64, u64, u64, u64) = (7, 70, 100, 10);

    fn verdict(
        first: &Reading,
        second: &Reading,
        after: (u64, u64, u64, u64),
    ) -> Result<(), Disagreement> {
        let of = |(connections, segments, inuse4, tw)| activity(connections, segments, inuse4, tw);
        compare(first, second, &of(QUIET), &of(after))
    }

    #[test]
    fn at_rest_one_socket_is_a_disagreement() {
        let one = reading(Source::Diag, &[(State::Listen, 3)], &[(State::Listen, 1)]);
        assert_eq!(verdict(&one, &one, QUIET), Ok(()));
        for state in State::ALL {
            let more = reading(
                Source::DiagFull,
                &[(State::Listen, 3), (state, 1)],
                &[(State::Listen, 1)],
            );
            for (first, second) in [(&one, &more), (&more, &one)] {
                let found = verdict(first, second, QUIET).unwrap_err();
                assert_eq!(found.state, Some(state));
                assert_eq!(found.family, Some(Family::Ipv4));
            }
            let found = verdict(&together(&one), &more, QUIET).unwrap_err();
            assert_eq!((found.state, found.family), (Some(state), None));
        }
    }

    #[test]
    fn a_socket_in_the_wrong_family_is_a_disagreement_where_families_are_told_apart() {
        let one = reading(Source::Diag, &[(State::Established, 2)], &[]);
        let other = reading(
            Source::DiagFull,
            &[(State::Established, 1)],
            &[(State::Established, 1)],
        );
        assert!(verdict(&one, &other, QUIET).is_err());
        assert_eq!(verdict(&together(&one), &other, QUIET), Ok(()));
    }

    #[test]
    fn an_unknown_state_counts_too() {
        let one = reading(Source::Diag, &[], &[]);
        let mut other = one.clone();
        other.unrecognised = 1;
        assert_eq!(verdict(&one, &other, QUIET).unwrap_err().state, None);
    }

    #[test]
    fn connections_that_came_and_went_explain_as_much_and_no_more() {
        let less = reading(Source::Diag, &[(State::Established, 100)], &[]);
        let more = reading(Source::DiagFull, &[(State::Established, 104)], &[]);
        for after in [
            // Two that began, and may have ended.
            (9, 70, 100, 10),
            (7, 70, 104, 10),
            (7, 70, 96, 10),
            (7, 70, 100, 14),
            (8, 70, 101, 11),
        ] {
            assert_eq!(verdict(&less, &more, after), Ok(()), "{after:?}");
        }
        for after in [(8, 70, 100, 10), (7, 70, 103, 10), (7, 70, 100, 13)] {
            assert!(verdict(&less, &more, after).is_err(), "{after:?}");
        }
    }

    #[test]
    fn traffic_alone_explains_no_difference_in_the_common_states() {
        let less = reading(Source::Diag, &[(State::Established, 100)], &[]);
        let more = reading(Source::DiagFull, &[(State::Established, 101)], &[]);
        let busy = (7, 1_000_070, 100, 10);
        assert_eq!(
            verdict(&less, &more, busy).unwrap_err().state,
            Some(State::Established)
        );
        // But for what left it and is seen elsewhere.
        let half_closed = reading(
            Source::DiagFull,
            &[(State::Established, 99), (State::CloseWait, 1)],
            &[],
        );
        assert_eq!(verdict(&less, &half_closed, busy), Ok(()));
        assert!(verdict(&less, &half_closed, QUIET).is_err());
    }

    #[test]
    fn what_disagrees_is_said() {
        let less = reading(Source::Diag, &[(State::Established, 100)], &[]);
        let more = reading(Source::DiagFull, &[(State::Established, 110)], &[]);
        let said = verdict(&less, &more, (8, 70, 100, 10))
            .unwrap_err()
            .to_string();
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
