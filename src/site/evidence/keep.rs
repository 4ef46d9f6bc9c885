//! Keeps what evidence consists of while bundles are imported.

use std::path::Path;

use super::super::incoming::Incoming;
use super::super::{Site, SiteError};
use super::log_facts::JudgedBy;
use super::record::{EvidenceRecord, FailedImport};
use crate::bundle::folder::unsigned_file;
use crate::bundle::packing::found::FoundPacking;
use crate::bundle::state::stored_state::StoredState;
use crate::bundle::state::{ListLine, Manifest};
use crate::bundle::{BundleError, names};
use crate::depot::{Batch, Depot, DepotError};
use crate::digest::Sha256;
use crate::error_class::{ErrorClass, causes};
use crate::formats::openpgp::binary_keyring;
use crate::media::sheet::MEDIUM;
use crate::storage::read_capped;
use crate::terminal::beginning;
use crate::time::Time;

/// The settings of the site, in evidence: a folder with `site.toml` would seem to be a site.
pub(super) const POLICY: &str = "policy/site.toml";
/// The settings of the site, below its folder.
const SETTINGS: &str = "site.toml";
/// The folder of the state that was published before, in evidence: a bundle's folder without volumes.
pub(super) const AGAINST: &str = "against";
/// The folder of upstream's files, in evidence.
pub(super) const PROOFS: &str = "proofs";
/// The folder of upstreams' keyrings, in evidence.
pub(super) const KEYRINGS: &str = "keyrings";
/// The folder of the sheets of media, in evidence.
const MEDIA: &str = "media";
/// The largest sheet of a medium that is kept, in bytes.
const MAX_SHEET_BYTES: u64 = 1 << 20;
/// The largest `site.toml` that is kept, in bytes.
const MAX_POLICY_BYTES: u64 = 16 << 20;
/// The longest reason that is kept, in bytes.
const MAX_REASON_BYTES: usize = 8 << 10;

/// A record that is being added to.
struct Keeper<'a> {
    site: &'a Site,
    depot: &'a Depot,
    batch: Batch<'a>,
    record: EvidenceRecord,
}

/// Keeps the evidence on a bundle that an import has accepted, and whose state is in the depot. `before` is the manifest that is published.
pub(in crate::site) fn keep_state(
    site: &Site,
    depot: &Depot,
    incoming: Incoming<'_>,
    before: Option<Sha256>,
) -> Result<(), SiteError> {
    let mut keeper = Keeper::open(site, depot, incoming)?;
    keeper.small_part(incoming)?;
    keeper.policy(&incoming.state.manifest)?;
    keeper.lists(&incoming.state.digest)?;
    if let Some(before) = before.filter(|before| *before != incoming.state.digest) {
        keeper.against(&before)?;
    }
    keeper.record.failure = None;
    keeper.finish()
}

/// Keeps the packings of a bundle that came as a stream: nobody knows them before.
pub(in crate::site) fn keep_packings(
    site: &Site,
    depot: &Depot,
    incoming: Incoming<'_>,
    packings: &[FoundPacking],
) -> Result<(), SiteError> {
    if incoming.stream.is_none() {
        return Ok(());
    }
    let mut keeper = Keeper::open(site, depot, incoming)?;
    keeper.packings(packings)?;
    keeper.finish()
}

/// Keeps the evidence on a bundle that was not published, with the reason. Does nothing if the reason says nothing of the bundle, such as
/// a full disk.
pub(in crate::site) fn keep_failure(site: &Site, incoming: Incoming<'_>, error: &SiteError) -> Result<(), SiteError> {
    use ErrorClass::{ApprovalMissing, Refused, VerificationFailed, VolumesMissing, WrongClock};
    let class = error.class();
    if !matches!(class, ApprovalMissing | Refused | VerificationFailed | VolumesMissing | WrongClock) {
        return Ok(());
    }
    let depot = site.depot()?;
    let is_new = EvidenceRecord::open(site, &incoming.state.digest)?.is_none();
    // A bundle that people have rejected before it came. Of what fails its checks the lists may be wrong.
    let lists = (is_new && class == Refused).then(|| incoming.lists(site.root()).ok()).flatten();
    lists.iter().try_for_each(|content| incoming.store(content, &depot))?;
    let mut keeper = Keeper::open(site, &depot, incoming)?;
    if is_new {
        keeper.small_part(incoming)?;
        keeper.policy(&incoming.state.manifest)?;
    }
    if lists.is_some() {
        keeper.lists(&incoming.state.digest)?;
    }
    let reason = causes(error).join(": ");
    let reason = beginning(&reason, MAX_REASON_BYTES).to_owned();
    keeper.record.failure = Some(FailedImport { outcome: class.word().to_owned(), reason, time: Time::now() });
    keeper.finish()
}

impl Site {
    /// Returns the settings and the trust file by which bundles are judged now.
    pub(in crate::site) fn judged_by(&self) -> Result<JudgedBy, SiteError> {
        let (policy, trust) = (read_capped(&self.root().join(SETTINGS), MAX_POLICY_BYTES)?, self.newest_trust()?);
        Ok(JudgedBy { policy: Sha256::of(&policy), version: trust.version, trust: trust.digest() })
    }
}

/// Notes that the site uses these manifests now: the time for which their evidence is kept begins again.
pub(in crate::site) fn note_use(site: &Site, manifests: impl IntoIterator<Item = Sha256>) -> Result<(), SiteError> {
    for manifest in manifests {
        if let Some(mut record) = EvidenceRecord::open(site, &manifest)? {
            record.newest = record.newest.max(Time::now());
            record.write(site)?;
        }
    }
    Ok(())
}

impl<'a> Keeper<'a> {
    fn open(site: &'a Site, depot: &'a Depot, incoming: Incoming<'_>) -> Result<Self, SiteError> {
        let state = incoming.state;
        let known = EvidenceRecord::open(site, &state.digest)?;
        let record = known.unwrap_or_else(|| EvidenceRecord::new(&state.manifest, state.digest));
        Ok(Self { site, depot, batch: depot.batch(), record })
    }

    fn put(&mut self, path: impl Into<String>, bytes: &[u8]) -> Result<(), SiteError> {
        let digest = self.depot.put(&mut self.batch, bytes)?;
        self.record.files.insert(path.into(), digest);
        Ok(())
    }

    /// Keeps the manifest, its signature, the packings and the sheets of the media that are here.
    fn small_part(&mut self, incoming: Incoming<'_>) -> Result<(), SiteError> {
        let state = incoming.state;
        self.put(names::MANIFEST, &state.bytes)?;
        self.put(names::SIGNATURE, &state.signature)?;
        if incoming.stream.is_some() {
            return Ok(());
        }
        // What is wrong with packings is said where they are unpacked.
        let packings = self.site.packings(state).map(|search| search.found).unwrap_or_default();
        self.packings(&packings)?;
        for sheet in state.folders.iter().filter_map(|folder| unsigned_file(folder, MEDIUM, MAX_SHEET_BYTES)) {
            self.put(format!("{MEDIA}/{}.txt", Sha256::of(sheet.as_bytes()).abbreviated()), sheet.as_bytes())?;
        }
        Ok(())
    }

    fn packings(&mut self, packings: &[FoundPacking]) -> Result<(), SiteError> {
        for packing in packings {
            let folder = format!("{}/{}", names::PACKINGS, packing.id);
            self.put(format!("{folder}/{}", names::PACKING), &packing.bytes)?;
            self.put(format!("{folder}/{}", names::PACKING_SIGNATURE), &packing.signature)?;
        }
        Ok(())
    }

    /// Keeps the settings of the site, and the keyrings of the manifest's sources.
    fn policy(&mut self, manifest: &Manifest) -> Result<(), SiteError> {
        let config = read_capped(&self.site.root().join(SETTINGS), MAX_POLICY_BYTES)?;
        self.put(POLICY, &config)?;
        for source in manifest.collections.iter().map(|collection| collection.source.as_str()) {
            let Some(bytes) = self.site.keyring_bytes(source)? else { continue };
            // Publishing says what is wrong with it, if it is used.
            let bytes = binary_keyring(&bytes).unwrap_or(bytes);
            self.put(format!("{KEYRINGS}/{source}.pgp"), &bytes)?;
        }
        Ok(())
    }

    /// Keeps the item lists of a state in the depot, and the files of upstream's that they name.
    fn lists(&mut self, digest: &Sha256) -> Result<(), SiteError> {
        let state = StoredState::open(self.depot, digest)?;
        for (index, collection) in state.manifest.collections.iter().enumerate() {
            let name = collection.list_file();
            let in_list = BundleError::in_file(Path::new(&name));
            let mut list = || {
                let mut list = state.lists.read(index)?;
                // Proofs come before items.
                while let Some(ListLine::Proof(proof)) = list.next_line()? {
                    let path = format!("{PROOFS}/{}/{}", collection.folder(), proof.path);
                    self.record.files.insert(path, proof.sha256);
                }
                Ok(())
            };
            list().map_err(in_list)?;
            self.record.files.insert(name, collection.list.stored.sha256);
        }
        Ok(())
    }

    /// Keeps the small part of the state that is published, so that the difference can be made again.
    fn against(&mut self, before: &Sha256) -> Result<(), SiteError> {
        self.record.files.retain(|path, _| !path.starts_with(AGAINST));
        let manifest = match StoredState::manifest(self.depot, before) {
            // A site that was restored from its state alone.
            Err(BundleError::Depot(DepotError::Missing { .. })) => return Ok(()),
            other => other?,
        };
        let files = &mut self.record.files;
        let mut keep = |path: &str, digest| files.insert(format!("{AGAINST}/{path}"), digest);
        keep(names::MANIFEST, *before);
        for collection in &manifest.collections {
            keep(&collection.list_file(), collection.list.stored.sha256);
        }
        let signature = EvidenceRecord::open(self.site, before)?.and_then(|record| record.file(names::SIGNATURE));
        if let Some(signature) = signature {
            keep(names::SIGNATURE, signature);
        }
        Ok(())
    }

    /// Writes the record when its blobs are there.
    fn finish(mut self) -> Result<(), SiteError> {
        self.batch.commit()?;
        self.record.newest = self.record.newest.max(Time::now());
        self.record.write(self.site)
    }
}
