//! Whole observations: a host, pods beside it where it has any, and what becomes of readings and clocks.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tcpgauge::alerts::{Listening, Metric, Observation};
use tcpgauge::culprits::Whose;
use tcpgauge::pods::{Owner, PodName};
use tcpgauge::source::Scope;

use crate::chance::Chance;
use crate::incidents::Incident;
use crate::machine::{Machine, STEP};
use crate::roles::{self, DAY, HOUR, MINUTE, Role};

/// Monday, 2 March 2026.
const BEGIN: f64 = 1_772_409_600.0;

struct Pod {
    machine: Machine,
    /// The ports that were read last.
    read: Option<Arc<[Listening]>>,
    ends: f64,
    kind: usize,
}

/// A host in its days.
pub(crate) struct World {
    chance: Chance,
    host: Machine,
    pods: Vec<Pod>,
    pods_made: u64,
    seed: u64,
    now: f64,
    end: f64,
    /// What somebody has set the clock by.
    clock: f64,
    /// When the next such things happen.
    gap: f64,
    unread: f64,
    is_set: f64,
}

impl World {
    /// From `start`, in seconds since a Monday, for so many days.
    pub(crate) fn new(role: &Role, seed: u64, start: f64, days: f64) -> Self {
        let mut chance = Chance::new(seed ^ 0xfeed);
        let (gap, unread, is_set) = (
            start + chance.wait(2.0 * DAY),
            start + chance.wait(8.0 * HOUR),
            start + chance.wait(2.0 * DAY),
        );
        let mut world = Self {
            chance,
            host: Machine::new(role, Whose::Alone(Scope::Host), seed, start, days),
            pods: Vec::new(),
            pods_made: 0,
            seed,
            now: start,
            end: start + days * DAY,
            clock: 0.0,
            gap,
            unread,
            is_set,
        };
        for kind in 0..role.pods {
            world.pod(kind);
        }
        world
    }

    /// Makes something go wrong from `since` until `until`: on the host, or in a pod where there are pods and one can have it.
    pub(crate) fn has(&mut self, incident: &Incident, since: f64, until: f64) {
        let in_a_pod = matches!(
            incident,
            Incident::Leak(_) | Incident::Crash | Incident::Closed | Incident::Unexpected
        );
        let machine = match self.pods.first_mut() {
            Some(pod) if in_a_pod => {
                // One that lives to tell.
                pod.ends = f64::MAX;
                pod.machine.drains = f64::MAX;
                &mut pod.machine
            }
            _ => &mut self.host,
        };
        machine.incident = Some((incident.clone(), since, until));
    }

    /// A pod in the place of one that ended, if any: another one of its kind.
    fn pod(&mut self, kind: usize) {
        self.pods_made += 1;
        let number = self.pods_made;
        let owner = Owner::Pod {
            uid: Arc::from(format!("{:08x}-0000-4000-8000-{number:012x}", self.seed)),
            name: Some(PodName {
                namespace: Arc::from("shop"),
                pod: Arc::from(format!("app-{kind}-{number:05x}")),
            }),
        };
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(number);
        let role = roles::pod(kind);
        let days = (self.end - self.now) / DAY;
        let mut machine = Machine::new(&role, Whose::Of(owner), seed, self.now, days);
        if self.pods.iter().any(|pod| pod.kind == kind) {
            machine.begin_empty();
        }
        // One in six is of a cron job and lives for a minute or two; the others get a new version every other day.
        let lives = if kind % 6 == 5 {
            self.chance.between((MINUTE, 3.0 * MINUTE))
        } else {
            self.chance.wait(2.0 * DAY)
        };
        // It closes its listeners first, and its connections for up to 100 s after that.
        let ends = self.now + lives;
        machine.drains = ends - self.chance.between((0.0, 100.0));
        let pod = Pod {
            machine,
            read: None,
            ends,
            kind,
        };
        match self.pods.iter_mut().find(|pod| pod.kind == kind) {
            Some(place) => *place = pod,
            None => self.pods.push(pod),
        }
    }

    /// The next observation; nothing at the end.
    pub(crate) fn next(&mut self) -> Option<(f64, Observation)> {
        let mut step = STEP;
        if self.now >= self.gap {
            // The agent, or the whole machine, was not there for a while.
            step = (self.chance.between((STEP * 2.0, 20.0 * MINUTE)) / STEP).floor() * STEP;
            self.gap = self.now + self.chance.wait(2.0 * DAY);
        }
        if self.now >= self.is_set {
            // Back or forth, a little or by hours.
            let size = 10f64.powf(self.chance.between((-1.0, 4.0)));
            self.clock += if self.chance.share() < 0.5 {
                size
            } else {
                -size
            };
            self.is_set = self.now + self.chance.wait(2.0 * DAY);
        }
        self.now += step;
        if self.now > self.end {
            return None;
        }
        let ended: Vec<_> = self
            .pods
            .iter()
            .filter(|pod| pod.ends <= self.now)
            .map(|pod| pod.kind)
            .collect();
        for kind in ended {
            self.pod(kind);
        }
        let now = self.now;
        let mut subjects = vec![self.host.step(now)];
        let mut unread = Vec::new();
        if now >= self.unread {
            // The table could not be read in time, for one to four times.
            if self.chance.share() < 0.4 {
                self.unread = now + self.chance.wait(8.0 * HOUR);
            }
            unread.extend(subjects.pop().map(|subject| subject.whose));
        }
        for pod in &mut self.pods {
            let mut subject = pod.machine.step(now);
            if self.chance.share() < 0.01 {
                unread.push(subject.whose);
                continue;
            }
            // What a gate tells is without ports, and none holds where those have changed.
            let is_held = self.chance.share() < 0.3;
            if is_held && subject.listening == pod.read {
                subject.listening = None;
            } else {
                pod.read.clone_from(&subject.listening);
            }
            // Of pods there are no more than these.
            subject.fullest_port = None;
            subject.values[Metric::AcceptQueue as usize..].fill(None);
            subjects.push(subject);
        }
        let observation = Observation {
            time: UNIX_EPOCH + Duration::from_secs_f64(BEGIN + now + self.clock),
            step: Duration::from_secs_f64(step),
            subjects,
            unread,
            pods_read: !self.pods.is_empty(),
        };
        Some((now, observation))
    }
}
