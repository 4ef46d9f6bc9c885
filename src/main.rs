//! The `gapferry` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    gapferry::cli::parse().map_or_else(|exit| exit, gapferry::cli::run).into()
}
