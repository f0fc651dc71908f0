//! The instruments of accept queues: how services keep up with those who connect.

use super::instrument::{Attribute, Group, Instrument, Kind};
use super::values::Values;

const LISTENER_PORTS: Option<&str> = Some("--listener-ports");

const PORT: &[Attribute] = &[Attribute {
    key: "network.local.port",
    values: "the port",
    only_with: LISTENER_PORTS,
}];

pub(super) const OF_LISTENERS: &[Instrument] = &[
    Instrument {
        name: "tcp.accept_queue.longest",
        unit: "{connection}",
        kind: Kind::Gauge,
        description: "Longest accept queue of any TCP listener",
        meaning: "Connections that stand and that the service has not accepted. More than a few for long is a service that hangs or is too slow. \
            A pod has a point only in a sample for which its tables were read: no gate tells of queues.",
        attributes: &[],
        of_pods: Some("--scope pods"),
        group: Group::Listeners,
        values: Values::Listeners(|listeners| listeners.longest.map(|queue| queue.length)),
    },
    Instrument {
        name: "tcp.accept_queue.longest_limit",
        unit: "{connection}",
        kind: Kind::Gauge,
        description: "How long that accept queue may be",
        meaning: "The backlog given to `listen`, and not more than `net.core.somaxconn`. Only where the source is `diag` or `diag-full`: the kernel's tables do not have it.",
        attributes: &[],
        of_pods: None,
        group: Group::Listeners,
        values: Values::Listeners(|listeners| listeners.longest.and_then(|queue| queue.limit)),
    },
    Instrument {
        name: "tcp.accept_queue.full",
        unit: "{socket}",
        kind: Kind::Gauge,
        description: "TCP listeners whose accept queue is full",
        meaning: "At or over its limit: one more can still come in at the limit; who connects after that is kept waiting, or fails; `tcp.listen.overflows` counts them. Only where the source is `diag` or `diag-full`.",
        attributes: &[],
        of_pods: None,
        group: Group::Listeners,
        values: Values::Listeners(|listeners| listeners.full),
    },
    Instrument {
        name: "tcp.port.accept_queue.length",
        unit: "{connection}",
        kind: Kind::Gauge,
        description: "Accept queue of the listeners on a port",
        meaning: "Where several listen on it (`SO_REUSEPORT`, or one for each address), the longest. Nothing while nobody listens there.",
        attributes: PORT,
        of_pods: None,
        group: Group::Listeners,
        values: Values::ListenerPorts(|queue| Some(queue.length)),
    },
    Instrument {
        name: "tcp.port.accept_queue.limit",
        unit: "{connection}",
        kind: Kind::Gauge,
        description: "How long that accept queue may be",
        meaning: "Only where the source is `diag` or `diag-full`.",
        attributes: PORT,
        of_pods: None,
        group: Group::Listeners,
        values: Values::ListenerPorts(|queue| queue.limit),
    },
];
