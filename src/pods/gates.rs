//! What a look tells: whether what was read before still stands. Pure.
//!
//! A gate is an estimate of a stated age. What fools it, and for how long, is in `docs/pods.md`; each case is reproduced in
//! `tests/pods/`.

use std::time::Duration;

use super::Gate;
use crate::source::counters::{Counters, Everything};
use crate::source::tables::Found;
use crate::source::{Counted, Sockets};
use crate::tcp::{Counts, Family, State};

/// So long a reading stands while no counter moves.
pub(super) const MOST_HELD: Duration = Duration::from_mins(10);

/// So many intervals a reading stands that more is derived from, if that is no longer than [`MOST_HELD`].
pub(super) const MOST_DERIVED: u32 = 4;

/// A reading during which no counter moved, so that the counters are of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) counted: Counted,
    pub(super) everything: Everything,
}

/// What a look is judged by besides the anchor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// Since the anchor was read.
    pub(super) age: Duration,
    /// The time between two ticks.
    pub(super) interval: Duration,
    /// The same processes were there all the time.
    pub(super) same_processes: bool,
    /// Families must be told apart.
    pub(super) by_family: bool,
}

/// What stands, if anything does. `inuse6` must be known to count every IPv6 socket.
pub(super) fn judge(
    anchor: &Anchor,
    now: &Everything,
    circumstances: &Circumstances,
) -> Option<(Gate, Counted)> {
    let Circumstances { age, interval, .. } = *circumstances;
    let both = anchor.counted.sockets.both();
    let then = &anchor.everything;
    // Where the counters of the reading are not those of what was read, they tell nothing of what became of it.
    if age >= MOST_HELD || inuse(&then.counters) + then.counters.tw != both.total() {
        return None;
    }
    if now == then && can_be_held(&both, then) {
        return Some((Gate::Hold, anchor.counted));
    }
    let listeners = both.get(State::Listen);
    if age <= interval * MOST_DERIVED
        && circumstances.same_processes
        && !circumstances.by_family
        && now.established == 0
        && only_listens(&both)
        && inuse(&now.counters) == listeners
        && now.counters.inuse6 == then.counters.inuse6
    {
        let mut both = Counts::default();
        both.add(State::Listen, listeners);
        both.add(State::TimeWait, now.counters.tw);
        return Some((Gate::Derive, Counted::of(Sockets::Together { both })));
    }
    None
}

/// Whether nothing can leave its state without a counter that shows it, of all that the counters count.
///
/// A listener opens without a segment, and makes up in `inuse` for whatever leaves it without one. That is what is on
/// its way to another state: a `SYN_SENT` is closed, a socket that waits for its last acknowledgement gives up, a whole one in
/// `FIN_WAIT2` is closed and becomes a mini-socket, which runs out. Requests are in no counter at all. Connections are
/// in `CurrEstab`, and those in `CLOSE_WAIT` only on newer kernels.
fn can_be_held(counts: &Counts, then: &Everything) -> bool {
    let on_its_way = [
        State::SynSent,
        State::SynReceived,
        State::FinWait1,
        State::LastAck,
        State::Closing,
    ];
    let minis = counts.get(State::FinWait2) + counts.get(State::TimeWait);
    let connections = counts.get(State::Established) + counts.get(State::CloseWait);
    on_its_way.into_iter().all(|state| counts.get(state) == 0)
        && minis == then.counters.tw
        && connections == then.established
}

fn only_listens(counts: &Counts) -> bool {
    counts.total() == counts.get(State::Listen) + counts.get(State::TimeWait)
}

fn inuse(counters: &Counters) -> u64 {
    counters.inuse4 + counters.inuse6.unwrap_or_default()
}

/// Which table to read first: the one that the other is likelier to be skipped after.
pub(super) fn first_table(before: &Everything) -> Family {
    let Counters { inuse4, inuse6, .. } = before.counters;
    if inuse4 == 0 && inuse6 > Some(0) {
        Family::Ipv6
    } else {
        Family::Ipv4
    }
}

/// Whether nothing can be in the other table than the one of `family`, in which `found` was just read.
pub(super) fn other_is_empty(
    family: Family,
    found: &Found,
    before: &Everything,
    after: &Everything,
) -> bool {
    let is_empty = |counters: &Counters| {
        let inuse = match family {
            Family::Ipv4 => counters.inuse6,
            Family::Ipv6 => Some(counters.inuse4),
        };
        // Without IPv6 there is no table, and that is for whoever opens it to find out.
        inuse == Some(0) && counters.tw == found.minis
    };
    found.scanned.malformed == 0 && is_empty(&before.counters) && is_empty(&after.counters)
}

#[cfg(test)]
#[path = "gates_tests.rs"]
mod tests;
