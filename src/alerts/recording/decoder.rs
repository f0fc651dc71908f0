//! From lines to observations.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::{
    Kept, LAST_TIME, LONGEST_STEP, Line, MOST_LINE_BYTES, MOST_NAME_BYTES, MOST_OWNERS, MOST_PORTS,
    VERSION, Value, Who, is_possible,
};
use crate::alerts::{Listening, Metric, Observation, Subject};
use crate::culprits::Whose;
use crate::pods::{Owner, PodName};
use crate::source::Scope;

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// The first line is not that of a recording.
    #[error(
        "this is no recording of tcpgauge: it does not begin with {{\"tcpgauge-recording\":[{VERSION},…]}}"
    )]
    Strange,
    /// Another version wrote it.
    #[error(
        "the recording has version {0}, and this tcpgauge reads version {VERSION}: replay it with the tcpgauge that made it"
    )]
    Version(u32),
    /// It is longer than any that tcpgauge writes.
    #[error("a line is longer than {MOST_LINE_BYTES} bytes")]
    Long,
    /// It is not one that tcpgauge writes.
    #[error("not understood: {0}")]
    Syntax(String),
    /// An owner that was not told of.
    #[error("nobody has the number {0}")]
    Nobody(u16),
    /// An owner is in one sample twice.
    #[error("the number {0} is in the same sample twice")]
    Twice(u16),
    /// A number or a name that cannot be.
    #[error("{0} cannot be")]
    Impossible(&'static str),
}

/// Reads observations, line by line.
#[derive(Debug, Default)]
pub struct Decoder {
    interval: Option<Duration>,
    owners: Vec<Option<Kept>>,
    subjects: Vec<Subject>,
}

impl Decoder {
    /// The time that there is to be between two samples; nothing before the first line.
    #[must_use]
    pub const fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// Whether the lines so far end with a sample: if not, one was cut off.
    #[must_use]
    pub fn is_between_samples(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Takes a line, and gives the observation that ends with it.
    pub fn take(&mut self, line: &[u8]) -> Result<Option<Observation>, Malformed> {
        if line.len() > MOST_LINE_BYTES {
            return Err(Malformed::Long);
        }
        let parsed = serde_json::from_slice(line).map_err(|error| {
            Malformed::Syntax(error.to_string().replace("line 1 column", "column"))
        });
        if self.interval.is_none() {
            return match parsed {
                Ok(Line::TcpgaugeRecording(VERSION, interval)) => {
                    self.interval = Some(Duration::from_millis(interval.min(LONGEST_STEP)));
                    Ok(None)
                }
                Ok(Line::TcpgaugeRecording(other, _)) => Err(Malformed::Version(other)),
                _ => Err(Malformed::Strange),
            };
        }
        match parsed? {
            Line::TcpgaugeRecording(..) => return Err(Malformed::Impossible("a second beginning")),
            Line::Owner(number, who) => self.owner(number, who)?,
            Line::Ports(number, ports) => {
                let listening = ports.map(listening).transpose()?;
                self.kept(number)?.listening = listening;
            }
            Line::Of(number, values, fullest_port) => self.of(number, &values, fullest_port)?,
            Line::Sample(time, step, unread, pods_read) => {
                return self.sample(time, step, &unread, pods_read).map(Some);
            }
        }
        Ok(None)
    }

    fn kept(&mut self, number: u16) -> Result<&mut Kept, Malformed> {
        let kept = self.owners.get_mut(usize::from(number));
        kept.and_then(Option::as_mut)
            .ok_or(Malformed::Nobody(number))
    }

    fn owner(&mut self, number: u16, who: Who<'_>) -> Result<(), Malformed> {
        let place = usize::from(number);
        if place >= MOST_OWNERS {
            return Err(Malformed::Impossible("an owner with so high a number"));
        }
        if place >= self.owners.len() {
            self.owners.resize_with(place + 1, || None);
        }
        let whose = whose(who)?;
        let mut others = self.owners.iter().enumerate();
        if others.any(|(other, kept)| {
            let kept = kept.as_ref();
            other != place && kept.is_some_and(|kept| kept.whose == whose)
        }) {
            return Err(Malformed::Impossible("an owner with two numbers"));
        }
        let kept = self.owners.get_mut(place);
        let kept = kept.ok_or(Malformed::Nobody(number))?;
        if kept.as_ref().is_some_and(|kept| kept.is_told) {
            return Err(Malformed::Twice(number));
        }
        *kept = Some(Kept {
            whose,
            listening: None,
            is_told: false,
        });
        Ok(())
    }

    fn of(
        &mut self,
        number: u16,
        told: &[Option<Value>],
        fullest_port: Option<u16>,
    ) -> Result<(), Malformed> {
        if told.len() > Metric::ALL.len() {
            return Err(Malformed::Impossible("a value of no metric"));
        }
        let mut values = [None; Metric::ALL.len()];
        for (value, told) in values.iter_mut().zip(told) {
            *value = told.as_ref().map(|told| told.0);
            if value.is_some_and(|value| !is_possible(value)) {
                return Err(Malformed::Impossible("such a value"));
            }
        }
        let kept = self.kept(number)?;
        if std::mem::replace(&mut kept.is_told, true) {
            return Err(Malformed::Twice(number));
        }
        let subject = Subject {
            whose: kept.whose.clone(),
            values,
            listening: kept.listening.clone(),
            fullest_port,
        };
        self.subjects.push(subject);
        Ok(())
    }

    fn sample(
        &mut self,
        time: u64,
        step: u64,
        unread: &[u16],
        pods_read: bool,
    ) -> Result<Observation, Malformed> {
        if time > LAST_TIME || step > LONGEST_STEP {
            return Err(Malformed::Impossible("such a time"));
        }
        let mut missing = Vec::new();
        for number in unread {
            let kept = self.kept(*number)?;
            if std::mem::replace(&mut kept.is_told, true) {
                return Err(Malformed::Twice(*number));
            }
            missing.push(kept.whose.clone());
        }
        // As who wrote it does: who is not in a sample has no number any more.
        for kept in &mut self.owners {
            kept.take_if(|kept| !std::mem::take(&mut kept.is_told));
        }
        Ok(Observation {
            time: UNIX_EPOCH + Duration::from_millis(time),
            step: Duration::from_millis(step),
            subjects: std::mem::take(&mut self.subjects),
            unread: missing,
            pods_read,
        })
    }
}

fn whose(who: Who<'_>) -> Result<Whose, Malformed> {
    let name = |name: Cow<'_, str>| {
        let fits = !name.is_empty() && name.len() <= MOST_NAME_BYTES;
        fits.then(|| Arc::from(&*name))
            .ok_or(Malformed::Impossible("such a name"))
    };
    Ok(match who {
        Who::Scope(scope) => match scope.parse::<Scope>() {
            Ok(scope) => Whose::Alone(scope),
            Err(()) => return Err(Malformed::Impossible("such a scope")),
        },
        Who::Pod(uid) => Whose::Of(Owner::Pod {
            uid: name(uid)?,
            name: None,
        }),
        Who::NamedPod(uid, namespace, pod) => Whose::Of(Owner::Pod {
            uid: name(uid)?,
            name: Some(PodName {
                namespace: name(namespace)?,
                pod: name(pod)?,
            }),
        }),
        Who::Container(id) => Whose::Of(Owner::Container { id: name(id)? }),
        Who::Other => Whose::Of(Owner::Other),
    })
}

fn listening(ports: Vec<(u16, u32, Option<u32>)>) -> Result<Arc<[Listening]>, Malformed> {
    let in_order = ports.iter().map(|port| port.0);
    if ports.len() > MOST_PORTS || !in_order.is_sorted_by(|one, other| one < other) {
        return Err(Malformed::Impossible("such a list of ports"));
    }
    let ports = ports.into_iter().map(|(port, sockets, user)| Listening {
        port,
        sockets,
        user,
    });
    Ok(ports.collect())
}
