//! `gapferry confirm`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::error::Failure;
use super::output::Output;
use super::workspace::WorkspaceArgs;
use crate::bundle::folder::read_unverified;
use crate::bundle::state::Manifest;
use crate::bundle::{BundleError, names};
use crate::workspace::ReceiptOrder;

/// Take note that a bundle has arrived, so that the next one carries only what is new since then
///
/// Either on the site's own word, a receipt, or on yours. A receipt needs the site's public key once, by --site-key.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry confirm dc1-base-000042\n  \
    gapferry confirm --receipt dc1-base.receipt --site-key dc1.asc")]
pub(super) struct ConfirmArgs {
    /// The bundle's name or folder
    #[arg(required_unless_present = "receipt", conflicts_with = "receipt")]
    bundle: Option<PathBuf>,
    /// The file that `receipt` wrote at the site
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// The site's public key: SITE/current/keys/site.asc
    #[arg(long, value_name = "FILE", requires = "receipt")]
    site_key: Option<PathBuf>,
    /// Accept a receipt that is not newer than the last one: the site was restored while its clock was behind
    #[arg(long, requires = "receipt")]
    allow_older_receipt: bool,
    #[command(flatten)]
    place: WorkspaceArgs,
}

pub(super) fn run(args: &ConfirmArgs, out: &Output) -> Result<(), Failure> {
    let workspace = args.place.open()?;
    let Some(bundle) = &args.bundle else {
        let no_bundle = || Failure::usage("give a bundle, or --receipt FILE");
        let path = args.receipt.as_ref().ok_or_else(no_bundle)?;
        let receipt = workspace.read_receipt(path, args.site_key.as_deref())?.receipt;
        let order = if args.allow_older_receipt { ReceiptOrder::Any } else { ReceiptOrder::Newer };
        workspace.accept(path, &receipt, order)?;
        let (site, name) = (&receipt.site, &receipt.name);
        let bundle = receipt.published.map(|state| names::folder(site, name, state.sequence));
        let mut words = match &bundle {
            None => format!("{site} has no bundle named {name}: the next one carries everything\n"),
            Some(bundle) => format!("{site} has {bundle}: the next one carries what is new since then\n"),
        };
        for (states, verb) in [(&receipt.held, "holds and has not published"), (&receipt.refused, "has refused")] {
            for state in states {
                words += &format!("{site} {verb} {}\n", names::folder(site, name, state.sequence));
            }
        }
        let value = json!({
            "bundle": bundle, "how": "receipt", "number": receipt.number, "said": receipt.made, "lacks": receipt.lacks.len(),
            "published": receipt.published, "held": receipt.held, "refused": receipt.refused,
        });
        out.done(value, &words);
        return Ok(());
    };
    let bundle = &name_of(bundle)?;
    workspace.confirm(bundle)?;
    let words = format!("{bundle} has arrived: the next one carries what is new since then\n");
    out.done(json!({ "bundle": bundle, "how": "confirmed" }), &words);
    Ok(())
}

/// The bundle's name, which its manifest says if it is a folder.
fn name_of(bundle: &Path) -> Result<String, Failure> {
    if bundle.is_dir() {
        let manifest = Manifest::parse(&read_unverified(bundle)?);
        return Ok(manifest.map_err(BundleError::in_file(&bundle.join(names::MANIFEST)))?.folder());
    }
    Ok(bundle.file_name().unwrap_or_default().to_string_lossy().into_owned())
}
