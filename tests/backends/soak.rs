//! An agent for a long time among faults at random: it grows in nothing, ticks on time, and every second is accounted for.
//!
//! Run by `.ci/soak SECONDS`, as its claims on time need a machine that is not busy with other tests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::agent::{ProcTree, unix_now};
use crate::child::wait_for;
use crate::http_server::{Answer, HttpServer};
use crate::otlp_server::{self, OtlpServer};
use crate::program;
use crate::proxy::{Fault, Proxy};
use crate::samples::{Sample, samples, samples_of};

/// How long, in seconds.
const SECONDS: &str = "TCPGAUGE_SOAK_SECONDS";

/// Of a tick: a tenth of the interval of one second, and what a machine that stood still adds to it.
const MOST_LATE: Duration = Duration::from_millis(100);

/// What an agent may have beyond what it had in the first half: buffers that a longer outage has filled.
const MOST_GROWTH_KIB: u64 = 1024;
const MOST_FILES: usize = 4;

const FAULTS: [Fault; 8] = [
    Fault::None,
    Fault::Down,
    Fault::Silence,
    Fault::NoRequests,
    Fault::NoAnswers,
    Fault::Trickle,
    Fault::Cut,
    Fault::Garbage,
];

/// One who does nothing but wake at each full second: as late as the machine makes anybody.
struct Bystander {
    is_over: Arc<AtomicBool>,
    waking: JoinHandle<BTreeMap<u64, Duration>>,
}

impl Bystander {
    fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let waking = std::thread::spawn(move || {
            let mut late = BTreeMap::new();
            while !over.load(Ordering::Relaxed) {
                let due = unix_now().as_secs() + 1;
                std::thread::sleep(Duration::from_secs(due).saturating_sub(unix_now()));
                late.insert(due, unix_now().saturating_sub(Duration::from_secs(due)));
            }
            late
        });
        Self { is_over, waking }
    }

    /// How late it was, by the second.
    fn end(self) -> BTreeMap<u64, Duration> {
        self.is_over.store(true, Ordering::Relaxed);
        self.waking.join().unwrap()
    }
}

/// What an agent uses at a moment.
#[derive(Clone, Copy, Debug)]
struct Use {
    resident_kib: u64,
    files: usize,
}

impl Use {
    fn of(child: &Child) -> Self {
        let proc = Path::new("/proc").join(child.id().to_string());
        let status = std::fs::read_to_string(proc.join("status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.unwrap().split_whitespace().next().unwrap();
        Self {
            resident_kib: resident.parse().unwrap(),
            files: std::fs::read_dir(proc.join("fd")).unwrap().count(),
        }
    }
}

struct Soaked {
    started: Duration,
    stopped: Duration,
    uses: Vec<Use>,
    /// How late whoever does nothing woke at a second.
    machine: BTreeMap<u64, Duration>,
    log: String,
}

fn soak(
    protocol: &str,
    proxy: &Proxy,
    lasts: Duration,
    settled: impl Fn(Duration) -> bool,
) -> Soaked {
    let tree = ProcTree::new();
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = program::tcpgauge(["run", "--interval", "1s", "--timeout", "2s"]);
    command
        .args(["--host-name", "h", "--protocol", protocol])
        .args(["--endpoint", &proxy.endpoint(), "--proc-root"])
        .arg(tree.root())
        .env("TCPGAUGE_SEND_SPREAD", "0s")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.reopen().unwrap());
    let bystander = Bystander::start();
    let started = unix_now();
    let mut child = command.spawn().unwrap();
    let said = || std::fs::read_to_string(log.path()).unwrap();
    let (began, mut uses) = (Instant::now(), Vec::new());
    while began.elapsed() < lasts {
        proxy.set(FAULTS[fastrand::usize(..FAULTS.len())]);
        for _ in 0..fastrand::usize(1..6) {
            std::thread::sleep(Duration::from_secs(1));
            uses.push(Use::of(&child));
        }
        // Otherwise the back-off is at a minute for ever.
        proxy.set(Fault::None);
        std::thread::sleep(Duration::from_millis(fastrand::u64(500..4000)));
        uses.push(Use::of(&child));
    }
    proxy.set(Fault::None);
    let healed = unix_now();
    wait_for(said, || settled(healed).then_some(()));
    uses.push(Use::of(&child));
    let stopped = unix_now();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{}", said());
    Soaked {
        started,
        stopped,
        uses,
        machine: bystander.end(),
        log: said(),
    }
}

impl Soaked {
    fn grows_in_nothing(&self) {
        let (first, second) = self.uses.split_at(self.uses.len() / 2);
        let most = |uses: &[Use]| uses.iter().map(|one| one.resident_kib).max().unwrap();
        println!(
            "resident: {} KiB, then {} KiB at most",
            most(first),
            most(second)
        );
        assert!(
            most(second) <= most(first) + MOST_GROWTH_KIB,
            "it grows: {:?}",
            self.uses
        );
        let files = |uses: &[Use]| uses.iter().map(|one| one.files).max().unwrap();
        println!(
            "descriptors: {}, then {} at most",
            files(first),
            files(second)
        );
        assert!(
            files(second) <= self.uses[0].files + MOST_FILES,
            "descriptors: {:?}",
            self.uses
        );
    }

    /// Each second has a sample that was received, but for as many as the agent says that it has dropped.
    fn accounts_for_all(&self, samples: &[Sample]) {
        let times: BTreeSet<Duration> = samples.iter().map(|sample| sample.time).collect();
        let seconds: BTreeSet<u64> = times.iter().map(Duration::as_secs).collect();
        let expected = self.started.as_secs() + 1..=self.stopped.as_secs();
        let missing: Vec<u64> = expected
            .clone()
            .filter(|one| !seconds.contains(one))
            .collect();
        let dropped: i64 = samples
            .iter()
            .map(|sample| sample.points("tcpgauge.delivery.dropped").values().sum())
            .max()
            .unwrap();
        println!(
            "{} seconds, {} received, {dropped} dropped",
            expected.count(),
            times.len()
        );
        assert_eq!(
            i64::try_from(missing.len()).unwrap(),
            dropped,
            "missing: {missing:?}\n{}",
            self.log
        );
        // The first and the last are taken at no full second.
        let ticks = times.iter().skip(1).rev().skip(1);
        let late = ticks.map(|time| {
            let late = Duration::from_nanos(time.subsec_nanos().into());
            (late, self.machine.get(&time.as_secs()).copied())
        });
        let late: Vec<_> = late.collect();
        let (latest, machine) = late.iter().max().unwrap();
        println!("the latest tick was {latest:?} late, and a bystander then {machine:?}");
        for (late, machine) in late {
            let most = MOST_LATE + machine.unwrap_or_default();
            assert!(late <= most, "{late:?}, and a bystander {machine:?}");
        }
    }
}

fn lasts() -> Duration {
    let seconds = std::env::var(SECONDS).ok();
    Duration::from_secs(seconds.map_or(60, |seconds| seconds.parse().unwrap()))
}

/// One request in so many is refused, for a while or for good.
const BAD: usize = 50;

/// Decides which sample is one that a server never takes.
struct Choosy {
    /// After the faults it takes everything.
    is_over: Arc<AtomicBool>,
    /// What was not refused when it came.
    seen: BTreeSet<Duration>,
}

impl Choosy {
    fn until(is_over: &Arc<AtomicBool>) -> Self {
        Self {
            is_over: Arc::clone(is_over),
            seen: BTreeSet::new(),
        }
    }

    /// One sample by itself, now and then. Not the first, which is taken at no full second and so is not accounted for; and none
    /// that may have been taken before, with an answer that was lost: it would be received, and dropped as well.
    fn refuses(&mut self, times: &[Duration]) -> bool {
        let is_new = matches!(times, [time] if !self.seen.contains(time));
        let may = is_new && !self.seen.is_empty() && !self.is_over.load(Ordering::Relaxed);
        let refuses = may && fastrand::usize(..BAD) == 0;
        if !refuses {
            self.seen.extend(times);
        }
        refuses
    }
}

fn account(
    protocol: &str,
    address: SocketAddr,
    is_over: &AtomicBool,
    received: impl Fn() -> Vec<Sample>,
) {
    let proxy = Proxy::before(address, Fault::None);
    let soaked = soak(protocol, &proxy, lasts(), |healed| {
        is_over.store(true, Ordering::Relaxed);
        // One that is taken after that tells of everything that was dropped before.
        received()
            .iter()
            .any(|sample| sample.time > healed + Duration::from_secs(2))
    });
    soaked.grows_in_nothing();
    soaked.accounts_for_all(&received());
}

#[test]
#[ignore = "run by .ci/soak, on a machine that does nothing else"]
fn an_agent_among_faults_grows_in_nothing_and_accounts_for_every_second_over_grpc() {
    let server = OtlpServer::started();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut choosy = Choosy::until(&is_over);
    server.answer(move |_, request| {
        let asked = samples_of(request);
        let times: Vec<_> = asked.iter().map(|sample| sample.time).collect();
        match fastrand::usize(..BAD) {
            _ if choosy.refuses(&times) => {
                otlp_server::Answer::refuse(tonic::Code::InvalidArgument, "bad")
            }
            1 => otlp_server::Answer::refuse(tonic::Code::Unavailable, "busy"),
            2 => otlp_server::Answer::refuse(tonic::Code::ResourceExhausted, "much"),
            _ => otlp_server::Answer::ok(),
        }
    });
    account("grpc", server.port().address(), &is_over, || {
        samples(&server.accepted())
    });
}

#[test]
#[ignore = "run by .ci/soak, on a machine that does nothing else"]
fn an_agent_among_faults_grows_in_nothing_and_accounts_for_every_second_over_http() {
    let is_over = Arc::new(AtomicBool::new(false));
    let mut choosy = Choosy::until(&is_over);
    let server = HttpServer::start(move |_, asked| match fastrand::usize(..BAD) {
        _ if choosy.refuses(&asked.times) => Answer::of(400),
        1 => Answer::of(503).with("retry-after", "1"),
        2 => Answer::of(413),
        3 => Answer::of(404),
        _ => Answer::of(200),
    });
    account("http/protobuf", server.port().address(), &is_over, || {
        server.samples()
    });
}
