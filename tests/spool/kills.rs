//! Killed in the middle of spooling, again and again, in one directory: the program is this test binary itself.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use crate::{PATIENCE, body, open, options};

/// Set for the process that is killed: the directory.
const DIRECTORY: &str = "TCPGAUGE_TEST_SPOOL_DIRECTORY";

const KILLS: u64 = 100;

/// So many records wait, more or less.
const WAITING: u64 = 30;

/// What the process said before it died.
#[derive(Default)]
struct Said {
    /// All records up to this one are on disk.
    synced: Option<u64>,
    /// All records before this one have left, and the disk knows.
    gone: u64,
    /// All records before this one were to leave.
    leaving: u64,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let (what, number) = line.split_once(' ').unwrap_or_default();
        // The harness has something to say as well.
        let Ok(number) = number.parse() else { return };
        match what {
            "synced" => self.synced = Some(number),
            // It may say less than before, which changes nothing.
            "gone" => self.gone = self.gone.max(number),
            "leaving" => self.leaving = self.leaving.max(number),
            _ => {}
        }
    }
}

#[test]
fn what_was_on_disk_before_a_kill_is_there_after_it_in_order_and_none_twice() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let mut random = fastrand::Rng::with_seed(9);
    let (mut said, mut most) = (Said::default(), 0);
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "kills::the_process_that_is_killed",
                "--nocapture",
            ])
            .env(DIRECTORY, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Which moment that is depends on the disk and on chance; any will do.
        for line in lines.by_ref().take(random.usize(10..120)) {
            said.hear(&line.unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            // The last one may be cut.
            said.hear(&line.unwrap_or_default());
        }

        let (spool, found) = open(&options);
        let (first, last) = (found[0], found[found.len() - 1]);
        assert!(
            found.iter().copied().eq(first..=last),
            "kill {kill}: {found:?}"
        );
        assert!(
            Some(last) >= said.synced,
            "kill {kill}: {last} {:?}",
            said.synced
        );
        assert!(
            (said.gone..=said.leaving).contains(&first),
            "kill {kill}: {first} is first, {} was gone, {} leaving",
            said.gone,
            said.leaving
        );
        assert_eq!(spool.status().lost, 0);
        assert!(spool.close(PATIENCE));
        most = last;
    }
    assert!(most > 5 * KILLS, "{most} records only");
}

/// Not a claim: what the one above starts.
#[test]
fn the_process_that_is_killed() {
    let Some(dir) = std::env::var_os(DIRECTORY).map(PathBuf::from) else {
        return;
    };
    let (spool, found) = open(&options(&dir));
    let first = found.first().copied().unwrap_or_default();
    let mut next = found.last().map_or(0, |last| last + 1);
    let mut random = fastrand::Rng::new();
    let say = |what: &str, number: u64| {
        // The harness may have begun a line.
        let line = format!("\n{what} {number}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    };
    let mut before = spool.status().synced;
    loop {
        for _ in 0..random.u64(1..8) {
            let bytes = random.usize(0..20_000);
            assert!(spool.put(body(next, bytes).into(), SystemTime::now()));
            next += 1;
            let synced = spool.status().synced;
            if synced > before {
                say("synced", first + found.len() as u64 + synced - 1);
                before = synced;
            }
        }
        if random.bool() {
            // One that is on disk stays, so that the next process knows where to go on.
            let on_disk = (first + found.len() as u64 + before).saturating_sub(1);
            let leaving = next.saturating_sub(random.u64(1..2 * WAITING));
            let leaving = leaving.min(on_disk).max(first);
            say("leaving", leaving);
            spool.gone_before(leaving - first);
            assert!(spool.flush(PATIENCE));
            say("gone", leaving);
        }
    }
}
