//! Checks what an import would check, and changes nothing of the site but a scratch folder, which goes away at the end.
//!
//! Publishers verify upstream's proofs over blobs in a depot. So a rehearsal unpacks into a scratch depot that is layered over
//! the site's: what publishers read is written there; of payload that they only look up, each byte is checked and a sparse
//! file of the right size takes its place.

use std::collections::BTreeSet;

use super::generation::prepare;
use super::import::{accept, recipe};
use super::incoming::{Incoming, IncomingState};
use super::journal::Journal;
use super::reuse::unchanged_collections;
use super::room::NextFiles;
use super::scratch_depot::ScratchDepot;
use super::second_digest::SecondDigests;
use super::state::Generation;
use super::unpack::{DepotSink, UnpackTarget, Writing, bases, mark_lacking};
use super::{Site, SiteError, changed_items, room};
use crate::bundle::packing::index::Slice;
use crate::bundle::packing::unpack::{ContentSink, PartSink};
use crate::bundle::packing::volume_parts::VolumePart;
use crate::bundle::state::blob_table::BlobMark;
use crate::bundle::state::known_versions::ChangedItem;
use crate::bundle::state::lists::ListedCollections;
use crate::bundle::state::manifest::StateCollection;
use crate::bundle::state::{ListLine, Manifest, OpenState};
use crate::bundle::{BundleError, Damage};
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::progress::Progress;
use crate::storage::Lock;
use crate::trust::Overrides;

/// Something that a rehearsal checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checked {
    /// The bundle's signature by a trusted builder.
    Signature,
    /// Site, epoch, sequence and expiry.
    Policy,
    /// Free space for all that the import writes.
    Space,
    /// Every byte of the volumes that are here.
    Bytes,
    /// Upstream's own signatures with the keys that the site pins, and the site's policy for sources without any.
    Proofs,
    /// Upstream's dates, which may not go back.
    Dates,
}

impl Checked {
    /// The check in words.
    pub fn message(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Policy => "policy",
            Self::Space => "space",
            Self::Bytes => "every byte",
            Self::Proofs => "upstream's proofs",
            Self::Dates => "upstream's dates",
        }
    }
}

/// A bundle that can be imported.
#[derive(Debug)]
pub struct Rehearsed {
    /// The bundle's folder name.
    pub bundle: String,
    /// The checks that were made.
    pub checked: Vec<Checked>,
    /// Items without upstream's proof, which the site's policy allows.
    pub unsigned: u64,
    /// Collections that only an import can build, since another program publishes them.
    pub not_built: Vec<String>,
    /// Bytes that the import writes at most, with those of the bundles before it.
    pub needed: u64,
    /// Bytes that are free for them.
    pub free: u64,
    /// Damage on the medium that an import would restore.
    pub repaired: Vec<Damage>,
    /// Items that have other bytes than before under the same name and version.
    pub changed_items: Vec<ChangedItem>,
    /// The generation that clients would see before the import.
    pub before: Generation,
    /// The generation that they would see after it.
    pub generation: Generation,
}

/// Checks bundles one after the other, each as if those before it were imported.
pub(super) struct Rehearsal<'a> {
    site: &'a Site,
    allow: Overrides,
    progress: &'a Progress,
    scratch: ScratchDepot,
    current: Generation,
    /// Blobs that publishers read, and that patches build on. Of all others the scratch depot has sparse files.
    to_read: BTreeSet<Sha256>,
    needed: u64,
    free: u64,
    /// Nothing else may change the site meanwhile, such as tidy up the scratch folder.
    _lock: Lock,
}

impl<'a> Rehearsal<'a> {
    /// Starts a rehearsal of an import of `bundles`.
    pub(super) fn start(
        site: &'a Site,
        bundles: &[OpenState],
        allow: Overrides,
        progress: &'a Progress,
    ) -> Result<Self, SiteError> {
        let lock = site.lock()?;
        let free = site.depot()?.free_bytes()?;
        let scratch = ScratchDepot::over(site, &lock)?;
        let (current, to_read) = (site.current()?, blobs_to_read(site, bundles)?);
        Ok(Self { site, allow, progress, scratch, current, to_read, needed: 0, free, _lock: lock })
    }

    /// Checks the next bundle.
    pub(super) fn bundle(&mut self, state: &OpenState) -> Result<Rehearsed, SiteError> {
        accept(self.site, state, &self.current, self.allow)?;
        let incoming = Incoming::on_media(state);
        let mut content = incoming.lists(self.scratch.path())?;
        let changed = self.changed_items(state, content.state.listed())?;
        incoming.store(&content, &self.scratch.depot)?;
        mark_lacking(&mut content.blobs, &self.scratch.depot)?;
        let depot = self.site.depot()?;
        let unchanged = unchanged_collections(self.site, &self.scratch.depot, &self.current, &state.manifest)?;
        let files = NextFiles { depot: &self.scratch.depot, current: &self.current, unchanged: &unchanged };
        self.needed += room::of_blobs(&content.blobs, &depot) + files.room(&content)?;
        room::check(self.site, self.needed, self.free)?;
        let (second, repaired) = self.unpack(incoming, &mut content)?;
        let recipe = recipe(&content.state, self.current.clone(), second, self.allow, self.progress);
        let recipe = super::generation::Recipe { is_rehearsal: true, ..recipe };
        let next = prepare(self.site, &self.scratch.depot, &self.current, &recipe)?;
        let before = std::mem::replace(&mut self.current, next);
        Ok(Rehearsed { changed_items: changed, ..self.report(&content.state.manifest, repaired, before) })
    }

    fn changed_items(&self, state: &OpenState, new: ListedCollections<'_>) -> Result<Vec<ChangedItem>, SiteError> {
        changed_items::checked(self.site, &self.scratch.depot, &self.current, &state.manifest, new, self.allow)
    }

    /// Checks every part of all packings, and unpacks what publishers read.
    fn unpack(
        &self,
        incoming: Incoming<'_>,
        content: &mut IncomingState,
    ) -> Result<(SecondDigests, Vec<Damage>), SiteError> {
        let journal = Journal::open(&self.scratch.path().join(incoming.state.digest.to_hex()), incoming.state)?;
        let target = UnpackTarget {
            site: self.site,
            depot: &self.scratch.depot,
            journal: &journal,
            scratch: self.scratch.path(),
        };
        let inner = DepotSink::new(content, &self.scratch.depot, &journal)?;
        let sink = RehearsalSink { inner, depot: &self.scratch.depot, to_read: &self.to_read };
        let progress = self.progress.phase("checking", content.blobs.iter().map(|blob| blob.size).sum());
        let read = target.read(incoming, content, &sink, &progress);
        progress.finish();
        let (second, left, committed) = sink.inner.finish();
        let (packings, repaired) = read?;
        committed?;
        content.blobs.mark_set(BlobMark::Lacking, &left);
        target.assemble(&mut content.blobs)?;
        target.complete(&packings, &content.blobs)?;
        Ok((second, repaired))
    }

    fn report(&self, manifest: &Manifest, repaired: Vec<Damage>, before: Generation) -> Rehearsed {
        use Checked::{Bytes, Dates, Policy, Proofs, Signature, Space};
        let checked = [Signature, Policy, Space, Bytes, Proofs].into_iter();
        let folders = || manifest.collections.iter().map(StateCollection::folder);
        let published = folders().filter_map(|folder| Some((folder.clone(), self.current.published.get(&folder)?)));
        let by_program = |(folder, published): (String, &super::Published)| {
            (published.publish == crate::collection::Publish::Reprepro).then_some(folder)
        };
        Rehearsed {
            bundle: manifest.folder(),
            checked: checked.chain((!self.allow.older_upstream).then_some(Dates)).collect(),
            unsigned: published.clone().map(|(_, published)| published.unsigned).sum(),
            not_built: published.filter_map(by_program).collect(),
            needed: self.needed,
            free: self.free,
            repaired,
            changed_items: Vec::new(),
            before,
            generation: self.current.clone(),
        }
    }
}

/// The blobs that publishers read, and those that patches build on.
fn blobs_to_read(site: &Site, bundles: &[OpenState]) -> Result<BTreeSet<Sha256>, SiteError> {
    let mut read = BTreeSet::new();
    for state in bundles {
        let content = Incoming::on_media(state).lists(site.root())?;
        for (index, collection) in content.state.manifest.collections.iter().enumerate() {
            let is_read = collection.kind.is_read_by_publisher() || collection.second_digest.is_some();
            content.each_line(index, |line| {
                if is_read || matches!(line, ListLine::Proof(_)) {
                    read.insert(line.blob().0);
                }
            })?;
        }
        read.extend(bases(&site.packings(state)?.found, site.root())?);
    }
    Ok(read)
}

/// Checks every part, and writes those that publishers read.
struct RehearsalSink<'a> {
    inner: DepotSink<'a>,
    depot: &'a Depot,
    to_read: &'a BTreeSet<Sha256>,
}

/// A part of a bundle that is rehearsed.
enum RehearsedPart {
    /// It goes into the scratch depot.
    Written(Writing),
    /// A sparse file takes its place.
    Sparse,
    /// The site has the blob.
    Known,
}

impl PartSink for RehearsedPart {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        match self {
            Self::Written(writing) => writing.write(bytes),
            Self::Sparse | Self::Known => Ok(()),
        }
    }
}

impl ContentSink for RehearsalSink<'_> {
    type Part = RehearsedPart;

    fn wants(&self, _: &VolumePart) -> bool {
        true
    }

    fn base(&self, base: &Slice) -> Result<Option<Vec<u8>>, BundleError> {
        self.inner.base(base)
    }

    fn is_rotten(&self, base: &Slice) -> Result<bool, BundleError> {
        self.inner.is_rotten(base)
    }

    fn begin(&self, part: &VolumePart) -> Result<RehearsedPart, BundleError> {
        match self.inner.wants(part) {
            false => Ok(RehearsedPart::Known),
            // The parts of a blob that was cut are put together, so that the whole can be checked.
            true if part.is_whole() && !self.to_read.contains(&part.line.blob) => Ok(RehearsedPart::Sparse),
            true => self.inner.begin(part).map(RehearsedPart::Written),
        }
    }

    fn done(&self, part: &VolumePart, content: RehearsedPart) -> Result<(), BundleError> {
        match content {
            RehearsedPart::Written(writing) => self.inner.done(part, writing),
            RehearsedPart::Known => Ok(()),
            RehearsedPart::Sparse => {
                let path = self.depot.partial_path(&part.line.blob);
                let file = self.depot.create_partial(&part.line.blob)?;
                file.set_len(part.blob_size).map_err(BundleError::io("write", &path))?;
                self.inner.add(part)
            }
        }
    }

    fn bad(&self, part: &VolumePart, content: RehearsedPart) {
        if let RehearsedPart::Written(writing) = content {
            self.inner.bad(part, writing);
        }
    }
}
