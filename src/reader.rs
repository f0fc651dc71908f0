//! Takes readings off the async thread, and lets none of them hold up a tick.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as thread_channel;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::source::chosen::Chosen;
use crate::source::{Fault, Options, ReadError, Reading, namespace};

const LATE: &str = "a reading did not end in the time that it had, and was given up: what is mounted there, or the kernel, is slow or does not answer";
const GONE: &str = "the thread that reads is gone; this is a bug in tcpgauge";

type Answer = Result<Reading, ReadError>;

/// What comes back from the thread.
#[derive(Debug)]
pub struct Done {
    /// The reading.
    pub reading: Answer,
    /// The memory that the process has after it; nothing where the proc root does not show that.
    pub resident_bytes: Option<u64>,
}

/// A thread with a source.
#[derive(Debug)]
pub struct Reader {
    requests: thread_channel::Sender<Instant>,
    answers: mpsc::Receiver<Done>,
    stop: Arc<AtomicBool>,
    /// A reading that was given up has not ended yet.
    overdue: bool,
    what: String,
}

impl Reader {
    /// Starts the thread.
    pub fn start(options: Options) -> io::Result<Self> {
        let what = format!(
            "read {}",
            options.proc_root.join(options.scope.directory()).display()
        );
        let (requests, wanted) = thread_channel::channel();
        let (give, answers) = mpsc::channel(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || {
                let root = options.proc_root.clone();
                let mut source = Chosen::new(options);
                while let Ok(now) = wanted.recv() {
                    let done = Done {
                        reading: source.read(now, &stopped),
                        resident_bytes: namespace::resident_bytes(&root),
                    };
                    if give.blocking_send(done).is_err() {
                        break;
                    }
                }
            })?;
        Ok(Self {
            requests,
            answers,
            stop,
            overdue: false,
            what,
        })
    }

    /// Takes a reading at `now`, or gives up when `patience` ends.
    ///
    /// A reading that was given up goes on until it notices, or until what blocks it lets go: only then can there be another.
    pub async fn read(
        &mut self,
        now: Instant,
        patience: impl Future<Output = ()>,
    ) -> Result<Done, Fault> {
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
        if self.requests.send(now).is_err() {
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
