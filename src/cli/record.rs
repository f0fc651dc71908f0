//! `tcpgauge record`: what the rules see, kept to be replayed.

use std::io::ErrorKind;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use tokio::sync::watch;

use super::arguments::Record;
use super::console::Console;
use super::recording::Recorder;
use super::run::Signals;
use super::{INCOMPLETE, complain, print, runtime};
use crate::alerts::{Observer, Reads};
use crate::config::{Config, Events};
use crate::otlp::instruments::Group;
use crate::sample::Sample;
use crate::{agent, http, log};

pub(super) fn main(mut config: Config, record: &Record) -> anyhow::Result<ExitCode> {
    // It reads as the agent would, and does nothing else of what the agent does.
    config.delivery = None;
    config.events = Events::Nowhere("tcpgauge record sends nothing".to_owned());
    config.traces = None;
    // Whatever rules are tried on it may look at these.
    config
        .metrics
        .groups
        .extend([Group::Counters, Group::Capacity]);
    config.alerts.enabled = false;
    config.state_dir = None;
    config.http = http::Options::default();
    config.warnings.clear();
    let recorder = Recorder::create(&record.file, config.interval).map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::AlreadyExists => {
                ": a recording is a new file, so name one that is not there yet"
            }
            _ => "",
        };
        anyhow::Error::new(error).context(format!("cannot make {}{advice}", record.file.display()))
    })?;
    let console = Console::start().context("cannot start the thread that writes")?;
    log::start(config.log, console.clone());
    let mut kept = Kept {
        recorder,
        observer: Observer::new(Reads {
            alone: config.alone().map(|options| options.scope),
            pods: config.pods.is_some(),
        }),
        last: None,
        samples: 0,
        without_reading: 0,
        failed: None,
    };
    let ended = runtime()?.block_on(read(config, record, &mut kept));
    console.end();
    let Kept {
        recorder,
        samples,
        without_reading,
        failed,
        ..
    } = kept;
    let bytes = match failed {
        None => recorder.finish(),
        Some(error) => Err(error),
    };
    let path = record.file.display();
    let bytes = bytes.with_context(|| {
        format!("cannot write to {path}: it can be replayed up to the last of {samples} samples")
    })?;
    let nobody = match without_reading {
        0 => String::new(),
        _ => format!("nobody was read in {without_reading} of them, "),
    };
    let printed = print(&format!(
        "{path}: {samples} samples, {nobody}{bytes} bytes\n"
    ));
    match ended {
        Ok(()) if without_reading == samples => Ok(ExitCode::from(INCOMPLETE)),
        Ok(()) => Ok(printed),
        Err(error) => {
            complain(&format!("{error:#}"));
            Ok(ExitCode::from(INCOMPLETE))
        }
    }
}

/// What is kept, and how that goes.
struct Kept {
    recorder: Recorder,
    observer: Observer,
    last: Option<Instant>,
    samples: u64,
    /// So many of them tell of nobody.
    without_reading: u64,
    failed: Option<std::io::Error>,
}

async fn read(config: Config, record: &Record, kept: &mut Kept) -> anyhow::Result<()> {
    let mut signals = Signals::new().context("cannot listen for signals")?;
    let (stop, stopped) = watch::channel(false);
    let full = stop.clone();
    let agent = agent::run(config, stopped, |sample| {
        // The last one may come while it is being stopped.
        if kept.failed.is_some() {
            return;
        }
        let go_on = match kept.take(sample) {
            Ok(bytes) => bytes < record.most_bytes,
            Err(error) => {
                kept.failed = Some(error);
                false
            }
        };
        if !go_on {
            let _ = full.send(true);
        }
    });
    let end = async {
        match record.period {
            Some(period) => {
                let _ = tokio::time::timeout(period, signals.next()).await;
            }
            None => signals.next().await,
        }
        let _ = stop.send(true);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = agent => ended,
        () = end => Ok(()),
    }
}

impl Kept {
    #[expect(clippy::disallowed_methods, reason = "a command's own clock")]
    fn take(&mut self, sample: &Sample) -> std::io::Result<u64> {
        let now = Instant::now();
        let step = self.last.map(|last| now - last).unwrap_or_default();
        self.last = Some(now);
        let observation = self.observer.observe(sample, step);
        let bytes = self.recorder.write(&observation)?;
        self.samples += 1;
        self.without_reading += u64::from(!observation.has_reading());
        Ok(bytes)
    }
}
