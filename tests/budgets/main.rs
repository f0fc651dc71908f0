//! Budgets that do not depend on the machine: what a reading allocates, how often it calls the kernel, how much memory an agent
//! takes, and that it does nothing between two readings.
//!
//! Those that do depend on it, which are times, are ratios and the benchmarks'.

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
mod allocations;
mod crowd;
#[path = "../namespaces/enter.rs"]
mod enter;
mod idle;
mod memory;
#[path = "../support/skip.rs"]
mod skip;
mod syscalls;

use tcpgauge::source::details::Attention;
use tcpgauge::source::proc_root::ProcRoot;
use tcpgauge::source::{Choice, Options, Scope, Source};

/// Every way there is to read, and whether the families are told apart.
const EVERY_WAY: [(Source, bool); 5] = [
    (Source::Diag, false),
    (Source::Diag, true),
    (Source::DiagFull, false),
    (Source::DiagFull, true),
    (Source::Text, true),
];

/// Reads this process's own namespace.
fn own(by_family: bool) -> Options {
    Options {
        proc_root: ProcRoot::new("/proc"),
        scope: Scope::Own,
        choice: Choice::Auto,
        by_family,
        attention: Attention::default(),
    }
}
