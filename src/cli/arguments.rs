//! Flags and commands, made from the table of settings.

mod alerting;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches};

pub(super) use self::alerting::{Record, Replay, ReplayForm, RulesForm};
use crate::config::settings::{self, CONFIG_VARIABLE, Setting, UsedBy};
use crate::config::{self, Flags};
use crate::tcp::State;

/// So many groups are shown.
const TOP: usize = 20;

/// There are no more groups.
const MOST: usize = 4096;

const ABOUT: &str = "Counts TCP sockets by state and pushes the counts over OTLP";

const LONG_ABOUT: &str = "\
Counts the TCP sockets of this host, or of one network namespace, by state, and pushes the counts over OTLP.
Without a command it is the agent: tcpgauge run.";

const AFTER_HELP: &str = "\
Exit codes: 0 all was done; 1 something is missing or incomplete; 64 bad usage or configuration.
Every setting can also come from the environment or a TOML file: docs/config.md.";

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Be the agent.
    Run,
    /// One reading.
    Snapshot(Form),
    /// Who holds the sockets in a state.
    Culprits(Question),
    /// What an operator must know before deploying.
    Check,
    /// The catalogue.
    Metrics(Catalogue),
    /// The rules in force.
    Rules(RulesForm),
    /// What the rules would have said.
    Replay(Replay),
    /// Keep what rules see.
    Record(Record),
}

impl Command {
    /// Which settings matter to it.
    pub(super) fn used_by(&self) -> UsedBy {
        match self {
            Self::Run | Self::Check | Self::Record(_) => UsedBy::Senders,
            Self::Snapshot(_)
            | Self::Culprits(_)
            | Self::Metrics(_)
            | Self::Rules(_)
            | Self::Replay(_) => UsedBy::Readers,
        }
    }
}

/// What is to be told of who holds sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) state: State,
    pub(super) form: Form,
    /// So many groups at most are shown.
    pub(super) top: usize,
    /// The time between two readings, where there is to be more than one.
    pub(super) watch: Option<Duration>,
}

/// The form of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Table,
    Json,
}

/// The form of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Catalogue {
    Table,
    Markdown,
    Json,
}

/// What the command line says.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) command: Command,
    pub(super) flags: Flags,
}

/// Parses the command line; help and version are errors that are none.
pub(super) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Parsed, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    let (command, own) = match matches.subcommand() {
        Some(("snapshot", own)) => (Command::Snapshot(form(own)), Some(own)),
        Some(("culprits", own)) => {
            let question = Question {
                state: own.get_one("state").copied().unwrap_or(State::CloseWait),
                form: form(own),
                top: own.get_one("top").copied().unwrap_or(TOP),
                watch: own.get_one("watch").copied(),
            };
            (Command::Culprits(question), Some(own))
        }
        Some(("check", own)) => (Command::Check, Some(own)),
        Some(("metrics", own)) => {
            let form = match format(own) {
                "json" => Catalogue::Json,
                "markdown" => Catalogue::Markdown,
                _ => Catalogue::Table,
            };
            (Command::Metrics(form), Some(own))
        }
        Some(("alerts", alerts)) => match alerts.subcommand() {
            Some(("replay", own)) => (Command::Replay(alerting::replay(own)), Some(own)),
            Some((_, own)) => (Command::Rules(alerting::rules_form(own)), Some(own)),
            None => (Command::Rules(RulesForm::Table), None),
        },
        Some(("record", own)) => (Command::Record(alerting::record(own)), Some(own)),
        Some((_, own)) => (Command::Run, Some(own)),
        None => (Command::Run, None),
    };
    let mut flags = Flags::default();
    // A flag may stand before the command or after it; after it is the more specific place.
    for matches in std::iter::once(&matches).chain(own) {
        if let Ok(Some(path)) = matches.try_get_one::<PathBuf>("config") {
            flags.file = Some(path.clone());
        }
        for setting in settings::all() {
            if let Ok(Some(value)) = matches.try_get_one::<String>(setting.key) {
                flags.settings.insert(setting.key, value.clone());
            }
        }
    }
    Ok(Parsed { command, flags })
}

fn form(matches: &ArgMatches) -> Form {
    if format(matches) == "json" {
        Form::Json
    } else {
        Form::Table
    }
}

/// A state by the name that it has in metrics, or with dashes.
fn state(name: &str) -> Result<State, String> {
    let found = State::ALL
        .into_iter()
        .find(|state| state.name() == name.replace('-', "_"));
    found.ok_or_else(|| {
        let names = State::ALL.map(|state| state.name().replace('_', "-"));
        format!("it is one of {}", names.join(", "))
    })
}

fn number(text: &str) -> Result<usize, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| format!("it is a number from 1 to {MOST}"))
}

fn format(matches: &ArgMatches) -> &str {
    matches
        .get_one::<String>("format")
        .map_or("", String::as_str)
}

fn command() -> clap::Command {
    let reading = || settings::all().filter(|setting| setting.used_by == UsedBy::Readers);
    clap::Command::new("tcpgauge")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .long_about(LONG_ABOUT)
        .after_help(AFTER_HELP)
        // Of a flag that is given twice the last one counts: a wrapper gives one, and its user another.
        .args_override_self(true)
        .arg(config_file())
        .args(settings::all().filter_map(argument))
        .subcommand(
            clap::Command::new("run")
                .about("Be the agent: read at every interval, show or log what was read, push it (the default)")
                .after_help("Exit codes: 0 ended as told; 1 could not go on; 64 bad usage or configuration; 130 a second signal ended it.")
                .arg(config_file())
                .args(settings::all().filter_map(argument)),
        )
        .subcommand(
            clap::Command::new("snapshot")
                .about("Take one reading and print it")
                .after_help("Exit codes: 0 all that was asked for was read; 1 something is missing or incomplete, said on stderr; 64 bad usage or configuration.")
                .arg(format_argument(&["table", "json"]))
                .arg(config_file())
                .args(reading().filter_map(argument)),
        )
        .subcommand(
            clap::Command::new("culprits")
                .about("Say who holds the sockets in a state: pod, process, user, endpoint")
                .after_help("Processes of others are named with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (docs/culprits.md). Exit codes: 0 all that was asked for was read; 1 something is missing or incomplete, said on stderr; 64 bad usage or configuration.")
                .arg(
                    Arg::new("state")
                        .long("state")
                        .value_name("STATE")
                        .value_parser(state)
                        .default_value("close-wait")
                        .help("The state, such as close-wait, time-wait, established or listen"),
                )
                .arg(
                    Arg::new("top")
                        .long("top")
                        .value_name("NUMBER")
                        .value_parser(number)
                        .default_value("20")
                        .help("So many groups at most are shown in the table"),
                )
                .arg(
                    Arg::new("watch")
                        .long("watch")
                        .value_name("DURATION")
                        .value_parser(config::interval)
                        .help("Read again and again, in this interval (1s to 1h), and say since when there has been each group and how it grows"),
                )
                .arg(format_argument(&["table", "json"]))
                .arg(config_file())
                .args(reading().filter_map(argument)),
        )
        .subcommand(
            clap::Command::new("check")
                .about("Say what must be known before deploying: what can be read, as whom, and whether the backend takes points")
                .after_help("Each line is ok, warn or fail. Exit codes: 0 nothing failed; 1 something did; 64 bad usage or configuration.")
                .arg(config_file())
                .args(settings::all().filter_map(argument)),
        )
        .subcommand(
            clap::Command::new("metrics")
                .about("Print the catalogue of metrics")
                .after_help("Exit codes: 0 printed; 1 could not be printed; 64 bad usage.")
                .arg(format_argument(&["table", "markdown", "json"])),
        )
        .subcommand(alerting::alerts_command())
        .subcommand(alerting::record_command())
}

fn config_file() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help(format!(
            "A TOML file with settings [env: {CONFIG_VARIABLE}]"
        ))
}

fn format_argument(values: &'static [&'static str]) -> Arg {
    Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .value_parser(PossibleValuesParser::new(values))
        .default_value("table")
        .help("How to print it")
}

fn argument(setting: &'static Setting) -> Option<Arg> {
    let default = match setting.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    let variables: Vec<_> = setting.env.iter().map(|variable| variable.name).collect();
    let help = format!(
        "{} ({}){default} [env: {}]",
        setting.help,
        setting.bounds.replace('`', ""),
        variables.join(", "),
    );
    let argument = Arg::new(setting.key)
        .long(setting.flag?)
        .value_name(setting.value)
        .action(ArgAction::Set)
        .help(help);
    Some(if setting.is_switch() {
        argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
    } else {
        argument
    })
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;
