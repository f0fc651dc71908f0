//! What becomes of events: encoded, one record each, into a queue of their own, which samples neither fill nor wait for.

use std::collections::VecDeque;
use std::time::Duration;

use opentelemetry_sdk::Resource;

use super::line::{Line, Watch};
use crate::alerts::Event;
use crate::delivery;
use crate::otlp::logs::Encoder;

/// So many are held until it is known whose they are. That takes one reading, and an alert takes several.
const MOST_HELD: usize = 256;

/// What sends events.
pub(super) struct Events {
    /// Nothing before it is known whose events they are.
    encoder: Option<Encoder>,
    held: VecDeque<Event>,
    line: Line,
    broken: bool,
}

impl Events {
    /// Starts to send what was kept from before.
    pub(super) async fn start(
        options: &delivery::Options,
        spread: Duration,
    ) -> anyhow::Result<Self> {
        let line = Line::start(options, spread, |_| {}).await?;
        tracing::info!("sending events to {}", options.endpoint);
        Ok(Self {
            encoder: None,
            held: VecDeque::new(),
            line,
            broken: false,
        })
    }

    /// It is known whose they are.
    pub(super) fn identify(&mut self, resource: &Resource) {
        let encoder = Encoder::new(resource);
        for event in self.held.drain(..) {
            self.line.outbox.push(encoder.encode(&event));
        }
        self.encoder = Some(encoder);
    }

    /// Puts them into the queue, the oldest first.
    pub(super) fn tell(&mut self, events: &[Event]) {
        if let Some(encoder) = &self.encoder {
            for event in events {
                self.line.outbox.push(encoder.encode(event));
            }
        } else {
            self.held.extend(events.iter().cloned());
            let beyond = self.held.len().saturating_sub(MOST_HELD);
            if beyond > 0 {
                self.held.drain(..beyond);
                tracing::warn!("{beyond} event(s) are dropped: it is not known yet whose they are");
            }
        }
        if self.line.is_broken() && !std::mem::replace(&mut self.broken, true) {
            tracing::error!(
                "the sender of events is gone, and none is delivered any more; this is a bug in tcpgauge: start it again"
            );
        }
    }

    /// How many were dropped since the start, here or by a backend that took the rest of a request.
    pub(super) fn dropped(&self) -> u64 {
        let outbox = &self.line.outbox;
        outbox.dropped() + outbox.stats().rejected_points
    }

    /// A look at how their delivery is, at any time.
    pub(super) fn watch(&self) -> Watch {
        self.line.watch()
    }

    /// Delivers what waits, as far as the time goes, and says what is left.
    pub(super) async fn drain(self) {
        self.line.drain().await;
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
