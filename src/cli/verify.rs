//! `gapferry verify`.

use std::path::PathBuf;

use serde_json::json;

use super::bundle_folder::find;
use super::error::Failure;
use super::output::Output;
use super::snap_roots::open_site;
use crate::bundle::approval_files;
use crate::bundle::check::check_bundle;
use crate::bundle::packing::volume_files::WrongSize;
use crate::bundle::state::SignedState;
use crate::progress::Progress;
use crate::terminal::safe;
use crate::trust::{Overrides, PublicKey, TrustError};
use crate::units::Bytes;

/// Check a bundle: the signature, and every byte of every volume
///
/// Damage ends it with the exit code 4, and it says whether recovery data repair it; if so, an import will. With --site also what the site's policy says of it: its sequence, its expiry, whom it is for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry verify /media/usb/dc1-base-000042 --builder builder.key.pub\n  \
    gapferry verify /media/a/dc1-base-000042 /media/b/dc1-base-000042 --site /srv/gapferry")]
pub(super) struct VerifyArgs {
    /// The bundle's folder or name; on several media, all its folders
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// The key that must have signed it
    #[arg(long, value_name = "KEY.pub", conflicts_with = "site", required_unless_present = "site")]
    builder: Option<PathBuf>,
    /// The site whose trust file and policy decide
    #[arg(long, value_name = "SITE")]
    site: Option<PathBuf>,
}

pub(super) fn run(args: &VerifyArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let folders = args.bundles.iter().map(|bundle| find(bundle, None)).collect::<Result<Vec<_>, _>>()?;
    let [first, others @ ..] = &folders[..] else { return Err(Failure::usage("give a bundle")) };
    let (state, check, review) = match (&args.builder, &args.site) {
        (_, Some(site)) => {
            let mut site = open_site(site)?;
            site.assume_trust(&folders)?;
            let state = site.bundle(first)?.also_in(others)?;
            site.assume_approvals(approval_files::carried(&folders));
            let check = site.verify_bundle(&state, Overrides::default(), progress)?;
            let review = site.review(&state)?;
            (state, check, Some(review))
        }
        (Some(builder), None) => {
            let builder = PublicKey::load(builder)?;
            let is_builder = |signer: &PublicKey| match *signer == builder {
                true => Ok(()),
                false => Err(TrustError::UntrustedKey { key: signer.fingerprint(), role: "builder" }),
            };
            let state = SignedState::open(first)?.trusted(|signer| is_builder(signer).map_err(Failure::Trust))?;
            let state = state.also_in(others)?;
            let search = state.packings(WrongSize::Refused, |signer| Ok(is_builder(signer)?))?;
            let check = check_bundle(&state, search, progress)?;
            (state, check, None)
        }
        (None, None) => return Err(Failure::usage("give --builder KEY.pub or --site SITE")),
    };
    let bundle = state.manifest.folder();
    if !check.damage.is_empty() {
        return Err(Failure::Repairable { bundle, damage: check.damage });
    }
    let (signer, expires, volumes, bytes) =
        (state.signer.fingerprint(), state.manifest.expires, check.volumes(), check.bytes());
    let packings: Vec<_> = check.packings.iter().map(|packing| &packing.id).collect();
    let value = json!({
        "bundle": bundle, "signer": signer, "manifest_sha256": state.digest, "packings": packings, "volumes": volumes,
        "bytes": bytes, "expires": expires, "absent": check.absent, "trust_files": check.trust_files,
        "uncovered": check.uncovered, "review": review,
    });
    let mut words =
        format!("{bundle} is good: signed by {signer}, {volumes} volumes, {}, valid until {expires}\n", Bytes(bytes));
    if let Some(review) = review.filter(|review| review.quorum.is_some()) {
        words += &format!("  {}\n", safe(&review.to_string()));
    }
    for volume in &check.absent {
        words += &format!("  {volume} is not here and not needed: another packing carries all that it has\n");
    }
    if let Some(newest) = check.trust_files.last() {
        let judge = if args.site.is_some() { "good for the site" } else { "which only `verify --site` judges" };
        words += &format!("  it carries trust files up to version {newest}, {judge}\n");
    }
    for path in &check.uncovered {
        words += &format!("  no signature covers {}\n", safe(&path.display().to_string()));
    }
    out.done(value, &words);
    Ok(())
}
