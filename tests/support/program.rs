//! The binary under test, run as an operator runs it and with nothing of the environment that the tests run in.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Nothing that is run here takes a tenth of it; what takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The binary with these arguments, and an environment that only keeps it off the port which one agent can have.
pub(crate) fn tcpgauge<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcpgauge"));
    command.args(arguments).env_clear();
    command.env("TCPGAUGE_HTTP_LISTEN", "none");
    command
}

/// Runs it to its end, which must come and must not be a panic or a signal.
pub(crate) fn finish(mut command: Command) -> Finished {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Finished::of(wait(child))
}

/// Waits for the end of a process. What it says until then must fit into a pipe.
pub(crate) fn wait(mut child: Child) -> Output {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it hangs: {:?}", child.wait_with_output().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// From what the process wrote, which is text, and no panic.
    pub(crate) fn of(output: Output) -> Self {
        let finished = Self {
            exit: output
                .status
                .code()
                .unwrap_or_else(|| panic!("ended by a signal: {output:?}")),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!finished.stderr.contains("panicked"), "{finished:?}");
        finished
    }
}
