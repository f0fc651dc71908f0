//! Reads the kernel's own table of TCP sockets: `net/tcp` and `net/tcp6`.
//!
//! This is the hot path on a busy host, where the files hold tens of megabytes. So one pass over one fixed
//! buffer, no allocation, no row kept.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use super::row::{self, Row};

/// The longest line that can be a row. The kernel's are under 200 bytes; one `read` of proc gives a page or a buffer full at most.
pub const MAX_LINE_BYTES: usize = 32 * 1024;

/// No table is longer: about 50 million rows. It ends the reading of a file that never ends.
pub const MAX_FILE_BYTES: u64 = 8 << 30;

/// The buffer that readings share: allocated once, as large as the longest line.
#[derive(Debug)]
pub struct Buffer(Box<[u8]>);

impl Default for Buffer {
    fn default() -> Self {
        Self(vec![0; MAX_LINE_BYTES].into_boxed_slice())
    }
}

/// What one pass over a table found besides the rows it showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Lines that are rows.
    pub rows: u64,
    /// Lines that are neither a row nor the header, and a last line that was cut.
    pub malformed: u64,
    /// Bytes read. A table of the kernel has at least its header, so 0 means that this is no table.
    pub bytes: u64,
}

/// Why a pass over a table gave up.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// `read` failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The table is longer than [`MAX_FILE_BYTES`].
    #[error("it goes on after {} GiB, which no table of sockets does", MAX_FILE_BYTES >> 30)]
    Endless,
    /// The caller asked to stop.
    #[error("reading it took longer than the time that it was given")]
    Stopped,
}

/// Shows `see` every row of `table` once, in order, with its line.
///
/// Malformed lines are counted and passed over. `stop` is looked at between reads, so that a reading that nobody
/// waits for any more ends.
pub fn scan(
    mut table: impl Read,
    buffer: &mut Buffer,
    stop: &AtomicBool,
    mut see: impl FnMut(&Row, &[u8]),
) -> Result<Scanned, ScanError> {
    let buffer = &mut buffer.0;
    let mut scanned = Scanned::default();
    let mut first_line = true;
    // Bytes at the front of the buffer that belong to a line whose end has not been read yet.
    let mut held = 0;
    // In the middle of a line that is longer than the buffer: counted, thrown away.
    let mut overlong = false;
    let mut line_done = |line: &[u8], scanned: &mut Scanned| {
        let header = std::mem::take(&mut first_line) && is_header(line);
        match row::parse(line) {
            Some(row) => {
                scanned.rows += 1;
                see(&row, line);
            }
            None => scanned.malformed += u64::from(!header),
        }
    };

    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(ScanError::Stopped);
        }
        let count = match table.read(buffer.get_mut(held..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        scanned.bytes += count as u64;
        if scanned.bytes > MAX_FILE_BYTES {
            return Err(ScanError::Endless);
        }
        let filled = held + count;
        let mut rest = buffer.get(..filled).unwrap_or_default();
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at_checked(end).unwrap_or_default();
            if !std::mem::take(&mut overlong) {
                line_done(line, &mut scanned);
            }
            rest = after.get(1..).unwrap_or_default();
        }
        held = rest.len();
        if held == buffer.len() {
            scanned.malformed += u64::from(!std::mem::replace(&mut overlong, true));
            held = 0;
        } else {
            buffer.copy_within(filled - held..filled, 0);
        }
        if overlong {
            held = 0;
        }
    }
    // The kernel ends every line, so what is left over is a line that was cut: what it would have said is unknown.
    scanned.malformed += u64::from(held > 0);
    Ok(scanned)
}

fn is_header(line: &[u8]) -> bool {
    // With a colon in it, a row has run into it.
    line.trim_ascii_start().starts_with(b"sl ") && !line.contains(&b':')
}
