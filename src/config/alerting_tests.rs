//! Rules in the file.

use std::io::Write;

use super::super::{Config, Environment};
use super::{Flags, UsedBy, load_with_file};
use crate::alerts::Rules;
use crate::tcp::State;

#[test]
fn without_tables_the_rules_are_the_defaults() {
    let config = load_with_file("", &[], &[]).unwrap();
    assert_eq!(config.alerts.rules, Rules::defaults());
}

#[test]
fn a_table_changes_a_rule_or_makes_one() {
    let file =
        "[alert.memory]\nenabled = false\n[alert.own]\nmetric = \"tcp_established\"\nbelow = 3\n";
    let config = load_with_file(file, &[], &[]).unwrap();
    let named = |name| config.alerts.rules.iter().find(|rule| &*rule.name == name);
    assert!(!named("memory").unwrap().enabled);
    assert!(named("own").unwrap().enabled);
}

#[test]
fn everything_that_is_wrong_with_rules_is_said_with_the_file() {
    for (file, says) in [
        ("alert = 3\n", "[alert.NAME]"),
        ("alert.memory = 3\n", "[alert.memory]"),
        ("[alert.memry]\nabove = 3\n", "did you mean memory?"),
        (
            "[alert.memory]\nabvoe = 3\n[alert.ports]\nabove = -1\n",
            "did you mean above?",
        ),
        (
            "[alert.memory]\nabvoe = 3\n[alert.ports]\nabove = -1\n",
            "alert.ports.above",
        ),
        (
            "[alerts.memory]\nabove = 3\n",
            "is `true` or `false`; rules are tables [alert.NAME]",
        ),
        ("alerts = 3\n", "neither true nor false"),
    ] {
        let faults = load_with_file(file, &[], &[]).unwrap_err().join("\n");
        assert!(faults.contains(says), "{file}: {faults}");
    }
}

/// `alerts list` and `alerts replay` look at them, though they send nothing.
#[test]
fn readers_see_the_rules_too_and_what_is_wrong_with_them() {
    let config = Config::load(Flags::default(), Environment::default(), UsedBy::Readers).unwrap();
    assert!(config.alerts.rules.iter().count() > 10);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[alerts.memory]\nabove = 3\n").unwrap();
    let flags = Flags {
        file: Some(file.path().to_owned()),
        ..Flags::default()
    };
    let faults = Config::load(flags, Environment::default(), UsedBy::Readers).unwrap_err();
    assert!(faults[0].to_string().contains("[alert.NAME]"), "{faults:?}");
}

#[test]
fn alerts_look_for_who_it_is_and_without_them_nobody_does() {
    let config = load_with_file("", &[], &[]).unwrap();
    assert!(config.alerts.enabled);
    let attention = &config.source.attention;
    assert_eq!(attention.state, Some(State::CloseWait));
    assert!(attention.inodes && attention.listening);
    let config = load_with_file("alerts = false\n", &[], &[]).unwrap();
    assert!(!config.alerts.enabled);
    let attention = &config.source.attention;
    assert_eq!(attention.state, None);
    assert!(!attention.inodes && !attention.listening);
}
