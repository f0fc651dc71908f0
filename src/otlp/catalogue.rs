//! The catalogue of metrics for people: a table, Markdown (`docs/metrics.md`) and JSON, all from the instruments.

use std::fmt::Write;

use serde_json::json;

use super::instruments::{self, Attribute, Instrument, OWNER};

/// For a terminal.
#[must_use]
pub fn table() -> String {
    let width = instruments::all()
        .map(|instrument| instrument.name.len())
        .max()
        .unwrap_or_default();
    let mut page = format!(
        "{:width$}  {:12}  {:26}  {:6}  DESCRIPTION\n",
        "NAME", "UNIT", "KIND", "GROUP"
    );
    for Instrument {
        name,
        unit,
        kind,
        group,
        description,
        ..
    } in instruments::all()
    {
        let _ = writeln!(
            page,
            "{name:width$}  {unit:12}  {:26}  {:6}  {description}",
            kind.name(),
            group.name()
        );
    }
    page
}

/// For the documentation.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         <!-- The output of `tcpgauge metrics --format markdown`: do not edit. -->\n\n\
         All values of one reading carry the time of that reading. `five` is always exported, and `--metrics` names the other groups that are: `--metrics five` leaves all of them out.\n\n\
         | metric | unit | kind | group (default) | attributes | of each pod |\n|---|---|---|---|---|---|\n",
    );
    for instrument in instruments::all() {
        let attributes = instrument
            .attributes
            .iter()
            .map(|attribute| match attribute.only_with {
                Some(setting) => format!("`{}` (with `{setting}`)", attribute.key),
                None => format!("`{}`", attribute.key),
            });
        let attributes = attributes.collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            page,
            "| `{}` | `{}` | {} | `{}` ({}) | {} | {} |",
            instrument.name,
            instrument.unit,
            instrument.kind.name(),
            instrument.group.name(),
            instrument.group.default(),
            if attributes.is_empty() {
                "none"
            } else {
                &attributes
            },
            match instrument.of_pods {
                Some(setting) => format!("with `{setting}`"),
                None => "no".to_owned(),
            },
        );
    }
    for instrument in instruments::all() {
        let _ = write!(
            page,
            "\n## `{}`\n\n{}. {}\n",
            instrument.name, instrument.description, instrument.meaning
        );
        explain(&mut page, instrument.attributes);
    }
    page.push_str(
        "\n## Whose sockets\n\n\
         A point with none of these attributes counts the sockets of the host, or, with `--scope self`, of the agent's own namespace. A point\n\
         of a pod (docs/pods.md) has those that are known of it, and a pod that has ended is gone from the next sample.\n",
    );
    explain(&mut page, OWNER);
    page.push_str(
        "\n## When there is no point\n\n\
         A gap is better than a wrong number. A reading that fails gives no point of any metric: no zero, no last value again.\n\
         A table of sockets with a line that is malformed or cut gives none either, since that line may have been a socket in any\n\
         state and every total may be short. A socket in a state whose number this version does not know is counted in\n\
         `tcp_connections` and in no other metric, and the points are exported. `tcpgauge snapshot` shows in all cases what was read.\n\n\
         Where a namespace has no `tcp6` (IPv6 is off), everything is counted from `tcp`, and there is no point with `network.type`=`ipv6`.\n\
         `network.type` is the family of the socket: a dual-stack socket that talks to an IPv4 peer is `ipv6`.\n\
         No kernel shows `closed`; it is 0 unless a file has rows of it.\n",
    );
    page
}

fn explain(page: &mut String, attributes: &[Attribute]) {
    for attribute in attributes {
        let _ = write!(page, "\n- `{}`: {}", attribute.key, attribute.values);
    }
    if !attributes.is_empty() {
        page.push('\n');
    }
}

/// For programs.
#[must_use]
pub fn json() -> String {
    let metrics: Vec<_> = instruments::all()
        .map(|instrument| {
            let attributes = instrument
                .attributes
                .iter()
                .map(|attribute| json!({ "key": attribute.key, "only_with": attribute.only_with }));
            json!({
                "name": instrument.name,
                "unit": instrument.unit,
                "kind": instrument.kind.name(),
                "description": instrument.description,
                "meaning": instrument.meaning,
                "group": instrument.group.name(),
                "attributes": attributes.collect::<Vec<_>>(),
                "of_pods": instrument.of_pods,
            })
        })
        .collect();
    format!("{:#}\n", json!({ "metrics": metrics }))
}
