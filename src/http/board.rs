//! What the agent tells of itself for whoever asks: it writes here with each tick, and waits for nobody who reads.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::kept::Kept;
use super::wrongs::{Alarms, Wrongs};
use crate::history::History;
use crate::sample::{self, Sample};

/// So many intervals without a tick, and the loop is stuck; a tick that is late by one has missed it, and that is none.
const LIVE_INTERVALS: u32 = 3;

/// What a tick may take beyond its interval: looks at a proc that does not answer, and the wait for a disk.
const TICK_TAKES: Duration = Duration::from_secs(10);

/// So many intervals without a sample, and somebody should look.
const READY_INTERVALS: u32 = 2;

/// What is so from the start.
#[derive(Clone, Debug)]
pub struct About {
    /// Time between two ticks.
    pub interval: Duration,
    /// Whose sockets are read, as it is written in settings.
    pub scope: &'static str,
    /// Where the host's proc is.
    pub proc_root: String,
    /// Where settings were given that are not defaults.
    pub given: Vec<String>,
    /// What was given and has no effect.
    pub warnings: Vec<String>,
    /// Why no events are sent; nothing where they are.
    pub no_events: Option<String>,
}

/// How delivery is at a moment.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The backend.
    pub endpoint: String,
    /// What is spoken there.
    pub protocol: &'static str,
    /// What waits, and what became of the rest.
    pub queue: sample::Delivery,
    /// How the last request went.
    pub last: Last,
}

/// The same, where it is events that wait and are sent.
pub(super) struct OfEvents(pub(super) Delivery);

/// How the last request went.
#[derive(Clone, Debug, Default)]
pub enum Last {
    /// There was none yet.
    #[default]
    Untried,
    /// It was taken, as were those before it for so long.
    Works(Duration),
    /// It was not taken, nor was any for so long: why, and what to do.
    Fails(Duration, Arc<str>),
}

/// Asks how delivery is; it must not wait for anything.
type Ask = Box<dyn Fn() -> Delivery + Send>;

/// A handle to the board.
#[derive(Clone, Debug)]
pub struct Board(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    about: About,
    clock: fn() -> Instant,
    state: Mutex<State>,
}

struct State {
    began: Instant,
    ticked: Instant,
    /// When there was a sample with all that is wanted.
    told: Option<Instant>,
    /// The last one, whatever is in it, and when it was taken.
    sample: Option<(Kept, Instant)>,
    /// What is read, in words.
    reads: Option<String>,
    /// The host's name.
    host: Option<String>,
    history: Option<Arc<Mutex<History>>>,
    alarms: Option<Arc<dyn Alarms>>,
    delivery: Option<Ask>,
    /// Delivery of events, which go another way.
    events: Option<Ask>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl Board {
    /// A board of an agent that has not ticked yet, and the clock that it goes by.
    #[must_use]
    pub fn new(about: About, clock: fn() -> Instant) -> Self {
        let began = clock();
        Self(Arc::new(Shared {
            about,
            clock,
            state: Mutex::new(State {
                began,
                ticked: began,
                told: None,
                sample: None,
                reads: None,
                host: None,
                history: None,
                alarms: None,
                delivery: None,
                events: None,
            }),
        }))
    }

    /// A tick begins.
    pub fn ticks(&self) {
        let now = (self.0.clock)();
        self.state().ticked = now;
    }

    /// A tick has given this sample, with all in it that is wanted or not.
    pub fn takes(&self, sample: &Sample, has_all: bool) {
        let now = (self.0.clock)();
        let kept = Kept::of(sample);
        let mut state = self.state();
        state.sample = Some((kept, now));
        if has_all {
            state.told = Some(now);
        }
    }

    /// What is read is known, in words.
    pub fn reads(&self, what: String) {
        self.state().reads = Some(what);
    }

    /// The name of the host is known.
    pub fn is_on(&self, host: String) {
        self.state().host = Some(host);
    }

    /// What was counted before can be asked for. Whoever holds it may not look at the board meanwhile.
    pub fn remembers(&self, history: Arc<Mutex<History>>) {
        self.state().history = Some(history);
    }

    /// What is wrong can be asked for.
    pub fn judges(&self, alarms: Arc<dyn Alarms>) {
        self.state().alarms = Some(alarms);
    }

    /// Delivery has begun, and can be asked how it is.
    pub fn delivers(&self, ask: impl Fn() -> Delivery + Send + 'static) {
        self.state().delivery = Some(Box::new(ask));
    }

    /// Delivery of events has begun, and can be asked how it is.
    pub fn delivers_events(&self, ask: impl Fn() -> Delivery + Send + 'static) {
        self.state().events = Some(Box::new(ask));
    }

    /// Shows what is on it now.
    pub(super) fn look<T>(&self, see: impl FnOnce(&View<'_>) -> T) -> T {
        let now = (self.0.clock)();
        let state = self.state();
        see(&View {
            now,
            about: &self.0.about,
            state: &state,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The board at a moment.
pub(super) struct View<'a> {
    now: Instant,
    pub(super) about: &'a About,
    state: &'a State,
}

impl View<'_> {
    /// How long the agent has been running.
    pub(super) fn uptime(&self) -> Duration {
        self.since(self.state.began)
    }

    /// How long ago the last tick began.
    pub(super) fn since_tick(&self) -> Duration {
        self.since(self.state.ticked)
    }

    /// The last sample, and how long ago it was taken.
    pub(super) fn sample(&self) -> Option<(&Kept, Duration)> {
        let (sample, taken) = self.state.sample.as_ref()?;
        Some((sample, self.since(*taken)))
    }

    pub(super) fn reads(&self) -> Option<&str> {
        self.state.reads.as_deref()
    }

    pub(super) fn host(&self) -> Option<&str> {
        self.state.host.as_deref()
    }

    /// When the first sample was taken, by the clock as it is now.
    pub(super) fn watches_since(&self) -> Option<SystemTime> {
        self.history()?.began()
    }

    /// What time it is, by the clock that the last sample was taken by.
    pub(super) fn wall(&self) -> Option<SystemTime> {
        let (kept, age) = self.sample()?;
        kept.time.checked_add(age)
    }

    /// What was counted before.
    pub(super) fn history(&self) -> Option<MutexGuard<'_, History>> {
        let history = self.state.history.as_ref()?;
        Some(history.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is made of what is wrong; nothing where nobody judges.
    pub(super) fn wrongs<T>(&self, make: impl FnOnce(&Wrongs<'_>) -> T) -> Option<T> {
        let (mut make, mut answer) = (Some(make), None);
        self.state.alarms.as_deref()?.look(&mut |wrongs| {
            if let Some(make) = make.take() {
                answer = Some(make(wrongs));
            }
        });
        answer
    }

    pub(super) fn delivery(&self) -> Option<Delivery> {
        self.state.delivery.as_ref().map(|ask| ask())
    }

    /// How delivery of events is.
    pub(super) fn events(&self) -> Option<OfEvents> {
        self.state.events.as_ref().map(|ask| OfEvents(ask()))
    }

    /// Whether the loop that ticks is alive, else why not. Neither a reading that hangs nor a backend that is away stops it, and
    /// no restart would mend those.
    pub(super) fn live(&self) -> Result<(), String> {
        let since = self.since_tick();
        if since <= self.about.interval * LIVE_INTERVALS + TICK_TAKES {
            return Ok(());
        }
        Err(format!(
            "the last tick was {} s ago, and one is due every {:?}: this is a bug in tcpgauge, and a restart helps",
            since.as_secs(),
            self.about.interval
        ))
    }

    /// Whether there was a sample lately with all that is wanted, else why not.
    pub(super) fn ready(&self) -> Result<(), String> {
        let most = self.about.interval * READY_INTERVALS;
        match self.state.told.map(|told| self.since(told)) {
            Some(since) if since <= most => Ok(()),
            Some(since) => Err(format!(
                "the last sample with all that is wanted was taken {} s ago, and one is due every {:?}: /status and the log say why",
                since.as_secs(),
                self.about.interval
            )),
            None => Err(
                "no sample with all that is wanted was taken yet: /status and the log say why"
                    .to_owned(),
            ),
        }
    }

    fn since(&self, moment: Instant) -> Duration {
        self.now.saturating_duration_since(moment)
    }
}
