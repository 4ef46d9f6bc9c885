//! `gapferry site check`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::error::Failure;
use super::output::{Output, note};
use super::snap_roots::open_site;
use crate::label::Label;
use crate::next_command;
use crate::progress::Progress;
use crate::site::{FlawedFile, FlawedFiles, SiteCheck, check};
use crate::units::Bytes;

/// Read every file of a site again, and name what has changed on disk
///
/// Reads each blob, and each published file that is not a hard link to its blob, and compares their digests. Without
/// --quarantine nothing is changed. What is wrong gives the exit code 4; `import --reread` heals it from a bundle.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapferry site check --site /srv/gapferry\n  gapferry site check --quarantine --site /srv/gapferry"
)]
pub(super) struct SiteCheckArgs {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// Move wrong blobs to SITE/quarantine and end their publication: an import that has them fetches them again
    #[arg(long)]
    quarantine: bool,
}

pub(super) fn run(args: &SiteCheckArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    let flawed_files = if args.quarantine { FlawedFiles::MoveAway } else { FlawedFiles::Stay };
    let found = check(&site, flawed_files, progress)?;
    let value = json!({
        "blobs": found.blobs, "tree_files": found.tree_files, "bytes": found.bytes, "flawed": found.flawed,
        "quarantined": args.quarantine,
    });
    if !found.flawed.is_empty() {
        found.flawed.iter().for_each(|file| note(&render(file)));
        let names: Vec<Label> = site.current()?.names.into_keys().collect();
        let words = advice(&args.site, &found, flawed_files, &names);
        return Err(Failure::SiteFlawed { words, value: Box::new(value) });
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

fn render(file: &FlawedFile) -> String {
    let mut text = format!("{} {}", file.path.display(), file.flaw.word());
    for needed in &file.needed_by {
        let collection = needed.collection.as_ref().map(|collection| format!("{collection}: ")).unwrap_or_default();
        text += &format!("\n  needed by {collection}{} (generation {})", needed.path, needed.generation);
    }
    text
}

fn advice(site: &Path, found: &SiteCheck, flawed_files: FlawedFiles, names: &[Label]) -> String {
    let needed: Vec<_> = found.flawed.iter().flat_map(|file| &file.needed_by).collect();
    let mut text = format!("{} files of {} are not what they must be", found.flawed.len(), site.display());
    if flawed_files == FlawedFiles::MoveAway {
        text += &format!("; wrong blobs are in {}/quarantine now, and are no longer published", site.display());
    }
    if needed.is_empty() {
        return text + &format!(": no generation needs them. `{}` removes them", next_command::gc(site));
    }
    let bundles: BTreeSet<&str> = needed.iter().filter_map(|needed| needed.bundle.as_deref()).collect();
    let bundles = match bundles.is_empty() {
        true => "any bundle of it".to_owned(),
        false => bundles.iter().copied().collect::<Vec<_>>().join(", "),
    };
    text += &format!(
        ". In the folder of a medium with {bundles}, or with an older bundle that carries them: `{}`",
        next_command::heal_here(site)
    );
    if flawed_files == FlawedFiles::Stay {
        return text + &format!(". Until then, `{}` ends their publication", next_command::site_quarantine(site));
    }
    let receipts: Vec<String> = names.iter().map(|name| format!("`{}`", next_command::receipt(site, name))).collect();
    match receipts.is_empty() {
        true => text,
        false => {
            text + &format!(". Without a medium, {} tells the online side what is missing", receipts.join(" and "))
        }
    }
}
