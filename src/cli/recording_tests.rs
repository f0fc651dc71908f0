//! Recordings on disk: ended, killed, damaged, and never were.

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::{Recorder, Recording, Unreadable};
use crate::alerts::{Metric, Observation, Subject};
use crate::culprits::Whose;
use crate::pods::{Owner, PodName};
use crate::source::Scope;

const INTERVAL: Duration = Duration::from_secs(30);

fn subject(whose: Whose, number: u32) -> Subject {
    let mut values = [None; Metric::ALL.len()];
    // What changes with each sample, as on a busy host.
    let noise = f64::from(number.wrapping_mul(2_654_435_761) >> 24);
    for (place, value) in values.iter_mut().take(6).enumerate() {
        *value = Some(if place < 3 { 500.0 + noise } else { 20.0 });
    }
    Subject {
        whose,
        values,
        listening: None,
        fullest_port: None,
    }
}

fn observation(number: u32, pods: u32) -> Observation {
    let pod = |pod: u32| {
        Whose::Of(Owner::Pod {
            uid: format!("00000000-0000-0000-0000-{pod:012}").into(),
            name: Some(PodName {
                namespace: "shop".into(),
                pod: format!("cart-{pod}").into(),
            }),
        })
    };
    let mut subjects = vec![subject(Whose::Alone(Scope::Host), number)];
    subjects.extend((0..pods).map(|at| subject(pod(at), number.wrapping_mul(at + 1))));
    Observation {
        time: UNIX_EPOCH + number * INTERVAL,
        step: INTERVAL,
        subjects,
        unread: Vec::new(),
        pods_read: pods > 0,
    }
}

/// A recording of so many samples, and how many bytes there were after each.
fn recorded(path: &Path, samples: u32, pods: u32) -> (Recorder, Vec<u64>) {
    let mut recorder = Recorder::create(path, INTERVAL).unwrap();
    let sizes = (0..samples).map(|number| recorder.write(&observation(number, pods)).unwrap());
    let sizes = sizes.collect();
    (recorder, sizes)
}

fn read(path: &Path) -> Result<(Vec<Observation>, bool), Unreadable> {
    let mut recording = Recording::open(path)?;
    let mut all = Vec::new();
    while let Some(observation) = recording.next()? {
        all.push(observation);
    }
    Ok((all, recording.is_cut()))
}

/// How many samples are read before it ends or fails, and with what.
fn read_until_it_fails(path: &Path) -> (usize, Option<Unreadable>) {
    let mut recording = match Recording::open(path) {
        Ok(recording) => recording,
        Err(error) => return (0, Some(error)),
    };
    let mut samples = 0;
    loop {
        match recording.next() {
            Ok(Some(_)) => samples += 1,
            Ok(None) => return (samples, None),
            Err(error) => return (samples, Some(error)),
        }
    }
}

#[test]
fn what_was_recorded_is_read_and_the_end_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    let (recorder, _) = recorded(&path, 20, 3);
    recorder.finish().unwrap();
    let (all, is_cut) = read(&path).unwrap();
    assert_eq!(
        all,
        (0..20)
            .map(|number| observation(number, 3))
            .collect::<Vec<_>>()
    );
    assert!(!is_cut);
}

/// As kill -9 leaves it: with each sample that was taken, and cut anywhere with each that is whole.
#[test]
fn a_recording_that_was_not_ended_is_read_to_its_last_sample() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    let (recorder, sizes) = recorded(&path, 20, 3);
    std::mem::forget(recorder);
    let whole = fs::read(&path).unwrap();
    for cut in 1..=whole.len() {
        let path = directory.path().join("cut");
        fs::write(&path, &whole[..cut]).unwrap();
        let found = read(&path);
        let there = sizes.iter().filter(|size| **size <= cut as u64).count();
        if cut < 2 {
            assert!(
                matches!(found, Err(Unreadable::Line { .. } | Unreadable::Empty(_)))
                    || found.unwrap().1
            );
            continue;
        }
        let (all, is_cut) = found.unwrap();
        assert!(all.len() >= there, "{cut}: {} of {there}", all.len());
        assert!(is_cut, "{cut}");
    }
}

/// The decoder had 8 KiB at a time, and all that was made of those that it failed on was lost.
#[test]
fn what_is_before_damage_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    let (recorder, sizes) = recorded(&path, 20, 3);
    recorder.finish().unwrap();
    let whole = fs::read(&path).unwrap();
    let path = directory.path().join("damaged");
    for (before, size) in (1..).zip(&sizes) {
        let mut bytes = whole[..usize::try_from(*size).unwrap()].to_vec();
        bytes.extend([0; 4096]);
        fs::write(&path, &bytes).unwrap();
        let (samples, error) = read_until_it_fails(&path);
        assert_eq!(samples, before);
        // The first line, four owners, and for each sample one of each of them and one of its own.
        let line = 5 + 5 * before;
        assert!(
            matches!(error, Some(Unreadable::Damaged { line: told, .. }) if told == line as u64),
            "{line}: {error:?}"
        );
    }
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        let before = sizes.iter().filter(|size| **size <= place as u64).count();
        let (samples, error) = read_until_it_fails(&path);
        assert!(
            samples >= before,
            "{place}: {samples} of {before}: {error:?}"
        );
    }
}

#[test]
fn no_recording_is_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    fs::write(&path, "dear").unwrap();
    assert!(Recorder::create(&path, INTERVAL).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"dear");
}

#[test]
fn what_is_no_recording_is_said_to_be_none() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let mut long = b"{\"tcpgauge-recording\":[1,30000]}\n".to_vec();
    long.extend(vec![b'x'; 1 << 20]);
    let mut damaged = {
        let path = directory.path().join("good");
        recorded(&path, 50, 3).0.finish().unwrap();
        fs::read(path).unwrap()
    };
    let middle = damaged.len() / 2;
    damaged[middle..middle + 40].fill(0xff);
    for (path, says) in [
        (directory.path().join("none"), "cannot open"),
        (directory.path().to_owned(), "no regular file"),
        (file("empty", b""), "is empty"),
        (file("text", b"hello\n"), "line 1: this is no recording"),
        (
            file("bytes", b"\x9c\xe1\x00\x7f without a line"),
            "line 1: this is no recording",
        ),
        (file("long", &long), "line 2: a line is longer"),
        (
            file("gzip", &[0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]),
            "damaged after line 0",
        ),
        (
            file("later", b"{\"tcpgauge-recording\":[9,30000]}\n"),
            "version 9",
        ),
        (file("damaged", &damaged), ""),
    ] {
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains(says), "{}: {error}", path.display());
    }
}

/// What docs/alerts.md says that it takes.
#[test]
fn a_recording_is_small() {
    let directory = tempfile::tempdir().unwrap();
    for (pods, most) in [(0, 40), (110, 1300)] {
        let path = directory.path().join(pods.to_string());
        let bytes = recorded(&path, 240, pods).0.finish().unwrap();
        println!("{pods} pods: {} bytes a sample", bytes / 240);
        assert!(
            bytes / 240 <= most,
            "{pods} pods: {} bytes a sample",
            bytes / 240
        );
    }
}
