//! Imports a bundle: check, unpack, verify upstream's proofs, publish as a generation.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use super::enterprise_store::push_locked;
use super::generation::{DateRule, Recipe, publish};
use super::heal::{HeldBlobs, heal, mark_wrong};
use super::imported::{Imported, note_repairs};
use super::incoming::Incoming;
use super::publish::PublishError;
use super::repair::relink_trees;
use super::reuse::{Unchanged, unchanged_collections};
use super::room::NextFiles;
use super::second_digest::SecondDigests;
use super::state::{Generation, NameState};
use super::tree_paths::remove_folder;
use super::waiting::{self, REASON};
use super::{Site, SiteError, approvals, changed_items, evidence, sheets, unpack};
use crate::bundle::bundle_stream::BundleStream;
use crate::bundle::check::{BundleCheck, check_bundle};
use crate::bundle::packing::volume_files::WrongSize;
use crate::bundle::state::blob_table::{BlobEntry, BlobMark};
use crate::bundle::state::stored_state::StoredState;
use crate::bundle::state::{Manifest, OpenState, SignedState};
use crate::bundle::{BundleError, names};
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::error_class::causes;
use crate::media::operator;
use crate::progress::Progress;
use crate::receipt::MAX_LACKED_BLOBS;
use crate::storage::modes;
use crate::storage::{Lock, audit, write_atomically};
use crate::time::Time;
use crate::trust::{self, Header, Overrides, Seen, SignedTrustFile};

/// Options of an import.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions {
    /// The refusals that the operator lifts.
    pub allow: Overrides,
    /// The treatment of blobs that the site holds already.
    pub held: HeldBlobs,
}

impl From<Overrides> for ImportOptions {
    fn from(allow: Overrides) -> Self {
        Self { allow, held: HeldBlobs::default() }
    }
}

/// Imports the bundle in `folder` into the site. The same call again finishes what was interrupted.
pub fn import(
    site: &Site,
    folder: &Path,
    options: impl Into<ImportOptions>,
    progress: &Progress,
) -> Result<Imported, SiteError> {
    let lock = site.lock()?;
    site.take_trust(&lock, &[folder.to_owned()])?;
    let state = site.bundle(folder)?;
    import_signed(site, &lock, Incoming::on_media(&state), options.into(), progress)
}

/// Imports a bundle that was opened as this site does.
pub(super) fn import_bundle(
    site: &Site,
    state: &OpenState,
    options: ImportOptions,
    progress: &Progress,
) -> Result<Imported, SiteError> {
    let lock = site.lock()?;
    import_signed(site, &lock, Incoming::on_media(state), options, progress)
}

/// Imports a bundle from a stream, such as the end of a diode. After an interruption the whole stream must come again, and
/// what has arrived is not written twice. Hands the trust files that were taken to `taken`, whatever becomes of the bundle.
pub fn import_stream(
    site: &Site,
    from: Box<dyn Read + Send>,
    options: impl Into<ImportOptions>,
    taken: impl FnOnce(&[SignedTrustFile]),
    progress: &Progress,
) -> Result<Imported, SiteError> {
    let lock = site.lock()?;
    let stream = BundleStream::new(from);
    taken(&site.take_trust_of_stream(&lock, stream.trust_files())?);
    let state = site.trusted(SignedState::receive(&stream)?)?;
    site.keep_approvals(&lock, stream.approvals()?)?;
    let incoming = Incoming { state: &state, stream: Some(&stream) };
    import_signed(site, &lock, incoming, options.into(), progress)
}

fn import_signed(
    site: &Site,
    lock: &Lock,
    incoming: Incoming<'_>,
    options: ImportOptions,
    progress: &Progress,
) -> Result<Imported, SiteError> {
    let (current, state) = (site.current()?, incoming.state);
    let imported = match accept(site, state, &current, options.allow) {
        Ok(()) => run(site, incoming, current, options, progress),
        Err(error) if error.is_past() => again(site, incoming, current, options.held, error, progress),
        Err(error) => {
            note_refusal(site, incoming, &error)?;
            return Err(error);
        }
    };
    let imported = match imported {
        Err(error) if error.is_past() => return Err(error),
        other => other,
    };
    let imported = imported.map_err(|error| with_request(site, lock, state, error));
    let imported = imported.map_err(|error| sheets::with_places(site, state, error));
    imported.map_err(|error| match record_failure(site, incoming, &error) {
        Ok(()) => error,
        Err(log) => SiteError::NotRecorded { reason: causes(&log).join(": "), source: Box::new(error) },
    })
}

/// Takes a bundle that the site has accepted before: it heals the site, and completes it where blobs of it are lacking. Fails with
/// `past` if there is nothing to do.
fn again(
    site: &Site,
    incoming: Incoming<'_>,
    current: Generation,
    held: HeldBlobs,
    past: SiteError,
    progress: &Progress,
) -> Result<Imported, SiteError> {
    if held == HeldBlobs::Reread {
        return heal(site, incoming, current, held, progress);
    }
    if matches!(past, SiteError::AlreadyImported { .. }) {
        if lacks_blobs(site, &current, incoming)? {
            return heal(site, incoming, current, held, progress);
        }
        site.tidy_journal(incoming.state)?; // the run that published it may have been killed before it could
    }
    Err(past)
}

/// Returns `true` if blobs of a bundle that the site publishes are lacking.
fn lacks_blobs(site: &Site, current: &Generation, incoming: Incoming<'_>) -> Result<bool, SiteError> {
    let depot = site.depot()?;
    let digest = incoming.state.digest;
    if !current.names.values().any(|state| state.manifest == Some(digest)) {
        return Ok(false);
    }
    let blobs = match StoredState::open(&depot, &digest).and_then(|state| state.blobs(&depot)) {
        Err(BundleError::Depot(DepotError::Missing { .. })) => return Ok(true),
        other => other?,
    };
    for blob in blobs.iter() {
        if !depot.has_good(&blob.sha256, blob.size)? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Site {
    /// Checks the bundle in `folder` as far as that is possible without unpacking it: signature, policy, every byte.
    pub fn verify(
        &self,
        folder: &Path,
        allow: Overrides,
        progress: &Progress,
    ) -> Result<(OpenState, BundleCheck), SiteError> {
        let state = self.bundle(folder)?;
        let check = self.verify_bundle(&state, allow, progress)?;
        Ok((state, check))
    }

    /// Checks a bundle that was opened so.
    pub fn verify_bundle(
        &self,
        state: &OpenState,
        allow: Overrides,
        progress: &Progress,
    ) -> Result<BundleCheck, SiteError> {
        match accept(self, state, &self.current()?, allow) {
            Err(SiteError::AlreadyImported { .. }) | Ok(()) => {}
            Err(error) => return Err(error),
        }
        let builders = self.builders(&state.digest)?;
        let search = state.packings(WrongSize::Refused, |signer| Ok(builders.check(signer)?))?;
        Ok(check_bundle(state, search, progress)?)
    }
}

/// Checks the bundle against the site's policy, as if `current` were published.
pub(super) fn accept(site: &Site, state: &OpenState, current: &Generation, allow: Overrides) -> Result<(), SiteError> {
    let manifest = &state.manifest;
    // The trust file may be a newer one than when the bundle was opened.
    site.builders(&state.digest)?.check(&state.signer)?;
    let (newest, epoch) = (site.newest_trust()?.version, site.newest_trust()?.epoch);
    let known = current.names.get(&manifest.name).filter(|name| name.epoch == epoch);
    if known.is_some_and(|known| known.accepted == state.digest) {
        return Err(SiteError::AlreadyImported { bundle: manifest.folder(), generation: current.number });
    }
    let header = Header {
        site: manifest.site.as_str(),
        trust: manifest.trust,
        epoch: manifest.epoch,
        sequence: manifest.sequence,
        created: manifest.created,
        expires: manifest.expires,
    };
    let seen = Seen {
        site: site.config.name.as_str(),
        trust: newest,
        epoch,
        sequence: known.map(|known| known.sequence),
        newest_time: current.newest_time,
        clock: Time::now(),
        folder: site.root(),
    };
    trust::check(&header, &seen, allow)?;
    approvals::refuse_rejected(site, state)?;
    owned_by_this_name(&state.manifest, current)
}

/// Refuses a collection that another bundle name publishes.
fn owned_by_this_name(manifest: &Manifest, current: &Generation) -> Result<(), SiteError> {
    let name = &manifest.name;
    let folders = manifest.collections.iter().map(|collection| collection.folder());
    let owned = |folder: String| current.inputs.get(&folder).map(|inputs| (folder, &inputs.name));
    match folders.filter_map(owned).find(|(_, owner)| *owner != name) {
        None => Ok(()),
        Some((collection, owner)) => {
            Err(SiteError::CollectionOwned { collection, owner: owner.to_string(), name: name.to_string() })
        }
    }
}

fn run(
    site: &Site,
    incoming: Incoming<'_>,
    current: Generation,
    options: ImportOptions,
    progress: &Progress,
) -> Result<Imported, SiteError> {
    let (depot, state) = (site.depot()?, incoming.state);
    let allow = options.allow;
    let (flags, judged_by) = (allow.audit_text(), site.judged_by()?.audit_text());
    let detail = format!("{}{flags}{judged_by} by {}{}", state.digest, operator(), sheets::custody(incoming));
    audit::append(&site.root().join("audit.jsonl"), "import", &state.manifest.folder(), &detail)?;
    let unchanged = match options.held {
        HeldBlobs::Trusted => unchanged_collections(site, &depot, &current, &state.manifest)?,
        HeldBlobs::Reread => BTreeSet::new(),
    };
    let mut content = incoming.changed_lists(site, &depot, &unchanged)?;
    let changed = changed_items::checked(site, &depot, &current, &state.manifest, content.state.listed(), allow)?;
    incoming.store(&content, &depot)?;
    let before = current.names.get(&state.manifest.name).and_then(|name| name.manifest);
    evidence::keep_state(site, &depot, incoming, before)?;
    unpack::mark_lacking(&mut content.blobs, &depot)?;
    let mut healed = 0;
    if options.held == HeldBlobs::Reread {
        let counts = |blob: &BlobEntry| !blob.has(BlobMark::Lacking);
        healed = mark_wrong(site, incoming, &mut content, &depot, counts, progress)?;
    }
    let files = NextFiles { depot: &depot, current: &current, unchanged: &unchanged };
    let room_of_files = files.room(&content)?;
    let unpack::Unpacked { second, repaired, packings } =
        unpack::into_depot(site, incoming, &mut content, &depot, room_of_files, progress)?;
    evidence::keep_packings(site, &depot, incoming, &packings)?;
    note_repairs(site, state, &repaired)?;
    let review = approvals::require(site, state, &current)?;
    let before = current.clone();
    let mut recipe = recipe(&content.state, current, second, allow, progress);
    recipe.names.entry(state.manifest.name.clone()).and_modify(|name| name.review = review);
    let unchanged = match options.held {
        HeldBlobs::Trusted => Unchanged::Stay,
        HeldBlobs::Reread => Unchanged::PublishedAnew,
    };
    let generation = publish(site, &depot, Recipe { unchanged, ..recipe })?;
    if options.held == HeldBlobs::Reread {
        relink_trees(site, &depot, &content.blobs.iter().map(|blob| blob.sha256).collect())?;
    }
    site.tidy_journal(state)?;
    let pushes = push_locked(site, &generation)?;
    Ok(Imported { pushes, repaired, healed, changed_items: changed, ..Imported::of(&content, before, generation) })
}

/// Returns the recipe of the generation that has the state, which is in the depot.
pub(super) fn recipe<'a>(
    new: &'a StoredState,
    current: Generation,
    second_digests: SecondDigests,
    allow: Overrides,
    progress: &Progress,
) -> Recipe<'a> {
    let manifest = &new.manifest;
    let mut names = current.names;
    let state = NameState {
        accepted: new.digest,
        epoch: manifest.epoch,
        sequence: manifest.sequence,
        manifest: Some(new.digest),
        bundle: manifest.folder(),
        expires: manifest.expires,
        // The bundle is the builder's word that it is not earlier than this, if the clock is a little behind.
        verified: Time::now().max(manifest.created),
        review: None,
    };
    names.insert(manifest.name.clone(), state);
    Recipe {
        reason: format!("import {}", manifest.folder()),
        names,
        newest_time: current.newest_time.max(manifest.created),
        imported: Some(new),
        guarded: (!allow.older_upstream).then(|| manifest.name.clone()),
        second_digests,
        unchanged: Unchanged::Stay,
        is_rehearsal: false,
        dates: DateRule::Rising,
        progress: progress.clone(),
    }
}

/// Adds to an error of lacking blobs a request for them, if a request has room for so many.
fn with_request(site: &Site, lock: &Lock, state: &OpenState, error: SiteError) -> SiteError {
    match error {
        SiteError::Bundle(BundleError::BlobsMissing { count, .. }) if count <= MAX_LACKED_BLOBS => {
            let asked = || Ok((waiting::earlier_bundles(site, state)?, site.write_request(state, lock)?));
            let bundle = state.manifest.folder();
            match asked() {
                Ok((first, request)) if first.is_empty() => SiteError::Requested { bundle, count, request },
                Ok((first, request)) => SiteError::TooEarly { bundle, first, count, request },
                Err(error) => error,
            }
        }
        other => other,
    }
}

/// Returns true if a blob of the site has changed on its disk, which says nothing against the bundle.
fn is_of_the_disk(error: &SiteError) -> bool {
    let blob = match error {
        SiteError::Depot(error) | SiteError::Bundle(BundleError::Depot(error)) => Some(error),
        SiteError::Publish { source, .. } => match source.as_ref() {
            PublishError::Depot(error) => Some(error),
            _ => None,
        },
        _ => None,
    };
    matches!(blob, Some(DepotError::DigestMismatch { .. }))
}

/// Notes that policy or a person refuses a bundle before anything of it is read.
fn note_refusal(site: &Site, incoming: Incoming<'_>, error: &SiteError) -> Result<(), SiteError> {
    let manifest = &incoming.state.manifest;
    if error.class() != ErrorClass::Refused || manifest.site != site.config.name {
        return Ok(());
    }
    audit::append(
        &site.root().join("audit.jsonl"),
        error.class().word(),
        &manifest.folder(),
        &causes(error).join(": "),
    )?;
    evidence::keep_failure(site, incoming, error)
}

/// Notes what a bundle waits for, or keeps what failed its checks for review: the manifest and the reason.
fn record_failure(site: &Site, incoming: Incoming<'_>, error: &SiteError) -> Result<(), SiteError> {
    let state = incoming.state;
    let name = state.manifest.folder();
    let reason = causes(error).join(": ");
    audit::append(&site.root().join("audit.jsonl"), error.class().word(), &name, &reason)?;
    evidence::keep_failure(site, incoming, error)?;
    if let SiteError::TooEarly { first, .. } = error {
        return waiting::note_first(site, state, first);
    }
    let damaged = match error {
        SiteError::Bundle(error) => error.damaged_volumes(),
        _ => BTreeSet::new(),
    };
    if !damaged.is_empty() {
        return sheets::note_awaited(site, state, damaged);
    }
    if error.class() == ErrorClass::VerificationFailed && !is_of_the_disk(error) {
        let folder = site.refused_folder(state);
        modes::create_private_folder(&folder).map_err(SiteError::io("create", &folder))?;
        write_atomically(&folder.join(names::MANIFEST), &state.bytes, 0o644)?;
        write_atomically(&folder.join(REASON), format!("{reason}\n").as_bytes(), 0o644)?;
        remove_folder(&site.journal_folder(state))?;
    }
    Ok(())
}
