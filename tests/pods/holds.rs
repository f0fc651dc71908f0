//! Hold: what was read stands while no counter moves. What moves none, and what of it could be mistaken.

use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use socket2::Socket;
use tcpgauge::pods::Gate;

use crate::enter::in_fresh_namespace;
use crate::listener::{Admits, Listener};
use crate::machine::{INTERVAL, MOST_HELD, Watch, sum, sum_of};
use crate::population::Population;
use crate::scene::{close_while_peer_does_not, expect_end, send_syn_unheard};
use crate::skip::skip;
use crate::space::Space;
use crate::table::Family;

fn listener() -> Listener {
    Listener::new(Ipv4Addr::LOCALHOST.into(), Admits::Everything)
}

#[test]
fn what_is_at_rest_is_read_once_and_stands_for_less_than_ten_minutes() {
    let name = "holds::what_is_at_rest_is_read_once_and_stands_for_less_than_ten_minutes";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        // Twins by SO_REUSEPORT, IPv4 connections of a dual-stack listener, connections, and mini-sockets in FIN_WAIT2.
        let _population = space.enter(|| {
            let mut population = Population::default();
            population.add_twins(Family::Ipv4, 3);
            population.add_twins(Family::Ipv6, 5);
            population.add_mapped(2, 3);
            population.add(&crate::scene::ORPHANS_IN_FIN_WAIT_2);
            population.settle();
            population
        });
        let mut watch = Watch::of(&space);
        let read = watch.tick();
        assert_eq!((read.gate, read.age), (Gate::Read, Duration::ZERO));
        assert_eq!(read.table, Some(space.truth()));

        let mut ages = Vec::new();
        loop {
            let told = watch.tick();
            assert_eq!(told.table, Some(space.truth()));
            if told.gate == Gate::Read {
                break;
            }
            assert_eq!(told.gate, Gate::Hold);
            ages.push(told.age);
        }
        assert_eq!(ages.last(), Some(&MOST_HELD.saturating_sub(INTERVAL)));
        assert_eq!(ages.len(), 19);
    });
}

#[test]
fn a_reading_that_stands_is_renewed_before_it_would_no_longer() {
    let name = "holds::a_reading_that_stands_is_renewed_before_it_would_no_longer";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let _kept = space.enter(|| listener().pair());
        let mut watch = Watch::of(&space);
        for _ in 0..100 {
            let told = watch.tick();
            assert!(told.age < MOST_HELD, "{told:?}");
            assert_eq!(told.sockets, sum_of(&space.truth()));
            watch.between();
        }
    });
}

#[test]
fn without_gates_everything_is_read_at_every_tick() {
    let name = "holds::without_gates_everything_is_read_at_every_tick";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let _kept = space.enter(listener);
        let mut watch = Watch::with(|options| options.gates = false);
        watch.see(&space.resident, "pod");
        for _ in 0..3 {
            let told = watch.tick();
            assert_eq!((told.gate, told.table), (Gate::Read, Some(space.truth())));
        }
        assert_eq!(watch.pods().stats.skipped_tables, 0);
    });
}

/// Whose service hangs moves no counter, and the queue must be seen each time.
#[test]
fn connections_that_wait_to_be_accepted_are_read_at_every_tick() {
    let name = "holds::connections_that_wait_to_be_accepted_are_read_at_every_tick";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let (server, client) = space.enter(|| {
            let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
            (server, client)
        });
        let mut watch = Watch::of(&space);
        for _ in 0..4 {
            assert_eq!(watch.tick().gate, Gate::Read);
        }
        let _accepted = space.enter(|| server.accept().unwrap());
        assert_eq!(watch.tick().gate, Gate::Read);
        assert_eq!(watch.tick().gate, Gate::Hold);
        drop(client);
    });
}

/// Reads `space`, does what moves no counter, and holds what is told then to the truth.
#[track_caller]
fn is_not_fooled(space: &Space, silently: impl FnOnce() -> Vec<Socket> + Send) {
    let mut watch = Watch::of(space);
    assert_eq!(watch.tick().sockets, sum_of(&space.truth()));
    let (before, truth) = (space.counters(), space.truth());
    let _kept = space.enter(silently);
    assert_eq!(space.counters(), before, "no counter has moved");
    assert_ne!(space.truth(), truth, "and states have changed");

    let told = watch.tick();
    assert_eq!(told.sockets, sum_of(&space.truth()));
    assert_eq!(told.gate, Gate::Read);
}

#[test]
fn a_syn_sent_that_is_closed_while_a_listener_opens_is_noticed() {
    let name = "holds::a_syn_sent_that_is_closed_while_a_listener_opens_is_noticed";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        space.try_to_set("ipv4/tcp_syn_linear_timeouts", "0");
        let (_deaf, connecting) = space.enter(|| {
            let deaf = Listener::new(Ipv4Addr::LOCALHOST.into(), Admits::Nothing);
            let connecting = send_syn_unheard(&deaf);
            // The SYN is sent again after 1, 3 and 7 seconds: time enough to do something in between.
            sleep(Duration::from_millis(3500));
            (deaf, connecting)
        });
        is_not_fooled(&space, || {
            drop(connecting);
            vec![listener().socket]
        });
    });
}

#[test]
fn a_fin_wait_2_that_ends_while_a_listener_opens_is_noticed() {
    let name = "holds::a_fin_wait_2_that_ends_while_a_listener_opens_is_noticed";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        space.set("ipv4/tcp_fin_timeout", "1");
        let (_listener, half_closed, _server) = space.enter(|| {
            let listener = listener();
            let (client, server) = listener.pair();
            client.shutdown(Shutdown::Write).unwrap();
            expect_end(&server);
            (listener, client, server)
        });
        space.comes_to([("close_wait", 1), ("fin_wait_2", 1), ("listen", 1)]);
        is_not_fooled(&space, || {
            // A whole socket becomes a mini-socket, and that one runs out, all without a segment.
            drop(half_closed);
            sleep(Duration::from_millis(2500));
            vec![listener().socket]
        });
    });
}

#[test]
fn a_fin_wait_2_that_is_closed_as_a_time_wait_ends_and_a_listener_opens_is_noticed() {
    let name =
        "holds::a_fin_wait_2_that_is_closed_as_a_time_wait_ends_and_a_listener_opens_is_noticed";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        space.set("ipv4/tcp_fin_timeout", "4");
        let (listener, half_closed, mut kept) = space.enter(|| {
            let listener = listener();
            let (client, server) = listener.pair();
            client.shutdown(Shutdown::Write).unwrap();
            expect_end(&server);
            (listener, client, vec![server])
        });
        // In the place of a TIME_WAIT, which takes a minute: it is the same table.
        kept.extend(space.enter(|| close_while_peer_does_not(&listener)));
        space.comes_to([("close_wait", 2), ("fin_wait_2", 2), ("listen", 1)]);
        is_not_fooled(&space, || {
            sleep(Duration::from_millis(4500));
            drop(half_closed);
            vec![crate::holds::listener().socket]
        });
    });
}

#[test]
fn what_a_listener_is_like_is_not_told_and_does_not_keep_it_from_standing() {
    let name = "holds::what_a_listener_is_like_is_not_told_and_does_not_keep_it_from_standing";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let (elsewhere, roomy, mut kept) = space.enter(|| {
            let roomy = listener();
            let client = crate::listener::connect(roomy.address);
            let server = roomy.accept();
            (listener(), roomy, vec![client, server])
        });
        let mut watch = Watch::of(&space);
        let read = watch.tick();
        assert_eq!(read.sockets, sum([("established", 2), ("listen", 2)]));
        space.enter(|| {
            // Another port, and less room in an accept queue.
            drop(elsewhere);
            kept.push(listener().socket);
            roomy.socket.listen(1).unwrap();
        });
        let told = watch.tick();
        assert_eq!(told.gate, Gate::Hold);
        assert_eq!(told.sockets, sum_of(&space.truth()));
    });
}

/// A connection whose client reads nothing, and whose server has sent all that it may and more.
fn at_a_zero_window(listener: &Listener) -> (Socket, Socket) {
    let (client, server) = listener.pair();
    server.set_nonblocking(true).unwrap();
    while (&server).write(&[0; 4096]).is_ok() {}
    // Until what is under way has arrived.
    sleep(Duration::from_millis(300));
    while (&server).write(&[0; 4096]).is_ok() {}
    (client, server)
}

/// Whether that moves `CurrEstab` alone, and is told.
fn is_seen_by_curr_estab_alone(space: &Space, close: impl Fn() + Send, from: &str, to: &str) {
    let mut watch = Watch::of(space);
    let read = watch.tick();
    assert!(read.sockets.contains_key(from), "{read:?}");
    let before = space.counters();
    space.enter(close);
    let after = space.counters();
    assert_eq!(after.counters, before.counters);
    assert_eq!(after.established, before.established - 1, "on this kernel");

    let told = watch.tick();
    assert!(told.sockets.contains_key(to), "{told:?}");
    assert_eq!(told.sockets, sum_of(&space.truth()));
}

#[test]
fn an_end_that_waits_for_a_zero_window_is_noticed() {
    let name = "holds::an_end_that_waits_for_a_zero_window_is_noticed";
    in_fresh_namespace(name, |_| {
        let space = Space::new();
        let (_listener, _client, server) = space.enter(|| {
            let listener = listener();
            let (client, server) = at_a_zero_window(&listener);
            (listener, client, server)
        });
        let close = || server.shutdown(Shutdown::Write).unwrap();
        is_seen_by_curr_estab_alone(&space, close, "established", "fin_wait_1");
    });
}

#[test]
fn an_answer_to_an_end_that_waits_for_a_zero_window_is_noticed() {
    let name = "holds::an_answer_to_an_end_that_waits_for_a_zero_window_is_noticed";
    in_fresh_namespace(name, |test| {
        let space = Space::new();
        let (_listener, _client, server) = space.enter(|| {
            let listener = listener();
            let (client, server) = at_a_zero_window(&listener);
            client.shutdown(Shutdown::Write).unwrap();
            expect_end(&server);
            (listener, client, server)
        });
        if space.counters().established == space.truth().both("established") {
            return skip(test, "this kernel does not count CLOSE_WAIT in CurrEstab");
        }
        let close = || server.shutdown(Shutdown::Write).unwrap();
        is_seen_by_curr_estab_alone(&space, close, "close_wait", "last_ack");
    });
}

/// The one that no counter tells: it lasts until the connection is used, and no longer than a reading stands.
#[test]
fn a_connection_put_off_that_takes_a_closed_listeners_place_is_taken_for_it_until_the_next_reading()
{
    let name = "holds::a_connection_put_off_that_takes_a_closed_listeners_place_is_taken_for_it_until_the_next_reading";
    in_fresh_namespace(name, |test| {
        let space = Space::new();
        space.set("ipv4/tcp_fastopen", "5");
        let (kept, closed) = space.enter(|| (listener(), listener()));
        let mut watch = Watch::of(&space);
        assert_eq!(watch.tick().sockets, sum([("listen", 2)]));
        let before = space.counters();
        let Some(_child) = space.enter(|| {
            drop(closed);
            connection_put_off(kept.address.port())
        }) else {
            return skip(
                test,
                "cannot run python3, or it has no TCP_FASTOPEN_CONNECT",
            );
        };
        if space.truth().both("syn_sent") == 0 {
            return skip(test, "this kernel puts no connection off");
        }
        assert_eq!(space.counters(), before, "no counter has moved");
        let told = std::iter::repeat_with(|| watch.tick());
        let fooled: Vec<_> = told.take_while(|told| told.gate == Gate::Hold).collect();
        assert_eq!(
            fooled.last().unwrap().age,
            MOST_HELD.saturating_sub(INTERVAL)
        );
        assert!(
            fooled
                .iter()
                .all(|told| told.sockets == sum([("listen", 2)]))
        );
        let told = watch.tick();
        assert_eq!(told.sockets, sum([("listen", 1), ("syn_sent", 1)]));
    });
}

/// A process with a socket in `SYN_SENT` that has sent nothing. In Python, as no crate sets that option.
fn connection_put_off(port: u16) -> Option<crate::space::Resident> {
    const TCP_FASTOPEN_CONNECT: u32 = 30;
    let program = format!(
        "import socket, sys\n\
         s = socket.socket()\n\
         s.setsockopt(socket.IPPROTO_TCP, {TCP_FASTOPEN_CONNECT}, 1)\n\
         s.connect(('127.0.0.1', {port}))\n\
         sys.stdout.write(sys.stdin.read(1))\n\
         sys.stdout.flush()\n\
         sys.stdin.read()"
    );
    crate::space::Resident::try_spawn("python3", &["-c", &program]).ok()
}
