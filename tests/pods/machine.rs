//! Engines that see the test's own processes and no others, and know whose they are.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tcpgauge::pods::cgroup::Evidence;
use tcpgauge::pods::engine::Engine;
use tcpgauge::pods::node::{About, Entry, LookError, Node, ProcNode};
use tcpgauge::pods::{Gate, Options, Owner, PodReading, Pods};
use tcpgauge::source::counters::Everything;
use tcpgauge::source::details::Attention;
use tcpgauge::source::diag::Unproven;
use tcpgauge::source::proc_root::{NamespaceId, ProcRoot};
use tcpgauge::source::socket::Socket;
use tcpgauge::source::tables::Found;
use tcpgauge::source::{Fault, Sockets};
use tcpgauge::tcp::{Counts, Family, State};

use crate::space::{Resident, Space};
use crate::table::Table;

pub(crate) const INTERVAL: Duration = Duration::from_secs(30);

/// So long a reading stands while no counter moves.
pub(crate) const MOST_HELD: Duration = Duration::from_mins(10);

/// Whose each process is that is seen.
#[derive(Clone, Default)]
pub(crate) struct Owners(Arc<Mutex<BTreeMap<u32, String>>>);

impl Owners {
    pub(crate) fn add(&self, resident: &Resident, owner: &str) {
        let mut owners = self.0.lock().unwrap();
        owners.insert(resident.pid(), owner.to_owned());
    }

    fn of(&self, pid: u32) -> Option<String> {
        self.0.lock().unwrap().get(&pid).cloned()
    }
}

/// The real machine, of which only some processes are seen. The namespace that we are in counts as the host's.
pub(crate) struct Machine {
    real: ProcNode,
    owners: Owners,
}

impl Node for Machine {
    fn processes(&mut self, entries: &mut Vec<Entry>) -> Result<(), Fault> {
        self.real.processes(entries)?;
        entries.retain(|entry| self.owners.of(entry.pid).is_some());
        Ok(())
    }

    fn host(&mut self) -> Result<NamespaceId, Fault> {
        Ok(NamespaceId::of(Path::new("/proc/self/net/tcp")).unwrap())
    }

    fn namespace(&mut self, pid: u32) -> io::Result<NamespaceId> {
        self.real.namespace(pid)
    }

    fn start(&mut self, pid: u32) -> io::Result<u64> {
        self.real.start(pid)
    }

    fn about(&mut self, pid: u32) -> io::Result<About> {
        let owner = self.owners.of(pid);
        let about = self.real.about(pid)?;
        Ok(About {
            evidence: Evidence {
                pod: owner.map(Arc::from),
                container: None,
            },
            ..about
        })
    }

    fn counters(&mut self, pid: u32) -> Result<Everything, LookError> {
        self.real.counters(pid)
    }

    fn table(
        &mut self,
        pid: u32,
        family: Family,
        stop: &AtomicBool,
        see: &mut dyn FnMut(&Socket<'_>),
    ) -> Result<Option<Found>, LookError> {
        self.real.table(pid, family, stop, see)
    }

    fn counts_mptcp(&mut self) -> Result<(), Unproven> {
        self.real.counts_mptcp()
    }

    fn cpu(&self) -> Duration {
        self.real.cpu()
    }
}

/// Sockets of both families by state, without those that there are none of.
pub(crate) type Sum = BTreeMap<&'static str, u64>;

pub(crate) fn sum<const N: usize>(states: [(&'static str, u64); N]) -> Sum {
    BTreeMap::from(states)
}

pub(crate) fn sum_of(table: &Table) -> Sum {
    let states = table.ipv4.keys().map(|state| (*state, table.both(state)));
    states.filter(|(_, number)| *number > 0).collect()
}

/// What was told of one pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) gate: Gate,
    pub(crate) age: Duration,
    pub(crate) sockets: Sum,
    /// With the families apart, where they are.
    pub(crate) table: Option<Table>,
}

impl Told {
    pub(crate) fn of(reading: &PodReading) -> Self {
        let both = reading.counted.sockets.both();
        let states = State::ALL.map(|state| (state.name(), both.get(state)));
        assert!(reading.counted.is_complete(), "{reading:?}");
        Self {
            gate: reading.gate,
            age: reading.age,
            sockets: BTreeMap::from(states)
                .into_iter()
                .filter(|(_, number)| *number > 0)
                .collect(),
            table: match reading.counted.sockets {
                Sockets::ByFamily { ipv4, ipv6 } => Some(Table {
                    ipv4: by_name(ipv4),
                    ipv6: by_name(ipv6.unwrap_or_default()),
                }),
                Sockets::Together { .. } => None,
            },
        }
    }
}

fn by_name(counts: Counts) -> BTreeMap<&'static str, u64> {
    BTreeMap::from(State::ALL.map(|state| (state.name(), counts.get(state))))
}

/// An engine, whose ticks come when the test says so and one interval after the other.
pub(crate) struct Watch {
    engine: Engine<Machine>,
    owners: Owners,
    /// When the last tick was, and when the next one is.
    told: Instant,
    now: Instant,
    interval: Duration,
}

impl Watch {
    /// As it is by default, with time for everything.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            attention: Attention::default(),
            proc_root: ProcRoot::new("/proc"),
            container_logs_dir: "/nowhere".into(),
            most: 10_000,
            gates: true,
            cpu_budget: 1e6,
            interval: INTERVAL,
            at_once: Duration::from_mins(1),
            by_family: false,
        };
        change(&mut options);
        let interval = options.interval;
        let owners = Owners::default();
        let real = ProcNode::new(&options);
        let machine = Machine {
            real,
            owners: owners.clone(),
        };
        let now = Instant::now();
        Self {
            engine: Engine::new(options, machine),
            owners,
            told: now,
            now,
            interval,
        }
    }

    /// One that sees this namespace, as the pod `pod`.
    pub(crate) fn of(space: &Space) -> Self {
        let mut watch = Self::new();
        watch.see(&space.resident, "pod");
        watch
    }

    pub(crate) fn see(&mut self, resident: &Resident, owner: &str) {
        self.owners.add(resident, owner);
    }

    /// What it sees.
    pub(crate) fn owners(&self) -> Owners {
        self.owners.clone()
    }

    /// All that is told now; the next tick is an interval later.
    pub(crate) fn pods(&mut self) -> Pods {
        let stop = AtomicBool::new(false);
        let pods = self.engine.tick(self.now, SystemTime::now(), &stop);
        self.told = self.now;
        self.now += self.interval;
        let pods = pods.unwrap();
        assert_eq!(pods.gates_off, None);
        pods
    }

    /// By pod.
    pub(crate) fn all(&mut self) -> BTreeMap<String, Told> {
        let pods = self.pods();
        assert_eq!(pods.faults, []);
        let told = pods.readings.iter().map(|reading| match &reading.owner {
            Owner::Pod { uid, .. } => (uid.to_string(), Told::of(reading)),
            other => panic!("{other:?} was told of"),
        });
        told.collect()
    }

    /// Of the pod `pod`, which is the only one.
    pub(crate) fn tick(&mut self) -> Told {
        let mut all = self.all();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove("pod").unwrap()
    }

    /// Does what the engine puts off until the next tick.
    pub(crate) fn between(&mut self) {
        let stop = AtomicBool::new(false);
        let next = self.now;
        while let Some(due) = self.engine.due(self.told)
            && due < next
        {
            self.engine.turn(due, &stop);
        }
    }
}
