//! `gapferry protect`.

use std::path::PathBuf;

use serde_json::json;

use super::bundle_folder::find;
use super::error::Failure;
use super::output::Output;
use crate::bundle::recovery::{Amount, MAX_SPARES, protect};
use crate::progress::Progress;
use crate::units::Percent;

/// Add recovery data to a finished bundle, against damaged and lost volumes
///
/// All of the bundle is checked first. Recovery data that it has already are replaced. The signature stays good: they are not
/// signed, and nothing is taken from them unchecked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: gapferry protect out/dc1-base-000042 --recovery \"5 %\" --spare-volumes 1")]
pub(super) struct ProtectArgs {
    /// The bundle's folder or name
    bundle: PathBuf,
    /// How much of each volume may be damaged, 1 to 50 percent
    #[arg(long, value_name = "PERCENT", required_unless_present = "spare_volumes")]
    recovery: Option<Percent>,
    /// How many volumes may be lost
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_SPARES)))]
    spare_volumes: u32,
}

pub(super) fn run(args: &ProtectArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let amount = Amount { percent: args.recovery.map(|percent| percent.0), spares: args.spare_volumes };
    let (state, made) = protect(&find(&args.bundle, None)?, amount, progress)?;
    let files: Vec<&String> = made.iter().map(|(file, _)| file).collect();
    let name = state.manifest.folder();
    out.done(
        json!({ "bundle": name, "files": files }),
        &format!("{name} has recovery data in {} files now\n", files.len()),
    );
    Ok(())
}
