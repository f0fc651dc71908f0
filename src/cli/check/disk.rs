//! Whether what is to survive a restart can be kept, and be read back. Nothing is left behind: who checks may be another user than
//! the agent will be.

use super::{Grade, Report};
use crate::agent;
use crate::config::Config;
use crate::delivery;
use crate::delivery::spool::{Spool, SpoolError};
use crate::state::{StateError, Store};

/// Where samples wait, or events.
pub(super) fn spool(report: &mut Report, about: &str, options: &delivery::Options) {
    let Some(options) = &options.spool else {
        return;
    };
    let shown = options.dir.display();
    match Spool::look(options) {
        Ok(()) => report.say(Grade::Ok, about, format!("{shown} can be written to")),
        Err(error @ SpoolError::InUse(_)) => report.say(Grade::Warn, about, error),
        Err(error) => report.say(Grade::Fail, about, error),
    }
}

/// What is kept from one run to the next.
pub(super) fn state(report: &mut Report, config: &Config) {
    let Some(dir) = &config.state_dir else {
        return;
    };
    let faults = match Store::look(dir, agent::kept(config)) {
        Ok(faults) => faults,
        Err(error @ StateError::InUse { .. }) => return report.say(Grade::Warn, "state", error),
        Err(error) => return report.say(Grade::Fail, "state", error),
    };
    if faults.is_empty() {
        report.say(Grade::Ok, "state", format!("{} can be used", dir.display()));
    }
    for error in faults {
        let grade = match error {
            StateError::Damaged { .. } => Grade::Warn,
            _ => Grade::Fail,
        };
        report.say(grade, "state", error);
    }
}
