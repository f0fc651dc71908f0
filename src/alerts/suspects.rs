//! Who is behind an alert, as far as the sample tells.

use std::sync::Arc;

use super::judge::Finding;
use super::moved::Moved;
use super::rule::{Kind, Rule, Side};
use super::words_parts::name;
use super::{Culprit, Metric, Subject};
use crate::culprits::{Group, Whose};
use crate::sample::Sample;
use crate::source::details::Endpoint;
use crate::tcp::State;

/// So many are named.
const MOST: usize = 3;

/// Who it is now; nothing where this sample does not tell.
pub(super) fn find(
    rule: &Rule,
    finding: &Finding,
    subject: &Subject,
    sample: Option<&Sample>,
) -> Option<Vec<Culprit>> {
    match (rule.metric, finding) {
        (_, Finding::Moved(moved)) => Some(of_ports(moved, rule)),
        (Metric::CloseWait, _) => of_close_wait(&subject.whose, sample),
        (Metric::AcceptQueue, _) => {
            let port = subject.fullest_port.map(|port| of_port(port, subject));
            Some(port.into_iter().collect())
        }
        (Metric::Ports, _) => of_destinations(sample),
        _ => Some(Vec::new()),
    }
}

fn of_ports(moved: &[Moved], rule: &Rule) -> Vec<Culprit> {
    let is_gone = matches!(
        rule.kind,
        Kind::Settled {
            side: Side::Below,
            ..
        }
    );
    let is_over = moved.iter().all(|moved| moved.is_back);
    let named = moved.iter().filter(|moved| moved.port > 0);
    named
        .filter(|moved| is_over || !moved.is_back)
        .take(MOST)
        .map(|moved| {
            let user = moved
                .user
                .map_or_else(String::new, |user| format!(" of user {user}"));
            let what = if is_gone && moved.sockets > 0 {
                format!("port {}{user}, {} listen now", moved.port, moved.sockets)
            } else {
                format!("port {}{user}", moved.port)
            };
            Culprit {
                what,
                sockets: u64::from(moved.sockets),
                user: moved.user,
                local_port: Some(moved.port),
                ..Culprit::default()
            }
        })
        .collect()
}

fn of_close_wait(whose: &Whose, sample: Option<&Sample>) -> Option<Vec<Culprit>> {
    let culprits = sample?.culprits.as_ref()?;
    if culprits.state != State::CloseWait {
        return None;
    }
    let own: Vec<_> = culprits
        .groups
        .iter()
        .filter(|group| group.whose == *whose)
        .collect();
    let named: Vec<_> = own.iter().filter(|group| !is_nameless(group)).collect();
    // That there are some, and not whose, tells nothing of who it was.
    if named.is_empty() && !own.is_empty() {
        return None;
    }
    let first = named.into_iter().take(MOST);
    Some(first.map(|group| of_group(group)).collect())
}

/// Whether it is all that could not be attributed.
fn is_nameless(group: &Group) -> bool {
    group.endpoint == Endpoint::Unknown && group.process.is_none() && group.user.is_none()
}

fn of_group(group: &Group) -> Culprit {
    let user = group.user.map(|user| format!("user {user}"));
    let what = match &group.process {
        Some(process) => {
            let user = user.map_or_else(String::new, |user| format!(", {user}"));
            format!("{} (pid {}{user})", name(&process.name), process.pid)
        }
        None => user.unwrap_or_else(|| "no process".to_owned()),
    };
    let (local_port, remote) = match group.endpoint {
        Endpoint::Local(port) => (Some(port), None),
        Endpoint::Remote(to) => (None, Some(to)),
        Endpoint::Unknown => (None, None),
    };
    Culprit {
        what,
        sockets: group.sockets,
        process: group
            .process
            .as_ref()
            .map(|process| (process.pid, Arc::from(name(&process.name)))),
        user: group.user,
        local_port,
        peer: remote.map(|to| to.ip()).or(group.peer),
        peer_port: remote.map(|to| to.port()),
    }
}

fn of_port(port: u16, subject: &Subject) -> Culprit {
    let listening = subject.listening.as_deref().unwrap_or_default();
    let listener = listening.iter().find(|listener| listener.port == port);
    let user = listener.and_then(|listener| listener.user);
    let whose = user.map_or_else(String::new, |user| format!(" of user {user}"));
    Culprit {
        what: format!("that of port {port}{whose}"),
        user,
        local_port: Some(port),
        ..Culprit::default()
    }
}

fn of_destinations(sample: Option<&Sample>) -> Option<Vec<Culprit>> {
    let ports = sample?.ports.as_ref()?;
    let destinations = ports.destinations()?;
    // Those that matter are near the first.
    let most = destinations.first().map_or(0, |most| most.ports);
    let near = destinations
        .iter()
        .filter(|destination| destination.ports * 2 >= most);
    let culprits = near.take(MOST).map(|destination| Culprit {
        what: format!("{} from {}", destination.to, destination.from),
        sockets: destination.ports,
        peer: Some(destination.to.ip()),
        peer_port: Some(destination.to.port()),
        ..Culprit::default()
    });
    Some(culprits.collect())
}

#[cfg(test)]
#[path = "suspects_tests.rs"]
mod tests;
