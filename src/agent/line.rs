//! The way from a queue to its backend: one for samples, one for events. Neither waits for the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::delivery::backend::Backend;
use crate::delivery::endpoint::Signal;
use crate::delivery::health::{Last, Report};
use crate::delivery::outbox::Outbox;
use crate::delivery::sender::{Sender, Sent};
use crate::delivery::spool::{Spool, SpoolError};
use crate::delivery::{self};
use crate::sample::Delivery;

/// What is left to deliver what waits once the agent is told to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// What is left after that to have the rest on disk.
const LAST_SYNC: Duration = Duration::from_secs(1);

/// A disk that gives back nothing for so long is left alone.
const RECOVERY: Duration = Duration::from_secs(10);

/// A queue and the one who sends what is in it.
pub(super) struct Line {
    pub(super) outbox: Outbox,
    report: Report,
    has_spool: bool,
    signal: Signal,
    leave: watch::Sender<bool>,
    sender: JoinHandle<()>,
}

impl Line {
    /// Starts to send what was kept from before, and what comes, and shows each request to `tell`.
    pub(super) async fn start(
        options: &delivery::Options,
        spread: Duration,
        tell: impl Fn(&Sent<'_>) + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let (outbox, has_spool) = outbox(options).await?;
        let (leave, leaving) = watch::channel(false);
        let sender = Sender::new(outbox.clone(), Backend::new(options), spread).watched(tell);
        Ok(Self {
            outbox,
            report: sender.report(),
            has_spool,
            signal: options.endpoint.signal,
            leave,
            sender: tokio::spawn(sender.run(leaving)),
        })
    }

    /// A look at it, at any time.
    pub(super) fn watch(&self) -> Watch {
        Watch {
            outbox: self.outbox.clone(),
            has_spool: self.has_spool,
            report: self.report.clone(),
        }
    }

    /// Whether nobody sends any more.
    pub(super) fn is_broken(&self) -> bool {
        self.sender.is_finished()
    }

    /// Delivers what waits, as far as the time goes, and says what is left.
    pub(super) async fn drain(mut self) {
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
        let record = self.signal.record();
        if undelivered > 0 || dropped > 0 {
            tracing::warn!(
                undelivered,
                dropped,
                "ending with {undelivered} {record}(s) undelivered{kept}, {dropped} dropped before"
            );
        } else if self.signal == Signal::Metrics {
            tracing::info!("every sample is delivered; ending");
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

/// The queue, with what a spool kept from before; and whether there is a spool.
async fn outbox(options: &delivery::Options) -> anyhow::Result<(Outbox, bool)> {
    let (bounds, signal) = (options.queue, options.endpoint.signal);
    let recovered = Arc::new(AtomicU64::new(0));
    let none = || Outbox::recovering(signal, bounds, None, &AtomicU64::new(0));
    let Some(spool) = options.spool.clone() else {
        return Ok((none(), false));
    };
    let shown = spool.dir.display().to_string();
    let count = Arc::clone(&recovered);
    let mut opening = tokio::task::spawn_blocking(move || {
        let spool = Spool::open(&spool)?;
        Ok::<_, SpoolError>(Outbox::recovering(signal, bounds, Some(spool), &count))
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
    let record = signal.record();
    let why = match opened {
        Ok(opened) => match opened.context("the thread that reads the spool is gone")? {
            Ok(outbox) => {
                let kept = outbox.waiting();
                if kept > 0 {
                    tracing::info!(
                        kept,
                        "{kept} {record}(s) of before are in {shown} and wait to be sent"
                    );
                }
                return Ok((outbox, true));
            }
            Err(error @ SpoolError::InUse(_)) => return Err(error.into()),
            Err(error) => error.to_string(),
        },
        Err(_) => format!("{shown} has not given back anything for {RECOVERY:?}"),
    };
    tracing::error!("{why}; going on without a spool: the {record}s that wait are in memory alone");
    Ok((none(), false))
}
