//! The rules: the defaults, and what somebody made of them.

use std::sync::Arc;

use super::{Rule, parse, parse_values};

/// The defaults, as they ship: written as anybody writes rules.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// More rules than this nobody has thought about, and so many alerts of what is read alone can stand.
pub const MOST_RULES: usize = 64;

/// What is looked at. By name, what is new last.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Rules {
    rules: Vec<Arc<Rule>>,
    /// What they were made of, for what is changed later.
    tables: toml::Table,
}

impl Rules {
    /// The rules that hold where nobody says otherwise.
    #[must_use]
    pub fn defaults() -> Self {
        // A test sees to it that they parse.
        let text = DEFAULTS.parse::<toml::Table>().unwrap_or_default();
        let tables = text.get("alert").and_then(toml::Value::as_table);
        let empty = Self::default();
        tables.map_or(Self::default(), |tables| {
            empty.with(tables).unwrap_or_default()
        })
    }

    /// These, changed and added to by the tables in `overrides`, each under the name of a rule.
    ///
    /// Of rules that are wrong, everything that is wrong is told, each fault with the rule and the key.
    pub fn with(mut self, overrides: &toml::Table) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        for (name, value) in overrides {
            let known = self.tables.get(name).and_then(toml::Value::as_table);
            let meant = || parse_values::meant(name, self.tables.keys().map(String::as_str));
            match parse::rule(name, known, value, meant) {
                Ok((rule, table)) => {
                    let place = self.rules.iter().position(|rule| *rule.name == **name);
                    match place.and_then(|place| self.rules.get_mut(place)) {
                        Some(known) => *known = Arc::new(rule),
                        None => self.rules.push(Arc::new(rule)),
                    }
                    self.tables.insert(name.clone(), toml::Value::Table(table));
                }
                Err(mut wrong) => faults.append(&mut wrong),
            }
        }
        if self.rules.len() > MOST_RULES {
            faults.push(format!(
                "alert: {} rules are more than {MOST_RULES}",
                self.rules.len()
            ));
        }
        if faults.is_empty() {
            Ok(self)
        } else {
            Err(faults)
        }
    }

    /// What the table of a rule can have.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        parse::KEYS.into_iter().chain(parse::TEXTS)
    }

    /// Each of them, those too that are turned off.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.iter()
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "rules_faults_tests.rs"]
mod faults_tests;
