//! The composition root: puts the pipeline together, ticks, and takes it down again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::config::Config;
use crate::delivery;
use crate::delivery::grpc::Grpc;
use crate::delivery::outbox::Outbox;
use crate::delivery::sender::Sender;
use crate::identity::Identity;
use crate::otlp::pipeline::Pipeline;
use crate::otlp::resource;
use crate::reader::Reader;
use crate::sample::Sample;
use crate::schedule::Schedule;
use crate::source::namespace::Namespace;
use crate::source::{Fault, Options};

/// What a reading may still take once the agent is told to stop.
const LAST_READING: Duration = Duration::from_secs(2);

/// What is left to deliver what waits once the agent is told to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs until `stop` is true, and shows each sample to `see`.
pub async fn run(
    config: Config,
    mut stop: watch::Receiver<bool>,
    mut see: impl FnMut(&Sample),
) -> anyhow::Result<()> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    say_what_is_read(&config.source);
    let mut reader =
        Reader::start(config.source.clone()).context("cannot start the thread that reads")?;
    let mut shipping = Shipping::start(&config)?;
    let mut schedule = Schedule::default();
    let mut faults = FaultLog::default();
    loop {
        let stopping = *stop.borrow();
        let sample = sample(&mut reader, config.interval, &mut stop).await;
        faults.log(&sample);
        see(&sample);
        if let Some(shipping) = &mut shipping {
            shipping.export(sample);
        }
        if stopping {
            break;
        }
        let wait = schedule.wait(since_epoch(now()), config.interval);
        tokio::select! {
            () = sleep(wait) => {}
            () = stopped(&mut stop) => {}
        }
    }
    if let Some(shipping) = shipping {
        shipping.drain().await;
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one clock that the pipeline's times come from"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Nobody left to say so means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// One tick: a reading, within an interval or, when the agent is told to stop, a little time more.
async fn sample(
    reader: &mut Reader,
    interval: Duration,
    stop: &mut watch::Receiver<bool>,
) -> Sample {
    let time = now();
    let patience = async {
        tokio::select! {
            () = sleep(interval) => {}
            () = async { stopped(stop).await; sleep(LAST_READING).await } => {}
        }
    };
    match reader.read(patience).await {
        Ok(answer) => Sample::new(time, answer),
        Err(fault) => Sample::failed(time, fault),
    }
}

fn say_what_is_read(options: &Options) {
    let directory = options.proc_root.join(options.scope.directory());
    let directory = directory.display();
    let scope = options.scope.name();
    if let Ok(namespace) = Namespace::inspect(&options.proc_root, options.scope) {
        tracing::info!(scope, "reading {directory}: {namespace}");
    } else {
        // Why is said with the first reading.
        tracing::info!(scope, "reading {directory}, which cannot be read yet");
    }
    if options.proc_root.is_mounted_proc() == Some(false) {
        tracing::warn!(
            "{} is not a mounted proc: its numbers are those of whoever wrote the files there",
            options.proc_root.path().display()
        );
    }
}

/// What there is to send, from the SDK to the backend.
struct Shipping {
    pipeline: Pipeline,
    outbox: Outbox,
    leave: watch::Sender<bool>,
    sender: JoinHandle<()>,
    broken: bool,
}

impl Shipping {
    fn start(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(options) = &config.delivery else {
            tracing::info!("nothing is sent: the exporter is none");
            return Ok(None);
        };
        let identity = Identity::inspect(&config.source, now());
        if identity.host_name.is_none() && !config.resource.names_the_host() {
            tracing::warn!(
                "this is a container, so the kernel's host name is not the host's: host.name is left out; give it with --host-name"
            );
        }
        let resource = resource::build(
            &config.resource,
            identity.host_name.as_deref(),
            &identity.instance_id,
        );
        let outbox = Outbox::new(options.queue);
        let (leave, leaving) = watch::channel(false);
        let transport = transport(options)?;
        tracing::info!(
            "sending to {} every {:?}",
            options.endpoint,
            config.interval
        );
        let sender = tokio::spawn(Sender::new(outbox.clone(), transport).run(leaving));
        let enqueue = outbox.clone();
        let pipeline = Pipeline::new(&config.metrics, resource, move |request| {
            enqueue.push(request);
        });
        Ok(Some(Self {
            pipeline,
            outbox,
            leave,
            sender,
            broken: false,
        }))
    }

    fn export(&mut self, sample: Sample) {
        if let Err(error) = self.pipeline.export(sample)
            && !std::mem::replace(&mut self.broken, true)
        {
            tracing::error!(
                "the OpenTelemetry SDK does not export any more; this is a bug in tcpgauge: {error}"
            );
        }
    }

    /// Delivers what waits, as far as the time goes, and says what is left.
    async fn drain(mut self) {
        let _ = self.leave.send(true);
        let drained = tokio::time::timeout(DRAIN, &mut self.sender).await;
        self.sender.abort();
        let undelivered = self.outbox.waiting();
        let dropped = self.outbox.dropped();
        if drained.is_ok() && dropped == 0 {
            tracing::info!("everything is delivered; ending");
        } else {
            tracing::warn!(
                undelivered,
                dropped,
                "ending with {undelivered} sample(s) undelivered, {dropped} dropped before"
            );
        }
    }
}

fn transport(options: &delivery::Options) -> anyhow::Result<Grpc> {
    Grpc::new(options).context("cannot set up the connection")
}

/// Says what is wrong with samples, once for each change of it.
#[derive(Default)]
struct FaultLog {
    said: Vec<String>,
}

impl FaultLog {
    fn log(&mut self, sample: &Sample) {
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
