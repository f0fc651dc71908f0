//! Samples for people's eyes.

use std::fmt::Write;

use crate::sample::{Five, Sample, format_time};
use crate::source::{Reading, Source};
use crate::tcp::State;

/// The five values of a sample, and what is wrong with it.
pub(super) fn brief(sample: &Sample) -> String {
    let mut page = String::new();
    for reading in &sample.readings {
        five(&mut page, sample, reading);
    }
    if sample.readings.is_empty() {
        let _ = writeln!(page, "tcpgauge  no reading  {}", format_time(sample.time));
    }
    for fault in &sample.faults {
        let _ = writeln!(page, "  ! {fault}");
    }
    page
}

/// The five values and every state. What is wrong is said elsewhere.
pub(super) fn full(sample: &Sample) -> String {
    let mut page = String::new();
    for reading in &sample.readings {
        five(&mut page, sample, reading);
        states(&mut page, reading);
    }
    page
}

fn five(page: &mut String, sample: &Sample, reading: &Reading) {
    let Source::Text = reading.source;
    let complete = if reading.is_complete() {
        ""
    } else {
        "  INCOMPLETE"
    };
    let scope = reading.scope.name();
    let _ = writeln!(
        page,
        "tcpgauge  {scope}  text  {}{complete}",
        format_time(sample.time)
    );
    for five in Five::ALL {
        let _ = writeln!(page, "  {:16} {:>10}", five.name(), five.of(reading));
    }
}

fn states(page: &mut String, reading: &Reading) {
    let _ = writeln!(
        page,
        "\n  {:16} {:>10} {:>10} {:>10}",
        "state", "ipv4", "ipv6", "both"
    );
    for state in State::ALL {
        let ipv6 = reading
            .ipv6
            .map_or_else(|| "-".to_owned(), |counts| counts.get(state).to_string());
        let _ = writeln!(
            page,
            "  {:16} {:>10} {ipv6:>10} {:>10}",
            state.name(),
            reading.ipv4.get(state),
            reading.count(state),
        );
    }
    if reading.unrecognised > 0 {
        let _ = writeln!(
            page,
            "  {:16} {:>10} {:>10} {:>10}",
            "unrecognised", "", "", reading.unrecognised
        );
    }
}
