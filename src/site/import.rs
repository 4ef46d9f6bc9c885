//! Imports a bundle: check, unpack, verify upstream's proofs, publish as a generation.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use super::enterprise_store::push_locked;
use super::generation::{Recipe, publish};
use super::heal::{HeldBlobs, heal, wrong};
use super::imported::{Imported, note_repairs};
use super::publish::PublishError;
use super::repair::relink_trees;
use super::reuse::Unchanged;
use super::second_digest::SecondDigests;
use super::state::{Generation, NameState};
use super::trees::remove_folder;
use super::{Site, SiteError, sheets, unpack};
use crate::bundle::Damage;
use crate::bundle::stream::receive;
use crate::bundle::{Bundle, BundleError, Signed};
use crate::causes::causes;
use crate::collection::Collection;
use crate::depot::{Depot, DepotError};
use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::progress::Progress;
use crate::storage::modes;
use crate::storage::{Lock, audit, write_atomically};
use crate::time::Time;
use crate::trust::{self, Header, Overrides, PublicKey, Seen, TrustError};

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
    import_bundle(site, &open(site, folder)?.at_hand(vec![folder.to_owned()]), options.into(), progress)
}

/// Imports a bundle that was opened as this site does.
pub(super) fn import_bundle(
    site: &Site,
    bundle: &Bundle,
    options: ImportOptions,
    progress: &Progress,
) -> Result<Imported, SiteError> {
    let lock = site.lock()?;
    import_signed(site, &lock, bundle, options, progress)
}

/// Imports a bundle from a stream, such as the end of a diode. After an interruption the whole stream must come again, and
/// what has arrived is not written twice.
pub fn import_stream(
    site: &Site,
    from: Box<dyn Read + Send>,
    options: impl Into<ImportOptions>,
    progress: &Progress,
) -> Result<Imported, SiteError> {
    let lock = site.lock()?;
    let bundle = trusted(site, receive(from)?)?;
    import_signed(site, &lock, &bundle, options.into(), progress)
}

fn import_signed(
    site: &Site,
    lock: &Lock,
    bundle: &Bundle,
    options: ImportOptions,
    progress: &Progress,
) -> Result<Imported, SiteError> {
    let current = site.current()?;
    let imported = match accept(site, bundle, &current, options.allow) {
        Ok(()) => run(site, bundle, current, options, progress),
        Err(error) if options.held == HeldBlobs::Reread && error.is_past() => heal(site, bundle, current, progress),
        Err(error) => {
            if matches!(error, SiteError::AlreadyImported { .. }) {
                site.tidy_journal(bundle)?; // the run that published it may have been killed before it could
            }
            return Err(error);
        }
    };
    let imported = imported.map_err(|error| with_request(site, lock, bundle, error));
    let imported = imported.map_err(|error| sheets::with_places(site, bundle, error));
    imported.map_err(|error| match record_failure(site, bundle, &error) {
        Ok(()) => error,
        Err(log) => SiteError::NotRecorded { reason: causes(&log).join(": "), source: Box::new(error) },
    })
}

/// Opens a bundle as this site does: only keys of its trust file count.
pub(super) fn open(site: &Site, folder: &Path) -> Result<Bundle, SiteError> {
    trusted(site, Signed::open(folder)?)
}

fn trusted(site: &Site, signed: Signed) -> Result<Bundle, SiteError> {
    let digest = signed.digest();
    signed.trusted(|signer| authorize(site, signer, &digest))
}

/// Checks the signer of a manifest against the newest trust file.
fn authorize(site: &Site, signer: &PublicKey, manifest: &Sha256) -> Result<(), SiteError> {
    let verdict = site.newest_trust()?.authorize_builder(signer, manifest, site.least_time()?).map(|_| ());
    // A revocation voids what is not published yet, so what is can still be healed from its medium.
    match verdict {
        Err(TrustError::RevokedKey { .. }) if site.has_published(manifest)? => Ok(()),
        verdict => Ok(verdict?),
    }
}

impl Site {
    /// Checks the bundle in `folder` as far as that is possible without unpacking it: signature, policy, every byte. Returns
    /// what is damaged too, if recovery data can restore all of it.
    pub fn verify(
        &self,
        folder: &Path,
        allow: Overrides,
        progress: &Progress,
    ) -> Result<(Bundle, Vec<Damage>), SiteError> {
        let bundle = self.bundle(folder)?;
        let repairable = self.verify_bundle(&bundle, allow, progress)?;
        Ok((bundle, repairable))
    }

    /// Opens the bundle in `folder` as this site does: only keys of its trust file count.
    pub fn bundle(&self, folder: &Path) -> Result<Bundle, SiteError> {
        open(self, folder)
    }

    /// Checks a bundle that was opened so.
    pub fn verify_bundle(
        &self,
        bundle: &Bundle,
        allow: Overrides,
        progress: &Progress,
    ) -> Result<Vec<Damage>, SiteError> {
        match accept(self, bundle, &self.current()?, allow) {
            Err(SiteError::AlreadyImported { .. }) | Ok(()) => {}
            Err(error) => return Err(error),
        }
        Ok(bundle.check_volumes(progress)?)
    }
}

/// Checks the bundle against the site's policy, as if `current` were published.
pub(super) fn accept(site: &Site, bundle: &Bundle, current: &Generation, allow: Overrides) -> Result<(), SiteError> {
    let manifest = &bundle.manifest;
    // The trust file may be a newer one than when the bundle was opened.
    authorize(site, &bundle.signer, &bundle.digest)?;
    let epoch = site.newest_trust()?.epoch;
    let known = current.names.get(&manifest.name).filter(|name| name.epoch == epoch);
    if known.is_some_and(|known| known.accepted == bundle.digest) {
        return Err(SiteError::AlreadyImported { bundle: manifest.folder(), generation: current.number });
    }
    let header = Header {
        site: manifest.site.as_str(),
        epoch: manifest.epoch,
        sequence: manifest.sequence,
        created: manifest.created,
        expires: manifest.expires,
    };
    let seen = Seen {
        site: site.config.name.as_str(),
        epoch,
        sequence: known.map(|known| known.sequence),
        newest_time: current.newest_time,
        clock: Time::now(),
        folder: site.root(),
    };
    trust::check(&header, &seen, allow)?;
    owned_by_this_name(bundle, current)
}

/// Refuses a collection that another bundle name publishes.
fn owned_by_this_name(bundle: &Bundle, current: &Generation) -> Result<(), SiteError> {
    let name = &bundle.manifest.name;
    let folders = bundle.manifest.collections.iter().map(Collection::folder);
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
    bundle: &Bundle,
    current: Generation,
    options: ImportOptions,
    progress: &Progress,
) -> Result<Imported, SiteError> {
    let depot = site.depot()?;
    let manifest = &bundle.manifest;
    let allow = options.allow;
    let detail = format!("{}{}{}", bundle.digest, allow.words(), sheets::custody(bundle));
    audit::append(&site.root().join("audit.jsonl"), "import", &manifest.folder(), &detail)?;
    let lacking = unpack::lacking(bundle, &depot);
    let wrong = match options.held {
        HeldBlobs::Trusted => BTreeSet::new(),
        HeldBlobs::Reread => wrong(site, bundle, &depot, |digest| !lacking.contains(digest), progress)?,
    };
    let healed = wrong.len() as u64;
    let wanted = lacking.into_iter().chain(wrong).collect();
    let unpack::Unpacked { second, repaired } = unpack::into_depot(site, bundle, &depot, wanted, progress)?;
    note_repairs(site, bundle, &repaired)?;
    let before = current.clone();
    let recipe = recipe(bundle, current, &depot, second, allow, progress)?;
    let unchanged = match options.held {
        HeldBlobs::Trusted => Unchanged::Stay,
        HeldBlobs::Reread => Unchanged::PublishedAnew,
    };
    let generation = publish(site, &depot, Recipe { unchanged, ..recipe })?;
    if options.held == HeldBlobs::Reread {
        relink_trees(site, &depot, &manifest.blobs.iter().map(|blob| blob.sha256).collect())?;
    }
    site.tidy_journal(bundle)?;
    let pushes = push_locked(site, &generation)?;
    Ok(Imported { pushes, repaired, healed, ..Imported::of(manifest, before, generation) })
}

/// Stores the manifest, and returns the recipe of the generation that has the bundle.
pub(super) fn recipe<'a>(
    bundle: &'a Bundle,
    current: Generation,
    depot: &Depot,
    second_digests: SecondDigests,
    allow: Overrides,
    progress: &Progress,
) -> Result<Recipe<'a>, SiteError> {
    let manifest = &bundle.manifest;
    let mut batch = depot.batch();
    let digest = depot.put(&mut batch, &bundle.bytes)?;
    batch.commit()?;
    let mut names = current.names;
    let state = NameState {
        accepted: digest,
        epoch: manifest.epoch,
        sequence: manifest.sequence,
        manifest: Some(digest),
        bundle: manifest.folder(),
        expires: manifest.expires,
        // The bundle is the builder's word that it is not earlier than this, if the clock is a little behind.
        verified: Time::now().max(manifest.created),
    };
    names.insert(manifest.name.clone(), state);
    Ok(Recipe {
        reason: format!("import {}", manifest.folder()),
        names,
        newest_time: current.newest_time.max(manifest.created),
        imported: Some(bundle),
        guarded: (!allow.older_upstream).then(|| manifest.name.clone()),
        second_digests,
        unchanged: Unchanged::Stay,
        is_rehearsal: false,
        progress: progress.clone(),
    })
}

/// Where the site lacks what the bundle builds on, it says what, for the online side.
fn with_request(site: &Site, lock: &Lock, bundle: &Bundle, error: SiteError) -> SiteError {
    match error {
        SiteError::Bundle(BundleError::BlobsMissing { count, .. }) => match site.write_request(bundle, lock) {
            Ok(request) => SiteError::Requested { bundle: bundle.manifest.folder(), count, request },
            Err(error) => error,
        },
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

/// Keeps what failed its checks for review: the manifest and the reason.
fn record_failure(site: &Site, bundle: &Bundle, error: &SiteError) -> Result<(), SiteError> {
    let name = bundle.manifest.folder();
    let reason = causes(error).join(": ");
    audit::append(&site.root().join("audit.jsonl"), error.class().word(), &name, &reason)?;
    let mut damaged = match error {
        SiteError::Bundle(error) => error.damaged_volumes(),
        _ => BTreeSet::new(),
    };
    damaged.retain(|file| bundle.manifest.volumes.iter().any(|volume| volume.file == *file));
    if !damaged.is_empty() {
        return sheets::note_awaited(site, bundle, damaged);
    }
    if error.class() == ErrorClass::VerificationFailed && !is_of_the_disk(error) {
        let folder = site.quarantine_folder(bundle);
        modes::create_private_folder(&folder).map_err(SiteError::io("create", &folder))?;
        write_atomically(&folder.join("manifest.json"), &bundle.bytes, 0o644)?;
        write_atomically(&folder.join("reason.txt"), format!("{reason}\n").as_bytes(), 0o644)?;
        remove_folder(&site.journal_folder(bundle))?;
    }
    Ok(())
}
