//! What can happen on the way, over both protocols: everything that was sampled arrives, in order, and nothing is sent again
//! but what may not have arrived.

use std::time::Duration;

use crate::agent::{Tcpgauge, all_at_once, unix_now};
use crate::child::wait_for;
use crate::http_server::{Answer, HttpServer};
use crate::otlp_server::{OtlpServer, Received};
use crate::proxy::{Fault, Proxy};
use crate::samples::times;
use crate::whole::assert_whole;

/// For how long a fault lasts: the ticks of it are what waits.
const LASTS: Duration = Duration::from_secs(5);

enum Backend {
    Grpc(OtlpServer),
    Http(HttpServer),
}

impl Backend {
    fn start(protocol: &str) -> Self {
        match protocol {
            "grpc" => Self::Grpc(OtlpServer::started()),
            _ => Self::Http(HttpServer::start(|_, _| Answer::of(200))),
        }
    }

    fn address(&self) -> std::net::SocketAddr {
        match self {
            Self::Grpc(server) => server.port().address(),
            Self::Http(server) => server.port().address(),
        }
    }

    /// The times of the samples of each request that was taken, in the order in which they came.
    fn requests(&self) -> Vec<Vec<Duration>> {
        let one = |received: &Received| times(std::slice::from_ref(received));
        match self {
            Self::Grpc(server) => server.accepted().iter().map(one).collect(),
            Self::Http(server) => server
                .asked()
                .into_iter()
                .map(|asked| asked.times)
                .collect(),
        }
    }

    fn is_newer_than(&self, moment: Duration) -> bool {
        let requests = self.requests();
        let last = requests.last().and_then(|times| times.last());
        last.is_some_and(|last| *last > moment)
    }
}

/// What arrived, each once; how often a request came that had come before. A request is either new, or the one before again,
/// to which more may have been added meanwhile or of which only a part comes at once, or goes on where that one ended.
fn arrived(requests: &[Vec<Duration>]) -> (Vec<Duration>, usize) {
    let (mut arrived, mut again): (Vec<Duration>, usize) = (Vec::new(), 0);
    let mut before: Option<(Duration, Duration)> = None;
    for request in requests {
        let first = request[0];
        let last = arrived.last().copied();
        if last.is_some_and(|last| first <= last) {
            let (start, end) = before.unwrap();
            let goes_on = arrived.iter().find(|time| **time > end);
            assert!(
                first == start || Some(&first) == goes_on,
                "neither new nor the one before: {requests:?}"
            );
            again += 1;
        }
        before = Some((first, request[request.len() - 1]));
        arrived.extend(request.iter().filter(|time| Some(**time) > last));
    }
    (arrived, again)
}

struct Case {
    protocol: &'static str,
    /// From the start on.
    at_start: Fault,
    later: Happens,
}

fn for_a_while(proxy: &Proxy, fault: Fault) {
    proxy.set(fault);
    std::thread::sleep(LASTS);
    proxy.set(Fault::None);
}

/// Lets something happen, and ends with everything as it should be.
type Happens = fn(&Proxy);

const CASES: [(&str, Happens); 8] = [
    ("killed", |proxy| for_a_while(proxy, Fault::Down)),
    ("silent", |proxy| for_a_while(proxy, Fault::Silence)),
    ("no requests", |proxy| for_a_while(proxy, Fault::NoRequests)),
    ("no answers", |proxy| for_a_while(proxy, Fault::NoAnswers)),
    ("a byte a second", |proxy| {
        for_a_while(proxy, Fault::Trickle);
    }),
    ("reset at any byte", |proxy| for_a_while(proxy, Fault::Cut)),
    ("noise", |proxy| for_a_while(proxy, Fault::Garbage)),
    ("restarting every second", |proxy| {
        for _ in 0..4 {
            proxy.set(Fault::Down);
            std::thread::sleep(Duration::from_millis(500));
            proxy.set(Fault::None);
            std::thread::sleep(Duration::from_millis(500));
        }
    }),
];

fn survives(case: &Case) {
    let backend = Backend::start(case.protocol);
    let proxy = Proxy::before(backend.address(), case.at_start);
    let agent = Tcpgauge::run(&proxy.endpoint())
        .args(["--protocol", case.protocol, "--timeout", "2s"])
        .start();
    let wait = |what: &str, is_so: &dyn Fn() -> bool| {
        wait_for(
            || format!("{what}: {:?}\n{}", backend.requests(), agent.log()),
            || is_so().then_some(()),
        );
    };
    if case.at_start == Fault::None {
        wait("the first samples", &|| backend.requests().len() >= 2);
    }
    (case.later)(&proxy);
    let healed = unix_now();
    wait("samples after the fault", &|| backend.is_newer_than(healed));
    let ended = agent.stop();
    let (times, again) = arrived(&backend.requests());
    assert_whole(&times, &ended);
    assert!(proxy.connections() > 1, "the fault was felt");
    // A request that may not have arrived is made again, on a connection of its own.
    assert!(
        again < proxy.connections(),
        "{again} came again, over {} connections",
        proxy.connections()
    );
}

fn all(protocol: &'static str) {
    let cases = CASES.map(|(name, later)| {
        let at_start = Fault::None;
        (
            name,
            Case {
                protocol,
                at_start,
                later,
            },
        )
    });
    let faults = [
        ("down at the start", Fault::Down),
        ("silent at the start", Fault::Silence),
    ];
    let from_the_start = faults.map(|(name, at_start)| {
        let later: Happens = |proxy| {
            std::thread::sleep(LASTS);
            proxy.set(Fault::None);
        };
        (
            name,
            Case {
                protocol,
                at_start,
                later,
            },
        )
    });
    let cases: Vec<_> = cases.into_iter().chain(from_the_start).collect();
    all_at_once(&cases, survives);
}

#[test]
fn no_fault_on_the_way_loses_a_sample_over_grpc() {
    all("grpc");
}

#[test]
fn no_fault_on_the_way_loses_a_sample_over_http() {
    all("http/protobuf");
}
