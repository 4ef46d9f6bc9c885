//! Exports: collect, pack, sign. The online side from a selection to a finished bundle.

mod changed_items;
mod compare;
mod earlier;
mod left_out;
mod new_state;
mod revisions;
mod trust_to_carry;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::changed_items::FinalVersionChanged;
use self::compare::{
    ComparedState, SameVersion, Sameness, client_warnings, not_another_stream, not_older, same_for_clients,
};
use self::earlier::finished_earlier;
use self::new_state::{NewLists, header};
use self::trust_to_carry::trust_to_carry;
use self::write::{BundlePlan, write};
use crate::bundle::BundleError;
use crate::bundle::packing::Packing;
use crate::bundle::packing::pack::LEAST_PATCHED_BYTES;
use crate::bundle::packing::totals::PatchTotals;
use crate::bundle::state::Manifest;
use crate::bundle::state::blob_table::{BlobEntry, BlobMark};
use crate::bundle::state::known_versions::{self, ChangedItem};
use crate::bundle::state::manifest::StateCollection;
use crate::bundle::state::stored_state::StoredState;
use crate::collect::access;
use crate::collect::answer_memory::AnswerMemory;
use crate::collect::stat_cache::StatCache;
use crate::collect::{CollectContext, CollectError, Tally, collect};
use crate::collection_change::ClientWarning;
use crate::depot::DepotError;
use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::fetch::{FetchError, FetchOptions, Fetcher};
use crate::formats::assertions::Trust;
use crate::kind::Kind;
use crate::label::Label;
use crate::media::{MountCheck, NotMounted};
use crate::next_command::{self, ShellCommand};
use crate::numbers::Epoch;
use crate::origin::Origin;
use crate::progress::Progress;
use crate::selection::{Selection, SelectionError};
use crate::storage::capacity::FreeSpace;
use crate::time::Time;
use crate::trust::{OlderUpstream, OtherStream, SecretKey, SignedTrustFile, TrustError};
use crate::workspace::{DeliveryBase, Workspace, WorkspaceError};

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
    /// Take images that have other bytes under the same version.
    pub allow_changed_items: bool,
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
            allow_changed_items: false,
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
    /// The manifest; without collections for a dry run, and where only collecting was asked for.
    pub manifest: Manifest,
    /// The collected content.
    pub collections: Vec<CollectionSummary>,
    /// The packing of this bundle; `None` if nothing travels, or if it was finished by an earlier run.
    pub packing: Option<Packing>,
    /// The bytes that travel.
    pub travel: Travel,
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
    /// Items that have other bytes than before under the same name and version.
    pub changed_items: Vec<ChangedItem>,
}

/// A collection that was collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionSummary {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Label,
    /// The upstream.
    pub origin: Origin,
    /// The number of its items.
    pub items: u64,
}

/// The bytes of a state that travel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Travel {
    /// Bytes of the blobs that travel.
    pub bytes: u64,
    /// Bytes of all blobs of the state.
    pub of: u64,
    /// The patches among what travels.
    pub patches: PatchTotals,
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
    #[error("the trust files in {} cannot travel, since the site would refuse them", folder.display())]
    TrustFolder { folder: PathBuf, source: TrustError },
    #[error("{} has no trust files: they are called 2.json, 3.json and so on", folder.display())]
    NoTrustFiles { folder: PathBuf },
    #[error(
        "the selection has epoch {selection}, and version {version} of the trust file has epoch {epoch}, so the site would refuse the bundle: \
         set `epoch = {epoch}` in the selection"
    )]
    OtherEpoch { selection: Epoch, version: u64, epoch: Epoch },
    #[error(transparent)]
    Older(#[from] OlderUpstream),
    #[error(transparent)]
    OtherStream(#[from] OtherStream),
    #[error(transparent)]
    SameVersion(#[from] SameVersion),
    #[error(transparent)]
    Changed(#[from] FinalVersionChanged),
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
            Self::Older(_) | Self::OtherStream(_) | Self::Changed(_) => ErrorClass::Refused,
            Self::TrustFolder { source, .. } => source.class(),
            Self::NoTrustFiles { .. } | Self::OtherEpoch { .. } => ErrorClass::Usage,
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
    let trust = trust_to_carry(selection, settings)?;
    let newest_trust = trust.last().map(|newest| newest.file.version);
    let CollectedLists { lists, tally } = collect_all(selection, settings, workspace)?;
    let (site, name) = (&selection.site, &selection.name);
    let last = workspace.last(site, name)?;
    if let Some(last) = last.as_ref().filter(|_| !settings.dry_run) {
        workspace.tidy(last)?;
    }
    not_in_another_bundle(selection, workspace, &lists.collections)?;
    let same_epoch = |manifest: &Manifest| manifest.epoch == selection.epoch;
    // A trust file that is new travels, even if nothing else is.
    let same_trust = |manifest: &Manifest| same_epoch(manifest) && manifest.trust == newest_trust;
    let mut exported = Exported {
        folder: None,
        manifest: Manifest {
            trust: newest_trust,
            ..header(selection, settings, &tally, last.as_ref().map(|last| (&last.manifest, last.digest)))
        },
        collections: lists.summaries(),
        packing: None,
        travel: Travel::default(),
        tally,
        base: None,
        found_finished: false,
        replaced: 0,
        warnings: Vec::new(),
        changed_items: Vec::new(),
    };
    let found = match settings.collect_only {
        true => None,
        false => finished_earlier(selection, settings, workspace, last.as_ref())?,
    };
    // What is large takes long to read, and lists that are the same need not be read.
    let is_same = |manifest: &Manifest| same_trust(manifest) && lists.collections == manifest.collections;
    if let Some(last) =
        last.as_ref().filter(|last| found.is_none() && !settings.collect_only && is_same(&last.manifest))
        && !settings.force
    {
        return Err(nothing_new(settings, &last.manifest));
    }
    let mut before = last.as_ref().map(|last| workspace.stored(last)).transpose()?;
    let in_lists = |error| BundleError::in_file(workspace.scratch())(error);
    let new = ComparedState::of(lists.listed()).map_err(in_lists)?;
    if let Some(before) = &before {
        exported.warnings = client_warnings(&before.listed().proofs().map_err(in_lists)?, &new.proofs);
    }
    if settings.collect_only {
        return Ok(exported);
    }
    if let Some((folder, found)) = found {
        let then = ComparedState::of(found.listed()).map_err(in_lists)?;
        if same_trust(&found.manifest) && same_for_clients(&then, &new).map_err(in_lists)?.is_same {
            let (folder, manifest) = (Some(folder), found.manifest);
            return Ok(Exported { folder, manifest, found_finished: true, ..exported });
        }
        let since_then = client_warnings(&then.proofs, &new.proofs);
        exported
            .warnings
            .extend(since_then.into_iter().filter(|warning| !exported.warnings.contains(warning)).collect::<Vec<_>>());
        exported.manifest = Manifest {
            trust: newest_trust,
            ..header(selection, settings, &exported.tally, Some((&found.manifest, found.digest)))
        };
        before = Some(found);
    }
    if let Some(before) = &before {
        let old = ComparedState::of(before.listed()).map_err(in_lists)?;
        let Sameness { is_same, same_version } = same_for_clients(&old, &new).map_err(in_lists)?;
        if is_same && same_trust(&before.manifest) && !settings.force {
            return Err(nothing_new(settings, &before.manifest));
        }
        same_version.map_or(Ok(()), Err)?;
        if !settings.allow_older_upstream {
            not_older(&old.proofs, &new.proofs)?;
            not_another_stream(old.listed, &new.proofs, &workspace.depot).map_err(in_lists)??;
        }
        exported.changed_items = known_versions::changed_items(old.listed, new.listed).map_err(in_lists)?;
        if !settings.allow_changed_items {
            changed_items::check(&exported.changed_items)?;
        }
        changed_items::name_in(&mut exported.manifest, &exported.changed_items);
    }
    let base_of = before.as_ref().filter(|before| same_epoch(&before.manifest) && !settings.full);
    exported.base = base_of.map(|before| workspace.base(&before.manifest, selection.overlap)).transpose()?.flatten();
    if settings.dry_run {
        return Ok(exported);
    }
    drop(new);
    finish(exported, before, ReadyFiles { lists, trust }, selection, settings, workspace)
}

/// Writes the bundle of what was collected.
fn finish(
    mut exported: Exported,
    before: Option<StoredState>,
    ReadyFiles { lists, trust }: ReadyFiles,
    selection: &Selection,
    settings: &Settings<'_>,
    workspace: &Workspace,
) -> Result<Exported, ExportError> {
    let in_lists = |error| BundleError::in_file(workspace.scratch())(error);
    let mut blobs = lists.lists.blobs().map_err(in_lists)?;
    if let Some(base) = &exported.base {
        base.held.mark(&mut blobs)?;
    }
    let mut older = BTreeMap::new();
    if let Some((before, base)) = before.zip(exported.base.as_ref()).filter(|_| selection.patches) {
        let is_patched = |blob: &&BlobEntry| !blob.has(BlobMark::Held) && blob.size >= LEAST_PATCHED_BYTES;
        let new = blobs.iter().filter(is_patched).map(|blob| blob.sha256).collect();
        let revisions = revisions::older(before.listed(), lists.listed(), &new).map_err(in_lists)?;
        let held = base.held.among(revisions.values().flatten().copied().collect())?;
        let best = |older: Vec<Sha256>| older.into_iter().find(|digest| held.contains(digest));
        older = revisions.into_iter().filter_map(|(new, older)| Some((new, best(older)?))).collect();
    }
    let manifest = Manifest { collections: lists.collections.clone(), ..exported.manifest };
    let plan = BundlePlan { manifest, lists, trust, blobs, base: exported.base.as_ref(), older, selection };
    let written = write(plan, settings, workspace)?;
    exported.manifest = written.manifest;
    (exported.folder, exported.packing, exported.travel) = (Some(written.folder), written.packing, written.travel);
    Ok(exported)
}

fn nothing_new(settings: &Settings<'_>, last: &Manifest) -> ExportError {
    let bundle = last.folder();
    let again = next_command::recut(Path::new(&bundle), None, settings.out, settings.named_workspace);
    ExportError::NothingNew { bundle, again }
}

/// The files of the small part that were made or read already.
struct ReadyFiles {
    lists: NewLists,
    trust: Vec<SignedTrustFile>,
}

/// Collected content.
struct CollectedLists {
    lists: NewLists,
    tally: Tally,
}

fn collect_all(
    selection: &Selection,
    settings: &Settings<'_>,
    workspace: &Workspace,
) -> Result<CollectedLists, ExportError> {
    let mut notes = Vec::new();
    let access = access::of_selection(selection, &mut notes)?;
    let fetcher = Fetcher::new(FetchOptions { access, ..settings.fetch.clone() })?;
    let (site, name) = (&selection.site, &selection.name);
    let seen = if settings.full { StatCache::default() } else { workspace.seen(site, name) };
    let answers = if settings.full { AnswerMemory::default() } else { workspace.answers(site, name) };
    let with = CollectContext {
        fetcher: &fetcher,
        depot: &workspace.depot,
        seen: &seen,
        answers: &answers,
        progress: settings.progress,
        snap_roots: settings.snap_roots,
        now: Time::now(),
        tally: Tally::default(),
        dry_run: settings.dry_run,
    };
    with.tally.say(notes);
    let lists = collect(selection, &with)?;
    if !settings.dry_run {
        workspace.note_seen(site, name, &seen)?;
        workspace.note_answers(site, name, &answers)?;
    }
    let lists = NewLists::of(lists).map_err(BundleError::in_file(workspace.scratch()))?;
    Ok(CollectedLists { lists, tally: with.tally })
}

/// Refuses a collection that the bundles of another name have: the site would refuse it.
fn not_in_another_bundle(
    selection: &Selection,
    workspace: &Workspace,
    collections: &[StateCollection],
) -> Result<(), ExportError> {
    for other in workspace.others(&selection.site, &selection.name)? {
        let ours = |folder: &String| collections.iter().any(|collection| collection.folder() == *folder);
        if let Some(collection) = other.manifest.collections.iter().map(|other| other.folder()).find(ours) {
            let path = workspace.history_path(&selection.site, &other.manifest.name);
            return Err(ExportError::Collides { collection, other: other.manifest.name.to_string(), path });
        }
    }
    Ok(())
}
