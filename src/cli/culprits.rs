//! `tcpgauge culprits`: who holds the sockets in a state.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::arguments::{Form, Question};
use super::{INCOMPLETE, complain, print, runtime, snapshot, table};
use crate::config::Config;
use crate::counters::Wanted;
use crate::culprits::{Access, Culprits, Group, Names, Watch, Whose};
use crate::pods;
use crate::reader::{Readers, Searcher};
use crate::sample::{Sample, format_time};
use crate::source::details::{Attention, Endpoint};
use crate::source::{Choice, Options};

/// What looking for processes may take; somebody is waiting at a terminal.
const PATIENCE: Duration = Duration::from_secs(5);

/// Goes to the upper left of a terminal, and clears it from there.
const CLEAR: &str = "\x1b[H\x1b[J";

#[expect(clippy::disallowed_methods, reason = "a command's own clock")]
pub(super) fn main(config: &Config, question: Question) -> anyhow::Result<ExitCode> {
    let attention = Attention {
        state: Some(question.state),
        inodes: true,
        ..Attention::default()
    };
    // The tables tell everything of every socket, in one pass.
    let source = config.alone().map(|options| Options {
        choice: Choice::Text,
        attention: attention.clone(),
        ..options.clone()
    });
    let pods = config.pods.as_ref().map(|options| pods::Options {
        gates: false,
        attention,
        ..snapshot::unbounded(options)
    });
    let mut readers = Readers::start(
        source.as_ref(),
        Wanted::default(),
        None,
        pods.as_ref(),
        Instant::now,
    )?;
    let mut searcher = Searcher::start(config.source.proc_root.clone())?;
    let mut watch = Watch::new(question.state);
    let clear = question.watch.is_some() && io::stdout().is_terminal();
    runtime()?.block_on(async {
        loop {
            let began = Instant::now();
            let mut sample = snapshot::read(&mut readers).await;
            let culprits = tell(&mut sample, &mut watch, &mut searcher, began).await;
            let page = match question.form {
                Form::Table => table::culprits::page(&sample, &culprits, &question),
                Form::Json => format!("{}\n", json(&sample, &culprits)),
            };
            let clear = if clear { CLEAR } else { "" };
            let printed = print(&format!("{clear}{page}"));
            for fault in &sample.faults {
                complain(&fault.to_string());
            }
            match question.watch {
                Some(interval) if printed == ExitCode::SUCCESS => {
                    tokio::time::sleep(interval.saturating_sub(began.elapsed())).await;
                }
                _ if sample.faults.is_empty() => return Ok(printed),
                _ => return Ok(ExitCode::from(INCOMPLETE)),
            }
        }
    })
}

async fn tell(
    sample: &mut Sample,
    watch: &mut Watch,
    searcher: &mut Searcher,
    now: Instant,
) -> Culprits {
    let pods = sample.pods.iter_mut().flat_map(|pods| &mut pods.readings);
    watch.take(sample.readings.iter_mut(), pods);
    let wanted = watch.wanted();
    let names = if wanted.is_empty() {
        Names::default()
    } else {
        let found = searcher.find(wanted, now, tokio::time::sleep(PATIENCE));
        found.await.unwrap_or_else(|| Names {
            access: Access::Cut,
            ..Names::default()
        })
    };
    watch.tell(&names, now)
}

/// The form that docs/culprits.md documents.
fn json(sample: &Sample, culprits: &Culprits) -> Value {
    let groups: Vec<_> = culprits.groups.iter().map(group).collect();
    json!({
        "time": format_time(sample.time),
        "faults": sample.faults,
        "state": culprits.state.name(),
        "sockets": culprits.total,
        "groups": groups,
        "rest": culprits.rest,
        "processes": match culprits.access {
            Access::Whole => "whole",
            Access::Denied(_) => "denied",
            Access::Cut => "cut",
            Access::Failed(_) => "failed",
        },
    })
}

fn group(group: &Group) -> Value {
    let (scope, owner) = match &group.whose {
        Whose::Alone(scope) => (scope.name(), Value::Null),
        Whose::Of(owner) => ("pods", json!(owner)),
    };
    let process = group.process.as_ref().map(|process| {
        json!({
            "pid": process.pid,
            "name": &*process.name,
            "container": process.container.as_deref(),
            "others": process.others,
        })
    });
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("scope", json!(scope));
    put("owner", owner);
    put("process", json!(process));
    put("user", json!(group.user));
    let (local, remote) = match group.endpoint {
        Endpoint::Local(port) => (Some(port), None),
        Endpoint::Remote(peer) => (None, Some(peer.to_string())),
        Endpoint::Unknown => (None, None),
    };
    put("local_port", json!(local));
    put("remote", json!(remote));
    put("peer", json!(group.peer));
    put("more_peers", json!(group.has_more_peers));
    put("sockets", json!(group.sockets));
    put("receive_queues", json!(group.received));
    let ago = group.seen.map(|seen| seen.ago.as_secs_f64());
    put("seen_for_seconds", json!(ago));
    put("growth_per_minute", json!(group.growth_per_minute()));
    Value::Object(object)
}
