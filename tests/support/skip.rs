//! How a test says that it did nothing, and why, where libtest's capture does not swallow it.
#![allow(dead_code, reason = "each test program uses what it needs")]

use std::io::Write;

/// Starts the line.
const SKIPPED: &str = "skipped: ";

/// Says it; on CI it is a failure.
pub(crate) fn skip(test: &str, why: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{test} may not be skipped on CI: {why}"
    );
    say(&format!("{SKIPPED}{test}: {why}"));
}

/// Says it of what needs root, or more than others are given; on CI root does it as well, and this is no failure.
pub(crate) fn leave_to_root(test: &str, why: &str) {
    assert!(
        !rustix::process::geteuid().is_root(),
        "{test} may not be left to root by root: {why}"
    );
    say(&format!("{SKIPPED}{test}: {why}"));
}

/// Says again what a test run by another one said.
pub(crate) fn repeat_skips(stderr: &str) {
    stderr
        .lines()
        .filter(|line| line.starts_with(SKIPPED))
        .for_each(say);
}

fn say(line: &str) {
    std::io::stderr()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}
