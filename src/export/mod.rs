//! Exports: collect, pack, sign. The online side from a selection to a finished bundle.

mod compare;
mod revisions;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use self::compare::{SameVersion, client_warnings, no_same_version, not_another_stream, not_older, same_for_clients};
use self::revisions::older;
use crate::bundle::manifest::FORMAT;
use crate::bundle::pack::{PackPlan, pack};
use crate::bundle::{BundleError, Manifest, Signed, names};
use crate::collect::access;
use crate::collect::stat_cache::StatCache;
use crate::collect::{CollectContext, CollectError, Tally, collect};
use crate::collection::Collection;
use crate::collection_change::ClientWarning;
use crate::depot::DepotError;
use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::fetch::{FetchError, FetchOptions, Fetcher};
use crate::formats::assertions::Trust;
use crate::media::{MountCheck, NotMounted};
use crate::next_command::{self, ShellCommand};
use crate::numbers::Sequence;
use crate::progress::Progress;
use crate::selection::{Selection, SelectionError};
use crate::storage::capacity::FreeSpace;
use crate::time::Time;
use crate::trust::{MANIFEST_NAMESPACE, OlderUpstream, OtherStream, SecretKey, TrustError, sign};
use crate::workspace::{DeliveryBase, Last, Workspace, WorkspaceError};

/// What an export works with.
pub struct Settings<'a> {
    /// Where bundles go.
    pub out: &'a Path,
    /// Controls the check that `out` is mounted if it is below a folder for media.
    pub mount_check: MountCheck,
    /// The online side's memory.
    pub workspace: &'a Path,
    /// The workspace that printed commands name; `None` if they use it anyway.
    pub named_workspace: Option<&'a Path>,
    /// When the bundle is made; `None` for the system's clock.
    pub created: Option<Time>,
    /// Signs the manifest; none leaves that to a signing room.
    pub key: Option<&'a SecretKey>,
    /// How to fetch.
    pub fetch: FetchOptions,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Fetch into the workspace, and write no bundle.
    pub collect_only: bool,
    /// Make a bundle even if nothing is new.
    pub force: bool,
    /// Carry everything, also what the site is known to hold.
    pub full: bool,
    /// Take upstream's metadata though the last bundle had newer.
    pub allow_older_upstream: bool,
    /// Checks the free space of `out` first, or ignores it.
    pub free_space: FreeSpace,
    /// Whom assertions about snaps have to end in: [`Trust::roots`], but in the demo.
    pub snap_roots: &'a Trust,
    /// Shows how far it is.
    pub progress: &'a Progress,
}

impl<'a> Settings<'a> {
    /// An export as it usually is: of what is new, with the real store's roots.
    pub fn new(out: &'a Path, workspace: &'a Path, key: Option<&'a SecretKey>, progress: &'a Progress) -> Self {
        Self {
            out,
            mount_check: MountCheck::Enforced,
            workspace,
            named_workspace: Some(workspace),
            created: None,
            key,
            fetch: FetchOptions::default(),
            dry_run: false,
            collect_only: false,
            force: false,
            full: false,
            allow_older_upstream: false,
            free_space: FreeSpace::Checked,
            snap_roots: Trust::roots(),
            progress,
        }
    }
}

/// What an export did, or would do.
#[derive(Debug)]
pub struct Exported {
    /// The bundle's folder; none for a dry run, and where only collecting was asked for.
    pub folder: Option<PathBuf>,
    /// The manifest; of a dry run without blobs and volumes.
    pub manifest: Manifest,
    /// How much payload was selected and fetched.
    pub tally: Tally,
    /// What the site holds already, on which the bundle builds; none where it carries everything.
    pub base: Option<DeliveryBase>,
    /// Whether the bundle was finished by an earlier run that was interrupted.
    pub found_finished: bool,
    /// How many files of the workspace had changed on disk, and were replaced.
    pub replaced: u64,
    /// Warnings that clients will not find what they find now.
    pub warnings: Vec<ClientWarning>,
}

/// Why there is no bundle.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(
        "nothing is new since {bundle}: no bundle was written. If {bundle} was lost on its way, make the same one again: \
         `{again}`; --force makes another one"
    )]
    NothingNew { bundle: String, again: ShellCommand },
    #[error(transparent)]
    NotMounted(#[from] NotMounted),
    #[error("{} is in the way: it is not the bundle that comes next; move it away, or give another --out", path.display())]
    InTheWay { path: PathBuf },
    #[error(
        "{collection} is in the bundles named {other} for this site too, and the site takes a collection from one bundle name only: give it \
         another name in one of the selections; if {other} is no longer made, remove {}", path.display()
    )]
    Collides { collection: String, other: String, path: PathBuf },
    #[error(transparent)]
    Older(#[from] OlderUpstream),
    #[error(transparent)]
    OtherStream(#[from] OtherStream),
    #[error(transparent)]
    SameVersion(#[from] SameVersion),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Collect(#[from] CollectError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl ExportError {
    /// Whether something in the workspace changed on disk.
    fn is_rot(&self) -> bool {
        match self {
            Self::Bundle(BundleError::Depot(DepotError::DigestMismatch { .. })) => true,
            Self::Collect(error) => error.is_rot(),
            _ => false,
        }
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NothingNew { .. } => ErrorClass::NothingNew,
            Self::Older(_) | Self::OtherStream(_) => ErrorClass::Refused,
            Self::InTheWay { .. } | Self::Collides { .. } | Self::NotMounted(_) | Self::SameVersion(_) => {
                ErrorClass::Usage
            }
            Self::Fetch(error) => error.class(),
            Self::Collect(error) => error.class(),
            Self::Bundle(error) => error.class(),
            Self::Workspace(error) => error.class(),
            Self::Selection(error) => error.class(),
            Self::Trust(error) => error.class(),
        }
    }
}

/// Makes the next bundle of the selection. What has rotted in the workspace is fetched again.
pub fn export(selection: &Selection, settings: &Settings<'_>) -> Result<Exported, ExportError> {
    if !settings.dry_run && !settings.collect_only {
        settings.mount_check.output(settings.out)?; // collecting may take hours
    }
    let workspace = Workspace::open(settings.workspace)?;
    match attempt(selection, settings, &workspace) {
        Err(error) if error.is_rot() => {
            let replaced = workspace.depot.remove_rotten().map_err(BundleError::from)?;
            attempt(selection, settings, &workspace).map(|exported| Exported { replaced, ..exported })
        }
        other => other,
    }
}

fn attempt(selection: &Selection, settings: &Settings<'_>, workspace: &Workspace) -> Result<Exported, ExportError> {
    let mut notes = Vec::new();
    let access = access::of_selection(selection, &mut notes)?;
    let fetcher = Fetcher::new(FetchOptions { access, ..settings.fetch.clone() })?;
    let (site, name) = (&selection.site, &selection.name);
    let seen = if settings.full { StatCache::default() } else { workspace.seen(site, name) };
    let with = CollectContext {
        fetcher: &fetcher,
        depot: &workspace.depot,
        seen: &seen,
        progress: settings.progress,
        snap_roots: settings.snap_roots,
        now: Time::now(),
        tally: Tally::default(),
        dry_run: settings.dry_run,
    };
    with.tally.say(notes);
    // What is large takes as long to parse as to look at.
    let (collections, (last, others)) = thread::scope(|scope| {
        let last = scope.spawn(|| (workspace.last(site, name), workspace.others(site, name)));
        (collect(selection, &with), last.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (collections, mut last) = (collections?, last?);
    if !settings.dry_run {
        workspace.note_seen(site, name, &seen)?;
    }
    for other in &others? {
        let ours = |folder: &String| collections.iter().any(|collection| collection.folder() == *folder);
        if let Some(collection) = other.manifest.collections.iter().map(Collection::folder).find(ours) {
            let path = workspace.history_path(site, &other.manifest.name);
            return Err(ExportError::Collides { collection, other: other.manifest.name.to_string(), path });
        }
    }
    let warn = |last: Option<&Last>| {
        last.map(|last| client_warnings(&last.manifest.collections, &collections)).unwrap_or_default()
    };
    let mut warnings = warn(last.as_ref());
    if settings.collect_only {
        let manifest = header(selection, settings.created.unwrap_or_else(Time::now), collections, last.as_ref())?;
        return Ok(Exported {
            folder: None,
            manifest,
            tally: with.tally,
            base: None,
            found_finished: false,
            replaced: 0,
            warnings,
        });
    }
    if let Some((folder, found)) = finished_earlier(selection, settings, workspace, last.as_ref())? {
        if same_for_clients(&found.manifest.collections, &collections) {
            let (manifest, tally) = (found.manifest, with.tally);
            return Ok(Exported {
                folder: Some(folder),
                manifest,
                tally,
                base: None,
                found_finished: true,
                replaced: 0,
                warnings,
            });
        }
        last = Some(found);
        let since_then = warn(last.as_ref()).into_iter().filter(|warning| !warnings.contains(warning));
        warnings.extend(since_then.collect::<Vec<_>>());
    }
    if let Some(last) = last.as_ref().filter(|last| !settings.force && is_nothing_new(last, selection, &collections)) {
        let bundle = last.manifest.folder();
        let again = next_command::recut(Path::new(&bundle), &BTreeSet::new(), settings.out, settings.named_workspace);
        return Err(ExportError::NothingNew { bundle, again });
    }
    if let Some(last) = &last {
        no_same_version(&last.manifest.collections, &collections)?;
    }
    if let Some(last) = last.as_ref().filter(|_| !settings.allow_older_upstream) {
        not_older(&last.manifest.collections, &collections)?;
        not_another_stream(&last.manifest.collections, &collections, &workspace.depot)?;
    }
    let manifest = header(selection, settings.created.unwrap_or_else(Time::now), collections, last.as_ref())?;
    let same_epoch = last.as_ref().filter(|last| last.manifest.epoch == selection.epoch && !settings.full);
    let base = same_epoch.map(|last| workspace.base(last, selection.overlap)).transpose()?.flatten();
    let tally = with.tally;
    if settings.dry_run {
        return Ok(Exported { folder: None, manifest, tally, base, found_finished: false, replaced: 0, warnings });
    }
    let held = base.as_ref().map(|base| base.held.clone()).unwrap_or_default();
    // It may be large, and is not needed any more while the next one is made.
    let last = last.filter(|_| selection.patches);
    let older = last.map(|last| older(&last.manifest, &manifest.collections, &held)).unwrap_or_default();
    let (volume_bytes, recovery, free_space) = (selection.volume_size.0, selection.recovery(), settings.free_space);
    let plan = PackPlan { manifest, held, older, volume_bytes, recovery, free_space };
    let (folder, manifest) = write(plan, settings, workspace, selection.overlap)?;
    Ok(Exported { folder: Some(folder), manifest, tally, base, found_finished: false, replaced: 0, warnings })
}

/// Packs, signs and records the next bundle.
pub(crate) fn write(
    plan: PackPlan,
    settings: &Settings<'_>,
    workspace: &Workspace,
    overlap: Option<u64>,
) -> Result<(PathBuf, Manifest), ExportError> {
    settings.mount_check.output(settings.out)?;
    let packed = pack(plan, &workspace.depot, settings.out, settings.progress)?;
    let signature = settings.key.map(|key| sign(key, MANIFEST_NAMESPACE, packed.text.as_bytes())).transpose()?;
    workspace.announce(&packed.manifest, packed.text.as_bytes())?;
    let (folder, manifest, text) = packed.publish(signature.as_deref())?;
    workspace.record(&folder, &manifest, text.as_bytes(), overlap)?;
    Ok((folder, manifest))
}

/// The manifest, with no blobs and volumes yet.
fn header(
    selection: &Selection,
    created: Time,
    collections: Vec<Collection>,
    last: Option<&Last>,
) -> Result<Manifest, ExportError> {
    Ok(Manifest {
        blobs: Vec::new(),
        collections,
        created,
        epoch: selection.epoch,
        expires: created.plus(i64::from(selection.expires.0) * 24 * 3600),
        format: FORMAT,
        generator: format!("gapferry {}", env!("CARGO_PKG_VERSION")),
        name: selection.name.clone(),
        previous: last.map(|last| last.digest),
        sequence: next_sequence(selection, last),
        site: selection.site.clone(),
        volumes: Vec::new(),
    })
}

/// A new epoch starts afresh.
fn next_sequence(selection: &Selection, last: Option<&Last>) -> Sequence {
    let same_epoch = last.filter(|last| last.manifest.epoch == selection.epoch);
    same_epoch.map_or(Sequence::FIRST, |last| last.manifest.sequence.next())
}

fn is_nothing_new(last: &Last, selection: &Selection, collections: &[Collection]) -> bool {
    last.manifest.epoch == selection.epoch && same_for_clients(&last.manifest.collections, collections)
}

/// The bundle that comes next, if an earlier run finished it and was killed before it could say so.
fn finished_earlier(
    selection: &Selection,
    settings: &Settings<'_>,
    workspace: &Workspace,
    last: Option<&Last>,
) -> Result<Option<(PathBuf, Last)>, ExportError> {
    let folder = names::folder(&selection.site, &selection.name, next_sequence(selection, last));
    let folder = settings.out.join(folder);
    if !folder.try_exists().map_err(BundleError::io("look at", &folder))? {
        return Ok(None);
    }
    let in_the_way = || ExportError::InTheWay { path: folder.clone() };
    let bytes = match settings.key {
        Some(key) => {
            let signed = Signed::open(&folder).map_err(|_| in_the_way())?;
            if *signed.signer() != key.public() {
                return Err(in_the_way());
            }
            signed.into_bytes()
        }
        None => fs::read(folder.join(names::MANIFEST)).map_err(|_| in_the_way())?,
    };
    let manifest = Manifest::parse(&bytes).map_err(|_| in_the_way())?;
    let follows = (manifest.previous, manifest.epoch) == (last.map(|last| last.digest), selection.epoch);
    if !follows {
        return Err(in_the_way());
    }
    if !settings.dry_run {
        workspace.record(&folder, &manifest, &bytes, selection.overlap)?;
    }
    let digest = Sha256::of(&bytes);
    Ok(Some((folder, Last { manifest, digest })))
}
