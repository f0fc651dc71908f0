//! Pods as a kernel shows them: network namespaces that the tests make, with real processes and real sockets in them.
//!
//! What a gate makes of counters is tried in unit tests. Here are the kernel's answers to the questions behind it: what moves
//! no counter, how long that fools a gate, and what a walk over processes sees while namespaces come and go.
//! No root is needed. The engine's clock is the test's, so intervals cost no time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod denied;
mod derives;
#[path = "../namespaces/enter.rs"]
mod enter;
mod holds;
mod identity;
mod layouts;
#[path = "../namespaces/listener.rs"]
#[allow(dead_code, reason = "each test program uses what it needs")]
mod listener;
mod machine;
mod many;
#[path = "../namespaces/population.rs"]
#[allow(dead_code, reason = "each test program uses what it needs")]
mod population;
mod random;
#[path = "../namespaces/rare.rs"]
#[allow(dead_code, reason = "each test program uses what it needs")]
mod rare;
#[path = "../namespaces/scene.rs"]
#[allow(dead_code, reason = "each test program uses what it needs")]
mod scene;
#[path = "../support/skip.rs"]
mod skip;
mod skips;
mod space;
#[path = "../namespaces/table.rs"]
#[allow(dead_code, reason = "each test program uses what it needs")]
mod table;
mod tree;
#[path = "../namespaces/witness.rs"]
#[allow(dead_code, reason = "each test program uses what it needs")]
mod witness;
