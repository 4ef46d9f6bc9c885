//! `gapferry gc`.

use std::path::PathBuf;

use serde_json::json;

use super::error::Failure;
use super::output::{Output, note};
use super::snap_roots::open_site;
use crate::site::{RemovedState, gc};
use crate::storage::RunMode;
use crate::units::Bytes;
use crate::workspace::Workspace;

/// Remove old generations of a site, and what none needs any more; or of a workspace what no last bundle carries
///
/// The evidence on a bundle stays for the days that `[evidence]` in site.toml sets, after the site used the bundle last.
/// In a workspace, what an export that was interrupted has fetched goes too.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapferry gc --keep 5 --site /srv/gapferry\n  gapferry gc --workspace ~/.local/state/gapferry"
)]
pub(super) struct GcArgs {
    /// How many generations stay, the current one among them
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE", required_unless_present = "workspace")]
    site: Option<PathBuf>,
    /// The workspace of the online side, instead of a site
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Only say what would be removed
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(super) fn run(args: &GcArgs, out: &Output) -> Result<(), Failure> {
    let mode = if args.dry_run { RunMode::DryRun } else { RunMode::Apply };
    let RemovedState { generations, blobs: removed, evidence, doubted_evidence } = match (&args.workspace, &args.site) {
        (Some(workspace), _) => {
            let blobs = Workspace::open_there(workspace)?.gc(mode)?;
            RemovedState { generations: Vec::new(), blobs, evidence: Vec::new(), doubted_evidence: 0 }
        }
        (None, Some(site)) => gc(&open_site(site)?, usize::from(args.keep), mode)?,
        (None, None) => return Err(Failure::usage("give --site SITE or --workspace DIR")),
    };
    let numbers: Vec<String> = generations.iter().map(ToString::to_string).collect();
    if doubted_evidence > 0 {
        note(&format!(
            "warning: the evidence on {doubted_evidence} bundles stays: the clock is far past all that the site has seen, and may be wrong"
        ));
    }
    let verb = if args.dry_run { "would remove" } else { "removed" };
    out.done(
        json!({
            "generations": generations, "evidence": evidence, "doubted_evidence": doubted_evidence, "blobs": removed.blobs, "bytes": removed.bytes,
            "dry_run": args.dry_run,
        }),
        &format!(
            "{verb} {} generations ({}) and {} blobs, {}\n{}",
            numbers.len(),
            if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") },
            removed.blobs,
            Bytes(removed.bytes),
            match evidence.len() {
                0 => String::new(),
                bundles => format!("{verb} the evidence on {bundles} bundles: {}\n", evidence.join(", ")),
            }
        ),
    );
    Ok(())
}
