//! `/api/v1/`: what the page is made of, for other programs too. What is asked is hostile and what is answered has a bound.

mod alerts;
mod history;
mod now;
mod pods;

use serde::Serialize;

pub(super) use self::alerts::alerts;
pub(super) use self::history::history;
pub(super) use self::now::now;
pub(super) use self::pods::pods;

/// An answer in JSON, or what is wrong with the question.
pub(super) type Answered = Result<Vec<u8>, String>;

/// What stands in a query for `key`, of values that need no escaping.
///
/// Whatever else is asked is refused: who misspells a key would take the default for what was asked for.
fn asked<'a>(query: &'a str, key: &str) -> Result<Option<&'a str>, String> {
    let mut found = None;
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if name != key || found.is_some() {
            return Err(format!("all that can be asked here is {key}=, and once"));
        }
        found = Some(value);
    }
    Ok(found)
}

/// Refuses every question.
fn nothing_asked(query: &str) -> Result<(), String> {
    if query.is_empty() {
        return Ok(());
    }
    Err("nothing can be asked here: leave out what comes after the ?".to_owned())
}

/// Puts `value` at the end of `json`. What is put here has no map whose keys are not strings, so it cannot fail.
fn put(json: &mut Vec<u8>, value: &impl Serialize) {
    let _ = serde_json::to_writer(json, value);
}

/// Puts `value` as an item of a list that begins at `start`.
fn put_item(json: &mut Vec<u8>, start: usize, value: &impl Serialize) {
    if json.len() > start {
        json.push(b',');
    }
    put(json, value);
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::new();
    put(&mut json, value);
    json.push(b'\n');
    json
}
