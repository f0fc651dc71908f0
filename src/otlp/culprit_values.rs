//! The values of who holds sockets.

use opentelemetry::KeyValue;

use super::instrument::Options;
use super::values::{Observe, owner};
use crate::culprits::{Group, Whose};
use crate::pods::Owner;
use crate::source::details::Endpoint;

/// Sockets of each group, and of all that is in none.
pub(super) fn sockets(options: &Options) -> Observe<u64> {
    let most = options.culprits_top;
    Box::new(move |sample, point| {
        let Some(culprits) = &sample.culprits else {
            return;
        };
        let (top, others) = culprits.top(most);
        for group in top {
            point(group.sockets, &attributes(group));
        }
        point(others, &owner(&Owner::Other));
    })
}

/// For how long each group has been there.
pub(super) fn ages(options: &Options) -> Observe<u64> {
    let most = options.culprits_top;
    Box::new(move |sample, point| {
        let groups = sample.culprits.iter();
        for group in groups.flat_map(|culprits| culprits.top(most).0) {
            if let Some(seen) = group.seen {
                point(seen.ago.as_secs(), &attributes(group));
            }
        }
    })
}

/// What tells a group from all others.
fn attributes(group: &Group) -> Vec<KeyValue> {
    let mut attributes = match &group.whose {
        Whose::Alone(_) => Vec::new(),
        Whose::Of(pod) => owner(pod),
    };
    attributes.extend(
        group
            .user
            .map(|user| KeyValue::new("user.id", user.to_string())),
    );
    match group.endpoint {
        Endpoint::Local(port) => {
            attributes.push(KeyValue::new("network.local.port", i64::from(port)));
        }
        Endpoint::Remote(peer) => attributes.extend([
            KeyValue::new("network.peer.address", peer.ip().to_string()),
            KeyValue::new("network.peer.port", i64::from(peer.port())),
        ]),
        Endpoint::Unknown => {}
    }
    if let Some(process) = &group.process {
        attributes.extend([
            KeyValue::new("process.pid", i64::from(process.pid)),
            KeyValue::new("process.executable.name", process.name.to_string()),
        ]);
    }
    attributes
}

#[cfg(test)]
#[path = "culprit_tests.rs"]
mod tests;
