//! What `check` says of the ports that connections are begun from.

use super::{Grade, Report};
use crate::ports::range::{Origin, Range, Unknown};
use crate::ports::{self, Ports, Usage};
use crate::source::Options;

pub(super) fn report(
    report: &mut Report,
    options: &Options,
    wanted: &ports::Options,
    found: Option<&Ports>,
) {
    let range = match Range::find(&options.proc_root, options.scope, wanted.range.as_ref()) {
        Ok(range) => range,
        Err(why) => {
            let what_to_do = match why {
                Unknown::AllReserved(_) => "see net.ipv4.ip_local_reserved_ports",
                _ => "give --port-range what `sysctl net.ipv4.ip_local_port_range` says there",
            };
            report.say(
                Grade::Warn,
                "ports",
                format!("tcp.ports.utilization will not be there: {why}; {what_to_do}"),
            );
            return;
        }
    };
    let largest = match found.map(|ports| (ports, &ports.usage)) {
        Some((ports, Usage::Counted { destinations, .. })) => match destinations.first() {
            Some(most) => format!(
                "; most are in use from {} to {}: {} ({:.1} %)",
                most.from,
                most.to,
                most.ports,
                100.0 * ports.share(most.ports)
            ),
            None => "; none is in use".to_owned(),
        },
        Some((_, Usage::Unclear)) => {
            "; there are too many destinations to tell which has most in use".to_owned()
        }
        // A fault says why.
        None => String::new(),
    };
    report.say(Grade::Ok, "ports", format!("{range}{largest}"));
    if wanted.range.is_some() && range.origin() == Origin::Kernel {
        report.say(
            Grade::Warn,
            "ports",
            "--port-range has no effect: the kernel tells the range here",
        );
    }
}
