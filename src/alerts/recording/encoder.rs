//! From observations to lines.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use super::{
    Kept, LAST_TIME, LONGEST_STEP, Line, MOST_OWNERS, MOST_PORTS, VERSION, Value, Who, is_possible,
};
use crate::alerts::{Observation, Subject};
use crate::culprits::Whose;
use crate::pods::{Owner, PodName};

/// Writes observations.
#[derive(Debug)]
pub struct Encoder {
    interval: Duration,
    began: bool,
    pub(super) owners: Vec<Option<Kept>>,
}

impl Encoder {
    /// An encoder for samples that are to be `interval` apart.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Self {
            interval,
            began: false,
            owners: Vec::new(),
        }
    }

    /// Writes the lines of `observation`, and before the first one that this is a recording.
    pub fn write(&mut self, observation: &Observation, into: &mut impl Write) -> io::Result<()> {
        if !self.began {
            let interval = milliseconds(self.interval, LONGEST_STEP);
            put(&Line::TcpgaugeRecording(VERSION, interval), into)?;
            self.began = true;
        }
        let unread = observation.unread.iter();
        let all = observation.subjects.iter().map(|subject| &subject.whose);
        let mut numbers = Vec::new();
        let mut unknown = Vec::new();
        // Who is there keeps the number, and only then can those that are left be given to others.
        for whose in all.chain(unread) {
            let found = self.find(whose, numbers.len());
            if let Some(Some(kept)) = found.and_then(|number| self.owners.get_mut(number)) {
                kept.is_told = true;
            } else {
                unknown.push((numbers.len(), whose));
            }
            numbers.push(found);
        }
        for kept in &mut self.owners {
            kept.take_if(|kept| !kept.is_told);
        }
        for (place, whose) in unknown {
            let number = self.number(whose, into)?;
            if let Some(place) = numbers.get_mut(place) {
                *place = number;
            }
        }
        let (told, unread) = numbers.split_at(observation.subjects.len().min(numbers.len()));
        for (subject, number) in observation.subjects.iter().zip(told) {
            if let Some(number) = *number {
                self.subject(subject, number, into)?;
            }
        }
        for kept in self.owners.iter_mut().flatten() {
            kept.is_told = false;
        }
        let unread = unread.iter().filter_map(|number| short((*number)?));
        let time = observation.time.duration_since(UNIX_EPOCH);
        let line = Line::Sample(
            milliseconds(time.unwrap_or_default(), LAST_TIME),
            milliseconds(observation.step, LONGEST_STEP),
            unread.collect(),
            observation.pods_read,
        );
        put(&line, into)
    }

    /// The number of an owner, who mostly is where it was in the sample before.
    fn find(&self, whose: &Whose, place: usize) -> Option<usize> {
        let is = |kept: &Option<Kept>| kept.as_ref().is_some_and(|kept| kept.whose == *whose);
        if self.owners.get(place).is_some_and(is) {
            return Some(place);
        }
        self.owners.iter().position(is)
    }

    /// Gives a number to an owner; nothing where there are more owners than one can read.
    fn number(&mut self, whose: &Whose, into: &mut impl Write) -> io::Result<Option<usize>> {
        let free = self.owners.iter().position(Option::is_none);
        let number = free.unwrap_or(self.owners.len());
        let Some(short) = short(number).filter(|_| number < MOST_OWNERS) else {
            return Ok(None);
        };
        let kept = Some(Kept {
            whose: whose.clone(),
            listening: None,
            is_told: true,
        });
        match self.owners.get_mut(number) {
            Some(place) => *place = kept,
            None => self.owners.push(kept),
        }
        put(&Line::Owner(short, who(whose)), into)?;
        Ok(Some(number))
    }

    fn subject(
        &mut self,
        subject: &Subject,
        number: usize,
        into: &mut impl Write,
    ) -> io::Result<()> {
        let (Some(short), Some(Some(kept))) = (short(number), self.owners.get_mut(number)) else {
            return Ok(());
        };
        let listening = subject.listening.as_ref();
        let listening = listening.filter(|ports| ports.len() <= MOST_PORTS);
        if kept.listening.as_ref() != listening {
            let ports = listening.map(|all| all.iter().map(|l| (l.port, l.sockets, l.user)));
            put(&Line::Ports(short, ports.map(Iterator::collect)), into)?;
            kept.listening = listening.cloned();
        }
        let known = subject.values.iter().rposition(Option::is_some);
        let values = subject.values.iter().take(known.map_or(0, |last| last + 1));
        let values = values.map(|value| value.filter(|value| is_possible(*value)).map(Value));
        let line = Line::Of(short, values.collect(), subject.fullest_port);
        put(&line, into)
    }
}

fn put(line: &Line<'_>, into: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *into, line)?;
    into.write_all(b"\n")
}

fn short(number: usize) -> Option<u16> {
    u16::try_from(number).ok()
}

fn milliseconds(time: Duration, most: u64) -> u64 {
    u64::try_from(time.as_millis()).map_or(most, |time| time.min(most))
}

fn who(whose: &Whose) -> Who<'_> {
    match whose {
        Whose::Alone(scope) => Who::Scope(Cow::Borrowed(scope.name())),
        Whose::Of(Owner::Pod { uid, name: None }) => Who::Pod(Cow::Borrowed(uid)),
        Whose::Of(Owner::Pod {
            uid,
            name: Some(PodName { namespace, pod }),
        }) => Who::NamedPod(
            Cow::Borrowed(uid),
            Cow::Borrowed(namespace),
            Cow::Borrowed(pod),
        ),
        Whose::Of(Owner::Container { id }) => Who::Container(Cow::Borrowed(id)),
        Whose::Of(Owner::Other) => Who::Other,
    }
}
