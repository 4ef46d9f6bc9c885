//! The `gapferry` command.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    gapferry::cli::run(gapferry::cli::Cli::parse()).into()
}
