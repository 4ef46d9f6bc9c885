//! `gapferry site check`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::error::Failure;
use super::output::{Output, note};
use crate::progress::Progress;
use crate::selection::Bytes;
use crate::site::{FlawedFile, FlawedFiles, Site, SiteCheck, check};

/// Read every file of a site again, and name what has changed on disk
///
/// Reads each blob, and each published file that is not a hard link to its blob, and compares their digests. Without
/// --quarantine nothing is changed. What is wrong gives the exit code 4; `gapferry import MEDIUM --reread` heals it from a bundle.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapferry site check --site /srv/gapferry\n  gapferry site check --quarantine --site /srv/gapferry"
)]
pub(super) struct Args {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// Move wrong blobs to SITE/quarantine and end their publication: an import that has them fetches them again
    #[arg(long)]
    quarantine: bool,
}

pub(super) fn run(args: &Args, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let site = Site::open(&args.site)?;
    let flawed_files = if args.quarantine { FlawedFiles::MoveAway } else { FlawedFiles::Stay };
    let found = check(&site, flawed_files, progress)?;
    let value = json!({
        "blobs": found.blobs, "tree_files": found.tree_files, "bytes": found.bytes, "flawed": found.flawed,
        "quarantined": args.quarantine,
    });
    if !found.flawed.is_empty() {
        found.flawed.iter().for_each(|file| note(&words(file)));
        return Err(Failure::SiteFlawed { words: advice(&args.site, &found, args.quarantine), value: Box::new(value) });
    }
    let words = format!(
        "all of {} blobs and {} published files with bytes of their own are what they must be: {} were read\n",
        found.blobs,
        found.tree_files,
        Bytes(found.bytes)
    );
    out.done(value, &words);
    Ok(())
}

fn words(file: &FlawedFile) -> String {
    let mut text = format!("{} {}", file.path.display(), file.flaw.word());
    for needed in &file.needed_by {
        let collection = needed.collection.as_ref().map(|collection| format!("{collection}: ")).unwrap_or_default();
        text += &format!("\n  needed by {collection}{} (generation {})", needed.path, needed.generation);
    }
    text
}

fn advice(site: &Path, found: &SiteCheck, quarantined: bool) -> String {
    let site = site.display();
    let needed: Vec<_> = found.flawed.iter().flat_map(|file| &file.needed_by).collect();
    let mut text = format!("{} files of {site} are not what they must be", found.flawed.len());
    if quarantined {
        text += &format!("; wrong blobs are in {site}/quarantine now, and are published no more");
    }
    if needed.is_empty() {
        return text + &format!(": no generation needs them, and `gapferry gc --site {site}` removes them");
    }
    let bundles: BTreeSet<&str> = needed.iter().filter_map(|needed| needed.bundle.as_deref()).collect();
    let bundles = if bundles.is_empty() {
        "any bundle of it".to_owned()
    } else {
        bundles.into_iter().collect::<Vec<_>>().join(", ")
    };
    text += &format!(
        ": mount a medium with {bundles}, or with an older bundle that carries them, and run `gapferry import MEDIUM --reread --site {site}`"
    );
    if !quarantined {
        text += &format!("; until then, `gapferry site check --quarantine --site {site}` ends their publication");
    }
    text + &format!(
        "; without a medium, `gapferry receipt --site {site}` tells the online side what is missing after --quarantine"
    )
}
