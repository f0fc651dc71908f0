//! Hours on large machines: what it costs, who waits and for how long, and what is remembered.

use std::time::Duration;

use super::super::{Gate, Owner};
use super::machine::{Call, Serial, counts};
use super::simulation::{INTERVAL, Simulation, listeners, told};

const RATE: f64 = 0.02;

/// So many pods, each with as many listeners as its number says.
fn pods(simulation: &mut Simulation, number: usize, established: u64) -> Vec<(Serial, u32)> {
    let numbers = 0..u64::try_from(number).unwrap();
    let machine = simulation.machine();
    numbers
        .map(|number| machine.pod(&name(number), counts(number, established, 0)))
        .collect()
}

fn name(number: u64) -> String {
    format!("pod-{number}")
}

/// What keeps the namespaces of a machine from being held, once for each interval.
type Traffic = fn(&mut super::machine::Machine, Serial);

fn none(_: &mut super::machine::Machine, _: Serial) {}

fn short_connections(machine: &mut super::machine::Machine, space: Serial) {
    let listen = machine.spaces[space]
        .counts()
        .get(crate::tcp::State::Listen);
    let time_wait = u64::from(machine.calls.len().is_power_of_two());
    machine.set(space, counts(listen, 0, time_wait + 1));
}

fn segments(machine: &mut super::machine::Machine, space: Serial) {
    machine.talk(space);
}

#[test]
fn with_enough_budget_every_pod_is_told_with_every_tick_and_read_every_ten_minutes() {
    let longest = Duration::from_mins(10);
    let cases: [(Traffic, u64, Gate, Duration); 3] = [
        (none, 1, Gate::Hold, longest),
        (short_connections, 0, Gate::Derive, 4 * INTERVAL),
        (segments, 1, Gate::Read, INTERVAL),
    ];
    for (traffic, established, gate, oldest) in cases {
        let mut simulation = Simulation::new(|_| {});
        let spaces = pods(&mut simulation, 60, established);
        let mut gates = [0; 3];
        for tick in 0..240 {
            let told_now = simulation.tick();
            assert_eq!(told_now.readings.len(), 60, "{gate:?} at {tick}");
            assert_eq!(told_now.stats.gaps_budget + told_now.stats.gaps_failed, 0);
            for reading in &told_now.readings {
                assert!(reading.age < oldest + INTERVAL / 10, "{:?}", reading.age);
                gates[reading.gate as usize] += 1;
            }
            for number in 0..60 {
                assert_eq!(listeners(&told_now, &name(number)), Some(number));
            }
            for (space, _) in &spaces {
                traffic(simulation.machine(), *space);
            }
        }
        let most = gates.iter().max();
        assert_eq!(most, Some(&gates[gate as usize]), "{gate:?}: {gates:?}");
        let overspent = simulation.overspent(RATE);
        assert!(overspent < Duration::from_millis(605), "{overspent:?}");
    }
}

#[test]
fn when_the_budget_is_short_the_longest_waiting_goes_first_and_all_are_told_at_last() {
    // Each is read in 43 ms, as with 100k sockets elsewhere and both families in use: 110 of them take 237 s of a budget of 2 %.
    let cost = Duration::from_millis(43);
    let mut simulation = Simulation::new(|_| {});
    simulation.machine().table_cost = cost;
    let spaces = pods(&mut simulation, 110, 1);
    let mut last = vec![Duration::ZERO; spaces.len()];
    let mut longest = Duration::ZERO;
    let mut gaps = 0;
    while simulation.now() < Duration::from_hours(2) {
        let found = simulation.tick();
        let now = simulation.now();
        for (number, told_last) in (0..).zip(&mut last) {
            if told(&found, &name(number)).is_some() {
                longest = longest.max(now.saturating_sub(*told_last));
                *told_last = now;
            }
        }
        gaps += 110 - found.readings.len() as u64;
        // Who is there and was not told of is said to be, so that nobody takes it for one that has ended.
        let mut unread = found.unread.iter();
        assert!(unread.all(|owner| !found.readings.iter().any(|told| told.owner == *owner)));
        assert_eq!(found.readings.len() + found.unread.len(), 110);
        assert_eq!(
            (found.stats.gaps_budget, found.stats.gaps_failed),
            (gaps, 0)
        );
        assert!(found.readings.iter().all(|reading| reading.age <= INTERVAL));
        for (space, _) in &spaces {
            simulation.machine().talk(*space);
        }
    }
    // What looks cost, and the time until the next tick, come on top.
    assert!(
        longest < Duration::from_secs(237 + 2 * 30 + 30),
        "{longest:?}"
    );
    let overspent = simulation.overspent(RATE);
    assert!(
        overspent < Duration::from_millis(600) + 2 * cost,
        "{overspent:?}"
    );
    // Who is late does not begin anew at each moment: there are no more turns than readings.
    assert!(
        simulation.turns.len() < 2 * 240 * 14,
        "{}",
        simulation.turns.len()
    );
}

#[test]
fn looks_and_readings_share_a_budget_that_is_too_small_for_either() {
    // At one second looks alone would cost 14 times the budget, at thirty readings do.
    let (number, rate, piece) = (100, 0.0005, Duration::from_millis(1));
    for interval in [1, 5, 30].map(Duration::from_secs) {
        let mut simulation = Simulation::new(|options| {
            options.interval = interval;
            options.cpu_budget = rate;
        });
        simulation.machine().table_cost = piece;
        let spaces = pods(&mut simulation, number, 1);
        let first_walk = Duration::from_millis(8);
        let mut were_told = std::collections::BTreeSet::new();
        while simulation.now() < Duration::from_mins(20) {
            let found = simulation.tick();
            were_told.extend(found.readings.iter().map(|found| found.owner.to_string()));
            for (space, _) in spaces.iter().step_by(2) {
                simulation.machine().talk(*space);
            }
        }
        // The savings of an interval, half of them once more for looks, and what was begun last.
        let overspent = simulation.overspent(rate);
        let bound = (interval * 3 / 2).mul_f64(rate) + first_walk + 3 * piece;
        assert!(
            overspent < bound,
            "{interval:?}: {overspent:?} of {bound:?}"
        );
        assert_eq!(were_told.len(), number, "{interval:?}");
    }
}

#[test]
fn when_looks_are_too_dear_they_take_turns() {
    let mut simulation = Simulation::new(|options| {
        options.interval = Duration::from_secs(1);
        options.cpu_budget = 0.001;
    });
    simulation.machine().table_cost = Duration::from_millis(1);
    pods(&mut simulation, 100, 1);
    let mut last = vec![Duration::ZERO; 100];
    while simulation.now() < Duration::from_mins(9) {
        let found = simulation.tick();
        let now = simulation.now();
        for (number, told_last) in (0..).zip(&mut last) {
            if told(&found, &name(number)).is_some() {
                *told_last = now;
            }
            // A walk costs 0.1 ms of 0.5 ms a second, and so there are five looks. Before, all have to be read once.
            let waited = now.saturating_sub(*told_last);
            let is_settled = now > Duration::from_mins(5);
            assert!(
                !is_settled || waited < Duration::from_mins(1),
                "{number}: {waited:?}"
            );
        }
    }
}

#[test]
fn readings_are_spread_over_the_interval() {
    let mut simulation = Simulation::new(|_| {});
    let spaces = pods(&mut simulation, 100, 1);
    for _ in 0..20 {
        simulation.tick();
        for (space, _) in &spaces {
            simulation.machine().talk(*space);
        }
    }
    let turns = &simulation.turns;
    for (one, next) in turns.iter().zip(turns.iter().skip(1)) {
        assert!(*next > *one);
    }
    for tick in 2..19 {
        for tenth in 0..10 {
            let from = INTERVAL * tick + INTERVAL / 10 * tenth;
            let during = from..from + INTERVAL / 10;
            let count = turns.iter().filter(|turn| during.contains(turn)).count();
            assert!(count <= 12, "{count} in the tenth {tenth} of {tick}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_tried_again_and_keeps_nobody_waiting() {
    let mut simulation = Simulation::new(|_| {});
    let spaces = pods(&mut simulation, 50, 1);
    simulation.tick();
    for (space, pid) in spaces.iter().take(25) {
        simulation.machine().set_broken(*space, true);
        assert!(*pid > 0);
    }
    for _ in 0..20 {
        let found = simulation.tick();
        assert_eq!(found.readings.len(), 25);
        assert_eq!(found.faults.len(), 1);
    }
    // Twice in an interval at most: in its turn, and when the tick finds nothing.
    assert!(simulation.machine().called(Call::Table) < 60 + 20 * 2 * 25 + 20 * 25);
    for (space, _) in spaces.iter().take(25) {
        simulation.machine().set_broken(*space, false);
    }
    assert_eq!(simulation.tick().readings.len(), 50);
}

#[test]
fn of_ten_thousand_processes_hardly_any_is_looked_at_twice() {
    let mut simulation = Simulation::new(|_| {});
    let spaces = pods(&mut simulation, 1000, 1);
    for (space, _) in &spaces {
        for _ in 0..4 {
            simulation.machine().process(Some(*space));
        }
    }
    for _ in 0..5000 {
        simulation.machine().process(None);
    }
    // The first walks cost more than the budget has at once.
    for _ in 0..12 {
        simulation.tick();
    }
    // Ten minutes: each is looked at once more. What else is asked is who represents a namespace.
    let before = simulation.machine().calls.clone();
    for _ in 0..20 {
        let looked = simulation.machine().called(Call::About);
        simulation.tick();
        let looked = simulation.machine().called(Call::About) - looked;
        assert!(looked <= 5000 / 20 + 30, "{looked}");
    }
    let since =
        |simulation: &mut Simulation, call| simulation.machine().called(call) - before[&call];
    assert_eq!(since(&mut simulation, Call::About), 5000);
    let confirmed = since(&mut simulation, Call::Start);
    let on_the_host = 5001;
    assert_eq!(
        since(&mut simulation, Call::Namespace),
        2 * 5000 + on_the_host + confirmed
    );
    // Other inodes are no news of those who began when they did.
    simulation.machine().drop_caches();
    let looked = simulation.machine().called(Call::About);
    let found = simulation.tick();
    let looked = simulation.machine().called(Call::About) - looked;
    assert!(looked <= 5000 / 20 + 30, "{looked}");
    assert!(found.readings.iter().all(|found| found.gate == Gate::Hold));
}

#[test]
fn the_busiest_have_names_and_keep_them_while_nobody_is_much_busier() {
    let mut simulation = Simulation::new(|options| options.most = 20);
    let spaces: Vec<_> = pods(&mut simulation, 30, 0).into_iter().zip(0..).collect();
    let found = simulation.tick();
    assert_eq!((found.readings.len(), found.stats.summed), (21, 10));
    for number in 10..30 {
        assert_eq!(listeners(&found, &name(number)), Some(number));
    }
    assert_eq!(listeners(&found, "none"), Some((0..10).sum()));
    for round in 0..20 {
        // Those without a name have a few more for once.
        for ((space, _), number) in spaces.iter().take(10) {
            let number = number + 15 * (round % 2);
            simulation.machine().set(*space, counts(number, 0, 0));
        }
        let found = simulation.tick();
        assert!(told(&found, &name(10)).is_some(), "{round}");
    }
    simulation.machine().set(spaces[0].0.0, counts(100, 0, 0));
    let found = simulation.tick();
    assert_eq!(listeners(&found, &name(0)), Some(100));
    assert_eq!(
        (listeners(&found, &name(10)), found.stats.summed),
        (None, 10)
    );
    // They are there, and told to be: who is in none of the three has ended.
    let uids = found.summed.iter().map(|owner| match owner {
        Owner::Pod { uid, .. } => uid.to_string(),
        other => other.to_string(),
    });
    let uids: Vec<_> = uids.collect();
    assert_eq!(uids.len(), 10);
    assert!(uids.contains(&name(10)), "{uids:?}");
}

#[test]
fn a_day_of_pods_that_come_and_go_leaves_nothing_behind() {
    let mut simulation = Simulation::new(|options| options.interval = 4 * INTERVAL);
    let mut alive: std::collections::VecDeque<_> = pods(&mut simulation, 512, 1).into();
    // As many digits as there will be in the end.
    let mut number = 1_000_000;
    let mut settled = None;
    while simulation.now() < Duration::from_hours(24) {
        let found = simulation.tick();
        assert!(found.readings.len() <= 512);
        for _ in 0..16 {
            let (space, pid) = alive.pop_front().unwrap();
            let machine = simulation.machine();
            machine.kill(pid);
            machine.spaces[space].history.clear();
            alive.push_back(machine.pod(&name(number), counts(number, 1, 0)));
            number += 1;
        }
        simulation.used.clear();
        simulation.turns.clear();
        if simulation.now() > Duration::from_hours(2) {
            settled = settled.or(Some(simulation.remembered()));
        }
    }
    let found = simulation.tick();
    assert_eq!(found.readings.len(), 512);
    let (then, now) = (settled.unwrap(), simulation.remembered());
    assert!(now < then + then / 50, "{then} {now}");
}
