//! Whether readings taken while sockets come and go agree, as far as what came and went explains.
//!
//! No two readings see the same moment, so three things are held, from the loosest to the tightest. Each reading by itself: no
//! state has more or fewer sockets than stay open all the while, but for those that the kernel's own counters saw come and
//! those that were about. `TIME_WAIT`, which only grows here: each reading lies between the counter before and after it, and
//! what is derived of the counter is close to it. And all readings of one way together: what comes and goes cancels out in the
//! middle of many, so the middles of all ways are close, and a mistake that one way makes every time shows.

use std::collections::BTreeSet;
use std::fmt::Write;

use tcpgauge::source::Source;

use crate::churn::{HELD_BY_A_THREAD, THREADS};
use crate::ledger::Ledger;
use crate::readings::{Columns, EVERY_WAY, Split};
use crate::table::Table;

/// How far the middles of the ways may be apart. Whatever stays open is in groups of more than twice as many.
pub(crate) const SLACK: u64 = 12;

/// Sockets of the churn that can be in one state of one family at one moment.
const ABOUT: u64 = THREADS * HELD_BY_A_THREAD;

/// One reading, and the kernel's books around it.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    pub(crate) way: Source,
    pub(crate) split: Split,
    pub(crate) columns: Columns,
    pub(crate) before: Ledger,
    pub(crate) after: Ledger,
}

/// What stays open all the while.
#[derive(Default)]
pub(crate) struct Base {
    pub(crate) table: Table,
    /// How many of those in `FIN_WAIT_2` are in the table that holds `TIME_WAIT`.
    pub(crate) mini_sockets: u64,
}

impl Base {
    pub(crate) fn of(&self, (family, state): (&str, &str)) -> u64 {
        match family {
            "ipv4" => self.table.ipv4[state],
            "ipv6" => self.table.ipv6[state],
            _ => self.table.both(state),
        }
    }
}

/// The complaints about these readings; none if they agree.
pub(crate) fn complaints(observations: &[Observation], base: &Base) -> String {
    let mut complaints = String::new();
    for observation in observations {
        each(observation, base, &mut complaints);
    }
    middles(observations, base, &mut complaints);
    let distances = observations.iter().filter_map(|seen| distance(seen, base));
    if let Some(distance) = middle(distances.collect())
        && distance > SLACK
    {
        writeln!(
            complaints,
            "TIME_WAIT is {distance} from its counter in the middle"
        )
        .unwrap();
    }
    complaints
}

/// From what is derived of the counter to the counter as it was just before, which is when the reading began with it: so
/// much later as a few microseconds, however long the reading then took.
fn distance(seen: &Observation, base: &Base) -> Option<u64> {
    let is_derived = (seen.way, seen.split) == (Source::Diag, Split::Together);
    let time_wait = in_time_wait(&seen.columns) + base.mini_sockets;
    is_derived.then_some(seen.before.time_wait_table.abs_diff(time_wait))
}

fn each(seen: &Observation, base: &Base, complaints: &mut String) {
    // Ends that opened meanwhile, with a listener of their own each at most.
    let came = 2 * seen.before.opened_until(&seen.after);
    for (&column, &number) in &seen.columns {
        let stay = base.of(column);
        if column.1 != "time_wait"
            && !(stay.saturating_sub(came)..=stay + ABOUT + came).contains(&number)
        {
            let way = seen.way;
            writeln!(complaints, "{way:?}: {column:?} is {number}, where {stay} stay, {ABOUT} may be about and {came} came").unwrap();
        }
    }
    let time_wait = in_time_wait(&seen.columns) + base.mini_sockets;
    let (least, most) = (seen.before.time_wait_table, seen.after.time_wait_table);
    if !(least.saturating_sub(ABOUT)..=most + ABOUT).contains(&time_wait) {
        writeln!(complaints, "{:?}: TIME_WAIT and mini-sockets are {time_wait}, the counter was {least} before and {most} after", seen.way).unwrap();
    }
}

fn in_time_wait(columns: &Columns) -> u64 {
    ["ipv4", "ipv6", "both"]
        .iter()
        .filter_map(|&family| columns.get(&(family, "time_wait")))
        .sum()
}

fn middles(observations: &[Observation], base: &Base, complaints: &mut String) {
    let columns: BTreeSet<_> = observations
        .iter()
        .flat_map(|seen| seen.columns.keys())
        .collect();
    for &&column in columns.iter().filter(|(_, state)| *state != "time_wait") {
        let stay = base.of(column);
        let middles: Vec<(Source, u64)> = EVERY_WAY
            .into_iter()
            .filter_map(|way| {
                let numbers = observations.iter().filter(|seen| seen.way == way);
                let numbers = numbers.filter_map(|seen| seen.columns.get(&column).copied());
                Some((way, middle(numbers.collect())?))
            })
            .collect();
        let numbers = || middles.iter().map(|&(_, number)| number);
        let (least, most) = (numbers().min().unwrap(), numbers().max().unwrap());
        if most - least > SLACK || least + SLACK < stay || most > stay + ABOUT + SLACK {
            writeln!(
                complaints,
                "{column:?}, where {stay} stay: in the middle {middles:?}"
            )
            .unwrap();
        }
    }
}

fn middle(mut numbers: Vec<u64>) -> Option<u64> {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied()
}
