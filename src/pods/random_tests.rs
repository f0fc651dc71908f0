//! Whatever happens on a machine, in whatever order: what is told of an owner was true of it, at a time within the age that is told.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::super::Pods;
use super::machine::{Call, Machine, Serial, counts};
use super::simulation::{INTERVAL, Simulation, told};
use crate::tcp::{Counts, State};

const OWNERS: [&str; 5] = ["a", "b", "c", "cid-d", "none"];

const CALLS: [Call; 5] = [
    Call::Namespace,
    Call::Start,
    Call::About,
    Call::Counters,
    Call::Table,
];

/// Something that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Event {
    Pod(usize),
    Fork(usize),
    Kill(usize),
    /// A process ends, and a new pod has its number, and that of its namespace if that ended too.
    Replace(usize, usize),
    /// A process makes a namespace of its own, or goes to the host's.
    Move(usize, bool),
    Sockets(usize, [u64; 3]),
    Talk(usize),
    DropCaches,
    /// The other event happens in the middle of what the engine does.
    Amid(usize, usize, Box<Event>),
    Wait(u64),
    Tick,
    HostIsAway,
}

/// Namespaces that a process left for another, or made so. It is found where it is in ten minutes at most.
#[derive(Default)]
struct Moved {
    left: BTreeSet<Serial>,
    made: BTreeSet<Serial>,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let choice = 0..1000_usize;
    let outside = prop_oneof![
        3 => (0..OWNERS.len()).prop_map(Event::Pod),
        2 => choice.clone().prop_map(Event::Fork),
        3 => choice.clone().prop_map(Event::Kill),
        2 => (choice.clone(), 0..OWNERS.len()).prop_map(|(pid, owner)| Event::Replace(pid, owner)),
        1 => (choice.clone(), any::<bool>()).prop_map(|(pid, host)| Event::Move(pid, host)),
        3 => (choice.clone(), [0..4_u64, 0..3, 0..3]).prop_map(|(space, states)| Event::Sockets(space, states)),
        2 => choice.clone().prop_map(Event::Talk),
        1 => Just(Event::DropCaches),
    ];
    let outside = outside.boxed();
    let amid = (0..CALLS.len(), choice, outside.clone());
    let event = prop_oneof![
        6 => outside,
        3 => amid.prop_map(|(call, pid, event)| Event::Amid(call, pid, Box::new(event))),
        2 => (1..40_u64).prop_map(Event::Wait),
        4 => Just(Event::Tick),
        1 => Just(Event::HostIsAway),
    ];
    proptest::collection::vec(event, 1..80)
}

/// One of the processes that are in a namespace other than the host's.
fn process(machine: &Machine, choice: usize) -> Option<u32> {
    let inside = |pid: &u32| machine.processes[pid].space.is_some();
    let pids: Vec<_> = machine.processes.keys().copied().filter(inside).collect();
    pids.get(choice % pids.len().max(1)).copied()
}

fn happen(machine: &mut Machine, event: &Event, moved: &mut Moved) {
    let chosen = |machine: &Machine, choice: usize| {
        let pid = process(machine, choice)?;
        Some((pid, machine.processes[&pid].space?))
    };
    match event {
        Event::Pod(owner) => {
            machine.pod(OWNERS[*owner], counts(1, 0, 0));
        }
        Event::Fork(choice) => {
            if let Some((_, space)) = chosen(machine, *choice) {
                machine.process(Some(space));
            }
        }
        Event::Kill(choice) => {
            if let Some((pid, _)) = chosen(machine, *choice) {
                machine.kill(pid);
            }
        }
        Event::Replace(choice, owner) => {
            if let Some((pid, _)) = chosen(machine, *choice) {
                machine.kill(pid);
                let space = machine.space(OWNERS[*owner], counts(2, 0, 0));
                machine.process_numbered(pid, Some(space));
            }
        }
        Event::Move(choice, to_host) => {
            if let Some((pid, space)) = chosen(machine, *choice) {
                let owner = machine.spaces[space].owner.clone();
                let to = (!to_host).then(|| machine.space(&owner, counts(3, 0, 0)));
                moved.made.extend(to);
                moved.left.insert(space);
                machine.move_to(pid, to);
            }
        }
        Event::Sockets(choice, [listen, established, time_wait]) => {
            if let Some((_, space)) = chosen(machine, *choice) {
                machine.set(space, counts(*listen, *established, *time_wait));
            }
        }
        Event::Talk(choice) => {
            if let Some((_, space)) = chosen(machine, *choice) {
                machine.talk(space);
            }
        }
        Event::DropCaches => machine.drop_caches(),
        Event::Amid(..) | Event::Wait(_) | Event::Tick | Event::HostIsAway => {}
    }
}

/// What an owner's namespaces can be said to hold together, each at its own time between `from` and `now`.
fn possible(machine: &Machine, owner: &str, from: Duration, moved: &Moved) -> BTreeSet<Vec<u64>> {
    let now = machine.now;
    let mut sums = BTreeSet::from([vec![0; State::ALL.len()]]);
    let mut number_of_parts = 0;
    for (serial, space) in machine.spaces.iter().enumerate() {
        if space.owner != owner || space.ended.is_some_and(|ended| ended < from.min(now)) {
            continue;
        }
        let ended_before = space.ended.is_some_and(|ended| ended < now);
        if ended_before && !moved.left.contains(&serial) {
            continue;
        }
        // Who comes or goes in the middle of a tick is in it or not.
        let came = space.history[0].0;
        let may_be_missing = came == now || space.ended.is_some() || moved.made.contains(&serial);
        let ends = space.history.iter().skip(1).map(|(time, _)| *time);
        let versions = space.history.iter().zip(ends.chain([Duration::MAX]));
        let held = versions.filter(|((_, _), until)| *until >= from);
        let held: Vec<&Counts> = held.map(|((_, counts), _)| counts).collect();
        let mut with = BTreeSet::new();
        for sum in &sums {
            if may_be_missing {
                with.insert(sum.clone());
            }
            for counts in &held {
                let states = State::ALL.into_iter().zip(sum);
                with.insert(states.map(|(state, sum)| sum + counts.get(state)).collect());
            }
        }
        sums = with;
        number_of_parts += 1;
    }
    if number_of_parts == 0 {
        sums.clear();
    }
    sums
}

fn check(simulation: &mut Simulation, pods: &Pods, moved: &Moved) {
    let machine = simulation.machine();
    for reading in &pods.readings {
        let owner = OWNERS
            .iter()
            .find(|owner| told(pods, owner) == Some(reading));
        let owner = owner.expect("somebody that there is");
        let from = machine.now.saturating_sub(reading.age);
        let counts = reading.counted.sockets.both();
        let counts: Vec<_> = State::ALL.map(|state| counts.get(state)).into();
        let possible = possible(machine, owner, from, moved);
        assert!(
            possible.contains(&counts),
            "{owner}: {reading:?} and not {possible:?}"
        );
    }
}

fn run(events: &[Event], gates: bool) {
    let mut simulation = Simulation::new(|options| options.gates = gates);
    let mut moved = Moved::default();
    simulation.next = INTERVAL;
    for event in events {
        match event {
            Event::Wait(seconds) => {
                let until = simulation.now() + Duration::from_secs(*seconds);
                let end = until.min(simulation.next.saturating_sub(Duration::from_millis(1)));
                let end = end.max(simulation.now());
                simulation.turns_until(end);
            }
            Event::Tick => {
                let pods = simulation.tick();
                check(&mut simulation, &pods, &moved);
            }
            Event::HostIsAway => {
                simulation.machine().has_no_host = true;
                assert!(simulation.try_tick().is_err());
                simulation.machine().has_no_host = false;
            }
            Event::Amid(call, choice, event) => {
                let machine = simulation.machine();
                let Some(pid) = process(machine, *choice) else {
                    continue;
                };
                let event = event.clone();
                if let Event::Move(..) = *event {
                    continue;
                }
                let happening =
                    move |machine: &mut Machine| happen(machine, &event, &mut Moved::default());
                machine.before = Some((CALLS[*call], pid, Box::new(happening)));
            }
            event => happen(simulation.machine(), event, &mut moved),
        }
    }
    // When all is quiet, everybody is told, and right.
    simulation.machine().before = None;
    for _ in 0..25 {
        let pods = simulation.tick();
        check(&mut simulation, &pods, &moved);
    }
    let pods = simulation.tick();
    check(&mut simulation, &pods, &Moved::default());
    let alive = simulation
        .machine()
        .spaces
        .iter()
        .filter(|space| space.ended.is_none());
    let alive: BTreeSet<_> = alive.map(|space| space.owner.clone()).collect();
    assert_eq!(pods.readings.len(), alive.len(), "{alive:?}");
}

proptest! {
    #[test]
    fn what_is_told_was_true_within_the_age_that_is_told(events in events(), gates in any::<bool>()) {
        run(&events, gates);
    }
}
