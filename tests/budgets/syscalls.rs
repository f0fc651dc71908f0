//! The budget of a reading in calls of the kernel: a few, and as many more as it takes to carry what is read.
//!
//! Counted by `strace` from outside: this program runs itself under it, for some readings and for ten more.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tcpgauge::source::Source;
use tcpgauge::source::chosen::Chosen;
use tcpgauge::source::ways::Ways;

use crate::crowd::Crowd;
use crate::enter::in_fresh_namespace;
use crate::skip::skip;
use crate::{EVERY_WAY, own};

/// What the second run is to do: whose readings it takes, and how many.
const READER: &str = "TCPGAUGE_TEST_READER";
const READINGS: &str = "TCPGAUGE_TEST_READINGS";

const SOCKETS: u32 = 4_000;

/// Opening, asking, looking whether it is still the same place, closing.
const CALLS: f64 = 28.0;

/// One `read` of a table gives a page of 4 KiB.
const ROWS_AT_ONCE: f64 = 26.0;

/// One answer over netlink, which gives as much as its receiver has room for: here at least 8 KiB.
const MESSAGES_AT_ONCE: f64 = 70.0;

#[test]
fn a_reading_calls_the_kernel_as_often_as_what_it_carries_takes() {
    let name = "syscalls::a_reading_calls_the_kernel_as_often_as_what_it_carries_takes";
    in_fresh_namespace(name, |test| {
        let mut crowd = None;
        for sockets in [0, SOCKETS] {
            if sockets > 0 {
                crowd = Some(Crowd::in_time_wait(sockets.into()));
            }
            for reader in Reader::every() {
                let calls = match calls_of_a_reading(reader) {
                    Ok(calls) => calls,
                    Err(why) => return skip(test, &why),
                };
                let carried = f64::from(sockets) / reader.carries_at_once();
                let all: f64 = calls.values().sum();
                let is = format!("{reader:?} makes {all} calls with {sockets} sockets: {calls:?}");
                assert!(all <= CALLS + carried, "{is}");
                // It was this reader that was counted, with all it carries.
                assert!(all > 5.0 + 0.8 * carried / 8.0, "{is}");
            }
        }
        assert!(crowd.unwrap().sockets() > SOCKETS.into());
    });
}

/// Who takes readings.
#[derive(Clone, Copy, Debug)]
enum Reader {
    Way(Source, bool),
    Chosen(bool),
}

impl Reader {
    fn every() -> impl Iterator<Item = Self> {
        let ways = EVERY_WAY.map(|(way, by_family)| Self::Way(way, by_family));
        ways.into_iter().chain([false, true].map(Self::Chosen))
    }

    /// How many sockets in `TIME_WAIT` it learns of by one call.
    fn carries_at_once(self) -> f64 {
        match self {
            Self::Way(Source::Text, _) => ROWS_AT_ONCE,
            Self::Way(Source::Diag, false) | Self::Chosen(false) => f64::INFINITY,
            _ => MESSAGES_AT_ONCE,
        }
    }

    fn read(self, times: u64) {
        let stop = AtomicBool::new(false);
        match self {
            Self::Way(way, by_family) => {
                let mut source = Ways::new(own(by_family));
                for _ in 0..times {
                    source.take(way, &stop).unwrap();
                }
            }
            Self::Chosen(by_family) => {
                let mut source = Chosen::new(own(by_family));
                let now = Instant::now();
                for _ in 0..times {
                    assert_eq!(source.read(now, &stop).unwrap().source, Source::Diag);
                }
            }
        }
    }
}

/// By name; an error in words where there is nobody to count.
fn calls_of_a_reading(reader: Reader) -> Result<BTreeMap<String, f64>, String> {
    const FEW: u64 = 3;
    const MORE: u32 = 10;
    let few = calls(reader, FEW)?;
    let mut calls = calls(reader, FEW + u64::from(MORE))?;
    for (name, number) in &mut calls {
        *number = (*number - few.get(name).unwrap_or(&0.0)) / f64::from(MORE);
    }
    calls.retain(|_, number| *number > 0.0);
    Ok(calls)
}

fn calls(reader: Reader, readings: u64) -> Result<BTreeMap<String, f64>, String> {
    let table = tempfile::NamedTempFile::new().unwrap();
    let run = Command::new("strace")
        .args(["-f", "-c", "-o"])
        .arg(table.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "syscalls::readings_to_be_counted", "--nocapture"])
        .env(READER, format!("{reader:?}"))
        .env(READINGS, readings.to_string())
        .output()
        .map_err(|error| format!("cannot run strace: {error}"))?;
    let said = String::from_utf8_lossy(&run.stderr);
    if said.contains("PTRACE") {
        return Err(format!("strace may not trace: {said}"));
    }
    assert!(run.status.success(), "{said}");

    // `% time  seconds  usecs/call  calls  [errors]  syscall`, between two lines of dashes.
    let table = std::fs::read_to_string(table.path()).unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| !line.starts_with('-'));
    Ok(rows
        .map(|row| {
            let columns: Vec<&str> = row.split_whitespace().collect();
            (
                (*columns.last().unwrap()).to_owned(),
                columns[3].parse().unwrap(),
            )
        })
        .collect())
}

/// Does nothing but when it is run by the test above.
#[test]
fn readings_to_be_counted() {
    let (Ok(name), Ok(readings)) = (std::env::var(READER), std::env::var(READINGS)) else {
        return;
    };
    let reader = Reader::every().find(|reader| format!("{reader:?}") == name);
    reader.unwrap().read(readings.parse().unwrap());
}
