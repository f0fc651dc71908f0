//! Pods for people's eyes: first those that need attention.

use std::cmp::Reverse;
use std::fmt::Write;

use super::super::plain;
use crate::pods::{Gate, Owner, PodName, PodReading, Pods, Stats};
use crate::sample::{Five, Sample, format_time};

/// What is shown of a container's id, as its runtime shows it.
pub(super) const ID_SHOWN: usize = 12;

/// So many are enough where the rest is a command away.
const FEW: usize = 5;

/// The columns after the name.
const COLUMNS: [(&str, Five); 5] = [
    ("CONNECTIONS", Five::Connections),
    ("ESTABLISHED", Five::Established),
    ("TIME_WAIT", Five::TimeWait),
    ("CLOSE_WAIT", Five::CloseWait),
    ("LISTEN", Five::Listen),
];

/// Those that need attention the most.
pub(super) fn brief(page: &mut String, sample: &Sample, pods: &Pods) {
    head(page, sample);
    let sorted = sorted(pods);
    let (few, rest) = sorted.split_at(FEW.min(sorted.len()));
    table(page, few);
    if !rest.is_empty() {
        let _ = writeln!(page, "  … and {} more: tcpgauge snapshot", rest.len());
    }
}

/// All of them, and what there is besides.
pub(super) fn full(page: &mut String, sample: &Sample, pods: &Pods) {
    head(page, sample);
    table(page, &sorted(pods));
    let _ = writeln!(page, "\n  network namespaces: {}", by_kind(&pods.stats));
    for missing in missing(pods) {
        let _ = writeln!(page, "  {missing}");
    }
}

/// How many namespaces there are, by who owns them.
pub(in super::super) fn by_kind(stats: &Stats) -> String {
    let Stats {
        pods,
        containers,
        unowned,
        sandboxed,
        ..
    } = stats;
    format!("{pods} of pods, {containers} of containers, {unowned} unowned, {sandboxed} sandboxed")
}

/// What is not in the table as itself, in words.
fn missing(pods: &Pods) -> Vec<String> {
    let stats = &pods.stats;
    [
        (
            "not read",
            stats.gaps_failed + stats.gaps_budget + stats.gaps_waiting,
        ),
        (
            "with a guest that keeps its sockets to itself (gVisor, Kata), not shown",
            stats.sandboxed,
        ),
        ("pods beyond --max-pods, summed up in other", stats.summed),
        (
            "pods without a name in --container-logs-dir, shown by UID",
            nameless(pods),
        ),
    ]
    .into_iter()
    .filter(|(_, number)| *number > 0)
    .map(|(what, number)| format!("{what}: {number}"))
    .collect()
}

/// How many pods are known by their UID alone.
pub(in super::super) fn nameless(pods: &Pods) -> u64 {
    let is_nameless =
        |reading: &&PodReading| matches!(reading.owner, Owner::Pod { name: None, .. });
    pods.readings.iter().filter(is_nameless).count() as u64
}

fn head(page: &mut String, sample: &Sample) {
    let _ = writeln!(page, "tcpgauge  pods  {}", format_time(sample.time));
}

/// Sockets in `CLOSE_WAIT` are a fault of the application, those in `TIME_WAIT` may become one.
fn sorted(pods: &Pods) -> Vec<&PodReading> {
    let mut sorted: Vec<_> = pods.readings.iter().collect();
    sorted.sort_by_cached_key(|reading| {
        let order = [Five::CloseWait, Five::TimeWait, Five::Connections];
        let most_first = order.map(|five| Reverse(five.of(&reading.counted)));
        (most_first, reading.owner.to_string())
    });
    sorted
}

fn table(page: &mut String, readings: &[&PodReading]) {
    if readings.is_empty() {
        let _ = writeln!(page, "  no pod was read");
        return;
    }
    let rows: Vec<_> = readings
        .iter()
        .map(|reading| (name(&reading.owner), reading))
        .collect();
    let widths = rows.iter().map(|(name, _)| name.chars().count());
    let width = widths.chain(["POD".len()]).max().unwrap_or_default();
    let _ = write!(page, "  {:width$}", "POD");
    for (column, _) in COLUMNS {
        let _ = write!(page, "  {column}");
    }
    page.push('\n');
    for (name, reading) in rows {
        let _ = write!(page, "  {name:width$}");
        for (column, five) in COLUMNS {
            let width = column.len();
            let _ = write!(page, "  {:>width$}", five.of(&reading.counted));
        }
        let _ = writeln!(page, "{}", note(reading));
    }
}

/// Names come from directories and cgroups, where whoever may write there writes what he likes.
pub(super) fn name(owner: &Owner) -> String {
    plain(&match owner {
        Owner::Pod {
            name: Some(PodName { namespace, pod }),
            ..
        } => format!("{namespace}/{pod}"),
        Owner::Pod { uid, name: None } => uid.to_string(),
        Owner::Container { id } => id.chars().take(ID_SHOWN).collect(),
        Owner::Other => "other".to_owned(),
    })
}

/// What is to be known of the numbers, if they are not just what was read.
fn note(reading: &PodReading) -> String {
    let mut note = String::new();
    if reading.gate != Gate::Read {
        let _ = write!(
            note,
            "  {}, {} s old",
            reading.gate.name(),
            reading.age.as_secs()
        );
    }
    if reading.counted.unrecognised > 0 {
        let _ = write!(note, "  {} unrecognised", reading.counted.unrecognised);
    }
    note
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::source::{Counted, Sockets};
    use crate::tcp::{Counts, State};

    fn reading(owner: Owner, counts: &[(State, u64)]) -> PodReading {
        let mut both = Counts::default();
        for (state, number) in counts {
            both.add(*state, *number);
        }
        PodReading {
            owner,
            counted: Counted::of(Sockets::Together { both }),
            gate: Gate::Read,
            age: Duration::ZERO,
            details: None,
        }
    }

    fn pod(namespace: &str, pod: &str) -> Owner {
        Owner::Pod {
            uid: "1c1e0c1e".into(),
            name: Some(PodName {
                namespace: namespace.into(),
                pod: pod.into(),
            }),
        }
    }

    fn shown(readings: Vec<PodReading>, stats: Stats) -> String {
        let pods = Pods {
            readings,
            stats,
            ..Pods::default()
        };
        let mut page = String::new();
        full(&mut page, &Sample::at(UNIX_EPOCH), &pods);
        page
    }

    #[test]
    fn what_needs_attention_comes_first() {
        use State::{CloseWait, Established, Listen, TimeWait};
        let held = PodReading {
            gate: Gate::Hold,
            age: Duration::from_secs(95),
            ..reading(pod("shop", "quiet"), &[(Listen, 1)])
        };
        let container = Owner::Container {
            id: "0123456789abcdef0123456789abcdef".into(),
        };
        let nameless = Owner::Pod {
            uid: "5f0c7a36-1de1-4b5c-9a38-0e3f6c1f2a77".into(),
            name: None,
        };
        let page = shown(
            vec![
                held,
                reading(pod("shop", "busy"), &[(Established, 90_000), (Listen, 2)]),
                reading(pod("shop", "churning"), &[(TimeWait, 40), (Listen, 1)]),
                reading(nameless, &[(CloseWait, 3), (Established, 1)]),
                reading(container, &[(CloseWait, 12), (Established, 20)]),
                reading(Owner::Other, &[(Listen, 1)]),
            ],
            Stats {
                pods: 4,
                containers: 1,
                unowned: 2,
                sandboxed: 1,
                gaps_failed: 1,
                ..Stats::default()
            },
        );
        let expected = "\
tcpgauge  pods  1970-01-01T00:00:00.000Z
  POD                                   CONNECTIONS  ESTABLISHED  TIME_WAIT  CLOSE_WAIT  LISTEN
  0123456789ab                                   32           20          0          12       0
  5f0c7a36-1de1-4b5c-9a38-0e3f6c1f2a77            4            1          0           3       0
  shop/churning                                  41            0         40           0       1
  shop/busy                                   90002        90000          0           0       2
  other                                           1            0          0           0       1
  shop/quiet                                      1            0          0           0       1  hold, 95 s old

  network namespaces: 4 of pods, 1 of containers, 2 unowned, 1 sandboxed
  not read: 1
  with a guest that keeps its sockets to itself (gVisor, Kata), not shown: 1
  pods without a name in --container-logs-dir, shown by UID: 1
";
        assert_eq!(page, expected);
    }

    #[test]
    fn a_name_does_nothing_to_a_terminal() {
        let page = shown(
            vec![reading(pod("a\x1b[2J", "b\u{9b}31m\n"), &[])],
            Stats::default(),
        );
        let acts = |c: char| c.is_control() && c != '\n';
        assert!(!page.contains(acts), "{page:?}");
        assert!(page.contains("  a [2J/b 31m   "), "{page:?}");
    }

    #[test]
    fn an_agent_shows_the_first_few_and_says_how_many_there_are() {
        let pods = Pods {
            readings: (0..8)
                .map(|number| {
                    let name = format!("web-{number}");
                    reading(pod("shop", &name), &[(State::CloseWait, number)])
                })
                .collect(),
            ..Pods::default()
        };
        let mut page = String::new();
        brief(&mut page, &Sample::at(UNIX_EPOCH), &pods);
        assert!(page.contains("shop/web-7") && page.contains("shop/web-3"));
        assert!(!page.contains("shop/web-2"));
        assert!(page.ends_with("  … and 3 more: tcpgauge snapshot\n"));
    }

    #[test]
    fn no_pod_is_no_empty_table() {
        assert!(shown(Vec::new(), Stats::default()).contains("no pod was read"));
    }
}
