//! A reading from the kernel's text tables.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::place::Place;
use super::text::{self, Buffer, Scanned};
use super::{ReadError, Sockets, proc_root};
use crate::tcp::Counts;

/// `tcp` and `tcp6` of one place. Nothing is allocated after the first reading but to tell of an error.
#[derive(Debug)]
pub(super) struct Tables {
    tcp6: PathBuf,
    buffer: Buffer,
}

/// What the tables hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) sockets: Sockets,
    pub(super) unrecognised: u64,
    pub(super) malformed: u64,
    pub(super) rows: u64,
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
    ) -> Result<Counted, ReadError> {
        let (file, namespace) = proc_root::open(place.tcp())
            .map_err(|cause| place.open_error(place.tcp().to_owned(), cause))?;
        place.guard(namespace)?;
        let (mut unrecognised, mut malformed, mut rows) = (0, 0, 0);
        let mut count = |path: &Path, file| -> Result<Counts, ReadError> {
            let (counts, scanned) = count(path, file, &mut self.buffer, stop)?;
            unrecognised += scanned.rows - counts.total();
            malformed += scanned.malformed;
            rows += scanned.rows;
            Ok(counts)
        };
        let ipv4 = count(place.tcp(), file)?;
        let ipv6 = match proc_root::open(&self.tcp6) {
            Ok((file, _)) => Some(count(&self.tcp6, file)?),
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

/// Counts the rows of one table by state.
fn count(
    path: &Path,
    table: File,
    buffer: &mut Buffer,
    stop: &AtomicBool,
) -> Result<(Counts, Scanned), ReadError> {
    let mut counts = Counts::default();
    let table = Table {
        is_the_kernels: proc_root::is_of_proc(&table),
        ended: false,
        file: table,
    };
    let scanned = text::scan(table, buffer, stop, |row| {
        if let Some(state) = row.state {
            counts.add(state, 1);
        }
    });
    match scanned {
        Ok(Scanned { bytes: 0, .. }) => Err(ReadError::Empty {
            path: path.to_owned(),
        }),
        Ok(scanned) => Ok((counts, scanned)),
        Err(cause) => Err(ReadError::Scan {
            path: path.to_owned(),
            cause,
        }),
    }
}

/// A table of the kernel's, which ends with the first `read` that had room for one more row.
///
/// The `read` that would say so, by giving nothing, is not made. For it the kernel walks all its sockets once more, and where there are
/// more than before it shows the last ones again, and again for as long as their number grows: on a busy host a
/// reading would count too many, or never end.
struct Table {
    file: File,
    /// Other files end where they say so.
    is_the_kernels: bool,
    ended: bool,
}

/// What the kernel puts into one `read`, at least, if there is so much (`fs/seq_file.c`).
const PAGE_BYTES: usize = 4096;

/// No row is longer: one of `tcp6` has at most 200 bytes or so.
const MAX_ROW_BYTES: usize = 256;

impl Read for Table {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let count = self.file.read(buffer)?;
        self.ended = self.is_the_kernels && count + MAX_ROW_BYTES <= PAGE_BYTES.min(buffer.len());
        Ok(count)
    }
}
