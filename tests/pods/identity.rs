//! Numbers of namespaces that ended and are given to others at once.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::Duration;

use tcpgauge::pods::Gate;
use tcpgauge::source::proc_root::NamespaceId;

use crate::enter::in_fresh_namespace;
use crate::listener::{Admits, Listener};
use crate::machine::{Told, Watch, sum};
use crate::skip::skip;
use crate::space::Space;

const TRIES: u32 = 30;

/// The kernel does so when it gets round to it, and then the lowest number that is free is the next one's.
const UNTIL_IT_IS_TAKEN_APART: Duration = Duration::from_millis(200);

fn id(space: &Space) -> NamespaceId {
    NamespaceId::of(format!("{}/tcp", space.resident.net()).as_ref()).unwrap()
}

/// A namespace that has the number of one that `watch` has told of, which has ended; nothing if none gets it.
fn another_of_its_number(watch: &mut Watch) -> Option<Space> {
    for _ in 0..TRIES {
        let space = Space::new();
        watch.see(&space.resident, "pod");
        let listener =
            space.enter(|| Listener::new(Ipv4Addr::LOCALHOST.into(), Admits::Everything));
        watch.all();
        let told = watch.all();
        assert_eq!(told["pod"].gate, Gate::Hold);
        let number = id(&space);
        drop(listener);
        drop(space);
        sleep(UNTIL_IT_IS_TAKEN_APART);
        let next = Space::new();
        if id(&next) == number {
            return Some(next);
        }
        drop(next);
        sleep(UNTIL_IT_IS_TAKEN_APART);
    }
    None
}

#[test]
fn nothing_is_remembered_of_a_namespace_whose_number_another_has() {
    let name = "identity::nothing_is_remembered_of_a_namespace_whose_number_another_has";
    in_fresh_namespace(name, |test| {
        // Another pod, and the same one begun anew.
        for owner in ["another", "pod"] {
            let mut watch = Watch::new();
            let Some(next) = another_of_its_number(&mut watch) else {
                return skip(test, "this kernel gave no number twice");
            };
            watch.see(&next.resident, owner);
            let _kept = next.enter(|| {
                let listeners =
                    [(); 2].map(|()| Listener::new(Ipv4Addr::LOCALHOST.into(), Admits::Everything));
                listeners.map(|listener| listener.socket)
            });
            let told = watch.all();
            assert_eq!(told.keys().collect::<Vec<_>>(), [owner], "{told:?}");
            let Told { gate, sockets, .. } = &told[owner];
            assert_eq!(*gate, Gate::Read);
            assert_eq!(*sockets, sum([("listen", 2)]));
        }
    });
}

#[test]
fn another_process_takes_over_for_one_that_ended() {
    let name = "identity::another_process_takes_over_for_one_that_ended";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let listener =
            space.enter(|| Listener::new(Ipv4Addr::LOCALHOST.into(), Admits::Everything));
        let other = space.another_resident();
        let mut watch = Watch::of(&space);
        watch.see(&other, "pod");
        assert_eq!(watch.tick().gate, Gate::Read);
        drop(space);
        let told = watch.tick();
        assert_eq!(told.sockets, sum([("listen", 1)]));
        assert_eq!(told.gate, Gate::Hold, "the namespace is the same");
        drop((other, listener));
        assert_eq!(watch.all().len(), 0);
    });
}
