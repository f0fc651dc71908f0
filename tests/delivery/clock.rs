//! The agent's wall clock jumps while it runs: samples carry the time that the clock said, and nothing else changes.

use std::time::Duration;

use crate::agent::{Ended, Tcpgauge, all_at_once, sampled, sleep_to_mid_second, unix_now};
use crate::otlp_server::{OtlpServer, Port};
use crate::samples::{relative, times};
use crate::shim::Shim;

/// Hours that a clock is ahead, or behind.
type Hours = f64;

/// A little more than an hour, so that the full seconds of this clock are not those of the other.
const ODD_HOUR: Hours = 1.0 + 0.2 / 3600.0;

/// Longer than anything may wait.
const LONG: Hours = 25.0;

/// How late after its moment a sample may be taken on a machine that is busy, or stands still for a while: it is nearer to its own
/// second than to the next.
const ON_TIME: Duration = Duration::from_millis(500);

const INTERVAL: Duration = Duration::from_secs(1);

#[expect(clippy::cast_possible_truncation, reason = "of a day or so")]
fn nanoseconds(hours: Hours) -> i64 {
    (hours * 3600.0 * 1e9).round() as i64
}

/// A clock that the test sets, and what it said when.
struct Clock {
    shim: Shim,
    /// From these moments on it was ahead by so many nanoseconds.
    jumps: Vec<(Duration, i64)>,
}

impl Clock {
    fn new(shim: Shim) -> Self {
        Self {
            shim,
            jumps: vec![(unix_now(), 0)],
        }
    }

    /// Jumps when no tick is near.
    fn jump(&mut self, ahead: Hours) {
        sleep_to_mid_second();
        let ahead = nanoseconds(ahead);
        self.shim.set_clock(ahead);
        self.jumps.push((unix_now(), ahead));
    }

    /// When a sample was really taken, and after which jump: there is one moment only at which this clock said so.
    fn moment(&self, said: Duration, end: Duration) -> (Duration, usize) {
        let said = i64::try_from(said.as_nanos()).unwrap();
        let mut moments = self
            .jumps
            .iter()
            .enumerate()
            .filter_map(|(jump, (from, ahead))| {
                let moment = Duration::from_nanos(u64::try_from(said - ahead).ok()?);
                let to = self.jumps.get(jump + 1).map_or(end, |(to, _)| *to);
                let is_so = (*from..to).contains(&moment);
                is_so.then_some((moment, jump))
            });
        let moment = moments.next().expect("a time that the clock never said");
        assert!(moments.next().is_none());
        moment
    }

    /// Every sample from the start to the end is there, once, in the order in which they were taken, and was taken on time.
    fn assert_whole(&self, said: &[Duration], ended: &Ended) {
        let end = ended.stopped + INTERVAL;
        let moments: Vec<(Duration, usize)> =
            said.iter().map(|said| self.moment(*said, end)).collect();
        let taken: Vec<Duration> = moments.iter().map(|(moment, _)| *moment).collect();
        let shown = || format!("{}\n{}", relative(&taken, ended.started), ended.log);
        let (first, last) = (taken[0], taken[taken.len() - 1]);
        assert!(
            first >= ended.started && first < ended.started + INTERVAL,
            "{}",
            shown()
        );
        assert!(
            last >= ended.stopped && last < ended.stopped + INTERVAL,
            "{}",
            shown()
        );
        let gaps = taken.windows(2).map(|pair| pair[1].checked_sub(pair[0]));
        for gap in gaps {
            let gap = gap.unwrap_or_default();
            assert!(!gap.is_zero(), "out of order: {}", shown());
            assert!(gap <= INTERVAL + ON_TIME, "one is missing: {}", shown());
        }
        for index in 1..moments.len() - 1 {
            // The first one after a jump was due by what the clock said before.
            if moments[index].1 == moments[index - 1].1 {
                let late = Duration::from_nanos(said[index].subsec_nanos().into());
                assert!(late <= ON_TIME, "{late:?} late: {}", shown());
            }
        }
        // One for each second, one for each jump, and both ends.
        let seconds = ended.stopped.as_secs() - ended.started.as_secs();
        let most = usize::try_from(seconds).unwrap() + self.jumps.len() + 2;
        assert!(taken.len() <= most, "it spins: {}", shown());
        assert_eq!(taken.len(), sampled(&ended.log), "{}", shown());
    }
}

/// Whether there is a backend meanwhile, and how the clock jumps.
struct Case {
    has_backend: bool,
    jumps: &'static [Hours],
}

fn jumps(case: &Case) {
    let Some(shim) = Shim::new("clock jumps") else {
        return;
    };
    let mut clock = Clock::new(shim);
    let mut server = OtlpServer::stopped(Port::reserve());
    if case.has_backend {
        server.start();
    }
    let agent = clock.shim.start(Tcpgauge::run(&server.endpoint()));
    agent.wait_for_samples(2);
    for ahead in case.jumps {
        clock.jump(*ahead);
        agent.wait_for_samples(3);
    }
    if !case.has_backend {
        server.start();
    }
    // What waits is sent then, whatever the back-off says.
    let ended = agent.stop();
    ended.assert_clean();
    clock.assert_whole(&times(&server.accepted()), &ended);
    let complaints = usize::from(!case.has_backend);
    assert_eq!(ended.complaints().len(), complaints, "{}", ended.log);
}

#[test]
fn a_clock_that_jumps_loses_no_sample_doubles_none_and_delays_no_tick() {
    let case = |has_backend, jumps| Case { has_backend, jumps };
    let cases = [
        ("back and forth again", case(true, &[-1.0, 0.0])),
        ("forth and back again", case(true, &[1.0, 0.0])),
        ("back by an odd time", case(true, &[-ODD_HOUR, 0.0])),
        ("forth by an odd time", case(true, &[ODD_HOUR, 0.0])),
        ("back, with a backlog", case(false, &[-1.0])),
        ("forth, with a backlog", case(false, &[1.0])),
        ("back by more than the bound", case(false, &[-LONG])),
        ("forth by more than the bound", case(false, &[LONG])),
        ("far back and forth again", case(false, &[-LONG, 0.0])),
        ("far forth and back again", case(false, &[LONG, 0.0])),
    ];
    all_at_once(&cases, jumps);
}

/// What the clock is ahead while samples come into the spool, what it is ahead at the next start, and whether they are sent then.
struct Restart {
    before: Hours,
    after: Hours,
    kept: bool,
}

fn restarts(case: &Restart) {
    let Some(shim) = Shim::new("clock jumps between two starts") else {
        return;
    };
    let spool = tempfile::tempdir().unwrap();
    let mut server = OtlpServer::stopped(Port::reserve());
    let start = |ahead| {
        shim.set_clock(nanoseconds(ahead));
        let agent = Tcpgauge::run(&server.endpoint());
        shim.start(agent.args(["--spool-dir".as_ref(), spool.path()]))
    };
    let killed = start(case.before);
    // The last one may be said and not be on disk.
    killed.wait_for_samples(4);
    drop(killed);
    let agent = start(case.after);
    server.start();
    agent.wait_for_samples(2);
    let ended = agent.stop();
    ended.assert_clean();
    let said = times(&server.accepted());
    let ahead = |said: Duration| {
        i64::try_from(said.as_nanos()).unwrap() - i64::try_from(ended.started.as_nanos()).unwrap()
    };
    // Nothing takes a quarter of an hour here.
    let is_of =
        |hours: Hours, said: Duration| (ahead(said) - nanoseconds(hours)).abs() < nanoseconds(0.25);
    let old = said
        .iter()
        .take_while(|said| is_of(case.before, **said))
        .count();
    let (old, new) = said.split_at(old);
    assert!(
        new.len() >= 2 && new.iter().all(|said| is_of(case.after, *said)),
        "{said:?}"
    );
    assert!(
        said.is_sorted_by(|one, next| one < next) || case.before > case.after,
        "{said:?}"
    );
    if case.kept {
        assert!(
            old.len() >= 3 && old.is_sorted_by(|one, next| one < next),
            "{said:?}\n{}",
            ended.log
        );
        assert!(!ended.log.contains("dropped from now on"), "{}", ended.log);
    } else {
        assert!(old.is_empty(), "{said:?}");
        assert!(
            ended
                .complaints()
                .iter()
                .any(|line| line.contains("the oldest samples are dropped")),
            "{}",
            ended.log
        );
        assert!(
            ended
                .complaints()
                .iter()
                .any(|line| line.contains("undelivered=0")),
            "{}",
            ended.log
        );
    }
}

/// What waited before the agent was started is as old as the clock says: nothing else can tell.
#[test]
fn across_a_start_the_clock_tells_ages_and_one_that_is_behind_makes_nothing_old() {
    let case = |before, after, kept| Restart {
        before,
        after,
        kept,
    };
    let cases = [
        ("forth", case(0.0, 1.0, true)),
        ("forth by more than the bound", case(0.0, LONG, false)),
        ("back by more than the bound", case(0.0, -LONG, true)),
        ("taken back", case(LONG, 0.0, true)),
    ];
    all_at_once(&cases, restarts);
}
