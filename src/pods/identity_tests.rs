//! Never one namespace's numbers under another's name, whatever ends, appears, moves or is numbered anew, and whenever it does.

use std::time::Duration;

use super::super::{Gate, Owner};
use super::machine::{Call, counts, evidence};
use super::simulation::{Simulation, listeners, told};

const HOUR: Duration = Duration::from_hours(1);

/// A simulation that has settled: every process is known, and looked at no more than it must be.
fn settled(prepare: impl FnOnce(&mut Simulation)) -> Simulation {
    let mut simulation = Simulation::new(|_| {});
    prepare(&mut simulation);
    for _ in 0..3 {
        simulation.tick();
    }
    simulation
}

#[test]
fn a_second_namespace_with_the_number_and_the_owner_of_the_first_is_another() {
    let mut first = 0;
    let mut simulation =
        settled(|simulation| first = simulation.machine().pod("a", counts(1, 0, 0)).1);
    let machine = simulation.machine();
    machine.kill(first);
    // The sandbox is recreated: the same counters by chance, other sockets.
    let (second, _) = machine.pod("a", counts(0, 1, 0));
    assert_eq!(machine.spaces[second].counts().total(), 1);
    let pods = simulation.tick();
    let found = told(&pods, "a").unwrap();
    assert_eq!((found.gate, found.age), (Gate::Read, Duration::ZERO));
    assert_eq!(listeners(&pods, "a"), Some(0));
}

#[test]
fn a_namespace_with_the_number_of_anothers_is_told_under_its_own_name_at_once() {
    for same_pid in [false, true] {
        let mut first = 0;
        let mut simulation =
            settled(|simulation| first = simulation.machine().pod("a", counts(1, 0, 0)).1);
        let machine = simulation.machine();
        machine.kill(first);
        let space = machine.space("b", counts(1, 0, 0));
        if same_pid {
            machine.process_numbered(first, Some(space));
        } else {
            machine.process(Some(space));
        }
        let pods = simulation.tick();
        assert_eq!(listeners(&pods, "a"), None);
        assert_eq!(told(&pods, "b").unwrap().gate, Gate::Read);
    }
}

/// Whatever is asked of the pod's process, right before it the pod ends and another has its process's number and its namespace's.
#[test]
fn a_pod_that_is_replaced_at_any_moment_is_never_told_as_the_other() {
    for call in [
        Call::Namespace,
        Call::Start,
        Call::About,
        Call::Counters,
        Call::Table,
    ] {
        for same_pid in [false, true] {
            for ticks in 0..8 {
                let mut simulation = Simulation::new(|_| {});
                let (space, pid) = simulation.machine().pod("a", counts(10, 1, 0));
                for _ in 0..ticks {
                    simulation.machine().talk(space);
                    simulation.tick();
                }
                let replace = move |machine: &mut super::machine::Machine| {
                    machine.kill(pid);
                    let space = machine.space("b", counts(20, 1, 0));
                    if same_pid {
                        machine.process_numbered(pid, Some(space))
                    } else {
                        machine.process(Some(space))
                    };
                };
                simulation.machine().before = Some((call, pid, Box::new(replace)));
                for _ in 0..5 {
                    let pods = simulation.tick();
                    let case = format!("{call:?} {same_pid} {ticks}");
                    assert!(matches!(listeners(&pods, "a"), None | Some(10)), "{case}");
                    assert!(matches!(listeners(&pods, "b"), None | Some(20)), "{case}");
                    assert!(told(&pods, "none").is_none(), "{case}");
                }
                let pods = simulation.tick();
                let is_replaced = simulation.machine().before.is_none();
                let alive = if is_replaced { "b" } else { "a" };
                assert!(listeners(&pods, alive).is_some(), "{call:?} {ticks}");
            }
        }
    }
}

#[test]
fn who_moves_away_leaves_what_was_remembered_to_nobody() {
    let (mut space, mut pid) = (0, 0);
    let mut simulation = settled(|simulation| {
        (space, pid) = simulation.machine().pod("a", counts(1, 0, 0));
    });
    let machine = simulation.machine();
    machine.move_to(pid, None);
    assert!(machine.spaces[space].ended.is_some());
    // Owner, number and counters are the same, and the process that moved is still thought to be there.
    machine.pod("a", counts(1, 0, 0));
    let pods = simulation.tick();
    let found = told(&pods, "a").unwrap();
    assert_eq!((found.gate, found.age), (Gate::Read, Duration::ZERO));
}

#[test]
fn a_representative_that_moves_is_a_gap_until_it_is_found_out() {
    let (mut space, mut pid) = (0, 0);
    let mut simulation = settled(|simulation| {
        (space, pid) = simulation.machine().pod("a", counts(1, 1, 0));
        simulation.machine().process(Some(space));
    });
    simulation.machine().move_to(pid, None);
    simulation.machine().talk(space);
    // What was read of it before it moved may still be told.
    simulation.tick();
    let pods = simulation.tick();
    assert_eq!(listeners(&pods, "a"), Some(1));
}

#[test]
fn a_representative_that_ends_takes_nothing_with_it_while_another_was_beside_it() {
    let (mut space, mut pid) = (0, 0);
    let mut simulation = settled(|simulation| {
        let machine = simulation.machine();
        (space, pid) = machine.pod("a", counts(1, 2, 0));
        machine.process(Some(space));
    });
    simulation.machine().kill(pid);
    let pods = simulation.tick();
    assert_eq!(told(&pods, "a").unwrap().gate, Gate::Hold);
}

#[test]
fn a_representative_that_ends_as_another_comes_leaves_a_namespace_that_is_read_anew() {
    let (mut space, mut pid) = (0, 0);
    let mut simulation = settled(|simulation| {
        (space, pid) = simulation.machine().pod("a", counts(1, 2, 0));
    });
    let machine = simulation.machine();
    machine.process(Some(space));
    machine.kill(pid);
    let pods = simulation.tick();
    assert_eq!(told(&pods, "a").unwrap().gate, Gate::Read);
}

#[test]
fn who_enters_a_namespace_later_does_not_name_it_however_old_it_is() {
    let mut daemon = 0;
    let mut simulation = settled(|simulation| {
        let machine = simulation.machine();
        daemon = machine.pod("network-plugin", counts(7, 0, 0)).1;
    });
    let (pod, _) = simulation.machine().pod("a", counts(1, 0, 0));
    for _ in 0..3 {
        simulation.tick();
    }
    simulation.machine().move_to(daemon, Some(pod));
    while simulation.now() < HOUR {
        let pods = simulation.tick();
        assert_eq!(listeners(&pods, "a"), Some(1));
        assert_ne!(listeners(&pods, "network-plugin"), Some(1));
    }
}

#[test]
fn a_cgroup_that_comes_late_names_the_namespace_then() {
    let mut simulation = Simulation::new(|_| {});
    let (_, pid) = simulation.machine().pod("a", counts(1, 0, 0));
    let late = |simulation: &mut Simulation, owner| {
        let process = simulation.machine().processes.get_mut(&pid);
        process.unwrap().about.evidence = evidence(owner);
    };
    late(&mut simulation, "none");
    let pods = simulation.tick();
    assert_eq!(
        (listeners(&pods, "a"), listeners(&pods, "none")),
        (None, Some(1))
    );
    late(&mut simulation, "a");
    let pods = simulation.tick();
    assert_eq!(
        (listeners(&pods, "a"), listeners(&pods, "none")),
        (Some(1), None)
    );
    // Nothing is left of the time when it was nobody's.
    assert_eq!(told(&pods, "a").unwrap().age, Duration::ZERO);
}

#[test]
fn whoever_cannot_be_looked_at_is_counted_and_no_others_numbers_suffer() {
    let mut simulation = settled(|simulation| {
        let machine = simulation.machine();
        machine.pod("a", counts(1, 0, 0));
        let (_, denied) = machine.pod("b", counts(2, 0, 0));
        machine.processes.get_mut(&denied).unwrap().is_denied = true;
        let (_, zombie) = machine.pod("c", counts(3, 0, 0));
        machine.processes.get_mut(&zombie).unwrap().is_zombie = true;
    });
    let pods = simulation.tick();
    assert_eq!(pods.readings.len(), 1);
    assert_eq!(listeners(&pods, "a"), Some(1));
    let faults: Vec<_> = pods.faults.iter().map(|fault| fault.reason).collect();
    assert_eq!(faults, ["denied"]);
    assert!(
        pods.faults[0].why.starts_with("1 of 3 "),
        "{}",
        pods.faults[0]
    );
}

#[test]
fn two_namespaces_of_one_owner_are_told_together_or_not_at_all() {
    let mut second = 0;
    let mut simulation = settled(|simulation| {
        let machine = simulation.machine();
        machine.pod("a", counts(1, 1, 0));
        second = machine.pod("a", counts(2, 1, 0)).0;
    });
    let pods = simulation.tick();
    assert_eq!(listeners(&pods, "a"), Some(3));
    simulation.machine().set_broken(second, true);
    let pods = simulation.tick();
    assert_eq!(listeners(&pods, "a"), None);
    assert_eq!(pods.stats.gaps_failed, 1);
    assert_eq!(pods.faults[0].reason, "pod");
    simulation.machine().set_broken(second, false);
    let pods = simulation.tick();
    assert_eq!(listeners(&pods, "a"), Some(3));
    assert!(pods.faults.is_empty());
}

#[test]
fn a_sandbox_is_not_told_and_nothing_of_its_time_is_told_later() {
    let (mut space, mut pid) = (0, 0);
    let mut simulation = settled(|simulation| {
        (space, pid) = simulation.machine().pod("a", counts(1, 1, 0));
    });
    simulation.machine().talk(space);
    simulation.tick();
    let machine = simulation.machine();
    let guest = machine.process(Some(space));
    let about = &mut machine.processes.get_mut(&guest).unwrap().about;
    about.is_sandbox = true;
    machine.talk(space);
    let pods = simulation.tick();
    assert_eq!((told(&pods, "a"), pods.stats.sandboxed), (None, 1));
    simulation.machine().kill(guest);
    simulation.machine().set_broken(space, true);
    assert_eq!(told(&simulation.tick(), "a"), None);
    simulation.machine().set_broken(space, false);
    assert_eq!(listeners(&simulation.tick(), "a"), Some(1));
}

#[test]
fn a_host_that_cannot_be_found_is_a_gap_of_one_tick_and_nothing_old_is_told_after_it() {
    let mut busy = 0;
    let mut simulation = settled(|simulation| {
        simulation.machine().pod("idle", counts(1, 0, 0));
        busy = simulation.machine().pod("busy", counts(1, 1, 0)).0;
    });
    simulation.machine().talk(busy);
    simulation.tick();
    simulation.machine().talk(busy);
    simulation.machine().has_no_host = true;
    assert_eq!(simulation.try_tick().unwrap_err().reason, "open");
    simulation.machine().has_no_host = false;
    simulation.machine().set_broken(busy, true);
    let pods = simulation.tick();
    assert!(told(&pods, "idle").is_some());
    assert_eq!(told(&pods, "busy"), None);
}

#[test]
fn another_mount_of_proc_is_another_machine() {
    let mut simulation = settled(|simulation| {
        simulation.machine().pod("a", counts(1, 1, 0));
    });
    let machine = simulation.machine();
    machine.mount = 1;
    machine.drop_caches();
    let pods = simulation.tick();
    let found = told(&pods, "a").unwrap();
    assert_eq!((found.gate, found.age), (Gate::Read, Duration::ZERO));
    assert_eq!(pods.readings.len(), 1);
}

#[test]
fn a_living_pod_keeps_its_name_when_its_links_are_gone() {
    let logs = tempfile::tempdir().unwrap();
    let container = "c".repeat(64);
    let link = logs.path().join(format!("web_shop_server-{container}.log"));
    std::os::unix::fs::symlink("/var/log/pods/shop_web_uid-1/server/0.log", &link).unwrap();
    let mut simulation = Simulation::new(|options| options.container_logs_dir = logs.path().into());
    let machine = simulation.machine();
    machine.pod("uid-1", counts(1, 0, 0));
    // It tells of its container alone, which the link knows.
    let (space, pid) = machine.pod("uid-1", counts(2, 0, 0));
    machine.spaces[space].owner = "uid-1".to_owned();
    let evidence = &mut machine.processes.get_mut(&pid).unwrap().about.evidence;
    (evidence.pod, evidence.container) = (None, Some(container.as_str().into()));
    for gone in [false, true, true] {
        if gone {
            let _ = std::fs::remove_file(&link);
        }
        let pods = simulation.tick();
        let owners: Vec<_> = pods
            .readings
            .iter()
            .map(|found| found.owner.to_string())
            .collect();
        assert_eq!(owners, ["shop/web"]);
        assert_eq!(listeners(&pods, "uid-1"), Some(3));
    }
    simulation.machine().kill(pid);
    let pods = simulation.tick();
    assert!(matches!(&pods.readings[0].owner, Owner::Pod { .. }));
}
