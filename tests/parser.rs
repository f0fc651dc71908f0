//! The parser against a naive one that splits lines and columns: whatever the bytes and however they arrive, both see the same.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use std::io::{self, Read};
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use tcpgauge::source::row::Row;
use tcpgauge::source::text::{Buffer, MAX_LINE_BYTES, Scanned, scan};
use tcpgauge::tcp::State;

/// Gives its bytes in pieces of these sizes, in turn.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let size = self
            .sizes
            .next()
            .copied()
            .unwrap_or(1)
            .min(into.len())
            .min(self.bytes.len());
        let (piece, rest) = self.bytes.split_at(size);
        into[..size].copy_from_slice(piece);
        self.bytes = rest;
        Ok(size)
    }
}

fn streamed(bytes: &[u8], sizes: &[usize]) -> (Vec<Row>, Scanned) {
    let mut rows = Vec::new();
    let pieces = Pieces {
        bytes,
        sizes: sizes.iter().cycle(),
    };
    let scanned = scan(
        pieces,
        &mut Buffer::default(),
        &AtomicBool::new(false),
        |row, _| rows.push(*row),
    )
    .unwrap();
    (rows, scanned)
}

/// The same, the way one would write it for a small file.
fn naive(bytes: &[u8]) -> (Vec<Row>, Scanned) {
    let mut rows = Vec::new();
    let mut scanned = Scanned {
        bytes: bytes.len() as u64,
        ..Scanned::default()
    };
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    // What follows the last end of line is a line that was cut, unless it is nothing.
    let cut = lines.pop().unwrap();
    scanned.malformed += u64::from(!cut.is_empty());
    for (number, line) in lines.into_iter().enumerate() {
        let line_of_row = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() >= MAX_LINE_BYTES {
            scanned.malformed += 1;
        } else if let Some(row) = naive_row(line_of_row) {
            rows.push(row);
        } else if number > 0 || !line.trim_ascii_start().starts_with(b"sl ") || line.contains(&b':')
        {
            scanned.malformed += 1;
        }
    }
    scanned.rows = rows.len() as u64;
    (rows, scanned)
}

fn naive_row(line: &[u8]) -> Option<Row> {
    let columns: Vec<&[u8]> = line
        .split(|byte| b" \t".contains(byte))
        .filter(|column| !column.is_empty())
        .collect();
    if columns.len() < 10 || columns.iter().take(10).any(|column| column.is_empty()) {
        return None;
    }
    let text = |index: usize| std::str::from_utf8(columns[index]).ok();
    let hex = |digits: &str| {
        let digits_only =
            !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        digits_only
            .then(|| u64::from_str_radix(digits, 16).ok())
            .flatten()
    };
    let decimal = |digits: &str| {
        let digits_only = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits_only.then(|| digits.parse::<u64>().ok()).flatten()
    };
    let slot = text(0)?.strip_suffix(':')?;
    if slot.is_empty() || !slot.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let port = |index: usize| {
        let (address, port) = text(index)?.split_once(':')?;
        let is_hex = !address.is_empty() && address.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| u16::try_from(hex(port)?).ok()).flatten()
    };
    let (tx_queue, rx_queue) = text(4)?.split_once(':')?;
    // The time of the timer may be anything, so only the part before the colon must be text.
    let mut timer = columns[5].splitn(2, |byte| *byte == b':');
    let (timer, when) = (timer.next()?, timer.next()?);
    if when.is_empty() {
        return None;
    }
    if columns.iter().skip(10).any(|column| column.contains(&b':')) {
        return None;
    }
    Some(Row {
        state: State::from_kernel(hex(text(3)?)?),
        local_port: port(1)?,
        remote_port: port(2)?,
        tx_queue: hex(tx_queue)?,
        rx_queue: hex(rx_queue)?,
        timer: u8::try_from(hex(std::str::from_utf8(timer).ok()?)?).ok()?,
        uid: u32::try_from(decimal(text(7)?)?).ok()?,
        inode: decimal(text(9)?)?,
    })
}

const HEADER: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

/// Lines as the kernel writes them, of any width.
fn row() -> impl Strategy<Value = Vec<u8>> {
    let address = prop_oneof!["[0-9A-F]{8}", "[0-9A-F]{32}", "[0-9a-f]{1,40}"];
    (any::<u32>(), address.clone(), any::<u16>(), address, any::<u16>(), 0_u8..14, any::<(u32, u32, u32, u64)>(), 0_u8..5, "[ ]{1,40}")
        .prop_map(|(slot, local, local_port, remote, remote_port, state, (tx, rx, uid, inode), timer, tail)| {
            format!(
                "{slot:4}: {local}:{local_port:04X} {remote}:{remote_port:04X} {state:02X} {tx:08X}:{rx:08X} {timer:02X}:00000000 00000000 {uid:5}        0 {inode} 1 0000000000000000 100 0 0 10 0{tail}"
            )
            .into_bytes()
        })
}

/// A line with one thing wrong with it, which may leave it a row all the same.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(b" :\t\r\n0FfgG-+_".to_vec())
    ];
    (row(), any::<prop::sample::Index>(), byte, 0..4).prop_map(|(mut line, place, byte, change)| {
        let place = place.index(line.len());
        match change {
            0 => line[place] = byte,
            1 => line.insert(place, byte),
            2 => drop(line.remove(place)),
            _ => line.truncate(place),
        }
        line
    })
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => row(),
        3 => mutated(),
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => Just(vec![b'0'; MAX_LINE_BYTES - 1]),
        1 => Just(vec![b'0'; MAX_LINE_BYTES]),
        1 => Just(vec![b' '; 2 * MAX_LINE_BYTES + 7]),
    ]
}

fn table() -> impl Strategy<Value = Vec<u8>> {
    let header = prop_oneof![3 => Just(HEADER), 1 => Just("")];
    let end = prop_oneof![Just("\n"), Just("\r\n")];
    (
        header,
        prop::collection::vec(line(), 0..40),
        end,
        any::<bool>(),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(header, lines, end, cut, place)| {
            let mut table = header.as_bytes().to_vec();
            for line in lines {
                table.extend(line);
                table.extend(end.as_bytes());
            }
            if cut && !table.is_empty() {
                table.truncate(place.index(table.len()));
            }
            table
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_sees_what_a_naive_parser_sees(table in table(), sizes in prop::collection::vec(1_usize..9000, 1..5)) {
        prop_assert_eq!(streamed(&table, &sizes), naive(&table));
    }

    #[test]
    fn every_line_is_a_row_or_malformed_or_the_header(table in table()) {
        let (rows, scanned) = streamed(&table, &[4096]);
        let ends = table.split(|byte| *byte == b'\n').count() as u64 - 1;
        let cut = u64::from(table.last().is_some_and(|byte| *byte != b'\n'));
        let header = u64::from(table.starts_with(HEADER.as_bytes()));
        prop_assert_eq!(scanned.rows, rows.len() as u64);
        prop_assert_eq!(scanned.rows + scanned.malformed + header, ends + cut);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..4000), sizes in prop::collection::vec(1_usize..100, 1..5)) {
        prop_assert_eq!(streamed(&bytes, &sizes), naive(&bytes));
    }
}

#[test]
fn the_generator_makes_mostly_rows() {
    // A generator of nothing but rubbish would make the properties above true of any parser.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = 0;
    for _ in 0..100 {
        let line = row().new_tree(&mut runner).unwrap().current();
        seen += streamed(&[&line[..], b"\n"].concat(), &[50]).0.len();
    }
    assert_eq!(seen, 100);
}
