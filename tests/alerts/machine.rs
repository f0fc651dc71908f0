//! A host that does what its role says, sample by sample.

use std::sync::Arc;

use tcpgauge::alerts::{Listening, Metric, Subject};
use tcpgauge::culprits::Whose;

use crate::chance::Chance;
use crate::incidents::Incident;
use crate::plan::Plan;
use crate::roles::{DAY, HOUR, MINUTE, Pool, Role};

/// Time between two samples.
pub(crate) const STEP: f64 = 30.0;

/// Ports that connections go out from.
const PORTS: f64 = 28_232.0;

/// What stands of a service or a pool.
#[derive(Clone, Debug, Default)]
struct Standing {
    established: f64,
    /// Closed by this side, in the last step and in the one before: what is in `TIME_WAIT`.
    closed: [f64; 2],
    was_up: bool,
}

impl Standing {
    /// Those that come, and of all those that go this `share` by this side. Gives how many went.
    fn step(&mut self, came: f64, life: f64, share: f64, chance: &mut Chance) -> f64 {
        let stays = (-STEP / life).exp();
        let gone = chance
            .times(self.established * (1.0 - stays))
            .min(self.established);
        // Of those that came in this step, these are still there.
        let left = chance.times(came * life / STEP * (1.0 - stays)).min(came);
        let went = gone + came - left;
        self.established += left - gone;
        self.closed = [(went * share).round(), self.closed[0]];
        went
    }

    fn time_wait(&self) -> f64 {
        self.closed.iter().sum()
    }
}

/// One host, or one pod.
pub(crate) struct Machine {
    role: Role,
    whose: Whose,
    chance: Chance,
    plan: Plan,
    services: Vec<Standing>,
    pools: Vec<Standing>,
    wander: f64,
    listening: Option<Arc<[Listening]>>,
    /// From when on it no longer listens, and serves only whom it has.
    pub(crate) drains: f64,
    /// What goes wrong, from when until when.
    pub(crate) incident: Option<(Incident, f64, f64)>,
    /// What an incident has piled up.
    piled: f64,
}

impl Machine {
    /// A host that has been up for long at `start`.
    pub(crate) fn new(role: &Role, whose: Whose, seed: u64, start: f64, days: f64) -> Self {
        let mut chance = Chance::new(seed);
        let plan = Plan::new(role, &mut chance, start, days);
        let mut machine = Self {
            services: vec![Standing::default(); role.services.len()],
            pools: vec![Standing::default(); role.pools.len()],
            role: role.clone(),
            whose,
            chance,
            plan,
            wander: 0.0,
            listening: None,
            drains: f64::MAX,
            incident: None,
            piled: 0.0,
        };
        let load = machine.load(start);
        for (standing, service) in machine.services.iter_mut().zip(&role.services) {
            standing.established = (service.rate * service.life * load).round();
            standing.closed = [(service.rate * STEP * load * service.ours).round(); 2];
            standing.was_up = true;
        }
        for (standing, pool) in machine.pools.iter_mut().zip(&role.pools) {
            standing.established = pool.size;
            standing.closed = [(pool.short * STEP * load).round(); 2];
        }
        machine
    }

    /// Nobody has come yet, and nothing has been made.
    pub(crate) fn begin_empty(&mut self) {
        for standing in self.services.iter_mut().chain(&mut self.pools) {
            *standing = Standing {
                was_up: true,
                ..Standing::default()
            };
        }
    }

    fn load(&mut self, now: f64) -> f64 {
        let hour = now % DAY / HOUR;
        // The least at 4, the most at 16 o'clock.
        let daily = 1.0 - self.role.daily * ((hour - 4.0) / 24.0 * std::f64::consts::TAU).cos();
        let is_weekend = (now / DAY) as u64 % 7 >= 5;
        let weekend = if is_weekend { self.role.weekend } else { 1.0 };
        self.wander = 0.98 * self.wander + 0.2 * self.role.wander * self.chance.normal();
        daily * weekend * self.wander.exp() * self.plan.peak(now)
    }

    /// What is seen of it at `now`.
    pub(crate) fn step(&mut self, now: f64) -> Subject {
        let is_now = |(_, since, until): &(Incident, f64, f64)| (*since..*until).contains(&now);
        let incident = self.incident.clone().filter(is_now);
        let active = incident.as_ref().map_or(0.0, |(_, since, _)| now - since);
        let incident = incident.map(|(incident, ..)| incident);
        let is_closed = now >= self.drains || incident == Some(Incident::Closed);
        let load = match incident {
            Some(Incident::Collapse) => 0.0,
            _ if is_closed => 0.0,
            _ => self.load(now),
        };
        let is_grown = self.plan.extra_port(now);
        let mut seen = Seen {
            is_moved: is_grown != self.listens_on(NEW_PORT),
            ..Seen::default()
        };
        for index in 0..self.services.len() {
            self.serve(index, incident.as_ref(), active, load, now, &mut seen);
        }
        let mut toward_one = 0.0f64;
        for (standing, pool) in self.pools.iter_mut().zip(&self.role.pools) {
            step_pool(standing, pool, load, &mut self.chance);
            seen.established += standing.established;
            seen.time_wait += standing.time_wait();
            let total = standing.established + standing.time_wait();
            toward_one = toward_one.max(total / pool.backends);
        }
        let (connections, short) = self.plan.jobs(now);
        let jobs = self.chance.times(connections);
        seen.established += jobs;
        seen.time_wait += self.chance.times(short * MINUTE);
        seen.close_wait += self.plan.stalled(now) + self.plan.swept(now);
        seen.memory =
            1.5 + (seen.established + seen.time_wait * 0.1) / 400.0 + 0.2 * self.chance.share();
        seen.ports = 100.0 * (toward_one + jobs + short * MINUTE) / PORTS;
        seen.syn_received = self.chance.times(seen.came / STEP * 0.05);
        if let Some(incident) = &incident {
            seen.suffer(incident, active);
        }
        let unexpected = (incident == Some(Incident::Unexpected)).then_some(UNEXPECTED);
        seen.is_moved |= unexpected.is_some() != self.listens_on(UNEXPECTED);
        if is_closed {
            self.listening = Some(Arc::default());
        } else if seen.is_moved || self.listening.is_none() {
            self.listening = Some(self.ports(is_grown, unexpected));
        }
        seen.subject(
            self.whose.clone(),
            self.listening.clone().unwrap_or_default(),
            now,
        )
    }

    /// What one service does, added to what is seen.
    fn serve(
        &mut self,
        index: usize,
        incident: Option<&Incident>,
        active: f64,
        load: f64,
        now: f64,
        seen: &mut Seen,
    ) {
        let is_hit = index == self.busiest();
        let service = &self.role.services[index];
        let crashed = is_hit && incident == Some(&Incident::Crash);
        let is_up = !crashed && !self.plan.is_down(index, now);
        let standing = &mut self.services[index];
        let mut came = self.chance.times(service.rate * load * STEP);
        if !is_up {
            // Its process took its connections along.
            standing.closed = [
                (standing.established * service.ours).round(),
                standing.closed[0],
            ];
            standing.established = 0.0;
            came = 0.0;
        } else if !standing.was_up {
            // Those who were there come again, most of them at once.
            came += self
                .chance
                .times(0.8 * service.rate * service.life.min(HOUR) * load);
        }
        if incident == Some(&Incident::Collapse) {
            standing.established = (standing.established * 0.02).floor();
        }
        seen.is_moved |= standing.was_up != is_up;
        standing.was_up = is_up;
        seen.came += came;
        if is_hit && incident == Some(&Incident::Hang) {
            // Nobody accepts: what fits waits in the queue, clients give up after half a minute, the rest is turned away.
            let room = (service.backlog - self.piled).max(0.0);
            seen.overflows += (came - room).max(0.0);
            self.piled += came.min(room);
            seen.fullest = 100.0 * self.piled / service.backlog;
            seen.fullest_port = Some(service.port);
            let gave_up = if active > STEP { 0.7 * self.piled } else { 0.0 };
            seen.close_wait += gave_up.round();
            seen.established += self.piled - gave_up.round();
            // Those that were accepted wait for an answer, and give up too.
            let gone = (standing.established * 0.3).round();
            seen.close_wait += gone.min(200.0);
            standing.closed = [0.0, standing.closed[0]];
        } else {
            let went = standing.step(came, service.life, service.ours, &mut self.chance);
            let theirs = went * (1.0 - service.ours) / STEP;
            seen.close_wait += self.chance.times(theirs * service.tardy);
            let waits = self.chance.times(came / STEP * 0.002) + self.plan.pause(now) * came / STEP;
            let queue = waits.min(service.backlog) / service.backlog * 100.0;
            seen.overflows += (waits - service.backlog).max(0.0).round();
            if queue > seen.fullest {
                (seen.fullest, seen.fullest_port) = (queue, Some(service.port));
            }
        }
        seen.established += standing.established;
        seen.time_wait += standing.time_wait();
    }

    /// The service that most connections are of.
    fn busiest(&self) -> usize {
        let load = |service: &crate::roles::Service| service.rate * service.life;
        let all = self.role.services.iter().enumerate();
        let busiest = all.max_by(|(_, one), (_, other)| load(one).total_cmp(&load(other)));
        busiest.map_or(0, |(index, _)| index)
    }

    fn listens_on(&self, port: u16) -> bool {
        let all = self.listening.iter().flat_map(|all| all.iter());
        all.into_iter().any(|listening| listening.port == port)
    }

    fn ports(&self, is_grown: bool, unexpected: Option<u16>) -> Arc<[Listening]> {
        let up = self.role.services.iter().zip(&self.services);
        let up = up.filter(|(_, standing)| standing.was_up);
        let mut all: Vec<_> = up
            .map(|(service, _)| Listening {
                port: service.port,
                sockets: service.sockets,
                user: Some(service.user),
            })
            .collect();
        let more = is_grown.then_some(NEW_PORT).into_iter().chain(unexpected);
        all.extend(more.map(|port| Listening {
            port,
            sockets: 1,
            user: Some(33),
        }));
        all.sort_unstable();
        all.into()
    }
}

/// What adds up to one sample.
#[derive(Debug, Default)]
struct Seen {
    established: f64,
    time_wait: f64,
    close_wait: f64,
    syn_received: f64,
    /// Connections in the step.
    came: f64,
    /// The queue that is fullest, in percent, and where.
    fullest: f64,
    fullest_port: Option<u16>,
    overflows: f64,
    /// Both in percent.
    ports: f64,
    memory: f64,
    /// Whether other ports listen than before.
    is_moved: bool,
}

impl Seen {
    fn suffer(&mut self, incident: &Incident, active: f64) {
        match incident {
            Incident::Leak(per_minute) => {
                self.close_wait += (active / MINUTE * per_minute).floor();
            }
            Incident::Churn(most) => {
                self.time_wait += (most * (active + STEP).min(MINUTE) / MINUTE).floor();
            }
            Incident::Flood => {
                let times = 9.0 * ((active + STEP) / (2.0 * MINUTE)).min(1.0);
                self.established = (self.established * (1.0 + times)).round();
                self.syn_received = (self.syn_received + 20.0) * (1.0 + times);
            }
            Incident::Ports => {
                self.ports = (40.0 + active / MINUTE * 5.5).min(97.0);
                self.time_wait += (self.ports / 100.0 * PORTS).round();
            }
            Incident::Memory => self.memory = (self.memory + active / MINUTE * 7.0).min(95.0),
            Incident::Collapse => self.established = (self.established * 0.02).floor(),
            _ => {}
        }
    }

    fn subject(self, whose: Whose, listening: Arc<[Listening]>, now: f64) -> Subject {
        let listen = listening.iter().map(|port| f64::from(port.sockets)).sum();
        let syn_received = self.syn_received.round();
        let closing = self.time_wait + self.close_wait;
        let connections = self.established + closing + listen + syn_received;
        // Every five minutes, where there are enough connections for it to matter.
        let is_counted = ((now / STEP) as u64).is_multiple_of(10)
            && self.established + self.time_wait > PORTS / 10.0;
        let mut values = [None; Metric::ALL.len()];
        for (metric, value) in [
            (Metric::Connections, Some(connections)),
            (Metric::Established, Some(self.established)),
            (Metric::TimeWait, Some(self.time_wait)),
            (Metric::CloseWait, Some(self.close_wait)),
            (Metric::Listen, Some(listen)),
            (Metric::SynReceived, Some(syn_received)),
            (Metric::AcceptQueue, Some(self.fullest)),
            (Metric::ListenOverflows, Some(self.overflows.round())),
            (Metric::Ports, is_counted.then_some(self.ports)),
            (Metric::Memory, Some(self.memory)),
        ] {
            values[metric as usize] = value;
        }
        Subject {
            whose,
            values,
            listening: Some(listening),
            fullest_port: self.fullest_port,
        }
    }
}

/// What nobody planned.
const UNEXPECTED: u16 = 31_337;

/// What a new version opens.
const NEW_PORT: u16 = 8443;

fn step_pool(standing: &mut Standing, pool: &Pool, load: f64, chance: &mut Chance) {
    // A pool is filled up to what the load needs.
    let wanted = (pool.size * (0.5 + 0.5 * load)).round();
    let gone = chance.times(standing.established * STEP / pool.life);
    let left = (standing.established - gone).max(0.0).min(wanted * 1.1);
    standing.established = left + (wanted - left).max(0.0);
    if load == 0.0 {
        standing.established = 0.0;
    }
    let short = chance.times(pool.short * load * STEP);
    standing.closed = [short + gone * 0.5, standing.closed[0]].map(f64::round);
}
