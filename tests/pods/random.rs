//! Anything that programs do with sockets, in any order: what is told is what is there, but for what is documented.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown};
use std::thread::sleep;
use std::time::Duration;

use fastrand::Rng;
use socket2::Socket;
use tcpgauge::pods::Gate;

use crate::enter::in_fresh_namespace;
use crate::listener::{Admits, Listener, connect};
use crate::machine::{INTERVAL, Sum, Told, Watch, sum_of};
use crate::rare::{abort, connect_to_itself};
use crate::scene::{expect_end, send_syn_unheard};
use crate::space::{Space, with_small_tables};

const ROUNDS: usize = 40;
const TICKS: usize = 10;

/// A namespace's sockets, as programs hold them.
#[derive(Default)]
struct Programs {
    listeners: Vec<Listener>,
    deaf: Vec<Listener>,
    connections: Vec<Socket>,
    connecting: Vec<Socket>,
    /// A listener was closed that may have had requests, which outlive it for a while.
    left_requests: bool,
}

/// One thing that a program may do, if there is something to do it with.
type Act = (&'static str, fn(&mut Programs, &mut Rng));

const OPEN: Act = ("open a listener", |programs, random| {
    let ip = any_family(random);
    programs
        .listeners
        .push(Listener::new(ip, Admits::Everything));
});

const CLOSE: Act = ("close a listener", |programs, random| {
    take(&mut programs.listeners, random);
});

const SERVE: Act = ("serve", |programs, random| {
    if let Some(listener) = pick(&programs.listeners, random) {
        let (client, server) = listener.pair();
        client.shutdown(Shutdown::Write).unwrap();
        expect_end(&server);
        drop(server);
        expect_end(&client);
    }
});

const LEAVE_A_REQUEST: Act = ("leave a request", |programs, random| {
    let deaf = Listener::new(one_family(random), Admits::OnlySyn);
    abort(connect(deaf.address));
    programs.deaf.push(deaf);
});

const LOSE_A_CLIENT: Act = ("lose a client and close", |programs, random| {
    if let Some(listener) = pick(&programs.listeners, random) {
        let (client, server) = listener.pair();
        Admits::Nothing.attach_to(&server);
        abort(client);
    }
});

const CLOSE_ALL: Act = ("close all but listeners", |programs, _| {
    programs.left_requests |= !programs.deaf.is_empty();
    programs.connections.clear();
    programs.connecting.clear();
    programs.deaf.clear();
});

const ANYTHING: &[Act] = &[
    OPEN,
    OPEN,
    CLOSE,
    SERVE,
    LEAVE_A_REQUEST,
    LOSE_A_CLIENT,
    CLOSE_ALL,
    ("open a deaf listener", |programs, random| {
        let admits = [Admits::Nothing, Admits::AllButFin][random.usize(..2)];
        programs
            .deaf
            .push(Listener::new(one_family(random), admits));
    }),
    ("close a deaf listener", |programs, random| {
        programs.left_requests |= take(&mut programs.deaf, random).is_some();
    }),
    ("connect to the deaf", |programs, random| {
        if let Some(deaf) = pick(&programs.deaf, random) {
            programs.connecting.extend(send_syn_unheard(deaf));
        }
    }),
    ("give up connecting", |programs, random| {
        take(&mut programs.connecting, random);
    }),
    ("connect and accept", |programs, random| {
        if let Some(listener) = pick(&programs.listeners, random) {
            let (client, server) = listener.pair();
            programs.connections.extend([client, server]);
        }
    }),
    ("connect by IPv4 to IPv6", |programs, random| {
        let dual = |listener: &&Listener| listener.address.ip().is_unspecified();
        if let Some(listener) = programs.listeners.iter().find(dual) {
            let family = [
                Ipv4Addr::LOCALHOST.into(),
                IpAddr::from(Ipv4Addr::LOCALHOST.to_ipv6_mapped()),
            ];
            let ip = family[random.usize(..2)];
            let client = connect((ip, listener.address.port()).into());
            programs.connections.extend([client, listener.accept()]);
        }
    }),
    ("connect to itself", |programs, random| {
        programs
            .connections
            .push(connect_to_itself(one_family(random)));
    }),
    ("shut down", |programs, random| {
        if let Some(end) = pick(&programs.connections, random) {
            // It may have been shut down from the other end.
            let _ = end.shutdown(Shutdown::Write);
        }
    }),
    ("close a connection", |programs, random| {
        take(&mut programs.connections, random);
    }),
    ("abort a connection", |programs, random| {
        if let Some(end) = take(&mut programs.connections, random) {
            abort(end);
        }
    }),
    ("hear nothing more", |programs, random| {
        if let Some(end) = pick(&programs.connections, random) {
            Admits::Nothing.attach_to(end);
        }
    }),
];

/// What a server does that keeps no connection, on good and on bad days.
const A_SERVER: [Act; 24] = {
    let mut acts = [SERVE; 24];
    acts[0] = OPEN;
    acts[1] = CLOSE;
    acts[2] = LEAVE_A_REQUEST;
    acts[3] = LOSE_A_CLIENT;
    acts[4] = CLOSE_ALL;
    acts
};

fn one_family(random: &mut Rng) -> IpAddr {
    [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ][random.usize(..2)]
}

/// Of IPv4, of IPv6, or of both.
fn any_family(random: &mut Rng) -> IpAddr {
    match random.u8(..3) {
        0 => Ipv6Addr::UNSPECIFIED.into(),
        _ => one_family(random),
    }
}

fn pick<'a, T>(of: &'a [T], random: &mut Rng) -> Option<&'a T> {
    of.get(random.usize(..of.len().max(1)))
}

fn take<T>(of: &mut Vec<T>, random: &mut Rng) -> Option<T> {
    let place = random.usize(..of.len().max(1));
    (place < of.len()).then(|| of.swap_remove(place))
}

/// Whether what is told may differ so from the truth: see `docs/pods.md`.
fn is_documented(told: &Told, truth: &Sum, left_requests: bool) -> bool {
    let number = |of: &Sum, state| of.get(state).copied().unwrap_or(0);
    match told.gate {
        // Requests whose listener is gone, and that was the last of its family.
        Gate::Read | Gate::Hold => {
            let but_requests = |of: &Sum| {
                let mut of = of.clone();
                of.remove("syn_received");
                of
            };
            left_requests
                && but_requests(&told.sockets) == but_requests(truth)
                && number(&told.sockets, "syn_received") < number(truth, "syn_received")
        }
        // Requests are left out, mini-sockets are told as TIME_WAIT, and what has taken a listener's place as a listener.
        Gate::Derive => {
            let all: u64 = truth.values().sum();
            let established = number(truth, "established") + number(truth, "close_wait");
            told.age <= 4 * INTERVAL
                && established == 0
                && number(&told.sockets, "listen") >= number(truth, "listen")
                && number(&told.sockets, "time_wait") >= number(truth, "time_wait")
                && told.sockets.values().sum::<u64>() == all - number(truth, "syn_received")
        }
    }
}

#[test]
fn what_is_told_of_programs_that_do_anything_is_what_is_there() {
    let name = "random::what_is_told_of_programs_that_do_anything_is_what_is_there";
    in_fresh_namespace(name, |_| {
        let seed = std::env::var("TCPGAUGE_TEST_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(6);
        let mut random = Rng::with_seed(seed);
        let (mut gates, mut fooled) = ([0; 3], 0);
        with_small_tables();
        for round in 0..ROUNDS {
            let may_happen = [ANYTHING, &A_SERVER][round % 2];
            let space = Space::new();
            // What waits for a word that never comes does not wait for long.
            space.set("ipv4/tcp_fin_timeout", "1");
            space.set("ipv4/tcp_orphan_retries", "1");
            space.set("ipv4/tcp_synack_retries", "1");
            let mut watch = Watch::of(&space);
            let mut programs = Programs::default();
            space.enter(|| OPEN.1(&mut programs, &mut random));
            for tick in 0..TICKS {
                let happens = [0, 0, 1, 1, 1, 2, 4][random.usize(..7)];
                let happens: Vec<_> = (0..happens)
                    .map(|_| may_happen[random.usize(..may_happen.len())])
                    .collect();
                space.enter(|| {
                    for (_, act) in &happens {
                        act(&mut programs, &mut random);
                    }
                });
                // What ends by itself may do so just now.
                let (before, told, after) = (space.truth(), watch.tick(), space.truth());
                if before != after {
                    continue;
                }
                gates[told.gate as usize] += 1;
                sleep(Duration::from_millis(15));
                let truth = sum_of(&after);
                if told.sockets != truth {
                    let names: Vec<_> = happens.iter().map(|(name, _)| name).collect();
                    assert!(
                        is_documented(&told, &truth, programs.left_requests),
                        "seed {seed}, {round}/{tick}: after {names:?}, {told:?} of {truth:?}"
                    );
                    fooled += 1;
                }
            }
        }
        let all: u64 = gates.iter().sum();
        assert!(gates.iter().all(|&times| times > all / 20), "{gates:?}");
        assert!(fooled < all / 10, "{fooled} of {gates:?}");
    });
}
