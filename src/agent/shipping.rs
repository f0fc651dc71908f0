//! What there is to send: from the SDK through the queue to the backend.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use opentelemetry_sdk::Resource;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::passage::{IntoQueue, Passage};
use super::{now, own_traces, patiently};
use crate::config::Config;
use crate::delivery::backend::Backend;
use crate::delivery::health::{Last, Report};
use crate::delivery::outbox::Outbox;
use crate::delivery::sender::Sender;
use crate::delivery::spool::{Spool, SpoolError};
use crate::delivery::{self};
use crate::identity::{self, Identity};
use crate::otlp::pipeline::Pipeline;
use crate::otlp::resource;
use crate::otlp::traces::{Cycle, Traces};
use crate::sample::{Delivery, Sample};

/// What is left to deliver what waits once the agent is told to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// What is left after that to have the rest on disk.
const LAST_SYNC: Duration = Duration::from_secs(1);

/// A disk that gives back nothing for so long is left alone.
const RECOVERY: Duration = Duration::from_secs(10);

/// Everything behind a sample. What waits is sent from the start; samples become records once it is known whose they are.
pub(super) struct Shipping {
    metrics: Option<Metrics>,
    traces: Arc<OnceLock<Traces>>,
    is_identified: bool,
}

impl Shipping {
    /// Starts to send what was kept from before, and what comes.
    pub(super) async fn start(config: &Config) -> anyhow::Result<Self> {
        let traces = Arc::new(OnceLock::new());
        let metrics = match &config.delivery {
            Some(options) => {
                // Above half an interval a sample would wait for the next one.
                let spread = options.spread.min(config.interval / 2);
                let spread = spread.mul_f64(identity::share());
                Some(Metrics::start(config, options, spread, Arc::clone(&traces)).await?)
            }
            None => None,
        };
        Ok(Self {
            is_identified: metrics.is_none() && config.traces.is_none(),
            metrics,
            traces,
        })
    }

    /// Finds out whose samples they are, if that is not known and can be known: what tells it is below the proc root, and for
    /// who has read there.
    pub(super) async fn identify(&mut self, config: &Config) {
        if self.is_identified {
            return;
        }
        let time = now();
        let identity = patiently(&config.source, move |options| {
            Identity::inspect(options, time)
        });
        // It answered a moment ago, and will again: the next sample asks anew.
        let Some(identity) = identity.await else {
            return;
        };
        self.is_identified = true;
        if let Some(why) = identity.host_name.why_not()
            && !config.resource.names_the_host()
        {
            tracing::warn!("{why}");
        }
        let resource = resource::build(
            &config.resource,
            identity.host_name.known(),
            &identity.instance_id,
        );
        if let Some(options) = &config.traces
            && let Some(traces) = own_traces::start(options, resource.clone())
        {
            let _ = self.traces.set(traces);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.identify(config, resource);
        }
    }

    /// How delivery is, where something is delivered.
    pub(super) fn stats(&self) -> Option<Delivery> {
        self.metrics.as_ref().map(Metrics::stats)
    }

    /// A look at the same, and at how requests go, at any time.
    pub(super) fn watch(&self) -> Option<Watch> {
        self.metrics.as_ref().map(Metrics::watch)
    }

    /// Puts into the queue a sample whose reading began then.
    pub(super) fn export(&mut self, sample: Sample, began: Instant, reading_took: Duration) {
        if !self.is_identified {
            return;
        }
        let seen = self.traces.get().map(|traces| (traces, sample.clone()));
        let passage = self.metrics.as_mut().map(|metrics| metrics.export(sample));
        if let Some((traces, sample)) = seen {
            let export = passage.map(|passage| passage.since(began));
            let cycle = Cycle {
                read: reading_took,
                export,
            };
            traces.cycle(&sample, &cycle);
        }
    }

    /// Delivers what waits, as far as the time goes, and says what is left.
    pub(super) async fn drain(self) {
        if let Some(metrics) = self.metrics {
            metrics.drain().await;
        }
        own_traces::end(self.traces).await;
    }
}

/// A look at delivery.
pub(super) struct Watch {
    outbox: Outbox,
    has_spool: bool,
    report: Report,
}

impl Watch {
    /// How the last request went.
    pub(super) fn last(&self) -> Option<Last> {
        self.report.last()
    }

    /// What waits, and what became of the rest.
    pub(super) fn stats(&self) -> Delivery {
        let stats = self.outbox.stats();
        Delivery {
            records: stats.records,
            bytes: stats.bytes,
            oldest: stats.oldest_age,
            sent: stats.sent,
            dropped_full: stats.dropped_full,
            dropped_old: stats.dropped_old,
            dropped_refused: stats.dropped_refused,
            rejected_points: stats.rejected_points,
            spool_lost: self.has_spool.then_some(stats.spool_lost),
        }
    }
}

/// What sends metrics.
struct Metrics {
    /// Nothing before it is known whose samples they are.
    pipeline: Option<Pipeline>,
    outbox: Outbox,
    queue: IntoQueue,
    leave: watch::Sender<bool>,
    sender: JoinHandle<()>,
    report: Report,
    has_spool: bool,
    broken: bool,
}

impl Metrics {
    async fn start(
        config: &Config,
        options: &delivery::Options,
        spread: Duration,
        traces: Arc<OnceLock<Traces>>,
    ) -> anyhow::Result<Self> {
        let (outbox, has_spool) = outbox(options).await?;
        let (leave, leaving) = watch::channel(false);
        tracing::info!(
            "sending to {} every {:?}",
            options.endpoint,
            config.interval
        );
        let sender = Sender::new(outbox.clone(), Backend::new(options), spread);
        let sender = sender.watched(move |sent| {
            if let Some(traces) = traces.get() {
                own_traces::tell(traces, sent);
            }
        });
        let report = sender.report();
        let sender = tokio::spawn(sender.run(leaving));
        Ok(Self {
            pipeline: None,
            queue: IntoQueue::new(outbox.clone()),
            outbox,
            leave,
            sender,
            report,
            has_spool,
            broken: false,
        })
    }

    fn identify(&mut self, config: &Config, resource: Resource) {
        self.pipeline = Some(Pipeline::new(&config.metrics, resource, self.queue.clone()));
    }

    fn watch(&self) -> Watch {
        Watch {
            outbox: self.outbox.clone(),
            has_spool: self.has_spool,
            report: self.report.clone(),
        }
    }

    fn stats(&self) -> Delivery {
        self.watch().stats()
    }

    fn export(&mut self, sample: Sample) -> Passage {
        let pipeline = self.pipeline.as_ref();
        let export = || pipeline.map_or(Ok(()), |pipeline| pipeline.export(sample));
        let (exported, passage) = self.queue.watch(export);
        let gone = self.sender.is_finished();
        if (exported.is_err() || gone) && !std::mem::replace(&mut self.broken, true) {
            let part = if gone {
                "the sender"
            } else {
                "the OpenTelemetry SDK"
            };
            tracing::error!(
                "{part} is gone, and nothing is delivered any more; this is a bug in tcpgauge: start it again"
            );
        }
        passage
    }

    async fn drain(mut self) {
        let _ = self.leave.send(true);
        // Whether it ended by itself does not matter, but what is left.
        let _ = tokio::time::timeout(DRAIN, &mut self.sender).await;
        self.sender.abort();
        let undelivered = self.outbox.waiting();
        let dropped = self.outbox.dropped();
        let kept = if self.has_spool && self.close().await {
            ", which are on disk for the next start"
        } else if self.has_spool {
            ", not all of which are on disk"
        } else {
            ""
        };
        if undelivered == 0 && dropped == 0 {
            tracing::info!("everything is delivered; ending");
        } else {
            tracing::warn!(
                undelivered,
                dropped,
                "ending with {undelivered} sample(s) undelivered{kept}, {dropped} dropped before"
            );
        }
    }

    /// Whether all that waits is on disk.
    async fn close(&self) -> bool {
        let outbox = self.outbox.clone();
        let closing = tokio::task::spawn_blocking(move || outbox.close(LAST_SYNC));
        let closed = tokio::time::timeout(2 * LAST_SYNC, closing).await;
        // What it could not write it counts.
        matches!(closed, Ok(Ok(true))) && self.outbox.stats().spool_lost == 0
    }
}

/// The queue, with what a spool kept from before; and whether there is a spool.
async fn outbox(options: &delivery::Options) -> anyhow::Result<(Outbox, bool)> {
    let bounds = options.queue;
    let Some(spool) = options.spool.clone() else {
        return Ok((Outbox::new(bounds, None), false));
    };
    let shown = spool.dir.display().to_string();
    let recovered = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&recovered);
    let mut opening = tokio::task::spawn_blocking(move || {
        let spool = Spool::open(&spool)?;
        Ok::<_, SpoolError>(Outbox::recovering(delivery::endpoint::Signal::Metrics, bounds, Some(spool), &count))
    });
    let mut opened = tokio::time::timeout(RECOVERY, &mut opening).await;
    let mut known = 0;
    // With little CPU time much takes long; what stands still is what is given up.
    while opened.is_err() {
        let now = recovered.load(Ordering::Relaxed);
        if std::mem::replace(&mut known, now) == now {
            break;
        }
        opened = tokio::time::timeout(RECOVERY, &mut opening).await;
    }
    let why = match opened {
        Ok(opened) => match opened.context("the thread that reads the spool is gone")? {
            Ok(outbox) => {
                let kept = outbox.waiting();
                if kept > 0 {
                    tracing::info!(
                        kept,
                        "{kept} sample(s) of before are in {shown} and wait to be sent"
                    );
                }
                return Ok((outbox, true));
            }
            Err(error @ SpoolError::InUse(_)) => return Err(error.into()),
            Err(error) => error.to_string(),
        },
        Err(_) => format!("{shown} has not given back anything for {RECOVERY:?}"),
    };
    tracing::error!("{why}; going on without a spool: what waits is in memory alone");
    Ok((Outbox::new(bounds, None), false))
}
