//! What the site is known to hold, and how that is known. It moves when delivery is known, never when a bundle is built.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::delivered_blobs::DeliveredBlobs;
use super::history::History;
use super::{Workspace, WorkspaceError};
use crate::bundle::names;
use crate::bundle::packing::BaseState;
use crate::bundle::state::Manifest;
use crate::digest::Sha256;
use crate::error_class::{ErrorClass, Fault};
use crate::label::Label;
use crate::next_command;
use crate::numbers::{Epoch, Sequence};
use crate::receipt::{Receipt, ReceiptNumber};
use crate::storage::{StorageError, audit, write_atomically};
use crate::time::Time;

/// How it is known that a bundle has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryEvidence {
    /// The site says so, signed.
    Receipt,
    /// An operator says so.
    Confirmed,
    /// Nobody says so: the selection trusts that one of the bundles since then has arrived.
    Overlap,
}

impl DeliveryEvidence {
    /// The word for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Confirmed => "confirmed",
            Self::Overlap => "overlap",
        }
    }
}

/// The newest bundle that is known to have arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivered {
    epoch: Epoch,
    /// `None` if the site said that it has no bundle.
    sequence: Option<Sequence>,
    how: DeliveryEvidence,
    /// When the site or the operator said so. For people only: the clocks of both sides cannot be compared.
    made: Time,
    /// Blobs of it that the site does not hold all the same.
    lacks: BTreeSet<Sha256>,
    /// The newest receipt that was accepted. An operator's word since then does not change it.
    newest_receipt: Option<ReceiptNumber>,
}

/// The receipts that [`Workspace::accept`] accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptOrder {
    /// Only one that is newer than the last.
    Newer,
    /// Any: an operator says that the site was restored while its clock was behind.
    Any,
}

impl Delivered {
    fn bundle(&self, site: &Label, name: &Label) -> String {
        self.sequence.map_or_else(|| format!("no bundle named {name}"), |sequence| names::folder(site, name, sequence))
    }
}

/// What a delta builds on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryBase {
    /// The site has published this state, or a later one.
    pub state: BaseState,
    /// How that is known.
    pub how: DeliveryEvidence,
    /// Blobs that it holds then.
    pub held: DeliveredBlobs,
}

impl Workspace {
    pub(super) fn lists(&self, site: &Label, name: &Label) -> History {
        History::new(self.history(site, name).with_extension(""))
    }

    fn delivered(&self, site: &Label, name: &Label) -> Result<Option<Delivered>, WorkspaceError> {
        let path = self.delivered_path(site, name);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(WorkspaceError::io("read", &path))?,
        };
        let damaged = StorageError::damaged(&path);
        Ok(Some(serde_json::from_slice(&bytes).map_err(damaged)?))
    }

    fn delivered_path(&self, site: &Label, name: &Label) -> PathBuf {
        self.history(site, name).with_extension("delivered")
    }

    /// Returns the state that the next bundle may build on, after the last one with this manifest. Returns `None` if all must be
    /// carried.
    pub fn base(&self, manifest: &Manifest, overlap: Option<u64>) -> Result<Option<DeliveryBase>, WorkspaceError> {
        let (site, name, epoch) = (&manifest.site, &manifest.name, manifest.epoch);
        let known = self.delivered(site, name)?.filter(|known| known.epoch == epoch);
        let by_overlap = || {
            let sequence = Some(manifest.sequence.before(overlap?)?);
            let (how, made, lacks) = (DeliveryEvidence::Overlap, Time::default(), BTreeSet::new());
            Some(Delivered { epoch, sequence, how, made, lacks, newest_receipt: None })
        };
        let Some(base) = known.or_else(by_overlap) else { return Ok(None) };
        let Some(sequence) = base.sequence else { return Ok(None) }; // the site has nothing
        let history = self.lists(site, name);
        let common = history.common(epoch, sequence, manifest.sequence)?;
        let digest = history.manifest(epoch, sequence)?;
        Ok(common.zip(digest).map(|(lists, digest)| {
            let state = BaseState { manifest: digest, sequence };
            DeliveryBase { state, how: base.how, held: DeliveredBlobs { lists, lacks: base.lacks } }
        }))
    }

    /// Forgets what no delta can build on any more, now that `manifest` is the last.
    pub(super) fn forget_old(&self, manifest: &Manifest, overlap: Option<u64>) -> Result<(), WorkspaceError> {
        let lists = self.lists(&manifest.site, &manifest.name);
        let by_overlap = manifest.sequence.before(overlap.unwrap_or(0).max(KEPT));
        let known = self.delivered(&manifest.site, &manifest.name)?.filter(|known| known.epoch == manifest.epoch);
        let from = known.map_or(by_overlap, |known| known.sequence.min(by_overlap));
        lists.prune(manifest.epoch, from.unwrap_or(Sequence::FIRST))
    }

    /// Makes the error of a receipt that is not newer than the newest accepted one.
    fn older_receipt(&self, path: &Path, number: ReceiptNumber, newest: ReceiptNumber, known: &str) -> Fault {
        let command = next_command::confirm_older_receipt(path, &self.root);
        let message = format!(
            "nothing new: {} has number {number}, and a receipt of number {newest} was accepted; {known} is known to have arrived. If \
             the site was restored from a backup and its clock was behind: `{command}`",
            path.display()
        );
        Fault::new(ErrorClass::NothingNew, message)
    }

    /// Takes the operator's word that the bundle of this name has arrived.
    pub fn confirm(&self, bundle: &str) -> Result<(), WorkspaceError> {
        let unknown = || unknown_bundle(bundle);
        let (stem, number) = bundle.rsplit_once('-').ok_or_else(unknown)?;
        let sequence: Sequence = number.parse().map_err(|_| unknown())?;
        let last = self.last_of(stem)?.ok_or_else(unknown)?;
        let (site, name, epoch) = (&last.manifest.site, &last.manifest.name, last.manifest.epoch);
        let known = self.delivered(site, name)?;
        let newest_receipt = known.as_ref().and_then(|known| known.newest_receipt);
        if let Some(known) = known.filter(|known| known.epoch == epoch && known.sequence >= Some(sequence)) {
            let (known, made) = (known.bundle(site, name), known.made);
            let message = format!("nothing new: {known} is known to have arrived, said at {made}");
            return Err(Fault::new(ErrorClass::NothingNew, message).into());
        }
        self.lists(site, name).manifest(epoch, sequence)?.ok_or_else(unknown)?;
        let (how, made, lacks) = (DeliveryEvidence::Confirmed, Time::now(), BTreeSet::new());
        let delivered = Delivered { epoch, sequence: Some(sequence), how, made, lacks, newest_receipt };
        self.note_delivered(site, name, &delivered, how.word())
    }

    /// Takes the word of a receipt whose signature has been checked. The newest word counts, also where the site has less
    /// than before, as after a restore from a backup.
    ///
    /// Receipts are compared by their numbers alone. An operator's word has none: a receipt that was not accepted before
    /// counts after it, and if it is of an earlier bundle, more travels than must.
    pub fn accept(&self, path: &Path, receipt: &Receipt, order: ReceiptOrder) -> Result<(), WorkspaceError> {
        let (site, name, epoch) = (&receipt.site, &receipt.name, receipt.epoch);
        let known = self.delivered(site, name)?.and_then(|known| Some((known.newest_receipt?, known)));
        let is_old = |newest| order == ReceiptOrder::Newer && receipt.number <= newest;
        if let Some((newest, known)) = known.filter(|(newest, _)| is_old(*newest)) {
            return Err(self.older_receipt(path, receipt.number, newest, &known.bundle(site, name)).into());
        }
        let history = self.lists(site, name);
        for state in receipt.published.iter().chain(&receipt.held) {
            let bundle = names::folder(site, name, state.sequence);
            match history.manifest(epoch, state.sequence)? {
                // What it holds besides may be of another workspace, and nothing builds on it.
                None if receipt.published == Some(*state) => return Err(unknown_bundle(&bundle).into()),
                Some(made) if made != state.manifest => return Err(other_manifest(&bundle).into()),
                Some(_) | None => {}
            }
        }
        let delivered = Delivered {
            epoch,
            sequence: receipt.published.map(|state| state.sequence),
            how: DeliveryEvidence::Receipt,
            made: receipt.made,
            lacks: receipt.lacks.clone(),
            newest_receipt: Some(receipt.number),
        };
        let detail = match order {
            ReceiptOrder::Newer => DeliveryEvidence::Receipt.word().to_owned(),
            ReceiptOrder::Any => format!("{} --allow-older-receipt", DeliveryEvidence::Receipt.word()),
        };
        self.note_delivered(site, name, &delivered, &detail)
    }

    fn note_delivered(
        &self,
        site: &Label,
        name: &Label,
        delivered: &Delivered,
        detail: &str,
    ) -> Result<(), WorkspaceError> {
        audit::append(&self.root.join("audit.jsonl"), "delivered", &delivered.bundle(site, name), detail)?;
        let path = self.delivered_path(site, name);
        let mut text = serde_json::to_string_pretty(delivered).map_err(StorageError::damaged(&path))?;
        text.push('\n');
        Ok(write_atomically(&path, text.as_bytes(), 0o644)?)
    }
}

/// So many bundles back, one can still be confirmed.
const KEPT: u64 = 50;

/// Makes the error of a bundle that this workspace does not know.
fn unknown_bundle(bundle: &str) -> Fault {
    Fault::usage(format!(
        "{bundle} was not made from this workspace, or so long ago that it is forgotten: give the right --workspace, or export with \
         --full"
    ))
}

/// Makes the error of a receipt for a bundle with another manifest.
fn other_manifest(bundle: &str) -> Fault {
    Fault::unverified(format!(
        "the receipt for {bundle} names another manifest than the one that was made here: export with --full"
    ))
}
