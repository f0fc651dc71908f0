//! What pods are called, from the links that the kubelet keeps for those who collect logs.
//!
//! `/var/log/containers` holds, for each container,
//! `<pod>_<namespace>_<container>-<id>.log`, a link to `<pods' logs>/<namespace>_<pod>_<uid>/<container>/<restarts>.log`. The link is
//! read and never followed, so no log need be readable. The kubelet cuts the end off a link's name at 255 bytes, and with it the
//! container's id; the target is whole.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::hash::Hash;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

use super::cgroup;
use crate::source::Fault;

/// No more entries are looked at.
const MOST_ENTRIES: usize = 65_536;

/// No target is longer: the kernel's `PATH_MAX`.
const LONGEST_TARGET: usize = 4096;

/// The kubelet cuts the names of its links to this.
const LONGEST_LINK: usize = 255;

/// No namespace's or pod's name is longer.
const LONGEST_NAME: usize = 253;

/// A directory that changed as recently as this may change again and show the same time: the kernel's clock for files is a coarse one,
/// and another file system's coarser.
const UNSETTLED: Duration = Duration::from_secs(2);

/// What a pod is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodName {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its own name.
    pub pod: Arc<str>,
}

/// The names of the pods on the node, as of the last listing.
#[derive(Debug)]
pub struct Names {
    directory: PathBuf,
    /// When the directory changed last before it was listed; nothing if it must be listed again.
    changed: Option<SystemTime>,
    links: Links,
    most_entries: usize,
    /// What was wrong with the last listing.
    fault: Option<Fault>,
}

impl Names {
    /// Names from the links in `directory`, which is not looked at yet.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            changed: None,
            links: Links::default(),
            most_entries: MOST_ENTRIES,
            fault: None,
        }
    }

    /// Lists the directory again if there is something `unknown` (a UID or id that has not been asked after before) or the
    /// directory changed. Returns whether it did.
    ///
    /// A fault is given each time while it lasts. A directory that is not there is no fault, and holds no names;
    /// of one that cannot be listed, the names stay that are known, for a UID never gets another.
    pub fn refresh(&mut self, unknown: bool, now: SystemTime) -> Result<bool, Fault> {
        if !unknown && self.is_current() {
            return self.fault.clone().map_or(Ok(false), Err);
        }
        let (listed, fault) = match list(&self.directory, self.most_entries) {
            Ok(listing) => {
                let age = now.duration_since(listing.changed);
                let is_settled = age.is_ok_and(|age| age >= UNSETTLED);
                self.changed = is_settled.then_some(listing.changed);
                self.links = listing.links;
                (true, listing.is_cut.then(|| self.too_many()))
            }
            Err(error) => {
                self.changed = None;
                let is_absent = error.kind() == io::ErrorKind::NotFound;
                if is_absent {
                    self.links = Links::default();
                }
                (false, (!is_absent).then(|| self.unlisted(&error)))
            }
        };
        self.fault.clone_from(&fault);
        fault.map_or(Ok(listed), Err)
    }

    /// What the pod with this UID is called. Nothing if no link tells, or links contradict each other.
    #[must_use]
    pub fn of_pod(&self, uid: &str) -> Option<&PodName> {
        self.links.pods.get(uid)?.as_ref()
    }

    /// The UID of the pod that a container is in, and what that is called.
    #[must_use]
    pub fn pod_of_container(&self, id: &str) -> Option<(Arc<str>, PodName)> {
        let uid = self.links.containers.get(id)?.as_ref()?;
        let name = self.of_pod(uid)?;
        Some((Arc::clone(uid), name.clone()))
    }

    /// Entries that the last listing made nothing of: no links, or none that the kubelet makes.
    #[must_use]
    pub fn passed_over(&self) -> usize {
        self.links.passed_over
    }

    fn is_current(&self) -> bool {
        let changed = || std::fs::metadata(&self.directory).and_then(|found| found.modified());
        self.changed
            .is_some_and(|then| changed().is_ok_and(|now| now == then))
    }

    fn too_many(&self) -> Fault {
        self.fault(format!(
            "there are more than {} entries, and pods that only the others name are told by UID alone",
            self.most_entries
        ))
    }

    fn unlisted(&self, error: &io::Error) -> Fault {
        self.fault(format!(
            "{error}: new pods are told by UID alone until this user can list it"
        ))
    }

    fn fault(&self, why: String) -> Fault {
        Fault {
            what: format!("list {}", self.directory.display()),
            why,
            reason: "names",
        }
    }
}

#[derive(Debug)]
struct Listing {
    changed: SystemTime,
    links: Links,
    /// Whether there are more entries than are looked at.
    is_cut: bool,
}

fn list(directory: &Path, most_entries: usize) -> io::Result<Listing> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = File::from(rustix::fs::open(directory, flags, Mode::empty())?);
    // Before its entries, so that what comes while they are read is seen the next time.
    let changed = directory.metadata()?.modified()?;
    let mut links = Links::default();
    let (mut left, mut is_cut) = (most_entries, false);
    let mut target = [0; LONGEST_TARGET];
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        is_cut = left == 0;
        if is_cut {
            break;
        }
        left -= 1;
        match rustix::fs::readlinkat_raw(&directory, name, target.as_mut_slice()) {
            Ok(length) => links.add(name.to_bytes(), target.get(..length).unwrap_or_default()),
            // Its pod has just ended.
            Err(Errno::NOENT) => {}
            Err(_) => links.passed_over += 1,
        }
    }
    Ok(Listing {
        changed,
        links,
        is_cut,
    })
}

/// What links tell. Nothing is known of what two of them contradict each other about: no pod gets another's name.
#[derive(Debug, Default)]
struct Links {
    /// Names by UID.
    pods: HashMap<Arc<str>, Option<PodName>>,
    /// UIDs of pods by the ids of their containers.
    containers: HashMap<Arc<str>, Option<Arc<str>>>,
    passed_over: usize,
}

impl Links {
    fn add(&mut self, link: &[u8], target: &[u8]) {
        let id = id(link);
        let Some((uid, name)) = pod(target).filter(|_| id.is_some() || link.len() == LONGEST_LINK)
        else {
            self.passed_over += 1;
            return;
        };
        let uid = agree(&mut self.pods, uid, name);
        if let Some(id) = id {
            agree(&mut self.containers, id, uid);
        }
    }
}

/// Notes that `key` is known to be `value`, unless it is known to be something else. Returns the key that is in the map.
fn agree<K: Clone + Eq + Hash, V: PartialEq>(
    map: &mut HashMap<K, Option<V>>,
    key: K,
    value: V,
) -> K {
    match map.entry(key) {
        Entry::Occupied(mut known) => {
            known.get_mut().take_if(|known| *known != value);
            known.key().clone()
        }
        Entry::Vacant(unknown) => {
            let key = unknown.key().clone();
            unknown.insert(Some(value));
            key
        }
    }
}

/// The container's id that the name of a link ends with.
fn id(link: &[u8]) -> Option<Arc<str>> {
    let (before, id) = cgroup::id_at_end(link.strip_suffix(b".log")?)?;
    // `<pod>_<namespace>_<container>-`
    let is_kubelets = before.split(|&byte| byte == b'_').count() == 3;
    is_kubelets.then(|| cgroup::text_of(id))
}

/// The UID and the names in `…/<namespace>_<pod>_<uid>/<container>/<restarts>.log`.
fn pod(target: &[u8]) -> Option<(Arc<str>, PodName)> {
    let mut from_the_end = target.rsplit(|&byte| byte == b'/');
    let is_log = from_the_end.next()?.ends_with(b".log");
    let is_of_container = is_name(from_the_end.next()?);
    let mut parts = from_the_end.next()?.splitn(3, |&byte| byte == b'_');
    let mut name = || {
        parts
            .next()
            .filter(|name| is_name(name))
            .map(cgroup::text_of)
    };
    let (namespace, pod) = (name()?, name()?);
    let uid = cgroup::uid(parts.next()?)?;
    (is_log && is_of_container).then_some((uid, PodName { namespace, pod }))
}

/// Whether Kubernetes would take it for a name (DNS-1123).
fn is_name(text: &[u8]) -> bool {
    let may_be = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    (1..=LONGEST_NAME).contains(&text.len()) && text.iter().all(may_be)
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
