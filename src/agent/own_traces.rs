//! The way of the agent's own traces to their backend: the same that metrics take, and never in their way.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use prost::bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::delivery::backend::Backend;
use crate::delivery::sender::Sent;
use crate::delivery::transport::{Payload, Transport};
use crate::delivery::{self};
use crate::otlp::traces::{self, Traces};

/// What is left of an agent's time for its last traces.
const LAST: Duration = Duration::from_secs(1);

type Reply = oneshot::Sender<Result<(), String>>;

/// Begins to trace; nothing if that is not possible, which is said.
pub(super) fn start(
    options: &delivery::Options,
    resource: opentelemetry_sdk::Resource,
) -> Option<Traces> {
    // One at a time: the exporter waits for each.
    let (to_task, from_client) = mpsc::channel(1);
    match Traces::new(resource, Client(to_task)) {
        Ok(traces) => {
            tracing::info!("sending traces to {}", options.endpoint);
            tokio::spawn(forward(Backend::new(options), from_client));
            Some(traces)
        }
        Err(error) => {
            tracing::error!("there will be no traces: {error}");
            None
        }
    }
}

/// Sends the last traces, as far as the time goes.
pub(super) async fn end(traces: Arc<OnceLock<Traces>>) {
    if traces.get().is_none() {
        return;
    }
    let ending = tokio::task::spawn_blocking(move || {
        if let Some(traces) = traces.get() {
            traces.shutdown(LAST);
        }
    });
    let _ = tokio::time::timeout(2 * LAST, ending).await;
}

/// Tells of a request for metrics that has just ended.
pub(super) fn tell(traces: &Traces, sent: &Sent<'_>) {
    traces.request(&traces::Request {
        first: sent.first,
        records: sent.records,
        bytes: sent.bytes,
        began: sent.began,
        took: sent.took,
        failure: sent.failure,
    });
}

/// Sends what comes from the exporter, once: traces that are not taken are given up.
async fn forward(mut backend: Backend, mut requests: mpsc::Receiver<(Payload, Reply)>) {
    let mut failing = false;
    while let Some((payload, reply)) = requests.recv().await {
        let sent = backend.send(payload).await;
        match &sent {
            Ok(_) if std::mem::take(&mut failing) => tracing::info!("traces are delivered again"),
            Err(failure) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(
                    "cannot deliver traces, which are given up: {}",
                    failure.message
                );
            }
            _ => {}
        }
        let _ = reply.send(sent.map(drop).map_err(|failure| failure.message));
    }
}

/// What the exporter takes for an HTTP client.
#[derive(Debug)]
struct Client(mpsc::Sender<(Payload, Reply)>);

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let is_gzip = request
            .headers()
            .get(http::header::CONTENT_ENCODING)
            .is_some_and(|encoding| encoding == "gzip");
        let body = request.into_body();
        let payload = if is_gzip {
            Payload::Gzip {
                plain_bytes: body.len(),
                bytes: body,
            }
        } else {
            Payload::Plain(vec![body])
        };
        let (reply, replied) = oneshot::channel();
        self.0.send((payload, reply)).await?;
        replied.await??;
        Ok(Response::new(Bytes::new()))
    }
}
