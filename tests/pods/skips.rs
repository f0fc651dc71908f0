//! Tables that are not read because nothing can be in them, and those that only look so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tcpgauge::pods::{Gate, Pods};

use crate::enter::in_fresh_namespace;
use crate::listener::{Admits, Listener, PATIENCE, connect};
use crate::machine::{Told, Watch, sum, sum_of};
use crate::rare::abort;
use crate::scene::expect_end;
use crate::space::{Space, leave_an_orphan};
use crate::table::Table;

const FAMILIES: [(IpAddr, IpAddr); 2] = [
    (
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ),
    (
        IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(Ipv4Addr::LOCALHOST),
    ),
];

/// What is told with the first tick, and how many tables were not read for it.
fn first(space: &Space) -> (Table, u64) {
    let Pods {
        readings, stats, ..
    } = Watch::of(space).pods();
    let told = Told::of(&readings[0]);
    assert_eq!(told.gate, Gate::Read);
    (told.table.unwrap(), stats.skipped_tables)
}

/// Leaves the client's end in `TIME_WAIT`.
fn serve(listener: &Listener) {
    let (client, server) = listener.pair();
    client.shutdown(Shutdown::Write).unwrap();
    expect_end(&server);
    drop(server);
    expect_end(&client);
}

#[test]
fn the_table_of_a_family_that_is_not_in_use_is_not_read() {
    let name = "skips::the_table_of_a_family_that_is_not_in_use_is_not_read";
    in_fresh_namespace(name, |_| {
        assert_eq!(first(&Space::new()), (Table::default(), 1), "of nothing");
        for (family, _) in FAMILIES {
            let space = Space::new();
            let _kept = space.enter(|| {
                let listener = Listener::new(family, Admits::Everything);
                serve(&listener);
                (listener.pair(), listener.socket)
            });
            space.comes_to([("established", 2), ("listen", 1), ("time_wait", 1)]);
            assert_eq!(first(&space), (space.truth(), 1), "{family}");
        }
    });
}

#[test]
fn a_time_wait_without_any_other_socket_of_its_family_is_found() {
    let name = "skips::a_time_wait_without_any_other_socket_of_its_family_is_found";
    in_fresh_namespace(name, |_| {
        for (family, other) in FAMILIES {
            let space = Space::new();
            let _kept = space.enter(|| {
                let listener = Listener::new(family, Admits::Everything);
                for _ in 0..30 {
                    serve(&listener);
                }
                drop(listener);
                Listener::new(other, Admits::Everything).socket
            });
            space.comes_to([("listen", 1), ("time_wait", 30)]);
            assert_eq!(first(&space), (space.truth(), 0), "{family}");
        }
    });
}

#[test]
fn an_orphan_in_fin_wait_2_without_any_other_socket_of_its_family_is_found() {
    let name = "skips::an_orphan_in_fin_wait_2_without_any_other_socket_of_its_family_is_found";
    in_fresh_namespace(name, |_| {
        for (family, other) in FAMILIES {
            let space = Space::new();
            let _kept = space.enter(|| {
                let listener = Listener::new(family, Admits::Everything);
                leave_an_orphan(&listener);
                drop(listener);
                Listener::new(other, Admits::Everything).socket
            });
            space.comes_to([("fin_wait_2", 1), ("listen", 1)]);
            assert_eq!(first(&space), (space.truth(), 0), "{family}");
        }
    });
}

#[test]
fn ipv4_connections_of_an_ipv6_socket_are_found_in_its_table() {
    let name = "skips::ipv4_connections_of_an_ipv6_socket_are_found_in_its_table";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let _kept = space.enter(|| {
            let listener = Listener::new(Ipv6Addr::UNSPECIFIED.into(), Admits::Everything);
            let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
            let client = connect((IpAddr::V6(mapped), listener.address.port()).into());
            (client, listener.accept(), listener.socket)
        });
        space.comes_to([("established", 2), ("listen", 1)]);
        assert_eq!(first(&space), (space.truth(), 1), "and tcp is not read");
    });
}

/// Documented: a request whose listener is gone is in no counter. It is there until the kernel would answer it again and finds
/// nobody who listens: a second after the first answer, 16 s at most after the last.
#[test]
fn a_request_is_left_out_where_the_last_listener_of_its_family_is_gone_until_it_is_gone_as_well() {
    let name = "skips::a_request_is_left_out_where_the_last_listener_of_its_family_is_gone_until_it_is_gone_as_well";
    in_fresh_namespace(name, |_| {
        for (family, other) in FAMILIES {
            let space = Space::new();
            let _kept = space.enter(|| {
                let deaf = Listener::new(family, Admits::OnlySyn);
                abort(connect(deaf.address));
                Listener::new(other, Admits::Everything).socket
            });
            space.comes_to([("listen", 1), ("syn_received", 1)]);
            let (told, skipped) = first(&space);
            assert_eq!((sum_of(&told), skipped), (sum([("listen", 1)]), 1));

            let started = Instant::now();
            while space.truth() != told {
                assert!(started.elapsed() < PATIENCE, "{family}");
                sleep(Duration::from_millis(50));
            }
        }
    });
}
