//! What is written is what is read, and nothing that anybody writes does harm.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::{Decoder, Encoder, MOST_LINE_BYTES, Malformed};
use crate::alerts::{Listening, Metric, Observation, Subject};
use crate::culprits::Whose;
use crate::pods::{Owner, PodName};
use crate::source::Scope;

/// Each of the kinds of owners, and a few pods.
fn owner(number: usize) -> Whose {
    let uid = Arc::from(format!("00000000-0000-0000-0000-{number:012}"));
    match number {
        0 => Whose::Alone(Scope::Host),
        1 => Whose::Alone(Scope::Own),
        2 => Whose::Of(Owner::Other),
        3 => Whose::Of(Owner::Container { id: uid }),
        4 => Whose::Of(Owner::Pod { uid, name: None }),
        _ => Whose::Of(Owner::Pod {
            uid,
            name: Some(PodName {
                namespace: Arc::from("shop \"quoted\" ünï"),
                pod: Arc::from(format!("cart-{number}")),
            }),
        }),
    }
}

fn value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        Just(None),
        (0u32..100_000).prop_map(|whole| Some(f64::from(whole))),
        (0u32..100_000).prop_map(|parts| Some(f64::from(parts) / 8.0)),
    ]
}

fn ports() -> impl Strategy<Value = Option<Arc<[Listening]>>> {
    let port = (any::<u16>(), 1u32..9, any::<Option<u32>>());
    proptest::option::of(proptest::collection::btree_map(any::<u16>(), port, 0..4)).prop_map(
        |ports| {
            let ports = ports?
                .into_iter()
                .map(|(port, (_, sockets, user))| Listening {
                    port,
                    sockets,
                    user,
                });
            Some(ports.collect())
        },
    )
}

fn observations() -> impl Strategy<Value = Vec<Observation>> {
    let values = proptest::collection::vec(value(), Metric::ALL.len());
    let subject = (values, ports(), any::<Option<u16>>());
    let subjects = proptest::collection::btree_map(0usize..12, proptest::option::of(subject), 0..9);
    let observation = (0u64..1 << 42, 0u64..100_000, subjects, any::<bool>());
    proptest::collection::vec(
        observation.prop_map(|(time, step, all, pods_read)| {
            let mut observation = Observation {
                time: UNIX_EPOCH + Duration::from_millis(time),
                step: Duration::from_millis(step),
                subjects: Vec::new(),
                unread: Vec::new(),
                pods_read,
            };
            for (number, seen) in all {
                let whose = owner(number);
                let Some((values, listening, fullest_port)) = seen else {
                    observation.unread.push(whose);
                    continue;
                };
                observation.subjects.push(Subject {
                    whose,
                    values: values.try_into().unwrap(),
                    listening,
                    fullest_port,
                });
            }
            observation
        }),
        1..12,
    )
}

fn written(observations: &[Observation]) -> Vec<u8> {
    let (mut encoder, mut bytes) = (Encoder::new(Duration::from_secs(30)), Vec::new());
    for observation in observations {
        encoder.write(observation, &mut bytes).unwrap();
    }
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<Observation>, Malformed> {
    let mut decoder = Decoder::default();
    let lines = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let mut observations = Vec::new();
    for line in lines {
        observations.extend(decoder.take(line)?);
    }
    Ok(observations)
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_read(observations in observations()) {
        prop_assert_eq!(read(&written(&observations)).unwrap(), observations);
    }

    /// Whole samples, up to where it was cut, and never a part of one.
    #[test]
    fn a_recording_that_is_cut_is_read_up_to_there(observations in observations(), at in any::<prop::sample::Index>()) {
        let bytes = written(&observations);
        let cut = &bytes[..at.index(bytes.len() + 1)];
        let whole_lines = cut.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let found = read(&cut[..whole_lines]).unwrap();
        prop_assert_eq!(&found[..], &observations[..found.len()]);
    }

    #[test]
    fn damage_gives_an_error_or_observations_and_never_a_panic(
        observations in observations(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = written(&observations);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(found) = read(&bytes) {
            prop_assert!(found.len() <= observations.len());
        }
    }

    #[test]
    fn any_line_gives_an_error_or_nothing_and_never_a_panic(line in "\\PC{0,40}") {
        let mut decoder = Decoder::default();
        decoder.take(br#"{"tcpgauge-recording":[1,30000]}"#).unwrap();
        let _ = decoder.take(line.as_bytes());
    }
}

#[test]
fn what_stands_does_not_grow() {
    let observation = Observation {
        time: UNIX_EPOCH,
        step: Duration::from_secs(30),
        subjects: vec![Subject {
            whose: owner(7),
            values: [Some(1.0); Metric::ALL.len()],
            listening: Some(Arc::from([Listening {
                port: 80,
                sockets: 1,
                user: Some(33),
            }])),
            fullest_port: None,
        }],
        unread: Vec::new(),
        pods_read: true,
    };
    let once = written(std::slice::from_ref(&observation)).len();
    let twice = written(&[observation.clone(), observation]).len();
    assert!(twice - once < 80, "{once} {twice}");
}

/// A node that has pods for minutes: their numbers are used again, for there are not more than there can be at a time.
#[test]
fn numbers_of_pods_that_ended_go_to_others() {
    let mut encoder = Encoder::new(Duration::from_secs(30));
    let mut bytes = Vec::new();
    for generation in 0..3000 {
        let observation = Observation {
            time: UNIX_EPOCH,
            step: Duration::from_secs(30),
            subjects: (0..3)
                .map(|pod| Subject {
                    whose: owner(10 + generation * 3 + pod),
                    values: [Some(1.0); Metric::ALL.len()],
                    listening: None,
                    fullest_port: None,
                })
                .collect(),
            unread: Vec::new(),
            pods_read: true,
        };
        encoder.write(&observation, &mut bytes).unwrap();
    }
    assert!(encoder.owners.len() <= 6, "{}", encoder.owners.len());
    assert_eq!(read(&bytes).unwrap().len(), 3000);
}

#[test]
fn what_is_wrong_with_a_line_is_said() {
    let start = r#"{"tcpgauge-recording":[1,30000]}"#;
    let host = r#"{"owner":[0,{"scope":"host"}]}"#;
    let long = format!("\"{}\"", "x".repeat(MOST_LINE_BYTES));
    for (lines, says) in [
        (vec!["# a comment"], "no recording of tcpgauge"),
        (vec!["{\"tcpgauge-recording\":[2,30000]}"], "version 2"),
        (vec![start, start], "a second beginning"),
        (vec![start, "{"], "column 1"),
        (vec![start, &long], "longer than"),
        (
            vec![start, "{\"of\":[3,[1],null]}"],
            "nobody has the number 3",
        ),
        (
            vec![start, "{\"owner\":[60000,\"other\"]}"],
            "so high a number",
        ),
        (
            vec![start, "{\"owner\":[0,{\"scope\":\"moon\"}]}"],
            "such a scope",
        ),
        (vec![start, "{\"owner\":[0,{\"pod\":\"\"}]}"], "such a name"),
        (
            vec![start, host, r#"{"owner":[1,{"scope":"host"}]}"#],
            "two numbers",
        ),
        (
            vec![
                start,
                host,
                "{\"of\":[0,[1],null]}",
                "{\"of\":[0,[1],null]}",
            ],
            "twice",
        ),
        (vec![start, host, "{\"of\":[0,[1],null]}", host], "twice"),
        (
            vec![
                start,
                host,
                "{\"of\":[0,[1],null]}",
                "{\"sample\":[0,0,[0],false]}",
            ],
            "twice",
        ),
        (vec![start, host, "{\"of\":[0,[-1],null]}"], "such a value"),
        (
            vec![start, host, "{\"of\":[0,[1e300],null]}"],
            "such a value",
        ),
        (
            vec![start, host, "{\"of\":[0,[1,1,1,1,1,1,1,1,1,1,1],null]}"],
            "no metric",
        ),
        (
            vec![start, host, "{\"ports\":[0,[[80,1,null],[80,1,null]]]}"],
            "list of ports",
        ),
        (
            vec![start, "{\"sample\":[99999999999999999,0,[],false]}"],
            "such a time",
        ),
    ] {
        let error = read(lines.join("\n").as_bytes()).unwrap_err().to_string();
        assert!(error.contains(says), "{lines:?}: {error}");
    }
}
