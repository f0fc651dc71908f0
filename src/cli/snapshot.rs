//! `tcpgauge snapshot`: one reading.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use super::arguments::Form;
use super::{INCOMPLETE, complain, print, runtime, table};
use crate::config::Config;
use crate::counters::Wanted;
use crate::pods;
use crate::ports;
use crate::reader::{Moment, Readers};
use crate::sample::Sample;
use crate::source::Options;

/// More than the largest table takes; somebody is waiting at a terminal.
const PATIENCE: Duration = Duration::from_mins(1);

/// More CPU time than there is.
const UNBOUNDED: f64 = 1e6;

pub(super) fn main(config: &Config, form: Form) -> anyhow::Result<ExitCode> {
    let sample = take(config)?;
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
pub(super) fn take(config: &Config) -> anyhow::Result<Sample> {
    // Somebody wants to see it all, once.
    let source = config.alone().map(|options| Options {
        by_family: true,
        ..options.clone()
    });
    let pods = config.pods.as_ref().map(unbounded);
    let ports = ports::Options {
        when: ports::When::Always,
        ..config.ports.clone()
    };
    let mut readers = Readers::start(
        source.as_ref(),
        Wanted::default(),
        Some(&ports),
        pods.as_ref(),
        Instant::now,
    )?;
    Ok(runtime()?.block_on(read(&mut readers)))
}

/// All pods at once, whatever it costs.
pub(super) fn unbounded(options: &pods::Options) -> pods::Options {
    pods::Options {
        cpu_budget: UNBOUNDED,
        at_once: PATIENCE / 2,
        ..options.clone()
    }
}

/// What there is to read.
#[expect(clippy::disallowed_methods, reason = "a command's own moment")]
pub(super) async fn read(readers: &mut Readers) -> Sample {
    let at = Moment {
        now: Instant::now(),
        time: SystemTime::now(),
    };
    let mut sample = Sample::at(at.time);
    let (reading, pods) = readers.read(at, || tokio::time::sleep(PATIENCE)).await;
    match reading {
        Some(Ok(done)) => {
            sample.add(done.reading.sockets);
            sample.add_ports(done.reading.ports);
        }
        Some(Err(fault)) => sample.faults.push(fault),
        None => {}
    }
    match pods {
        Some(Ok(done)) => sample.add_pods(done.reading),
        Some(Err(fault)) => sample.faults.push(fault),
        None => {}
    }
    sample
}
