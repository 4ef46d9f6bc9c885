//! `gapferry recut`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;

use super::bundle_folder::listed;
use super::bundle_folder::{BundleFolder, look};
use super::environment::source_date_epoch;
use super::error::Failure;
use super::output::Output;
use super::passphrase::load_key;
use super::workspace::{CarryArgs, WorkspaceArgs};
use crate::bundle::Bundle;
use crate::export::Settings;
use crate::numbers::VolumeNumber;
use crate::progress::Progress;
use crate::recut::{answer, open, remembered, volumes};
use crate::workspace::Workspace;

/// Make again what of a bundle was lost or damaged, or what the site lacks for it
///
/// With --volumes, those volumes, byte for byte as they were, or all of them if none are named. With --request, the next bundle,
/// of the same content, which carries only what the site says that it lacks. What this command wrote can be copied to a medium
/// by `copy`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry recut dc1-base-000042 --out .\n  \
    gapferry recut out/dc1-base-000042 --volumes 3,7 --out /media/usb\n  \
    gapferry recut out/dc1-base-000042 --request dc1-base-000042.txt --out /media/usb --key builder.key")]
pub(super) struct RecutArgs {
    /// The bundle's folder, in which only the manifest and its signature must be there, or its name
    bundle: PathBuf,
    /// The volumes by number, as in volume-007.tar [default: all]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    volumes: Vec<VolumeNumber>,
    /// The file that `import` wrote to SITE/requests
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
    place: WorkspaceArgs,
    #[command(flatten)]
    carried: CarryArgs,
}

pub(super) fn run(args: &RecutArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let workspace = args.place.open()?;
    let mount_check = args.carried.mount_check();
    mount_check.output(&args.out)?;
    let bundle = find(args, &workspace)?;
    let Some(request) = &args.request else {
        let numbers: BTreeSet<VolumeNumber> = args.volumes.iter().copied().collect();
        let folder = volumes(&bundle, &numbers, &workspace, &args.out, progress)?;
        let numbers = if numbers.is_empty() {
            VolumeNumber::all().take(bundle.manifest.volumes.len()).collect()
        } else {
            numbers
        };
        out.done(json!({ "bundle": folder, "volumes": numbers }), &format!("{}\n", folder.display()));
        return Ok(());
    };
    let request = workspace.read_receipt(request, args.site_key.as_deref())?;
    let key = args.key.as_ref().map(|key| load_key(key, args.passphrase_file.as_ref())).transpose()?;
    let folder = args.place.folder()?;
    let created = source_date_epoch()?;
    let settings = Settings { mount_check, created, ..Settings::new(&args.out, &folder, key.as_ref(), progress) };
    let (folder, manifest) = answer(&bundle, &request, &settings, &workspace)?;
    let (name, bytes) = (manifest.folder(), manifest.carried_bytes());
    out.done(json!({ "bundle": folder, "name": name, "bytes": bytes }), &format!("{}\n", folder.display()));
    Ok(())
}

/// Opens the bundle where it is, or else as the workspace remembers it.
fn find(args: &RecutArgs, workspace: &Workspace) -> Result<Bundle, Failure> {
    let root = args.place.folder()?;
    let looked = match look(&args.bundle, Some(&root))? {
        BundleFolder::Found(folder) => return Ok(open(&folder)?),
        BundleFolder::Nowhere(looked) => looked,
    };
    let name = args.bundle.to_str().unwrap_or_default();
    let not_remembered = || {
        Failure::usage(format_args!(
            "there is no bundle {} in {}, and the workspace {} cannot make it again: only the last bundle of each name is \
             remembered, and only if it was signed when it was exported",
            args.bundle.display(),
            listed(&looked, " or "),
            root.display()
        ))
    };
    remembered(workspace, name, &args.out)?.ok_or_else(not_remembered)
}
