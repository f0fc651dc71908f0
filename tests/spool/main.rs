//! The spool against what really happens to disks and processes: killed while it writes, full, not allowed, read-only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "../support/skip.rs"]
mod skip;

mod disks;
mod kills;
mod state;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use tcpgauge::delivery::spool::{Options, Spool, SpoolError, SyncPolicy};

/// Nothing here takes a tenth of it.
const PATIENCE: Duration = Duration::from_mins(1);

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.to_owned(),
        bytes: 4 << 20,
        sync: SyncPolicy::EveryRecord,
        make: false,
    }
}

/// A record that is known by its number.
fn body(number: u64, bytes: usize) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(8 + bytes, number.to_le_bytes()[0]);
    body
}

/// Opens a spool that nobody has. What another test starts holds, until it is a program of its own, all that was open here when
/// it was forked, and the lock with it.
fn given_back(options: &Options) -> Result<Spool, SpoolError> {
    let began = Instant::now();
    loop {
        match Spool::open(options) {
            Err(SpoolError::InUse(_)) if began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            opened => return opened,
        }
    }
}

/// A spool, and the numbers of the records that were in it, which are as they were put in.
fn open(options: &Options) -> (Spool, Vec<u64>) {
    let mut spool = given_back(options).unwrap();
    let mut numbers = Vec::new();
    spool.recover(SystemTime::now(), |_, found| {
        let number = u64::from_le_bytes(found[..8].try_into().unwrap());
        assert_eq!(found, body(number, found.len() - 8));
        numbers.push(number);
    });
    (spool, numbers)
}
