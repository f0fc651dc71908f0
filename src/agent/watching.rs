//! What the agent makes of its samples by itself: alerts, and what has been lately. Both go on after a restart where there is a
//! directory for it, and where the sockets are the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinHandle;

use super::{LAST_READING, now, patiently, since_epoch};
use crate::alerts::{Engine, Event, MOST_SAVED, Observer, Reads, Setup, Severity, Transition};
use crate::config::Config;
use crate::history::History;
use crate::sample::Sample;
use crate::source::namespace;
use crate::state::{MOST_BYTES, StateError, Store};

/// So often everything is written down, and alerts whenever one begins or ends.
const PAUSE: Duration = Duration::from_mins(5);

/// What could not be written is tried again after so long.
const TRY_AGAIN: Duration = Duration::from_secs(30);

// What of alerts is to be kept fits into a file, with whose it is: a name of up to 64 bytes and a number.
const _: () = assert!(MOST_SAVED + 1024 <= MOST_BYTES);

const ALERTS: &str = "alerts";
const HISTORY: &str = "history";

/// The names of what these settings keep from one run to the next: of what is off there is nothing to know of.
pub fn kept(config: &Config) -> impl Iterator<Item = &'static str> {
    let alerts = config.alerts.enabled.then_some(ALERTS);
    let history = config.http.all.is_some().then_some(HISTORY);
    alerts.into_iter().chain(history)
}

/// Alerts as whoever asks sees them too.
pub(super) type Alerts = Arc<Mutex<Engine>>;

/// History as whoever asks sees it too.
pub(super) type Lately = Arc<Mutex<History>>;

/// What samples go through before they are told of.
pub(super) struct Watching {
    observer: Observer,
    /// Nothing where alerts are off.
    alerts: Option<Alerts>,
    /// Nothing where nobody can ask for it.
    history: Option<Lately>,
    keeper: Option<Keeper>,
    last: Option<Duration>,
}

impl Watching {
    /// Nothing is known of before.
    pub(super) fn new(config: &Config) -> Self {
        let reads = Reads {
            alone: config.alone().map(|options| options.scope),
            pods: config.pods.is_some(),
        };
        let alerts = config.alerts.enabled.then(|| {
            let options = &config.alerts;
            let setup = Setup {
                runbooks: Arc::clone(&options.runbooks),
                instance: instance(),
                interval: config.interval,
                reads,
            };
            Arc::new(Mutex::new(Engine::new(options.rules.clone(), setup)))
        });
        let most_pods = config.pods.as_ref().map_or(0, |pods| pods.most);
        let asked = config.http.all.is_some();
        let history = asked.then(|| History::new(config.interval, most_pods));
        let history = history.map(|history| Arc::new(Mutex::new(history)));
        Self {
            observer: Observer::new(reads),
            alerts,
            history,
            keeper: None,
            last: None,
        }
    }

    /// Takes up what was kept, where something is.
    pub(super) async fn take_up(&mut self, config: &Config) -> anyhow::Result<()> {
        let Some(dir) = config.state_dir.clone() else {
            return Ok(());
        };
        let shown = dir.display().to_string();
        let whose = match config.alone() {
            Some(options) => {
                let marked = patiently(options, |options| {
                    namespace::mark(&options.proc_root, options.scope)
                });
                marked.await.and_then(Result::ok)
            }
            None => Some("pods".to_owned()),
        };
        let Some(whose) = whose else {
            tracing::error!(
                "whose sockets are read cannot be told yet, nor whether {shown} is of the same; going on without --state-dir"
            );
            return Ok(());
        };
        // Of what is off the file is not written either.
        let on = [
            (ALERTS, self.alerts.is_some()),
            (HISTORY, self.history.is_some()),
        ];
        let opening = tokio::task::spawn_blocking(move || {
            let store = Store::open(&dir)?;
            let kept = on.map(|(name, is_on)| if is_on { store.load(name) } else { Ok(None) });
            Ok::<_, StateError>((store, kept))
        });
        let (store, [alerts, history]) = match tokio::time::timeout(LAST_READING, opening).await {
            Ok(Ok(Ok(opened))) => opened,
            // Two that write there would each undo what the other has.
            Ok(Ok(Err(error @ StateError::InUse { .. }))) => return Err(error.into()),
            Ok(Ok(Err(error))) => {
                tracing::error!(
                    "{error}; going on without: alerts and history begin anew with the next start"
                );
                return Ok(());
            }
            Ok(Err(_)) | Err(_) => {
                tracing::error!(
                    "{shown} has not given back anything for {LAST_READING:?}; going on without --state-dir"
                );
                return Ok(());
            }
        };
        let mut keeper = Keeper {
            store: Arc::new(store),
            whose,
            left: Vec::new(),
            saved: boot_time(),
            saving: None,
            has_news: false,
            is_failing: Arc::default(),
        };
        let time = now();
        let alerts = keeper.of_ours(ALERTS, alerts).await;
        if let (Some(engine), Some(bytes)) = (&self.alerts, alerts) {
            let restored = lock(engine).restore(&bytes, time);
            match restored {
                Ok(()) => lock(engine).booted(boot_time(), time),
                Err(error) => keeper.set_aside(ALERTS, error).await,
            }
        }
        let history = keeper.of_ours(HISTORY, history).await;
        if let (Some(kept), Some(bytes)) = (&self.history, history) {
            let restored = lock(kept).restore(&bytes, time);
            match restored {
                Ok(restored) => {
                    if let Some(by) = restored.moved_back {
                        tracing::warn!(
                            "the clock was set back by {by:?} while the agent was not there; the history of before was moved with it"
                        );
                    }
                }
                Err(error) => keeper.set_aside(HISTORY, error.to_string()).await,
            }
        }
        self.keeper = Some(keeper);
        Ok(())
    }

    /// What whoever asks may look at.
    pub(super) fn remembered(&self) -> (Option<Alerts>, Option<Lately>) {
        (self.alerts.clone(), self.history.clone())
    }

    /// Whether an alert is about to say who holds sockets that should be gone, or says it already.
    pub(super) fn asks_who(&self) -> bool {
        self.alerts
            .as_ref()
            .is_some_and(|engine| lock(engine).asks_who())
    }

    /// What begins and ends with a sample, into which it puts what stands.
    pub(super) fn take(&mut self, sample: &mut Sample) -> Vec<Event> {
        let at = boot_time();
        let step = self
            .last
            .map_or(Duration::ZERO, |last| at.saturating_sub(last));
        self.last = Some(at);
        let mut events = Vec::new();
        if let Some(engine) = &self.alerts {
            let observation = self.observer.observe(sample, step);
            let mut engine = lock(engine);
            events = engine.take(&observation, Some(sample));
            sample.alerts = Some(engine.standing());
        }
        if let Some(history) = &self.history {
            lock(history).take(sample, step);
        }
        events.iter().for_each(say);
        if let Some(keeper) = &mut self.keeper {
            keeper.has_news |= !events.is_empty();
        }
        events
    }

    /// Writes down what is due, once the events are where they wait for their backend: what is known to stand is not told of anew.
    pub(super) fn keep(&mut self) {
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        let at = boot_time();
        let pause = if keeper.is_failing.load(Ordering::Relaxed) {
            TRY_AGAIN
        } else {
            PAUSE
        };
        let is_due = at.saturating_sub(keeper.saved) >= pause;
        if (is_due || keeper.has_news) && keeper.is_free() {
            let history = self.history.as_ref().filter(|_| is_due);
            keeper.keep(encoded(self.alerts.as_ref(), history));
            keeper.has_news = false;
            if is_due {
                keeper.saved = at;
            }
        }
    }

    /// Writes everything down, as far as the time goes.
    pub(super) async fn end(mut self) {
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        let files = encoded(self.alerts.as_ref(), self.history.as_ref());
        let last = async {
            keeper.is_done().await;
            keeper.keep(files);
            keeper.is_done().await;
        };
        if tokio::time::timeout(LAST_READING, last).await.is_err() {
            tracing::warn!(
                "the disk did not take alerts and history in {LAST_READING:?}: the next start goes on from what it took before"
            );
        }
    }
}

/// Writes files, one lot at a time and on a thread of its own, for a disk may take long.
struct Keeper {
    store: Arc<Store>,
    /// Whose sockets it is about, which everything that is written begins with.
    whose: String,
    /// What is not written in this run, for what is there could be neither taken up nor put out of the way.
    left: Vec<&'static str>,
    /// When everything was written down.
    saved: Duration,
    saving: Option<JoinHandle<()>>,
    /// Whether an alert began or ended since.
    has_news: bool,
    /// Whether that failed the last time, which is said once.
    is_failing: Arc<AtomicBool>,
}

impl Keeper {
    fn is_free(&self) -> bool {
        self.saving.as_ref().is_none_or(JoinHandle::is_finished)
    }

    async fn is_done(&mut self) {
        if let Some(saving) = self.saving.take() {
            // It says itself what went wrong.
            let _ = saving.await;
        }
    }

    /// What was kept of these sockets; why nothing was, it says.
    async fn of_ours(
        &mut self,
        name: &'static str,
        kept: Result<Option<Vec<u8>>, StateError>,
    ) -> Option<Vec<u8>> {
        let bytes = match kept {
            Ok(bytes) => bytes?,
            Err(error) => {
                self.says(name, &error);
                return None;
            }
        };
        let of_ours = without_mark(&bytes, &self.whose).map(<[u8]>::to_vec);
        if of_ours.is_none() {
            let why = "it is of other sockets than those that are read now";
            self.set_aside(name, why.to_owned()).await;
        }
        of_ours
    }

    /// Puts a file out of the way that this run has no use for: an agent of another version, or one of those sockets, may have.
    async fn set_aside(&mut self, name: &'static str, why: String) {
        let store = Arc::clone(&self.store);
        let moving = tokio::task::spawn_blocking(move || store.set_aside(name, why));
        if let Ok(Ok(error)) = tokio::time::timeout(LAST_READING, moving).await {
            self.says(name, &error);
        } else {
            tracing::error!(
                "the disk has not set aside what was kept of {name} in {LAST_READING:?}, so nothing is kept there in this run"
            );
            self.left.push(name);
        }
    }

    fn says(&mut self, name: &'static str, error: &StateError) {
        if matches!(error, StateError::SetAside { .. }) {
            tracing::warn!("{error}");
        } else {
            tracing::error!("{error}");
            self.left.push(name);
        }
    }

    fn keep(&mut self, mut files: Vec<(&'static str, Vec<u8>)>) {
        files.retain(|(name, _)| !self.left.contains(name));
        let store = Arc::clone(&self.store);
        let is_failing = Arc::clone(&self.is_failing);
        let mark = format!("{}\n", self.whose).into_bytes();
        self.saving = Some(tokio::task::spawn_blocking(move || {
            let mut saved = Ok(());
            // Where one cannot be written, another may be.
            for (name, mut bytes) in files {
                // In place: of a node with a hundred pods it is hundreds of kilobytes.
                bytes.splice(0..0, mark.iter().copied());
                saved = saved.and(store.save(name, &bytes));
            }
            let failed_before = is_failing.swap(saved.is_err(), Ordering::Relaxed);
            match saved {
                Err(error) if !failed_before => tracing::error!("{error}"),
                Ok(()) if failed_before => tracing::info!("alerts and history are kept again"),
                _ => {}
            }
        }));
    }
}

fn encoded(alerts: Option<&Alerts>, history: Option<&Lately>) -> Vec<(&'static str, Vec<u8>)> {
    let alerts = alerts.map(|engine| (ALERTS, lock(engine).save()));
    let history = history.map(|history| (HISTORY, lock(history).save()));
    alerts.into_iter().chain(history).collect()
}

/// What comes after the mark, where it is that one.
fn without_mark<'a>(bytes: &'a [u8], whose: &str) -> Option<&'a [u8]> {
    bytes.strip_prefix(whose.as_bytes())?.strip_prefix(b"\n")
}

/// For whoever reads the log and has no backend.
fn say(event: &Event) {
    let alert = &event.alert;
    let (rule, severity) = (&*alert.rule, alert.severity.name());
    let said = format!("alert {}: {}", event.transition.name(), alert.body);
    match (event.transition, alert.severity) {
        (Transition::Resolved, _) | (_, Severity::Info) => {
            tracing::info!(rule, severity, "{said}");
        }
        (_, Severity::Warning) => tracing::warn!(rule, severity, "{said}"),
        (_, Severity::Critical) => tracing::error!(rule, severity, "{said}"),
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Time since the machine began, sleep included: what was missed in it is a gap, and not a clock that was set.
fn boot_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

/// What this run is among all runs of all agents: machines may share a name, and begin to count at the same times.
fn instance() -> Arc<str> {
    let name = rustix::system::uname();
    let (name, pid) = (name.nodename().to_string_lossy(), std::process::id());
    format!("{name} {pid} {}", since_epoch(now()).as_nanos()).into()
}

#[cfg(test)]
#[path = "watching_tests.rs"]
mod tests;
