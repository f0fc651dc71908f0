//! The columns besides the state that tcpgauge's own row reader shows: equal to what the `procfs` crate reads in the same
//! rows; and the timer, which that crate leaves out, is the one that the socket's state has.

use std::fs::File;
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tcpgauge::source::row::Row;
use tcpgauge::source::text::{Buffer, scan};

use crate::listener::PATIENCE;
use crate::witness::{name_of, procfs_rows};

const NONE: u8 = 0;
const RETRANSMIT: u8 = 1;
const TIME_WAIT: u8 = 3;

/// State, local and remote port, send and receive queue, user, inode.
type Columns = (&'static str, u16, u16, u64, u64, u32, u64);

/// Rows of tcp, then of tcp6, in which tcpgauge sees what the procfs crate saw before and after, and fitting timers.
pub(crate) fn rows_at_rest() -> Vec<Row> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = theirs();
        let rows = ours();
        let after = theirs();
        let seen: Vec<Columns> = rows.iter().map(columns).collect();
        let unfit: Vec<&Row> = rows
            .iter()
            .filter(|row| !has_the_timer_of_its_state(row))
            .collect();
        if seen == before && seen == after && unfit.is_empty() {
            return rows;
        }
        // Acknowledgements still under way change queues and timers, and a timer that just fired shows as none.
        if Instant::now() > deadline {
            assert_eq!(seen, after, "not even at rest");
            panic!("no such timers: {unfit:#?}");
        }
        sleep(Duration::from_millis(10));
    }
}

/// Whether this is a mini-socket: one that has only `TIME_WAIT`'s timer left.
pub(crate) fn is_mini_socket(row: &Row) -> bool {
    row.timer == TIME_WAIT && row.inode == 0
}

fn has_the_timer_of_its_state(row: &Row) -> bool {
    match state_of(row) {
        "listen" | "established" | "close_wait" => row.timer == NONE,
        "fin_wait_2" => row.timer == NONE || is_mini_socket(row),
        "time_wait" => is_mini_socket(row),
        // A SYN, an answer to one, or a FIN, which nobody acknowledges.
        "syn_sent" | "syn_received" | "fin_wait_1" | "closing" | "last_ack" => {
            row.timer == RETRANSMIT
        }
        _ => false,
    }
}

fn ours() -> Vec<Row> {
    let mut buffer = Buffer::default();
    let mut rows = Vec::new();
    for path in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        let table = File::open(path).unwrap();
        let scanned = scan(table, &mut buffer, &AtomicBool::new(false), |row, _| {
            rows.push(*row);
        });
        assert_eq!(scanned.unwrap().malformed, 0, "{path}");
    }
    rows
}

fn theirs() -> Vec<Columns> {
    procfs_rows("/proc/self")
        .into_iter()
        .flat_map(|(_, rows)| rows)
        .map(|row| {
            (
                name_of(&row.state),
                row.local_address.port(),
                row.remote_address.port(),
                row.tx_queue.into(),
                row.rx_queue.into(),
                row.uid,
                row.inode,
            )
        })
        .collect()
}

fn columns(row: &Row) -> Columns {
    (
        state_of(row),
        row.local_port,
        row.remote_port,
        row.tx_queue,
        row.rx_queue,
        row.uid,
        row.inode,
    )
}

/// The state, in the words of the JSON snapshot.
pub(crate) fn state_of(row: &Row) -> &'static str {
    row.state.expect("a kernel shows no other states").name()
}
