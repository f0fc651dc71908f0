//! What each gate lets stand, and what it does not, against a model of what a kernel counts.

use super::*;
use crate::source::text::Scanned;

#[path = "gates_silent_tests.rs"]
mod silent;

const INTERVAL: Duration = Duration::from_secs(30);

/// A namespace as a kernel keeps it: its sockets, and the counters of them.
#[derive(Clone, Copy, Debug, Default)]
struct Kernel {
    /// By family, then by state.
    counts: [Counts; 2],
    /// Those in `FIN_WAIT2` that are mini-sockets.
    minis: [u64; 2],
    segments: i64,
    /// `CurrEstab` does not count `CLOSE_WAIT`.
    is_old: bool,
}

impl Kernel {
    fn move_to(&mut self, family: usize, from: Option<State>, to: Option<State>) {
        let counts = &mut self.counts[family];
        if let Some(from) = from {
            if counts.get(from) == 0 {
                return;
            }
            let mut less = Counts::default();
            for state in State::ALL {
                less.add(state, counts.get(state) - u64::from(state == from));
            }
            *counts = less;
        }
        if let Some(to) = to {
            counts.add(to, 1);
        }
    }

    fn counted(&self) -> Counted {
        Counted::of(Sockets::ByFamily {
            ipv4: self.counts[0],
            ipv6: Some(self.counts[1]),
        })
    }

    fn both(&self) -> Counts {
        self.counts[0] + self.counts[1]
    }

    fn everything(&self) -> Everything {
        let tw = |family: usize| self.counts[family].get(State::TimeWait) + self.minis[family];
        // Requests are in no counter.
        let inuse = |family: usize| {
            let counts = &self.counts[family];
            counts.total() - tw(family) - counts.get(State::SynReceived)
        };
        let both = self.both();
        let close_wait = both.get(State::CloseWait);
        Everything::at(
            Counters {
                inuse4: inuse(0),
                inuse6: Some(inuse(1)),
                tw: tw(0) + tw(1),
            },
            both.get(State::Established) + if self.is_old { 0 } else { close_wait },
            self.segments,
        )
    }

    fn anchor(&self) -> Anchor {
        Anchor {
            counted: self.counted(),
            everything: self.everything(),
        }
    }

    fn found(&self, family: usize) -> Found {
        let counts = self.counts[family];
        Found {
            counts,
            minis: self.minis[family] + counts.get(State::TimeWait),
            scanned: Scanned {
                rows: counts.total(),
                ..Scanned::default()
            },
        }
    }
}

/// With so many in each state of IPv4.
fn kernel(states: &[(State, u64)]) -> Kernel {
    let mut kernel = Kernel::default();
    for (state, number) in states {
        kernel.counts[0].add(*state, *number);
    }
    kernel
}

fn after(age: Duration) -> Circumstances {
    Circumstances {
        age,
        interval: INTERVAL,
        same_processes: true,
        by_family: false,
    }
}

fn gate(then: &Kernel, now: &Kernel, circumstances: &Circumstances) -> Option<Gate> {
    judge(&then.anchor(), &now.everything(), circumstances).map(|(gate, _)| gate)
}

#[test]
fn what_no_counter_has_moved_since_stands_for_ten_minutes() {
    let idle = kernel(&[
        (State::Listen, 2),
        (State::Established, 3),
        (State::CloseWait, 1),
        (State::TimeWait, 4),
    ]);
    let told = judge(&idle.anchor(), &idle.everything(), &after(INTERVAL));
    assert_eq!(told, Some((Gate::Hold, idle.counted())));
    let last = MOST_HELD.saturating_sub(Duration::from_nanos(1));
    assert_eq!(gate(&idle, &idle, &after(last)), Some(Gate::Hold));
    assert_eq!(gate(&idle, &idle, &after(MOST_HELD)), None);
}

#[test]
fn what_can_leave_its_state_unseen_is_not_held() {
    for state in [
        State::SynSent,
        State::SynReceived,
        State::FinWait1,
        State::FinWait2,
        State::LastAck,
        State::Closing,
    ] {
        let one = kernel(&[(State::Listen, 1), (state, 1)]);
        assert_eq!(gate(&one, &one, &after(INTERVAL)), None, "{state:?}");
    }
    let mut orphan = kernel(&[(State::Listen, 1), (State::FinWait2, 1)]);
    orphan.minis[0] = 1;
    assert_eq!(
        gate(&orphan, &orphan, &after(INTERVAL)),
        Some(Gate::Hold),
        "a mini-socket is in `tw`, whatever becomes of it"
    );
}

#[test]
fn a_close_wait_is_held_only_where_the_kernel_counts_it() {
    let mut leak = kernel(&[(State::Listen, 1), (State::CloseWait, 1)]);
    assert_eq!(gate(&leak, &leak, &after(INTERVAL)), Some(Gate::Hold));
    leak.is_old = true;
    assert_eq!(gate(&leak, &leak, &after(INTERVAL)), None);
}

#[test]
fn nothing_stands_on_counters_that_do_not_account_for_what_was_read() {
    for told in [State::Listen, State::Established, State::TimeWait] {
        let kernel = kernel(&[(State::Listen, 1)]);
        let mut anchor = kernel.anchor();
        let mut counts = kernel.counts;
        counts[1].add(told, 1);
        anchor.counted = Counted::of(Sockets::ByFamily {
            ipv4: counts[0],
            ipv6: Some(counts[1]),
        });
        let now = anchor.everything;
        assert_eq!(judge(&anchor, &now, &after(INTERVAL)), None, "{told:?}");
    }
}

#[test]
fn listeners_stand_for_four_intervals_and_time_wait_is_what_the_kernel_counts() {
    let then = kernel(&[(State::Listen, 2), (State::TimeWait, 5)]);
    let mut now = kernel(&[(State::Listen, 2), (State::TimeWait, 9)]);
    now.segments = 100;
    let told = judge(&then.anchor(), &now.everything(), &after(4 * INTERVAL));
    let (gate_then, counted) = told.unwrap();
    assert_eq!(gate_then, Gate::Derive);
    assert_eq!(counted.sockets, Sockets::Together { both: now.both() });

    let too_old = after(4 * INTERVAL + Duration::from_nanos(1));
    assert_eq!(gate(&then, &now, &too_old), None);
}

#[test]
fn nothing_is_derived_for_longer_than_it_would_be_held() {
    let then = kernel(&[(State::Listen, 1)]);
    let mut now = then;
    now.segments = 1;
    for (age, expected) in [
        (
            MOST_HELD.saturating_sub(Duration::from_nanos(1)),
            Some(Gate::Derive),
        ),
        (MOST_HELD, None),
    ] {
        let hourly = Circumstances {
            interval: Duration::from_hours(1),
            ..after(age)
        };
        assert_eq!(gate(&then, &now, &hourly), expected, "{age:?}");
    }
}

#[test]
fn what_is_not_known_for_certain_to_be_listeners_and_time_wait_is_read() {
    let then = kernel(&[(State::Listen, 2), (State::TimeWait, 5)]);
    let busy = |mut kernel: Kernel| {
        kernel.segments = 1;
        kernel
    };
    let now = busy(then);
    assert_eq!(gate(&then, &now, &after(INTERVAL)), Some(Gate::Derive));

    let others = Circumstances {
        same_processes: false,
        ..after(INTERVAL)
    };
    assert_eq!(gate(&then, &now, &others), None, "a process has ended");
    let by_family = Circumstances {
        by_family: true,
        ..after(INTERVAL)
    };
    assert_eq!(gate(&then, &now, &by_family), None, "`tw` has no family");

    for (state, what) in [
        (State::Listen, "a listener more"),
        (State::Established, "a connection"),
        (State::CloseWait, "a connection that the peer closed"),
    ] {
        let mut now = now;
        now.counts[0].add(state, 1);
        assert_eq!(gate(&then, &now, &after(INTERVAL)), None, "{what}");
    }
    let fewer = busy(kernel(&[(State::Listen, 1), (State::TimeWait, 5)]));
    assert_eq!(gate(&then, &fewer, &after(INTERVAL)), None);
    let mut moved = fewer;
    moved.counts[1].add(State::Listen, 1);
    assert_eq!(gate(&then, &moved, &after(INTERVAL)), None, "of IPv6 now");
    for state in State::ALL {
        if !matches!(state, State::Listen | State::TimeWait) {
            let mut then = then;
            then.counts[0].add(state, 1);
            let now = busy(then);
            assert_eq!(gate(&then, &now, &after(INTERVAL)), None, "{state:?}");
        }
    }
}

#[test]
fn a_table_is_passed_over_only_if_nothing_is_left_for_it() {
    let only_ipv4 = kernel(&[(State::Listen, 1), (State::TimeWait, 2)]);
    let mut both = only_ipv4;
    both.counts[1].add(State::TimeWait, 30);
    let mut orphans = only_ipv4;
    orphans.counts[1].add(State::FinWait2, 1);
    orphans.minis[1] = 1;
    for (kernel, expected) in [(only_ipv4, true), (both, false), (orphans, false)] {
        let now = kernel.everything();
        assert_eq!(first_table(&now), Family::Ipv4);
        let empty = other_is_empty(Family::Ipv4, &kernel.found(0), &now, &now);
        assert_eq!(empty, expected, "{kernel:?}");
    }

    // What moved around the reading of the one may be in the other.
    let (now, more) = (only_ipv4.everything(), both.everything());
    let found = only_ipv4.found(0);
    assert!(!other_is_empty(Family::Ipv4, &found, &now, &more));
    assert!(!other_is_empty(Family::Ipv4, &found, &more, &now));
    // A line that was not understood may have been a mini-socket.
    let mut cut = found;
    cut.scanned.malformed = 1;
    assert!(!other_is_empty(Family::Ipv4, &cut, &now, &now));
}

#[test]
fn without_ipv6_its_table_is_looked_for_all_the_same() {
    let mut now = kernel(&[(State::Listen, 1)]).everything();
    now.counters.inuse6 = None;
    let found = kernel(&[(State::Listen, 1)]).found(0);
    assert_eq!(first_table(&now), Family::Ipv4);
    assert!(!other_is_empty(Family::Ipv4, &found, &now, &now));
}
