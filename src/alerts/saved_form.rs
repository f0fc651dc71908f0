//! How the state of an engine is written down: the same as everywhere, in forms that have names, and back from whatever a file holds.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::judge::{Finding, Tenths};
use super::watch::Standing;
use super::words_parts::name;
use super::{Alert, Culprit, Event, Metric, Severity, Transition};
use crate::culprits::Whose;
use crate::pods::{Owner, PodName};
use crate::sample::plain;
use crate::source::Scope;

/// `W` is a watch, or a look at one.
#[derive(Serialize, Deserialize)]
pub(super) struct Saved<W> {
    pub(super) version: u32,
    pub(super) time: Millis,
    pub(super) elapsed: u64,
    pub(super) subjects: Vec<SavedSubject<W>>,
    pub(super) recent: Vec<SavedEvent>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Millis(i64);

#[derive(Serialize, Deserialize)]
pub(super) struct SavedSubject<W> {
    pub(super) whose: SavedWhose,
    pub(super) watches: Vec<SavedWatch<W>>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum SavedWhose {
    Host,
    Own,
    Pod(String, Option<(String, String)>),
    Container(String),
    Other,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedWatch<W> {
    pub(super) rule: String,
    /// Tells whether the rule has changed.
    pub(super) print: u32,
    pub(super) watch: W,
    pub(super) standing: Option<SavedStanding>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedStanding {
    pub(super) alert: SavedAlert,
    pub(super) finding: Finding,
    pub(super) absent: Tenths,
    pub(super) is_over: bool,
    pub(super) turned: Tenths,
    pub(super) behind: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedAlert {
    pub(super) id: String,
    pub(super) rule: String,
    pub(super) severity: String,
    pub(super) whose: SavedWhose,
    pub(super) metric: String,
    pub(super) value: f64,
    pub(super) limit: f64,
    pub(super) since: Millis,
    pub(super) culprits: Vec<SavedCulprit>,
    pub(super) body: String,
    pub(super) runbook: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedCulprit {
    pub(super) what: String,
    pub(super) sockets: u64,
    pub(super) process: Option<(u32, String)>,
    pub(super) user: Option<u32>,
    pub(super) local_port: Option<u16>,
    pub(super) peer: Option<std::net::IpAddr>,
    pub(super) peer_port: Option<u16>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedEvent {
    pub(super) time: Millis,
    pub(super) fired: bool,
    pub(super) alert: SavedAlert,
}

impl From<SystemTime> for Millis {
    fn from(time: SystemTime) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(since) => millis(since),
            Err(before) => -millis(before.duration()),
        })
    }
}

impl From<Millis> for SystemTime {
    fn from(Millis(millis): Millis) -> Self {
        let distance = Duration::from_millis(millis.unsigned_abs());
        let time = if millis >= 0 {
            UNIX_EPOCH.checked_add(distance)
        } else {
            UNIX_EPOCH.checked_sub(distance)
        };
        time.unwrap_or(UNIX_EPOCH)
    }
}

impl From<&Whose> for SavedWhose {
    fn from(whose: &Whose) -> Self {
        match whose {
            Whose::Alone(Scope::Host) => Self::Host,
            Whose::Alone(Scope::Own) => Self::Own,
            Whose::Of(Owner::Pod { uid, name }) => {
                let name = name.as_ref();
                let name = name.map(|name| (name.namespace.to_string(), name.pod.to_string()));
                Self::Pod(uid.to_string(), name)
            }
            Whose::Of(Owner::Container { id }) => Self::Container(id.to_string()),
            Whose::Of(Owner::Other) => Self::Other,
        }
    }
}

impl From<SavedWhose> for Whose {
    fn from(saved: SavedWhose) -> Self {
        match saved {
            SavedWhose::Host => Self::Alone(Scope::Host),
            SavedWhose::Own => Self::Alone(Scope::Own),
            SavedWhose::Pod(uid, known) => Self::Of(Owner::Pod {
                uid: uid.into(),
                name: known.map(|(namespace, pod)| PodName {
                    namespace: namespace.into(),
                    pod: pod.into(),
                }),
            }),
            SavedWhose::Container(id) => Self::Of(Owner::Container { id: id.into() }),
            SavedWhose::Other => Self::Of(Owner::Other),
        }
    }
}

impl From<&Alert> for SavedAlert {
    fn from(alert: &Alert) -> Self {
        Self {
            id: alert.id.to_string(),
            rule: alert.rule.to_string(),
            severity: alert.severity.name().to_owned(),
            whose: (&alert.whose).into(),
            metric: alert.metric.name().to_owned(),
            value: alert.value,
            limit: alert.limit,
            since: alert.since.into(),
            culprits: alert.culprits.iter().map(SavedCulprit::from).collect(),
            body: alert.body.to_string(),
            runbook: alert.runbook.to_string(),
        }
    }
}

impl SavedAlert {
    pub(super) fn back(self) -> Option<Alert> {
        let severity = |severity: &Severity| severity.name() == self.severity;
        Some(Alert {
            id: self.id.into(),
            severity: Severity::ALL.into_iter().find(severity)?,
            rule: name(&self.rule).into(),
            whose: self.whose.into(),
            metric: Metric::named(&self.metric)?,
            value: self.value,
            limit: self.limit,
            since: self.since.into(),
            culprits: self.culprits.into_iter().map(Culprit::from).collect(),
            body: plain(&self.body).into(),
            runbook: self.runbook.into(),
            steps: Arc::default(),
        })
    }
}

impl From<&Standing> for SavedStanding {
    fn from(standing: &Standing) -> Self {
        Self {
            alert: (&standing.alert).into(),
            finding: standing.finding.clone(),
            absent: standing.absent,
            is_over: standing.is_over,
            turned: standing.turned,
            behind: standing.behind.to_string(),
        }
    }
}

impl SavedStanding {
    pub(super) fn back(self) -> Option<Standing> {
        Some(Standing {
            alert: self.alert.back()?,
            finding: self.finding,
            absent: self.absent,
            is_over: self.is_over,
            turned: self.turned,
            behind: plain(&self.behind).into(),
        })
    }
}

impl From<&Culprit> for SavedCulprit {
    fn from(culprit: &Culprit) -> Self {
        let process = culprit.process.as_ref();
        Self {
            what: culprit.what.clone(),
            sockets: culprit.sockets,
            process: process.map(|(pid, name)| (*pid, name.to_string())),
            user: culprit.user,
            local_port: culprit.local_port,
            peer: culprit.peer,
            peer_port: culprit.peer_port,
        }
    }
}

impl From<SavedCulprit> for Culprit {
    fn from(saved: SavedCulprit) -> Self {
        Self {
            what: plain(&saved.what),
            sockets: saved.sockets,
            process: saved
                .process
                .map(|(pid, process)| (pid, name(&process).into())),
            user: saved.user,
            local_port: saved.local_port,
            peer: saved.peer,
            peer_port: saved.peer_port,
        }
    }
}

impl From<&Event> for SavedEvent {
    fn from(event: &Event) -> Self {
        Self {
            time: event.time.into(),
            fired: event.transition == Transition::Fired,
            alert: (&event.alert).into(),
        }
    }
}

impl SavedEvent {
    pub(super) fn back(self) -> Option<Event> {
        Some(Event {
            time: self.time.into(),
            transition: if self.fired {
                Transition::Fired
            } else {
                Transition::Resolved
            },
            alert: self.alert.back()?,
        })
    }
}
