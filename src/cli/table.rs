//! Samples for people's eyes.

pub(super) mod culprits;
pub(super) mod pods;

use std::fmt::Write;

use crate::ports::{Ports, Usage};
use crate::sample::{Five, Sample, format_time};
use crate::source::{Reading, Sockets};
use crate::tcp::{Counts, State};

/// The five values of a sample, a few pods, and what is wrong with it.
pub(super) fn brief(sample: &Sample) -> String {
    let mut page = String::new();
    for reading in &sample.readings {
        five(&mut page, sample, reading);
    }
    if let Some(pods) = &sample.pods {
        pods::brief(&mut page, sample, pods);
    }
    if !sample.has_readings() {
        let _ = writeln!(page, "tcpgauge  no reading  {}", format_time(sample.time));
    }
    for fault in &sample.faults {
        let _ = writeln!(page, "  ! {fault}");
    }
    page
}

/// The five values, every state and every pod. What is wrong is said elsewhere.
pub(super) fn full(sample: &Sample) -> String {
    let mut page = String::new();
    for reading in &sample.readings {
        five(&mut page, sample, reading);
        states(&mut page, reading);
    }
    if let Some(ports) = &sample.ports {
        self::ports(&mut page, ports);
    }
    if let Some(pods) = &sample.pods {
        if !page.is_empty() {
            page.push('\n');
        }
        pods::full(&mut page, sample, pods);
    }
    page
}

fn five(page: &mut String, sample: &Sample, reading: &Reading) {
    let complete = if reading.counted.is_complete() {
        ""
    } else {
        "  INCOMPLETE"
    };
    let scope = reading.scope.name();
    let _ = writeln!(
        page,
        "tcpgauge  {scope}  {}  {}{complete}",
        reading.source.name(),
        format_time(sample.time)
    );
    for five in Five::ALL {
        let _ = writeln!(
            page,
            "  {:16} {:>10}",
            five.name(),
            five.of(&reading.counted)
        );
    }
}

fn ports(page: &mut String, ports: &Ports) {
    let _ = writeln!(page, "\n  ports {}", ports.range);
    let Usage::Counted {
        destinations,
        uncertainty,
    } = &ports.usage
    else {
        let _ = writeln!(
            page,
            "  there are too many destinations to tell which has most of them in use"
        );
        return;
    };
    if destinations.is_empty() {
        let _ = writeln!(page, "  none in use");
    }
    for destination in destinations {
        let _ = writeln!(
            page,
            "  {:>10} ({:.1} %) in use from {} to {}",
            destination.ports,
            100.0 * ports.share(destination.ports),
            destination.from,
            destination.to,
        );
    }
    if *uncertainty > 0 {
        let _ = writeln!(
            page,
            "  each may be {uncertainty} more: there are many destinations"
        );
    }
}

fn states(page: &mut String, reading: &Reading) {
    let _ = writeln!(
        page,
        "\n  {:16} {:>10} {:>10} {:>10}",
        "state", "ipv4", "ipv6", "both"
    );
    let (ipv4, ipv6) = match reading.counted.sockets {
        Sockets::ByFamily { ipv4, ipv6 } => (Some(ipv4), ipv6),
        Sockets::Together { .. } => (None, None),
    };
    for state in State::ALL {
        let shown = |counts: Option<Counts>| {
            counts.map_or_else(|| "-".to_owned(), |counts| counts.get(state).to_string())
        };
        let _ = writeln!(
            page,
            "  {:16} {:>10} {:>10} {:>10}",
            state.name(),
            shown(ipv4),
            shown(ipv6),
            reading.counted.count(state),
        );
    }
    if reading.counted.unrecognised > 0 {
        let _ = writeln!(
            page,
            "  {:16} {:>10} {:>10} {:>10}",
            "unrecognised", "", "", reading.counted.unrecognised
        );
    }
    if let Some(queue) = reading.details.listeners.longest {
        let mut where_it_is = String::new();
        if queue.length > 0 {
            if let Some(limit) = queue.limit {
                let _ = write!(where_it_is, " of {limit}");
            }
            let _ = write!(where_it_is, ", on port {}", queue.port);
        }
        let _ = writeln!(
            page,
            "\n  longest accept queue: {}{where_it_is}",
            queue.length
        );
    }
}
