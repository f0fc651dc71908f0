//! The spool's disk fails or hangs while the agent runs: what waits is in memory, ticks are on time, and it is said once.

use std::path::Path;
use std::time::Duration;

use crate::agent::{Agent, Tcpgauge, sampled, sleep_to_mid_second, unix_now};
use crate::otlp_server::{OtlpServer, Port};
use crate::samples::{assert_whole, seconds, times};
use crate::shim::{Disk, Shim};

/// A disk is said to hang after 30 s, when the next sample comes.
const HANGS_WITHIN: Duration = Duration::from_mins(2);

/// The longest pause between two tries that comes about here is 8 s.
const WORKS_WITHIN: Duration = Duration::from_mins(1);

const SAYS_WITHIN: Duration = Duration::from_mins(1);

const WORKS: &str = "the spool works again";

fn start(endpoint: &str, shim: &Shim, spool: &Path) -> Agent {
    start_every("1s", endpoint, shim, spool)
}

fn start_every(interval: &str, endpoint: &str, shim: &Shim, spool: &Path) -> Agent {
    let agent = Tcpgauge::run_every(interval, endpoint);
    shim.start(agent.args(["--spool-dir".as_ref(), spool]))
}

#[test]
fn a_disk_that_fails_is_said_once_and_costs_nothing_but_the_copy() {
    let Some(shim) = Shim::new("a disk that fails") else {
        return;
    };
    let spool = tempfile::tempdir().unwrap();
    let server = OtlpServer::started();
    let agent = start(&server.endpoint(), &shim, spool.path());
    agent.wait_for_samples(2);
    shim.set_disk(Disk::Fails);
    agent.wait_for_log("cannot write to the spool", SAYS_WITHIN);
    let before = shim.syncs();
    agent.wait_for_samples(5);
    assert!(shim.syncs() > before, "it goes on trying");
    shim.set_disk(Disk::Works);
    agent.wait_for_log(WORKS, WORKS_WITHIN);
    let ended = agent.stop();
    ended.assert_clean();
    assert_whole(&times(&server.accepted()), &ended);
    assert_eq!(ended.complaints().len(), 1, "{}", ended.log);
    assert_eq!(ended.log.matches(WORKS).count(), 1, "{}", ended.log);
}

/// With a backend that takes each sample at once nothing is left to be written when it is tried again; that the disk works is not
/// known then.
#[test]
fn a_disk_that_fails_is_said_once_also_where_nothing_waits_for_it() {
    let Some(shim) = Shim::new("a disk that fails") else {
        return;
    };
    let spool = tempfile::tempdir().unwrap();
    let server = OtlpServer::started();
    shim.set_disk(Disk::Fails);
    let agent = start_every("3s", &server.endpoint(), &shim, spool.path());
    agent.wait_for_samples(4);
    shim.set_disk(Disk::Works);
    agent.wait_for_log(WORKS, WORKS_WITHIN);
    let ended = agent.stop();
    ended.assert_clean();
    assert_eq!(ended.complaints().len(), 1, "{}", ended.log);
    assert_eq!(ended.log.matches(WORKS).count(), 1, "{}", ended.log);
}

#[test]
fn what_waited_while_the_disk_failed_is_on_it_when_it_works_again() {
    let Some(shim) = Shim::new("a disk that works again") else {
        return;
    };
    let spool = tempfile::tempdir().unwrap();
    let mut server = OtlpServer::stopped(Port::reserve());
    shim.set_disk(Disk::Fails);
    let killed = start(&server.endpoint(), &shim, spool.path());
    killed.wait_for_log("cannot write to the spool", SAYS_WITHIN);
    killed.wait_for_samples(3);
    shim.set_disk(Disk::Works);
    killed.wait_for_log(WORKS, WORKS_WITHIN);
    // Not just when one is being written.
    sleep_to_mid_second();
    let (before, now) = (sampled(&killed.log()), unix_now());
    drop(killed);
    server.start();
    let agent = start(&server.endpoint(), &shim, spool.path());
    agent.wait_for_samples(1);
    agent.stop().assert_clean();
    let all = times(&server.accepted());
    let kept: Vec<Duration> = all.into_iter().filter(|time| *time < now).collect();
    assert_eq!(kept.len(), before, "{kept:?}");
    assert!(kept.is_sorted_by(|one, next| one < next), "{kept:?}");
    let ticks = seconds(&kept[1..]);
    assert!(
        ticks.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{ticks:?}"
    );
}

#[test]
fn a_disk_that_hangs_is_said_once_and_holds_up_neither_ticks_nor_the_end() {
    let Some(shim) = Shim::new("a disk that hangs") else {
        return;
    };
    let spool = tempfile::tempdir().unwrap();
    let server = OtlpServer::started();
    let agent = start(&server.endpoint(), &shim, spool.path());
    agent.wait_for_samples(2);
    shim.set_disk(Disk::Hangs);
    agent.wait_for_log("does not keep up", HANGS_WITHIN);
    agent.wait_for_samples(2);
    shim.set_disk(Disk::Works);
    agent.wait_for_log(WORKS, WORKS_WITHIN);
    shim.set_disk(Disk::Hangs);
    agent.wait_for_samples(2);
    let ended = agent.stop();
    ended.assert_clean();
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    assert_whole(&times(&server.accepted()), &ended);
    assert_eq!(ended.complaints().len(), 1, "{}", ended.log);
}

#[test]
fn a_disk_that_does_not_give_back_what_it_kept_holds_up_no_tick() {
    let Some(shim) = Shim::new("a disk that hangs at the start") else {
        return;
    };
    let spool = tempfile::tempdir().unwrap();
    let mut server = OtlpServer::stopped(Port::reserve());
    let killed = start(&server.endpoint(), &shim, spool.path());
    killed.wait_for_samples(2);
    drop(killed);
    server.start();
    shim.set_disk(Disk::Hangs);
    let agent = start(&server.endpoint(), &shim, spool.path());
    agent.wait_for_log("has not given back anything for 10s", HANGS_WITHIN);
    agent.wait_for_samples(2);
    let ended = agent.stop();
    ended.assert_clean();
    assert_whole(&times(&server.accepted()), &ended);
    assert_eq!(ended.complaints().len(), 1, "{}", ended.log);
}
