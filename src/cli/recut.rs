//! `gapferry recut`.

use std::path::PathBuf;

use serde_json::json;

use super::bundle_folder::listed;
use super::bundle_folder::{BundleFolder, look};
use super::error::Failure;
use super::output::Output;
use super::passphrase::load_key;
use super::workspace::{CarryArgs, WorkspaceArgs};
use crate::bundle::state::OpenState;
use crate::export::Settings;
use crate::numbers::VolumeNumber;
use crate::progress::Progress;
use crate::recut::{Repacked, VolumeChoice, answer, open, remembered, repack, volumes};
use crate::units::Bytes;
use crate::workspace::Workspace;

/// Pack a bundle again: lost volumes, smaller volumes, or what the site lacks of it
///
/// By default, volumes byte for byte as they were, or those of them that --volumes names. With --volume-size, another packing of the
/// same content. With --request, a packing of what the site says that it lacks. The bundle stays the same: its manifest, its
/// sequence and its approvals. What this command wrote can be copied to a medium by `copy`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry recut dc1-base-000042 --out .\n  \
    gapferry recut out/dc1-base-000042 --volumes 3,7 --out /media/usb\n  \
    gapferry recut dc1-base-000042 --volume-size '4 GB' --out . --key builder.key\n  \
    gapferry recut out/dc1-base-000042 --request dc1-base-000042.txt --out /media/usb --key builder.key")]
pub(super) struct RecutArgs {
    /// The bundle's folder, in which only the manifest and its signature must be there, or its name
    bundle: PathBuf,
    /// The volumes by number, as in volume-007.tar [default: all]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    volumes: Vec<VolumeNumber>,
    /// The packing, as in packings/ID [default: the only one]
    #[arg(long, value_name = "ID", conflicts_with = "request")]
    packing: Option<String>,
    /// Pack the same content into volumes of at most this size
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["volumes", "request"], requires = "key")]
    volume_size: Option<Bytes>,
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
    let state = find(args, &workspace)?;
    let choice = VolumeChoice { packing: args.packing.clone(), numbers: args.volumes.iter().copied().collect() };
    let key = args.key.as_ref().map(|key| load_key(key, args.passphrase_file.as_ref())).transpose()?;
    let folder = args.place.folder()?;
    let named_workspace = WorkspaceArgs::named(&folder);
    let settings =
        Settings { mount_check, named_workspace, ..Settings::new(&args.out, &folder, key.as_ref(), progress) };
    let repacked = match (&args.request, args.volume_size) {
        (Some(request), _) => {
            let request = workspace.read_receipt(request, args.site_key.as_deref())?;
            answer(&state, &request, &settings, &workspace)?
        }
        (None, Some(size)) => repack(&state, &choice, size, &settings, &workspace)?,
        (None, None) => {
            let made = volumes(&state, &choice, &settings, &workspace)?;
            let value = json!({ "bundle": made.folder, "packing": made.packing, "volumes": made.numbers });
            out.done(value, &format!("{}\n", made.folder.display()));
            return Ok(());
        }
    };
    let Repacked { folder, packing, bytes } = repacked;
    let value = json!({
        "bundle": folder, "name": state.manifest.folder(), "packing": packing.parameters.id().ok(), "bytes": bytes,
        "volumes": super::export::volumes(&packing),
    });
    out.done(value, &format!("{}\n", folder.display()));
    Ok(())
}

/// Opens the bundle where it is, or else as the workspace remembers it.
fn find(args: &RecutArgs, workspace: &Workspace) -> Result<OpenState, Failure> {
    let root = args.place.folder()?;
    let looked = match look(&args.bundle, Some(&root))? {
        BundleFolder::Found(folder) => return Ok(open(&folder)?),
        BundleFolder::Nowhere(looked) => looked,
    };
    let name = args.bundle.to_str().unwrap_or_default();
    let not_remembered = || {
        Failure::usage(format_args!(
            "there is no bundle {} in {}, and the workspace {} cannot make it again: only the last bundles of each name are \
             remembered, and only if they were signed when they were exported",
            args.bundle.display(),
            listed(&looked, " or "),
            root.display()
        ))
    };
    remembered(workspace, name, &args.out)?.ok_or_else(not_remembered)
}
