//! What the rules of alerts are worth: simulated days of usual hosts in which nothing may be told, and incidents that must be.
//!
//! Everything comes from a seed, so each run sees the same days. `UPDATE_DOCS=1 cargo test --test alerts` writes what was found into
//! docs/alerts.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a test may stop at the first surprise, and nothing here is counted to the last digit"
)]

mod chance;
mod incidents;
mod machine;
mod page;
mod plan;
#[path = "../support/program.rs"]
mod program;
mod replays;
mod roles;
mod trust;
mod world;
