//! The kernel's own counters of a network namespace: `net/sockstat`, `net/sockstat6`, `net/snmp`.
//!
//! A field that is not there is an error, never a zero.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::proc_root::{self, OpenError};

/// More than the kernel writes into any of these files.
const MOST_BYTES: usize = 8 << 10;

/// What sockstat says at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// IPv4 sockets that are whole: no requests, nothing in the table of `TIME_WAIT`.
    pub inuse4: u64,
    /// The same of IPv6; nothing where the namespace has none because IPv6 is off.
    pub inuse6: Option<u64>,
    /// What is in the table of `TIME_WAIT`, of both families.
    pub tw: u64,
}

/// What tells how much has changed since another moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    counters: Counters,
    /// Connections that began, failed or were reset, since the machine started.
    connections: u64,
    /// Segments sent and received, since then.
    segments: u64,
}

/// Every TCP counter of a namespace at one moment.
///
/// Where none has moved, hardly anything has happened: no segment, no connection, no listener more or fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Everything {
    /// What sockstat says.
    pub counters: Counters,
    /// `CurrEstab`: connections in `ESTABLISHED`, and on newer kernels `CLOSE_WAIT`.
    pub established: u64,
    /// The values of snmp's line `Tcp:`, in its order, and zeros after the last.
    values: [i64; MOST_FIELDS],
}

/// Kernels have 15.
const MOST_FIELDS: usize = 32;

/// Why a counter is not known.
#[derive(Debug, thiserror::Error)]
pub enum CountersError {
    /// The file could not be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        cause: OpenError,
    },
    /// The file is not what the kernel writes.
    #[error("{} has no readable {field}", path.display())]
    Field {
        /// Which one.
        path: PathBuf,
        /// What it lacks.
        field: &'static str,
    },
}

/// The files of one namespace.
#[derive(Debug)]
pub struct Files {
    sockstat: PathBuf,
    sockstat6: PathBuf,
    snmp: PathBuf,
    buffer: Box<[u8]>,
}

impl Files {
    /// Those in `directory`. Nothing is read yet.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self {
            sockstat: directory.join("sockstat"),
            sockstat6: directory.join("sockstat6"),
            snmp: directory.join("snmp"),
            buffer: vec![0; MOST_BYTES].into_boxed_slice(),
        }
    }

    /// Goes on with those in another directory.
    pub fn turn_to(&mut self, directory: &Path) {
        self.sockstat = directory.join("sockstat");
        self.sockstat6 = directory.join("sockstat6");
        self.snmp = directory.join("snmp");
    }

    /// Whether the namespace has IPv6.
    pub(super) fn have_ipv6(&self) -> bool {
        !proc_root::is_absent(&self.sockstat6)
    }

    /// What sockstat says.
    pub fn counters(&mut self) -> Result<Counters, CountersError> {
        let text = read(&self.sockstat, &mut self.buffer)?;
        let field = |line, name| {
            sockstat(text, line, name).ok_or_else(|| CountersError::Field {
                path: self.sockstat.clone(),
                field: name,
            })
        };
        let (inuse4, tw) = (field("TCP:", "inuse")?, field("TCP:", "tw")?);
        let inuse6 = match read(&self.sockstat6, &mut self.buffer) {
            Ok(text) => {
                Some(
                    sockstat(text, "TCP6:", "inuse").ok_or_else(|| CountersError::Field {
                        path: self.sockstat6.clone(),
                        field: "inuse",
                    })?,
                )
            }
            Err(_) if proc_root::is_absent(&self.sockstat6) => None,
            Err(error) => return Err(error),
        };
        Ok(Counters { inuse4, inuse6, tw })
    }

    /// Every counter.
    pub fn everything(&mut self) -> Result<Everything, CountersError> {
        let counters = self.counters()?;
        let text = read(&self.snmp, &mut self.buffer)?;
        let no = |field| CountersError::Field {
            path: self.snmp.clone(),
            field,
        };
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp:"));
        let _names = lines.next();
        let mut words = lines.next().ok_or(no("Tcp:"))?.split_ascii_whitespace();
        let mut values = [0; MOST_FIELDS];
        for (value, word) in values.iter_mut().zip(words.by_ref()) {
            *value = word.parse().map_err(|_| no("Tcp:"))?;
        }
        // What does not fit could move unseen.
        if words.next().is_some() {
            return Err(no("Tcp: of a length that is known"));
        }
        Ok(Everything {
            counters,
            established: snmp(text, "CurrEstab").ok_or(no("CurrEstab"))?,
            values,
        })
    }

    pub(super) fn activity(&mut self) -> Result<Activity, CountersError> {
        let counters = self.counters()?;
        let text = read(&self.snmp, &mut self.buffer)?;
        let sum = |names: &[&'static str]| {
            names.iter().try_fold(0_u64, |sum, name| {
                let value = snmp(text, name).ok_or_else(|| CountersError::Field {
                    path: self.snmp.clone(),
                    field: name,
                })?;
                // They only ever grow, and may wrap.
                Ok(sum.wrapping_add(value))
            })
        };
        Ok(Activity {
            counters,
            connections: sum(&["ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets"])?,
            segments: sum(&["InSegs", "OutSegs"])?,
        })
    }
}

/// The text of one of the kernel's files of counters, as far as `buffer` holds it: a longer one is an error.
pub fn read<'a>(path: &Path, buffer: &'a mut [u8]) -> Result<&'a str, CountersError> {
    let failed = |cause| CountersError::Read {
        path: path.to_owned(),
        cause,
    };
    let (mut file, _) = proc_root::open(path).map_err(failed)?;
    let mut filled = 0;
    loop {
        let rest = buffer.get_mut(filled..).unwrap_or_default();
        if rest.is_empty() {
            return Err(failed(OpenError::Io(
                std::io::ErrorKind::FileTooLarge.into(),
            )));
        }
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error.into())),
        }
    }
    let text = buffer.get(..filled).unwrap_or_default();
    str::from_utf8(text).map_err(|_| failed(OpenError::Io(std::io::ErrorKind::InvalidData.into())))
}

/// The value after `name` in the line that starts with `line`.
#[must_use]
pub fn sockstat(text: &str, line: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|found| found.strip_prefix(line))?;
    let mut words = line.split_ascii_whitespace();
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

/// The value below `name` in the two lines of `Tcp:`.
fn snmp(text: &str, name: &str) -> Option<u64> {
    column(text, "Tcp:", name)?.parse().ok()
}

/// The value below `name` in the two lines that begin with `line`.
#[must_use]
pub fn column<'a>(text: &'a str, line: &str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|found| found.strip_prefix(line));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names
        .split_ascii_whitespace()
        .position(|found| found == name)?;
    values.split_ascii_whitespace().nth(place)
}

impl Everything {
    /// What the counters say, with so many connections that live, and so many segments.
    #[cfg(test)]
    pub(crate) fn at(counters: Counters, established: u64, segments: i64) -> Self {
        let mut values = [0; MOST_FIELDS];
        values[0] = segments;
        Self {
            counters,
            established,
            values,
        }
    }
}

impl Activity {
    /// What the counters say, with so many connections and segments since the machine started.
    #[cfg(test)]
    pub(super) fn at(counters: Counters, connections: u64, segments: u64) -> Self {
        Self {
            counters,
            connections,
            segments,
        }
    }

    /// So many sockets at most may have begun, ended or left the table of `TIME_WAIT` since `before`.
    #[must_use]
    pub fn connections_since(&self, before: &Self) -> u64 {
        let (now, then) = (&self.counters, &before.counters);
        // What began may have ended as well.
        self.connections
            .wrapping_sub(before.connections)
            .saturating_mul(2)
            .saturating_add(now.inuse4.abs_diff(then.inuse4))
            .saturating_add(
                now.inuse6
                    .unwrap_or_default()
                    .abs_diff(then.inuse6.unwrap_or_default()),
            )
            .saturating_add(now.tw.abs_diff(then.tw))
    }

    /// So many segments were sent and received since `before`: a socket that exists changes its state with one.
    #[must_use]
    pub fn segments_since(&self, before: &Self) -> u64 {
        self.segments.wrapping_sub(before.segments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKSTAT: &str =
        "sockets: used 290\nTCP: inuse 26 orphan 1 tw 20 alloc 30 mem 5\nUDP: inuse 3 mem 1\n";
    const SNMP: &str = "Ip: Forwarding\nIp: 1\nTcp: RtoAlgorithm MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs\nTcp: 1 -1 10 20 30 40 5 600 700\nUdp: InDatagrams\nUdp: 9\n";

    fn files(contents: &[(&str, &str)]) -> (tempfile::TempDir, Files) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in contents {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let files = Files::new(directory.path());
        (directory, files)
    }

    #[test]
    fn counters_are_read_by_their_names() {
        let (_kept, mut files) = files(&[
            ("sockstat", SOCKSTAT),
            ("sockstat6", "UDP6: inuse 1\nTCP6: inuse 7\n"),
            ("snmp", SNMP),
        ]);
        let activity = files.activity().unwrap();
        let counters = Counters {
            inuse4: 26,
            inuse6: Some(7),
            tw: 20,
        };
        assert_eq!(activity.counters, counters);
        assert_eq!((activity.connections, activity.segments), (100, 1300));
    }

    #[test]
    fn without_sockstat6_there_is_no_ipv6_and_no_zero() {
        let (_kept, mut files) = files(&[("sockstat", SOCKSTAT)]);
        assert_eq!(files.counters().unwrap().inuse6, None);
        assert!(!files.have_ipv6());
    }

    #[test]
    fn what_is_missing_is_an_error() {
        for (sockstat, sockstat6) in [
            ("", None),
            ("TCP: inuse 26 orphan 1 alloc 30 mem 5\n", None),
            ("TCP: inuse x tw 20\n", None),
            ("TCP: inuse -1 tw 20\n", None),
            ("TCP: inuse 5 tw\n", None),
            ("TCP6: inuse 5 tw 6\n", None),
            (SOCKSTAT, Some("UDP6: inuse 1\n")),
            (SOCKSTAT, Some("")),
        ] {
            let mut contents = vec![("sockstat", sockstat)];
            contents.extend(sockstat6.map(|text| ("sockstat6", text)));
            let (_kept, mut files) = files(&contents);
            assert!(files.counters().is_err(), "{sockstat:?} {sockstat6:?}");
        }
        for snmp in ["", "Tcp: ActiveOpens\n", "Tcp: ActiveOpens\nTcp: 5\n"] {
            let (_kept, mut files) = files(&[("sockstat", SOCKSTAT), ("snmp", snmp)]);
            assert!(files.activity().is_err(), "{snmp:?}");
        }
    }

    #[test]
    fn a_file_without_end_is_an_error() {
        let endless = SOCKSTAT.repeat(1000);
        let (_kept, mut files) = files(&[("sockstat", endless.as_str())]);
        assert!(files.counters().is_err());
    }
}
