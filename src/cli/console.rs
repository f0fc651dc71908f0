//! What the agent says and shows, written by a thread of its own: a terminal that was stopped, or a pipe that nobody
//! reads, must hold up neither a tick nor the end.
//!
//! On a terminal the latest sample is shown in place, and the log scrolls by above it.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// So many lines may wait to be written; more are counted and lost.
const MOST_WAITING: usize = 1024;

/// What the last lines may take when the agent ends.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// So often is a place for them looked for where none is free.
const LAST_TRIES: u32 = 50;

/// The way to the thread.
#[derive(Clone, Debug)]
pub(super) struct Console {
    to_thread: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    is_terminal: bool,
}

#[derive(Debug)]
enum Message {
    Log(Vec<u8>),
    Show(String),
    /// Everything before this is written.
    End(SyncSender<()>),
}

impl Console {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let (to_thread, messages) = sync_channel(MOST_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        std::thread::Builder::new()
            .name("console".to_owned())
            .spawn(move || write_all(&messages, &counter))?;
        Ok(Self {
            to_thread,
            lost,
            is_terminal: io::stdout().is_terminal(),
        })
    }

    /// Whether samples can be shown in place.
    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Shows `text` in the place of what was shown before.
    pub(super) fn show(&self, text: String) {
        // The next sample comes soon.
        let _ = self.to_thread.try_send(Message::Show(text));
    }

    /// Waits a little for what was said to be written.
    pub(super) fn end(&self) {
        let (done, written) = sync_channel(1);
        let mut last = Message::End(done);
        for _ in 0..LAST_TRIES {
            match self.to_thread.try_send(last) {
                Err(TrySendError::Full(message)) => last = message,
                Err(TrySendError::Disconnected(_)) => return,
                Ok(()) => {
                    let _ = written.recv_timeout(LAST_WORDS);
                    return;
                }
            }
            std::thread::sleep(LAST_WORDS / LAST_TRIES);
        }
    }
}

/// The log goes line by line to the thread.
impl<'a> MakeWriter<'a> for Console {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        LogLine(self)
    }
}

pub(super) struct LogLine<'a>(&'a Console);

impl Write for LogLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self
            .0
            .to_thread
            .try_send(Message::Log(line.to_vec()))
            .is_err()
        {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread. What cannot be written, because whoever read it is gone, is nobody's loss.
fn write_all(messages: &Receiver<Message>, lost: &AtomicU64) {
    let mut shown = Shown::default();
    let same_terminal = stderr_is_stdouts_terminal();
    for message in messages {
        match message {
            Message::Log(line) => {
                let mut text = Vec::new();
                let lost = lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    text = format!(
                        "{lost} line(s) of this log are lost: whoever reads it was too slow\n"
                    )
                    .into_bytes();
                }
                text.extend(line);
                if same_terminal {
                    text = [shown.erase().as_bytes(), &text, shown.text.as_bytes()].concat();
                }
                let _ = io::stderr().write_all(&text);
            }
            Message::Show(text) => {
                let erase = shown.erase();
                shown = Shown::new(fitted(&text, width()));
                let mut stdout = io::stdout();
                let _ = stdout
                    .write_all(format!("{erase}{}", shown.text).as_bytes())
                    .and_then(|()| stdout.flush());
            }
            Message::End(done) => drop(done.send(())),
        }
    }
}

#[derive(Debug, Default)]
struct Shown {
    text: String,
    lines: usize,
}

impl Shown {
    fn new(text: String) -> Self {
        Self {
            lines: text.lines().count(),
            text,
        }
    }

    fn erase(&self) -> String {
        if self.lines == 0 {
            String::new()
        } else {
            format!("\r\x1b[{}A\x1b[J", self.lines)
        }
    }
}

/// The terminal's; some do not know their own, and say 0.
fn width() -> usize {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => 80,
    }
}

fn stderr_is_stdouts_terminal() -> bool {
    let device = |found: rustix::io::Result<rustix::fs::Stat>| found.map(|found| found.st_rdev);
    io::stdout().is_terminal()
        && io::stderr().is_terminal()
        && device(rustix::fs::fstat(io::stderr())) == device(rustix::fs::fstat(io::stdout()))
}

/// `text` with no line longer than the terminal is wide, which would wrap and be two.
///
/// What is left out is seen to be: a number that lost its last digits would be another number.
fn fitted(text: &str, width: usize) -> String {
    let most = width.saturating_sub(1);
    let mut fitted = String::with_capacity(text.len());
    for line in text.lines() {
        let line = line.replace(char::is_control, " ");
        let narrow = || line.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = if line.chars().count() <= most {
            line.clone()
        } else {
            narrow()
        };
        if line.chars().count() <= most {
            fitted.push_str(&line);
        } else {
            fitted.extend(line.chars().take(most.saturating_sub(1)));
            fitted.push('…');
        }
        fitted.push('\n');
    }
    fitted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_does_not_wrap_and_a_control_character_does_not_act() {
        assert_eq!(fitted("ab\n\x1b[2Jx\n", 8), "ab\n [2Jx\n");
    }

    #[test]
    fn a_number_is_whole_or_seen_to_be_cut() {
        let line = "  tcp_listen     175\n";
        assert_eq!(fitted(line, 40), line);
        assert_eq!(fitted(line, 16), "tcp_listen 175\n");
        assert_eq!(fitted(line, 14), "tcp_listen 1…\n");
        assert_eq!(fitted(line, 0), "…\n");
    }
}
