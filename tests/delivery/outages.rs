//! A backend that is absent, mute or slow delays samples. It loses none, doubles none, and never delays the taking of one.

use std::time::Duration;

use crate::agent::{
    Agent, Ended, Tcpgauge, all_at_once, complaints, sleep_to_mid_second, unix_now,
};
use crate::otlp_server::{Answer, OtlpServer, Port};
use crate::samples::{assert_whole, times};
use crate::stand_ins::{BlackHole, DropsSyns, KeepsTheFirst};

/// How long the backend is away. Enough for two ticks, and little enough that the back-off has not grown long.
const AWAY: Duration = Duration::from_millis(2300);

/// Waits are random: at most 1, 2, 4, 8, 16, 32 and 60 s. Nothing is claimed of how long it takes, but that it comes.
const RECOVERS_WITHIN: Duration = Duration::from_mins(2);

/// An agent that gives a mute backend up after 2 s.
fn agent(endpoint: &str) -> Agent {
    Tcpgauge::run(endpoint).args(["--timeout", "2s"]).start()
}

/// Waits until a sample that was taken after now is in, and ends the agent.
fn settle(server: &OtlpServer, agent: Agent) -> Ended {
    let now = unix_now();
    let came = server.wait_until(RECOVERS_WITHIN, |received| {
        let accepted: Vec<_> = received
            .iter()
            .filter(|one| one.is_accepted())
            .cloned()
            .collect();
        times(&accepted).last().is_some_and(|last| *last > now)
    });
    assert!(
        came,
        "nothing new came within {RECOVERS_WITHIN:?}:\n{}",
        agent.log()
    );
    let ended = agent.stop();
    ended.assert_clean();
    ended
}

fn down_at_start() -> (OtlpServer, Ended) {
    let mut server = OtlpServer::stopped(Port::reserve());
    let agent = agent(&server.endpoint());
    std::thread::sleep(AWAY);
    server.start();
    let ended = settle(&server, agent);
    (server, ended)
}

fn killed_and_started_again() -> (OtlpServer, Ended) {
    let mut server = OtlpServer::started();
    let agent = agent(&server.endpoint());
    assert!(
        server.wait_until(RECOVERS_WITHIN, |received| received.len() >= 2),
        "{}",
        agent.log()
    );
    // Between two ticks, as a request that is cut off after its answer was given is rightly sent again.
    sleep_to_mid_second();
    server.stop();
    std::thread::sleep(AWAY);
    server.start();
    let ended = settle(&server, agent);
    (server, ended)
}

fn black_holed_at_start() -> (OtlpServer, Ended) {
    let mut server = OtlpServer::stopped(Port::reserve());
    let hole = BlackHole::on(server.port());
    let agent = agent(&server.endpoint());
    std::thread::sleep(AWAY);
    drop(hole);
    server.start();
    let ended = settle(&server, agent);
    (server, ended)
}

fn syns_dropped_at_start() -> (OtlpServer, Ended) {
    let mut server = OtlpServer::stopped(Port::reserve());
    let wall = DropsSyns::on(server.port());
    let agent = agent(&server.endpoint());
    std::thread::sleep(AWAY);
    drop(wall);
    server.start();
    let ended = settle(&server, agent);
    (server, ended)
}

fn mute_for_a_while() -> (OtlpServer, Ended) {
    let server = OtlpServer::started();
    server.answer(|index, _| {
        if index == 1 {
            Answer::never()
        } else {
            Answer::ok()
        }
    });
    let agent = agent(&server.endpoint());
    assert!(
        server.wait_until(RECOVERS_WITHIN, |received| received.len() >= 3),
        "{}",
        agent.log()
    );
    let ended = settle(&server, agent);
    (server, ended)
}

fn three_intervals_slow() -> (OtlpServer, Ended) {
    let server = OtlpServer::started();
    server.answer(|_, _| Answer::ok().after(Duration::from_secs(3)));
    let agent = Tcpgauge::run(&server.endpoint()).start();
    assert!(
        server.wait_until(RECOVERS_WITHIN, |received| received.len() >= 3),
        "{}",
        agent.log()
    );
    server.answer(|_, _| Answer::ok());
    let ended = settle(&server, agent);
    let second = &server.accepted()[1];
    assert!(
        times(std::slice::from_ref(second)).len() >= 2,
        "what waited is sent together"
    );
    (server, ended)
}

#[test]
fn no_outage_loses_a_sample_or_doubles_one_or_delays_a_tick() {
    type Outage = fn() -> (OtlpServer, Ended);
    let outages: [(&str, Outage); 6] = [
        ("down at start", down_at_start),
        ("killed and started again", killed_and_started_again),
        ("black-holed at start", black_holed_at_start),
        ("SYNs dropped at start", syns_dropped_at_start),
        ("one request never answered", mute_for_a_while),
        ("slow", three_intervals_slow),
    ];
    all_at_once(&outages, |outage| {
        let (server, ended) = outage();
        assert_whole(&times(&server.accepted()), &ended);
    });
}

#[test]
fn nobody_there_is_said_once_and_so_is_the_recovery() {
    let mut server = OtlpServer::stopped(Port::reserve());
    let agent = agent(&server.endpoint());
    std::thread::sleep(Duration::from_millis(5500));
    let log = agent.log();
    let port = server.port().address().port().to_string();
    let said: Vec<&str> = complaints(&log);
    assert!(said.len() == 1 && said[0].contains(&port), "{log}");

    server.start();
    let before = log.lines().count();
    // Being told to end makes it try at once, where it would by now wait for many seconds.
    let ended = agent.stop();
    ended.assert_clean();
    assert_whole(&times(&server.accepted()), &ended);
    assert_eq!(ended.complaints().len(), 1, "{}", ended.log);
    let mut since = ended.log.lines().skip(before);
    assert!(
        since.any(|line| line.contains("INFO") && line.contains("works again")),
        "no word of the recovery:\n{}",
        ended.log
    );
}

/// The other end of a connection is gone without a word, and only a new connection finds the backend.
#[test]
fn a_connection_that_gave_no_answer_is_not_used_again() {
    let server = OtlpServer::started();
    let port = Port::reserve();
    let _between = KeepsTheFirst::before(&port, server.port().address());
    let agent = agent(&port.endpoint());
    settle(&server, agent);
}

/// The bound of connecting is its own: an agent that gives an answer 30 s gives a connection 5.
#[test]
fn connecting_is_given_up_after_five_seconds() {
    let port = Port::reserve();
    let _drops = DropsSyns::on(&port);
    let agent = Tcpgauge::run(&port.endpoint())
        .args(["--timeout", "30s"])
        .start();
    agent.wait_for_log("within 5s", Duration::from_secs(15));
    agent.stop();
}
