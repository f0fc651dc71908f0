//! Help, version, and what is not understood.

use tcpgauge::config::settings::{self, UsedBy};

use crate::BAD_USAGE;
use crate::program::{finish, tcpgauge};

const COMMANDS: [&str; 7] = [
    "run", "snapshot", "culprits", "check", "metrics", "alerts", "record",
];

/// What a help says, without where its lines break.
fn help(arguments: &[&str]) -> String {
    let run = finish(tcpgauge(arguments.iter().copied()));
    assert_eq!((run.exit, run.stderr.as_str()), (0, ""), "{arguments:?}");
    run.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn help_and_version_are_no_errors_and_go_to_stdout() {
    for arguments in [&["--version"][..], &["-V"]] {
        assert_eq!(
            help(arguments),
            concat!("tcpgauge ", env!("CARGO_PKG_VERSION"))
        );
    }
    for arguments in [&["--help"][..], &["-h"], &["help"]] {
        let help = help(arguments);
        for command in COMMANDS {
            assert!(
                help.contains(command),
                "{arguments:?} does not name {command}"
            );
        }
    }
    for command in COMMANDS {
        for arguments in [
            &[command, "--help"][..],
            &[command, "-h"],
            &["help", command],
        ] {
            assert!(help(arguments).contains("Usage: tcpgauge"), "{arguments:?}");
        }
    }
}

#[test]
fn every_help_tells_every_setting_that_matters_with_its_flag_and_its_variables() {
    for (command, matters) in [
        ("run", &[UsedBy::Readers, UsedBy::Senders][..]),
        ("check", &[UsedBy::Readers, UsedBy::Senders]),
        ("record", &[UsedBy::Readers, UsedBy::Senders]),
        ("snapshot", &[UsedBy::Readers]),
        ("culprits", &[UsedBy::Readers]),
    ] {
        let help = help(&[command, "--help"]);
        for setting in settings::all().filter(|s| matters.contains(&s.used_by)) {
            let Some(flag) = setting.flag else { continue };
            assert!(help.contains(&format!("--{flag}")), "{command}: {flag}");
            for variable in setting.env {
                assert!(help.contains(variable.name), "{command}: {}", variable.name);
            }
        }
        assert!(help.contains("--config"), "{command}");
    }
    for command in ["snapshot", "metrics"] {
        let help = help(&[command, "--help"]);
        assert!(
            help.contains("--format") && help.contains("json"),
            "{command}"
        );
    }
}

#[test]
fn every_help_tells_the_exit_codes() {
    let mut without = Vec::new();
    for command in COMMANDS {
        let help = help(&[command, "--help"]);
        let Some((_, codes)) = help.split_once("Exit codes:") else {
            without.push(command);
            continue;
        };
        assert!(codes.contains("64"), "{command}: {codes}");
    }
    assert!(help(&["--help"]).contains("Exit codes: 0"));
    assert!(
        without.is_empty(),
        "the help of {without:?} tells no exit codes"
    );
}

#[test]
fn what_is_not_understood_ends_with_64_and_is_said_on_stderr() {
    for (arguments, says) in [
        (&["--intervall", "5s"][..], "--interval"),
        (&["snapshto"], "snapshot"),
        (&["snapshot", "--format", "yaml"], "json"),
        (&["snapshot", "extra"], "extra"),
        (&["metrics", "--format", "xml"], "markdown"),
        (&["alerts", "liszt"], "list"),
        (&["alerts", "replay"], "FILE"),
        (&["record"], "FILE"),
        (&["record", "file", "--for", "fortnight"], "--for"),
        (&["run", "--interval"], "--interval"),
        (&["--headers", "a=b"], "--headers"),
    ] {
        let run = finish(tcpgauge(arguments.iter().copied()));
        assert_eq!(run.exit, BAD_USAGE, "{arguments:?}: {run:?}");
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(run.stderr.contains(says), "{arguments:?}: {run:?}");
    }
}
