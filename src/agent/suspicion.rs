//! Who holds the sockets that should be gone, where that is wanted with each sample.

use std::io;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::culprits::{Access, Names, Watch};
use crate::reader::Searcher;
use crate::sample::Sample;
use crate::tcp::State;

/// A sample does not wait longer for the names of processes; what is not found by then is looked for with the next one.
const PATIENCE: Duration = Duration::from_millis(250);

/// Puts it into samples.
#[derive(Debug)]
pub(super) struct Suspicion {
    watch: Watch,
    searcher: Searcher,
    said: Access,
}

impl Suspicion {
    /// One for what the configuration wants, if it does.
    pub(super) fn start(config: &Config) -> io::Result<Option<Self>> {
        let Some(state) = config.metrics.attention().state else {
            return Ok(None);
        };
        Ok(Some(Self {
            watch: Watch::new(state),
            searcher: Searcher::start(config.source.proc_root.clone())?,
            said: Access::Whole,
        }))
    }

    /// Puts it into this one, which was read at `now`, in at most so much time.
    pub(super) async fn tell(&mut self, sample: &mut Sample, now: Instant, most: Duration) {
        let readings = sample.readings.iter_mut();
        let trusted = readings.filter(|reading| reading.counted.is_trusted());
        let pods = sample.pods.iter_mut().flat_map(|pods| &mut pods.readings);
        if !self.watch.take(trusted, pods) {
            return;
        }
        let wanted = self.watch.wanted();
        let names = if wanted.is_empty() {
            Names::default()
        } else {
            let patience = tokio::time::sleep(PATIENCE.min(most));
            let found = self.searcher.find(wanted, now, patience).await;
            found.unwrap_or_else(|| Names {
                access: Access::Cut,
                ..Names::default()
            })
        };
        let culprits = self.watch.tell(&names, now);
        self.say(&culprits.access, culprits.state);
        sample.culprits = Some(culprits);
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
