//! The cases that git can carry: `tests/fixtures/<name>`. Each says in words why its outcome is the right one.

use std::collections::BTreeSet;
use std::fs;

use crate::golden;
use crate::outcome::{Outcome, partial, snapshot, whole};

macro_rules! cases {
    ($($name:ident: $claim:literal => $outcome:expr;)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                golden::check(stringify!($name), $claim, $outcome);
            }
        )*
    };
}

// Unless a case says otherwise, its tcp has a listener, two established connections and a TIME_WAIT (4), its tcp6 a
// listener and a TIME_WAIT (2), and what is odd about it comes on top.
cases! {
    every_state_in_both_families:
        "each of the 10 states that a kernel shows is counted under its own name, in tcp and in tcp6; a FIN_WAIT2 mini-socket (timer 03) \
         is in FIN_WAIT2, and a v4-mapped connection in IPv6, where the kernel lists it" =>
        whole(40, Some(135));
    header_only:
        "a namespace without sockets has zero of each: that is a number, and no fault" =>
        whole(0, Some(0));
    closed_rows:
        "no kernel prints state 07, but a file that has such rows has sockets, and they are counted" =>
        whole(6, Some(3));
    no_tcp6:
        "a kernel without IPv6 has no tcp6: everything that there is was read, and IPv6 is null and not a row of zeros" =>
        whole(4, None);
    no_header:
        "without a header the first line is a row like any other" =>
        whole(4, Some(2));
    lower_case:
        "hexadecimal digits mean the same in lower case, in states (0a, 0b) as well" =>
        whole(3, Some(2));
    crlf:
        "a table that went through another system's hands still has the same rows" =>
        whole(4, Some(2));
    odd_widths:
        "slots of 1 to 26 digits, addresses of 1 to 64, queues and inodes of 64 bits, tabs, columns that no kernel has yet, and \
         none after the inode: numbers are numbers in any width" =>
        whole(4, Some(2));

    unknown_states:
        "0D, FF, 00, 0C (which no kernel prints: it shows such request sockets as 03) and 10 are sockets: they are in the total, in no state, \
         and the reading is incomplete" =>
        partial(4, Some(1), 5, 0);
    malformed_lines:
        "a slot without colon, a missing state, a state of 0G, a port over FFFF, an address without port, an inode that is a word or \
         beyond 64 bits, a slot that is a letter, a state beyond 64 bits, a timer without its time: ten lines that each may have \
         been a socket, counted as such and as nothing else" =>
        partial(4, Some(2), 0, 10);
    short_lines:
        "a line that ends before its inode (after the slot, after the state, after the timeout) is no row, even though its state can be read" =>
        partial(4, Some(2), 0, 3);
    over_long_line:
        "a line of more than 32 KiB is passed over as a whole, without a row being seen in its middle, and the next line is a row again" =>
        partial(3, Some(2), 0, 1);
    over_long_last_line:
        "an over-long line without end is one malformed line and not one per buffer" =>
        partial(3, Some(2), 0, 1);
    not_utf8:
        "bytes that are no text are no hexadecimal digits either: two lines are malformed, the others are counted" =>
        partial(4, Some(2), 0, 2);
    nul_bytes:
        "a line of NULs (a hole in a file), a NUL in a state, and NULs at the end are malformed and end nothing early" =>
        partial(4, Some(2), 0, 3);
    garbage_first:
        "a first line that is neither header nor row may have been a row; a header is one only in the first line, so it is not known here" =>
        partial(4, Some(2), 0, 2);
    header_twice:
        "a second header means that two files were put together, of which nobody knows what was cut" =>
        partial(4, Some(2), 0, 1);
    blank_line:
        "the kernel writes no blank lines, so something was there: one in the middle, one of spaces at the end" =>
        partial(4, Some(2), 0, 2);
    cut_in_a_line:
        "a file that ends in the middle of a line ended too early, and how many rows are missing is unknown" =>
        partial(3, Some(2), 0, 1);
    cut_in_a_state:
        "a file that ends in 06 may have gone on to say anything: the cut line is no TIME_WAIT" =>
        partial(3, Some(2), 0, 1);
    cut_before_the_newline:
        "the kernel ends every line, so a last row without end was cut even if it looks whole (its inode may have been longer)" =>
        partial(4, Some(1), 0, 1);
    lost_newline_between_rows:
        "two rows in one line are not one row: columns may follow the inode, but a second row among them was a socket" =>
        partial(2, Some(2), 0, 1);
    lost_newline_after_the_header:
        "a header that goes on with a row is no header: the row in it was a socket" =>
        partial(3, Some(2), 0, 1);

    empty_tcp:
        "the kernel always writes a header, so an empty file is not the kernel's table, and its zero would be a lie" =>
        Outcome::NoReading;
    empty_tcp6:
        "the same for tcp6: without it there is no total, so tcp alone is not told as one" =>
        Outcome::NoReading;
    no_tcp:
        "a proc whose PID 1 has no net/tcp is none; tcp6 alone is no total" =>
        Outcome::NoReading;
    no_pid_1:
        "without PID 1 (hidepid, or a proc of something else) there is no host to read; PID 2 is not taken instead" =>
        Outcome::NoReading;
    pid_1_is_a_file:
        "a file in the place of PID 1's directory is as good as nothing" =>
        Outcome::NoReading;
    not_a_proc:
        "a directory with other things in it is no proc" =>
        Outcome::NoReading;
}

#[test]
fn every_directory_is_a_case_and_every_case_a_directory() {
    let directories: BTreeSet<String> = fs::read_dir(golden::directory())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let cases = NAMES.iter().map(ToString::to_string).collect();
    assert_eq!(directories, cases);
}

/// Goldens are compared by value, so the order of members, which people read, is held here.
#[test]
fn the_json_is_written_in_the_documented_order() {
    let found = snapshot(&golden::directory().join("no_tcp6/proc"));
    let (_, rest) = found.run.stdout.split_once(r#"","faults""#).unwrap();
    assert!(found.run.stdout.starts_with(r#"{"time":""#));
    assert_eq!(
        rest,
        concat!(
            r#":[],"readings":[{"scope":"host","source":"text","#,
            r#""source_reason":"netlink tells of this machine, and the proc root is not a mounted proc","complete":true,"#,
            r#""tcp_connections":4,"tcp_established":2,"tcp_time_wait":1,"tcp_close_wait":0,"tcp_listen":1,"#,
            r#""states":{"ipv4":{"established":2,"syn_sent":0,"syn_received":0,"fin_wait_1":0,"fin_wait_2":0,"time_wait":1,"#,
            r#""closed":0,"close_wait":0,"last_ack":0,"listen":1,"closing":0},"ipv6":null},"unrecognised":0,"malformed":0,"#,
            r#""listeners":{"longest_accept_queue":{"port":22,"length":0,"limit":null},"full":null}}]}"#,
            "\n"
        )
    );
}
