//! How it ends: with the last sample sent where that is possible, in bounded time where it is not; and what a full queue does.

use std::time::Duration;

use rustix::process::Signal;

use crate::agent::{Ended, Tcpgauge, all_at_once, sleep_to_mid_second};
use crate::otlp_server::{OtlpServer, Port};
use crate::samples::{assert_whole, samples, times};
use crate::stand_ins::{BlackHole, DropsSyns};

const WITHIN: Duration = Duration::from_mins(1);

#[test]
fn either_signal_takes_a_last_sample_sends_it_and_ends_well() {
    let signals = [("SIGTERM", Signal::TERM), ("SIGINT", Signal::INT)];
    all_at_once(&signals, |&signal| {
        let server = OtlpServer::started();
        let agent = Tcpgauge::run(&server.endpoint()).start();
        assert!(
            server.wait_until(WITHIN, |received| samples(received).len() >= 2),
            "{}",
            agent.log()
        );
        let ended = agent.stop_with(signal);
        ended.assert_clean();
        assert!(
            ended.took < Duration::from_secs(2),
            "took {:?}:\n{}",
            ended.took,
            ended.log
        );
        assert_whole(&times(&server.accepted()), &ended);
        assert!(ended.complaints().is_empty(), "{}", ended.log);
    });
}

#[test]
fn with_no_backend_it_ends_in_bounded_time_and_says_how_much_was_left() {
    type Backend = fn(&Port) -> Box<dyn Send>;
    let backends: [(&str, Backend); 3] = [
        ("refused", |_| Box::new(())),
        ("black-holed", |port| Box::new(BlackHole::on(port))),
        ("SYNs dropped", |port| Box::new(DropsSyns::on(port))),
    ];
    all_at_once(&backends, |backend| {
        let port = Port::reserve();
        let _behind = backend(&port);
        let agent = Tcpgauge::run(&port.endpoint()).start();
        std::thread::sleep(Duration::from_secs(2));
        sleep_to_mid_second();
        let ended = agent.stop();
        ended.assert_clean();
        assert!(
            ended.took < Duration::from_secs(7),
            "took {:?}:\n{}",
            ended.took,
            ended.log
        );
        assert_says_undelivered(&ended);
    });
}

/// The first sample, one for each full second since, and the last.
fn assert_says_undelivered(ended: &Ended) {
    let taken = ended.stopped.as_secs() - ended.started.as_secs() + 2;
    let last = ended.log.lines().last().unwrap_or_default();
    assert!(
        last.contains(&format!("{taken} sample(s) undelivered")),
        "not {taken} undelivered:\n{}",
        ended.log
    );
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let port = Port::reserve();
    let _hole = BlackHole::on(&port);
    let agent = Tcpgauge::run(&port.endpoint()).start();
    std::thread::sleep(Duration::from_millis(1500));
    let apart = Duration::from_millis(500);
    let ended = agent.stop_twice(apart);
    assert!(
        ended.took < apart + Duration::from_millis(500),
        "took {:?}:\n{}",
        ended.took,
        ended.log
    );
    assert!(
        !ended.status.success(),
        "what waited is lost, so it did not end well"
    );
}

#[test]
fn what_a_backend_takes_late_is_still_sent_while_ending() {
    let mut server = OtlpServer::stopped(Port::reserve());
    let agent = Tcpgauge::run(&server.endpoint()).start();
    std::thread::sleep(Duration::from_millis(1500));
    server.start();
    let ended = agent.stop();
    ended.assert_clean();
    assert_whole(&times(&server.accepted()), &ended);
}

#[test]
fn a_full_queue_drops_the_oldest_and_says_how_many() {
    // Samples this large fill a small queue within seconds, whatever the least size that may be asked for; sealing
    // does not help where nothing repeats itself within the reach of deflate.
    let mut random = fastrand::Rng::with_seed(1);
    let padding: String = std::iter::repeat_with(|| random.alphanumeric())
        .take(60_000)
        .collect();
    let padding = format!("padding={padding}");
    let mut server = OtlpServer::stopped(Port::reserve());
    let agent = Tcpgauge::run(&server.endpoint())
        .args(["--queue-bytes", "200KiB"])
        .env("OTEL_RESOURCE_ATTRIBUTES", &padding);
    let agent = agent.start();
    std::thread::sleep(Duration::from_millis(6300));
    server.start();
    let ended = agent.stop();
    ended.assert_clean();

    let arrived = times(&server.accepted());
    let oldest = arrived[0];
    assert!(
        oldest > ended.started + Duration::from_secs(2),
        "the oldest are gone"
    );
    // From the oldest that was kept on, all is there: only old ones went.
    let started = ended.started;
    let kept = Ended {
        started: oldest,
        ..ended
    };
    assert_whole(&arrived, &kept);
    // The first sample, and one for each full second before the oldest that was kept.
    let dropped = oldest.as_secs() - started.as_secs();
    let said = format!("dropped={dropped}");
    assert!(
        kept.log
            .lines()
            .any(|line| line.contains("works again") && line.contains(&said)),
        "no word of {dropped} dropped:\n{}",
        kept.log
    );
    assert!(
        kept.complaints()
            .iter()
            .any(|line| line.contains("--queue-bytes")),
        "said when it begins:\n{}",
        kept.log
    );
}
