//! Pods: whether they are found, named and read, and what is missing.

use super::super::table::pods::{by_kind, nameless};
use super::{Grade, Report};
use crate::pods::node::{Node, ProcNode};
use crate::pods::{Options, Owner, Pods, Stats};

pub(super) fn report(report: &mut Report, options: &Options, pods: &Pods) {
    let stats = &pods.stats;
    found(report, options, stats);
    names(report, options, pods);
    gates(report, options, pods);
    if stats.sandboxed > 0 {
        report.say(
            Grade::Warn,
            "sandboxes",
            format!(
                "{} network namespaces hold a guest with a network stack of its own (gVisor, Kata), which cannot be seen from here: there are no points of them; run tcpgauge --scope self inside such a pod for its numbers",
                stats.sandboxed
            ),
        );
    }
    if stats.summed > 0 {
        report.say(
            Grade::Warn,
            "series",
            format!(
                "{} pods and containers have no series of their own, as there are more than --max-pods {}: raise it (up to 4096), or read them in tcpgauge.owner=other",
                stats.summed, options.most
            ),
        );
    }
}

fn found(report: &mut Report, options: &Options, stats: &Stats) {
    let mut processes = Vec::new();
    // If it fails, the reading says why.
    let _ = ProcNode::new(options).processes(&mut processes);
    let seen = format!(
        "{} processes seen in {}; network namespaces besides the host's: {}",
        processes.len(),
        options.proc_root.path().display(),
        by_kind(stats)
    );
    if stats.pods + stats.containers == 0 {
        report.say(
            Grade::Warn,
            "pods",
            format!("{seen}; that is no pod: is this the /proc of a node that runs some, and mounted from the host?"),
        );
    } else {
        report.say(Grade::Ok, "pods", seen);
    }
}

fn names(report: &mut Report, options: &Options, pods: &Pods) {
    let directory = options.container_logs_dir.display();
    let is_pod = |owner: &Owner| matches!(owner, Owner::Pod { .. });
    let owners = pods.readings.iter().map(|reading| &reading.owner);
    let (all, nameless) = (owners.filter(|owner| is_pod(owner)).count(), nameless(pods));
    if all == 0 {
        return;
    }
    let (grade, text) = if !options.container_logs_dir.is_dir() {
        (
            Grade::Warn,
            format!(
                "{directory} is not there, so pods are told of by their UID alone: mount the host's /var/log/containers read-only, and name the place with --container-logs-dir"
            ),
        )
    } else if nameless > 0 {
        (
            Grade::Warn,
            format!(
                "{directory} has no name for {nameless} of {all} pods, which are told of by their UID alone: is it the host's /var/log/containers, and may this user list it?"
            ),
        )
    } else {
        (
            Grade::Ok,
            format!("{directory} has names for all {all} pods"),
        )
    };
    report.say(grade, "pod names", text);
}

fn gates(report: &mut Report, options: &Options, pods: &Pods) {
    match (&pods.gates_off, options.gates) {
        (_, false) => report.say(
            Grade::Ok,
            "gates",
            "off, as --pods-gates says: every pod is read each time",
        ),
        (None, true) => report.say(
            Grade::Ok,
            "gates",
            "on: a pod is read when the kernel's counters say that something changed, and every 10 minutes",
        ),
        (Some(why), true) => report.say(
            Grade::Warn,
            "gates",
            format!("not possible, so every pod is read each time, as far as --pods-cpu-budget goes: {why}"),
        ),
    }
}
