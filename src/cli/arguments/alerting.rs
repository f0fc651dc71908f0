//! Flags and commands of alerts and recordings.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches};

use super::{argument, config_file, format, format_argument};
use crate::config::{self, settings};

/// A recording grows to so many bytes: more than a year of a host.
const MOST_BYTES: u64 = 1 << 30;

/// The form of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum RulesForm {
    Table,
    Toml,
    Json,
    Markdown,
}

/// What is to be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Replay {
    pub(in crate::cli) file: PathBuf,
    pub(in crate::cli) form: ReplayForm,
}

/// The form of what a replay tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum ReplayForm {
    Text,
    Json,
}

/// What is to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Record {
    pub(in crate::cli) file: PathBuf,
    /// For so long; until told to stop where it is nothing.
    pub(in crate::cli) period: Option<Duration>,
    /// No longer than until the file has so many bytes.
    pub(in crate::cli) most_bytes: u64,
}

pub(super) fn rules_form(matches: &ArgMatches) -> RulesForm {
    match format(matches) {
        "toml" => RulesForm::Toml,
        "json" => RulesForm::Json,
        "markdown" => RulesForm::Markdown,
        _ => RulesForm::Table,
    }
}

pub(super) fn replay(matches: &ArgMatches) -> Replay {
    Replay {
        file: file(matches),
        form: if format(matches) == "json" {
            ReplayForm::Json
        } else {
            ReplayForm::Text
        },
    }
}

pub(super) fn record(matches: &ArgMatches) -> Record {
    Record {
        file: file(matches),
        period: matches.get_one("for").copied(),
        most_bytes: matches.get_one("max-bytes").copied().unwrap_or(MOST_BYTES),
    }
}

fn file(matches: &ArgMatches) -> PathBuf {
    matches.get_one("file").cloned().unwrap_or_default()
}

pub(super) fn alerts_command() -> clap::Command {
    clap::Command::new("alerts")
        .about("Tell of the rules of alerts: list them, or replay a recording")
        .after_help("Exit codes: 0 all was done; 1 something is missing or incomplete; 64 bad usage or configuration.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            clap::Command::new("list")
                .about("Print the rules in force, the configuration's changes included")
                .after_help("The form toml is a configuration: what is left of it changes nothing. Exit codes: 0 printed; 1 could not be printed; 64 bad usage or configuration.")
                .arg(format_argument(&["table", "toml", "json", "markdown"]))
                .arg(config_file()),
        )
        .subcommand(
            clap::Command::new("replay")
                .about("Hold the rules in force against a recording, and print what would have been told")
                .after_help("Exit codes: 0 replayed, whatever was told; 1 the recording is not readable, or not to its end; 64 bad usage or configuration.")
                .arg(file_argument("What tcpgauge record wrote"))
                .arg(
                    format_argument(&["text", "json"])
                        .default_value("text"),
                )
                .arg(config_file()),
        )
}

fn file_argument(help: &'static str) -> Arg {
    Arg::new("file")
        .value_name("FILE")
        .required(true)
        .value_parser(clap::value_parser!(PathBuf))
        .help(help)
}

pub(super) fn record_command() -> clap::Command {
    clap::Command::new("record")
                .about("Keep what the rules of alerts see, sample by sample, to replay it")
                .after_help("It is readable up to the last sample, however it ended. Exit codes: 0 ended as told; 1 could not go on; 64 bad usage or configuration.")
                .arg(file_argument("The recording, which must not be there yet"))
                .arg(
                    Arg::new("for")
                        .long("for")
                        .value_name("DURATION")
                        .value_parser(config::period)
                        .help("Ends after so long (1s to 8784h), such as 24h; otherwise with SIGINT or SIGTERM"),
                )
                .arg(
                    Arg::new("max-bytes")
                        .long("max-bytes")
                        .value_name("NUMBER")
                        .value_parser(clap::value_parser!(u64).range(64..))
                        .default_value("1073741824")
                        .help("Ends when the recording has so many bytes"),
                )
                .arg(config_file())
                .args(settings::all().filter_map(argument))
}
