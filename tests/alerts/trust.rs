//! Seven days of each role in which nothing may be told, incidents that must be, and the page that says so.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tcpgauge::alerts::{Engine, Event, Reads, Rules, Setup, Transition};
use tcpgauge::source::Scope;

use crate::incidents::{self, Case};
use crate::machine::STEP;
use crate::roles::{self, DAY, HOUR, MINUTE, Role};
use crate::world::World;

/// Each role is lived through so often.
const SEEDS: [u64; 3] = [11, 22, 33];

/// Each incident happens so often in each role.
const INCIDENTS: u64 = 8;

/// For so long a host goes on as usual before something goes wrong, and so long at most after.
const BEFORE: f64 = 4.0 * HOUR;
const AFTER: f64 = 3.0 * HOUR;

/// An engine with the default rules.
pub(crate) fn engine(role: &Role) -> Engine {
    let setup = Setup {
        runbooks: Arc::default(),
        instance: Arc::from("simulation"),
        interval: Duration::from_secs_f64(STEP),
        reads: Reads {
            alone: Some(Scope::Host),
            pods: role.pods > 0,
        },
    };
    Engine::new(Rules::defaults(), setup)
}

/// What is told in a world, with the time and the number of the sample that told.
fn told(role: &Role, world: &mut World) -> Vec<(f64, usize, Event)> {
    let mut engine = engine(role);
    let (mut all, mut number) = (Vec::new(), 0);
    while let Some((now, observation)) = world.next() {
        number += 1;
        let events = engine.take(&observation, None);
        all.extend(events.into_iter().map(|event| (now, number, event)));
    }
    all
}

/// Does `each` of so many on every core.
fn spread<T: Send>(many: usize, each: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= many {
                        return;
                    }
                    let found = each(number);
                    done.lock().unwrap().insert(number, found);
                }
            });
        }
    });
    done.into_inner().unwrap().into_values().collect()
}

/// What is told in seven days of a role, but for the one thing that is no false alarm.
fn week(role: &Role, seed: u64) -> (usize, Vec<String>) {
    let mut world = World::new(role, seed, 0.0, 7.0);
    let (mut expected, mut others) = (0, Vec::new());
    for (now, _, event) in told(role, &mut world) {
        if event.transition != Transition::Fired {
            continue;
        }
        let grows = role.grows.map(|day| day * DAY + 14.0 * HOUR);
        let is_new_port = grows.is_some_and(|at| (at..at + 30.0 * MINUTE).contains(&now));
        if &*event.alert.rule == "listen-unexpected" && is_new_port {
            expected += 1;
        } else {
            let day = (now / DAY).floor();
            let hour = now % DAY / HOUR;
            others.push(format!(
                "{} seed {seed} day {day} hour {hour:.2}: {}: {}",
                role.name, event.alert.rule, event.alert.body
            ));
        }
    }
    (expected, others)
}

/// What was found of an incident.
#[derive(Clone, Debug)]
struct Found {
    role: &'static str,
    rule: String,
    samples: usize,
    minutes: f64,
}

/// Lets an incident happen, and waits until one of its rules tells; in what if none does.
fn happens(case: &Case, role: &Role, seed: u64) -> Result<Found, String> {
    // At any time of the week.
    let start = (seed * 97 % 164) as f64 * HOUR + (seed * 7 % 60) as f64 * MINUTE;
    let since = start + BEFORE + (seed % 3) as f64 * 10.0;
    // The port of a new version is told of by a rule that is waited for: none comes here.
    let role = &Role {
        grows: None,
        ..role.clone()
    };
    let mut world = World::new(role, seed, start, (BEFORE + AFTER) / DAY);
    world.has(&case.incident, since, f64::MAX);
    let mut engine = engine(role);
    let mut samples = 0;
    while let Some((now, observation)) = world.next() {
        samples += usize::from(now >= since);
        for event in engine.take(&observation, None) {
            let is_it = case.rules.contains(&&*event.alert.rule);
            if now >= since && is_it && event.transition == Transition::Fired {
                return Ok(Found {
                    role: role.name,
                    rule: event.alert.rule.to_string(),
                    samples,
                    minutes: (now - since) / MINUTE,
                });
            }
        }
    }
    Err(format!("in a {} with seed {seed}", role.name))
}

type Week = (Role, usize, Vec<String>);

fn weeks() -> &'static [Week] {
    static WEEKS: OnceLock<Vec<Week>> = OnceLock::new();
    WEEKS.get_or_init(live_weeks)
}

fn live_weeks() -> Vec<Week> {
    let roles = roles::all();
    let found = spread(roles.len() * SEEDS.len(), |number| {
        week(&roles[number / SEEDS.len()], SEEDS[number % SEEDS.len()])
    });
    let mut found = found.into_iter();
    let of_role = |role: Role| {
        let (mut expected, mut others) = (0, Vec::new());
        for (more, other) in found.by_ref().take(SEEDS.len()) {
            expected += more;
            others.extend(other);
        }
        (role, expected, others)
    };
    roles.into_iter().map(of_role).collect()
}

type Happened = (Case, Vec<Result<Found, String>>);

fn all_incidents() -> &'static [Happened] {
    static INCIDENTS: OnceLock<Vec<Happened>> = OnceLock::new();
    INCIDENTS.get_or_init(let_all_happen)
}

fn let_all_happen() -> Vec<Happened> {
    let roles = roles::all();
    let mut runs = Vec::new();
    let cases = incidents::all();
    for (place, case) in cases.iter().enumerate() {
        for role in roles.iter().filter(|role| case.roles.contains(&role.name)) {
            runs.extend((1..=INCIDENTS).map(|seed| (place, role, seed)));
        }
    }
    let found = spread(runs.len(), |number| {
        let (place, role, seed) = runs[number];
        happens(&cases[place], role, seed * 1009 + place as u64)
    });
    let mut by_case: Vec<_> = cases.into_iter().map(|case| (case, Vec::new())).collect();
    for ((place, ..), found) in runs.iter().zip(found) {
        by_case[*place].1.push(found);
    }
    by_case
}

#[test]
fn nothing_is_told_in_a_week_in_which_nothing_is_wrong() {
    let mut wrong = Vec::new();
    for (role, expected, others) in weeks() {
        if role.grows.is_some() {
            assert_eq!(
                *expected,
                SEEDS.len(),
                "the port that a new version opens is told once in each week"
            );
        }
        wrong.extend_from_slice(others);
    }
    assert!(
        wrong.is_empty(),
        "{} false alarms:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_incident_is_found_in_so_many_samples() {
    let mut wrong = Vec::new();
    for (case, found) in all_incidents() {
        let missed: Vec<_> = found
            .iter()
            .filter_map(|found| found.as_ref().err())
            .collect();
        if !missed.is_empty() {
            wrong.push(format!("{}: missed {missed:?}", case.what));
        }
        let found = found.iter().flatten();
        let Some(worst) = found.max_by_key(|found| found.samples) else {
            continue;
        };
        if worst.samples > case.within {
            wrong.push(format!(
                "{}: it took {} samples in a {}, and {} are stated",
                case.what, worst.samples, worst.role, case.within
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The part of docs/alerts.md that is measured.
pub(crate) fn page() -> String {
    let mut page = String::from("| role | days | false alarms |\n|---|---|---|\n");
    for (role, _, others) in weeks() {
        let days = SEEDS.len() * 7;
        let _ = writeln!(page, "| {} | {days} | {} |", role.name, others.len());
    }
    page.push_str("\n| incident | times | found | by | samples: half within | the slowest | minutes: half within | the slowest | stated |\n|---|---|---|---|---|---|---|---|---|\n");
    for (case, found) in all_incidents() {
        let all = found.len();
        let mut found: Vec<_> = found.iter().flatten().collect();
        found.sort_by_key(|found| found.samples);
        let minutes = found.iter().map(|found| found.minutes);
        let slowest = minutes.fold(0.0, f64::max);
        let (half, last) = (&found[found.len() / 2], &found[found.len() - 1]);
        let mut rules: Vec<_> = found
            .iter()
            .map(|found| format!("`{}`", found.rule))
            .collect();
        rules.sort();
        rules.dedup();
        let _ = writeln!(
            page,
            "| {} | {all} | {} | {} | {} | {} | {:.1} | {:.1} | {} |",
            case.what,
            found.len(),
            rules.join(", "),
            half.samples,
            last.samples,
            half.minutes,
            slowest,
            case.within,
        );
    }
    page
}
