//! The `gapferry` command.

fn main() {}
