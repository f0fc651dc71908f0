//! The real binary against an OTLP/gRPC backend inside the test, for what only the two together can show: no outage loses a
//! sample, doubles one or delays the taking of one, and what the operator reads about it is true and said once.
//!
//! These tests take real seconds, as a child process has its own clock. The cases of one table therefore run at once, on an
//! interval of one second.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "delivery/agent.rs"]
mod agent;
#[path = "support/otlp_server.rs"]
mod otlp_server;
#[path = "delivery/samples.rs"]
mod samples;
#[path = "support/shim.rs"]
#[allow(dead_code, reason = "another test program needs the rest")]
mod shim;
#[path = "support/skip.rs"]
mod skip;
#[path = "delivery/stand_ins.rs"]
mod stand_ins;

#[path = "delivery/clock.rs"]
mod clock;
#[path = "delivery/content.rs"]
mod content;
#[path = "delivery/disk.rs"]
mod disk;
#[path = "delivery/endings.rs"]
mod endings;
#[path = "delivery/endpoints.rs"]
mod endpoints;
#[path = "delivery/gaps.rs"]
mod gaps;
#[path = "delivery/hostile.rs"]
mod hostile;
#[path = "delivery/outages.rs"]
mod outages;
#[path = "delivery/server.rs"]
mod server;
#[path = "delivery/verdicts.rs"]
mod verdicts;
