//! The Helm chart: what it renders, and that what is made from it, and from the agent for it, is in step.
//!
//! Each example in `helm/tcpgauge/ci` is rendered with Helm 3 and Helm 4, and compared with `tests/helm/rendered`, which
//! `UPDATE_GOLDENS=1 cargo test --test helm` writes. What the templates refuse is in the chart's own suites, which `.ci/helm` runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod chart;
mod made;
mod rendered;
mod settings;
#[path = "../support/skip.rs"]
mod skip;
#[path = "../support/tools.rs"]
mod tools;
mod values;
