//! Directories as the kubelet keeps them, and as it never would.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

const UID: &str = "0fa3b6c1-52d4-4e77-9b1e-1c2d3e4f5a6b";
const OTHER_UID: &str = "7d9e8f00-1111-4222-8333-944455556666";
const HASH: &str = "5f2c8e01a4b7d3960c1e5f7a9b3d2c48";
const ID: &str = "3f4e5d6c7b8a99887766554433221100ffeeddccbbaa00112233445566778899";
const OTHER_ID: &str = "aa11bb22cc33dd44ee55ff6600112233445566778899aabbccddeeff00112233";

/// Long after anything that a test did to a directory.
const LATER: Duration = Duration::from_hours(24 * 365 * 100);

/// `/var/log/containers` of a test's own, and names from it.
struct Containers {
    directory: tempfile::TempDir,
    names: Names,
}

impl Containers {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let names = Names::new(directory.path().to_owned());
        Self { directory, names }
    }

    /// A link as the kubelet makes it.
    fn link(&self, namespace: &str, pod: &str, uid: &str, container: &str, id: &str) {
        let mut link = format!("{pod}_{namespace}_{container}-{id}");
        link.truncate(LONGEST_LINK - ".log".len());
        self.raw(
            &format!("{link}.log"),
            &format!("/var/log/pods/{namespace}_{pod}_{uid}/{container}/0.log"),
        );
    }

    fn raw(&self, link: &str, target: &str) {
        symlink(target, self.directory.path().join(link)).unwrap();
    }

    /// Gives the directory a time of change.
    fn touch(&self, changed: SystemTime) {
        File::open(self.directory.path())
            .unwrap()
            .set_modified(changed)
            .unwrap();
    }

    fn changed(&self) -> SystemTime {
        let found = std::fs::metadata(self.directory.path()).unwrap();
        found.modified().unwrap()
    }

    /// Lists if there is a reason to, when nothing has happened for long.
    fn refresh(&mut self, unknown: bool) -> Result<bool, Fault> {
        self.names.refresh(unknown, self.changed() + LATER)
    }

    fn of_pod(&self, uid: &str) -> Option<String> {
        self.names.of_pod(uid).map(full_name)
    }

    fn of_container(&self, id: &str) -> Option<(String, String)> {
        let (uid, name) = self.names.pod_of_container(id)?;
        Some((uid.to_string(), full_name(&name)))
    }
}

fn full_name(name: &PodName) -> String {
    format!("{}/{}", name.namespace, name.pod)
}

#[test]
fn a_link_tells_a_pods_name_by_its_uid_and_by_its_containers_id() {
    let mut containers = Containers::new();
    containers.link("shop", "web-5d9c-x7k2p", UID, "nginx", ID);
    containers.link("shop", "web-5d9c-x7k2p", UID, "sidecar", OTHER_ID);
    assert_eq!(containers.refresh(true), Ok(true));
    let name = "shop/web-5d9c-x7k2p".to_owned();
    assert_eq!(containers.of_pod(UID), Some(name.clone()));
    for id in [ID, OTHER_ID] {
        assert_eq!(
            containers.of_container(id),
            Some((UID.to_owned(), name.clone()))
        );
    }
    assert_eq!(containers.names.passed_over(), 0);
    assert_eq!(containers.of_pod(OTHER_UID), None);
    assert_eq!(containers.of_container(HASH), None);
}

#[test]
fn a_static_pod_has_a_name_too() {
    let mut containers = Containers::new();
    containers.link("kube-system", "etcd-node.example", HASH, "etcd", ID);
    containers.link("a", "b", "my_static-uid", "c", OTHER_ID);
    containers.refresh(true).unwrap();
    assert_eq!(
        containers.of_pod(HASH).as_deref(),
        Some("kube-system/etcd-node.example")
    );
    // As cgroup::evidence writes it.
    assert_eq!(containers.of_pod("my-static-uid").as_deref(), Some("a/b"));
}

#[test]
fn a_link_whose_name_was_cut_tells_the_pod_and_no_container() {
    let mut containers = Containers::new();
    let pod = "p".repeat(253);
    containers.link("shop", &pod, UID, "nginx", ID);
    // The id is cut in its middle.
    let pod_2 = "q".repeat(200);
    containers.link("shop", &pod_2, OTHER_UID, "nginx", OTHER_ID);
    containers.refresh(true).unwrap();
    assert_eq!(containers.of_pod(UID), Some(format!("shop/{pod}")));
    assert_eq!(containers.of_pod(OTHER_UID), Some(format!("shop/{pod_2}")));
    assert_eq!(containers.of_container(ID), None);
    assert_eq!(containers.names.links.containers.len(), 0);
    assert_eq!(containers.names.passed_over(), 0);
}

#[test]
fn the_directory_is_listed_only_when_something_is_unknown_or_it_changed() {
    let mut containers = Containers::new();
    assert_eq!(containers.refresh(false), Ok(true));
    assert_eq!(containers.refresh(false), Ok(false));
    assert_eq!(containers.refresh(true), Ok(true));
    let changed = containers.changed();
    containers.link("a", "b", UID, "c", ID);
    containers.touch(changed + Duration::from_nanos(1));
    assert_eq!(containers.refresh(false), Ok(true));
    assert_eq!(containers.of_pod(UID).as_deref(), Some("a/b"));
    assert_eq!(containers.refresh(false), Ok(false));
}

#[test]
fn a_link_that_came_within_the_same_tick_of_the_clock_is_found_the_next_time() {
    let mut containers = Containers::new();
    let changed = containers.changed();
    let just_then = changed + Duration::from_millis(1999);
    assert_eq!(containers.names.refresh(false, just_then), Ok(true));
    containers.link("a", "b", UID, "c", ID);
    containers.touch(changed);
    assert_eq!(containers.names.refresh(false, just_then), Ok(true));
    assert_eq!(containers.of_pod(UID).as_deref(), Some("a/b"));
    assert_eq!(
        containers.names.refresh(false, changed + UNSETTLED),
        Ok(true)
    );
    assert_eq!(containers.names.refresh(false, changed + LATER), Ok(false));
}

#[test]
fn a_clock_that_was_set_back_only_makes_for_more_listings() {
    let mut containers = Containers::new();
    let earlier = containers.changed() - Duration::from_hours(1);
    assert_eq!(containers.names.refresh(false, earlier), Ok(true));
    assert_eq!(containers.names.refresh(false, earlier), Ok(true));
}

#[test]
fn what_ended_is_gone_after_the_next_listing() {
    let mut containers = Containers::new();
    containers.link("a", "b", UID, "c", ID);
    containers.refresh(false).unwrap();
    std::fs::remove_file(containers.directory.path().join(format!("b_a_c-{ID}.log"))).unwrap();
    containers.refresh(true).unwrap();
    assert_eq!(containers.of_pod(UID), None);
    assert_eq!(containers.of_container(ID), None);
}

#[test]
fn links_that_contradict_each_other_name_nobody() {
    let mut containers = Containers::new();
    containers.link("a", "b", UID, "c", ID);
    containers.link("a", "other", UID, "d", OTHER_ID);
    // And not for a third that agrees with one of them.
    containers.link("a", "b", UID, "e", &ID.replace('3', "4"));
    containers.link("a", "z", OTHER_UID, "c", &ID.replace('3', "5"));
    containers.refresh(true).unwrap();
    assert_eq!(containers.of_pod(UID), None);
    assert_eq!(containers.of_container(ID), None);
    assert_eq!(containers.of_container(OTHER_ID), None);
    assert_eq!(containers.of_pod(OTHER_UID).as_deref(), Some("a/z"));
}

#[test]
fn a_container_cannot_be_in_two_pods() {
    let mut containers = Containers::new();
    containers.link("a", "b", UID, "c", ID);
    containers.link("a", "z", OTHER_UID, "c", ID);
    containers.refresh(true).unwrap();
    assert_eq!(containers.of_container(ID), None);
    assert_eq!(containers.of_pod(UID).as_deref(), Some("a/b"));
    assert_eq!(containers.of_pod(OTHER_UID).as_deref(), Some("a/z"));
}

#[test]
fn a_pod_that_is_made_anew_under_its_old_name_is_another() {
    let mut containers = Containers::new();
    containers.link("db", "mysql-0", UID, "mysql", ID);
    containers.link("db", "mysql-0", OTHER_UID, "mysql", OTHER_ID);
    containers.refresh(true).unwrap();
    let name = "db/mysql-0".to_owned();
    assert_eq!(
        containers.of_container(ID),
        Some((UID.to_owned(), name.clone()))
    );
    assert_eq!(
        containers.of_container(OTHER_ID),
        Some((OTHER_UID.to_owned(), name))
    );
}

#[test]
fn what_the_kubelet_would_not_make_is_passed_over_and_counted() {
    let mut containers = Containers::new();
    let link = format!("b_a_c-{ID}.log");
    let targets = [
        "/var/log/pods/a_b/c/0.log".to_owned(),
        format!("a_b_{UID}/c"),
        format!("/var/log/pods/a_b_{UID}/c/0.txt"),
        format!("/var/log/pods/A_b_{UID}/c/0.log"),
        format!("/var/log/pods/a_b\n_{UID}/c/0.log"),
        format!("/var/log/pods/a__{UID}/c/0.log"),
        format!("/var/log/pods/a_{}_{UID}/c/0.log", "b".repeat(254)),
        format!("/var/log/pods/a_b_{UID}//0.log"),
        format!("/var/log/pods/a_b_{UID}/C/0.log"),
        "/var/log/pods/a_b_/c/0.log".to_owned(),
        format!("/var/log/pods/a_b_{}/c/0.log", "u".repeat(65)),
        "/var/log/pods/a_b_u.d/c/0.log".to_owned(),
        "a".repeat(4095),
    ];
    for (at, target) in targets.iter().enumerate() {
        containers.raw(&format!("{at}{link}"), target);
    }
    let links = [
        "b_a_c.log".to_owned(),
        format!("{ID}.log"),
        format!("b_a_c-{ID}"),
        format!("b_a_c-{}.log", &ID[1..]),
        format!("b_a_c-{}.log", ID.to_uppercase()),
        format!("b_a-{ID}.log"),
    ];
    let target = format!("/var/log/pods/a_b_{UID}/c/0.log");
    for link in &links {
        containers.raw(link, &target);
    }
    std::fs::write(containers.directory.path().join(&link), "no link").unwrap();
    std::fs::create_dir(containers.directory.path().join("directory")).unwrap();
    containers.refresh(true).unwrap();
    assert_eq!(containers.names.links.pods.len(), 0);
    assert_eq!(containers.names.links.containers.len(), 0);
    assert_eq!(
        containers.names.passed_over(),
        targets.len() + links.len() + 2
    );
}

#[test]
fn a_directory_that_is_not_there_is_no_fault() {
    let mut containers = Containers::new();
    containers.link("a", "b", UID, "c", ID);
    containers.refresh(true).unwrap();
    let now = containers.changed() + LATER;
    let directory = containers.directory.path().to_owned();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(containers.names.refresh(false, now), Ok(false));
    assert_eq!(containers.of_pod(UID), None);
    // It is found when it comes.
    std::fs::create_dir(&directory).unwrap();
    containers.link("a", "b", UID, "c", ID);
    assert_eq!(containers.refresh(false), Ok(true));
    assert_eq!(containers.of_pod(UID).as_deref(), Some("a/b"));
}

#[test]
fn a_directory_that_cannot_be_listed_is_said_while_that_lasts_and_the_known_names_stay() {
    let mut containers = Containers::new();
    containers.link("a", "b", UID, "c", ID);
    containers.refresh(true).unwrap();
    let now = containers.changed() + LATER;
    let directory = containers.directory.path().to_owned();
    let aside = directory.with_extension("aside");
    std::fs::rename(&directory, &aside).unwrap();
    std::fs::write(&directory, "no directory").unwrap();

    let fault = containers.names.refresh(true, now).unwrap_err();
    assert_eq!(fault.what, format!("list {}", directory.display()));
    assert!(fault.why.starts_with("Not a directory"), "{}", fault.why);
    assert_eq!(containers.names.refresh(true, now), Err(fault.clone()));
    assert_eq!(containers.names.refresh(false, now), Err(fault));
    assert_eq!(containers.of_pod(UID).as_deref(), Some("a/b"));

    std::fs::remove_file(&directory).unwrap();
    std::fs::rename(&aside, &directory).unwrap();
    assert_eq!(containers.names.refresh(false, now), Ok(true));
    assert_eq!(containers.names.refresh(false, now), Ok(false));
}

#[test]
fn more_entries_than_are_looked_at_are_said() {
    let mut containers = Containers::new();
    containers.names.most_entries = 3;
    for link in ["1", "2", "3"] {
        containers.raw(link, "x");
    }
    assert_eq!(containers.refresh(true), Ok(true));
    containers.raw("4", "x");
    let fault = containers.refresh(true).unwrap_err();
    assert!(fault.why.contains("more than 3"), "{}", fault.why);
    assert_eq!(containers.names.passed_over(), 3);
    assert!(containers.refresh(true).is_err());
    assert!(containers.refresh(false).is_err());
}

/// What names and targets are made of, whole and broken.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let words = vec![
        "_", "-", ".", "/", "..", ".log", "/0.log", "/c", "a_b_", "b_a_c-", "c-", UID, OTHER_UID,
        HASH, ID, OTHER_ID, "\n", "A",
    ];
    prop_oneof![
        8 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..300),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(piece(), 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_links_are_names_or_are_passed_over(entries in proptest::collection::vec((bytes(), bytes()), 0..8)) {
        let mut links = Links::default();
        for (link, target) in &entries {
            links.add(link, target);
        }
        for (uid, name) in &links.pods {
            prop_assert!(cgroup::uid(uid.as_bytes()).as_ref() == Some(uid));
            if let Some(name) = name {
                prop_assert!(is_name(name.namespace.as_bytes()) && is_name(name.pod.as_bytes()));
            }
        }
        for uid in links.containers.values().flatten() {
            prop_assert!(links.pods.contains_key(uid));
        }
        prop_assert!(links.passed_over + links.pods.len() <= entries.len());
    }

    #[test]
    fn any_directory_can_be_listed(entries in proptest::collection::vec((bytes(), bytes()), 0..8)) {
        let mut containers = Containers::new();
        let mut made = 0;
        for (link, target) in &entries {
            let at = containers.directory.path().join(std::ffi::OsStr::from_bytes(&link.iter().map(|&byte| if byte == b'/' { b'+' } else { byte }).collect::<Vec<_>>()));
            // Not every name is one to this file system.
            made += usize::from(symlink(std::ffi::OsStr::from_bytes(target), at).is_ok());
        }
        prop_assert_eq!(containers.refresh(true), Ok(true));
        prop_assert!(containers.names.passed_over() <= made);
    }
}
