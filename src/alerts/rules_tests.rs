//! What rules can say, and what is wrong with those that cannot be.

use std::time::Duration;

use super::super::rule::{Kind, Scope, Side};
use super::super::{Metric, Options, Severity};
use super::*;
use crate::counters::Wanted;

fn with(text: &str) -> Result<Rules, Vec<String>> {
    Rules::defaults().with(&text.parse().unwrap())
}

fn named<'a>(rules: &'a Rules, name: &str) -> &'a Rule {
    rules.iter().find(|rule| *rule.name == *name).unwrap()
}

/// A rule of one's own that is right, with `line` in it.
fn own(line: &str) -> Result<Rules, Vec<String>> {
    with(&format!("[own]\nmetric = \"tcp_established\"\n{line}\n"))
}

#[test]
fn the_defaults_are_all_there_and_none_is_without_words() {
    let text: toml::Table = DEFAULTS.parse().unwrap();
    let tables = text["alert"].as_table().unwrap();
    let rules = Rules::defaults();
    assert_eq!((rules.iter().count(), tables.len()), (12, 12));
    for rule in rules.iter() {
        assert!(tables.contains_key(&*rule.name), "{}", rule.name);
        assert!(
            rule.enabled && !rule.why.is_empty() && !rule.steps.is_empty(),
            "{}",
            rule.name
        );
        let runbook = format!("{}/{}", env!("CARGO_MANIFEST_DIR"), rule.runbook);
        assert!(std::path::Path::new(&runbook).is_file(), "{runbook}");
    }
}

#[test]
fn each_default_can_be_turned_off_and_each_of_its_values_changed() {
    let defaults = Rules::defaults();
    for rule in defaults.iter() {
        let name = &rule.name;
        let off = with(&format!("[{name}]\nenabled = false\n")).unwrap();
        assert_eq!(
            *named(&off, name),
            Rule {
                enabled: false,
                ..Rule::clone(rule)
            }
        );
        let changed = with(&format!(
            "[{name}]\nfor = \"17s\"\nclear_for = \"18s\"\nseverity = \"info\"\nscope = [\"host\"]\nrunbook = \"r\"\nsteps = [\"s\"]\nwhy = \"w\"\n"
        ));
        let expected = Rule {
            held: Duration::from_secs(17),
            clear_for: Duration::from_secs(18),
            severity: Severity::Info,
            scope: Scope {
                host: true,
                pods: false,
            },
            runbook: "r".into(),
            steps: [Box::from("s")].into(),
            why: "w".into(),
            ..Rule::clone(rule)
        };
        let changed = changed.unwrap();
        assert_eq!(*named(&changed, name), expected);
        // The others stay what they were.
        for (one, other) in defaults.iter().zip(changed.iter()) {
            assert!(one == other || one.name == *name, "{}", one.name);
        }
    }
}

#[test]
fn what_a_kind_looks_for_can_be_changed_one_by_one_and_so_can_the_kind() {
    let minutes = Duration::from_mins;
    for (text, name, kind) in [
        (
            "[memory]\nabove = 95\n",
            "memory",
            Kind::Threshold {
                side: Side::Above,
                limit: 95.0,
                clear: 76.0,
            },
        ),
        (
            "[memory]\nclear = 85\n",
            "memory",
            Kind::Threshold {
                side: Side::Above,
                limit: 90.0,
                clear: 85.0,
            },
        ),
        (
            "[memory]\nbelow = 4\n",
            "memory",
            Kind::Threshold {
                side: Side::Below,
                limit: 4.0,
                clear: 5.0,
            },
        ),
        (
            "[close-wait-growing]\nrise = 7\n",
            "close-wait-growing",
            Kind::Growth {
                window: minutes(30),
                rise: 7.0,
            },
        ),
        (
            "[close-wait-growing]\nwindow = \"1h\"\n",
            "close-wait-growing",
            Kind::Growth {
                window: minutes(60),
                rise: 4.0,
            },
        ),
        (
            "[listen-gone]\nsettle = \"1m\"\n",
            "listen-gone",
            Kind::Settled {
                side: Side::Below,
                settle: minutes(1),
                accept_after: minutes(60),
            },
        ),
        (
            "[listen-unexpected]\naccept_after = \"2h\"\n",
            "listen-unexpected",
            Kind::Settled {
                side: Side::Above,
                settle: minutes(5),
                accept_after: minutes(120),
            },
        ),
        (
            "[connections-surge]\nwindow = \"2h\"\nfactor = 4.5\nleast = 7\nwarm_up = \"90m\"\naccept_after = \"6m\"\n",
            "connections-surge",
            Kind::Range {
                side: Side::Above,
                window: minutes(120),
                factor: 4.5,
                least: 7.0,
                warm_up: minutes(90),
                accept_after: minutes(6),
            },
        ),
        // Of another kind nothing that it had before counts.
        (
            "[connections-surge]\nkind = \"threshold\"\nabove = 10\n",
            "connections-surge",
            Kind::Threshold {
                side: Side::Above,
                limit: 10.0,
                clear: 8.0,
            },
        ),
    ] {
        assert_eq!(named(&with(text).unwrap(), name).kind, kind, "{text}");
    }
    assert_eq!(
        named(
            &with("[memory]\nmetric = \"tcp_listen\"\n").unwrap(),
            "memory"
        )
        .metric,
        Metric::Listen
    );
}

#[test]
fn a_new_rule_needs_a_metric_and_what_its_kind_cannot_do_without() {
    let rules = own("below = 4").unwrap();
    assert_eq!(rules.iter().count(), 13);
    let rule = named(&rules, "own");
    let expected = Rule {
        name: "own".into(),
        metric: Metric::Established,
        kind: Kind::Threshold {
            side: Side::Below,
            limit: 4.0,
            clear: 5.0,
        },
        held: Duration::from_mins(5),
        clear_for: Duration::from_mins(2),
        severity: Severity::Warning,
        scope: Scope {
            host: true,
            pods: true,
        },
        runbook: "".into(),
        steps: [].into(),
        why: "".into(),
        enabled: true,
    };
    assert_eq!(*rule, expected);
    for (line, kind) in [
        ("kind = \"growth\"", "growth"),
        ("kind = \"range\"\nside = \"below\"", "range"),
    ] {
        assert_eq!(named(&own(line).unwrap(), "own").kind.name(), kind);
    }
    // What changes a rule of one's own goes on top of it, as with any.
    let again = rules
        .with(&"[own]\nfor = \"1m\"\n".parse().unwrap())
        .unwrap();
    assert_eq!(
        *named(&again, "own"),
        Rule {
            held: Duration::from_mins(1),
            ..expected
        }
    );
}

#[test]
fn what_rules_look_at_is_read_whatever_metrics_are_sent_and_nothing_for_those_that_are_off() {
    let wants = |rules: Rules, enabled| {
        let runbooks = "".into();
        let options = Options {
            rules,
            runbooks,
            enabled,
        };
        let Wanted { counters, capacity } = options.besides(Wanted::default());
        (counters, capacity)
    };
    assert_eq!(wants(Rules::defaults(), true), (true, true));
    assert_eq!(wants(Rules::defaults(), false), (false, false));
    let without = |names: &[&str]| {
        let off = names
            .iter()
            .map(|name| format!("[{name}]\nenabled = false\n"));
        wants(with(&off.collect::<String>()).unwrap(), true)
    };
    assert_eq!(without(&["listen-overflows"]), (false, true));
    assert_eq!(without(&["memory"]), (true, true));
    assert_eq!(without(&["memory", "ports"]), (true, false));
}
