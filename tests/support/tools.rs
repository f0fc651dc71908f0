//! Programs that are not ours, to test against: found on PATH, else where `../shared/tools` unpacks them.
#![allow(dead_code, reason = "each test program uses what it needs")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::skip::skip;

/// Where this program is; if it is nowhere, that is said to be why `test` does nothing.
pub(crate) fn tool(name: &str, test: &str) -> Option<PathBuf> {
    let found = on_path(name).or_else(|| unpacked(name));
    if found.is_none() {
        skip(
            test,
            &format!("{name} is neither on PATH nor in ../shared/tools"),
        );
    }
    found
}

fn on_path(name: &str) -> Option<PathBuf> {
    let directories = std::env::var_os("PATH")?;
    std::env::split_paths(&directories)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

fn unpacked(name: &str) -> Option<PathBuf> {
    static DIRECTORY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(unpack).as_ref()?;
    Some(directory.join(name)).filter(|path| path.is_file())
}

/// The script says which directory is to be the first of PATH, in a line for a shell.
fn unpack() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tools/unpack");
    let output = Command::new(script).output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    let directory = line
        .trim()
        .strip_prefix("export PATH=")?
        .split(':')
        .next()?;
    Some(directory.into())
}
