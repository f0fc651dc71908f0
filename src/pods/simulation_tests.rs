//! An engine on a machine that is not there, in a time that is not either.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

use super::super::{Options, Owner, PodReading, Pods};
use super::Engine;
use super::machine::Machine;
use crate::source::Fault;
use crate::source::details::Attention;
use crate::source::proc_root::ProcRoot;
use crate::tcp::State;

pub(super) const INTERVAL: Duration = Duration::from_secs(30);

/// An engine on such a machine, and its clock.
pub(super) struct Simulation {
    pub(super) engine: Engine<Machine>,
    began: Instant,
    /// Of the reader: when the next tick is.
    pub(super) next: Duration,
    interval: Duration,
    /// When there were turns.
    pub(super) turns: Vec<Duration>,
    /// CPU time by the clock, after everything that was done.
    pub(super) used: Vec<(Duration, Duration)>,
}

#[allow(
    clippy::disallowed_methods,
    reason = "any moment will do for the first"
)]
impl Simulation {
    pub(super) fn new(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            proc_root: ProcRoot::new("/nowhere"),
            container_logs_dir: PathBuf::from("/nowhere"),
            most: 512,
            gates: true,
            cpu_budget: 0.02,
            interval: INTERVAL,
            at_once: Duration::from_mins(1),
            by_family: false,
            attention: Attention::default(),
        };
        change(&mut options);
        let mut machine = Machine::default();
        machine.table_cost = Duration::from_millis(5);
        let mut simulation = Self {
            interval: options.interval,
            engine: Engine::new(options, machine),
            began: Instant::now() + Duration::from_hours(1),
            next: Duration::ZERO,
            turns: Vec::new(),
            used: Vec::new(),
        };
        simulation.machine().process_numbered(1, None);
        simulation
    }

    pub(super) fn machine(&mut self) -> &mut Machine {
        &mut self.engine.node
    }

    pub(super) fn now(&self) -> Duration {
        self.engine.node.now
    }

    /// Does what is due until `end`, as the reader's thread would.
    pub(super) fn turns_until(&mut self, end: Duration) {
        loop {
            let now = self.now();
            let Some(due) = self.engine.due(self.began + now) else {
                break;
            };
            let due = due.saturating_duration_since(self.began).max(now);
            if due >= end {
                break;
            }
            self.machine().now = due;
            self.turns.push(due);
            let cpu = self.machine().cpu;
            self.engine.turn(self.began + due, &AtomicBool::new(false));
            let cost = self.machine().cpu.saturating_sub(cpu);
            self.used.push((due, self.cpu()));
            self.machine().now += cost;
        }
        self.machine().now = end.max(self.now());
    }

    /// Everything until the next tick, and what that tells.
    pub(super) fn try_tick(&mut self) -> Result<Pods, Fault> {
        self.turns_until(self.next);
        self.next += self.interval;
        let now = self.now();
        let time = SystemTime::UNIX_EPOCH + now;
        self.used.push((now, self.cpu()));
        let told = self
            .engine
            .tick(self.began + now, time, &AtomicBool::new(false));
        self.used.push((now, self.cpu()));
        told
    }

    pub(super) fn tick(&mut self) -> Pods {
        self.try_tick().unwrap()
    }

    fn cpu(&self) -> Duration {
        self.engine.node.cpu
    }

    /// How much the engine remembers, of whatever kind.
    pub(super) fn remembered(&self) -> usize {
        let Engine {
            called,
            spaces,
            shown,
            queue,
            ..
        } = &self.engine;
        format!("{called:?}{spaces:?}{shown:?}{queue:?}").len()
    }

    /// The most CPU time that was used in any stretch of time beyond what `rate` earns in it.
    pub(super) fn overspent(&self, rate: f64) -> Duration {
        let (mut least, mut most) = (f64::MAX, 0.0_f64);
        for (time, cpu) in &self.used {
            let beyond = cpu.as_secs_f64() - rate * time.as_secs_f64();
            least = least.min(beyond);
            most = most.max(beyond - least);
        }
        Duration::from_secs_f64(most)
    }
}

/// What is told of an owner.
pub(super) fn told<'a>(pods: &'a Pods, owner: &str) -> Option<&'a PodReading> {
    pods.readings.iter().find(|found| match &found.owner {
        Owner::Pod { uid, .. } => &**uid == owner,
        Owner::Container { id } => &**id == owner,
        Owner::Other => owner == "none",
    })
}

/// How many listeners an owner is told to have, which no two namespaces have alike.
pub(super) fn listeners(pods: &Pods, owner: &str) -> Option<u64> {
    told(pods, owner).map(|found| found.counted.count(State::Listen))
}
