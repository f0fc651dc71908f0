//! What is to happen to a host in its days: restarts, stalls, peaks, jobs.

use crate::chance::Chance;
use crate::roles::{DAY, HOUR, MINUTE, Role};

/// From when until when something is so, and how much of it.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: f64,
    to: f64,
    much: f64,
    more: f64,
}

/// Spans in order of time, of which those that are over are not looked at again.
#[derive(Clone, Debug, Default)]
struct Spans {
    all: Vec<Span>,
    over: usize,
}

impl Spans {
    fn new(mut all: Vec<Span>) -> Self {
        all.sort_by(|one, other| one.from.total_cmp(&other.from));
        Self { all, over: 0 }
    }

    fn now(&mut self, now: f64) -> impl Iterator<Item = &Span> {
        while self.all.get(self.over).is_some_and(|span| span.to <= now) {
            self.over += 1;
        }
        let left = self.all[self.over..].iter();
        left.take_while(move |span| span.from <= now)
            .filter(move |span| now < span.to)
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Plan {
    peaks: Spans,
    stalls: Spans,
    pauses: Spans,
    jobs: Spans,
    /// By service.
    restarts: Vec<Spans>,
    grows: f64,
    swept: (f64, f64),
}

impl Plan {
    pub(crate) fn new(role: &Role, chance: &mut Chance, start: f64, days: f64) -> Self {
        let end = start + days * DAY;
        let grows = role.grows.map_or(f64::MAX, |day| day * DAY + 14.0 * HOUR);
        let mut restarts = vec![Vec::new(); role.services.len()];
        for at in times(chance, role.deploys.0, start, end) {
            restart(role, chance, at, &mut restarts);
        }
        // The new version comes with a deploy, as every version.
        if (start..end).contains(&grows) {
            restart(role, chance, grows - MINUTE, &mut restarts);
        }
        let spans = |chance: &mut Chance, a_day: f64, lasts, much| {
            let at = times(chance, a_day, start, end).into_iter();
            let mut all: Vec<Span> = Vec::new();
            for from in at {
                // One at a time, and not one right after the other.
                if all.last().is_none_or(|last| last.to + 2.0 * MINUTE < from) {
                    all.push(Span {
                        from,
                        to: from + chance.between(lasts),
                        much: chance.between(much),
                        more: 0.0,
                    });
                }
            }
            Spans::new(all)
        };
        let lasts = (20.0 * MINUTE, 90.0 * MINUTE);
        Self {
            peaks: spans(chance, role.peaks.0 / 7.0, lasts, role.peaks.1),
            stalls: spans(chance, role.stalls.0, role.stalls.2, role.stalls.1),
            // Something holds up the process for a moment, and connections wait to be accepted: once a day.
            pauses: spans(chance, 1.0, (30.0, 30.0), (0.1, 1.5)),
            jobs: jobs(role, chance, start, end),
            restarts: restarts.into_iter().map(Spans::new).collect(),
            grows,
            swept: role.swept,
        }
    }

    /// By how much a peak multiplies the load; it comes and goes within five minutes.
    pub(crate) fn peak(&mut self, now: f64) -> f64 {
        let peaks = self.peaks.now(now).map(|peak| {
            let edge = (now - peak.from).min(peak.to - now) / (5.0 * MINUTE);
            1.0 + (peak.much - 1.0) * edge.min(1.0)
        });
        peaks.product()
    }

    /// So many wait in `CLOSE_WAIT` because of a stall; they come within a minute.
    pub(crate) fn stalled(&mut self, now: f64) -> f64 {
        let stalls = self.stalls.now(now);
        stalls
            .map(|stall| (stall.much * ((now - stall.from) / MINUTE).min(1.0)).round())
            .sum()
    }

    /// So many have leaked since they were swept up.
    pub(crate) fn swept(&self, now: f64) -> f64 {
        let (an_hour, every) = self.swept;
        (now % every / HOUR * an_hour).floor()
    }

    /// For so many seconds nothing was accepted.
    pub(crate) fn pause(&mut self, now: f64) -> f64 {
        self.pauses.now(now).map(|pause| pause.much).sum()
    }

    pub(crate) fn is_down(&mut self, service: usize, now: f64) -> bool {
        self.restarts[service].now(now).next().is_some()
    }

    pub(crate) fn extra_port(&self, now: f64) -> bool {
        now >= self.grows
    }

    /// Connections of jobs, and short ones in a second.
    pub(crate) fn jobs(&mut self, now: f64) -> (f64, f64) {
        let running = self.jobs.now(now);
        running.fold((0.0, 0.0), |(much, more), job| {
            (much + job.much, more + job.more)
        })
    }
}

/// When what happens so often a day happens.
fn times(chance: &mut Chance, a_day: f64, start: f64, end: f64) -> Vec<f64> {
    let mut found = Vec::new();
    if a_day <= 0.0 {
        return found;
    }
    let mut next = || chance.wait(DAY / a_day);
    let mut at = start + next();
    while at < end {
        found.push(at);
        at += next();
    }
    found
}

/// Services are restarted one after the other: all, or one of them.
fn restart(role: &Role, chance: &mut Chance, at: f64, restarts: &mut [Vec<Span>]) {
    // What every server has is seldom restarted.
    let own: Vec<_> = (5..role.services.len()).collect();
    let which = if chance.share() < 0.5 {
        own
    } else {
        let one = (chance.share() * own.len() as f64) as usize;
        own.into_iter().skip(one).take(1).collect()
    };
    let mut from = at;
    for service in which {
        let to = from + chance.between(role.deploys.1);
        restarts[service].push(Span {
            from,
            to,
            much: 0.0,
            more: 0.0,
        });
        from = to + chance.between((1.0, 60.0));
    }
}

fn jobs(role: &Role, chance: &mut Chance, start: f64, end: f64) -> Spans {
    let mut all = Vec::new();
    for job in &role.jobs {
        let mut at = (start / job.every).floor() * job.every + job.at;
        while at < end {
            let from = at + chance.between((0.0, 5.0));
            all.push(Span {
                from,
                to: from + chance.between(job.lasts),
                much: chance.between(job.connections),
                more: chance.between(job.short),
            });
            at += job.every;
        }
    }
    Spans::new(all)
}
