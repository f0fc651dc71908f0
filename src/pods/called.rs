//! What the pods that live now are called.
//!
//! What a link told of a pod stands for as long as the pod lives, whatever becomes of the link: a UID never gets another name, and a
//! series whose name comes and goes would be two.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::Owner;
use super::cgroup::Evidence;
use super::names::{Names, PodName};
use super::whose::Key;
use crate::source::Fault;

/// Names of living pods.
#[derive(Debug)]
pub(super) struct Called {
    names: Names,
    /// By what processes tell, the UIDs of pods and the ids of containers: the pod's UID and name, once a link has told.
    told: HashMap<Arc<str>, Option<(Arc<str>, PodName)>>,
    pods: HashMap<Arc<str>, PodName>,
}

impl Called {
    /// What `names` will tell. Nothing is looked at yet.
    pub(super) fn new(names: Names) -> Self {
        Self {
            names,
            told: HashMap::new(),
            pods: HashMap::new(),
        }
    }

    /// Finds names for those who are `alive`, and forgets all others. What is wrong is given each time.
    pub(super) fn refresh<'a>(
        &mut self,
        alive: impl Iterator<Item = &'a Evidence>,
        time: SystemTime,
    ) -> Option<Fault> {
        let before = std::mem::take(&mut self.told);
        let ids = alive.flat_map(|found| [&found.pod, &found.container]);
        self.told = ids
            .flatten()
            .map(|id| (Arc::clone(id), before.get(id).cloned().flatten()))
            .collect();
        let unknown = self.told.keys().any(|id| !before.contains_key(id));
        let fault = self.names.refresh(unknown, time).err();
        for (id, told) in &mut self.told {
            let of_pod = || {
                let name = self.names.of_pod(id)?;
                Some((Arc::clone(id), name.clone()))
            };
            if told.is_none() {
                *told = self.names.pod_of_container(id).or_else(of_pod);
            }
        }
        self.pods = self.told.values().flatten().cloned().collect();
        fault
    }

    /// The UID of the pod that a container is in.
    pub(super) fn pod_of(&self, container: &str) -> Option<Arc<str>> {
        let (uid, _) = self.told.get(container)?.as_ref()?;
        Some(Arc::clone(uid))
    }

    /// Whose the namespaces of this key are, with the pod's name where it is known.
    pub(super) fn owner(&self, key: &Key) -> Owner {
        match key {
            Key::Pod(uid) => Owner::Pod {
                uid: Arc::clone(uid),
                name: self.pods.get(uid).cloned(),
            },
            Key::Container(id) => Owner::Container { id: Arc::clone(id) },
            Key::Unowned => Owner::Other,
        }
    }
}
