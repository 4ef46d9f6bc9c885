//! `gapferry trust`.

mod apply;
mod edit;
mod fingerprint;
mod show;
mod sign;

use clap::Subcommand;

use super::error::Failure;
use super::output::Output;
pub(super) use fingerprint::spoken;

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
