//! Looks for processes on a thread of its own: a sample waits for what it finds in a given time, and not for the rest.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Reader;
use crate::culprits::machine::ProcMachine;
use crate::culprits::search::Search;
use crate::culprits::{Names, Wanted};
use crate::source::proc_root::ProcRoot;

/// How long a search may take to notice that its time is up.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What is looked for, and when.
#[derive(Debug)]
struct Request {
    wanted: Vec<Wanted>,
    now: Instant,
}

/// The thread.
#[derive(Debug)]
pub struct Searcher(Reader<Request, Names>);

impl Searcher {
    /// Starts it.
    pub fn start(root: ProcRoot) -> io::Result<Self> {
        let what = format!("look into the processes in {}", root.path().display());
        Reader::spawn("culprits", what, move |requests, give, stop| {
            let mut search = Search::new(ProcMachine::new(root));
            while let Ok(Request { wanted, now }) = requests.recv() {
                let names = search.find(&wanted, now, stop);
                if give.blocking_send(names).is_err() {
                    break;
                }
            }
        })
        .map(Self)
    }

    /// Looks for the processes that hold these sockets until `patience` ends, and gives what was found by then. Nothing where the
    /// thread does not answer: what it looks at does not.
    pub async fn find(
        &mut self,
        wanted: Vec<Wanted>,
        now: Instant,
        patience: impl Future<Output = ()>,
    ) -> Option<Names> {
        let Reader {
            requests,
            answers,
            stop,
            overdue,
            ..
        } = &mut self.0;
        tokio::pin!(patience);
        if *overdue {
            tokio::select! {
                biased;
                _ = answers.recv() => *overdue = false,
                () = &mut patience => return None,
            }
        }
        stop.store(false, Ordering::Relaxed);
        requests.send(Request { wanted, now }).ok()?;
        tokio::select! {
            biased;
            answer = answers.recv() => return answer,
            () = patience => stop.store(true, Ordering::Relaxed),
        }
        let answer = tokio::time::timeout(LAST_WORDS, answers.recv()).await;
        *overdue = answer.is_err();
        answer.ok()?
    }
}
