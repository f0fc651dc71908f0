//! Who this agent is and what its machine is called, as far as that can be known from inside a container.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::source::Options;
use crate::source::proc_root::NamespaceId;

/// The initial UTS namespace has this inode on every kernel since 3.8 (`PROC_UTS_INIT_INO`, `linux/proc_ns.h`).
const INITIAL_UTS_NAMESPACE: &str = "uts:[4026531838]";

/// The namespace of our version 5 UUIDs (RFC 9562): a random one, made once.
const INSTANCE_IDS: Uuid = Uuid::from_u128(0x6f0c_9f0e_52c4_4b6b_8a1d_3c57_e2f4_a90b);

/// What could be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The machine's name; nothing in a container, where the name that the kernel gives is the container's.
    pub host_name: Option<String>,
    /// `service.instance.id`: stays the same when the agent is started again on the same boot of the same machine.
    pub instance_id: String,
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
        // The host name belongs to the UTS namespace, so in the initial one it is the machine's.
        let uts = std::fs::read_link(root.join("self/ns/uts"));
        let is_machines = uts.is_ok_and(|namespace| namespace == Path::new(INITIAL_UTS_NAMESPACE));
        let boot = read_line(&root.join("sys/kernel/random/boot_id")).unwrap_or_else(|| {
            let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
            format!("{} {}", std::process::id(), now.as_nanos())
        });
        // The measured namespace is part of it, for many sidecars can share a machine, and even a name.
        let namespace =
            NamespaceId::of(&options.scope.table(root, "tcp")).map_or(0, NamespaceId::inode);
        let instance = format!("{boot}\n{name}\n{}\n{namespace}", options.scope.name());
        Self {
            host_name: is_machines.then_some(name),
            instance_id: Uuid::new_v5(&INSTANCE_IDS, instance.as_bytes()).to_string(),
        }
    }
}

fn read_line(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(256)
        .read_to_string(&mut text)
        .ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
