//! What a snapshot came to, and what is true of every snapshot.

use std::path::Path;

use serde_json::Value;

use crate::program::{Finished, finish, tcpgauge};

/// The numbers by which a case is told from a wrong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There is no reading, and a fault says why.
    NoReading,
    /// There is a reading.
    Reading {
        /// Sockets in `tcp`, in states that are known.
        ipv4: u64,
        /// Those in `tcp6`; nothing where there is no such table.
        ipv6: Option<u64>,
        /// Sockets in other states.
        unrecognised: u64,
        /// Lines that may have been sockets.
        malformed: u64,
    },
}

/// A reading in which everything was understood.
pub(crate) const fn whole(ipv4: u64, ipv6: Option<u64>) -> Outcome {
    partial(ipv4, ipv6, 0, 0)
}

/// A reading in which something was not.
pub(crate) const fn partial(
    ipv4: u64,
    ipv6: Option<u64>,
    unrecognised: u64,
    malformed: u64,
) -> Outcome {
    Outcome::Reading {
        ipv4,
        ipv6,
        unrecognised,
        malformed,
    }
}

/// A snapshot as it was printed, and as it was said.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) run: Finished,
    pub(crate) json: Value,
}

/// Takes a snapshot of the proc at `root` and holds it to what is true of every snapshot.
pub(crate) fn snapshot(root: &Path) -> Snapshot {
    let root = root.to_str().unwrap();
    let table = finish(tcpgauge(["snapshot", "--proc-root", root]));
    let snapshot = Snapshot::of(finish(tcpgauge([
        "snapshot",
        "--format",
        "json",
        "--proc-root",
        root,
    ])));
    assert_eq!(
        (table.exit, &table.stderr),
        (snapshot.run.exit, &snapshot.run.stderr),
        "a table says what JSON says"
    );
    snapshot
}

impl Snapshot {
    /// The snapshot that `run` printed.
    pub(crate) fn of(run: Finished) -> Self {
        let json: Value = serde_json::from_str(&run.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {run:?}"));
        let snapshot = Self { run, json };
        snapshot.is_consistent();
        snapshot
    }

    /// The faults, as `what: why`.
    pub(crate) fn faults(&self) -> Vec<String> {
        let faults = self.json["faults"].as_array().unwrap().iter();
        faults
            .map(|fault| {
                let part = |name| fault[name].as_str().unwrap();
                format!("{}: {}", part("what"), part("why"))
            })
            .collect()
    }

    /// What it came to.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.json["readings"].as_array().unwrap().as_slice() {
            [] => Outcome::NoReading,
            [reading] => Outcome::Reading {
                ipv4: sum(&reading["states"]["ipv4"]).unwrap(),
                ipv6: sum(&reading["states"]["ipv6"]),
                unrecognised: number(reading, "unrecognised"),
                malformed: number(reading, "malformed"),
            },
            more => panic!("one scope gave {} readings", more.len()),
        }
    }

    /// That there is no reading, exactly one fault, and these words in it.
    pub(crate) fn is_refused_with(&self, words: &[&str]) {
        assert_eq!(self.outcome(), Outcome::NoReading, "{self:?}");
        let faults = self.faults();
        assert_eq!(faults.len(), 1, "{self:?}");
        for word in words {
            assert!(faults[0].contains(word), "{word:?} is not in {faults:?}");
        }
    }

    fn is_consistent(&self) {
        let faults = self.faults();
        assert_eq!(self.run.exit, i32::from(!faults.is_empty()), "{self:?}");
        assert_eq!(self.run.stdout.lines().count(), 1, "one line: {self:?}");
        let said: Vec<_> = self.run.stderr.lines().collect();
        let expected: Vec<_> = faults.iter().map(|f| format!("tcpgauge: {f}")).collect();
        assert_eq!(said, expected, "stderr says the faults and nothing else");
        if self.outcome() == Outcome::NoReading {
            assert!(!faults.is_empty(), "nothing was read and nothing said");
            return;
        }
        let reading = &self.json["readings"][0];
        let (ipv4, ipv6) = (&reading["states"]["ipv4"], &reading["states"]["ipv6"]);
        let unrecognised = number(reading, "unrecognised");
        assert_eq!(
            number(reading, "tcp_connections"),
            sum(ipv4).unwrap() + sum(ipv6).unwrap_or(0) + unrecognised
        );
        for (metric, state) in [
            ("tcp_established", "established"),
            ("tcp_time_wait", "time_wait"),
            ("tcp_close_wait", "close_wait"),
            ("tcp_listen", "listen"),
        ] {
            assert_eq!(
                number(reading, metric),
                number(ipv4, state) + ipv6[state].as_u64().unwrap_or(0),
                "{metric}"
            );
        }
        let complete = unrecognised == 0 && number(reading, "malformed") == 0;
        assert_eq!(reading["complete"], complete);
        assert_eq!(faults.is_empty(), complete, "{self:?}");
    }
}

fn number(of: &Value, name: &str) -> u64 {
    of[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} is no number in {of}"))
}

/// Sockets in all of the eleven states, where there is a table.
fn sum(states: &Value) -> Option<u64> {
    let states = states.as_object()?;
    assert_eq!(states.len(), 11, "{states:?}");
    Some(states.values().map(|count| count.as_u64().unwrap()).sum())
}
