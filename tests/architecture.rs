//! The rules of ARCHITECTURE.md that a machine can hold, and the pages that are made from the code.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tcpgauge::config;
use tcpgauge::otlp::{catalogue, logs};

/// Which modules of the crate each module may know. A module that is not here is a module that nobody thought about.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("tcp", &[]),
    ("source", &["tcp"]),
    ("counters", &["source"]),
    ("ports", &["source", "tcp"]),
    ("pods", &["source", "tcp"]),
    ("culprits", &["pods", "source", "tcp"]),
    (
        "sample",
        &["counters", "culprits", "pods", "ports", "source", "tcp"],
    ),
    (
        "alerts",
        &[
            "counters", "culprits", "pods", "ports", "sample", "source", "tcp",
        ],
    ),
    ("history", &["pods", "sample", "source", "tcp"]),
    ("state", &[]),
    (
        "otlp",
        &[
            "alerts", "counters", "culprits", "pods", "ports", "sample", "source", "tcp",
        ],
    ),
    ("delivery", &[]),
    ("identity", &["source"]),
    (
        "reader",
        &["counters", "culprits", "pods", "ports", "source"],
    ),
    ("schedule", &[]),
    ("log", &[]),
    (
        "http",
        &[
            "alerts", "culprits", "history", "pods", "sample", "source", "tcp",
        ],
    ),
    (
        "config",
        &[
            "alerts", "delivery", "http", "log", "otlp", "pods", "ports", "source", "tcp",
        ],
    ),
    (
        "agent",
        &[
            "alerts", "config", "culprits", "delivery", "history", "http", "identity", "otlp",
            "reader", "sample", "schedule", "source", "state", "tcp",
        ],
    ),
    (
        "cli",
        &[
            "agent", "alerts", "config", "counters", "culprits", "delivery", "http", "identity",
            "log", "otlp", "pods", "ports", "reader", "sample", "source", "state", "tcp",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Where a clock may be read.
const MAY_READ_THE_CLOCK: &[&str] = &["agent", "delivery", "cli"];

/// Where a file may be opened.
const MAY_OPEN_FILES: &[&str] = &[
    "src/source/proc_root.rs",
    "src/pods/names.rs",
    "src/config/layers.rs",
    "src/delivery/file.rs",
    "src/delivery/spool/directory.rs",
    "src/state.rs",
    "src/cli/recording.rs",
];

const MOST_LINES: usize = 400;

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files below `directory`, relative to the project.
fn rust_files(directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![project().join(directory)];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(
                    path.strip_prefix(project())
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    assert!(!found.is_empty(), "nothing found below {directory}");
    found
}

fn read(file: &str) -> String {
    let path = project().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file's code: without comments, and without what is only there for tests.
fn code(file: &str) -> String {
    if Path::new(file)
        .file_stem()
        .is_some_and(|name| name.to_str().unwrap().ends_with("tests"))
    {
        return String::new();
    }
    let text = read(file);
    let text = text.split("#[cfg(test)]").next().unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The top module that a file of `src` belongs to.
fn module(file: &str) -> String {
    let below = file.strip_prefix("src/").unwrap();
    below
        .split('/')
        .next()
        .unwrap()
        .trim_end_matches(".rs")
        .to_owned()
}

/// The top modules that `code` names after `crate::` (in the binary, after the crate's name).
fn known(code: &str) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for start in ["crate::", "tcpgauge::"] {
        for (place, _) in code.match_indices(start) {
            let rest = code[place + start.len()..].trim_start();
            let names = match rest.strip_prefix('{') {
                Some(group) => group
                    .split('}')
                    .next()
                    .unwrap()
                    .split(',')
                    .map(str::to_owned)
                    .collect(),
                None => vec![rest.to_owned()],
            };
            for name in names {
                let name: String = name
                    .trim()
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                known.insert(name);
            }
        }
    }
    known.remove("");
    known
}

#[test]
fn a_module_knows_only_what_it_may() {
    for file in rust_files("src") {
        let module = module(&file);
        let Some((_, may_know)) = MAY_KNOW.iter().find(|(name, _)| *name == module) else {
            panic!(
                "{file}: say in MAY_KNOW, and in ARCHITECTURE.md, what the module {module} may know"
            );
        };
        for name in known(&code(&file)) {
            let own = name == module;
            assert!(
                own || may_know.contains(&name.as_str()),
                "{file} knows {name}, and {module} may not"
            );
        }
    }
}

#[test]
fn the_rule_about_modules_would_notice() {
    let code =
        "use crate::tcp::State;\nuse crate::{agent, log::Format};\nlet x = crate::cli::main();";
    let names: Vec<_> = known(code).into_iter().collect();
    assert_eq!(names, ["agent", "cli", "log", "tcp"]);
    assert!(known(&code_of_agent()).contains("delivery"));
}

fn code_of_agent() -> String {
    code("src/agent/shipping.rs")
}

#[test]
fn the_clock_is_read_only_at_the_edge() {
    for file in rust_files("src") {
        let reads = ["SystemTime::now", "Instant::now"]
            .iter()
            .any(|call| code(&file).contains(call));
        assert!(
            !reads || MAY_READ_THE_CLOCK.contains(&module(&file).as_str()),
            "{file} reads a clock"
        );
    }
}

#[test]
fn files_are_opened_in_few_places_and_proc_only_below_the_proc_root() {
    for file in rust_files("src") {
        let code = code(&file);
        let opens = [
            "File::open",
            "File::create",
            "openat(",
            "fs::open(",
            "fs::write(",
            "OpenOptions",
            "fs::read(",
            "fs::read_to_string",
            "fs::read_dir",
            "fs::metadata",
            "procfs::net",
            "Process::",
        ];
        let found = opens.iter().find(|call| code.contains(**call));
        assert!(
            found.is_none() || MAY_OPEN_FILES.contains(&file.as_str()),
            "{file} opens files: {found:?}"
        );
        // The default of the setting is the one place that names it.
        let names_proc = code.contains("\"/proc");
        assert!(
            !names_proc || file == "src/config/reading_settings.rs",
            "{file} names /proc itself"
        );
    }
}

#[test]
fn files_stay_short() {
    for file in ["src", "tests", "benches"].into_iter().flat_map(rust_files) {
        let lines = read(&file).lines().count();
        assert!(
            lines <= MOST_LINES,
            "{file} has {lines} lines, more than {MOST_LINES}: split it by what it is responsible for"
        );
    }
}

#[test]
fn no_module_is_a_drawer() {
    for file in ["src", "tests"].into_iter().flat_map(rust_files) {
        let name = Path::new(&file)
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            !["utils", "util", "common", "helpers", "misc"].contains(&name.as_str()),
            "{file} says nothing by its name"
        );
    }
}

#[test]
fn every_module_of_the_crate_is_on_the_map() {
    let map = read("ARCHITECTURE.md");
    for (module, _) in MAY_KNOW.iter().filter(|(module, _)| *module != "lib") {
        assert!(
            map.contains(&format!("`{module}`")),
            "ARCHITECTURE.md does not tell of `{module}`"
        );
    }
}

#[test]
fn generated_pages_are_in_step_with_the_code() {
    for (file, page) in [
        ("docs/metrics.md", catalogue::markdown()),
        ("docs/config.md", config::docs::markdown()),
        ("docs/events.md", logs::markdown()),
    ] {
        if std::env::var("UPDATE_DOCS").is_ok() {
            std::fs::write(project().join(file), &page).unwrap();
        }
        assert!(
            read(file) == page,
            "{file} is out of step: UPDATE_DOCS=1 cargo test --test architecture"
        );
    }
}

#[test]
fn the_readme_tells_of_every_command_and_of_the_five() {
    let readme = read("README.md");
    for word in [
        "cargo run --release",
        "cargo test",
        "tcpgauge snapshot",
        "tcpgauge check",
        "tcpgauge metrics",
        "HOST_PROC",
    ] {
        assert!(readme.contains(word), "README.md does not tell of {word}");
    }
    for five in tcpgauge::sample::Five::ALL {
        assert!(
            readme.contains(&format!("`{}`", five.name())),
            "README.md does not tell of {}",
            five.name()
        );
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    for page in [
        "README.md",
        "ARCHITECTURE.md",
        "docs/metrics.md",
        "docs/config.md",
        "docs/events.md",
        "docs/history.md",
        "docs/http.md",
        "docs/pods.md",
        "docs/culprits.md",
        "docs/dashboards.md",
        "docs/ports.md",
        "docs/snapshot.md",
        "docs/performance.md",
        "docs/runbooks/README.md",
        "docs/runbooks/accept-queue.md",
        "docs/runbooks/close-wait.md",
        "docs/runbooks/listener-gone.md",
        "docs/runbooks/port-exhaustion.md",
        "docs/runbooks/tcp-memory.md",
        "docs/runbooks/time-wait.md",
    ] {
        let text = read(page);
        let from = project().join(page);
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(
                from.parent().unwrap().join(target).exists(),
                "{page} links to {link}, which is not there"
            );
        }
    }
}
