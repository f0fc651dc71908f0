//! The rules as people read them and as files have them, all from the same rows.

use std::fmt::Write;
use std::time::Duration;

use serde_json::json;
use toml::Value;

use super::Rules;
use super::rule::{Kind, Rule, Side};

/// Everything of a rule that can be set, as it is written in a configuration.
#[must_use]
pub fn settings(rule: &Rule) -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::String(text.to_owned());
    let time = |time: Duration| Value::String(span(time));
    let mut rows = vec![
        ("metric", text(rule.metric.name())),
        ("kind", text(rule.kind.name())),
    ];
    match rule.kind {
        Kind::Threshold { side, limit, clear } => {
            rows.push((side.name(), number(limit)));
            rows.push(("clear", number(clear)));
        }
        Kind::Growth { window, rise } => {
            rows.extend([("window", time(window)), ("rise", number(rise))]);
        }
        Kind::Settled {
            side,
            settle,
            accept_after,
        } => rows.extend([
            ("side", text(side.name())),
            ("settle", time(settle)),
            ("accept_after", time(accept_after)),
        ]),
        Kind::Range {
            side,
            window,
            factor,
            least,
            warm_up,
            accept_after,
        } => rows.extend([
            ("side", text(side.name())),
            ("window", time(window)),
            ("factor", number(factor)),
            ("least", number(least)),
            ("warm_up", time(warm_up)),
            ("accept_after", time(accept_after)),
        ]),
    }
    let texts = |texts: Vec<&str>| Value::Array(texts.into_iter().map(text).collect());
    rows.extend([
        ("for", time(rule.held)),
        ("clear_for", time(rule.clear_for)),
        ("severity", text(rule.severity.name())),
        ("scope", texts(scopes(rule))),
        ("enabled", Value::Boolean(rule.enabled)),
        ("runbook", text(&rule.runbook)),
        (
            "steps",
            texts(rule.steps.iter().map(|step| &**step).collect()),
        ),
        ("why", text(&rule.why)),
    ]);
    rows
}

/// The rules as a configuration. What is left of it changes nothing.
#[must_use]
pub fn toml(rules: &Rules) -> String {
    let mut page = String::new();
    for rule in rules.iter() {
        if !page.is_empty() {
            page.push('\n');
        }
        let _ = writeln!(page, "[alert.{}]", rule.name);
        for (key, value) in settings(rule) {
            let _ = writeln!(page, "{key} = {}", written(&value));
        }
    }
    page
}

/// The rules as JSON: an array, each with what can be set of it, and which of that is not the default.
#[must_use]
pub fn json(rules: &Rules) -> String {
    let defaults = Rules::defaults();
    let all = rules.iter().map(|rule| {
        let mut object = serde_json::Map::new();
        object.insert("name".to_owned(), json!(&*rule.name));
        for (key, value) in settings(rule) {
            object.insert(key.to_owned(), json!(value));
        }
        let default = default_of(&defaults, rule);
        object.insert("is_default_rule".to_owned(), json!(default.is_some()));
        object.insert("changed".to_owned(), json!(changed(default, rule)));
        serde_json::Value::Object(object)
    });
    format!("{}\n", serde_json::Value::Array(all.collect()))
}

/// The rules as a table for a terminal: what each is, and below it what changes that. What somebody has changed has a star.
#[must_use]
pub fn table(rules: &Rules) -> String {
    let defaults = Rules::defaults();
    let mut page = String::from(
        "* changed by the configuration. What stands below a rule is how it is written there; docs/alerts.md explains each.\n",
    );
    for rule in rules.iter() {
        let default = default_of(&defaults, rule);
        let changed = changed(default, rule);
        let mark = match default {
            None => "*new ",
            Some(_) if changed.is_empty() => "",
            Some(_) => "*",
        };
        let severity = if rule.enabled {
            rule.severity.name()
        } else {
            "off"
        };
        let _ = writeln!(
            page,
            "\n{:22} {severity:9} {:12} {}",
            format!("{mark}{}", rule.name),
            scopes(rule).join(", "),
            condition(rule),
        );
        let rows = settings(rule);
        let rows = rows.iter().filter(|(key, _)| !TEXTS.contains(key));
        let rows = rows.map(|(key, value)| {
            let star = if changed.contains(key) { "*" } else { "" };
            format!("{star}{key} = {}", written(value))
        });
        let _ = writeln!(page, "  [alert.{}]", rule.name);
        wrap(&mut page, rows);
    }
    page
}

/// The rules as a page: a table of all, and each with its reason.
#[must_use]
pub fn markdown(rules: &Rules) -> String {
    let mut page = String::from(
        "| rule | it tells of | severity | scope | runbook |\n|---|---|---|---|---|\n",
    );
    for rule in rules.iter() {
        let severity = if rule.enabled {
            rule.severity.name()
        } else {
            "off"
        };
        let _ = writeln!(
            page,
            "| [`{0}`](#{0}) | {1} | {severity} | {2} | {3} |",
            rule.name,
            cell(&condition(rule)),
            scopes(rule).join(", "),
            link(&rule.runbook),
        );
    }
    for rule in rules.iter() {
        let _ = writeln!(page, "\n### {}\n", rule.name);
        if !rule.why.is_empty() {
            let _ = writeln!(page, "{}\n", rule.why);
        }
        for step in rule.steps.iter() {
            let _ = writeln!(page, "- {step}");
        }
        if !rule.steps.is_empty() {
            page.push('\n');
        }
        let _ = writeln!(page, "```toml\n[alert.{}]", rule.name);
        for (key, value) in settings(rule) {
            if !TEXTS.contains(&key) {
                let _ = writeln!(page, "{key} = {}", written(&value));
            }
        }
        page.push_str("```\n");
    }
    page
}

/// What is said elsewhere, and seldom changed.
const TEXTS: [&str; 3] = ["runbook", "steps", "why"];

/// No line of settings is longer.
const WIDTH: usize = 110;

/// What a rule looks for, in words.
#[must_use]
pub fn condition(rule: &Rule) -> String {
    let metric = rule.metric.name();
    let held = if rule.held.is_zero() {
        String::new()
    } else {
        format!(" for {}", span(rule.held))
    };
    match rule.kind {
        Kind::Threshold { side, limit, clear } => {
            let over = if clear.total_cmp(&limit).is_ne() {
                format!(", until {clear}")
            } else {
                String::new()
            };
            format!("{metric} {} {limit}{held}{over}", side.name())
        }
        Kind::Growth { window, rise } => {
            format!(
                "{metric} rising steadily by {rise} or more in {}{held}",
                span(window)
            )
        }
        Kind::Settled { side, .. } => {
            let held = if held.is_empty() {
                held
            } else {
                format!(",{held}")
            };
            format!(
                "{metric} {} its settled level in two samples in a row{held}",
                side.name()
            )
        }
        Kind::Range {
            side: Side::Above,
            window,
            factor,
            least,
            ..
        } => format!(
            "{metric} more than {factor} times the most of the last {}, and {least} more{held}",
            span(window)
        ),
        Kind::Range {
            side: Side::Below,
            window,
            factor,
            least,
            ..
        } => format!(
            "{metric} less than {factor} of the least of the last {}, and {least} fewer{held}",
            span(window)
        ),
    }
}

fn scopes(rule: &Rule) -> Vec<&'static str> {
    let scopes = [(rule.scope.host, "host"), (rule.scope.pods, "pods")];
    let looked_at = scopes.into_iter().filter(|(is_looked_at, _)| *is_looked_at);
    looked_at.map(|(_, name)| name).collect()
}

fn default_of<'a>(defaults: &'a Rules, rule: &Rule) -> Option<&'a Rule> {
    let mut all = defaults.iter();
    all.find(|default| default.name == rule.name)
        .map(|default| &**default)
}

/// The keys whose values are not those of the default rule of that name; of a rule that is new, none.
fn changed(default: Option<&Rule>, rule: &Rule) -> Vec<&'static str> {
    let Some(default) = default.map(settings) else {
        return Vec::new();
    };
    let rows = settings(rule).into_iter();
    let changed = rows.filter(|row| !default.contains(row));
    changed.map(|(key, _)| key).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "it is whole, and small enough"
)]
fn number(number: f64) -> Value {
    const MOST: f64 = 1e15;
    if number.fract() == 0.0 && number.abs() < MOST {
        Value::Integer(number as i64)
    } else {
        Value::Float(number)
    }
}

/// A value as it is written in a file, an array of texts with each on a line of its own.
fn written(value: &Value) -> String {
    // `toml` writes tables alone, and JSON's strings are TOML's where no control character is in them, which no rule has.
    match value {
        Value::Array(all) => {
            let all: Vec<_> = all.iter().map(written).collect();
            let one_line = format!("[{}]", all.join(", "));
            if one_line.len() <= WIDTH {
                one_line
            } else {
                format!("[\n  {},\n]", all.join(",\n  "))
            }
        }
        other => json!(other).to_string(),
    }
}

/// A time as it is written in a file.
#[must_use]
pub fn span(time: Duration) -> String {
    jiff::SignedDuration::try_from(time).map_or_else(
        |_| "for ever".to_owned(),
        |time| format!("{time:#}").replace(' ', ""),
    )
}

fn wrap(page: &mut String, rows: impl Iterator<Item = String>) {
    let mut line = String::new();
    for row in rows {
        if !line.is_empty() && line.len() + row.len() > WIDTH {
            let _ = writeln!(page, "  {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push_str("   ");
        }
        line.push_str(&row);
    }
    if !line.is_empty() {
        let _ = writeln!(page, "  {line}");
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn link(runbook: &str) -> String {
    match runbook.strip_prefix("docs/") {
        Some(path) => {
            let name = path.trim_start_matches("runbooks/").trim_end_matches(".md");
            format!("[{name}]({path})")
        }
        None => cell(runbook),
    }
}

#[cfg(test)]
#[path = "listing_tests.rs"]
mod tests;
