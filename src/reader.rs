//! Takes readings off the async thread, and lets none of them hold up a tick.

mod searcher;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self as thread_channel, RecvTimeoutError};
use std::time::{Instant, SystemTime};

use tokio::sync::mpsc;

pub use self::searcher::Searcher;
use crate::counters::{Capacity, Counters, Wanted, Watch};
use crate::pods::engine::Engine;
use crate::pods::node::ProcNode;
use crate::pods::{self, Pods};
use crate::ports::{self, Look};
use crate::source::chosen::Chosen;
use crate::source::{Fault, Options, ReadError, Reading, Scope, namespace};

const LATE: &str = "a reading did not end in the time that it had, and was given up: what is mounted there, or the kernel, is slow or does not answer";
const GONE: &str = "the thread that reads is gone; this is a bug in tcpgauge";

/// When a reading is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the clock that only goes on.
    pub now: Instant,
    /// By the one on the wall.
    pub time: SystemTime,
}

/// What a thread has read.
#[derive(Debug)]
pub struct Done<R> {
    /// The reading.
    pub reading: R,
    /// The memory that the process has after it; nothing where the proc root does not show that.
    pub resident_bytes: Option<u64>,
}

/// What there is of the host, or of a namespace by itself.
#[derive(Debug)]
pub struct Seen {
    /// Its sockets.
    pub sockets: Result<Reading, ReadError>,
    /// The host's counters, where they are wanted and the host could be read.
    pub counters: Option<Result<Counters, Fault>>,
    /// What the host has room for, where that is wanted and the host could be read.
    pub capacity: Option<Capacity>,
    /// The ports in use, where they are wanted.
    pub ports: Result<Look, Fault>,
}

/// With the thread that saw it.
pub type OfSource = Done<Seen>;

/// What there is of pods.
pub type OfPods = Done<Result<Pods, Fault>>;

/// What reads: the host or a namespace by itself, pods, or both.
#[derive(Debug)]
pub struct Readers {
    source: Option<Reader<Moment, OfSource>>,
    pods: Option<Reader<Moment, OfPods>>,
}

impl Readers {
    /// Starts a thread for each of the two that is wanted.
    pub fn start(
        source: Option<&Options>,
        wanted: Wanted,
        ports: Option<&ports::Options>,
        pods: Option<&pods::Options>,
        clock: fn() -> Instant,
    ) -> io::Result<Self> {
        Ok(Self {
            source: source
                .cloned()
                .map(|options| Reader::start(options, wanted, ports.cloned()))
                .transpose()?,
            pods: pods
                .cloned()
                .map(|options| Reader::of_pods(options, clock))
                .transpose()?,
        })
    }

    /// Takes both readings at once, each until `patience` ends.
    pub async fn read<P: Future<Output = ()>>(
        &mut self,
        moment: Moment,
        patience: impl Fn() -> P,
    ) -> (
        Option<Result<OfSource, Fault>>,
        Option<Result<OfPods, Fault>>,
    ) {
        tokio::join!(
            async {
                match &mut self.source {
                    Some(reader) => Some(reader.read(moment, patience()).await),
                    None => None,
                }
            },
            async {
                match &mut self.pods {
                    Some(reader) => Some(reader.read(moment, patience()).await),
                    None => None,
                }
            }
        )
    }
}

/// A thread that reads when it is given a `Q`, and answers with an `A`.
#[derive(Debug)]
struct Reader<Q, A> {
    requests: thread_channel::Sender<Q>,
    answers: mpsc::Receiver<A>,
    stop: Arc<AtomicBool>,
    /// A reading that was given up has not ended yet.
    overdue: bool,
    what: String,
}

impl Reader<Moment, OfSource> {
    /// Starts a thread that reads one scope.
    fn start(options: Options, wanted: Wanted, ports: Option<ports::Options>) -> io::Result<Self> {
        let directory = options.proc_root.join(options.scope.directory());
        let what = format!("read {}", directory.display());
        Self::spawn("reader", what, move |requests, give, stop| {
            let root = options.proc_root.clone();
            let is_host = options.scope == Scope::Host;
            let mut watch = Watch::new(root.clone());
            let mut ports =
                ports.map(|ports| ports::Watch::new(ports, root.clone(), options.scope));
            let mut source = Chosen::new(options);
            while let Ok(Moment { now, .. }) = requests.recv() {
                let sockets = source.read(now, stop);
                let ports = match (&mut ports, &sockets) {
                    (Some(watch), Ok(reading)) => {
                        watch.look(now, reading, |mut see| source.show(reading, stop, &mut see))
                    }
                    _ => Ok(Look::Untold),
                };
                // Whatever keeps the host from being read is true of these as well.
                let is_there = is_host && sockets.is_ok();
                let done = Done {
                    reading: Seen {
                        sockets,
                        counters: (is_there && wanted.counters).then(|| watch.counters()),
                        capacity: (is_there && wanted.capacity).then(|| watch.capacity()),
                        ports,
                    },
                    resident_bytes: namespace::resident_bytes(&root),
                };
                if give.blocking_send(done).is_err() {
                    break;
                }
            }
        })
    }
}

impl Reader<Moment, OfPods> {
    /// Starts a thread that reads pods: with every request, and between them what it puts off.
    fn of_pods(options: pods::Options, clock: fn() -> Instant) -> io::Result<Self> {
        let what = format!("read pods in {}", options.proc_root.path().display());
        Self::spawn("pods", what, move |wanted, give, stop| {
            let root = options.proc_root.clone();
            let node = ProcNode::new(&options);
            let mut engine = Engine::new(options, node);
            loop {
                let moment = match engine.due(clock()) {
                    None => wanted.recv().map_err(|_| RecvTimeoutError::Disconnected),
                    Some(due) => wanted.recv_timeout(due.saturating_duration_since(clock())),
                };
                match moment {
                    Ok(Moment { now, time }) => {
                        let done = Done {
                            reading: engine.tick(now, time, stop),
                            resident_bytes: namespace::resident_bytes(&root),
                        };
                        if give.blocking_send(done).is_err() {
                            break;
                        }
                        // That was for this tick, and what is read until the next one is wanted.
                        stop.store(false, Ordering::Relaxed);
                    }
                    Err(RecvTimeoutError::Timeout) => engine.turn(clock(), stop),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        })
    }
}

impl<Q: Send + 'static, A: Send + 'static> Reader<Q, A> {
    fn spawn(
        name: &str,
        what: String,
        work: impl FnOnce(&thread_channel::Receiver<Q>, &mpsc::Sender<A>, &AtomicBool) + Send + 'static,
    ) -> io::Result<Self> {
        let (requests, wanted) = thread_channel::channel();
        let (give, answers) = mpsc::channel(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&wanted, &give, &stopped))?;
        Ok(Self {
            requests,
            answers,
            stop,
            overdue: false,
            what,
        })
    }

    /// Takes a reading, or gives up when `patience` ends.
    ///
    /// A reading that was given up goes on until it notices, or until what blocks it lets go: only then can there be another.
    async fn read(&mut self, moment: Q, patience: impl Future<Output = ()>) -> Result<A, Fault> {
        tokio::pin!(patience);
        if self.overdue {
            tokio::select! {
                biased;
                _ = self.answers.recv() => self.overdue = false,
                () = &mut patience => {
                    return Err(self.fault(LATE));
                }
            }
        }
        self.stop.store(false, Ordering::Relaxed);
        if self.requests.send(moment).is_err() {
            return Err(self.fault(GONE));
        }
        tokio::select! {
            biased;
            answer = self.answers.recv() => answer.ok_or_else(|| self.fault(GONE)),
            () = patience => {
                self.stop.store(true, Ordering::Relaxed);
                self.overdue = true;
                Err(self.fault(LATE))
            }
        }
    }

    fn fault(&self, why: &str) -> Fault {
        Fault {
            what: self.what.clone(),
            why: why.to_owned(),
            reason: "timeout",
        }
    }
}

#[cfg(test)]
mod tests;
