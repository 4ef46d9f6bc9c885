//! `gapferry verify`.

use std::path::PathBuf;

use serde_json::json;

use super::bundle_folder::find;
use super::error::Failure;
use super::output::Output;
use super::snap_roots::open_site;
use crate::bundle::Signed;
use crate::progress::Progress;
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
    let (bundle, damage) = match (&args.builder, &args.site) {
        (_, Some(site)) => {
            let site = open_site(site)?;
            let bundle = site.bundle(first)?.also_in(others)?;
            let damage = site.verify_bundle(&bundle, Overrides::default(), progress)?;
            (bundle, damage)
        }
        (Some(builder), None) => {
            let builder = PublicKey::load(builder)?;
            let bundle = Signed::open(first)?.trusted(|signer| match *signer == builder {
                true => Ok(()),
                false => Err(Failure::Trust(TrustError::UntrustedKey { key: signer.fingerprint(), role: "builder" })),
            })?;
            let bundle = bundle.also_in(others)?;
            let damage = bundle.check_volumes(progress)?;
            (bundle, damage)
        }
        (None, None) => return Err(Failure::usage("give --builder KEY.pub or --site SITE")),
    };
    let manifest = &bundle.manifest;
    if !damage.is_empty() {
        return Err(Failure::Repairable { bundle: manifest.folder(), damage });
    }
    let signer = bundle.signer.fingerprint();
    out.done(
        json!({
            "bundle": manifest.folder(), "signer": signer, "manifest_sha256": bundle.digest,
            "volumes": manifest.volumes.len(), "bytes": manifest.carried_bytes(), "expires": manifest.expires,
        }),
        &format!(
            "{} is good: signed by {signer}, {} volumes, {}, valid until {}\n",
            manifest.folder(),
            manifest.volumes.len(),
            Bytes(manifest.carried_bytes()),
            manifest.expires
        ),
    );
    Ok(())
}
