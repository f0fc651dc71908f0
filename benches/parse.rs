//! Placeholder until the parser lands in the next commit.
fn main() {}
