//! What the agent tells whoever asks over HTTP, where somebody may ask.

use std::time::Instant;

use tokio::task::JoinSet;

use super::line::Watch;
use super::moment;
use super::shipping::Shipping;
use super::watching::Watching;
use crate::config::{self, Config};
use crate::delivery;
use crate::http::board::{About, Board, Delivery, Last};
use crate::http::server::{ListenError, Listener};
use crate::sample::Sample;
use crate::source::{Reading, Scope};

/// The board that is asked for, and who answers; they end with it.
pub(super) struct Serving {
    /// Nothing where nobody can ask.
    board: Option<Board>,
    _answering: JoinSet<()>,
}

impl Serving {
    /// Begins to listen. Somebody counts on a place that was asked for, so to have it is a condition; a default is a convenience.
    pub(super) fn start(config: &Config, watching: &Watching) -> Result<Self, ListenError> {
        let mut listeners = Vec::new();
        // First what was asked for: a default must not take its port.
        if let Some(place) = config.http.health {
            let listener = Listener::for_health(place)?;
            tracing::info!("answering probes on http://{}/livez", listener.address());
            listeners.push(listener);
        }
        if let Some(wanted) = config.http.all {
            match Listener::for_all(wanted, config.http.page) {
                Ok(listener) => {
                    let page = if config.http.page { "" } else { "status" };
                    tracing::info!("answering on http://{}/{page}", listener.address());
                    listeners.push(listener);
                }
                Err(error) if wanted.asked_for => return Err(error),
                Err(error) => {
                    tracing::warn!(
                        "{error}; going on without the page, /livez, /readyz and /status there"
                    );
                }
            }
        }
        let mut answering = JoinSet::new();
        let board = (!listeners.is_empty()).then(|| Board::new(about(config), clock));
        if let Some(board) = &board {
            let (alerts, history) = watching.remembered();
            if let Some(history) = history {
                board.remembers(history);
            }
            if let Some(alerts) = alerts {
                board.judges(alerts);
            }
        }
        for listener in listeners {
            if let Some(board) = board.clone() {
                answering.spawn(listener.serve(board));
            }
        }
        Ok(Self {
            board,
            _answering: answering,
        })
    }

    /// A tick begins.
    pub(super) fn ticks(&self) {
        if let Some(board) = &self.board {
            board.ticks();
        }
    }

    /// A tick has given this sample.
    pub(super) fn takes(&self, sample: &Sample, config: &Config) {
        if let Some(board) = &self.board {
            board.takes(sample, has_all_that_is_wanted(sample, config));
        }
    }

    /// The name of the host is known.
    pub(super) fn is_on(&self, host: String) {
        if let Some(board) = &self.board {
            board.is_on(host);
        }
    }

    /// What is read is known, in words.
    pub(super) fn reads(&self, what: String) {
        if let Some(board) = &self.board {
            board.reads(what);
        }
    }

    /// Samples and events go somewhere from now on, if they do.
    pub(super) fn delivers(&self, shipping: &Shipping, config: &Config) {
        let Some(board) = &self.board else {
            return;
        };
        if let (Some(options), Some(watch)) = (&config.delivery, shipping.watch()) {
            board.delivers(ask(options, watch));
        }
        if let (Some(options), Some(watch)) = (config.events.options(), shipping.watch_events()) {
            board.delivers_events(ask(options, watch));
        }
    }
}

/// How delivery to there is, at any time.
fn ask(options: &delivery::Options, watch: Watch) -> impl Fn() -> Delivery + Send + 'static {
    let endpoint = options.endpoint.to_string();
    let protocol = options.endpoint.protocol.name();
    move || {
        let last = match watch.last() {
            None => Last::Untried,
            Some(last) => {
                let lasted = moment().saturating_duration_since(last.since);
                last.failure
                    .map_or(Last::Works(lasted), |why| Last::Fails(lasted, why))
            }
        };
        Delivery {
            endpoint: endpoint.clone(),
            protocol,
            queue: watch.stats(),
            last,
        }
    }
}

/// Whether a sample has everything that is wanted, in a form that is exported.
#[must_use]
pub fn has_all_that_is_wanted(sample: &Sample, config: &Config) -> bool {
    let is_told = |reading: &Reading| reading.counted.is_trusted();
    let has_sockets = config.alone().is_none() || sample.readings.iter().any(is_told);
    let has_pods = config.pods.is_none() || sample.pods.is_some();
    has_sockets && has_pods
}

fn about(config: &Config) -> About {
    let scope = match (config.alone().map(|options| options.scope), &config.pods) {
        (Some(Scope::Host), Some(_)) => "host,pods",
        (Some(scope), _) => scope.name(),
        (None, _) => "pods",
    };
    About {
        interval: config.interval,
        scope,
        proc_root: config.source.proc_root.path().display().to_string(),
        given: config.origins.iter().map(ToString::to_string).collect(),
        warnings: config.warnings.clone(),
        no_events: match &config.events {
            config::Events::To(_) => None,
            config::Events::Nowhere(why) => Some(why.clone()),
        },
    }
}

fn clock() -> Instant {
    moment().into_std()
}
