//! What is listed is what is in force.

use std::time::Duration;

use super::{changed, condition, json, markdown, span, table, toml};
use crate::alerts::Rules;

fn rules(text: &str) -> Rules {
    let table: toml::Table = text.parse().unwrap();
    Rules::defaults().with(&table).unwrap()
}

#[test]
fn the_rules_as_a_configuration_are_the_rules() {
    let changed = rules(
        "[close-wait]\nabove = 20\n[memory]\nenabled = false\n[own]\nmetric = \"tcp_established\"\nbelow = 1.5\n",
    );
    for rules in [Rules::defaults(), changed] {
        let text = toml(&rules);
        let file: toml::Table = text.parse().unwrap();
        let listed = Rules::defaults()
            .with(file["alert"].as_table().unwrap())
            .unwrap();
        let (one, other): (Vec<_>, Vec<_>) = (rules.iter().collect(), listed.iter().collect());
        assert_eq!(one, other);
    }
}

#[test]
fn a_table_marks_what_was_changed_and_what_is_off() {
    let page = table(&rules(
        "[close-wait]\nabove = 20\n[memory]\nenabled = false\n[own]\nmetric = \"tcp_established\"\nbelow = 1\n",
    ));
    for part in [
        "*close-wait",
        "*above = 20",
        "*memory",
        "off",
        "*new own",
        "\ntime-wait  ",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!table(&Rules::defaults()).contains("\n*"));
    for line in page.lines() {
        assert!(line.len() <= 140, "{line}");
    }
}

#[test]
fn each_rule_is_in_each_form() {
    let rules = Rules::defaults();
    let (table, page, text) = (table(&rules), markdown(&rules), json(&rules));
    let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed.as_array().unwrap().len(), rules.iter().count());
    for rule in rules.iter() {
        assert!(table.contains(&condition(rule)), "{}", rule.name);
        assert!(
            page.contains(&format!("### {}\n", rule.name)),
            "{}",
            rule.name
        );
        assert!(
            text.contains(&format!("\"name\":\"{}\"", rule.name)),
            "{}",
            rule.name
        );
        assert!(changed(Some(rule), rule).is_empty());
    }
}

#[test]
fn a_condition_has_all_that_must_be_so() {
    let rules = rules(
        "[listen-gone]\nfor = \"10m\"\n[listen-unexpected]\nfor = \"0s\"\n[close-wait]\nabove = 3\n[own]\nmetric = \"tcp_established\"\nbelow = 3.3\n",
    );
    for (name, says) in [
        (
            "listen-gone",
            "tcp_listen below its settled level in two samples in a row, for 10m",
        ),
        (
            "listen-unexpected",
            "tcp_listen above its settled level in two samples in a row",
        ),
        // In binary four fifths of 3 are a little more.
        ("close-wait", "tcp_close_wait above 3 for 5m, until 2.4"),
        ("own", "tcp_established below 3.3 for 5m, until 4.125"),
    ] {
        let rule = rules.iter().find(|rule| &*rule.name == name).unwrap();
        assert_eq!(condition(rule), says);
    }
}

#[test]
fn a_time_is_written_as_it_is_read() {
    for (seconds, text) in [
        (0, "0s"),
        (30, "30s"),
        (300, "5m"),
        (5400, "1h30m"),
        (604_800, "168h"),
    ] {
        assert_eq!(span(Duration::from_secs(seconds)), text);
    }
}
