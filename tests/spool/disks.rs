//! Disks that do not take what they are given.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use tcpgauge::delivery::spool::{Spool, SpoolError};

use crate::skip::{repeat_skips, skip};
use crate::{PATIENCE, body, open, options};

/// Set for the run in namespaces.
const INSIDE: &str = "TCPGAUGE_TEST_INSIDE_MOUNT_NAMESPACE";

/// A log that a test can read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What this process says from now on, on every thread.
    fn of_this_process() -> Self {
        let log = Self::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .init();
        log
    }

    fn count(&self, what: &str) -> usize {
        String::from_utf8(self.0.lock().unwrap().clone())
            .unwrap()
            .matches(what)
            .count()
    }
}

/// Runs `claim` in a process of its own, where only that test runs, in user and mount namespaces of its own.
pub(crate) fn with_mounts(test: &str, claim: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return claim();
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return skip(test, &format!("cannot run util-linux' unshare: {error}")),
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    // unshare ends with 1 when the kernel refuses; a test binary that got as far as starting has said something.
    if output.status.code() == Some(1) && stdout.is_empty() {
        return skip(test, stderr.trim());
    }
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{test}:\n{stdout}{stderr}"
    );
    repeat_skips(&stderr);
}

/// Mounts a file system in memory, or says why not.
pub(crate) fn mount(test: &str, dir: &Path, with: &str) -> bool {
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", with, "tmpfs"])
        .arg(dir)
        .output()
        .unwrap();
    if !mounted.status.success() {
        skip(test, String::from_utf8_lossy(&mounted.stderr).trim());
    }
    mounted.status.success()
}

fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Takes from this thread, and those that it starts, what lets root write anywhere.
fn be_like_anybody_else() {
    let mut sets = capabilities(None).unwrap();
    sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    set_capabilities(None, sets).unwrap();
}

#[test]
fn a_full_disk_is_said_once_and_once_there_is_room_everything_is_kept() {
    let test = "disks::a_full_disk_is_said_once_and_once_there_is_room_everything_is_kept";
    with_mounts(test, || {
        let dir = tempfile::tempdir().unwrap();
        if !mount(test, dir.path(), "size=512k") {
            return;
        }
        let log = Log::of_this_process();
        let (spool, _) = open(&options(dir.path()));
        let filler = dir.path().join("filler");
        fs::write(&filler, vec![0; 400 << 10]).unwrap();
        for number in 0..30 {
            assert!(spool.put(body(number, 10_000).into(), SystemTime::now()));
        }
        wait_until(|| log.count("cannot write to the spool") == 1);
        assert!(
            !spool.flush(Duration::from_millis(1500)),
            "it tries again, in vain"
        );
        let says = format!("cannot write to the spool in {}: ", dir.path().display());
        assert_eq!(log.count(&says), 1);
        let synced = spool.status().synced;
        assert!((1..30).contains(&synced), "what fits is on disk: {synced}");

        fs::remove_file(&filler).unwrap();
        assert!(spool.flush(PATIENCE));
        wait_until(|| log.count("the spool works again") == 1);
        assert_eq!((spool.status().synced, spool.status().lost), (30, 0));
        assert!(spool.close(PATIENCE));
        let (_, found) = open(&options(dir.path()));
        assert!(found.into_iter().eq(0..30));
    });
}

#[test]
fn a_disk_that_stays_full_costs_what_does_not_fit_into_memory_and_delays_nobody() {
    let test =
        "disks::a_disk_that_stays_full_costs_what_does_not_fit_into_memory_and_delays_nobody";
    with_mounts(test, || {
        let dir = tempfile::tempdir().unwrap();
        if !mount(test, dir.path(), "size=64k") {
            return;
        }
        let log = Log::of_this_process();
        let (spool, _) = open(&options(dir.path()));
        let kept = (0..10_000)
            .filter(|number| spool.put(body(*number, 3_000).into(), SystemTime::now()))
            .count();
        assert!((600..800).contains(&kept), "{kept}, as many as 2 MiB hold");
        assert_eq!(spool.status().lost, 10_000 - kept as u64);
        let said = log.count(&format!("the spool in {}", dir.path().display()));
        assert_eq!(said, 1, "that it is full, or that it does not keep up");
    });
}

#[test]
fn a_read_only_disk_says_what_to_do() {
    let test = "disks::a_read_only_disk_says_what_to_do";
    with_mounts(test, || {
        let dir = tempfile::tempdir().unwrap();
        if !mount(test, dir.path(), "ro") {
            return;
        }
        let error = Spool::open(&options(dir.path())).unwrap_err();
        assert!(matches!(error, SpoolError::Unusable { .. }));
        assert!(
            error.to_string().contains("so that the agent can write"),
            "{error}"
        );
    });
}

#[test]
fn a_directory_that_must_not_be_written_says_what_to_do() {
    std::thread::spawn(|| {
        be_like_anybody_else();
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let error = Spool::open(&options(dir.path())).unwrap_err();
        assert!(
            error.to_string().contains("be allowed to write there"),
            "{error}"
        );
    })
    .join()
    .unwrap();
}

#[test]
fn permission_that_is_taken_away_and_given_back_loses_nothing() {
    std::thread::spawn(|| {
        be_like_anybody_else();
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = open(&options(dir.path()));
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).unwrap();
        for number in 0..10 {
            assert!(spool.put(body(number, 100).into(), SystemTime::now()));
        }
        assert!(!spool.flush(Duration::from_millis(100)));
        assert_eq!(spool.status().synced, 0);
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(spool.flush(PATIENCE));
        assert!(spool.close(PATIENCE));
        let (_, found) = open(&options(dir.path()));
        assert!(found.into_iter().eq(0..10));
    })
    .join()
    .unwrap();
}

#[test]
fn a_directory_that_is_taken_away_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(&options(dir.path()));
    drop(dir);
    assert!(spool.put(body(1, 100).into(), SystemTime::now()));
    assert!(!spool.flush(Duration::from_millis(100)));
    assert!(spool.close(PATIENCE), "it ends all the same");
    assert_eq!(spool.status().lost, 1);
}
