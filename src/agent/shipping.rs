//! What there is to send: from the SDK through the queue to the backend.

use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{now, patiently};
use crate::config::Config;
use crate::delivery::backend::Backend;
use crate::delivery::outbox::Outbox;
use crate::delivery::sender::Sender;
use crate::delivery::spool::{Spool, SpoolError};
use crate::delivery::{self};
use crate::identity::Identity;
use crate::otlp::pipeline::Pipeline;
use crate::otlp::resource;
use crate::sample::{Delivery, Sample};

/// What is left to deliver what waits once the agent is told to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// What is left after that to have the rest on disk.
const LAST_SYNC: Duration = Duration::from_secs(1);

/// A disk that takes longer to give back what it kept is left alone.
const RECOVERY: Duration = Duration::from_secs(30);

/// Everything behind a sample.
pub(super) struct Shipping {
    pipeline: Pipeline,
    outbox: Outbox,
    leave: watch::Sender<bool>,
    sender: JoinHandle<()>,
    has_spool: bool,
    broken: bool,
}

impl Shipping {
    /// Starts to send, if something is to be sent; nothing yet if this agent cannot find out who it is.
    pub(super) async fn start(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(options) = &config.delivery else {
            return Ok(None);
        };
        let time = now();
        let identity = patiently(&config.source, move |options| {
            Identity::inspect(options, time)
        });
        // It answered a moment ago, and will again: the next sample asks anew.
        let Some(identity) = identity.await else {
            return Ok(None);
        };
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
        let (outbox, has_spool) = outbox(options).await?;
        let (leave, leaving) = watch::channel(false);
        // Above half an interval a sample would wait for the next one.
        let spread = options.spread.min(config.interval / 2);
        let spread = spread.mul_f64(identity.share());
        tracing::info!(
            "sending to {} every {:?}",
            options.endpoint,
            config.interval
        );
        let sender = Sender::new(outbox.clone(), Backend::new(options), spread);
        let sender = tokio::spawn(sender.run(leaving));
        let enqueue = outbox.clone();
        let pipeline = Pipeline::new(&config.metrics, resource, move |request| {
            enqueue.push(request);
        });
        Ok(Some(Self {
            pipeline,
            outbox,
            leave,
            sender,
            has_spool,
            broken: false,
        }))
    }

    /// How delivery is.
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

    /// Puts a sample into the queue.
    pub(super) fn export(&mut self, sample: Sample) {
        let exported = self.pipeline.export(sample);
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
    }

    /// Delivers what waits, as far as the time goes, and says what is left.
    pub(super) async fn drain(mut self) {
        let _ = self.leave.send(true);
        // Whether it ended by itself does not matter, but what is left.
        let _ = tokio::time::timeout(DRAIN, &mut self.sender).await;
        self.sender.abort();
        let undelivered = self.outbox.waiting();
        let dropped = self.outbox.dropped();
        let kept = self.has_spool && self.close().await;
        if undelivered == 0 && dropped == 0 {
            tracing::info!("everything is delivered; ending");
        } else if kept {
            tracing::warn!(
                undelivered,
                dropped,
                "ending with {undelivered} sample(s) undelivered, which are on disk for the next start, {dropped} dropped before"
            );
        } else {
            tracing::warn!(
                undelivered,
                dropped,
                "ending with {undelivered} sample(s) undelivered, {dropped} dropped before"
            );
        }
    }

    /// Whether all that waits is on disk.
    async fn close(&self) -> bool {
        let outbox = self.outbox.clone();
        let closing = tokio::task::spawn_blocking(move || outbox.close(LAST_SYNC));
        matches!(
            tokio::time::timeout(2 * LAST_SYNC, closing).await,
            Ok(Ok(true))
        )
    }
}

/// The queue, with what a spool kept from before; and whether there is a spool.
async fn outbox(options: &delivery::Options) -> anyhow::Result<(Outbox, bool)> {
    let bounds = options.queue;
    let Some(spool) = options.spool.clone() else {
        return Ok((Outbox::new(bounds, None), false));
    };
    let shown = spool.dir.display().to_string();
    let opening = tokio::task::spawn_blocking(move || {
        let spool = Spool::open(&spool)?;
        Ok::<_, SpoolError>(Outbox::new(bounds, Some(spool)))
    });
    let why = match tokio::time::timeout(RECOVERY, opening).await {
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
        Err(_) => format!("{shown} cannot be read within {RECOVERY:?}"),
    };
    tracing::error!("{why}; going on without a spool: what waits is in memory alone");
    Ok((Outbox::new(bounds, None), false))
}
