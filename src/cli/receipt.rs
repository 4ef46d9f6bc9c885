//! `gapferry receipt`.

use std::path::PathBuf;

use serde_json::json;

use super::error::Failure;
use super::output::{Output, note};
use super::snap_roots::open_site;
use super::workspace::CarryArgs;
use crate::label::Label;
use crate::next_command;
use crate::storage::write_atomically;

/// Say to the online side which bundle this site has, so that the next one carries only what is new
///
/// A small text that people can read, signed by the site's key. Where nothing may leave the site, do without: `confirm
/// BUNDLE` on the online side says the same on an operator's word, and `overlap` in the selection needs neither.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry receipt --site /srv/gapferry --out /media/usb/dc1-base.receipt\n  \
    gapferry receipt --site /srv/gapferry --name images")]
pub(super) struct ReceiptArgs {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// Which bundles, where the site has several kinds
    #[arg(long)]
    name: Option<Label>,
    /// Write it to FILE and not to stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    carried: CarryArgs,
}

pub(super) fn run(args: &ReceiptArgs, out: &Output) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    let names = site.current()?.names;
    let is_known = args.name.as_ref().is_none_or(|name| names.contains_key(name));
    let name = match (&args.name, names.len()) {
        (Some(name), _) => name.clone(),
        (None, 1) => names.into_keys().next().ok_or_else(|| Failure::usage("give --name NAME"))?,
        (None, 0) => return Err(Failure::usage("nothing has been imported yet: give --name NAME")),
        (None, _) => {
            let names: Vec<String> = names.keys().map(ToString::to_string).collect();
            return Err(Failure::usage(format!("give --name NAME, one of {}", names.join(", "))));
        }
    };
    if !is_known {
        note(&format!("note: this site has had no bundle named {name}, and the receipt says so"));
    }
    let text = site.receipt(&name)?;
    let Some(path) = &args.out else {
        out.done(json!({ "receipt": text }), &text);
        return Ok(());
    };
    let path = std::path::absolute(path).map_err(crate::site::SiteError::io("find", path))?;
    args.carried.mount_check().output(&path)?;
    write_atomically(&path, text.as_bytes(), 0o644)?;
    let key = [args.site.join("current"), site.generation_folder(site.current()?.number)];
    let [key, key_of_copy] = key.map(|folder| folder.join("keys/site.asc"));
    let key = if key.is_file() { key } else { key_of_copy }; // without symbolic links, `current` is no folder
    let next = format!(
        "{}\nTake it to the online host, with a copy of {}, and run there, where both files are:\n  {}\n",
        path.display(),
        key.display(),
        next_command::confirm_receipt(&path)
    );
    out.done(json!({ "receipt": text, "written": path }), &next);
    Ok(())
}
