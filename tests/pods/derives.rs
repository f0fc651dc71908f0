//! Derive: listeners stand, and `TIME_WAIT` is what the kernel counts. Who can be taken for a listener, and for how long.

use std::net::{Ipv4Addr, Shutdown};
use std::time::Duration;

use socket2::Socket;
use tcpgauge::pods::Gate;

use crate::enter::in_fresh_namespace;
use crate::listener::{Admits, Listener, connect};
use crate::machine::{INTERVAL, Told, Watch, sum, sum_of};
use crate::rare::abort;
use crate::scene::expect_end;
use crate::space::{Space, leave_an_orphan};

fn listener() -> Listener {
    Listener::new(Ipv4Addr::LOCALHOST.into(), Admits::Everything)
}

/// A connection that came, was served and went.
fn serve(listener: &Listener) {
    let (client, server) = listener.pair();
    client.shutdown(Shutdown::Write).unwrap();
    expect_end(&server);
    drop(server);
    expect_end(&client);
}

/// The server's end of a connection whose client is no longer there, and of which no word arrives.
fn with_an_unreachable_client(listener: &Listener) -> Socket {
    let (client, server) = listener.pair();
    Admits::Nothing.attach_to(&server);
    abort(client);
    server
}

/// What is told with the following ticks, for as long as it is derived.
fn derived(watch: &mut Watch) -> Vec<Told> {
    std::iter::repeat_with(|| watch.tick())
        .take_while(|told| told.gate == Gate::Derive)
        .collect()
}

/// Whether it was derived at every tick within four intervals of the reading, and not once later.
#[track_caller]
fn lasts_four_intervals(derived: &[Told]) {
    let ages: Vec<_> = derived.iter().map(|told| told.age).collect();
    assert_eq!(ages, [1, 2, 3, 4].map(|intervals| intervals * INTERVAL));
}

#[test]
fn short_connections_between_ticks_are_derived_and_read_every_fifth_time() {
    let name = "derives::short_connections_between_ticks_are_derived_and_read_every_fifth_time";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let listener = space.enter(listener);
        let mut watch = Watch::of(&space);
        for tick in 0..15 {
            let told = watch.tick();
            assert_eq!(told.sockets, sum_of(&space.truth()));
            assert_eq!(told.sockets.get("time_wait").copied().unwrap_or(0), tick);
            let read = tick % 5 == 0;
            assert_eq!(told.gate, if read { Gate::Read } else { Gate::Derive });
            space.enter(|| serve(&listener));
            space.comes_to([("listen", 1), ("time_wait", tick + 1)]);
        }
    });
}

#[test]
fn families_that_are_told_apart_are_never_derived() {
    let name = "derives::families_that_are_told_apart_are_never_derived";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let listener = space.enter(listener);
        let mut watch = Watch::with(|options| options.by_family = true);
        watch.see(&space.resident, "pod");
        for tick in 0..4 {
            let told = watch.tick();
            assert_eq!(told.gate, Gate::Read);
            assert_eq!(told.table, Some(space.truth()));
            space.enter(|| serve(&listener));
            space.comes_to([("listen", 1), ("time_wait", tick + 1)]);
        }
    });
}

#[test]
fn a_listener_that_moves_to_another_port_is_one_listener_all_the_same() {
    let name = "derives::a_listener_that_moves_to_another_port_is_one_listener_all_the_same";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let mut there = space.enter(listener);
        let mut watch = Watch::of(&space);
        watch.tick();
        for tick in 0..4 {
            there = space.enter(|| {
                serve(&there);
                drop(there);
                listener()
            });
            space.comes_to([("listen", 1), ("time_wait", tick + 1)]);
            let told = watch.tick();
            assert_eq!(told.gate, Gate::Derive);
            assert_eq!(told.sockets, sum_of(&space.truth()));
        }
    });
}

/// What looks like one listener and is none: nobody listens, and an end is not heard of.
fn listener_ends_with_an_end_unheard(space: &Space, listener: Listener) {
    space.enter(|| {
        let connection = with_an_unreachable_client(&listener);
        drop((listener, connection));
    });
    space.comes_to([("fin_wait_1", 1)]);
    assert_eq!(space.counters().counters.inuse4, 1);
    assert_eq!(space.counters().established, 0);
}

#[test]
fn a_service_killed_while_its_client_is_unreachable_is_no_listener() {
    let name = "derives::a_service_killed_while_its_client_is_unreachable_is_no_listener";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let service = space.another_resident();
        let listener = space.enter(listener);
        let mut watch = Watch::of(&space);
        watch.see(&service, "pod");
        assert_eq!(watch.tick().sockets, sum([("listen", 1)]));
        space.enter(|| serve(&listener));
        space.comes_to([("listen", 1), ("time_wait", 1)]);
        let told = watch.tick();
        assert_eq!(told.gate, Gate::Derive);
        assert_eq!(told.sockets, sum([("listen", 1), ("time_wait", 1)]));

        // It was alone with its socket; its sockets end with it.
        drop(service);
        space.enter(|| {
            let connection = with_an_unreachable_client(&listener);
            drop((listener, connection));
        });
        space.comes_to([("fin_wait_1", 1), ("time_wait", 1)]);
        let told = watch.tick();
        assert_eq!(told.gate, Gate::Read);
        assert_eq!(told.sockets, sum([("fin_wait_1", 1), ("time_wait", 1)]));
    });
}

/// Documented: no counter tells the two apart.
#[test]
fn a_listener_closed_by_a_process_that_lives_is_told_for_four_intervals_at_most() {
    let name =
        "derives::a_listener_closed_by_a_process_that_lives_is_told_for_four_intervals_at_most";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let listener = space.enter(listener);
        let mut watch = Watch::of(&space);
        assert_eq!(watch.tick().sockets, sum([("listen", 1)]));
        listener_ends_with_an_end_unheard(&space, listener);

        let fooled = derived(&mut watch);
        assert!(
            fooled
                .iter()
                .all(|told| told.sockets == sum([("listen", 1)]))
        );
        lasts_four_intervals(&fooled);
        assert_eq!(watch.tick().sockets, sum([("fin_wait_1", 1)]));
    });
}

/// Documented: `tw` counts them as one.
#[test]
fn orphans_in_fin_wait_2_are_told_as_time_wait_for_four_intervals_at_most() {
    let name = "derives::orphans_in_fin_wait_2_are_told_as_time_wait_for_four_intervals_at_most";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let listener = space.enter(listener);
        let mut watch = Watch::of(&space);
        assert_eq!(watch.tick().sockets, sum([("listen", 1)]));
        space.enter(|| leave_an_orphan(&listener));
        space.comes_to([("fin_wait_2", 1), ("listen", 1)]);

        let fooled = derived(&mut watch);
        let told = sum([("listen", 1), ("time_wait", 1)]);
        assert!(fooled.iter().all(|fooled| fooled.sockets == told));
        lasts_four_intervals(&fooled);
    });
}

/// Documented: requests are in no counter. The first segments of a connection that never comes, as in a flood.
#[test]
fn requests_are_left_out_for_four_intervals_at_most() {
    let name = "derives::requests_are_left_out_for_four_intervals_at_most";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let deaf = space.enter(|| Listener::new(Ipv4Addr::LOCALHOST.into(), Admits::OnlySyn));
        let mut watch = Watch::of(&space);
        assert_eq!(watch.tick().sockets, sum([("listen", 1)]));
        space.enter(|| abort(connect(deaf.address)));
        space.comes_to([("listen", 1), ("syn_received", 1)]);

        let fooled = derived(&mut watch);
        assert!(
            fooled
                .iter()
                .all(|told| told.sockets == sum([("listen", 1)]))
        );
        lasts_four_intervals(&fooled);
        // Now that they are known, nothing is derived.
        let told = watch.tick();
        assert_eq!((told.gate, told.age), (Gate::Read, Duration::ZERO));
        assert_eq!(told.sockets, sum([("listen", 1), ("syn_received", 1)]));
    });
}
