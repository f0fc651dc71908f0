//! What sentences are made of.

use super::super::made::{at, pod};
use super::*;

#[test]
fn numbers_are_easy_to_read() {
    for (metric, value, shown) in [
        (Metric::CloseWait, 54.0, "54"),
        (Metric::TimeWait, 30_000.0, "30,000"),
        (Metric::TimeWait, 1_234_567.0, "1,234,567"),
        (Metric::Ports, 83.0, "83 %"),
        (Metric::Ports, 80.31, "80.3 %"),
        (Metric::TimeWait, 1234.5, "1,234.5"),
        (Metric::CloseWait, 0.0, "0"),
        (Metric::Listen, -0.0, "0"),
    ] {
        assert_eq!(amount(metric, value), shown);
    }
    for (seconds, shown) in [
        (0, "0 s"),
        (119, "119 s"),
        (720, "12 min"),
        (7200, "2 h"),
        (172_800, "2 days"),
    ] {
        assert_eq!(span(Duration::from_secs(seconds)), shown);
    }
    assert_eq!(time(at(270), at(300)), "12:04:30 UTC");
    assert_eq!(time(at(270), at(86_400)), "2026-11-29 12:04:30 UTC");
}

#[test]
fn a_strangers_name_is_kept_harmless() {
    assert_eq!(name("a\n\u{1b}[2Jb\u{202e}c"), "a  [2Jb c");
    assert!(name(&"x".repeat(10_000)).chars().count() <= LONGEST_NAME + 1);
    let hostile = whose(&pod("evil\u{1b}]0;\u{2067}"));
    assert!(
        !hostile.contains(|c: char| c.is_control() || c == '\u{2067}'),
        "{hostile}"
    );
}
