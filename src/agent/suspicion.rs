//! Who holds the sockets that should be gone, where that is wanted with each sample.

use std::time::{Duration, Instant};

use crate::config::Config;
use crate::culprits::{Access, Names, Watch};
use crate::reader::Searcher;
use crate::sample::Sample;
use crate::source::proc_root::ProcRoot;
use crate::tcp::State;

/// A sample does not wait longer for the names of processes; what is not found by then is looked for with the next one.
const PATIENCE: Duration = Duration::from_millis(250);

/// To look into every process costs more than all else. Where only alerts ask, whoever was found is told for so long before it is
/// looked again.
const AGAIN: Duration = Duration::from_mins(1);

/// Puts it into samples.
#[derive(Debug)]
pub(super) struct Suspicion {
    watch: Watch,
    /// Whether processes are looked for with each sample, for they are exported.
    is_exported: bool,
    root: ProcRoot,
    /// On a thread that is there from the first search on: mostly there is never one.
    searcher: Option<Searcher>,
    /// When everything that could be found was found.
    found: Option<Instant>,
    /// What was found last.
    known: Names,
    said: Access,
}

impl Suspicion {
    /// One for what the configuration wants, if it does.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let state = config.source.attention.state?;
        Some(Self {
            watch: Watch::new(state),
            is_exported: config.metrics.attention().state.is_some(),
            root: config.source.proc_root.clone(),
            searcher: None,
            found: None,
            known: Names::default(),
            said: Access::Whole,
        })
    }

    /// Puts it into this one, which was read at `now`, in at most so much time. Processes are looked for where an alert asks.
    pub(super) async fn tell(
        &mut self,
        sample: &mut Sample,
        now: Instant,
        most: Duration,
        is_asked: bool,
    ) {
        let readings = sample.readings.iter_mut();
        let trusted = readings.filter(|reading| reading.counted.is_trusted());
        let pods = sample.pods.iter_mut().flat_map(|pods| &mut pods.readings);
        if !self.watch.take(trusted, pods) {
            return;
        }
        let is_fresh = self.found.is_some_and(|found| now < found + AGAIN);
        if self.is_exported || is_asked && !is_fresh {
            self.search(now, PATIENCE.min(most)).await;
            self.found = (self.known.access != Access::Cut).then_some(now);
        } else if !is_asked {
            (self.known, self.found) = (Names::default(), None);
        }
        let culprits = self.watch.tell(&self.known, now);
        self.say(&culprits.access, culprits.state);
        sample.culprits = Some(culprits);
    }

    async fn search(&mut self, now: Instant, most: Duration) {
        let searcher = match &mut self.searcher {
            Some(searcher) => searcher,
            none => match Searcher::start(self.root.clone()) {
                Ok(searcher) => none.insert(searcher),
                Err(error) => {
                    let why = format!("cannot start the thread that looks for processes: {error}");
                    self.known.access = Access::Failed(why.into());
                    return;
                }
            },
        };
        let patience = tokio::time::sleep(most);
        match searcher.find(self.watch.wanted(), now, patience).await {
            Some(names) => self.known = names,
            // Who was found to hold a socket is told to until something else is known, or the socket is gone.
            None => self.known.access = Access::Cut,
        }
    }

    /// Says what keeps processes from being named, once for each change of it.
    fn say(&mut self, access: &Access, state: State) {
        let is_news = std::mem::discriminant(access) != std::mem::discriminant(&self.said);
        // That there is nothing to be named just now is no news.
        if !is_news || *access == Access::Whole {
            return;
        }
        self.said = access.clone();
        let state = state.name();
        match access {
            Access::Whole => {}
            Access::Denied(_) | Access::Cut => {
                tracing::info!("sockets in {state}: {access}");
            }
            Access::Failed(_) => tracing::warn!("sockets in {state}: {access}"),
        }
    }
}
