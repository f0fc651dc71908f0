//! The instruments of who holds sockets that should be gone.

use super::instrument::{Attribute, Group, Instrument, Kind};
use super::values::Values;

const fn always(key: &'static str, values: &'static str) -> Attribute {
    Attribute {
        key,
        values,
        only_with: None,
    }
}

const HOLDER: &[Attribute] = &[
    always(
        "user.id",
        "the user that made the sockets; not there where no process can hold them any more",
    ),
    always(
        "network.local.port",
        "the port that they came in by, where the namespace listens on it",
    ),
    always(
        "network.peer.address",
        "of others, the address of their peer",
    ),
    always("network.peer.port", "of others, the port of their peer"),
    always(
        "process.pid",
        "the process that holds them, where tcpgauge may see it (docs/culprits.md)",
    ),
    always("process.executable.name", "the name of its executable"),
];

pub(super) const OF_CULPRITS: &[Instrument] = &[
    Instrument {
        name: "tcp.close_wait.by_owner",
        unit: "{connection}",
        kind: Kind::Gauge,
        description: "TCP connections in CLOSE_WAIT by who holds them",
        meaning: "The `--culprits-top` largest groups, and `tcpgauge.owner`=`other` for all that is in none of them: together they are `tcp_close_wait` of the same sample. Those of pods say whose they are, as everywhere.",
        attributes: HOLDER,
        of_pods: None,
        group: Group::Culprits,
        values: Values::Culprits,
    },
    Instrument {
        name: "tcp.close_wait.by_owner_age",
        unit: "s",
        kind: Kind::Gauge,
        description: "For how long there have been such connections",
        meaning: "In whole seconds, since the agent saw the first of the group; from then on there was at least one in every sample. A group that is old and grows is a leak.",
        attributes: HOLDER,
        of_pods: None,
        group: Group::Culprits,
        values: Values::CulpritAges,
    },
];
