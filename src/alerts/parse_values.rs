//! The values of a rule's table, one kind of value at a time.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use toml::{Table, Value};

use super::listing::span;

const LONGEST_TEXT: usize = 300;
const MOST_STEPS: usize = 6;

/// The name that somebody may have meant, as words.
pub(super) fn meant<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> String {
    let likeness = names.map(|name| (strsim::jaro_winkler(text, name), name));
    let nearest = likeness
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    nearest.map_or_else(String::new, |(_, name)| format!(" (did you mean {name}?)"))
}

/// A table that is read, and what is wrong with it.
pub(super) struct Reader<'a> {
    pub(super) name: &'a str,
    pub(super) table: &'a Table,
    pub(super) faults: Vec<String>,
}

impl Reader<'_> {
    pub(super) fn fault(&mut self, key: &str, problem: impl Display) {
        self.faults
            .push(format!("alert.{}.{key:.100}: {problem}", self.name));
    }

    /// Nothing if it is wrong, and nothing in it if nobody gave it.
    #[expect(
        clippy::option_option,
        reason = "whether it is right, and whether it is there"
    )]
    pub(super) fn choice<T>(
        &mut self,
        key: &str,
        names: &[&str],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Option<T>> {
        let Some(value) = self.table.get(key) else {
            return Some(None);
        };
        let given = value.as_str().unwrap_or_default();
        if let Some(found) = parse(given) {
            return Some(Some(found));
        }
        let meant = meant(given, names.iter().copied());
        self.fault(key, format!("must be one of {}{meant}", names.join(", ")));
        None
    }

    pub(super) fn duration(
        &mut self,
        key: &str,
        usual: &str,
        least: Duration,
        most: Duration,
    ) -> Option<Duration> {
        let text = match self.table.get(key) {
            None => usual,
            Some(value) => value.as_str().unwrap_or_default(),
        };
        let parsed = text.parse::<jiff::SignedDuration>().ok();
        let found = parsed
            .and_then(|duration| Duration::try_from(duration).ok())
            .filter(|duration| (least..=most).contains(duration));
        if found.is_none() {
            self.fault(
                key,
                format!(
                    "must be a duration with a unit, such as \"{usual}\", from {} to {}",
                    span(least),
                    span(most)
                ),
            );
        }
        found
    }

    /// Nothing if it is wrong, and nothing in it if nobody gave it.
    #[expect(
        clippy::option_option,
        reason = "whether it is right, and whether it is there"
    )]
    pub(super) fn number(&mut self, key: &str, least: f64, most: f64) -> Option<Option<f64>> {
        let Some(value) = self.table.get(key) else {
            return Some(None);
        };
        #[expect(clippy::cast_precision_loss, reason = "the bounds are far below that")]
        let number = match value {
            Value::Integer(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        };
        let found = number.filter(|number| (least..=most).contains(number));
        if found.is_none() {
            self.fault(key, format!("must be a number from {least} to {most}"));
            return None;
        }
        Some(found)
    }

    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        let found = self.table.get(key).map_or(Some(true), Value::as_bool);
        if found.is_none() {
            self.fault(key, "must be true or false");
        }
        found
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let text = match self.table.get(key) {
            None => return Some(String::new()),
            Some(value) => value.as_str(),
        };
        let found = text.filter(|text| is_plain(text)).map(str::to_owned);
        if found.is_none() {
            self.fault(
                key,
                format!(
                    "must be a string of up to {LONGEST_TEXT} bytes, without control characters"
                ),
            );
        }
        found
    }

    pub(super) fn steps(&mut self) -> Option<Arc<[Box<str>]>> {
        let Some(value) = self.table.get("steps") else {
            return Some(Arc::default());
        };
        let steps = value.as_array().filter(|steps| steps.len() <= MOST_STEPS);
        let steps = steps.and_then(|steps| {
            let text = |step: &Value| step.as_str().filter(|text| is_plain(text)).map(Box::from);
            steps.iter().map(text).collect::<Option<Arc<[Box<str>]>>>()
        });
        if steps.is_none() {
            self.fault("steps", format!("must be an array of up to {MOST_STEPS} strings, each of up to {LONGEST_TEXT} bytes, without control characters"));
        }
        steps
    }
}

fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST_TEXT && crate::sample::plain(text) == text
}
