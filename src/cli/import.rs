//! `gapferry import`.

use std::path::PathBuf;

use serde_json::json;

use super::error::Failure;
use super::output::{Output, note};
use super::push::{all_pushed, words};
use crate::bundle::pieces;
use crate::bundle::stream::NAME;
use crate::bundle::unpack::Damage;
use crate::progress::Progress;
use crate::selection::Bytes;
use crate::site::{Site, import, import_stream};
use crate::trust::Overrides;

/// Check a bundle, unpack it, verify upstream's proofs, and publish it as the next generation
///
/// Clients see the new state from one moment to the next, or the old one. A run that was killed is finished by the same
/// command; a bundle that is here already gives the exit code 3. Nothing is written to the medium.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapferry import /media/usb/dc1-base-000042 --site /srv/gapferry\n  nc -l 4242 | gapferry import - --site /srv/gapferry"
)]
pub(super) struct Args {
    /// The bundle's folder; `-` for a stream from `gapferry export --to -`
    bundle: PathBuf,
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// Accept a bundle after its expiry
    #[arg(long)]
    allow_expired: bool,
    /// Accept a sequence far above the last one
    #[arg(long)]
    allow_sequence_jump: bool,
    /// Accept upstream's metadata though newer was published before
    #[arg(long)]
    allow_older_upstream: bool,
    /// Only check: signature, policy and every byte; nothing is changed
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(super) fn run(args: &Args, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let site = Site::open(&args.site)?;
    let allow = Overrides {
        expired: args.allow_expired,
        sequence_jump: args.allow_sequence_jump,
        older_upstream: args.allow_older_upstream,
    };
    let is_stream = args.bundle.as_os_str() == NAME;
    if args.dry_run && is_stream {
        return Err(Failure::Usage("a stream is checked while it is imported: leave --dry-run away".to_owned()));
    }
    if args.dry_run {
        let (bundle, repaired) = site.verify(&args.bundle, allow, progress)?;
        let bundle = bundle.manifest.folder();
        say_repaired(&repaired);
        let value = json!({ "bundle": bundle, "repaired": repaired, "dry_run": true });
        out.done(value, &format!("{bundle} can be imported\n"));
        return Ok(());
    }
    let imported = match is_stream {
        true => import_stream(&site, Box::new(std::io::stdin()), allow, progress)?,
        false => import(&site, &args.bundle, allow, progress)?,
    };
    let number = imported.generation.number;
    if !imported.pushes.failed.is_empty() {
        note(&format!("{} is published as generation {number}", imported.bundle));
    }
    for (name, published) in &imported.generation.published {
        published.notes.iter().for_each(|text| note(&format!("note: {name}: {text}")));
    }
    say_repaired(&imported.repaired);
    all_pushed(&imported.pushes)?;
    out.done(
        json!({
            "bundle": imported.bundle, "generation": number, "items": imported.items, "bytes": imported.bytes,
            "published": imported.generation.published.keys().collect::<Vec<_>>(), "dry_run": false,
            "repaired": imported.repaired, "pushed": imported.pushes.pushed,
        }),
        &format!(
            "{} is published as generation {number}: {} items, {}\n{}",
            imported.bundle,
            imported.items,
            Bytes(imported.bytes),
            words(&imported.pushes)
        ),
    );
    Ok(())
}

fn say_repaired(repaired: &[Damage]) {
    if !repaired.is_empty() {
        let pieces = pieces(repaired);
        note(&format!("note: the medium is damaged, and recovery data have repaired it: {pieces}; replace the medium"));
    }
}
