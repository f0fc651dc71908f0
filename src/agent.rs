//! The composition root: puts the pipeline together, ticks, and takes it down again.

mod events;
mod line;
mod own_traces;
mod passage;
mod serving;
mod shipping;
mod suspicion;
mod watching;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use self::serving::Serving;
pub use self::serving::has_all_that_is_wanted;
use self::shipping::Shipping;
use self::suspicion::Suspicion;
use self::watching::Watching;
pub use self::watching::kept;
use crate::config::Config;
use crate::reader::{Done, Moment, OfPods, OfSource, Readers, Seen};
use crate::sample::{Sample, Vitals};
use crate::schedule::Schedule;
use crate::source::namespace::Namespace;
use crate::source::{Fault, Options, ReadError};

/// What a reading may still take once the agent is told to stop.
const LAST_READING: Duration = Duration::from_secs(2);

/// Runs until `stop` is true, and shows each sample to `see`.
pub async fn run(
    config: Config,
    mut stop: watch::Receiver<bool>,
    mut see: impl FnMut(&Sample),
) -> anyhow::Result<()> {
    config.warnings.iter().for_each(|it| tracing::warn!("{it}"));
    shipping::say_what_is_not_sent(&config);
    let mut watching = Watching::new(&config);
    let serving = Serving::start(&config, &watching)?;
    let wanted = config.alerts.besides(config.metrics.wants());
    let mut readers = Readers::start(
        config.alone(),
        wanted,
        wanted.capacity.then_some(&config.ports),
        config.pods.as_ref(),
        || moment().into_std(),
    )
    .context("cannot start the thread that reads")?;
    let mut suspicion = Suspicion::of(&config);
    // The first reading waits for it, but not for long.
    watching.take_up(&config).await?;
    let mut namespace_said = say_what_is_read(&config, &serving).await;
    // Begun after the first reading, which nothing is to delay.
    let mut starting = std::pin::pin!(Shipping::start(&config));
    let mut shipping: Option<Shipping> = None;
    let mut held = Vec::new();
    let mut events = Vec::new();
    let mut schedule = Schedule::default();
    let mut log = SampleLog::default();
    let mut first = true;
    loop {
        let stopping = *stop.borrow();
        serving.ticks();
        let (time, began) = (now(), moment());
        let next = began + schedule.wait(since_epoch(time), config.interval);
        // The first tick may come just before the next one, which a slow reading may then miss.
        let patience = next.max(began + LAST_READING.min(config.interval));
        let at = Moment {
            now: began.into_std(),
            time,
        };
        let (reading, pods) = readers.read(at, || until(patience, stop.clone())).await;
        let reading_took = moment() - began;
        let (mut sample, resident_bytes) = gather(time, reading, pods, first)?;
        first = false;
        if let Some(suspicion) = &mut suspicion {
            let most = next.saturating_duration_since(moment()) / 2;
            let asked = watching.asks_who();
            suspicion.tell(&mut sample, at.now, most, asked).await;
        }
        log.log(&sample);
        sample.vitals = Some(Vitals {
            reading_took,
            faults: log.faults.counted.clone(),
            cpu: cpu(),
            resident_bytes,
            delivery: shipping.as_ref().and_then(Shipping::stats),
            events_dropped: shipping.as_ref().and_then(Shipping::dropped_events),
        });
        events.extend(watching.take(&mut sample));
        see(&sample);
        serving.takes(&sample, &config);
        let has_read = sample.has_readings();
        namespace_said = namespace_said || has_read && say_what_is_read(&config, &serving).await;
        held.push((sample, began, reading_took));
        // A disk that does not give back what it kept holds up what is sent, but no tick.
        let waits = shipping.is_none() && moment() < next;
        if shipping.is_none() {
            shipping = tokio::select! {
                started = &mut starting => Some(started?),
                () = sleep_until(if stopping { moment() + LAST_READING } else { next }) => None,
            };
            if let Some(shipping) = &shipping {
                serving.delivers(shipping, &config);
            }
        }
        if let Some(shipping) = &mut shipping {
            // What the resource says is found below the proc root too, where there is one to read.
            if (has_read || config.resource.names_the_host())
                && let Some(host) = shipping.identify(&config).await
            {
                serving.is_on(host);
            }
            for (sample, began, reading_took) in held.drain(..) {
                shipping.export(sample, began, reading_took);
            }
            shipping.tell(&std::mem::take(&mut events));
            watching.keep();
        }
        if stopping {
            break;
        }
        // A reading that was given up for the next tick leaves it due now; one that went past it has missed it, but none that
        // waited for it and was woken late.
        let missed = !waits && moment().saturating_duration_since(next) > config.interval / 10;
        let next = if missed {
            moment() + schedule.wait(since_epoch(now()), config.interval)
        } else {
            next
        };
        tokio::select! {
            () = sleep_until(next) => {}
            () = stopped(&mut stop) => {}
        }
    }
    watching.end().await;
    if let Some(shipping) = shipping {
        shipping.drain().await;
    }
    Ok(())
}

/// The sample of a tick, and the memory that the agent has.
fn gather(
    time: SystemTime,
    reading: Option<Result<OfSource, Fault>>,
    pods: Option<Result<OfPods, Fault>>,
    first: bool,
) -> anyhow::Result<(Sample, Option<u64>)> {
    let mut sample = Sample::at(time);
    let mut resident_bytes = None;
    match reading {
        Some(Ok(Done {
            reading:
                Seen {
                    sockets: Err(ReadError::Impossible(why)),
                    ..
                },
            ..
        })) if first => {
            anyhow::bail!(
                "--source diag is not possible here: {why}; --source auto reads the tables"
            );
        }
        Some(Ok(done)) => {
            let Seen {
                sockets,
                counters,
                capacity,
                ports,
            } = done.reading;
            sample.add(sockets);
            sample.add_ports(ports);
            match counters {
                Some(Ok(counters)) => sample.counters = Some(counters),
                Some(Err(fault)) => sample.faults.push(fault),
                None => {}
            }
            sample.capacity = capacity;
            resident_bytes = done.resident_bytes;
        }
        Some(Err(fault)) => sample.faults.push(fault),
        None => {}
    }
    match pods {
        Some(Ok(done)) => {
            sample.add_pods(done.reading);
            resident_bytes = resident_bytes.or(done.resident_bytes);
        }
        Some(Err(fault)) => sample.faults.push(fault),
        None => {}
    }
    Ok((sample, resident_bytes))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one clock that the pipeline's times come from"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one clock that waits are counted by"
)]
fn moment() -> Instant {
    Instant::now()
}

/// The CPU time that this process has used.
fn cpu() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Nobody left to say so means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Ends at `deadline`, or soon after the agent is told to stop.
async fn until(deadline: Instant, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        () = sleep_until(deadline) => {}
        () = async { stopped(&mut stop).await; sleep(LAST_READING).await } => {}
    }
}

/// Says whose sockets are read, and gives whether that could be told.
async fn say_what_is_read(config: &Config, serving: &Serving) -> bool {
    let options = &config.source;
    let directory = options.proc_root.join(options.scope.directory());
    let directory = directory.display();
    let scope = match config.alone() {
        Some(options) => options.scope.name(),
        None => "pods",
    };
    let what = match (&config.pods, config.alone()) {
        (None, _) => "reading",
        (Some(_), Some(_)) => "reading pods, and",
        (Some(_), None) => "reading pods, and not what is the host's:",
    };
    let found = patiently(options, |options| {
        let namespace = Namespace::inspect(&options.proc_root, options.scope).ok();
        namespace.map(|namespace| (namespace, options.proc_root.is_mounted_proc()))
    });
    let Some(Some((namespace, mounted))) = found.await else {
        // Why is said with the first reading.
        tracing::info!(scope, "{what} {directory}, which cannot be read yet");
        return false;
    };
    let found = format!("{what} {directory}: {namespace}");
    tracing::info!(scope, "{found}");
    serving.reads(found);
    if mounted == Some(false) {
        tracing::warn!(
            "{} is not a mounted proc: its numbers are those of whoever wrote the files there",
            options.proc_root.path().display()
        );
    }
    true
}

/// Looks at the proc root off the async thread, and not for long: what is mounted there may not answer.
async fn patiently<T: Send + 'static>(
    options: &Options,
    look: impl FnOnce(&Options) -> T + Send + 'static,
) -> Option<T> {
    let options = options.clone();
    let looking = tokio::task::spawn_blocking(move || look(&options));
    tokio::time::timeout(LAST_READING, looking).await.ok()?.ok()
}

/// Says what samples tell of themselves.
#[derive(Default)]
struct SampleLog {
    faults: FaultLog,
    source: SourceLog,
    gates: GatesLog,
}

impl SampleLog {
    fn log(&mut self, sample: &Sample) {
        self.faults.log(sample);
        self.source.log(sample);
        self.gates.log(sample);
    }
}

/// Says how sockets are read, once for each change of it.
#[derive(Default)]
struct SourceLog {
    said: Option<Arc<str>>,
    step_downs: u64,
}

impl SourceLog {
    fn log(&mut self, sample: &Sample) {
        for reading in &sample.readings {
            if reading.why == self.said {
                continue;
            }
            self.said.clone_from(&reading.why);
            let (name, why) = (reading.source.name(), reading.why.as_deref().unwrap_or(""));
            let stepped_down = reading.step_downs > self.step_downs;
            self.step_downs = reading.step_downs;
            if stepped_down {
                tracing::warn!(source = name, "reading by {name} from now on: {why}");
            } else {
                tracing::info!(source = name, "reading by {name}: {why}");
            }
        }
    }
}

/// Says that every pod has to be read each time, once for each change of it.
#[derive(Default)]
struct GatesLog {
    said: Option<Arc<str>>,
}

impl GatesLog {
    fn log(&mut self, sample: &Sample) {
        let Some(pods) = &sample.pods else {
            return;
        };
        if pods.gates_off == self.said {
            return;
        }
        self.said.clone_from(&pods.gates_off);
        if let Some(why) = &self.said {
            tracing::warn!(
                "a look at a pod does not do for a reading from now on, and every one is read each time: {why}"
            );
        } else {
            tracing::info!("a look at a pod may do for a reading again");
        }
    }
}

/// Says what is wrong with samples, once for each change of it.
#[derive(Default)]
struct FaultLog {
    said: Vec<String>,
    /// By their reason, since the start.
    counted: BTreeMap<&'static str, u64>,
}

impl FaultLog {
    fn log(&mut self, sample: &Sample) {
        for fault in &sample.faults {
            *self.counted.entry(fault.reason).or_default() += 1;
        }
        // Numbers in a fault change from sample to sample; that is no news.
        let news = |fault: &Fault| fault.to_string().replace(|c: char| c.is_ascii_digit(), "");
        let faults: Vec<_> = sample.faults.iter().map(news).collect();
        if faults != self.said {
            for fault in &sample.faults {
                tracing::error!("{fault}");
            }
            if faults.is_empty() {
                tracing::info!("readings are whole again");
            }
            self.said = faults;
        }
    }
}
