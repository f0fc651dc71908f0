//! How delivery is doing, said once for each change of it and not once for each failure.

use super::transport::{Answer, Failure, Kind};
use super::verdict::Verdict;

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Health {
    state: State,
    partial: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Untried,
    Works,
    Fails(Kind),
}

impl Health {
    /// A request was taken, after which so much still waits and so much was dropped since the start.
    pub(super) fn delivered(&mut self, answer: &Answer, waiting: usize, dropped: u64) {
        match std::mem::replace(&mut self.state, State::Works) {
            State::Untried => tracing::info!("delivery works"),
            State::Fails(_) => tracing::info!(waiting, dropped, "delivery works again"),
            State::Works => {}
        }
        let partial = answer.rejected_points > 0 || !answer.message.is_empty();
        if partial && !self.partial {
            tracing::warn!(
                rejected_points = answer.rejected_points,
                "the backend took a request, but not all of it: {}; more of this is not said again until a request is taken whole",
                super::grpc::printable(&answer.message),
            );
        }
        self.partial = partial;
    }

    /// A request was not taken, and is kept.
    pub(super) fn failed(&mut self, failure: &Failure, verdict: Verdict, waiting: usize) {
        if self.is_news(failure.kind) {
            let message = &failure.message;
            if let Verdict::Mend(advice) = verdict {
                tracing::error!(
                    waiting,
                    "cannot deliver: {message}: {advice}; keeping what waits and trying on"
                );
            } else {
                tracing::warn!(
                    waiting,
                    "cannot deliver: {message}; keeping what waits and trying on"
                );
            }
        }
    }

    /// A record was not taken and is dropped.
    pub(super) fn dropped(&mut self, failure: &Failure, dropped: u64) {
        if self.is_news(failure.kind) {
            tracing::error!(
                dropped,
                "the backend refuses a sample, which is dropped: {}",
                failure.message
            );
        }
    }

    fn is_news(&mut self, kind: Kind) -> bool {
        let state = State::Fails(kind);
        std::mem::replace(&mut self.state, State::Fails(kind)) != state
    }
}
