use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Instant;

use super::format::Entry;
use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// Some moment at which clocks were set.
const NOW: Duration = Duration::from_secs(1_790_000_000);

fn now() -> SystemTime {
    UNIX_EPOCH + NOW
}

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.to_owned(),
        bytes: 8 << 20,
        sync: SyncPolicy::EveryRecord,
        make: false,
    }
}

/// A spool, and the first byte and the age of what was in it.
fn open(options: &Options) -> (Spool, Vec<u8>, Vec<Duration>) {
    let mut spool = Spool::open(options).unwrap();
    let (mut bodies, mut ages) = (Vec::new(), Vec::new());
    spool.recover(now(), |age, body| {
        bodies.push(body[0]);
        ages.push(age);
    });
    (spool, bodies, ages)
}

fn put(spool: &Spool, numbers: std::ops::Range<u8>, bytes: usize) {
    for number in numbers {
        assert!(spool.put(vec![number; bytes].into(), now()));
        assert!(spool.flush(PATIENCE));
    }
}

/// What an agent that is killed leaves behind: nobody says goodbye.
fn copy(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "spool")
        })
        .collect();
    names.sort();
    names
}

#[test]
fn what_waits_is_there_at_the_next_start_and_what_left_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, bodies, _) = open(&options(dir.path()));
    assert!(bodies.is_empty());
    put(&spool, 0..10, 100);
    spool.gone_before(3);
    assert!(spool.flush(PATIENCE));
    assert_eq!(spool.status().synced, 10);

    // The numbers on disk go on although those in memory start anew.
    let killed = copy(dir.path());
    let (spool, bodies, _) = open(&options(killed.path()));
    assert_eq!(bodies, [3, 4, 5, 6, 7, 8, 9]);
    put(&spool, 10..12, 100);
    spool.gone_before(8);
    assert!(spool.flush(PATIENCE));
    let (_, bodies, _) = open(&options(copy(killed.path()).path()));
    assert_eq!(bodies, [11]);
}

#[test]
fn where_nothing_waits_at_the_end_no_segment_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, ..) = open(&options(dir.path()));
    put(&spool, 0..10, 100);
    let mode = fs::metadata(&segments(dir.path())[0])
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    spool.gone_before(10);
    assert!(spool.close(PATIENCE));
    assert!(segments(dir.path()).is_empty());
    let (_, bodies, _) = open(&options(dir.path()));
    assert!(bodies.is_empty());
}

#[test]
fn the_bound_is_kept_by_dropping_the_oldest_segment_and_what_was_in_it_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        bytes: 1 << 20,
        ..options(dir.path())
    };
    let (spool, ..) = open(&options);
    for number in 0..200 {
        put(&spool, number..number + 1, 20_000);
        let files = segments(dir.path());
        let bytes: u64 = files
            .iter()
            .map(|file| fs::metadata(file).unwrap().len())
            .sum();
        assert!(bytes <= options.bytes, "{bytes}");
        assert_eq!(bytes, spool.status().bytes);
    }
    let lost = usize::try_from(spool.status().lost).unwrap();
    assert!(spool.put(vec![0; 1 << 20].into(), now()));
    assert!(spool.flush(PATIENCE));
    assert_eq!(spool.status().lost, lost as u64 + 1, "it would never fit");
    let (_, bodies, _) = open(&Options {
        dir: copy(dir.path()).path().to_owned(),
        ..options
    });
    let expected: Vec<u8> = (0..200).skip(lost).collect();
    assert_eq!(bodies, expected);
    assert!(
        bodies.len() > 35,
        "of about 52 that fit, a quarter goes at once"
    );
}

#[test]
fn a_segment_is_deleted_when_all_of_it_has_left() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, ..) = open(&options(dir.path()));
    put(&spool, 0..100, 30_000);
    assert!(segments(dir.path()).len() > 2);
    spool.gone_before(100);
    assert!(spool.flush(PATIENCE));
    assert_eq!(segments(dir.path()).len(), 1, "the one that is written to");
    assert_eq!(spool.status().lost, 0);
}

#[test]
fn two_agents_do_not_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, ..) = open(&options(dir.path()));
    let error = Spool::open(&options(dir.path())).unwrap_err();
    assert!(matches!(error, SpoolError::InUse(_)));
    assert!(
        error.to_string().contains("a directory of its own"),
        "{error}"
    );
    assert!(spool.close(PATIENCE));
    assert!(Spool::open(&options(dir.path())).is_ok());
}

#[test]
fn a_directory_that_cannot_be_used_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for (name, advice) in [
        ("missing", "make the directory"),
        ("file", "must name a directory"),
    ] {
        let error = Spool::open(&options(&dir.path().join(name)))
            .unwrap_err()
            .to_string();
        assert!(error.contains(name) && error.contains(advice), "{error}");
    }
}

#[test]
fn what_is_not_the_spools_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, ..) = open(&options(dir.path()));
    put(&spool, 0..3, 100);
    assert!(spool.close(PATIENCE));
    let at = |name: &str| dir.path().join(name);
    fs::write(at("notes.txt"), "mine").unwrap();
    fs::write(at("tcpgauge-00000000000000ff.spool"), "also mine").unwrap();
    fs::write(at("tcpgauge-1.spool"), "and this").unwrap();
    fs::create_dir(at("tcpgauge-00000000000000aa.spool")).unwrap();
    symlink(at("notes.txt"), at("tcpgauge-0000000000000000.link")).unwrap();
    symlink(
        &segments(dir.path())[0],
        at("tcpgauge-00000000000000bb.spool"),
    )
    .unwrap();
    // Made without a process: one that is forked holds the locks of other tests until it is a program of its own.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("tcpgauge-00000000000000cc.spool"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let names = || {
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let before = names();
    let (spool, bodies, _) = open(&options(dir.path()));
    assert_eq!(bodies, [0, 1, 2]);
    put(&spool, 3..5, 100);
    spool.gone_before(5);
    assert!(spool.close(PATIENCE));
    let after = names();
    assert_eq!(before.len() - after.len(), 1, "the one segment: {after:?}");
    assert_eq!(fs::read(at("notes.txt")).unwrap(), b"mine");
    assert_eq!(
        fs::read(at("tcpgauge-00000000000000ff.spool")).unwrap(),
        b"also mine"
    );
}

#[test]
fn damage_costs_what_is_damaged_and_the_next_segment_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, ..) = open(&options(dir.path()));
    put(&spool, 0..100, 30_000);
    let files = segments(dir.path());
    assert!(files.len() >= 3);
    let copy = copy(dir.path());
    let second = copy.path().join(files[1].file_name().unwrap());
    let mut bytes = fs::read(&second).unwrap();
    let records = bytes.len() / 30_000;
    let of_record = usize::try_from(Entry::record_bytes(30_000)).unwrap();
    // One body, and further on the length of another.
    let (body, length) = (
        format::HEADER_BYTES + 2 * of_record + 99,
        format::HEADER_BYTES + 5 * of_record + 3,
    );
    bytes[body] ^= 1;
    bytes[length] ^= 1;
    fs::write(&second, &bytes).unwrap();
    let (spool, bodies, _) = open(&options(copy.path()));
    let first = u8::try_from(records).unwrap();
    let lost: Vec<u8> = std::iter::once(first + 2)
        .chain(first + 5..2 * first)
        .collect();
    let expected: Vec<u8> = (0..100).filter(|number| !lost.contains(number)).collect();
    assert_eq!(bodies, expected);
    // Although numbers are missing, what leaves is known by its own.
    spool.gone_before(u64::from(first) + 2);
    put(&spool, 100..101, 10);
    let (_, rest, _) = open(&options(super::tests::copy(copy.path()).path()));
    assert_eq!(rest[0], first + 3);
    assert_eq!(rest.last(), Some(&100));
}

#[test]
fn a_file_that_was_begun_and_never_written_is_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    for (number, content) in [&b""[..], b"TCPGSP", &[0; 4096]].iter().enumerate() {
        fs::write(dir.path().join(directory::name(number as u64)), content).unwrap();
    }
    let (spool, bodies, _) = open(&options(dir.path()));
    assert!(bodies.is_empty());
    put(&spool, 0..1, 10);
    spool.gone_before(1);
    assert!(spool.close(PATIENCE));
    assert!(segments(dir.path()).is_empty());
}

#[test]
fn ages_hold_across_starts_and_clocks_that_jumped_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, ..) = open(&options(dir.path()));
    let hour = Duration::from_hours(1);
    for time in [
        now() - hour,
        now() + hour,
        UNIX_EPOCH,
        UNIX_EPOCH + hour,
        UNIX_EPOCH - hour,
        now(),
    ] {
        assert!(spool.put(vec![0; 9].into(), time));
    }
    assert!(spool.close(PATIENCE));
    let (.., ages) = open(&options(dir.path()));
    let none = Duration::ZERO;
    assert_eq!(ages, [hour, none, none, none, none, none]);
}

#[test]
fn what_left_before_it_was_written_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let lazy = SyncPolicy::Every {
        bytes: 1 << 20,
        interval: Duration::from_hours(1),
    };
    let (spool, ..) = open(&Options {
        sync: lazy,
        ..options(dir.path())
    });
    for number in 0..10 {
        assert!(spool.put(vec![number; 10].into(), now()));
        spool.gone_before(u64::from(number) + 1);
    }
    assert!(spool.flush(PATIENCE));
    assert_eq!((spool.status().synced, spool.status().lost), (10, 0));
    assert!(spool.close(PATIENCE));
    assert!(segments(dir.path()).is_empty());
}

fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}

#[test]
fn a_sync_that_is_put_off_comes_when_its_time_has_come() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, ..) = open(&Options {
        sync: SyncPolicy::Every {
            bytes: 1 << 20,
            interval: Duration::from_millis(1),
        },
        ..options(dir.path())
    });
    assert!(spool.put(vec![1; 100].into(), now()));
    wait_until(|| spool.status().synced == 1);
}

#[test]
fn a_sync_that_is_put_off_comes_when_so_much_waits_for_it_though_its_time_has_not_come() {
    let dir = tempfile::tempdir().unwrap();
    for (bytes, record_bytes, records) in [(10_000, 1000, 10), (10_001, 1000, 11), (1000, 5000, 1)]
    {
        let (spool, ..) = open(&Options {
            sync: SyncPolicy::Every {
                bytes,
                interval: Duration::from_hours(1),
            },
            ..options(dir.path())
        });
        // The next ones are counted anew.
        for before in [0, records] {
            for number in 1..=records {
                assert_eq!(spool.status().synced, before, "{bytes}: {number}");
                assert!(spool.put(vec![1; record_bytes].into(), now()));
                wait_until(|| {
                    let state = spool.inbox.state();
                    state.pending.is_empty() && state.busy.is_none()
                });
            }
            assert_eq!(spool.status().synced, before + records, "{bytes}");
        }
        spool.gone_before(2 * records);
        assert!(spool.close(PATIENCE));
    }
}

#[test]
fn events_have_a_directory_of_their_own_that_is_made_and_that_samples_do_not_wonder_about() {
    let dir = tempfile::tempdir().unwrap();
    let samples = options(dir.path());
    let events = samples.of_logs(1 << 20);
    assert_eq!(
        (events.bytes, events.dir),
        (1 << 20, dir.path().join("logs"))
    );
    let events = samples.of_logs(1 << 30);
    assert_eq!(events.bytes, samples.bytes);
    for _ in 0..2 {
        let (one, ..) = open(&samples);
        let (other, ..) = open(&events);
        put(&one, 0..1, 10);
        put(&other, 1..3, 10);
        assert!(one.close(PATIENCE) && other.close(PATIENCE));
    }
    assert_eq!(open(&samples).1, [0, 0]);
    assert_eq!(open(&events).1, [1, 2, 1, 2]);
    let mode = fs::metadata(&events.dir).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let found = Directory::open(dir.path()).unwrap().list().unwrap();
    assert!(found.foreign.is_empty(), "{found:?}");
    let nowhere = options(&dir.path().join("nowhere")).of_logs(1 << 20);
    let error = Spool::open(&nowhere).unwrap_err().to_string();
    assert!(error.contains("make the directory first"), "{error}");
}
