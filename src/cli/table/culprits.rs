//! Who holds sockets, for people's eyes: on one screen.

use std::fmt::Write;
use std::time::Duration;

use super::super::arguments::Question;
use super::super::plain;
use super::pods;
use crate::culprits::{Access, Culprits, Group, Process, Whose};
use crate::sample::{Sample, format_time};
use crate::source::details::Endpoint;
use crate::tcp::State;

/// A name that is longer is cut.
const LONGEST: usize = 48;

/// The largest groups, and how many sockets there are besides.
pub(in super::super) fn page(sample: &Sample, culprits: &Culprits, question: &Question) -> String {
    let state = culprits.state.name();
    let mut page = format!(
        "tcpgauge  culprits  {state}  {}\n",
        format_time(sample.time)
    );
    if !sample.has_readings() {
        let _ = writeln!(page, "  nothing was read");
        return page;
    }
    let is_listen = culprits.state == State::Listen;
    let mut columns = vec!["OWNER", "PROCESS", "USER", "ENDPOINT"];
    columns.push(if is_listen { "QUEUE" } else { "PEER" });
    columns.push("SOCKETS");
    if question.watch.is_some() {
        columns.push("SEEN");
    }
    let named = culprits.groups.iter().filter(|group| !group.is_nobodys());
    let groups: Vec<_> = named.collect();
    let (top, more) = groups.split_at(question.top.min(groups.len()));
    if !top.is_empty() {
        let rows = top.iter().map(|group| {
            let peer = if is_listen {
                group.received.map_or_else(dash, |queue| queue.to_string())
            } else {
                peer(group)
            };
            let mut row = vec![
                whose(&group.whose),
                group.process.as_deref().map_or_else(dash, process),
                group.user.map_or_else(dash, |user| user.to_string()),
                endpoint(group.endpoint),
                peer,
                group.sockets.to_string(),
            ];
            if question.watch.is_some() {
                row.push(seen(group));
            }
            row
        });
        let head = columns.into_iter().map(str::to_owned).collect();
        table(&mut page, std::iter::once(head).chain(rows).collect());
        page.push('\n');
    }
    if !more.is_empty() {
        let sockets: u64 = more.iter().map(|group| group.sockets).sum();
        let _ = writeln!(
            page,
            "  in {} more groups: {sockets} (--top, --format json)",
            more.len()
        );
    }
    let others = culprits.unattributed() + culprits.rest;
    if others > 0 {
        let _ = writeln!(page, "  not attributed: {others}");
    }
    let _ = writeln!(page, "  sockets in {state}: {}", culprits.total);
    if culprits.access != Access::Whole {
        let _ = writeln!(page, "  {}", plain(&culprits.access.to_string()));
    }
    page
}

fn dash() -> String {
    "-".to_owned()
}

fn whose(whose: &Whose) -> String {
    cut(match whose {
        Whose::Alone(scope) => scope.name().to_owned(),
        Whose::Of(owner) => pods::name(owner),
    })
}

/// As much of a name as there is room for.
fn cut(name: String) -> String {
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name,
    }
}

fn process(process: &Process) -> String {
    let mut text = format!("{} {}", process.pid, cut(plain(&process.name)));
    if let Some(container) = &process.container {
        let id: String = container.chars().take(pods::ID_SHOWN).collect();
        let _ = write!(text, " in {}", plain(&id));
    }
    if process.others > 0 {
        let _ = write!(text, " +{} more", process.others);
    }
    text
}

fn endpoint(endpoint: Endpoint) -> String {
    match endpoint {
        Endpoint::Local(port) => format!("local port {port}"),
        Endpoint::Remote(peer) => format!("to {peer}"),
        Endpoint::Unknown => dash(),
    }
}

fn peer(group: &Group) -> String {
    let more = if group.has_more_peers { ", …" } else { "" };
    group.peer.map_or_else(dash, |peer| format!("{peer}{more}"))
}

fn seen(group: &Group) -> String {
    let Some(seen) = group.seen else {
        return dash();
    };
    let mut text = format!("for {}", span(seen.ago));
    match group.growth_per_minute() {
        Some(growth) if growth.abs() >= 0.05 => {
            let digits = usize::from(growth.abs() < 10.0);
            let _ = write!(text, ", {growth:+.digits$}/min");
        }
        Some(_) => text.push_str(", steady"),
        None => {}
    }
    text
}

fn span(time: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / MINUTE),
        7200..172_800 => format!("{} h", seconds / HOUR),
        _ => format!("{} d", seconds / DAY),
    }
}

fn table(page: &mut String, rows: Vec<Vec<String>>) {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<_> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "  {cell:width$}");
        }
        let _ = writeln!(page, "{}", line.trim_end());
    }
}

#[cfg(test)]
#[path = "culprits_tests.rs"]
mod tests;
