//! Whose sockets are looked at, and what is remembered of each.

use std::sync::Arc;

use super::watch::Watch;
use super::{Reads, Rule};
use crate::culprits::Whose;
use crate::pods::Owner;

/// Whose sockets, in a form that can be put in order; a name may become known later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Alone,
    Pod(Arc<str>),
    Container(Arc<str>),
    Other,
}

/// All that is remembered of one owner.
#[derive(Debug)]
pub(super) struct State {
    pub(super) whose: Whose,
    /// One for each rule that looks at it, in the order of the rules.
    pub(super) watches: Box<[Watch]>,
    /// The observation that told of it last.
    pub(super) seen: u64,
}

impl Key {
    pub(super) fn of(whose: &Whose) -> Self {
        match whose {
            Whose::Alone(_) => Self::Alone,
            Whose::Of(Owner::Pod { uid, .. }) => Self::Pod(Arc::clone(uid)),
            Whose::Of(Owner::Container { id }) => Self::Container(Arc::clone(id)),
            Whose::Of(Owner::Other) => Self::Other,
        }
    }
}

impl State {
    pub(super) fn new(whose: Whose, rules: &[Arc<Rule>]) -> Self {
        Self {
            whose,
            watches: rules.iter().map(|rule| Watch::new(rule)).collect(),
            seen: 0,
        }
    }
}

impl Reads {
    /// Whether somebody's sockets are read.
    pub(super) fn includes(self, whose: &Whose) -> bool {
        match whose {
            Whose::Alone(scope) => self.alone == Some(*scope),
            Whose::Of(_) => self.pods,
        }
    }
}
