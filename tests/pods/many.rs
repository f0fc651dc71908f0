//! Many namespaces at once: what is told of each is its own, at rest and while others come and go.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::Socket;

use crate::enter::in_fresh_namespace;
use crate::listener::{Admits, Listener};
use crate::machine::Watch;
use crate::population::Population;
use crate::scene::EVERY_STATE;
use crate::skip::skip;
use crate::space::{Space, with_small_tables};
use crate::table::Family;
use crate::witness;

const NAMESPACES: u64 = 20;

#[test]
fn twenty_namespaces_with_every_state_are_told_as_ss_tells_each() {
    let name = "many::twenty_namespaces_with_every_state_are_told_as_ss_tells_each";
    in_fresh_namespace(name, |test| {
        // Each has other numbers of each state than every other one.
        let spaces: Vec<_> = (0..NAMESPACES)
            .map(|number| {
                let space = Space::new();
                let population = space.enter(|| {
                    let mut population = Population::default();
                    population.add_twins(Family::Ipv4, number);
                    population.add_twins(Family::Ipv6, 2 * number);
                    population.add_mapped(number % 3, number % 5);
                    for (place, scene) in (0..).zip(EVERY_STATE) {
                        let few = (number + place) % 4;
                        let scene = crate::scene::Scene {
                            ipv4: few,
                            ipv6: number % 3,
                            ..*scene
                        };
                        population.add(&scene);
                    }
                    population.settle();
                    population
                });
                (space, population)
            })
            .collect();
        let mut watch = Watch::new();
        for (number, (space, _)) in spaces.iter().enumerate() {
            watch.see(&space.resident, &number.to_string());
        }
        let told = watch.all();
        assert_eq!(told.len(), spaces.len());
        for (number, (space, population)) in spaces.iter().enumerate() {
            let told = &told[&number.to_string()];
            assert_eq!(told.table.as_ref(), Some(&population.expected), "{number}");
            match space.enter(witness::ss) {
                Ok(theirs) => assert_eq!(told.table, Some(theirs), "{number}"),
                Err(error) => return skip(test, &format!("cannot run ss: {error}")),
            }
        }
    });
}

/// So many listeners of each family tell which pod it is, for none that lived at about the same time had as many.
fn fingerprint(number: usize) -> (usize, usize) {
    let listeners = 1 + number % 64;
    (listeners / 2, listeners.div_ceil(2))
}

fn leave_a_fingerprint(number: usize) -> Vec<Socket> {
    let (ipv4, ipv6) = fingerprint(number);
    let listen = |ip| Listener::new(ip, Admits::Everything).socket;
    let of_ipv4 = (0..ipv4).map(|_| listen(Ipv4Addr::LOCALHOST.into()));
    let of_ipv6 = (0..ipv6).map(|_| listen(Ipv6Addr::LOCALHOST.into()));
    of_ipv4.chain(of_ipv6).collect()
}

/// Each namespace has its number of listeners from before it is seen until after it has ended, and traffic, so that some are
/// held, some derived and some read.
#[test]
fn namespaces_that_come_and_go_during_readings_are_told_right_or_not_at_all() {
    let name = "many::namespaces_that_come_and_go_during_readings_are_told_right_or_not_at_all";
    in_fresh_namespace(name, |_| {
        const AT_ONCE: usize = 8;
        const ALL: usize = 320;
        with_small_tables();
        let done = AtomicBool::new(false);
        let mut watch = Watch::with(|options| options.interval = Duration::from_secs(1));
        let owners = watch.owners();
        let (told, gates) = std::thread::scope(|scope| {
            let watching = scope.spawn(|| {
                let (mut told, mut gates) = (0, [0; 3]);
                while !done.load(Ordering::Relaxed) {
                    for (pod, found) in watch.all() {
                        let number: usize = pod.parse().unwrap();
                        let (ipv4, ipv6) = fingerprint(number);
                        assert_eq!(
                            found.sockets["listen"],
                            (ipv4 + ipv6) as u64,
                            "{pod} {found:?}"
                        );
                        if let Some(table) = &found.table {
                            assert_eq!(table.of(Family::Ipv4, "listen"), ipv4 as u64, "{pod}");
                        }
                        told += 1;
                        gates[found.gate as usize] += 1;
                    }
                    watch.between();
                }
                (told, gates)
            });
            let mut alive = VecDeque::new();
            for number in 0..ALL {
                let space = Space::new();
                let sockets = space.enter(|| leave_a_fingerprint(number));
                // Only now that it has its fingerprint can it be seen; and half of them have two processes.
                let second = number.is_multiple_of(2).then(|| space.another_resident());
                for resident in std::iter::once(&space.resident).chain(&second) {
                    owners.add(resident, &number.to_string());
                }
                alive.push_back((space, second, sockets));
                if let Some((space, ..)) = alive.get(number % AT_ONCE) {
                    space.enter(|| talk(1 + number % 3));
                }
                if alive.len() > AT_ONCE {
                    let (space, second, sockets) = alive.remove(number % AT_ONCE).unwrap();
                    // Processes first: as long as one is there, so are the listeners.
                    drop((second, space));
                    drop(sockets);
                }
                assert!(!watching.is_finished(), "it found something");
            }
            done.store(true, Ordering::Relaxed);
            watching.join().unwrap()
        });
        assert!(told > ALL / 2, "{told} of {ALL}");
        assert!(gates.iter().all(|&times| times > 0), "{gates:?}");
    });
}

/// Leaves some of a connection's states, and no listener.
fn talk(times: usize) {
    // A socket that connects to itself is a connection without a listener.
    for _ in 0..times {
        drop(crate::rare::connect_to_itself(Ipv4Addr::LOCALHOST.into()));
    }
}
