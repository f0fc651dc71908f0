//! `tcpgauge snapshot`: one reading.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use super::arguments::Form;
use super::{INCOMPLETE, complain, print, runtime, table};
use crate::config::Config;
use crate::reader::Reader;
use crate::sample::Sample;
use crate::source::Options;

/// More than the largest table takes; somebody is waiting at a terminal.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) fn main(config: Config, form: Form) -> anyhow::Result<ExitCode> {
    // Somebody wants to see it all.
    let sample = take(Options {
        by_family: true,
        ..config.source
    })?;
    let printed = print(&match form {
        Form::Table => table::full(&sample),
        Form::Json => format!("{}\n", serde_json::to_string(&sample)?),
    });
    for fault in &sample.faults {
        complain(&fault.to_string());
    }
    Ok(if sample.faults.is_empty() {
        printed
    } else {
        ExitCode::from(INCOMPLETE)
    })
}

/// One sample, now.
#[expect(clippy::disallowed_methods, reason = "a command's own moment")]
pub(super) fn take(options: Options) -> anyhow::Result<Sample> {
    let mut reader = Reader::start(options)?;
    let (time, now) = (SystemTime::now(), Instant::now());
    let runtime = runtime()?;
    let reading = runtime.block_on(async { reader.read(now, tokio::time::sleep(PATIENCE)).await });
    Ok(match reading {
        Ok(done) => Sample::new(time, done.reading),
        Err(fault) => Sample::failed(time, fault),
    })
}
