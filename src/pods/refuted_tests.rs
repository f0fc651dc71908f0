//! What stood when it was looked at and does no longer is not told.

use std::time::Duration;

use super::super::Gate;
use super::machine::counts;
use super::simulation::{Simulation, listeners, told};

#[test]
fn nothing_is_held_for_ten_minutes_or_longer_however_long_the_interval_is() {
    for minutes in [11, 15, 60] {
        let interval = Duration::from_mins(minutes);
        let mut simulation = Simulation::new(|options| options.interval = interval);
        let spaces: Vec<_> = (0..12)
            .map(|number| {
                let machine = simulation.machine();
                machine.pod(&format!("p{number}"), counts(1, 0, 0)).0
            })
            .collect();
        simulation.tick();
        for _ in 0..4 {
            let half = simulation.now() + interval / 2;
            simulation.turns_until(half);
            for space in &spaces {
                let before = simulation.machine().spaces[*space].counts();
                let more = before.get(crate::tcp::State::Listen) + 1;
                simulation.machine().set(*space, counts(more, 1, 0));
            }
            for found in simulation.tick().readings {
                assert!(
                    found.gate == Gate::Read || found.age < Duration::from_mins(10),
                    "{interval:?}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn what_was_held_at_its_turn_and_has_changed_by_the_tick_is_read_again() {
    let mut simulation = Simulation::new(|_| {});
    let (space, _) = simulation.machine().pod("a", counts(1, 0, 0));
    for _ in 0..4 {
        simulation.tick();
    }
    // A tick that sees no host tells nothing, and everybody takes a turn after it.
    simulation.machine().has_no_host = true;
    simulation.try_tick().unwrap_err();
    simulation.machine().has_no_host = false;
    let soon = simulation.next.saturating_sub(Duration::from_millis(200));
    simulation.turns_until(soon);
    simulation.machine().set(space, counts(77, 1, 0));
    let pods = simulation.tick();
    assert_eq!(listeners(&pods, "a"), Some(77));
}

#[test]
fn who_has_ended_is_not_told_of_and_who_lives_is_while_another_pod_forks_without_end() {
    let mut simulation = Simulation::new(|options| options.interval = Duration::from_secs(5));
    let (busy, _) = simulation.machine().pod("busy", counts(1, 0, 0));
    simulation.machine().pod("quiet", counts(2, 0, 0));
    let mut living = Vec::new();
    let mut short = Vec::new();
    let (mut quiet, mut waited) = (0, 0);
    for tick in 0..100 {
        for pid in living.drain(..) {
            simulation.machine().kill(pid);
        }
        for _ in 0..2000 {
            living.push(simulation.machine().process(Some(busy)));
        }
        let owner = format!("short {tick}");
        let (_, pid) = simulation.machine().pod(&owner, counts(5, 1, 0));
        short.push((owner, pid));
        let soon = simulation.next.saturating_sub(Duration::from_millis(500));
        simulation.turns_until(soon.max(simulation.now()));
        let ended = (short.len() > 4).then(|| short.remove(0));
        if let Some((_, pid)) = &ended {
            simulation.machine().kill(*pid);
        }
        let pods = simulation.tick();
        if let Some((owner, _)) = &ended {
            assert_eq!(told(&pods, owner), None, "{tick}");
        }
        waited = if told(&pods, "quiet").is_some() {
            0
        } else {
            waited + 1
        };
        quiet = quiet.max(waited);
    }
    assert!(quiet < 20, "not told for {quiet} ticks in a row");
}
