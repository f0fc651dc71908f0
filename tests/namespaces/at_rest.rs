//! At rest every way of reading is exact: what was made is what each of them says, state by state and family by family.
//!
//! The sparse way derives two states from counters of the kernel, so each kind of socket that those counters treat in a way of
//! their own is here by itself, in numbers that show up as such where it is derived wrongly.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tcpgauge::source::Source;
use tcpgauge::source::chosen::Chosen;
use tcpgauge::source::ways::Ways;

use crate::enter::in_fresh_namespace;
use crate::population::Population;
use crate::rare::{ENDED_RARELY, FULL_SOCKETS_IN_SYN_RECV, OPENED_RARELY, allow_fast_open};
use crate::readings::{EVERY_WAY, Split, by_family, columns_of, own};
use crate::scene::EVERY_STATE;
use crate::skip::skip;
use crate::table::STATES;
use crate::witness;

/// Every way and the program by each of its sources says what was made.
fn agree(population: &Population) {
    population.settle();
    let expected = &population.expected;
    let stop = AtomicBool::new(false);
    let mut apart = Ways::new(own(Split::ByFamily));
    let mut together = Ways::new(own(Split::Together));
    for way in EVERY_WAY {
        // Twice, since nothing may be left of a reading in the next one.
        for _ in 0..2 {
            let reading = apart.take(way, &stop).unwrap();
            assert_eq!(&by_family(&reading), expected, "{way:?}");
            assert_eq!(reading.source, way);

            let reading = together.take(way, &stop).unwrap();
            for state in STATES {
                let sum = columns_of(&reading, Split::Together)[&("both", state)];
                assert_eq!(sum, expected.both(state), "{way:?} {state}");
            }
            assert_eq!(reading.counted.total(), expected.total(), "{way:?}");
        }
    }
    for (source, named) in [("auto", "diag"), ("diag", "diag"), ("text", "text")] {
        let (table, name) = witness::snapshot_from(source, "self");
        assert_eq!(&table, expected, "--source {source}");
        assert_eq!(name, named, "--source {source}");
    }
    let mut chosen = Chosen::new(own(Split::ByFamily));
    let reading = chosen.read(Instant::now(), &stop).unwrap();
    assert_eq!(&by_family(&reading), expected);
    assert_eq!((reading.source, reading.step_downs), (Source::Diag, 0));
}

#[test]
fn every_way_counts_every_state_as_it_was_made() {
    in_fresh_namespace(
        "at_rest::every_way_counts_every_state_as_it_was_made",
        |_| {
            agree(&Population::of_every_state());
        },
    );
}

#[test]
fn every_way_counts_nothing_where_nothing_is() {
    in_fresh_namespace("at_rest::every_way_counts_nothing_where_nothing_is", |_| {
        agree(&Population::default());
    });
}

#[test]
fn full_sockets_in_syn_recv_are_not_established() {
    let name = "at_rest::full_sockets_in_syn_recv_are_not_established";
    in_fresh_namespace(name, |test| {
        if let Err(error) = allow_fast_open() {
            return skip(test, &format!("Fast Open cannot be allowed: {error}"));
        }
        let mut population = Population::default();
        for scene in &FULL_SOCKETS_IN_SYN_RECV {
            population.add(scene);
        }
        agree(&population);

        // Each of them is a socket, where a request has no inode.
        assert_eq!(
            witness::sockets_in("03") as u64,
            population.expected.both("syn_received")
        );
        // And beside requests they are still told apart.
        for scene in EVERY_STATE {
            population.add(scene);
        }
        agree(&population);
    });
}

#[test]
fn connections_opened_in_rare_ways_are_counted_once() {
    let name = "at_rest::connections_opened_in_rare_ways_are_counted_once";
    in_fresh_namespace(name, |test| {
        if let Err(error) = allow_fast_open() {
            return skip(test, &format!("Fast Open cannot be allowed: {error}"));
        }
        let mut population = Population::default();
        for scene in &OPENED_RARELY {
            population.add(scene);
        }
        agree(&population);
    });
}

#[test]
fn connections_ended_in_rare_ways_leave_nothing_behind() {
    let name = "at_rest::connections_ended_in_rare_ways_leave_nothing_behind";
    in_fresh_namespace(name, |_| {
        let mut population = Population::default();
        for scene in &ENDED_RARELY {
            population.add(scene);
        }
        agree(&population);
    });
}

#[test]
fn multipath_connections_are_counted_once() {
    let name = "at_rest::multipath_connections_are_counted_once";
    in_fresh_namespace(name, |test| {
        let mut population = Population::default();
        if let Err(error) = population.add_multipath(4) {
            return skip(test, &format!("the kernel has no multipath TCP: {error}"));
        }
        agree(&population);
    });
}

#[test]
fn ipv6_sockets_that_became_ipv4_ones_are_counted_as_such() {
    let name = "at_rest::ipv6_sockets_that_became_ipv4_ones_are_counted_as_such";
    in_fresh_namespace(name, |test| {
        let mut population = Population::default();
        if let Err(error) = population.add_converted(7) {
            return skip(test, &format!("cannot run python3: {error}"));
        }
        agree(&population);
    });
}
