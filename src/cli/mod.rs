//! The command line: `run` (the default), `snapshot`, `culprits`, `check`, `metrics`, `alerts`, `record`.

mod alerts;
mod arguments;
mod check;
mod console;
mod culprits;
mod record;
mod recording;
mod replay;
mod run;
mod snapshot;
mod table;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use self::arguments::{Command, Parsed};
use crate::config::{Config, Environment};
use crate::otlp::catalogue;
use crate::sample::plain;

/// `EX_USAGE` of `sysexits.h`: bad usage or configuration.
const BAD_USAGE: u8 = 64;

/// Something is missing or incomplete.
const INCOMPLETE: u8 = 1;

/// Does what the arguments say.
pub fn main(arguments: impl Iterator<Item = OsString>, environment: Environment) -> ExitCode {
    let Parsed { command, flags } = match arguments::parse(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version go to stdout and are what was asked for.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(BAD_USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    if let Command::Metrics(format) = command {
        return print(&match format {
            arguments::Catalogue::Table => catalogue::table(),
            arguments::Catalogue::Markdown => catalogue::markdown(),
            arguments::Catalogue::Json => catalogue::json(),
        });
    }
    let config = match Config::load(flags, environment, command.used_by()) {
        Ok(config) => config,
        Err(faults) => {
            for fault in faults {
                complain(&fault.to_string());
            }
            return ExitCode::from(BAD_USAGE);
        }
    };
    let done = match command {
        Command::Snapshot(format) => snapshot::main(&config, format),
        Command::Culprits(question) => culprits::main(&config, question),
        Command::Check => check::main(&config),
        Command::Rules(form) => Ok(alerts::main(&config, form)),
        Command::Replay(replay) => replay::main(&config, &replay),
        Command::Record(record) => record::main(config, &record),
        Command::Run | Command::Metrics(_) => run::main(config),
    };
    done.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::from(INCOMPLETE)
    })
}

/// Prints to stdout. A reader that has gone away (`tcpgauge metrics | head`) is no failure.
fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("cannot write to stdout: {error}"));
            ExitCode::from(INCOMPLETE)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Says on stderr what is wrong.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "tcpgauge: {}", plain(text));
}

/// A runtime for one thread, as everything here needs.
/// As long as the agent lives.
const FOR_EVER: Duration = Duration::from_hours(100 * 365 * 24);

/// For what waits for a disk or a name.
const MOST_THREADS: usize = 8;

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Where no thread can be started any more, work for one waits for the one that is there; were there none, tokio would
        // panic. So one is there from now on, and stays.
        .thread_keep_alive(FOR_EVER)
        .max_blocking_threads(MOST_THREADS)
        .build()?;
    runtime.block_on(runtime.spawn_blocking(|| {}))?;
    Ok(runtime)
}
