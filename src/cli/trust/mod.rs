//! `gapferry trust`.

mod apply;
mod edit;
mod show;
mod sign;

use clap::Subcommand;

use super::error::Failure;
use super::output::Output;
use crate::digest::{MalformedDigest, Sha256};

/// Show, change, sign and apply the trust file, which says who may sign what for a site
///
/// docs/trust.md has the whole way, also with ssh-keygen alone.
#[derive(Debug, clap::Args)]
pub(super) struct TrustArgs {
    #[command(subcommand)]
    command: TrustCommand,
}

#[derive(Debug, Subcommand)]
enum TrustCommand {
    Show(show::ShowArgs),
    Edit(Box<edit::EditArgs>),
    Sign(sign::SignArgs),
    Apply(apply::ApplyArgs),
}

pub(super) fn run(args: TrustArgs, out: &Output) -> Result<(), Failure> {
    match args.command {
        TrustCommand::Show(args) => show::run(&args, out),
        TrustCommand::Edit(args) => edit::run(*args, out),
        TrustCommand::Sign(args) => sign::run(&args, out),
        TrustCommand::Apply(args) => apply::run(&args, out),
    }
}

/// Returns a digest as two persons read it to each other: in groups of four digits.
pub(super) fn spoken(digest: &Sha256) -> String {
    let digits: Vec<char> = digest.to_hex().chars().collect();
    digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// Parses a digest with or without spaces between its digits.
fn spoken_digest(text: &str) -> Result<Sha256, String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.parse().map_err(|e: MalformedDigest| e.to_string())
}
