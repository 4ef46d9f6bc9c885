//! `gapferry store-assertion`.

use std::path::PathBuf;

use serde_json::json;

use super::error::Failure;
use super::output::Output;
use super::snap_roots::open_site;
use crate::setup::snapd::{CERTIFICATE, commands};
use crate::site::keep_store_assertion;
use crate::terminal::safe;

/// Keep your own store assertion at a site, so that devices find its snap store with `proxy.store`
///
/// FILE is what `store-admin register --offline URL` got from Canonical: the assertion about your store, and those that it
/// rests on. It is verified down to Canonical's root key. `serve` must then answer at the URL that stands in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gapferry store-assertion --site /srv/gapferry store.assert")]
pub(super) struct StoreAssertionArgs {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// The assertions
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(args: &StoreAssertionArgs, out: &Output) -> Result<(), Failure> {
    let kept = keep_store_assertion(&open_site(&args.site)?, &args.file)?;
    let commands = commands(&kept);
    let mut words = format!("store {} at {}\n\nOn each client:\n", safe(&kept.store), kept.url);
    commands.iter().for_each(|command| words.push_str(&format!("  {command}\n")));
    if kept.url.scheme() == "https" {
        words.push_str(&format!("With a certificate by an authority of your own, before that:\n  {CERTIFICATE}\n"));
    }
    out.done(json!({ "store": kept.store, "url": kept.url, "commands": commands }), &words);
    Ok(())
}
