//! A reading from the kernel's text tables.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::place::Place;
use super::socket::Socket;
use super::text::{self, Buffer, ScanError, Scanned};
use super::{Counted, ReadError, Sockets, proc_root};
use crate::tcp::{Counts, Family};

/// `tcp` and `tcp6` of one place. Nothing is allocated after the first reading but to tell of an error.
#[derive(Debug)]
pub(super) struct Tables {
    tcp6: PathBuf,
    buffer: Buffer,
}

impl Tables {
    /// The tables of `place`. Nothing is read yet.
    pub(super) fn new(place: &Place) -> Self {
        let options = place.options();
        Self {
            tcp6: options.scope.table(&options.proc_root, "tcp6"),
            buffer: Buffer::default(),
        }
    }

    pub(super) fn read(
        &mut self,
        place: &mut Place,
        stop: &AtomicBool,
        see: &mut impl FnMut(&Socket<'_>),
    ) -> Result<Counted, ReadError> {
        let (file, namespace) = proc_root::open(place.tcp())
            .map_err(|cause| place.open_error(place.tcp().to_owned(), cause))?;
        place.guard(namespace)?;
        let (mut unrecognised, mut malformed, mut rows) = (0, 0, 0);
        let mut count = |path: &Path, file, family| -> Result<Counts, ReadError> {
            let path = || path.to_owned();
            let found =
                count(file, family, &mut self.buffer, stop, see).map_err(|error| match error {
                    TableError::Empty => ReadError::Empty { path: path() },
                    TableError::Scan(cause) => ReadError::Scan {
                        path: path(),
                        cause,
                    },
                })?;
            unrecognised += found.unrecognised();
            malformed += found.scanned.malformed;
            rows += found.scanned.rows;
            Ok(found.counts)
        };
        let ipv4 = count(place.tcp(), file, Family::Ipv4)?;
        let ipv6 = match proc_root::open(&self.tcp6) {
            Ok((file, _)) => Some(count(&self.tcp6, file, Family::Ipv6)?),
            Err(_) if proc_root::is_absent(&self.tcp6) => None,
            Err(cause) => return Err(place.open_error(self.tcp6.clone(), cause)),
        };
        Ok(Counted {
            sockets: Sockets::ByFamily { ipv4, ipv6 },
            unrecognised,
            malformed,
            rows,
        })
    }
}

/// What one table holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Sockets in states that we know.
    pub counts: Counts,
    /// Those that are in the kernel's table of `TIME_WAIT`: the ones in that state, and mini-sockets in `FIN_WAIT2`.
    pub minis: u64,
    /// What was read for it.
    pub scanned: Scanned,
}

impl Found {
    /// Sockets in a state whose number is unknown to us.
    #[must_use]
    pub fn unrecognised(&self) -> u64 {
        self.scanned.rows - self.counts.total()
    }
}

/// Why a table that could be opened could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It holds nothing, not even the header that the kernel always writes.
    #[error("it is empty, without even the header that the kernel writes")]
    Empty,
    /// It could not be read to its end.
    #[error("{0}")]
    Scan(#[from] ScanError),
}

/// Counts the rows of one family's table by state, and shows each to `see`.
pub fn count(
    table: File,
    family: Family,
    buffer: &mut Buffer,
    stop: &AtomicBool,
    see: &mut (impl FnMut(&Socket<'_>) + ?Sized),
) -> Result<Found, TableError> {
    /// The timer of what is in the kernel's table of `TIME_WAIT`.
    const TIME_WAIT_TIMER: u8 = 3;
    let mut counts = Counts::default();
    let mut minis = 0;
    let table = Table {
        page_bytes: proc_root::is_of_proc(&table).then(rustix::param::page_size),
        ended: false,
        file: table,
    };
    let scanned = text::scan(table, buffer, stop, |row, line| {
        if let Some(state) = row.state {
            counts.add(state, 1);
        }
        minis += u64::from(row.timer == TIME_WAIT_TIMER);
        see(&Socket::of_table(family, row, line));
    })?;
    if scanned.bytes == 0 {
        return Err(TableError::Empty);
    }
    Ok(Found {
        counts,
        minis,
        scanned,
    })
}

/// A table of the kernel's, which ends with the first `read` that had room for one more row.
///
/// The `read` that would say so, by giving nothing, is not made. For it the kernel walks all its sockets once more, and where there are
/// more than before it shows the last ones again, and again for as long as their number grows: on a busy host a
/// reading would count too many, or never end.
///
/// The kernel puts rows into a buffer of its own, and stops where that, a page, or ours has no room for one more
/// (`fs/seq_file.c`); what of the last row did not fit into ours comes first in the next `read`. So one that leaves room
/// in the smaller of the two is the last, whatever a page is: 4 KiB, or 16 or 64 KiB on some machines of arm64. To take a
/// page for smaller than it is loses no row, but would ask once more nearly always; to take it for larger would lose rows.
struct Table<F> {
    file: F,
    /// The kernel's page, if the table is the kernel's: other files end where they say so.
    page_bytes: Option<usize>,
    ended: bool,
}

/// No row is longer: one of `tcp6` has at most 200 bytes or so.
const MAX_ROW_BYTES: usize = 256;

impl<F: Read> Read for Table<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let count = self.file.read(buffer)?;
        self.ended = self
            .page_bytes
            .is_some_and(|page| count + MAX_ROW_BYTES <= page.min(buffer.len()));
        Ok(count)
    }
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
