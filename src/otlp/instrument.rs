//! What an instrument is, and the choice among them.

use std::sync::Arc;

use super::alert_instruments::{MOST_OF_PODS, MOST_RULES};
use super::values::Values;
use crate::counters::Wanted;
use crate::ports::MOST_DESTINATIONS;
use crate::source::details::Attention;
use crate::tcp::State;

/// Which metrics are exported, and how finely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Groups besides [`Group::Five`], which is always exported.
    pub groups: Vec<Group>,
    /// Whether `system.network.connection.count` is split by `network.type`.
    pub split_network_type: bool,
    /// Whether it is exported of each pod.
    pub states_of_pods: bool,
    /// So many pods at most have series of their own; 0 where none is told of.
    pub most_pods: usize,
    /// The listening ports that have series of their own.
    pub listener_ports: Arc<[u16]>,
    /// So many groups of sockets at most have series of their own.
    pub culprits_top: usize,
}

impl Options {
    /// Whether a point of any metric is of one address family.
    #[must_use]
    pub fn tell_families_apart(&self) -> bool {
        self.split_network_type && self.groups.contains(&Group::States)
    }

    /// What is to be looked at besides the counts.
    #[must_use]
    pub fn attention(&self) -> Attention {
        let culprits = self.groups.contains(&Group::Culprits);
        Attention {
            ports: Arc::clone(&self.listener_ports),
            state: culprits.then_some(State::CloseWait),
            inodes: culprits,
            listening: false,
        }
    }

    /// What has to be read of the host besides its sockets.
    #[must_use]
    pub fn wants(&self) -> Wanted {
        Wanted {
            counters: self.groups.contains(&Group::Counters),
            capacity: self.groups.contains(&Group::Capacity),
        }
    }
}

/// Metrics that are chosen together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The five gauges.
    Five,
    /// Sockets by state.
    States,
    /// Accept queues.
    Listeners,
    /// Who holds the sockets in `CLOSE_WAIT`.
    Culprits,
    /// The host's own counters.
    Counters,
    /// What the host has room for.
    Capacity,
    /// Which alerts stand.
    Alerts,
    /// What tcpgauge tells of itself.
    Own,
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 8] = [
        Self::Five,
        Self::States,
        Self::Listeners,
        Self::Culprits,
        Self::Counters,
        Self::Capacity,
        Self::Alerts,
        Self::Own,
    ];
    /// Their names.
    pub const NAMES: [&'static str; 8] = [
        Self::Five.name(),
        Self::States.name(),
        Self::Listeners.name(),
        Self::Culprits.name(),
        Self::Counters.name(),
        Self::Capacity.name(),
        Self::Alerts.name(),
        Self::Own.name(),
    ];

    /// The name that it is chosen by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Five => "five",
            Self::States => "states",
            Self::Listeners => "listeners",
            Self::Culprits => "culprits",
            Self::Counters => "counters",
            Self::Capacity => "capacity",
            Self::Alerts => "alerts",
            Self::Own => "self",
        }
    }

    /// When it is exported.
    #[must_use]
    pub const fn default(self) -> &'static str {
        match self {
            Self::Five => "always",
            Self::Culprits => "off",
            Self::States
            | Self::Listeners
            | Self::Counters
            | Self::Capacity
            | Self::Alerts
            | Self::Own => "on",
        }
    }
}

/// One instrument.
#[derive(Debug)]
pub struct Instrument {
    /// The metric's name.
    pub name: &'static str,
    /// Its unit, in UCUM.
    pub unit: &'static str,
    /// What it is to OpenTelemetry.
    pub kind: Kind,
    /// What it counts.
    pub description: &'static str,
    /// What a value of it means, and what to do.
    pub meaning: &'static str,
    /// The attributes of its points, besides those that say [whose](OWNER) they are.
    pub attributes: &'static [Attribute],
    /// The setting with which it has points of each pod, if it ever has.
    pub of_pods: Option<&'static str>,
    /// The group that it is chosen with.
    pub group: Group,
    /// Where its values come from.
    pub(super) values: Values,
}

/// What an instrument is to OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An observable gauge.
    Gauge,
    /// An observable up-down counter: a sum that is not monotonic, cumulative.
    UpDownCounter,
    /// An observable counter: a sum that only grows, cumulative since the agent started.
    Counter,
}

impl Kind {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "observable gauge",
            Self::UpDownCounter => "observable up-down counter",
            Self::Counter => "observable counter",
        }
    }
}

/// An attribute of points.
#[derive(Debug)]
pub struct Attribute {
    /// Its key.
    pub key: &'static str,
    /// Its values, in words.
    pub values: &'static str,
    /// The setting that it is there with, if it is not always.
    pub only_with: Option<&'static str>,
}

/// What says whose sockets a point counts. One that has none of these counts the host's, or the agent's own.
pub const OWNER: &[Attribute] = &[
    Attribute {
        key: "k8s.namespace.name",
        values: "the pod's namespace; only where `--container-logs-dir` tells it",
        only_with: None,
    },
    Attribute {
        key: "k8s.pod.name",
        values: "the pod's name; only where `--container-logs-dir` tells it",
        only_with: None,
    },
    Attribute {
        key: "k8s.pod.uid",
        values: "the pod's UID; of a static pod the hash of its configuration",
        only_with: None,
    },
    Attribute {
        key: "container.id",
        values: "the id of a container that is in no pod",
        only_with: None,
    },
    Attribute {
        key: "tcpgauge.owner",
        values: "`other`: all that is nobody's, or beyond `--max-pods`, summed up",
        only_with: None,
    },
];

/// More values than any attribute has that is not a pod's or a state's.
const MOST_VALUES: usize = 32;

impl Instrument {
    /// So many series at most are to be kept for it.
    pub(super) fn most_series(&self, options: &Options) -> usize {
        let has_pods = match self.values {
            Values::States => options.states_of_pods,
            _ => self.of_pods.is_some(),
        };
        let owners = match options.most_pods {
            // Besides them the host, and what is summed up.
            most if has_pods && most > 0 => most + 2,
            _ => 1,
        };
        match self.values {
            // Of the host they are the same each time. Of pods all may be others with the next sample, see below.
            Values::Alerts => MOST_RULES + 2 * MOST_OF_PODS,
            Values::Culprits | Values::CulpritAges => 2 * (options.culprits_top + 1),
            Values::States => {
                let families = if options.split_network_type { 2 } else { 1 };
                owners * State::ALL.len() * families
            }
            // The SDK forgets a gauge's series one collection after it was last there: all pods may be others by then.
            _ if self.of_pods.is_some() => owners * 2,
            // Here too, where they are counted anew with each tick.
            Values::Ports => MOST_DESTINATIONS * 2,
            _ => MOST_VALUES,
        }
    }
}
