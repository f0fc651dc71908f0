//! The agent killed in the middle of an outage, again and again, with a spool: what it had sampled arrives all the same.

use std::path::Path;
use std::time::Duration;

use crate::agent::{Agent, Tcpgauge, sampled, unix_now};
use crate::child::wait_for;
use crate::http_server::{Answer, HttpServer};
use crate::otlp_server::Port;
use crate::whole::{assert_whole, faults};

const KILLS: usize = 4;

/// The head of a segment is shorter, a sample longer.
const HEAD: u64 = 512;

fn start(endpoint: &str, spool: &Path) -> Agent {
    Tcpgauge::run(endpoint)
        .args(["--protocol", "http/protobuf", "--spool-dir"])
        .args([spool])
        .start()
}

/// Bytes in all segments.
fn on_disk(spool: &Path) -> u64 {
    let entries = std::fs::read_dir(spool).unwrap();
    let files = entries.map(|entry| entry.unwrap().metadata().unwrap());
    // Events have a directory there.
    files
        .filter(std::fs::Metadata::is_file)
        .map(|file| file.len())
        .sum()
}

#[test]
fn what_was_sampled_before_a_kill_arrives_once_after_it() {
    let spool = tempfile::tempdir().unwrap();
    let port = Port::reserve();
    let mut runs = Vec::new();
    for kill in 0..KILLS {
        let (started, before) = (unix_now(), on_disk(spool.path()));
        let agent = start(&port.endpoint(), spool.path());
        // The last one may be said already and not be on disk yet, and on a busy machine the spool may not have been opened yet.
        let sampled = wait_for(
            || agent.log(),
            || Some(sampled(&agent.log())).filter(|sampled| *sampled >= 2 + kill % 3),
        );
        wait_for(
            || agent.log(),
            || (on_disk(spool.path()) > before + HEAD).then_some(()),
        );
        // Any moment will do.
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..1000)));
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
