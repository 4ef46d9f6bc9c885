//! `gapferry inspect`.

use std::path::PathBuf;

use serde_json::json;

use super::bundle_folder::find;
use super::error::Failure;
use super::output::Output;
use crate::bundle::folder::read_unverified;
use crate::bundle::{BundleError, Manifest, Signed};
use crate::terminal::safe;
use crate::units::Bytes;

/// Show what is in a bundle, from where, and signed by whom
///
/// Needs no key: it says whose signature the manifest bears, not whether to trust it. `verify` does that.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry inspect /media/usb/dc1-base-000042\n  \
    gapferry inspect --json dc1-base-000042 | jq '.collections[].items[] | select(.reason == \"requested\")'")]
pub(super) struct InspectArgs {
    /// The bundle's folder or name
    bundle: PathBuf,
}

pub(super) fn run(args: &InspectArgs, out: &Output) -> Result<(), Failure> {
    let folder = find(&args.bundle, None)?;
    let (signer, manifest) = match Signed::open(&folder) {
        Ok(signed) => {
            let bundle = signed.trusted(|_| Ok::<_, BundleError>(()))?;
            (Some(bundle.signer.fingerprint()), bundle.manifest)
        }
        Err(BundleError::Unsigned { .. }) => (None, Manifest::parse(&read_unverified(&folder)?)?),
        Err(error) => return Err(error.into()),
    };
    let value = json!({
        "bundle": manifest.folder(), "signer": signer, "site": manifest.site, "name": manifest.name,
        "sequence": manifest.sequence, "epoch": manifest.epoch, "created": manifest.created,
        "expires": manifest.expires, "previous": manifest.previous, "generator": manifest.generator,
        "volumes": manifest.volumes, "collections": manifest.collections,
    });
    out.done(value, &render(&manifest, signer.as_deref()));
    Ok(())
}

fn render(manifest: &Manifest, signer: Option<&str>) -> String {
    let mut text = format!(
        "{}  for site {}, made {} by {}, valid until {}\nsigned by  {}\nvolumes    {} with {}\n",
        manifest.folder(),
        manifest.site,
        manifest.created,
        safe(&manifest.generator),
        manifest.expires,
        signer.unwrap_or("nobody"),
        manifest.volumes.len(),
        Bytes(manifest.volumes.iter().map(|volume| volume.size).sum()),
    );
    for collection in &manifest.collections {
        text += &format!(
            "\n{}  from {}, published {}, {} items\n",
            collection.folder(),
            safe(collection.origin.as_str()),
            collection.publish,
            collection.items.len()
        );
        for proof in collection.proofs.iter().filter(|proof| !proof.signed_by.is_empty()) {
            let date = proof.date.map_or_else(|| "undated".to_owned(), |date| date.to_string());
            let keys: Vec<String> = proof.signed_by.iter().map(|key| safe(key).to_string()).collect();
            text += &format!("  {} of {date}, signed by {}\n", proof.path, keys.join(", "));
        }
        for item in &collection.items {
            let mark = if item.proof.is_none() { "  WITHOUT UPSTREAM PROOF" } else { "" };
            text += &format!(
                "  {} {} {}  {} ({}){mark}\n",
                safe(&item.name),
                safe(&item.version),
                safe(&item.architecture),
                safe(&item.details.listed_in()),
                safe(&item.reason)
            );
        }
    }
    text
}
