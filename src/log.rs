//! The agent's own log: what an operator reads at 3 a.m., on stderr.

use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged, and how.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The least important level that is logged.
    pub level: Level,
    /// The form of a line.
    pub format: Format,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The levels by name.
pub const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// The level of this name.
#[must_use]
pub fn level(name: &str) -> Option<Level> {
    LEVELS.contains(&name).then(|| name.parse().ok()).flatten()
}

/// Sends the log of this process to `writer`, from now on.
///
/// Libraries speak of errors only, unless more is asked for: they repeat with every try what is said here once.
pub fn start<W>(options: Options, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let libraries = match options.level {
        Level::TRACE => Level::TRACE,
        Level::DEBUG => Level::WARN,
        _ => Level::ERROR,
    };
    let filter = Targets::new()
        .with_default(libraries)
        .with_target("tcpgauge", options.level);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_target(false);
    let layer = match options.format {
        Format::Text => layer.with_ansi(false).boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    };
    // It fails only where a log was started before, as a second agent in one test process would; the first one serves both.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
}
