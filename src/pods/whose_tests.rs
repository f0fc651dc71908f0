//! Whose a namespace is, told from who is in it.

use std::os::unix::fs::symlink;
use std::time::UNIX_EPOCH;

use super::super::names::Names;
use super::*;

const POD: &str = "pod";
const OTHER: &str = "other pod";
const LINKED: &str = "c0ffee0000000000000000000000000000000000000000000000000000000000";
const UID: &str = "5f2c1d0e-6f0b-4d4f-9d3c-0f5a2b7c9e11";

/// Who a process is of: a pod, or a container by itself.
#[derive(Clone, Copy)]
enum Of {
    Pod(&'static str),
    Container(&'static str),
    Nobody,
}
use Of::{Container, Nobody, Pod};

/// The owner of a namespace that these processes are in, each with the walk that found it there and when it began.
fn owner(members: &[(u64, u64, Of)]) -> Key {
    let mut members: Vec<_> = members
        .iter()
        .map(|(joined, start, of)| {
            let (pod, container) = match *of {
                Pod(uid) => (Some(uid.into()), Some("in the pod".into())),
                Container(id) => (None, Some(id.into())),
                Nobody => (None, None),
            };
            ((*joined, *start), Evidence { pod, container })
        })
        .collect();
    members.sort_by_key(|(order, _)| *order);
    let links = tempfile::tempdir().unwrap();
    symlink(
        format!("/var/log/pods/shop_web-0_{UID}/app/0.log"),
        links.path().join(format!("web-0_shop_app-{LINKED}.log")),
    )
    .unwrap();
    let mut called = Called::new(Names::new(links.path().to_owned()));
    called.refresh(members.iter().map(|(_, evidence)| evidence), UNIX_EPOCH);
    let members = members.iter();
    super::owner(
        members.map(|((joined, _), evidence)| (*joined, evidence)),
        &called,
    )
}

fn pod(uid: &str) -> Key {
    Key::Pod(uid.into())
}

fn container(id: &str) -> Key {
    Key::Container(id.into())
}

#[test]
fn a_namespace_is_the_pods_that_its_processes_are_of() {
    assert_eq!(owner(&[(1, 5, Pod(POD)), (1, 6, Pod(POD))]), pod(POD));
    assert_eq!(owner(&[(1, 5, Nobody), (2, 6, Pod(POD))]), pod(POD));
    assert_eq!(owner(&[(1, 5, Nobody)]), Key::Unowned);
}

#[test]
fn containers_that_share_a_namespace_are_told_as_the_oldest() {
    assert_eq!(
        owner(&[
            (1, 5, Container("b")),
            (1, 6, Container("a")),
            (1, 7, Container("a"))
        ]),
        container("b")
    );
}

#[test]
fn a_node_that_is_a_container_is_none_of_the_pods_that_share_its_network() {
    let node = [
        (1, 5, Container("kind")),
        (1, 8, Pod(POD)),
        (1, 9, Pod(OTHER)),
    ];
    assert_eq!(owner(&node), container("kind"));
    assert_eq!(owner(&node[..2]), container("kind"));
}

#[test]
fn a_sandbox_that_no_link_tells_of_is_named_by_a_container_of_the_same_pod() {
    assert_eq!(
        owner(&[(1, 5, Container("sandbox")), (2, 6, Container(LINKED))]),
        pod(UID)
    );
    assert_eq!(
        owner(&[(1, 5, Container("sandbox")), (2, 6, Nobody)]),
        container("sandbox")
    );
}

#[test]
fn who_came_later_does_not_tell_however_old_or_many_they_are() {
    let came = [(1, 5, Pod(POD)), (2, 1, Pod(OTHER)), (2, 2, Pod(OTHER))];
    assert_eq!(owner(&came), pod(POD));
}

#[test]
fn of_those_who_were_there_when_the_agent_came_most_tell_or_nobody_does() {
    let entered = [(1, 1, Pod(OTHER)), (1, 5, Pod(POD)), (1, 6, Pod(POD))];
    assert_eq!(owner(&entered), pod(POD));
    assert_eq!(owner(&entered[..2]), Key::Unowned);
}
