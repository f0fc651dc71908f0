//! The whole binary over trees that look like a proc, good and bad: what it prints, what it says, how it ends.
//!
//! A table of sockets reaches tcpgauge through mounts, containers and other people's copies, so anything can be in its
//! place. Whatever it is, nothing panics, nothing hangs, and no total is wrong without a word about it.
//!
//! What git can carry is in `tests/fixtures/<case>`, with goldens that `UPDATE_GOLDENS=1 cargo test --test fixtures` writes;
//! what it cannot (pipes, devices, permissions, sizes) is made by the tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "fixture_cases/carried.rs"]
mod carried;
#[path = "fixture_cases/golden.rs"]
mod golden;
#[path = "fixture_cases/guard.rs"]
mod guard;
#[path = "fixture_cases/huge.rs"]
mod huge;
#[path = "fixture_cases/made.rs"]
mod made;
#[path = "fixture_cases/outcome.rs"]
mod outcome;
#[path = "support/program.rs"]
mod program;
#[path = "support/skip.rs"]
mod skip;
