//! Whose state is taken up.

use super::without_mark;
use crate::source::Scope;
use crate::source::namespace::mark;
use crate::source::proc_root::ProcRoot;

#[test]
fn what_is_of_other_sockets_is_not_taken_up() {
    let kept = b"self 4026532008 shop-1\nstate";
    assert_eq!(
        without_mark(kept, "self 4026532008 shop-1"),
        Some(&b"state"[..])
    );
    for other in [
        "host",
        "pods",
        "self 4026532008 shop-2",
        "self 4026532008 shop-",
        "self 4026532009 shop-1",
    ] {
        assert_eq!(without_mark(kept, other), None, "{other}");
    }
    assert_eq!(without_mark(b"", "host"), None);
}

#[test]
fn a_proc_root_that_is_spelt_otherwise_is_the_same() {
    let marked = |path: &str| mark(&ProcRoot::new(path), Scope::Host).unwrap();
    for spelt in ["/proc/", "/proc/.", "//proc", "/./proc"] {
        assert_eq!(marked(spelt), marked("/proc"), "{spelt}");
    }
    // What a link shows, and so what is above it, is not looked up.
    for other in ["/host/proc", "/proc/..", "proc"] {
        assert_ne!(marked(other), marked("/proc"), "{other}");
    }
}
