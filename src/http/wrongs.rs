//! What is wrong, as those tell who judge it. A trait, so that whoever serves can be shown any alert there could be.

use std::sync::{Mutex, PoisonError};

use crate::alerts::engine::Engine;
use crate::alerts::{Alert, Event};

/// What is wrong, and what was.
#[derive(Clone, Debug, Default)]
pub struct Wrongs<'a> {
    /// What stands, in any order.
    pub standing: Vec<&'a Alert>,
    /// What began or ended lately, the oldest first.
    pub recent: Vec<&'a Event>,
    /// How many alerts there was no room for.
    pub suppressed: u64,
}

/// Tells what is wrong. It is asked while the board is looked at, so it may not look at the board.
pub trait Alarms: Send + Sync {
    /// Shows what is wrong now.
    fn look(&self, see: &mut dyn FnMut(&Wrongs<'_>));
}

impl Alarms for Mutex<Engine> {
    fn look(&self, see: &mut dyn FnMut(&Wrongs<'_>)) {
        let engine = self.lock().unwrap_or_else(PoisonError::into_inner);
        see(&Wrongs {
            standing: engine.active().collect(),
            recent: engine.recent().collect(),
            suppressed: engine.suppressed(),
        });
    }
}
