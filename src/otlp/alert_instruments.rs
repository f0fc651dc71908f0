//! The instruments of alerts: which stand, and what becomes of the events that tell of them.

use opentelemetry::KeyValue;

use super::instrument::{Attribute, Group, Instrument, Kind};
use super::values::{Observe, Values, owner};
use crate::alerts;
use crate::culprits::Whose;

/// So many rules of the host there are at most.
pub(super) const MOST_RULES: usize = alerts::MOST_RULES;

/// So many alerts of pods stand at most.
pub(super) const MOST_OF_PODS: usize = alerts::engine::MOST_OF_PODS;

const RULE: &[Attribute] = &[
    Attribute {
        key: "tcpgauge.alert.rule",
        values: "the name of the rule",
        only_with: None,
    },
    Attribute {
        key: "tcpgauge.alert.severity",
        values: "how much it matters: `info`, `warning`, `critical`",
        only_with: None,
    },
];

pub(super) const OF_ALERTS: &[Instrument] = &[
    Instrument {
        name: "tcpgauge.alert.active",
        unit: "{alert}",
        kind: Kind::Gauge,
        description: "Whether an alert of the agent's own rules stands",
        meaning: "1 while it does. Of the host each rule has a point, 0 where it does not and its value was read within the last three intervals (of `ports`, eleven minutes): a rule that sees nothing has none; of pods, which it says as everywhere, only the alerts that stand have one. \
        When one begins or ends an event says so too, with who and what to do: docs/events.md.",
        attributes: RULE,
        of_pods: None,
        group: Group::Alerts,
        values: Values::Alerts,
    },
    Instrument {
        name: "tcpgauge.events.dropped",
        unit: "{event}",
        kind: Kind::Counter,
        description: "Events that were dropped",
        meaning: "That alerts began or ended, and nobody has heard: what waits was at its bounds, or the backend refuses it. The log says why, and docs/events.md what to do where a backend takes no logs.",
        attributes: &[],
        of_pods: None,
        group: Group::Own,
        values: Values::Vitals(|vitals| vitals.events_dropped),
    },
];

/// Each alert that stands, and of the host each that does not.
pub(super) fn standing() -> Observe<u64> {
    Box::new(|sample, point| {
        for standing in sample.alerts.iter().flatten() {
            let mut attributes = match &standing.whose {
                Whose::Alone(_) => Vec::new(),
                Whose::Of(pod) => owner(pod),
            };
            attributes.extend([
                KeyValue::new("tcpgauge.alert.rule", standing.rule.to_string()),
                KeyValue::new("tcpgauge.alert.severity", standing.severity),
            ]);
            point(u64::from(standing.stands), &attributes);
        }
    })
}

#[cfg(test)]
#[path = "alert_tests.rs"]
mod tests;
