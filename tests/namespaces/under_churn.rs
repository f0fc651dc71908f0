//! While thousands of connections a second come and go, in every way there is, all ways of reading agree as far as that
//! explains; and when it stops, they are equal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tcpgauge::source::Source;
use tcpgauge::source::chosen::Chosen;
use tcpgauge::source::ways::Ways;

use crate::churn::Churn;
use crate::enter::in_fresh_namespace;
use crate::ledger::Ledger;
use crate::listener::{Admits, Listener, PATIENCE};
use crate::population::Population;
use crate::rare::{FULL_SOCKETS_IN_SYN_RECV, allow_fast_open};
use crate::readings::{Columns, EVERY_WAY, Split, by_family, columns_of, own};
use crate::scene::{EVERY_STATE, ORPHANS_IN_FIN_WAIT_2};
use crate::skip::skip;
use crate::table::Family;
use crate::verdict::{Base, Observation, SLACK, complaints};
use crate::witness;

/// Readings in each way, enough for a middle that stands still.
const GROUPS: usize = 40;

/// And so many do where readings take long, as on a busy machine.
const FEWEST: usize = 11;

/// How many of everything stay open at least, so that whatever is counted wrongly is seen.
const MANY: u64 = 3 * SLACK;

/// An agent's longest time between two looks at whether its source still tells the truth.
const UNTIL_THE_NEXT_LOOK: Duration = Duration::from_mins(20);

/// What stays open while others come and go, and the population that holds it.
fn base() -> (Base, Population) {
    let mut population = Population::default();
    population.add_twins(Family::Ipv4, MANY);
    population.add_twins(Family::Ipv6, MANY);
    population.add_mapped(MANY, MANY);
    if let Err(error) = population.add_multipath(MANY / 3) {
        eprintln!("without multipath TCP: {error}");
    }
    for scene in EVERY_STATE.iter().chain(&FULL_SOCKETS_IN_SYN_RECV) {
        population.add(&scene.more_often(MANY));
    }
    population.settle();
    let orphans = ORPHANS_IN_FIN_WAIT_2.more_often(MANY);
    let base = Base {
        table: population.expected.clone(),
        mini_sockets: orphans.ipv4 + orphans.ipv6,
    };
    (base, population)
}

/// The base alone is more sockets than some systems let a process have by default.
fn lift_the_limit_of_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let lifted = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, lifted).unwrap();
}

fn observe(way: Source, split: Split, columns: impl FnOnce() -> Columns) -> Observation {
    let before = Ledger::now();
    let columns = columns();
    Observation {
        way,
        split,
        columns,
        before,
        after: Ledger::now(),
    }
}

#[test]
fn all_ways_agree_as_far_as_what_changes_explains() {
    let name = "under_churn::all_ways_agree_as_far_as_what_changes_explains";
    in_fresh_namespace(name, |test| {
        if let Err(error) = allow_fast_open() {
            return skip(test, &format!("Fast Open cannot be allowed: {error}"));
        }
        lift_the_limit_of_open_files();
        let (mut base, population) = base();
        let churn = Churn::start();
        for (family, number) in churn.listeners {
            base.table.add(family, "listen", number);
        }

        let stop = AtomicBool::new(false);
        let mut readers =
            [Split::ByFamily, Split::Together].map(|split| (split, Ways::new(own(split))));
        let began = Instant::now();
        let mut seen = Vec::new();
        for group in 0..GROUPS {
            if group > FEWEST && churn.was_long() {
                break;
            }
            // None is always the first, as what only grows would then be smallest there.
            for turn in 0..EVERY_WAY.len() {
                let way = EVERY_WAY[(group + turn) % EVERY_WAY.len()];
                for (split, ways) in &mut readers {
                    seen.push(observe(way, *split, || {
                        columns_of(&ways.take(way, &stop).unwrap(), *split)
                    }));
                }
            }
        }
        let took = began.elapsed();
        let rounds = churn.rounds();
        churn.end();
        let said = format!("{rounds} rounds in {took:?}");

        assert_eq!(complaints(&seen, &base), "", "{said}");
        assert!(rounds > 1_000, "hardly a churn: {said}");
        all_ways_are_equal_at_rest(&population);
        every_mistake_would_be_seen(&seen, &base);
    });
}

/// Without waiting for the end of the thousands in `TIME_WAIT`, which are all that the churn has left.
fn all_ways_are_equal_at_rest(population: &Population) {
    let stop = AtomicBool::new(false);
    let mut ways = Ways::new(own(Split::ByFamily));
    let mut together = Ways::new(own(Split::Together));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = witness::procfs("/proc/self");
        let mut expected = population.expected.clone();
        for (family, in_time_wait) in [
            (Family::Ipv4, before.ipv4["time_wait"]),
            (Family::Ipv6, before.ipv6["time_wait"]),
        ] {
            let made = expected.of(family, "time_wait");
            expected.add(family, "time_wait", in_time_wait.saturating_sub(made));
        }
        let tables = EVERY_WAY.map(|way| by_family(&ways.take(way, &stop).unwrap()));
        let sums =
            EVERY_WAY.map(|way| columns_of(&together.take(way, &stop).unwrap(), Split::Together));
        if before == expected && witness::procfs("/proc/self") == expected {
            for (way, table) in EVERY_WAY.iter().zip(tables) {
                assert_eq!(table, expected, "{way:?}");
            }
            for (way, sums) in EVERY_WAY.iter().zip(&sums) {
                for ((_, state), &sum) in sums {
                    assert_eq!(sum, expected.both(state), "{way:?} {state}");
                }
            }
            assert!(expected.both("time_wait") > 500, "{expected:?}");
            return;
        }
        assert!(
            Instant::now() < deadline,
            "never at rest:\nseen {before:#?}\nexpected {expected:#?}"
        );
        sleep(Duration::from_millis(10));
    }
}

/// The comparison's own test: what a wrong formula would make of the same readings is complained about.
fn every_mistake_would_be_seen(seen: &[Observation], base: &Base) {
    const SO_MANY: i64 = MANY.cast_signed();
    let apart_and_together = [Split::ByFamily, Split::Together];
    // Told apart by family, TIME_WAIT is dumped and not derived.
    let together = [Split::Together];
    for (mistake, way, splits, state, by) in [
        (
            "full sockets in SYN_RECV are ESTABLISHED too",
            Source::Diag,
            &apart_and_together[..],
            "established",
            SO_MANY,
        ),
        (
            "requests are full sockets, or mini-sockets are",
            Source::Diag,
            &apart_and_together,
            "established",
            -SO_MANY,
        ),
        (
            "mini-sockets in FIN_WAIT_2 are in TIME_WAIT too",
            Source::Diag,
            &together,
            "time_wait",
            2 * SO_MANY,
        ),
        (
            "multipath connections are not counted",
            Source::DiagFull,
            &apart_and_together,
            "established",
            -SO_MANY,
        ),
        (
            "listeners on one address are one",
            Source::Text,
            &apart_and_together,
            "listen",
            1 - SO_MANY,
        ),
        (
            "CLOSING is LAST_ACK too",
            Source::Text,
            &apart_and_together,
            "last_ack",
            SO_MANY,
        ),
    ] {
        for &split in splits {
            for &family in split.families() {
                let mut doctored = seen.to_vec();
                for observation in &mut doctored {
                    if (observation.way, observation.split) == (way, split) {
                        let number = observation.columns.get_mut(&(family, state)).unwrap();
                        *number = number.saturating_add_signed(by);
                    }
                }
                assert_ne!(complaints(&doctored, base), "", "{mistake}, {family}");
            }
        }
    }
}

#[test]
fn the_agents_own_comparison_never_mistakes_churn_for_a_disagreement() {
    let name = "under_churn::the_agents_own_comparison_never_mistakes_churn_for_a_disagreement";
    in_fresh_namespace(name, |test| {
        if let Err(error) = allow_fast_open() {
            return skip(test, &format!("Fast Open cannot be allowed: {error}"));
        }
        lift_the_limit_of_open_files();
        let (mut base, _held) = base();
        let churn = Churn::start();
        for (family, number) in churn.listeners {
            base.table.add(family, "listen", number);
        }

        for split in [Split::ByFamily, Split::Together] {
            assert_eq!(complaints(&seen_by_an_agent(split, &churn), &base), "");
        }
        churn.end();
    });
}

/// Where nothing stays open, a sparse reading is now and then less than nothing: more ended since the counters were read than is
/// left. Then another is taken, and that is no disagreement either.
#[test]
fn a_negative_number_that_churn_explains_is_no_disagreement() {
    let name = "under_churn::a_negative_number_that_churn_explains_is_no_disagreement";
    in_fresh_namespace(name, |test| {
        if let Err(error) = allow_fast_open() {
            return skip(test, &format!("Fast Open cannot be allowed: {error}"));
        }
        let mut base = Base::default();
        let churn = Churn::start();
        for (family, number) in churn.listeners {
            base.table.add(family, "listen", number);
        }
        for split in [Split::ByFamily, Split::Together] {
            assert_eq!(complaints(&seen_by_an_agent(split, &churn), &base), "");
        }
        churn.end();
    });
}

/// A server that reloads, or whoever looks for a free port: no counter of the kernel's tells of a listener that came and went.
#[test]
fn listeners_that_come_and_go_are_no_disagreement() {
    let name = "under_churn::listeners_that_come_and_go_are_no_disagreement";
    in_fresh_namespace(name, |_| {
        let population = Population::of_every_state();
        let ended = Arc::new(AtomicBool::new(false));
        let threads = [Family::Ipv4, Family::Ipv6].map(|family| {
            let ended = Arc::clone(&ended);
            std::thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    let listen = |()| Listener::new(family.loopback(), Admits::Everything);
                    let listeners = [(); 5].map(listen);
                    sleep(Duration::from_millis(1));
                    drop(listeners);
                    sleep(Duration::from_millis(1));
                }
            })
        });
        let stop = AtomicBool::new(false);
        let mut chosen = Chosen::new(own(Split::ByFamily));
        let mut now = Instant::now();
        for look in 0..GROUPS {
            let reading = chosen.read(now, &stop).unwrap();
            assert_eq!(reading.step_downs, 0, "at look {look}: {:?}", reading.why);
            now += UNTIL_THE_NEXT_LOOK;
        }
        ended.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap();
        }
        drop(population);
    });
}

/// What the agent's source says, which compares the ways each time.
fn seen_by_an_agent(split: Split, churn: &Churn) -> Vec<Observation> {
    let stop = AtomicBool::new(false);
    let mut chosen = Chosen::new(own(split));
    let mut now = Instant::now();
    let mut seen = Vec::new();
    for look in 0..GROUPS {
        if look > FEWEST && churn.was_long() {
            break;
        }
        seen.push(observe(Source::Diag, split, || {
            let reading = chosen.read(now, &stop).unwrap();
            assert_eq!(reading.step_downs, 0, "at look {look}: {:?}", reading.why);
            assert_ne!(
                reading.source,
                Source::Text,
                "at look {look}: {:?}",
                reading.why
            );
            columns_of(&reading, split)
        }));
        now += UNTIL_THE_NEXT_LOOK;
    }
    seen
}
