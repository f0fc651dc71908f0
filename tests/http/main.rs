//! What the real agent answers over HTTP, to whom, and that nobody who asks can keep it from its work or another from an answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "../delivery/agent.rs"]
#[allow(dead_code, reason = "another test program needs the rest")]
mod agent;
#[path = "../namespaces/enter.rs"]
#[allow(dead_code, reason = "another test program needs the rest")]
mod enter;
#[path = "../support/otlp_server.rs"]
mod otlp_server;
#[path = "../support/shim.rs"]
#[allow(dead_code, reason = "another test program needs the rest")]
mod shim;
#[path = "../support/skip.rs"]
mod skip;

mod asking;
mod events;
mod limits;
mod pages;
mod places;

use std::time::Duration;

/// Nothing that is waited for takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Port 1 is nobody's: an endpoint at which nobody listens.
const NOBODY: &str = "http://127.0.0.1:1";
