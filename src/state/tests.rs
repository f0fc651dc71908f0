use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use super::*;

const FILE: &str = "tcpgauge-history.state";

fn store() -> (TempDir, Store) {
    let dir = tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

#[test]
fn what_was_saved_is_loaded_and_what_was_not_is_not_there() {
    let (dir, store) = store();
    assert!(store.load("history").unwrap().is_none());
    for bytes in [&b"one"[..], b"", b"another"] {
        store.save("history", bytes).unwrap();
        assert_eq!(store.load("history").unwrap().unwrap(), bytes);
    }
    store.save("alerts", b"others").unwrap();
    assert_eq!(store.load("history").unwrap().unwrap(), b"another");
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.load("alerts").unwrap().unwrap(), b"others");
    let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[test]
fn one_agent_at_a_time_has_a_directory() {
    let (dir, store) = store();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StateError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("--state-dir"), "{error}");
    drop(store);
    Store::open(dir.path()).unwrap();
}

#[test]
fn a_directory_that_is_not_there_is_not_made() {
    let dir = tempdir().unwrap();
    let missing = dir.path().join("missing");
    let error = Store::open(&missing).unwrap_err().to_string();
    assert!(
        error.contains("missing") && error.contains("No such file"),
        "{error}"
    );
    assert!(!missing.exists());
}

/// Killed while the new file was written, however far that went, and before it took its name.
#[test]
fn of_a_run_that_was_killed_while_it_saved_the_old_file_is_loaded() {
    let (dir, store) = store();
    store.save("history", b"old").unwrap();
    let mut whole = header(b"the new one");
    whole.extend(b"the new one");
    for length in 0..=whole.len() {
        fs::write(dir.path().join(new_name(FILE)), &whole[..length]).unwrap();
        assert_eq!(store.load("history").unwrap().unwrap(), b"old");
    }
    store.save("history", b"the next").unwrap();
    assert_eq!(store.load("history").unwrap().unwrap(), b"the next");
    assert!(!dir.path().join(new_name(FILE)).exists());
}

#[test]
fn a_damaged_file_is_said_once_and_set_aside_as_it_is() {
    let (dir, store) = store();
    store.save("history", b"some bytes").unwrap();
    let mut bytes = fs::read(dir.path().join(FILE)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(dir.path().join(FILE), &bytes).unwrap();
    let said = store.load("history").unwrap_err();
    assert!(matches!(said, StateError::SetAside { .. }), "{said}");
    assert!(said.to_string().contains("history.state.damaged"), "{said}");
    assert_eq!(
        fs::read(dir.path().join(format!("{FILE}.damaged"))).unwrap(),
        bytes
    );
    assert!(store.load("history").unwrap().is_none());
    store.save("history", b"new").unwrap();
    assert_eq!(store.load("history").unwrap().unwrap(), b"new");
}

#[test]
fn what_is_no_file_of_ours_is_neither_followed_nor_believed() {
    let (dir, store) = store();
    let outside = tempdir().unwrap();
    let target = outside.path().join("target");
    fs::write(&target, b"not ours").unwrap();
    for name in [FILE.to_owned(), new_name(FILE)] {
        symlink(&target, dir.path().join(name)).unwrap();
    }
    let said = store.load("history").unwrap_err().to_string();
    assert!(said.contains("it is a link"), "{said}");
    store.save("history", b"ours").unwrap();
    assert_eq!(store.load("history").unwrap().unwrap(), b"ours");
    assert_eq!(fs::read(&target).unwrap(), b"not ours");

    fs::remove_file(dir.path().join(FILE)).unwrap();
    fs::create_dir(dir.path().join(FILE)).unwrap();
    let said = store.load("history").unwrap_err().to_string();
    assert!(said.contains("no regular file"), "{said}");
}

#[test]
fn what_is_too_long_is_neither_written_nor_read() {
    let (dir, store) = store();
    store.save("history", b"old").unwrap();
    let long = vec![0; MOST_BYTES + 1];
    let error = store.save("history", &long).unwrap_err();
    assert!(matches!(error, StateError::TooLong { .. }), "{error}");
    assert_eq!(store.load("history").unwrap().unwrap(), b"old");
    store.save("history", &long[1..]).unwrap();
    assert_eq!(store.load("history").unwrap().unwrap().len(), MOST_BYTES);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(dir.path().join(FILE));
    file.unwrap().set_len(1 << 40).unwrap();
    let said = store.load("history").unwrap_err();
    assert!(matches!(said, StateError::SetAside { .. }), "{said}");
}

/// A directory in the place of the new file is as much in the way of root as of anybody.
#[test]
fn what_cannot_be_written_leaves_what_was_there() {
    let (dir, store) = store();
    store.save("history", b"old").unwrap();
    fs::create_dir(dir.path().join(new_name(FILE))).unwrap();
    let error = store.save("history", b"new").unwrap_err();
    assert!(matches!(error, StateError::Write { .. }), "{error}");
    assert!(error.to_string().contains(FILE), "{error}");
    assert_eq!(store.load("history").unwrap().unwrap(), b"old");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_that_were_changed_or_cut_off_are_never_loaded(
        saved in prop::collection::vec(any::<u8>(), 0..300),
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=u8::MAX), 0..4),
        more in prop::collection::vec(any::<u8>(), 0..3),
    ) {
        let (dir, store) = store();
        store.save("history", &saved).unwrap();
        let sound = fs::read(dir.path().join(FILE)).unwrap();
        let mut bytes = sound.clone();
        bytes.truncate(cut.index(sound.len() * 2).max(1));
        for (place, flip) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
        }
        bytes.extend(more);
        fs::write(dir.path().join(FILE), &bytes).unwrap();
        match store.load("history") {
            Ok(loaded) => {
                prop_assert_eq!(&bytes, &sound);
                prop_assert_eq!(loaded.unwrap(), saved);
            }
            Err(StateError::SetAside { aside, .. }) => {
                prop_assert_ne!(&bytes, &sound);
                prop_assert_eq!(fs::read(aside).unwrap(), bytes);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
