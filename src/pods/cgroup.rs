//! Whose a process is, told from what the kernel shows of it: its cgroups, its name. Pure.
//!
//! A line of `/proc/PID/cgroup` is `<hierarchy>:<controllers>:<path>`: one line with cgroup v2, one for each hierarchy with
//! v1. The path is relative to the cgroup namespace of whoever reads it, so it may begin anywhere in the tree, and whatever
//! runs the process may have put it under anything. So components are known by their own form, wherever they stand.

use std::sync::Arc;

use memchr::memmem;

/// Hexadecimal digits of a container's id.
const ID_LENGTH: usize = 64;

/// A UID that somebody chose, as a static pod's may be, is no longer.
const LONGEST_UID: usize = 64;

/// Podman's parent of everything, where systemd makes no scopes: a bare id directly below it is that of a podman pod.
const PODMAN: &[u8] = b"libpod_parent";

/// What a process's cgroups tell of its owner: nothing where they tell nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Evidence {
    /// The UID of the innermost pod around it. Any `_` is a `-`, for systemd's names have no other way to write it.
    pub pod: Option<Arc<str>>,
    /// The id of the outermost container around it (within that pod, if there is one), which is the one that the node's
    /// runtime and kubelet know: what was started inside of a container belongs to that container.
    pub container: Option<Arc<str>>,
}

/// What `text`, a whole `/proc/PID/cgroup`, tells of the process's owner.
///
/// Lines may differ with cgroup v1: some hierarchies may not be in use by who started the process. The line with the most pods
/// around the process counts, and where such lines contradict each other, nothing is told.
#[must_use]
pub fn evidence(text: &[u8]) -> Evidence {
    let mut told = Place::default();
    for path in text.split(|&byte| byte == b'\n').filter_map(path) {
        match place(path) {
            Some(place) => told.hear(place),
            None => return Evidence::default(),
        }
    }
    if told.is_contradicted {
        return Evidence::default();
    }
    Evidence {
        pod: told.pod.and_then(uid),
        container: told.container.map(text_of),
    }
}

/// Whether a process keeps the sockets of its guest to itself: a sandbox's kernel, a virtual machine's monitor, or the shim of one.
///
/// gVisor and Kata give a pod a network stack of its own, inside. The kernel's network namespace of such a pod holds only this
/// process, and would show zeros where the pod may have any number of connections. `comm` is what `/proc/PID/comm` says, which the kernel
/// cuts to 15 bytes, `cmdline` what `/proc/PID/cmdline` says: gVisor starts itself anew as `/proc/self/exe`, so
/// its `comm` is `exe` and only its first argument tells.
#[must_use]
pub fn is_sandbox(comm: &[u8], cmdline: &[u8]) -> bool {
    let argument = cmdline.split(|&byte| byte == 0).next().unwrap_or_default();
    let file = argument.rsplit(|&byte| byte == b'/').next();
    is_sandboxs_name(comm.trim_ascii_end()) || file.is_some_and(is_sandboxs_name)
}

fn is_sandboxs_name(name: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"runsc",
        b"cloud-hypervisor",
        // The same as a comm.
        b"cloud-hyperviso",
        b"firecracker",
        b"containerd-shim-kata",
        b"containerd-shim-runsc",
        b"qemu-kvm",
    ];
    // `runsc-sandbox`, `firecracker-v1.7.0`; but a pod's own `runscript` is none.
    let known = NAMES.iter().any(|known| {
        name.strip_prefix(*known)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"-"))
    });
    // `qemu-system-x86_64`, `qemu-lite-system-x86_64`. What has no `system` runs a program for another processor, with the
    // sockets of this kernel.
    known || name.starts_with(b"qemu-") && memmem::find(name, b"-system").is_some()
}

/// A pod's UID, with `-` for `_`; nothing if it cannot be one.
pub(super) fn uid(text: &[u8]) -> Option<Arc<str>> {
    let dashed = |&byte: &u8| char::from(if byte == b'_' { b'-' } else { byte });
    is_uid(text).then(|| text.iter().map(dashed).collect::<String>().into())
}

/// The container's id that `name` ends with, after what comes before it: nothing, or something with a dash at its end.
pub(super) fn id_at_end(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, id) = name.split_last_chunk::<ID_LENGTH>()?;
    let is_id = id
        .iter()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_id && (before.is_empty() || before.ends_with(b"-"))).then_some((before, id))
}

/// Text of which every byte is known to be ASCII.
pub(super) fn text_of(bytes: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(bytes).into()
}

/// Where in the tree a process is, as one or several lines tell.
#[derive(Debug, Default)]
struct Place<'a> {
    /// Pods around the process.
    pods: usize,
    /// The innermost one's UID.
    pod: Option<&'a [u8]>,
    container: Option<&'a [u8]>,
    is_contradicted: bool,
}

impl Place<'_> {
    /// Takes in what another line tells.
    fn hear(&mut self, other: Self) {
        if other.pods != self.pods {
            if other.pods > self.pods {
                *self = other;
            }
            return;
        }
        let other_pod = self.pod.and_then(uid) != other.pod.and_then(uid);
        let other_container = match (self.pod, self.container, other.container) {
            (None, Some(one), Some(other)) => one != other,
            _ => false,
        };
        self.is_contradicted |= other_pod || other_container;
        self.container = self.container.or(other.container);
    }
}

/// The path of a line.
fn path(line: &[u8]) -> Option<&[u8]> {
    let path = line.splitn(3, |&byte| byte == b':').nth(2)?;
    // So the kernel marks a cgroup that was removed while the process ends.
    Some(path.strip_suffix(b" (deleted)").unwrap_or(path))
}

/// Where `path` puts a process; nothing if it is the monitor of a container, which runs outside of it, in the namespace of
/// whoever started it.
fn place(path: &[u8]) -> Option<Place<'_>> {
    let mut place = Place::default();
    let mut parent: &[u8] = b"";
    let mut is_pods_parent = false;
    // Colons: a runtime that was not told of systemd takes `<slice>:cri-containerd:<id>` for one name.
    for name in path.split(|byte| matches!(byte, b'/' | b':')) {
        let pod = pod(name, is_pods_parent);
        if pod.is_some() {
            place.pods += 1;
            place.pod = pod;
            place.container = None;
        } else if let Some((before, id)) = id_at_end(name.strip_suffix(b".scope").unwrap_or(name)) {
            if before.ends_with(b"conmon-") {
                return None;
            }
            let is_podmans_pod = parent == PODMAN && before.is_empty();
            if place.container.is_none() && !is_podmans_pod {
                place.container = Some(id);
            }
        }
        let is_class = matches!(name, b"burstable" | b"besteffort" | b"guaranteed");
        is_pods_parent =
            pod.is_none() && name.starts_with(b"kubepods") || is_pods_parent && is_class;
        parent = name;
    }
    Some(place)
}

/// The UID that a component carries as a pod's: any where it `is_where_pods_are`, else one that cannot be mistaken.
fn pod(name: &[u8], is_where_pods_are: bool) -> Option<&[u8]> {
    let slices = name.strip_suffix(b".slice").and_then(pod_of_slice);
    slices.or_else(|| {
        let uid = name.strip_prefix(b"pod")?;
        (is_generated(uid) || is_where_pods_are && is_uid(uid)).then_some(uid)
    })
}

/// `kubepods-pod<uid>`, `kubepods-burstable-pod<uid>`, `kubelet-kubepods-besteffort-pod<uid>`: systemd wants the whole
/// path in the name.
fn pod_of_slice(name: &[u8]) -> Option<&[u8]> {
    const PODS: &[u8] = b"kubepods-";
    let (before, rest) = name.split_at_checked(memmem::find(name, PODS)?)?;
    let rest = rest.strip_prefix(PODS)?;
    let rest = rest
        .strip_prefix(b"burstable-")
        .or_else(|| rest.strip_prefix(b"besteffort-"))
        .unwrap_or(rest);
    let uid = rest.strip_prefix(b"pod")?;
    ((before.is_empty() || before.ends_with(b"-")) && is_uid(uid)).then_some(uid)
}

fn is_uid(text: &[u8]) -> bool {
    let may_be = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LONGEST_UID).contains(&text.len()) && text.iter().all(may_be)
}

/// Whether the API server made this UID, 8-4-4-4-12 digits, or the kubelet: a hash of a static pod's configuration.
fn is_generated(uid: &[u8]) -> bool {
    match uid.len() {
        32 => uid.iter().all(u8::is_ascii_hexdigit),
        36 => uid.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => matches!(byte, b'-' | b'_'),
            _ => byte.is_ascii_hexdigit(),
        }),
        _ => false,
    }
}

#[cfg(test)]
#[path = "cgroup_tests.rs"]
mod tests;
