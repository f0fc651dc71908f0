//! What there is to send: from the SDK through the queue to the backend.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use tokio::time::Instant;

use super::events::Events;
use super::line::{Line, Watch};
use super::passage::{IntoQueue, Passage};
use super::{now, own_traces, patiently};
use crate::alerts::Event;
use crate::config::{self, Config};
use crate::delivery::sender::Sent;
use crate::delivery::{self};
use crate::identity::{self, Identity};
use crate::otlp::pipeline::Pipeline;
use crate::otlp::resource;
use crate::otlp::traces::{Cycle, Traces};
use crate::sample::{Delivery, Sample};

/// Everything behind a sample. What waits is sent from the start; samples become records once it is known whose they are.
pub(super) struct Shipping {
    metrics: Option<Metrics>,
    events: Option<Events>,
    traces: Arc<OnceLock<Traces>>,
    is_identified: bool,
}

impl Shipping {
    /// Starts to send what was kept from before, and what comes.
    pub(super) async fn start(config: &Config) -> anyhow::Result<Self> {
        let traces = Arc::new(OnceLock::new());
        // Above half an interval a sample would wait for the next one.
        let spread = |options: &delivery::Options| {
            let spread = options.spread.min(config.interval / 2);
            spread.mul_f64(identity::share())
        };
        let metrics = async {
            Ok::<_, anyhow::Error>(match &config.delivery {
                Some(options) => {
                    let traces = Arc::clone(&traces);
                    Some(Metrics::start(config, options, spread(options), traces).await?)
                }
                None => None,
            })
        };
        let events = async {
            Ok(match config.events.options() {
                Some(options) => Some(Events::start(options, spread(options)).await?),
                None => None,
            })
        };
        let (metrics, events) = tokio::try_join!(metrics, events)?;
        Ok(Self {
            is_identified: false,
            metrics,
            events,
            traces,
        })
    }

    /// Finds out whose samples they are, if that is not known and can be known: what tells it is below the proc root, and for
    /// who has read there. Gives the host's name, once and where it has one.
    pub(super) async fn identify(&mut self, config: &Config) -> Option<String> {
        if self.is_identified {
            return None;
        }
        let time = now();
        let identity = patiently(&config.source, move |options| {
            Identity::inspect(options, time)
        });
        // It answered a moment ago, and will again: the next sample asks anew.
        let identity = identity.await?;
        self.is_identified = true;
        let sends = self.metrics.is_some() || self.events.is_some() || config.traces.is_some();
        if let Some(why) = identity.host_name.why_not()
            && sends
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
        if let Some(events) = &mut self.events {
            events.identify(&resource);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.identify(config, resource);
        }
        let given = config.resource.host_name.as_deref();
        given.or(identity.host_name.known()).map(str::to_owned)
    }

    /// Puts events into their queue, the oldest first. Those that come before it is known whose they are are held.
    pub(super) fn tell(&mut self, events: &[Event]) {
        if let Some(line) = &mut self.events {
            line.tell(events);
        }
    }

    /// How many events were dropped since the start, where events are sent.
    pub(super) fn dropped_events(&self) -> Option<u64> {
        self.events.as_ref().map(Events::dropped)
    }

    /// How delivery is, where something is delivered.
    pub(super) fn stats(&self) -> Option<Delivery> {
        Some(self.watch()?.stats())
    }

    /// A look at the same, and at how requests go, at any time.
    pub(super) fn watch(&self) -> Option<Watch> {
        self.metrics.as_ref().map(|metrics| metrics.line.watch())
    }

    /// The same of events.
    pub(super) fn watch_events(&self) -> Option<Watch> {
        self.events.as_ref().map(Events::watch)
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
        let metrics = async {
            if let Some(metrics) = self.metrics {
                metrics.line.drain().await;
            }
        };
        let events = async {
            if let Some(events) = self.events {
                events.drain().await;
            }
        };
        tokio::join!(metrics, events);
        own_traces::end(self.traces).await;
    }
}

/// Says what is not sent, and why.
pub(super) fn say_what_is_not_sent(config: &Config) {
    use config::Events::{Nowhere, To};
    match (&config.delivery, &config.events) {
        (None, Nowhere(_)) => tracing::info!("nothing is sent: the exporter is none"),
        (None, To(_)) => tracing::info!("no samples are sent: the exporter is none"),
        (Some(_), Nowhere(why)) => tracing::info!("no events are sent: {why}"),
        (Some(_), To(_)) => {}
    }
}

/// What sends metrics.
struct Metrics {
    /// Nothing before it is known whose samples they are.
    pipeline: Option<Pipeline>,
    queue: IntoQueue,
    line: Line,
    broken: bool,
}

impl Metrics {
    async fn start(
        config: &Config,
        options: &delivery::Options,
        spread: Duration,
        traces: Arc<OnceLock<Traces>>,
    ) -> anyhow::Result<Self> {
        let tell = move |sent: &Sent<'_>| {
            if let Some(traces) = traces.get() {
                own_traces::tell(traces, sent);
            }
        };
        let line = Line::start(options, spread, tell).await?;
        tracing::info!(
            "sending to {} every {:?}",
            options.endpoint,
            config.interval
        );
        Ok(Self {
            pipeline: None,
            queue: IntoQueue::new(line.outbox.clone()),
            line,
            broken: false,
        })
    }

    fn identify(&mut self, config: &Config, resource: Resource) {
        self.pipeline = Some(Pipeline::new(&config.metrics, resource, self.queue.clone()));
    }

    fn export(&mut self, sample: Sample) -> Passage {
        let pipeline = self.pipeline.as_ref();
        let export = || pipeline.map_or(Ok(()), |pipeline| pipeline.export(sample));
        let (exported, passage) = self.queue.watch(export);
        let gone = self.line.is_broken();
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
}
