//! Tables of any size: bounded time, flat memory, and an end for what has none.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use tcpgauge::source::text::{Buffer, MAX_FILE_BYTES, MAX_LINE_BYTES, ScanError, scan};
use tcpgauge::tcp::State;
use tempfile::TempDir;

use crate::outcome::{Snapshot, whole};
use crate::program::finish;

/// The shortest row there is: a test of numbers and not of width.
const ROW: &[u8] = b"0: A:1 B:2 06 0:0 0:0 0 0 0 0\n";

/// `rows` rows, none of which is kept anywhere.
struct Rows {
    left: u64,
    /// Bytes of the row in progress that were given.
    given: usize,
}

impl Read for Rows {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() && self.left > 0 {
            let count = (ROW.len() - self.given).min(into.len() - filled);
            into[filled..filled + count].copy_from_slice(&ROW[self.given..self.given + count]);
            filled += count;
            self.given += count;
            if self.given == ROW.len() {
                self.given = 0;
                self.left -= 1;
            }
        }
        Ok(filled)
    }
}

/// A file that goes on and on, and counts how often it is read.
struct Endless<'a> {
    reads: u64,
    stop: &'a AtomicBool,
    stop_after: u64,
}

impl Read for Endless<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads == self.stop_after {
            self.stop.store(true, Ordering::Relaxed);
        }
        // What is in the buffer will do: the bytes do not matter, only that there is no end of them.
        Ok(into.len())
    }
}

#[test]
fn ten_million_rows_are_counted_over_one_fixed_buffer() {
    const ROWS: u64 = 10_000_000;
    let mut time_wait = 0_u64;
    let rows = Rows {
        left: ROWS,
        given: 0,
    };
    // The reader makes up its rows as it goes and the scanner has this buffer alone: there is nothing that could grow.
    let mut buffer = Buffer::default();
    let scanned = scan(rows, &mut buffer, &AtomicBool::new(false), |row, _| {
        time_wait += u64::from(row.state == Some(State::TimeWait));
    })
    .unwrap();
    assert_eq!((scanned.rows, scanned.malformed), (ROWS, 0));
    assert_eq!(scanned.bytes, ROWS * ROW.len() as u64);
    assert_eq!(time_wait, ROWS);
}

/// The whole binary over a file that is larger than all the memory it may have.
#[test]
fn a_table_larger_than_the_memory_that_the_process_may_have_is_read() {
    const ROWS: u64 = 3_000_000;
    const KIBIBYTES: u64 = 64 << 10;
    assert!(ROWS * ROW.len() as u64 > KIBIBYTES << 10);
    let proc = TempDir::new().unwrap();
    let net = proc.path().join("1/net");
    std::fs::create_dir_all(&net).unwrap();
    let mut table = BufWriter::new(File::create(net.join("tcp")).unwrap());
    (0..ROWS).for_each(|_| table.write_all(ROW).unwrap());
    table.into_inner().unwrap();

    let mut command = Command::new("sh");
    command
        .env_clear()
        .args([
            "-c",
            r#"ulimit -v "$1" && exec "$2" snapshot --format json --proc-root "$3""#,
        ])
        .args(["sh", &KIBIBYTES.to_string(), env!("CARGO_BIN_EXE_tcpgauge")])
        .arg(proc.path());
    let found = Snapshot::of(finish(command));
    assert_eq!(found.outcome(), whole(ROWS, None));
    assert_eq!(found.json["readings"][0]["tcp_time_wait"], ROWS);
}

#[test]
fn a_reading_that_nobody_waits_for_any_more_ends_at_the_next_read() {
    let stop = AtomicBool::new(false);
    let mut endless = Endless {
        reads: 0,
        stop: &stop,
        stop_after: 3,
    };
    let error = scan(&mut endless, &mut Buffer::default(), &stop, |_, _| {}).unwrap_err();
    assert!(matches!(error, ScanError::Stopped), "{error}");
    assert_eq!(endless.reads, 3);
}

#[test]
fn a_file_without_end_is_given_up() {
    let stop = AtomicBool::new(false);
    let mut endless = Endless {
        reads: 0,
        stop: &stop,
        stop_after: u64::MAX,
    };
    let error = scan(&mut endless, &mut Buffer::default(), &stop, |_, _| {}).unwrap_err();
    assert!(matches!(error, ScanError::Endless), "{error}");
    assert_eq!(endless.reads, MAX_FILE_BYTES / MAX_LINE_BYTES as u64 + 1);
}
