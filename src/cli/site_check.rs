//! `gapferry site check`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::error::Failure;
use super::output::{Output, note};
use super::snap_roots::open_site;
use crate::label::Label;
use crate::next_command;
use crate::progress::Progress;
use crate::site::{
    CheckOptions, CheckScope, CheckStart, FlawedFile, FlawedFiles, HealedFiles, SiteCheck, check, find, heal_flawed,
};
use crate::units::Bytes;

/// Read every file of a site again, and name what has changed on disk
///
/// Reads each blob, and each published file that is not a hard link to its blob, and compares their digests. What is wrong is
/// remembered, so that the next import that has it takes it from its medium, and gives the exit code 10. A check that was killed
/// is gone on with by the next one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry site check --site /srv/gapferry\n  \
    gapferry site check --rate '50 MB' --site /srv/gapferry\n  \
    gapferry site check --repair --from /media/usb --site /srv/gapferry\n  \
    gapferry site check --repair --known --from /media/usb --site /srv/gapferry")]
pub(super) struct SiteCheckArgs {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// Move wrong blobs to SITE/rotten and end their publication, link published files to good blobs again, and make generated
    /// files again
    #[arg(long)]
    repair: bool,
    /// Take blobs that are wrong or missing from bundles on this medium, which the site has imported before; may be repeated
    #[arg(long, value_name = "PATH", requires = "repair")]
    from: Vec<PathBuf>,
    /// Read only what is noted as bad, and find what is missing: heals what an earlier check has found, without reading the rest again
    #[arg(long, requires = "repair", conflicts_with = "restart")]
    known: bool,
    /// The most that is read in a second, such as "50 MB"
    #[arg(long, value_name = "BYTES", value_parser = rate)]
    rate: Option<Bytes>,
    /// Read everything, also what a check that was killed has read
    #[arg(long)]
    restart: bool,
}

fn rate(text: &str) -> Result<Bytes, String> {
    match text.parse::<Bytes>() {
        Ok(Bytes(0)) => Err("nothing could be read".to_owned()),
        other => other.map_err(|error| error.to_string()),
    }
}

pub(super) fn run(args: &SiteCheckArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    let media = match args.from.is_empty() {
        true => None,
        false => Some(find(&site, &args.from)?),
    };
    media.iter().flat_map(|media| &media.notes).for_each(|text| note(&format!("note: {text}")));
    let options = CheckOptions {
        flawed_files: if args.repair { FlawedFiles::MoveAway } else { FlawedFiles::Stay },
        rate: args.rate,
        start: if args.restart { CheckStart::Anew } else { CheckStart::GoOn },
        scope: if args.known { CheckScope::Known } else { CheckScope::Everything },
    };
    let mut found = check(&site, options, progress)?;
    let flawed: Vec<Value> = found.flawed.iter().map(|file| json!(file)).collect();
    found.flawed.iter().for_each(|file| note(&render(file)));
    let mut healed = HealedFiles::default();
    if args.repair && (media.is_some() || !found.flawed.is_empty()) {
        let say = |text: &str| note(&format!("note: {text}"));
        healed = heal_flawed(&site, std::mem::take(&mut found.flawed), media, &say, progress)?;
        found.flawed = std::mem::take(&mut healed.left);
    }
    let value = json!({
        "blobs": found.blobs, "tree_files": found.tree_files, "bytes": found.bytes, "blobs_before": found.blobs_before,
        "flawed": flawed, "healed": healed.healed, "left": found.flawed.len(), "generation": healed.generation,
        "repaired": args.repair, "known_only": args.known, "noted": found.is_noted,
    });
    if !found.flawed.is_empty() {
        let names: Vec<Label> = site.current()?.names.into_keys().collect();
        let words = advice(&args.site, &found, options.flawed_files, &names);
        return Err(Failure::SiteFlawed { words, value: Box::new(value) });
    }
    out.done(value, &done(&found, &healed, options.scope));
    Ok(())
}

fn done(found: &SiteCheck, healed: &HealedFiles, scope: CheckScope) -> String {
    let mut text = String::new();
    if healed.healed > 0 {
        text += &format!("{} files were not what they must be, and are healed\n", healed.healed);
    }
    if let Some(number) = healed.generation {
        text += &format!("generated files are made again, and published as generation {number}\n");
    }
    if scope == CheckScope::Known {
        return text + "nothing is known to be bad any more; all else was not read\n";
    }
    text += &format!(
        "all of {} blobs and {} published files with bytes of their own are what they must be: {} were read\n",
        found.blobs,
        found.tree_files,
        Bytes(found.bytes)
    );
    if found.blobs_before > 0 {
        text += &format!("{} of the blobs were read by a check that was interrupted\n", found.blobs_before);
    }
    text
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
        text += &format!("; wrong blobs are in {}/rotten now, and are no longer published", site.display());
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
        ". In the folder of a medium with {bundles}: `{}`. From any bundle that carries them: `{}`",
        next_command::import_here(site),
        next_command::heal_here(site)
    );
    if flawed_files == FlawedFiles::Stay {
        text += &format!(". Until then, `{}` ends their publication", next_command::site_repair(site));
    }
    if !found.is_noted {
        return text
            + ". This user cannot note them: run the check as the owner of the site, so that imports take them anew";
    }
    let receipts: Vec<String> = names.iter().map(|name| format!("`{}`", next_command::receipt(site, name))).collect();
    match receipts.is_empty() {
        true => text,
        false => {
            text + &format!(". Without a medium, {} tells the online side what is missing", receipts.join(" and "))
        }
    }
}
