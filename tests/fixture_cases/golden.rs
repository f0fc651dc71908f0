//! Goldens: what the binary printed when somebody last looked at it and found it right.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::outcome::{Outcome, Snapshot, snapshot};

/// Where the cases are.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Runs the binary over the case `name`, and holds it to `expected` and to its goldens.
pub(crate) fn check(name: &str, claim: &str, expected: Outcome) {
    let case = directory().join(name);
    let root = case.join("proc");
    let found = snapshot(&root);
    assert_eq!(found.outcome(), expected, "{name}: {claim}");

    let place = root.to_str().unwrap();
    let stderr = found.run.stderr.replace(place, "PROC");
    let exit = format!("{}\n", found.run.exit);
    let json = serde_json::to_string_pretty(&normal(&found, place)).unwrap() + "\n";
    let files = [
        ("snapshot.json", json),
        ("stderr.txt", stderr),
        ("exit", exit),
    ];
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "goldens are looked at by people before they are kept, so CI never writes them"
        );
        for (file, text) in files {
            fs::write(case.join(file), text).unwrap();
        }
        return;
    }
    for (file, text) in files {
        let golden = fs::read_to_string(case.join(file))
            .unwrap_or_else(|error| panic!("{name}/{file}: {error}; UPDATE_GOLDENS=1 makes it"));
        // By value, for the order of members may depend on the features that serde_json is built with.
        let same = match file {
            "snapshot.json" => value(&golden) == value(&text),
            _ => golden == text,
        };
        assert!(
            same,
            "{name}/{file}: {claim}\n--- golden\n{golden}--- found\n{text}"
        );
    }
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The JSON without what differs from run to run and from machine to machine.
fn normal(snapshot: &Snapshot, place: &str) -> Value {
    let time = snapshot.json["time"].as_str().unwrap();
    let shape: String = time.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "RFC 3339 in UTC: {time}");
    let mut json = snapshot.json.clone();
    json["time"] = "TIME".into();
    for fault in json["faults"].as_array_mut().unwrap() {
        for part in fault.as_object_mut().unwrap().values_mut() {
            *part = part.as_str().unwrap().replace(place, "PROC").into();
        }
    }
    json
}
