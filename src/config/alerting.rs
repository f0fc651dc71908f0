//! The rules of alerts: the defaults, and the tables of the file that change them or add to them. And what is remembered when the
//! agent ends.

use std::path::PathBuf;
use std::sync::Arc;

use super::layers::Layers;
use super::setting::{Setting, UsedBy, plain};
use super::{text, values};
use crate::alerts::{Options, Rules};

/// The key of the tables, each under the name of a rule: `[alert.close-wait]`.
pub(super) const TABLES: &str = "alert";

/// The key that turns all of it off.
const SWITCH: &str = "alerts";

/// An address or a path before a path.
const LONGEST_PREFIX: usize = 255;

pub(super) const ALERTING: &[Setting] = &[
    Setting {
        key: SWITCH,
        flag: Some("alerts"),
        env: &[plain("TCPGAUGE_ALERTS")],
        default: "true",
        value: "BOOL",
        bounds: "`true`, `false`",
        help: "Whether rules are held against each sample. A table `[alert.NAME]` in the file changes the rule of that name, or makes a new one (docs/alerts.md)",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "runbooks",
        flag: Some("runbooks"),
        env: &[plain("TCPGAUGE_RUNBOOKS")],
        default: "",
        value: "PREFIX",
        bounds: "a path or an address, up to 255 bytes",
        help: "What is put before the path of a rule's runbook, such as docs/runbooks/close-wait.md: where your copy of this project's files is read",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "state_dir",
        flag: Some("state-dir"),
        env: &[plain("TCPGAUGE_STATE_DIR")],
        default: "",
        value: "DIRECTORY",
        bounds: "a directory that can be written to",
        help: "Where it is kept what alerts stand and what was seen, so that a restart forgets neither; without it both begin anew. Events wait there too, in a directory `logs`, where there is no spool_dir",
        used_by: UsedBy::Senders,
    },
];

pub(super) fn options(layers: &mut Layers) -> Option<Options> {
    // One letter too many, and nobody who only reads would hear of it, for the setting is not theirs.
    let enabled = if let Some(Ok(_)) = layers.table(SWITCH) {
        let problem = format!("is `true` or `false`; rules are tables [{TABLES}.NAME]");
        layers.refuse_tables(SWITCH, vec![problem])
    } else {
        layers.take(SWITCH, text(values::boolean))
    };
    let runbooks = layers.take("runbooks", text(prefix));
    let rules = match layers.table(TABLES) {
        None => Some(Rules::defaults()),
        Some(Ok(tables)) => match Rules::defaults().with(tables) {
            Ok(rules) => Some(rules),
            Err(faults) => layers.refuse_tables(TABLES, faults),
        },
        Some(Err(problem)) => layers.refuse_tables(TABLES, vec![problem]),
    };
    Some(Options {
        rules: rules?,
        runbooks: runbooks?,
        enabled: enabled?,
    })
}

/// Nothing where it is not wanted.
pub(super) fn state_dir(path: &str) -> Result<Option<PathBuf>, String> {
    if path.contains('\0') {
        return Err("can be no directory: it has a byte 0".to_owned());
    }
    Ok((!path.is_empty()).then(|| PathBuf::from(path)))
}

fn prefix(text: &str) -> Result<Arc<str>, String> {
    if text.len() > LONGEST_PREFIX || text.contains(char::is_control) {
        return Err(format!(
            "must be up to {LONGEST_PREFIX} bytes without control characters"
        ));
    }
    Ok(Arc::from(text))
}
