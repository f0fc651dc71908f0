//! The real binary against the backends that people run, and against what networks do to the way there: nothing is lost,
//! nothing is doubled, nothing secret is told, and what is wrong is said in words that an operator can act on.
//!
//! Servers are real where a real one can give the answer in question, and the test's own where none would. Waiting is for
//! conditions, never for a time to pass, but where the passing of time is the claim.

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
#[path = "../support/child.rs"]
mod child;
#[path = "../namespaces/enter.rs"]
#[allow(dead_code, reason = "another test program needs the rest")]
mod enter;
#[path = "../namespaces/leak.rs"]
#[allow(dead_code, reason = "another test program needs the rest")]
mod leak;
#[path = "../support/node.rs"]
mod node;
#[path = "../support/otlp_server.rs"]
mod otlp_server;
#[path = "../support/program.rs"]
#[allow(dead_code, reason = "another test program needs the rest")]
mod program;
#[path = "../delivery/samples.rs"]
#[allow(dead_code, reason = "another test program needs the rest")]
mod samples;
#[path = "../support/skip.rs"]
mod skip;
#[path = "../support/tools.rs"]
mod tools;

mod certificates;
mod collector;
mod http_server;
mod proxy;
mod whole;

mod diagnoses;
mod events;
mod faults;
mod kills;
mod pods;
mod prometheus;
mod protocols;
mod rotation;
mod secrets;
mod soak;
mod traces;
mod transitions;
mod trouble;
mod verdicts;
