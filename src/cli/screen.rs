//! A terminal that shows the latest sample in place, with the log scrolling by above it.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// The terminal, shared by samples and log.
#[derive(Clone, Debug)]
pub(super) struct Screen(Arc<Mutex<Shown>>);

#[derive(Debug, Default)]
struct Shown {
    text: String,
    lines: usize,
}

impl Screen {
    /// The screen, if stdout is one.
    pub(super) fn find() -> Option<Self> {
        io::stdout().is_terminal().then(|| Self(Arc::default()))
    }

    /// Shows `text` in the place of what was shown before.
    pub(super) fn show(&self, text: &str) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let erase = shown.erase();
        // Some terminals do not know their size, and say 0.
        let width = match rustix::termios::tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
            _ => 80,
        };
        shown.text = fitted(text, width);
        shown.lines = shown.text.lines().count();
        // The terminal may be gone; the agent goes on.
        let mut stdout = io::stdout();
        let _ = stdout
            .write_all(format!("{erase}{}", shown.text).as_bytes())
            .and_then(|()| stdout.flush());
    }
}

impl Shown {
    fn erase(&self) -> String {
        if self.lines == 0 {
            String::new()
        } else {
            format!("\x1b[{}A\x1b[J", self.lines)
        }
    }
}

/// `text` with no line longer than the terminal is wide, which would wrap and be two.
fn fitted(text: &str, width: usize) -> String {
    let mut fitted = String::with_capacity(text.len());
    for line in text.lines() {
        fitted.extend(
            line.chars()
                .filter(|c| !c.is_control())
                .take(width.saturating_sub(1)),
        );
        fitted.push('\n');
    }
    fitted
}

/// Writes the log to stderr; where that is the same terminal, above what is shown.
impl<'a> MakeWriter<'a> for Screen {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        LogLine(self)
    }
}

pub(super) struct LogLine<'a>(&'a Screen);

impl Write for LogLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr();
        if !stderr.is_terminal() {
            stderr.write_all(line)?;
            return Ok(line.len());
        }
        let shown = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        stderr.write_all(shown.erase().as_bytes())?;
        stderr.write_all(line)?;
        stderr.write_all(shown.text.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_does_not_wrap_and_a_control_character_does_not_act() {
        assert_eq!(fitted("abcdef\n\x1b[2Jx\n", 5), "abcd\n[2Jx\n");
    }
}
