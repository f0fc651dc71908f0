//! Whether what is to survive a restart can be kept, and be read back.

use super::{Grade, Report};
use crate::agent;
use crate::config::Config;
use crate::delivery;
use crate::delivery::spool::{Spool, SpoolError};
use crate::state::{StateError, Store};

/// Opens it and lets it go again.
pub(super) fn spool(report: &mut Report, options: &delivery::Options) {
    let Some(options) = &options.spool else {
        return;
    };
    let shown = options.dir.display();
    match Spool::open(options) {
        Ok(_) => report.say(Grade::Ok, "spool", format!("{shown} can be written to")),
        Err(error @ SpoolError::InUse(_)) => report.say(Grade::Warn, "spool", error),
        Err(error) => report.say(Grade::Fail, "spool", error),
    }
}

/// The same of the directory that is kept from one run to the next, and a look at what it keeps, which changes nothing.
pub(super) fn state(report: &mut Report, config: &Config) {
    let Some(dir) = &config.state_dir else {
        return;
    };
    let shown = dir.display();
    let store = match Store::open(dir) {
        Ok(store) => store,
        Err(error @ StateError::InUse { .. }) => return report.say(Grade::Warn, "state", error),
        Err(error) => return report.say(Grade::Fail, "state", error),
    };
    let mut is_sound = true;
    for error in agent::kept(config).filter_map(|name| store.look(name).err()) {
        is_sound = false;
        let grade = match error {
            StateError::Damaged { .. } => Grade::Warn,
            _ => Grade::Fail,
        };
        report.say(grade, "state", error);
    }
    if is_sound {
        report.say(Grade::Ok, "state", format!("{shown} can be used"));
    }
}
