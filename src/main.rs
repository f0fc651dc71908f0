//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    tcpgauge::cli::main(std::env::args_os(), std::env::vars_os().collect())
}
