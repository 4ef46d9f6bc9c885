//! `gapferry export`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::error::Failure;
use super::output::{Output, note, stdout, sync, warn, warn_of_changes, warn_of_refusals};
use super::passphrase::load_key;
use super::snap_roots::snap_roots;
use super::workspace::{CarryArgs, WorkspaceArgs};
use crate::bundle::names::{MANIFEST, PACKING};
use crate::bundle::packing::Packing;
use crate::bundle::send_stream::send;
use crate::bundle::{BundleError, STREAM_NAME};
use crate::error_class::Fault;
use crate::export::{ExportError, Exported, Settings, Travel, export};
use crate::fetch::FetchOptions;
use crate::media::MountCheck;
use crate::next_command;
use crate::numbers::VolumeNumber;
use crate::progress::Progress;
use crate::selection::Selection;
use crate::site::SiteError;
use crate::storage::capacity::FreeSpace;
use crate::terminal::safe;
use crate::time::{MalformedTime, Time};
use crate::trust::{MANIFEST_NAMESPACE, PACKING_NAMESPACE};
use crate::units::Bytes;
use crate::workspace::DeliveryEvidence;

/// Collect what a selection asks for, pack it into the next bundle, and sign it
///
/// Prints the bundle's folder. Where clients would see nothing new, no bundle is written and the exit code is 3. A run that
/// was killed is finished by the same command.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapferry export manifests/host-packages.toml --out /media/usb --key builder.key\n  \
    gapferry export dc1.toml --out . --key builder.key --dry-run --json\n  \
    gapferry export dc1.toml --to - --key builder.key | nc diode 4242"
)]
pub(super) struct ExportArgs {
    /// The selection: a TOML file (docs/selection.md)
    selection: PathBuf,
    /// The folder to write the bundle's folder to; if that is on a medium, `copy` reads it back there
    #[arg(long, value_name = "DIR", required_unless_present = "to")]
    out: Option<PathBuf>,
    /// Write the bundle to stdout as one stream, for `import -` at the end of a diode or pipe
    #[arg(long, value_name = "-", value_parser = ["-"], conflicts_with_all = ["out", "dry_run", "collect_only", "unsigned"])]
    to: Option<String>,
    /// The builder's secret key, in OpenSSH's format
    #[arg(long, value_name = "KEY", required_unless_present_any = ["unsigned", "dry_run", "collect_only"])]
    key: Option<PathBuf>,
    /// The first line of FILE opens the key
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    place: WorkspaceArgs,
    #[command(flatten)]
    carried: CarryArgs,
    /// Say what would be carried and fetched, and write no bundle
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Fetch into the workspace, and write no bundle
    #[arg(long, conflicts_with = "dry_run")]
    collect_only: bool,
    /// Write no signature: a signing room adds it with `ssh-keygen -Y sign -n gapferry-manifest`
    #[arg(long, conflicts_with = "key")]
    unsigned: bool,
    /// Write a bundle even if nothing is new
    #[arg(long)]
    force: bool,
    /// Carry everything, also what the site is known to hold, and read every file of this machine again
    #[arg(long)]
    full: bool,
    /// Take upstream's metadata though the last bundle had newer, or another image stream
    #[arg(long)]
    allow_older_upstream: bool,
    /// Take images that have other bytes than in the last bundle under the same version
    #[arg(long)]
    allow_changed_items: bool,
    /// Begin whatever --out says of its free space: some drivers for FAT always say 0
    #[arg(long)]
    ignore_free_space: bool,
    /// Files fetched side by side
    #[arg(long, value_name = "N", default_value_t = 8)]
    jobs: usize,
    /// Certificates to trust for https besides the platform's (PEM)
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

pub(super) fn run(args: &ExportArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let mut selection = Selection::load(&args.selection)?;
    if args.to.is_some() {
        // A stream is read forwards only, so nothing could be repaired with them.
        (selection.recovery, selection.spare_volumes) = Default::default();
    }
    let key = args.key.as_ref().map(|key| load_key(key, args.passphrase_file.as_ref())).transpose()?;
    let workspace = args.place.folder()?;
    let out_folder = args.out.clone().unwrap_or_else(|| workspace.join(OUTGOING));
    let settings = Settings {
        out: &out_folder,
        mount_check: match args.to {
            Some(_) => MountCheck::Skipped, // the folder is the workspace's
            None => args.carried.mount_check(),
        },
        workspace: &workspace,
        named_workspace: WorkspaceArgs::named(&workspace),
        created: source_date_epoch()?,
        key: key.as_ref(),
        fetch: FetchOptions { concurrency: args.jobs, ca_file: args.ca_file.clone(), ..FetchOptions::default() },
        dry_run: args.dry_run,
        collect_only: args.collect_only,
        force: args.force,
        full: args.full,
        allow_older_upstream: args.allow_older_upstream,
        allow_changed_items: args.allow_changed_items,
        free_space: if args.ignore_free_space { FreeSpace::Ignored } else { FreeSpace::Checked },
        snap_roots: snap_roots(),
        progress,
    };
    if args.to.is_some() {
        return to_stdout(&selection, &settings, out);
    }
    let exported = export(&selection, &settings)?;
    exported.tally.notes.borrow().iter().for_each(|text| note(&format!("note: {text}")));
    if let Some(folder) = exported.folder.as_ref().filter(|_| key.is_none()) {
        let manifest = next_command::sign(&folder.join(MANIFEST), MANIFEST_NAMESPACE);
        note(&format!("the bundle is not signed yet: where the builder's key is, run {manifest}"));
        if let Some(packing) = &exported.packing {
            let packing = packing.folder().map_err(BundleError::in_file(folder))?;
            let command = next_command::sign(&folder.join(packing).join(PACKING), PACKING_NAMESPACE);
            note(&format!("and for its packing {command}"));
        }
    }
    warn(&exported.warnings);
    warn_of_changes(&exported.changed_items);
    warn_of_refusals(&exported.changed_items);
    if exported.replaced > 0 {
        note(&format!("{} files in the workspace had changed on disk, and were fetched again", exported.replaced));
    }
    exported.tally.missing_indexes.borrow().iter().for_each(|missing| note(&missing.to_string()));
    say(&exported, args, out);
    Ok(())
}

/// Below the workspace: bundles that are to be sent.
const OUTGOING: &str = "outgoing";

/// Sends the next bundle as a stream. It is removed when all of it has been taken; until then, the same command sends it again.
fn to_stdout(selection: &Selection, settings: &Settings<'_>, out: &Output) -> Result<(), Failure> {
    if out.is_json() {
        return Err(Failure::usage("stdout has the stream: leave --json away"));
    }
    let folder = match export(selection, settings) {
        Ok(exported) => {
            exported.tally.notes.borrow().iter().for_each(|text| note(&format!("note: {text}")));
            warn(&exported.warnings);
            warn_of_changes(&exported.changed_items);
            warn_of_refusals(&exported.changed_items);
            exported.folder
        }
        Err(ExportError::NothingNew { bundle, .. }) if settings.out.join(&bundle).exists() => {
            Some(settings.out.join(bundle))
        }
        Err(error) => return Err(error.into()),
    };
    let no_bundle = || Failure::usage("a stream needs a bundle: leave --dry-run and --collect-only away");
    let folder = folder.ok_or_else(no_bundle)?;
    let mut stdout = stdout().map_err(SiteError::io("open", Path::new(STREAM_NAME)))?;
    send(&folder, &mut stdout, settings.progress)?;
    sync(&stdout).map_err(SiteError::io("write to", Path::new(STREAM_NAME)))?;
    // Those before it are of no more use: this one came later.
    std::fs::remove_dir_all(settings.out).map_err(SiteError::io("remove", settings.out))?;
    note(&format!("sent {}", folder.file_name().unwrap_or_default().display()));
    Ok(())
}

fn say(exported: &Exported, args: &ExportArgs, out: &Output) {
    let dry_run = args.dry_run;
    let manifest = &exported.manifest;
    let ((files, bytes), (missing, missing_bytes)) = (exported.tally.selected.get(), exported.tally.missing.get());
    let volumes: Vec<_> = exported.packing.iter().flat_map(volumes).collect();
    let collections: Vec<_> = exported
        .collections
        .iter()
        .map(|c| json!({ "kind": c.kind, "name": c.name, "origin": c.origin, "items": c.items }))
        .collect();
    let Travel { bytes: carried, of, patches } = &exported.travel;
    let value = json!({
        "bundle": exported.folder, "name": manifest.folder(), "sequence": manifest.sequence,
        "expires": manifest.expires, "volumes": volumes, "collections": collections,
        "packing": exported.packing.as_ref().and_then(|packing| packing.parameters.id().ok()),
        "selected": { "files": files, "bytes": bytes }, "fetched": { "files": missing, "bytes": missing_bytes },
        "dry_run": dry_run, "finished_by_an_earlier_run": exported.found_finished,
        "replaced": exported.replaced, "missing_indexes": *exported.tally.missing_indexes.borrow(),
        "warnings": exported.warnings, "changed_items": exported.changed_items,
        "patches": { "parts": patches.parts, "bytes": patches.bytes, "stored": patches.stored },
        "carried": { "bytes": carried, "of": of },
        "base": exported.base.as_ref().map(|base| json!({ "sequence": base.state.sequence, "how": base.how.word() })),
    });
    let mut words = String::new();
    for c in &exported.collections {
        let (kind, origin) = (c.kind, safe(c.origin.as_str()));
        words += &format!("{:>8} items  {kind}/{}  from {origin}\n", c.items, c.name);
    }
    words += &delta(exported);
    match &exported.folder {
        Some(folder) => words += &format!("{}\n", folder.display()),
        None if args.collect_only => {
            words += &format!("the workspace has all of it: {files} files, {}\n", Bytes(bytes))
        }
        None => {
            words += &format!(
                "{} would carry {files} files, {}, and fetch {missing} of them, {}\n",
                manifest.folder(),
                Bytes(bytes),
                Bytes(missing_bytes)
            );
        }
    }
    out.done(value, &words);
}

/// What a delta builds on, and how much of the whole it carries.
fn delta(exported: &Exported) -> String {
    let Some(base) = &exported.base else { return String::new() };
    let how = match base.how {
        DeliveryEvidence::Receipt => "the site says that it has",
        DeliveryEvidence::Confirmed => "you say that the site has",
        DeliveryEvidence::Overlap => "the overlap trusts that the site has",
    };
    let Travel { bytes, of, patches } = &exported.travel;
    let carried = match exported.folder {
        None => String::new(),
        Some(_) => format!(": {} of {} travel", Bytes(*bytes), Bytes(*of)),
    };
    let patched = match patches.parts {
        0 => String::new(),
        _ => format!(", {} of it as patches of {}", Bytes(patches.bytes), Bytes(patches.stored)),
    };
    format!("what is new since sequence {}, which {how}{carried}{patched}\n", base.state.sequence)
}

/// The volumes of a packing, by their paths in the bundle's folder, for programs.
pub(super) fn volumes(packing: &Packing) -> Vec<Value> {
    let file = |number: VolumeNumber| packing.volume_file(number).unwrap_or_default();
    VolumeNumber::all()
        .zip(&packing.volumes)
        .map(|(number, volume)| json!({ "file": file(number), "size": volume.size }))
        .collect()
}

/// Returns the time of `$SOURCE_DATE_EPOCH` (reproducible-builds.org/specs/source-date-epoch), `None` if it is not set.
fn source_date_epoch() -> Result<Option<Time>, Failure> {
    let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let time = text.parse().map_err(|_| MalformedTime).and_then(Time::from_unix);
    Ok(Some(time.map_err(|error| Fault::usage("SOURCE_DATE_EPOCH is wrong").because(error))?))
}
