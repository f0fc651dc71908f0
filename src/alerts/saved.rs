//! The state of an engine in bytes, for one that goes on where it was.
//!
//! What comes back is a file's: it may be of another version, of other rules, cut, or made by somebody. So it is bounded,
//! everything in it is checked, and what does not fit the rules of today begins anew.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Rule;
use super::engine::{Engine, MOST_OF_PODS, MOST_RECENT, MOST_SUBJECTS};
use super::rules::MOST_RULES;
use super::saved_form::{Saved, SavedEvent, SavedStanding, SavedSubject, SavedWatch};
use super::subjects::{Key, State};
use super::watch::{Reason, Watch};
use crate::culprits::Whose;

const VERSION: u32 = 1;

/// No state is longer, saved or restored: 3 KB of each pod, so there is room for the 4,096 that are told of by name.
pub const MOST_SAVED: usize = 15 << 20;

/// What is older tells nothing of now.
const OLDEST: Duration = Duration::from_hours(7 * 24);

/// So many more alerts can stand.
struct Room {
    alone: usize,
    of_pods: usize,
}

impl Room {
    /// Takes one, if there is one.
    fn is_left(&mut self, whose: &Whose) -> bool {
        let room = match whose {
            Whose::Alone(_) => &mut self.alone,
            Whose::Of(_) => &mut self.of_pods,
        };
        let left = room.checked_sub(1);
        *room = left.unwrap_or(0);
        left.is_some()
    }
}

impl Engine {
    /// All of it, for [`Engine::restore`]; or as much as [`MOST_SAVED`] holds, where that is less, and all that stands first.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.save_within(MOST_SAVED)
    }

    fn save_within(&self, most: usize) -> Vec<u8> {
        let mut subjects: Vec<_> = self.subjects.iter().collect();
        loop {
            let bytes = self.save_of(&subjects);
            if bytes.len() <= most || subjects.is_empty() {
                return bytes;
            }
            // The host is the first in the order, and stays the first.
            subjects.sort_by_key(|(key, state)| {
                let stands = state.watches.iter().any(|watch| watch.standing.is_some());
                (**key != Key::Alone, !stands)
            });
            let share = subjects.len() * most / bytes.len();
            subjects.truncate(share.min(subjects.len() - 1));
        }
    }

    fn save_of(&self, subjects: &[(&Key, &State)]) -> Vec<u8> {
        let subjects = subjects.iter().map(|(key, state)| SavedSubject {
            whose: (&state.whose).into(),
            watches: self
                .rules_of(key)
                .iter()
                .zip(&state.watches)
                .map(|(rule, watch)| SavedWatch {
                    rule: rule.name.to_string(),
                    print: print(rule),
                    watch,
                    standing: watch.standing.as_deref().map(Into::into),
                })
                .collect(),
        });
        let saved = Saved {
            version: VERSION,
            time: self.time.unwrap_or(UNIX_EPOCH).into(),
            elapsed: u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            subjects: subjects.collect(),
            recent: self.recent.iter().map(SavedEvent::from).collect(),
        };
        // Numbers and texts, and keys that are texts: nothing that JSON has no form for.
        serde_json::to_vec(&saved).unwrap_or_default()
    }

    /// Goes on from where another one was, at `now`.
    ///
    /// Alerts that nobody looks after any more, for their rule has changed or whose they are is not read, end with the next observation.
    pub fn restore(&mut self, bytes: &[u8], now: SystemTime) -> Result<(), String> {
        if bytes.len() > MOST_SAVED {
            return Err(format!(
                "{} bytes are more than alerts ever are",
                bytes.len()
            ));
        }
        let saved: Saved<Watch> = serde_json::from_slice(bytes)
            .map_err(|error| format!("it is not what alerts are saved as: {error}"))?;
        if saved.version != VERSION {
            return Err(format!(
                "it is of version {}, and this is {VERSION}",
                saved.version
            ));
        }
        if saved.subjects.len() > MOST_SUBJECTS || saved.recent.len() > MOST_RECENT {
            return Err("there is more in it than alerts ever are".to_owned());
        }
        let then = SystemTime::from(saved.time);
        // Where the clock was set back nobody knows how long it was.
        let away = now.duration_since(then).unwrap_or_default();
        if away > OLDEST {
            return Err("it is older than a week".to_owned());
        }
        self.elapsed = Duration::from_millis(saved.elapsed).saturating_add(away);
        self.time = Some(then);
        self.recent = saved
            .recent
            .into_iter()
            .filter_map(SavedEvent::back)
            .collect();
        let mut room = Room {
            alone: MOST_RULES,
            of_pods: MOST_OF_PODS,
        };
        for subject in saved.subjects {
            self.restore_subject(subject, &mut room);
        }
        Ok(())
    }

    /// The machine began `uptime` before `now`. Where that was after what is known, what is not there yet is no alert before it
    /// had time to start.
    pub fn booted(&mut self, uptime: Duration, now: SystemTime) {
        let away = self.time.and_then(|then| now.duration_since(then).ok());
        if away.is_none_or(|away| away <= uptime) {
            return;
        }
        for state in self.subjects.values_mut() {
            let watches = state.watches.iter_mut();
            let quiet = watches.filter(|watch| watch.standing.is_none());
            quiet.for_each(|watch| watch.memory.begins_with_boot());
        }
    }

    fn restore_subject(&mut self, subject: SavedSubject<Watch>, room: &mut Room) {
        let whose = Whose::from(subject.whose);
        let is_read = self.setup.reads.includes(&whose);
        let key = Key::of(&whose);
        let rules = self.rules_of(&key).to_vec();
        let mut state = State::new(whose, &rules);
        for saved in subject.watches {
            let place = rules.iter().position(|rule| *rule.name == *saved.rule);
            let known = place.zip(place.and_then(|place| rules.get(place)));
            let known = known.filter(|(_, rule)| {
                is_read && print(rule) == saved.print && saved.watch.memory.is_of(rule)
            });
            let standing = saved.standing.and_then(SavedStanding::back);
            let standing = standing.filter(|_| room.is_left(&state.whose));
            let Some((place, rule)) = known else {
                let reason = if is_read {
                    Reason::RuleChanged
                } else {
                    Reason::Unread
                };
                let closing = standing.map(|standing| (standing.alert, standing.finding, reason));
                self.closing.extend(closing);
                continue;
            };
            if let Some(watch) = state.watches.get_mut(place) {
                *watch = saved.watch;
                watch.standing = standing.map(|mut standing| {
                    let alert = &mut standing.alert;
                    alert.severity = rule.severity;
                    alert.whose = state.whose.clone();
                    alert.runbook = Arc::clone(&rule.runbook);
                    alert.steps = Arc::clone(&rule.steps);
                    Box::new(standing)
                });
            }
        }
        if is_read {
            self.subjects.insert(key, state);
        }
    }

    fn rules_of(&self, key: &Key) -> &[Arc<Rule>] {
        match key {
            Key::Alone => &self.of_host,
            _ => &self.of_pods,
        }
    }
}

/// The same for rules that look for the same in the same.
fn print(rule: &Rule) -> u32 {
    crc32fast::hash(format!("{:?} {:?}", rule.metric, rule.kind).as_bytes())
}

#[cfg(test)]
#[path = "saved_tests.rs"]
mod tests;
