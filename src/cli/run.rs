//! `tcpgauge run`: the agent, with the process's signals and terminal around it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::console::Console;
use super::{INCOMPLETE, runtime, table};
use crate::config::Config;
use crate::pods::Pods;
use crate::sample::{Five, Sample};
use crate::{agent, log};

/// What a shell gives for a process that a signal ended; SIGINT is 2.
const ENDED_BY_SECOND_SIGNAL: u8 = 128 + 2;

pub(super) fn main(config: Config) -> anyhow::Result<ExitCode> {
    let console = Console::start().context("cannot start the thread that writes")?;
    log::start(config.log, console.clone());
    let runtime = runtime()?;
    let code = runtime.block_on(async {
        let mut signals = Signals::new().context("cannot listen for signals")?;
        let (stop, stopped) = watch::channel(false);
        let agent = agent::run(config, stopped, |sample| {
            if console.is_terminal() {
                console.show(table::brief(sample));
            } else {
                log_sample(sample);
            }
        });
        let impatience = async {
            signals.next().await;
            tracing::info!("told to stop: taking the last sample and delivering what waits, for up to 5 s; a second signal ends at once");
            let _ = stop.send(true);
            signals.quiet().await;
            signals.next().await;
        };
        tokio::select! {
            ended = agent => ended.map(|()| ExitCode::SUCCESS),
            () = impatience => Ok(ExitCode::from(ENDED_BY_SECOND_SIGNAL)),
        }
    });
    // A name that is being resolved would hold it up otherwise.
    runtime.shutdown_background();
    // Said here, for whoever reads stderr may be slow.
    let code = code.unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        ExitCode::from(INCOMPLETE)
    });
    console.end();
    Ok(code)
}

fn log_sample(sample: &Sample) {
    for reading in &sample.readings {
        let [connections, established, time_wait, close_wait, listen] =
            Five::ALL.map(|five| five.of(&reading.counted));
        tracing::info!(
            scope = reading.scope.name(),
            tcp_connections = connections,
            tcp_established = established,
            tcp_time_wait = time_wait,
            tcp_close_wait = close_wait,
            tcp_listen = listen,
            complete = reading.counted.is_complete(),
            "sample"
        );
    }
    if let Some(pods) = &sample.pods {
        log_pods(pods);
    }
}

/// One line for all of them: what each has is in what is exported.
fn log_pods(pods: &Pods) {
    let namespaces = pods.stats.pods + pods.stats.containers + pods.stats.unowned;
    let told = pods.readings.len();
    // Their sums would be zeros that nobody counted.
    if told == 0 {
        tracing::info!(scope = "pods", namespaces, pods = told, "sample");
        return;
    }
    let [connections, established, time_wait, close_wait, listen] = Five::ALL.map(|five| {
        let values = pods.readings.iter().map(|pod| five.of(&pod.counted));
        values.sum::<u64>()
    });
    tracing::info!(
        scope = "pods",
        namespaces,
        pods = told,
        tcp_connections = connections,
        tcp_established = established,
        tcp_time_wait = time_wait,
        tcp_close_wait = close_wait,
        tcp_listen = listen,
        "sample"
    );
}

/// Some send a signal to a process and then to its group, as timeout(1) does: what follows so soon is the same signal.
const SAME_SIGNAL: Duration = Duration::from_millis(50);

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Passes over what comes with the signal that just came.
    async fn quiet(&mut self) {
        let _ = tokio::time::timeout(SAME_SIGNAL, async {
            loop {
                self.next().await;
            }
        })
        .await;
    }
}
