//! The command line as its users meet it: exit codes, help, configuration in its layers, the terminal, and what is never shown.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod agent;
mod configuration;
#[path = "../support/node.rs"]
mod node;
mod output;
mod pods;
#[path = "../support/program.rs"]
mod program;
mod recording;
mod secrets;
#[path = "../support/skip.rs"]
mod skip;
mod source;
mod state;
mod terminal;
mod usage;

/// `EX_USAGE`: bad usage or configuration.
const BAD_USAGE: i32 = 64;

/// The proc root of a case of `tests/fixtures`.
fn fixture(case: &str) -> String {
    format!("{}/tests/fixtures/{case}/proc", env!("CARGO_MANIFEST_DIR"))
}
