//! What the command line is understood as.

use super::*;

fn parsed(arguments: &[&str]) -> Parsed {
    parse(
        std::iter::once("tcpgauge")
            .chain(arguments.iter().copied())
            .map(OsString::from),
    )
    .unwrap()
}

#[test]
fn the_definition_is_sound() {
    command().debug_assert();
}

#[test]
fn no_command_is_run() {
    assert_eq!(parsed(&[]).command, Command::Run);
    assert_eq!(
        parsed(&["--interval", "5s"]).flags.settings["interval"],
        "5s"
    );
}

#[test]
fn a_flag_counts_before_and_after_the_command_and_after_it_more() {
    let flags = parsed(&[
        "--scope",
        "self",
        "--proc-root",
        "/a",
        "snapshot",
        "--proc-root",
        "/b",
    ])
    .flags;
    assert_eq!(flags.settings["scope"], "self");
    assert_eq!(flags.settings["proc_root"], "/b");
}

#[test]
fn a_switch_may_stand_alone() {
    assert_eq!(
        parsed(&["--split-network-type"]).flags.settings["split_network_type"],
        "true"
    );
    assert_eq!(
        parsed(&["--split-network-type=false", "run"])
            .flags
            .settings["split_network_type"],
        "false"
    );
}
