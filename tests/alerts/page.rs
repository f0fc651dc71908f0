//! docs/alerts.md: what is in it of the code's and of the simulation's is what they say.

use std::fs;
use std::path::PathBuf;

use tcpgauge::alerts::{Rules, listing};

use crate::trust;

/// `page` with what is between the marks of `name` replaced.
fn with(page: &str, name: &str, what: &str) -> String {
    let (begin, end) = (
        format!("<!-- {name}: made by UPDATE_DOCS=1 cargo test --test alerts -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = page
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no mark of {name}"));
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}\n{what}\n{end}{after}")
}

#[test]
fn the_page_tells_of_the_rules_and_of_what_was_measured() {
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = project.join("docs/alerts.md");
    let page = fs::read_to_string(&path).unwrap();
    let replay = fs::read_to_string(project.join("tests/alerts/replays/leak.txt")).unwrap();
    let replay = format!("```\n$ tcpgauge alerts replay proxy.recording\n{replay}```\n");
    let mut made = with(&page, "rules", &listing::markdown(&Rules::defaults()));
    made = with(&made, "measured", &trust::page());
    made = with(&made, "replay", &replay);
    if std::env::var("UPDATE_DOCS").is_ok() {
        fs::write(&path, &made).unwrap();
    }
    let page = fs::read_to_string(&path).unwrap();
    assert!(
        page == made,
        "docs/alerts.md is out of step: UPDATE_DOCS=1 cargo test --test alerts"
    );
}
