//! `gapferry recut`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;

use super::error::Failure;
use super::output::Output;
use super::passphrase::load_key;
use super::workspace::{Carried, Place};
use crate::export::Settings;
use crate::progress::Progress;
use crate::recut::{answer, open, volumes};

/// Make again what of a bundle was lost or damaged, or what the site lacks for it
///
/// With --volumes, those volumes, byte for byte as they were. With --request, the next bundle, of the same content, which
/// carries only what the site says that it lacks.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry recut out/dc1-base-000042 --volumes 3,7 --out /media/usb\n  \
    gapferry recut out/dc1-base-000042 --request dc1-base-000042.txt --out /media/usb --key builder.key")]
pub(super) struct Args {
    /// The bundle's folder; of its files only the manifest and its signature must be there
    bundle: PathBuf,
    /// The volumes by number, as in volume-007.tar
    #[arg(long, value_name = "N", value_delimiter = ',', required_unless_present = "request")]
    volumes: Vec<u64>,
    /// What `gapferry import` wrote to SITE/requests
    #[arg(long, value_name = "FILE", conflicts_with = "volumes", requires = "key")]
    request: Option<PathBuf>,
    /// The site's public key, where it is not known yet: SITE/current/keys/site.asc
    #[arg(long, value_name = "FILE", requires = "request")]
    site_key: Option<PathBuf>,
    /// Where the bundle's folder goes
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The builder's secret key, in OpenSSH's format
    #[arg(long, value_name = "KEY")]
    key: Option<PathBuf>,
    /// The first line of FILE opens the key
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    carried: Carried,
}

pub(super) fn run(args: &Args, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let bundle = open(&args.bundle)?;
    let workspace = args.place.open()?;
    let mount_check = args.carried.mount_check();
    mount_check.output(&args.out)?;
    let Some(request) = &args.request else {
        let numbers: BTreeSet<u64> = args.volumes.iter().copied().collect();
        let folder = volumes(&bundle, &numbers, &workspace.depot, &args.out, progress)?;
        out.done(json!({ "bundle": folder, "volumes": numbers }), &format!("{}\n", folder.display()));
        return Ok(());
    };
    let request = workspace.read_receipt(request, args.site_key.as_deref())?;
    let key = args.key.as_ref().map(|key| load_key(key, args.passphrase_file.as_ref())).transpose()?;
    let folder = args.place.folder()?;
    let settings = Settings { mount_check, ..Settings::new(&args.out, &folder, key.as_ref(), progress) };
    let (folder, manifest) = answer(&bundle, &request, &settings, &workspace)?;
    let (name, bytes) = (manifest.folder(), manifest.carried_bytes());
    out.done(json!({ "bundle": folder, "name": name, "bytes": bytes }), &format!("{}\n", folder.display()));
    Ok(())
}
