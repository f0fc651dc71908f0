//! Real sockets in every state a kernel shows, counted by tcpgauge as they were made and as others count them.
//!
//! Fixtures show that a file is read as it is written; only a kernel shows that what is written is what was meant. So each
//! test here makes sockets in a network namespace of its own (no root needed) and compares: the numbers it made, what
//! `tcpgauge snapshot` says, what the `procfs` crate reads, what `ss` is told over netlink.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod at_rest;
mod churn;
mod columns;
mod culprits;
mod enter;
mod leak;
mod ledger;
mod listener;
mod population;
mod ports;
mod queues;
mod rare;
mod readings;
mod scene;
#[path = "../support/skip.rs"]
mod skip;
mod table;
mod under_churn;
mod verdict;
mod witness;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use columns::{is_mini_socket, rows_at_rest, state_of};
use enter::in_fresh_namespace;
use population::Population;
use scene::ORPHANS_IN_FIN_WAIT_2;
use skip::skip;
use table::{Family, Table};
use tcpgauge::source::row::Row;

#[test]
fn every_state_is_counted_as_it_was_made() {
    in_fresh_namespace("every_state_is_counted_as_it_was_made", |_| {
        let population = Population::of_every_state();
        assert_eq!(witness::snapshot("self"), population.expected);

        // What makes the line above worth something: no two numbers of it can be swapped unseen.
        let expected = population.expected;
        let shown: Vec<u64> = expected
            .ipv4
            .into_values()
            .chain(expected.ipv6.into_values())
            .filter(|&n| n > 0)
            .collect();
        assert_eq!(shown.len(), 20, "ten states in two families: {shown:?}");
        assert_eq!(
            BTreeSet::from_iter(&shown).len(),
            20,
            "all different: {shown:?}"
        );
    });
}

#[test]
fn the_procfs_crate_counts_the_same() {
    in_fresh_namespace("the_procfs_crate_counts_the_same", |_| {
        let _population = Population::of_every_state();
        let before = witness::procfs("/proc/self");
        let ours = witness::snapshot("self");
        assert_eq!(ours, before);
        assert_eq!(ours, witness::procfs("/proc/self"));
    });
}

#[test]
fn ss_counts_the_same() {
    in_fresh_namespace("ss_counts_the_same", |test| {
        let _population = Population::of_every_state();
        match witness::ss() {
            Ok(theirs) => assert_eq!(witness::snapshot("self"), theirs),
            Err(error) => skip(test, &format!("cannot run ss: {error}")),
        }
    });
}

#[test]
fn an_empty_namespace_is_all_zeros_and_no_fault() {
    in_fresh_namespace("an_empty_namespace_is_all_zeros_and_no_fault", |_| {
        assert_eq!(witness::snapshot("self"), Table::default());
    });
}

#[test]
fn fin_wait_2_mini_sockets_are_not_time_wait() {
    in_fresh_namespace("fin_wait_2_mini_sockets_are_not_time_wait", |_| {
        let mut population = Population::default();
        population.add(&ORPHANS_IN_FIN_WAIT_2);
        population.settle();
        let orphans = ORPHANS_IN_FIN_WAIT_2.ipv4 + ORPHANS_IN_FIN_WAIT_2.ipv6;

        // They are mini-sockets indeed: state 05 with TIME_WAIT's timer.
        assert_eq!(witness::rows_with("05", "03") as u64, orphans);
        let seen = witness::snapshot("self");
        assert_eq!(seen.both("fin_wait_2"), orphans);
        assert_eq!(seen.both("time_wait"), 0);
        assert_eq!(seen, population.expected);
    });
}

#[test]
fn listeners_that_share_one_address_are_counted_each() {
    in_fresh_namespace("listeners_that_share_one_address_are_counted_each", |_| {
        let mut population = Population::default();
        population.add_twins(Family::Ipv4, 3);
        population.add_twins(Family::Ipv6, 5);
        population.settle();

        for (_, rows) in witness::procfs_rows("/proc/self") {
            let addresses: BTreeSet<_> = rows.iter().map(|row| row.local_address).collect();
            assert_eq!(addresses.len(), 1, "one address for all of {rows:?}");
        }
        assert_eq!(witness::snapshot("self"), population.expected);
    });
}

#[test]
fn ipv4_connections_of_an_ipv6_listener_are_counted_once() {
    in_fresh_namespace(
        "ipv4_connections_of_an_ipv6_listener_are_counted_once",
        |_| {
            let mut population = Population::default();
            population.add_mapped(2, 3);
            population.settle();

            // The accepted ends, and both ends where the client is an IPv6 socket as well, are rows of tcp6 only.
            let seen = witness::snapshot("self");
            assert_eq!((seen.ipv4["established"], seen.ipv6["established"]), (2, 8));
            assert_eq!(seen, population.expected);
        },
    );
}

#[test]
fn the_host_scope_is_process_1s_namespace_and_not_our_own() {
    in_fresh_namespace(
        "the_host_scope_is_process_1s_namespace_and_not_our_own",
        |test| {
            if let Err(error) = std::fs::read("/proc/1/net/tcp") {
                return skip(test, &format!("process 1 is hidden: {error}"));
            }
            // So many more listeners than the machine has that no coming and going there makes the two alike.
            let listeners = witness::procfs("/proc/1").both("listen") + 300;
            let mut population = Population::default();
            population.add_twins(Family::Ipv4, listeners);
            population.settle();
            assert_eq!(witness::snapshot("self").both("listen"), listeners);

            // Others work on that machine meanwhile, so look until it held still around a snapshot.
            let deadline = Instant::now() + Duration::from_secs(30);
            loop {
                let before = witness::procfs("/proc/1").both("listen");
                let seen = witness::snapshot("host").both("listen");
                let after = witness::procfs("/proc/1").both("listen");
                assert!(seen < listeners, "{seen} is not the {before} of process 1");
                if before == seen && seen == after {
                    return;
                }
                assert!(
                    Instant::now() < deadline,
                    "process 1 has {before}, then {after}; the host scope says {seen}"
                );
            }
        },
    );
}

#[test]
fn every_column_of_a_row_is_read_as_the_procfs_crate_reads_it() {
    in_fresh_namespace(
        "every_column_of_a_row_is_read_as_the_procfs_crate_reads_it",
        |_| {
            let _population = Population::of_every_state();
            let rows = rows_at_rest();

            // The agreement is about something: no column is the same in all rows but the user's, who is one here.
            let some = |state, shows: fn(&Row) -> bool| {
                assert!(
                    rows.iter().any(|row| state_of(row) == state && shows(row)),
                    "{state} {rows:#?}"
                );
            };
            some("established", |row| row.rx_queue == 10);
            some("established", |row| row.inode == 0);
            some("established", |row| {
                row.inode != 0 && row.local_port != row.remote_port
            });
            some("listen", |row| row.rx_queue > 0 && row.remote_port == 0);
            some("fin_wait_1", |row| row.tx_queue > 0);
            some("fin_wait_2", is_mini_socket);
        },
    );
}
