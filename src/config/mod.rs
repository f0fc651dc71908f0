//! The configuration: defaults < file < environment < flags, every fault of it reported at once.
//!
//! Each stage of the pipeline owns its options; here they are only put together.

mod alerting;
pub mod docs;
mod layers;
mod listening;
mod logs;
mod reading;
mod reading_settings;
mod sending;
mod setting;
pub mod settings;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use self::layers::{Environment, Fault, Origin};
use self::layers::{Given, Layers};
pub use self::logs::Events;
use self::settings::{Form, UsedBy};
use crate::alerts;
use crate::delivery;
use crate::http;
use crate::log;
use crate::otlp;
use crate::otlp::resource::Attribute;
use crate::pods;
use crate::ports;
use crate::source;
use crate::source::details::Attention;
use crate::tcp::State;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const MAX_ATTRIBUTES: usize = 128;

/// Everything that a user can set, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is read, and where the host is even if only pods are.
    pub source: source::Options,
    /// Whether nothing else is read than pods.
    pub only_pods: bool,
    /// Which pods are read, if they are.
    pub pods: Option<pods::Options>,
    /// What is wanted of the ports in use.
    pub ports: ports::Options,
    /// Time between two readings.
    pub interval: Duration,
    /// Which metrics are exported.
    pub metrics: otlp::instruments::Options,
    /// Who is said to export them.
    pub resource: otlp::resource::Options,
    /// Where to, or nothing where nothing is to be sent.
    pub delivery: Option<delivery::Options>,
    /// Where events go: that an alert begins or ends.
    pub events: Events,
    /// Where it is kept what must not be forgotten, if anywhere.
    pub state_dir: Option<PathBuf>,
    /// Where the agent's own traces go, or nothing where there are to be none.
    pub traces: Option<delivery::Options>,
    /// Who may ask over HTTP, and where.
    pub http: http::Options,
    /// What alerts tell of.
    pub alerts: alerts::Options,
    /// What is logged.
    pub log: log::Options,
    /// What was given and has no effect.
    pub warnings: Vec<String>,
    /// Where something was given that differs from silence, strongest last.
    pub origins: Vec<Origin>,
}

/// What was given on the command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The file.
    pub file: Option<PathBuf>,
    /// Settings by key.
    pub settings: BTreeMap<&'static str, String>,
}

impl Config {
    /// Puts the configuration together, or says everything that is wrong with it.
    pub fn load(
        flags: Flags,
        environment: Environment,
        used_by: UsedBy,
    ) -> Result<Self, Vec<Fault>> {
        let mut layers = Layers::new(flags.settings, environment, flags.file, used_by);
        let config = take_all(&mut layers);
        match config {
            Some(config) if layers.faults.is_empty() => Ok(config),
            _ => Err(layers.faults),
        }
    }

    /// What is read by itself, if anything is besides pods.
    #[must_use]
    pub fn alone(&self) -> Option<&source::Options> {
        (!self.only_pods).then_some(&self.source)
    }
}

fn take_all(layers: &mut Layers) -> Option<Config> {
    let reading = reading::wanted(layers);
    let interval = layers.take("interval", duration(SECOND, HOUR));
    let groups = layers.take("metrics", text(groups));
    let culprits_top = layers.take(
        "culprits_top",
        text(|number| values::number(number, 1, 100)),
    );
    let split = layers.take("split_network_type", text(values::boolean));
    let exporter = layers.take("exporter", text(sending::exporter));
    let disabled = layers.take("sdk_disabled", text(values::boolean));
    // Where nothing is sent, what a whole platform sets about sending does not matter.
    let delivery = match (exporter, disabled) {
        (Some(true), Some(false)) => sending::options(layers).map(Some),
        (Some(_), Some(_)) => Some(None),
        _ => sending::options(layers).map(Some),
    };
    let traces = match disabled {
        Some(true) => Some(None),
        _ => sending::traces(layers, delivery.as_ref().and_then(Option::as_ref)),
    };
    let events = match disabled {
        Some(true) => Some(Events::Nowhere("the SDK is disabled".to_owned())),
        _ => logs::events(layers, exporter != Some(false)),
    };
    let host_name = layers.take("host_name", text(optional_name));
    let service_name = layers.take("service_name", text(optional_name));
    let attributes = layers.take("resource_attributes", |given| attributes(pairs(given)?));
    let state_dir = layers.take("state_dir", text(alerting::state_dir));
    let http = listening::options(layers);
    let alerts = alerting::options(layers);
    let level = layers.take(
        "log_level",
        text(|name| values::choice(&name.to_ascii_lowercase(), &log::LEVELS, log::level)),
    );
    let format = layers.take(
        "log_format",
        text(|name| {
            values::choice(name, &["text", "json"], |name| match name {
                "text" => Some(log::Format::Text),
                "json" => Some(log::Format::Json),
                _ => None,
            })
        }),
    );
    let (reading, attributes) = (reading?, attributes?);
    let (attributes, refused) = otlp::resource::split_own(attributes, reading.scope());
    let mut warnings: Vec<_> = layers
        .not_honoured()
        .iter()
        .map(|name| {
            format!(
                "environment variable {name} has no effect: every sample is sent, and cumulative; traces have the settings of metrics"
            )
        })
        .collect();
    warnings.extend(refused.iter().map(|key| {
        format!("resource attribute {key} is left out: in scope host it would be the agent's own and not the host's")
    }));
    let metrics = otlp::instruments::Options {
        groups: groups?,
        split_network_type: split?,
        states_of_pods: reading.states_of_pods,
        most_pods: reading.most_pods(),
        listener_ports: reading.listener_ports.clone(),
        culprits_top: culprits_top?,
    };
    let interval = interval?;
    let (alerts, state_dir) = (alerts?, state_dir?);
    let attention = attention(&metrics, alerts.enabled);
    Some(Config {
        only_pods: reading.only_pods(),
        pods: reading.pods(interval, &metrics, &attention),
        source: reading.source(&metrics, attention),
        ports: reading.ports(),
        interval,
        metrics,
        resource: otlp::resource::Options {
            service_name: service_name?,
            host_name: host_name?,
            attributes,
        },
        delivery: delivery?,
        events: if alerts.enabled {
            events?.kept_in(state_dir.as_deref())
        } else {
            Events::Nowhere("alerts are off".to_owned())
        },
        state_dir,
        traces: traces?,
        http: http?,
        alerts,
        log: log::Options {
            level: level?,
            format: format?,
        },
        warnings,
        origins: std::mem::take(&mut layers.used),
    })
}

/// What is to be looked at besides the counts: an alert says who, and which port.
fn attention(metrics: &otlp::instruments::Options, has_alerts: bool) -> Attention {
    let attention = metrics.attention();
    if !has_alerts {
        return attention;
    }
    Attention {
        state: Some(State::CloseWait),
        inodes: true,
        listening: true,
        ..attention
    }
}

/// A parser of text, for settings that are one.
fn text<T>(parse: impl Fn(&str) -> Result<T, String>) -> impl Fn(Given) -> Result<T, String> {
    move |given| match given {
        Given::Text(text, _) => parse(&text),
        Given::Pairs(_) => Err("must be a string".to_owned()),
    }
}

/// A time between two readings.
pub fn interval(text: &str) -> Result<Duration, String> {
    values::duration(text, SECOND, HOUR)
}

/// A time that something may take.
pub fn period(text: &str) -> Result<Duration, String> {
    values::duration(text, SECOND, 366 * 24 * HOUR)
}

fn duration(least: Duration, most: Duration) -> impl Fn(Given) -> Result<Duration, String> {
    move |given| match given {
        Given::Text(text, Form::Plain | Form::Complete) => values::duration(&text, least, most),
        Given::Text(text, Form::Milliseconds) => values::milliseconds(&text, least, most),
        Given::Pairs(_) => Err("must be a duration".to_owned()),
    }
}

fn pairs(given: Given) -> Result<Vec<(String, String)>, String> {
    match given {
        Given::Text(text, _) => values::pairs(&text),
        Given::Pairs(pairs) => Ok(pairs),
    }
}

fn optional_name(name: &str) -> Result<Option<String>, String> {
    if name.is_empty() {
        return Ok(None);
    }
    values::name(name).map(Some)
}

fn groups(names: &str) -> Result<Vec<otlp::instruments::Group>, String> {
    use otlp::instruments::Group;
    names
        .split(',')
        .filter(|name| !name.trim().is_empty())
        .map(|name| {
            values::choice(name.trim(), &Group::NAMES, |name| {
                Group::ALL.into_iter().find(|group| group.name() == name)
            })
        })
        .collect()
}

fn attributes(pairs: Vec<(String, String)>) -> Result<Vec<Attribute>, String> {
    if pairs.len() > MAX_ATTRIBUTES {
        return Err(format!(
            "{} attributes are more than {MAX_ATTRIBUTES}",
            pairs.len()
        ));
    }
    if pairs.iter().any(|(key, value)| {
        [key, value]
            .into_iter()
            .any(|text| text.contains(char::is_control))
    }) {
        return Err("an attribute has control characters".to_owned());
    }
    // One without a value says nothing: mostly it was to be filled in from a variable that is not set.
    Ok(pairs
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| Attribute { key, value })
        .collect())
}

#[cfg(test)]
mod tests;
