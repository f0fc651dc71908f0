//! The `tcpgauge` command.

fn main() {}
