//! What is read, from its settings.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::layers::Layers;
use super::{text, values};
use crate::otlp::instruments;
use crate::pods;
use crate::ports::{self, MOST_DESTINATIONS};
use crate::source::details::{Attention, MOST_PORTS};
use crate::source::proc_root::ProcRoot;
use crate::source::{self, Choice, Scope};

const MOST_PODS: usize = 4096;

/// A sample does not wait longer for what is read with its tick.
const MOST_AT_ONCE: Duration = Duration::from_millis(500);

/// What is wanted of readings.
pub(super) struct Wanted {
    scopes: Scopes,
    proc_root: ProcRoot,
    choice: Choice,
    container_logs_dir: PathBuf,
    gates: bool,
    cpu_budget: f64,
    most_pods: usize,
    port_range: Option<RangeInclusive<u16>>,
    port_destinations: usize,
    pub(super) states_of_pods: bool,
    pub(super) listener_ports: Arc<[u16]>,
}

/// What `--scope` names.
struct Scopes {
    /// A namespace by itself, if one is read.
    alone: Option<Scope>,
    pods: bool,
}

pub(super) fn wanted(layers: &mut Layers) -> Option<Wanted> {
    let scopes = layers.take("scope", text(scopes));
    let proc_root = layers.take("proc_root", text(directory));
    let choice = layers.take(
        "source",
        text(|name| values::choice(name, &Choice::NAMES, |name| name.parse().ok())),
    );
    let container_logs_dir = layers.take("container_logs_dir", text(directory));
    let most_pods = layers.take(
        "max_pods",
        text(|number| values::number(number, 1, MOST_PODS)),
    );
    let gates = layers.take("pods_gates", text(values::switch));
    let cpu_budget = layers.take(
        "pods_cpu_budget",
        text(|share| values::percent(share, 0.1, 100.0)),
    );
    let states_of_pods = layers.take("pods_states", text(values::boolean));
    let port_range = layers.take("port_range", text(port_range));
    let port_destinations = layers.take(
        "port_destinations",
        text(|number| values::number(number, 0, MOST_DESTINATIONS)),
    );
    let listener_ports = layers.take("listener_ports", text(ports));
    Some(Wanted {
        scopes: scopes?,
        proc_root: ProcRoot::new(proc_root?),
        choice: choice?,
        container_logs_dir: container_logs_dir?,
        gates: gates?,
        cpu_budget: cpu_budget?,
        most_pods: most_pods?,
        port_range: port_range?,
        port_destinations: port_destinations?,
        states_of_pods: states_of_pods?,
        listener_ports: listener_ports?,
    })
}

impl Wanted {
    /// Whose agent this is, as far as attributes go: who reads pods is the host's.
    pub(super) fn scope(&self) -> Scope {
        self.scopes.alone.unwrap_or_default()
    }

    pub(super) fn only_pods(&self) -> bool {
        self.scopes.alone.is_none()
    }

    /// So many pods at most have series of their own.
    pub(super) fn most_pods(&self) -> usize {
        if self.scopes.pods { self.most_pods } else { 0 }
    }

    pub(super) fn source(
        &self,
        metrics: &instruments::Options,
        attention: Attention,
    ) -> source::Options {
        source::Options {
            proc_root: self.proc_root.clone(),
            scope: self.scope(),
            choice: self.choice,
            by_family: metrics.tell_families_apart(),
            attention,
        }
    }

    pub(super) fn ports(&self) -> ports::Options {
        ports::Options {
            range: self.port_range.clone(),
            destinations: self.port_destinations,
            when: ports::When::Due,
        }
    }

    pub(super) fn pods(
        &self,
        interval: Duration,
        metrics: &instruments::Options,
        attention: &Attention,
    ) -> Option<pods::Options> {
        self.scopes.pods.then(|| pods::Options {
            proc_root: self.proc_root.clone(),
            container_logs_dir: self.container_logs_dir.clone(),
            most: self.most_pods,
            gates: self.gates,
            cpu_budget: self.cpu_budget,
            at_once: (interval / 10).min(MOST_AT_ONCE),
            interval,
            by_family: self.states_of_pods && metrics.tell_families_apart(),
            attention: attention.clone(),
        })
    }
}

fn scopes(names: &str) -> Result<Scopes, String> {
    let (alone, pods) = match names {
        "pods" => (None, true),
        "host,pods" | "pods,host" => (Some(Scope::Host), true),
        "self,pods" | "pods,self" => {
            return Err(format!(
                "{names:?} is not possible: who sees all pods is not one of them; write host,pods or self"
            ));
        }
        name => {
            let names = ["host", "self", "pods", "host,pods"];
            let scope = values::choice(name, &names, |name| name.parse().ok())?;
            (Some(scope), false)
        }
    };
    Ok(Scopes { alone, pods })
}

fn port_range(text: &str) -> Result<Option<RangeInclusive<u16>>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    // Port 0 is the one that stands for any.
    let range = ports::range::parse(text).filter(|range| *range.start() > 0);
    range.map(Some).ok_or_else(|| {
        format!("{text:?} is no range of ports: write the first and the last, from 1 to 65535, such as 32768-60999")
    })
}

fn ports(list: &str) -> Result<Arc<[u16]>, String> {
    let mut ports: Vec<u16> = list
        .split(',')
        .map(str::trim)
        .filter(|port| !port.is_empty())
        .map(|port| values::number(port, 1, usize::from(u16::MAX)))
        .map(|port| port.and_then(|port| u16::try_from(port).map_err(|error| error.to_string())))
        .collect::<Result<_, _>>()?;
    ports.sort_unstable();
    ports.dedup();
    if ports.len() > MOST_PORTS {
        return Err(format!(
            "{} ports are more than {MOST_PORTS}, and each is a series of its own",
            ports.len()
        ));
    }
    Ok(ports.into())
}

fn directory(path: &str) -> Result<PathBuf, String> {
    // It would be the working directory, which nobody means.
    if path.is_empty() {
        return Err("names no directory".to_owned());
    }
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::super::settings::UsedBy;
    use super::super::{Config, Environment, Flags};

    fn load(key: &'static str, value: &str) -> Result<Config, String> {
        let mut flags = Flags::default();
        flags.settings.insert(key, value.to_owned());
        let loaded = Config::load(flags, Environment::default(), UsedBy::Readers);
        loaded.map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_range_of_ports_is_the_first_and_the_last() {
        let range = |text| load("port_range", text).map(|config| config.ports.range);
        assert_eq!(range(""), Ok(None));
        assert_eq!(range("32768-60999"), Ok(Some(32_768..=60_999)));
        assert_eq!(range("1024 - 1024"), Ok(Some(1024..=1024)));
        for text in [
            "32768",
            "32768 60999",
            "60999-32768",
            "0-60999",
            "1-65536",
            "-5-10",
            "1-2-3",
            "a-b",
        ] {
            let fault = range(text).unwrap_err();
            assert!(fault.contains("flag --port-range"), "{fault}");
            assert!(fault.contains("such as 32768-60999"), "{fault}");
        }
    }

    #[test]
    fn no_more_destinations_are_told_than_a_backend_is_to_keep() {
        let most = |text| load("port_destinations", text).map(|config| config.ports.destinations);
        assert_eq!((most("0"), most("20")), (Ok(0), Ok(20)));
        assert!(most("21").is_err() && most("-1").is_err());
    }
}
