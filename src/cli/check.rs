//! `tcpgauge check`: what an operator must know before deploying, line by line, with what to do about it.

mod disk;
mod pods;
mod ports;

use std::fmt;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use procfs::process::Status;

use super::{INCOMPLETE, plain, print, runtime, snapshot};
use crate::agent;
use crate::config::{Config, Events, Origin};
use crate::delivery::backend::Backend;
use crate::delivery::endpoint::Endpoint;
use crate::delivery::probe;
use crate::delivery::transport::{Kind, Payload, Transport};
use crate::delivery::verdict::{Verdict, verdict};
use crate::delivery::{self};
use crate::http::server::{ListenError, Listener};
use crate::http::{self};
use crate::identity::Identity;
use crate::sample::Five;
use crate::source::namespace::{Machine, Namespace};
use crate::source::{self, Options, Scope, Sockets};

/// A name that takes longer to resolve will not do for an agent either.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn main(config: &Config) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    configuration(&mut report, config);
    proc_root(&mut report, &config.source);
    namespace(&mut report, config);
    sockets(&mut report, config)?;
    user(&mut report, &config.source);
    host_name(&mut report, config);
    let runtime = runtime()?;
    if let Some(options) = &config.delivery {
        runtime.block_on(backend(&mut report, "backend", options));
        disk::spool(&mut report, "spool", options);
    } else {
        report.say(
            Grade::Warn,
            "backend",
            match config.events {
                Events::Nowhere(_) => "nothing is sent: the exporter is none",
                Events::To(_) => "no samples are sent: the exporter is none",
            },
        );
    }
    match &config.events {
        Events::To(options) => {
            runtime.block_on(events(&mut report, options));
            disk::spool(&mut report, "events spool", options);
        }
        Events::Nowhere(why) => report.say(Grade::Ok, "events", format!("none are sent: {why}")),
    }
    disk::state(&mut report, config);
    if let Some(options) = &config.traces {
        runtime.block_on(backend(&mut report, "traces", options));
    }
    // A listener belongs to a runtime.
    runtime.block_on(async { listening(&mut report, &config.http) });
    runtime.shutdown_background();
    Ok(if report.failed {
        ExitCode::from(INCOMPLETE)
    } else {
        ExitCode::SUCCESS
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Grade {
    Ok,
    Warn,
    Fail,
}

/// What was said so far.
#[derive(Default)]
struct Report {
    failed: bool,
}

impl Report {
    fn say(&mut self, grade: Grade, about: &str, text: impl fmt::Display) {
        self.failed |= grade == Grade::Fail;
        let grade = match grade {
            Grade::Ok => "ok",
            Grade::Warn => "warn",
            Grade::Fail => "fail",
        };
        // Said at once, for what comes next may take seconds.
        let line = plain(&format!("{grade:<4}  {about:<13}  {text}"));
        let printed = print(&format!("{line}\n"));
        self.failed |= printed != ExitCode::SUCCESS;
    }
}

fn configuration(report: &mut Report, config: &Config) {
    let origins: Vec<_> = config.origins.iter().map(Origin::to_string).collect();
    let given = if origins.is_empty() {
        "all defaults".to_owned()
    } else {
        format!("given: {}", origins.join("; "))
    };
    report.say(Grade::Ok, "configuration", given);
    for warning in &config.warnings {
        report.say(Grade::Warn, "configuration", warning);
    }
}

fn proc_root(report: &mut Report, options: &Options) {
    let root = options.proc_root.path().display();
    match options.proc_root.is_mounted_proc() {
        Some(true) => report.say(Grade::Ok, "proc root", format!("{root} is a mounted proc")),
        Some(false) => report.say(
            Grade::Warn,
            "proc root",
            format!("{root} is not a mounted proc: its numbers are those of whoever wrote the files there"),
        ),
        None => report.say(
            Grade::Fail,
            "proc root",
            format!("{root} cannot be looked at: mount the host's /proc there, or name the right place with --proc-root or HOST_PROC"),
        ),
    }
}

fn namespace(report: &mut Report, config: &Config) {
    let options = &config.source;
    let directory = options.proc_root.join(options.scope.directory());
    let what = match config.alone() {
        Some(options) => format!("scope {} reads", options.scope.name()),
        None => "scope pods leaves out what is the host's:".to_owned(),
    };
    // If it fails, the reading says why.
    if let Ok(namespace) = Namespace::inspect(&options.proc_root, options.scope) {
        let elsewhere = options.scope == Scope::Host
            && matches!(namespace.machine, Machine::NotInitial | Machine::Unknown);
        let grade = match () {
            () if namespace.is_a_containers => Grade::Fail,
            () if elsewhere => Grade::Warn,
            () => Grade::Ok,
        };
        report.say(
            grade,
            "namespace",
            format!("{what} {}: {namespace}", directory.display()),
        );
    }
}

fn sockets(report: &mut Report, config: &Config) -> anyhow::Result<()> {
    let options = &config.source;
    let directory = options.proc_root.join(options.scope.directory());
    let sample = snapshot::take(config)?;
    for reading in &sample.readings {
        let grade = if reading.step_downs > 0 {
            Grade::Warn
        } else {
            Grade::Ok
        };
        let why = reading.why.as_deref().unwrap_or_default();
        report.say(grade, "source", format!("{}: {why}", reading.source.name()));
        let ipv6 = match reading.counted.sockets {
            Sockets::ByFamily { ipv6: None, .. } => " (no tcp6: IPv6 is off)",
            _ => "",
        };
        let values = Five::ALL.map(|five| format!("{} {}", five.name(), five.of(&reading.counted)));
        report.say(
            Grade::Ok,
            "sockets",
            format!("{}{ipv6}: {}", directory.display(), values.join(", ")),
        );
    }
    if let Some(options) = config.alone() {
        ports::report(report, options, &config.ports, sample.ports.as_ref());
    }
    if let (Some(options), Some(found)) = (&config.pods, &sample.pods) {
        pods::report(report, options, found);
    }
    let grade = if agent::has_all_that_is_wanted(&sample, config) {
        Grade::Warn
    } else {
        Grade::Fail
    };
    for fault in &sample.faults {
        report.say(grade, "sockets", fault);
    }
    Ok(())
}

fn user(report: &mut Report, options: &Options) {
    match source::namespace::status(&options.proc_root) {
        Some(status) => report.say(Grade::Ok, "user", privileges(&status)),
        None => report.say(
            Grade::Warn,
            "user",
            format!(
                "{} does not show this process",
                options.proc_root.path().display()
            ),
        ),
    }
}

fn privileges(status: &Status) -> String {
    let capabilities = match status.capeff {
        0 => "no capabilities".to_owned(),
        some => format!("capabilities {some:#x}"),
    };
    let new_privileges = match status.nonewprivs {
        Some(1) => ", no new privileges",
        _ => "",
    };
    let seccomp = match status.seccomp {
        Some(2) => ", seccomp filter",
        _ => "",
    };
    let needs = if status.euid == 0 || status.capeff != 0 {
        "; tcpgauge needs none of these privileges"
    } else {
        ""
    };
    format!(
        "uid {}, gid {}, {capabilities}{new_privileges}{seccomp}{needs}",
        status.euid, status.egid
    )
}

#[expect(clippy::disallowed_methods, reason = "a command's own moment")]
fn host_name(report: &mut Report, config: &Config) {
    let identity = Identity::inspect(&config.source, SystemTime::now());
    if config.resource.names_the_host() {
        report.say(Grade::Ok, "host name", "host.name is given");
    } else if let Some(why) = identity.host_name.why_not() {
        report.say(Grade::Warn, "host name", why);
    } else {
        let name = identity.host_name.known().unwrap_or_default();
        report.say(Grade::Ok, "host name", format!("host.name is {name}"));
    }
}

async fn backend(report: &mut Report, about: &str, options: &delivery::Options) {
    let endpoint = &options.endpoint;
    let Some(addresses) = resolve(report, endpoint).await else {
        return;
    };
    let protocol = endpoint.protocol.name();
    let what = if about == "traces" { about } else { "metrics" };
    match Backend::new(options).send(Payload::Plain(Vec::new())).await {
        Ok(_) => report.say(
            Grade::Ok,
            about,
            format!("{endpoint} takes {what} over {protocol} (an empty request was sent)"),
        ),
        Err(failure) => {
            let advice = match (verdict(failure.kind, endpoint.signal), failure.kind) {
                (Verdict::Mend(advice), _) => format!(": {advice}"),
                // Bytes came back, or the connection broke: what speaks there can be asked.
                (_, Kind::OtherProtocol | Kind::Lost | Kind::Timeout) => {
                    match probe::what_speaks_at(&addresses).await {
                        Some(found) => found.to(endpoint),
                        None => String::new(),
                    }
                }
                _ => String::new(),
            };
            report.say(Grade::Fail, about, format!("{}{advice}", failure.message));
        }
    }
}

/// In one line: mostly it is the same backend, and of one that takes none nothing else is lost.
async fn events(report: &mut Report, options: &delivery::Options) {
    let endpoint = &options.endpoint;
    let protocol = endpoint.protocol.name();
    match Backend::new(options).send(Payload::Plain(Vec::new())).await {
        Ok(_) => report.say(
            Grade::Ok,
            "events",
            format!("{endpoint} takes logs over {protocol}, which alerts are sent as"),
        ),
        Err(failure) => {
            let advice = match verdict(failure.kind, endpoint.signal) {
                Verdict::Mend(advice) => format!(": {advice}"),
                _ => String::new(),
            };
            report.say(
                Grade::Warn,
                "events",
                format!("{}{advice}", failure.message),
            );
        }
    }
}

/// Listens where the agent would, and leaves again.
fn listening(report: &mut Report, options: &http::Options) {
    if let Some(place) = options.health {
        say_whether_free(report, Listener::for_health(place), true);
    }
    if let Some(wanted) = options.all {
        say_whether_free(
            report,
            Listener::for_all(wanted, options.page),
            wanted.asked_for,
        );
    }
}

fn say_whether_free(report: &mut Report, tried: Result<Listener, ListenError>, asked_for: bool) {
    match tried {
        Ok(listener) => report.say(
            Grade::Ok,
            "http",
            format!("{} is free to listen on", listener.address()),
        ),
        // Mostly it is the agent that this check is about.
        Err(error) if error.is_in_use() || !asked_for => report.say(Grade::Warn, "http", error),
        Err(error) => report.say(Grade::Fail, "http", error),
    }
}

async fn resolve(report: &mut Report, endpoint: &Endpoint) -> Option<Vec<SocketAddr>> {
    let Some(host) = endpoint.host() else {
        return Some(Vec::new());
    };
    // That of https is the usual one of services out there.
    let implied = if endpoint.port_is_implied() && !endpoint.is_encrypted() {
        let protocol = endpoint.protocol;
        format!(
            " (no port is given, and {} usually has {})",
            protocol.name(),
            protocol.usual_port()
        )
    } else {
        String::new()
    };
    let resolving = tokio::net::lookup_host((host, endpoint.port()));
    let fault = match tokio::time::timeout(RESOLVE_TIMEOUT, resolving).await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<_> = addresses.collect();
            let shown: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
            let grade = if implied.is_empty() {
                Grade::Ok
            } else {
                Grade::Warn
            };
            report.say(
                grade,
                "address",
                format!("{endpoint} is {}{implied}", shown.join(", ")),
            );
            return Some(addresses);
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {RESOLVE_TIMEOUT:?}"),
    };
    report.say(
        Grade::Fail,
        "address",
        format!("{host} does not resolve: {fault}; is the name right, and does this host (or container) have DNS?"),
    );
    None
}
