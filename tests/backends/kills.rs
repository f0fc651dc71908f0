//! The agent killed in the middle of an outage, again and again, with a spool: what it had sampled arrives all the same.

use std::path::Path;
use std::time::Duration;

use crate::agent::{Agent, Tcpgauge, sampled, unix_now};
use crate::child::wait_for;
use crate::http_server::{Answer, HttpServer};
use crate::otlp_server::Port;
use crate::whole::{assert_whole, faults};

const KILLS: usize = 4;

fn start(endpoint: &str, spool: &Path) -> Agent {
    Tcpgauge::run(endpoint)
        .args(["--protocol", "http/protobuf", "--spool-dir"])
        .args([spool])
        .start()
}

#[test]
fn what_was_sampled_before_a_kill_arrives_once_after_it() {
    let spool = tempfile::tempdir().unwrap();
    let port = Port::reserve();
    let mut runs = Vec::new();
    for kill in 0..KILLS {
        let started = unix_now();
        let agent = start(&port.endpoint(), spool.path());
        wait_for(
            || agent.log(),
            || (sampled(&agent.log()) >= 2 + kill % 3).then_some(()),
        );
        // Any moment will do.
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..1000)));
        // It is killed before its samples are counted: the last one may be said already and not be on disk yet.
        let sampled = sampled(&agent.log());
        drop(agent);
        runs.push((started, unix_now(), sampled));
    }
    let server = HttpServer::start_on(port, |_, _| Answer::of(200));
    let agent = start(&server.endpoint(), spool.path());
    let now = unix_now();
    wait_for(
        || agent.log(),
        || {
            server
                .times()
                .last()
                .is_some_and(|last| *last > now)
                .then_some(())
        },
    );
    let ended = agent.stop();
    let times = server.times();
    assert!(
        times.is_sorted_by(|one, next| one < next),
        "{times:?}\n{}",
        ended.log
    );
    let between = |from: Duration, to: Duration| -> Vec<Duration> {
        let of_it = times.iter().filter(|time| (from..to).contains(*time));
        of_it.copied().collect()
    };
    for (started, killed, sampled) in runs {
        let arrived = between(started, killed);
        let wrong = faults(&arrived, started, None);
        assert!(wrong.is_empty(), "{wrong:?}: {arrived:?}");
        assert!(
            arrived.len() + 1 >= sampled,
            "{sampled} were sampled: {arrived:?}"
        );
    }
    assert_whole(&between(ended.started, Duration::MAX), &ended);
}
