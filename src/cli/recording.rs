//! Recordings as files: gzip with what `alerts::recording` writes in it, or that without gzip, as somebody may have written it by hand.
//!
//! Each sample is flushed, so that a recording is readable up to its last sample however it ended.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use rustix::fs::OFlags;

use crate::alerts::Observation;
use crate::alerts::recording::{Decoder, Encoder, MOST_LINE_BYTES, Malformed};

/// How gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What the decoder makes of the bytes that it fails on is lost, so it gets no more of them at a time: what is before damage is read.
const BYTES_AT_A_TIME: usize = 1;

/// Why a recording cannot be read, or not any further.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// The file itself.
    #[error("cannot open {}: {why}", path.display())]
    File { path: PathBuf, why: io::Error },
    /// It is something else.
    #[error("{} is no regular file: a recording is one that tcpgauge record made", .0.display())]
    Irregular(PathBuf),
    /// It has nothing in it.
    #[error("{} is empty: its first sample had not been written, or it is something else", .0.display())]
    Empty(PathBuf),
    /// What is in it.
    #[error("{}, line {line}: {why}", path.display())]
    Line {
        path: PathBuf,
        line: u64,
        why: Malformed,
    },
    /// What it is wrapped in.
    #[error("{} is damaged after line {line}: {why}", path.display())]
    Damaged {
        path: PathBuf,
        line: u64,
        why: io::Error,
    },
}

/// A recording that is read.
pub(super) struct Recording {
    path: PathBuf,
    text: Box<dyn BufRead>,
    decoder: Decoder,
    line: u64,
    buffer: Vec<u8>,
    is_cut: bool,
}

impl Recording {
    pub(super) fn open(path: &Path) -> Result<Self, Unreadable> {
        let unopened = |why| Unreadable::File {
            path: path.to_owned(),
            why,
        };
        // A pipe would have us wait for somebody who writes.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .map_err(unopened)?;
        if !file.metadata().map_err(unopened)?.is_file() {
            return Err(Unreadable::Irregular(path.to_owned()));
        }
        let mut bytes = BufReader::new(file);
        let start = bytes.fill_buf().map_err(unopened)?;
        if start.is_empty() {
            return Err(Unreadable::Empty(path.to_owned()));
        }
        let text: Box<dyn BufRead> = if start.starts_with(&GZIP) {
            let bytes = BufReader::with_capacity(BYTES_AT_A_TIME, bytes);
            Box::new(BufReader::new(MultiGzDecoder::new(bytes)))
        } else {
            Box::new(bytes)
        };
        Ok(Self {
            path: path.to_owned(),
            text,
            decoder: Decoder::default(),
            line: 0,
            buffer: Vec::new(),
            is_cut: false,
        })
    }

    /// The next observation; nothing at the end, wherever that is.
    pub(super) fn next(&mut self) -> Result<Option<Observation>, Unreadable> {
        loop {
            self.buffer.clear();
            // One byte more than a line may have tells that it has more, and the end of a line is none of them.
            let most = MOST_LINE_BYTES as u64 + 2;
            let read = (&mut self.text)
                .take(most)
                .read_until(b'\n', &mut self.buffer);
            match read {
                Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => {
                    self.is_cut = true;
                    return Ok(None);
                }
                Err(why) => {
                    return Err(Unreadable::Damaged {
                        path: self.path.clone(),
                        line: self.line,
                        why,
                    });
                }
                Ok(_) => {}
            }
            let whole = self.buffer.pop_if(|byte| *byte == b'\n').is_some();
            // What is no recording may have no line at all, and the first tells.
            let is_told = self.line == 0 && !self.buffer.is_empty();
            if !whole && !is_told && self.buffer.len() <= MOST_LINE_BYTES {
                self.is_cut = !self.buffer.is_empty() || !self.decoder.is_between_samples();
                return Ok(None);
            }
            self.line += 1;
            let taken = self.decoder.take(&self.buffer);
            let observation = taken.map_err(|why| Unreadable::Line {
                path: self.path.clone(),
                line: self.line,
                why,
            })?;
            if observation.is_some() {
                return Ok(observation);
            }
        }
    }

    /// Whether the end that was found is not one that was made.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The time that there is to be between two samples, once the first is read.
    pub(super) fn interval(&self) -> Duration {
        self.decoder.interval().unwrap_or_default()
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("path", &self.path)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// A recording that is written.
#[derive(Debug)]
pub(super) struct Recorder {
    file: GzEncoder<File>,
    encoder: Encoder,
    lines: Vec<u8>,
}

impl Recorder {
    /// Makes the file, which must not be there yet.
    pub(super) fn create(path: &Path, interval: Duration) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Self {
            file: GzEncoder::new(file, Compression::default()),
            encoder: Encoder::new(interval),
            lines: Vec::new(),
        })
    }

    /// Writes one more, and gives how many bytes there are.
    pub(super) fn write(&mut self, observation: &Observation) -> io::Result<u64> {
        self.lines.clear();
        self.encoder.write(observation, &mut self.lines)?;
        self.file.write_all(&self.lines)?;
        self.file.flush()?;
        Ok(self.file.get_ref().metadata()?.len())
    }

    /// Ends it, and gives how many bytes there are.
    pub(super) fn finish(self) -> io::Result<u64> {
        Ok(self.file.finish()?.metadata()?.len())
    }
}

#[cfg(test)]
#[path = "recording_tests.rs"]
mod tests;
