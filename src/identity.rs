//! Who this agent is and what its machine is called, as far as that can be known from inside a container.

use std::io::Read;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::source::Options;
use crate::source::proc_root::{self, NamespaceId};

/// The initial UTS namespace has this inode on every kernel since 3.8 (`PROC_UTS_INIT_INO`, `linux/proc_ns.h`).
const INITIAL_UTS_NAMESPACE: &str = "uts:[4026531838]";

/// The namespace of our version 5 UUIDs (RFC 9562): a random one, made once.
const INSTANCE_IDS: Uuid = Uuid::from_u128(0x6f0c_9f0e_52c4_4b6b_8a1d_3c57_e2f4_a90b);

/// What could be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The machine's name, as far as it is known.
    pub host_name: HostName,
    /// `service.instance.id`: stays the same when the agent is started again on the same boot of the same machine.
    pub instance_id: String,
}

/// What is known of the machine's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// It is this.
    Known(String),
    /// This is a container, so the name that the kernel gives is the container's.
    OfAContainer,
    /// It cannot be told whether this is a container.
    Unknown,
}

impl HostName {
    /// The name, if it is known.
    #[must_use]
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Known(name) => Some(name),
            Self::OfAContainer | Self::Unknown => None,
        }
    }

    /// Why it is not known, and what to do.
    #[must_use]
    pub fn why_not(&self) -> Option<&'static str> {
        match self {
            Self::Known(_) => None,
            Self::OfAContainer => Some(
                "this is a container, so the kernel's host name is not the host's: host.name is left out; give it with --host-name",
            ),
            Self::Unknown => Some(
                "the proc root does not tell whether this is a container, whose host name is not the host's: host.name is left out; give it with --host-name",
            ),
        }
    }
}

/// A number from 0 to 1 that is this host's or pod's own, and the same each time.
#[must_use]
pub fn share() -> f64 {
    let id = Uuid::new_v5(&INSTANCE_IDS, rustix::system::uname().nodename().to_bytes());
    let (first, ..) = id.as_fields();
    f64::from(first) / f64::from(u32::MAX)
}

impl Identity {
    /// Finds out. `now` stands in where nothing tells this boot from another.
    #[must_use]
    pub fn inspect(options: &Options, now: SystemTime) -> Self {
        let root = &options.proc_root;
        let name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let boot = read_line(&root.join("sys/kernel/random/boot_id")).unwrap_or_else(|| {
            let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
            format!("{} {}", std::process::id(), now.as_nanos())
        });
        // The measured namespace is part of it, for many sidecars can share a machine, and even a name.
        let namespace =
            NamespaceId::of(&options.scope.table(root, "tcp")).map_or(0, NamespaceId::inode);
        let instance = format!("{boot}\n{name}\n{}\n{namespace}", options.scope.name());
        // The host name belongs to the UTS namespace, so in the initial one it is the machine's.
        let host_name = match std::fs::read_link(root.join("self/ns/uts")) {
            Ok(namespace) if namespace == Path::new(INITIAL_UTS_NAMESPACE) => HostName::Known(name),
            Ok(_) => HostName::OfAContainer,
            Err(_) => HostName::Unknown,
        };
        Self {
            host_name,
            instance_id: Uuid::new_v5(&INSTANCE_IDS, instance.as_bytes()).to_string(),
        }
    }
}

fn read_line(path: &Path) -> Option<String> {
    let mut text = String::new();
    proc_root::open_small(path)
        .ok()?
        .read_to_string(&mut text)
        .ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
