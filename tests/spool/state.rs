//! The state directory on disks that do not take what they are given.

use tcpgauge::state::{StateError, Store};

use crate::disks::{mount, with_mounts};

#[test]
fn a_full_disk_leaves_what_was_saved_and_takes_the_next_once_there_is_room() {
    let test = "state::a_full_disk_leaves_what_was_saved_and_takes_the_next_once_there_is_room";
    with_mounts(test, || {
        let dir = tempfile::tempdir().unwrap();
        if !mount(test, dir.path(), "size=64k") {
            return;
        }
        let store = Store::open(dir.path()).unwrap();
        store.save("history", &vec![1; 20_000]).unwrap();
        let error = store.save("history", &vec![2; 80_000]).unwrap_err();
        assert!(matches!(error, StateError::Write { .. }), "{error}");
        assert!(error.to_string().contains("No space left"), "{error}");
        assert_eq!(store.load("history").unwrap().unwrap(), vec![1; 20_000]);
        store.save("history", &vec![3; 20_000]).unwrap();
        assert_eq!(store.load("history").unwrap().unwrap(), vec![3; 20_000]);
    });
}
