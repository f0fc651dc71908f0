//! Texts that no kernel prints, and cgroups that somebody named to be trouble.

use memchr::memmem;
use proptest::prelude::*;

use super::super::{ID_LENGTH, evidence, is_sandbox, is_uid};
use super::text;

/// What paths are made of, whole and broken.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "/",
        ":",
        "..",
        "pod",
        "kubepods",
        "kubepods-",
        "-pod",
        "burstable",
        ".slice",
        ".scope",
        "_",
        "-",
        "\n",
        "0::/",
        "docker-",
        "crio-conmon-",
        "libpod_parent",
        "UID",
        "U_ID",
        "HASH",
        "CID",
        "INNER_CID",
        " (deleted)",
    ]);
    prop_oneof![
        8 => words.prop_map(|word| text(word).into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..80),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_an_owner_or_nobody(pieces in proptest::collection::vec(piece(), 0..40)) {
        let bytes = pieces.concat();
        let found = evidence(&bytes);
        // What is told stands there, and is what it should be.
        let dashed = bytes.iter().map(|&byte| if byte == b'_' { b'-' } else { byte }).collect::<Vec<_>>();
        if let Some(pod) = &found.pod {
            prop_assert!(is_uid(pod.as_bytes()) && memmem::find(&dashed, pod.as_bytes()).is_some());
        }
        if let Some(container) = &found.container {
            prop_assert_eq!(container.len(), ID_LENGTH);
            prop_assert!(memmem::find(&bytes, container.as_bytes()).is_some());
        }
    }
}

#[test]
fn a_text_made_to_take_long_does_not() {
    let before = processor_time();
    for unit in [
        "/",
        ":",
        "\n",
        "0::/pod",
        "kubepods-",
        "-kubepods-pod",
        "pod",
        "a",
        "0::/CID\n",
        "0::/kubepods/podUID/CID\n",
    ] {
        let unit = text(unit);
        let bytes = format!("0::/{}", unit.repeat((1 << 20) / unit.len()));
        let _ = evidence(bytes.as_bytes());
        let _ = is_sandbox(bytes.as_bytes(), bytes.as_bytes());
    }
    // Ten times a mebibyte, without optimisation; what took the square of it would take hours.
    let taken = processor_time() - before;
    assert!(taken < 10, "{taken} s");
}

/// Seconds that this thread has used: neighbours on the machine do not count.
fn processor_time() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec
}
