//! What the site is known to hold, and how that is known. It moves when delivery is known, never when a bundle is built.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::history::History;
use super::{Last, Workspace};
use crate::bundle::Manifest;
use crate::collection::Label;
use crate::digest::Sha256;
use crate::exit::Exit;
use crate::receipt::Receipt;
use crate::site::{SiteError, audit, write_atomically};
use crate::time::Time;

/// How it is known that a bundle has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The site says so, signed.
    Receipt,
    /// An operator says so.
    Confirmed,
    /// Nobody says so: the selection trusts that one of the bundles since then has arrived.
    Overlap,
}

impl How {
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
    epoch: u64,
    sequence: u64,
    how: How,
    /// When the site or the operator said so.
    made: Time,
    /// Blobs of it that the site does not hold all the same.
    lacks: BTreeSet<Sha256>,
}

/// What a delta builds on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The site has imported the bundle of this sequence, or a later one.
    pub sequence: u64,
    /// How that is known.
    pub how: How,
    /// Blobs that it holds then.
    pub held: BTreeSet<Sha256>,
}

/// Why a delivery is not noted.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The workspace refused.
    #[error(transparent)]
    Workspace(#[from] SiteError),
    /// This workspace made no such bundle.
    #[error(
        "{bundle} was not made from this workspace, or so long ago that it is forgotten: give the right --workspace, or export with --full"
    )]
    Unknown {
        /// The bundle.
        bundle: String,
    },
    /// The receipt is for another bundle of the same number.
    #[error("the receipt for {bundle} names another manifest than the one that was made here: export with --full")]
    OtherManifest {
        /// The bundle.
        bundle: String,
    },
    /// More recent news is known.
    #[error("nothing new: {known} is known to have arrived, said at {made}")]
    Older {
        /// The newest bundle that is known to have arrived.
        known: String,
        /// When that was said.
        made: Time,
    },
}

impl DeliveryError {
    /// The exit code of this failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Workspace(error) => error.exit(),
            Self::Unknown { .. } => Exit::Usage,
            Self::OtherManifest { .. } => Exit::VerificationFailed,
            Self::Older { .. } => Exit::NothingNew,
        }
    }
}

impl Workspace {
    fn lists(&self, site: &Label, name: &Label) -> History {
        History::new(self.history(site, name).with_extension(""))
    }

    fn delivered(&self, site: &Label, name: &Label) -> Result<Option<Delivered>, SiteError> {
        let path = self.delivered_path(site, name);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(SiteError::io("read", &path))?,
        };
        let damaged = |error: serde_json::Error| SiteError::Damaged { path: path.clone(), reason: error.to_string() };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    fn delivered_path(&self, site: &Label, name: &Label) -> PathBuf {
        self.history(site, name).with_extension("delivered")
    }

    /// What the next bundle may build on, after `last`; none if all must be carried.
    pub fn base(&self, last: &Last, overlap: Option<u64>) -> Result<Option<Base>, SiteError> {
        let manifest = &last.manifest;
        let (site, name, epoch) = (&manifest.site, &manifest.name, manifest.epoch);
        let known = self.delivered(site, name)?.filter(|known| known.epoch == epoch);
        let by_overlap = || {
            let sequence = manifest.sequence.checked_sub(overlap?).filter(|sequence| *sequence > 0)?;
            Some(Delivered { epoch, sequence, how: How::Overlap, made: Time::default(), lacks: BTreeSet::new() })
        };
        let Some(base) = known.or_else(by_overlap) else { return Ok(None) };
        if base.sequence == 0 {
            return Ok(None); // the site has nothing
        }
        let common = self.lists(site, name).common(epoch, base.sequence, manifest.sequence)?;
        Ok(common.map(|mut held| {
            held.retain(|digest| !base.lacks.contains(digest));
            Base { sequence: base.sequence, how: base.how, held }
        }))
    }

    /// Remembers what `manifest`, which is now the last, needs; forgets what no delta can build on any more.
    pub(super) fn note_needs(
        &self,
        manifest: &Manifest,
        digest: &Sha256,
        overlap: Option<u64>,
    ) -> Result<(), SiteError> {
        let lists = self.lists(&manifest.site, &manifest.name);
        lists.note(manifest, digest)?;
        let by_overlap = manifest.sequence.saturating_sub(overlap.unwrap_or(0).max(KEPT));
        let known = self.delivered(&manifest.site, &manifest.name)?.filter(|known| known.epoch == manifest.epoch);
        lists.prune(manifest.epoch, known.map_or(by_overlap, |known| known.sequence.min(by_overlap)))
    }

    /// Takes the operator's word that the bundle of this name has arrived.
    pub fn confirm(&self, bundle: &str) -> Result<(), DeliveryError> {
        let unknown = || DeliveryError::Unknown { bundle: bundle.to_owned() };
        let (stem, number) = bundle.rsplit_once('-').ok_or_else(unknown)?;
        let sequence: u64 = number.parse().map_err(|_| unknown())?;
        let last = self.last_of(stem)?.ok_or_else(unknown)?;
        let (site, name, epoch) = (&last.manifest.site, &last.manifest.name, last.manifest.epoch);
        let known = self.delivered(site, name)?.filter(|known| known.epoch == epoch && known.sequence >= sequence);
        if let Some(known) = known {
            return Err(older(stem, &known));
        }
        self.lists(site, name).manifest(epoch, sequence)?.ok_or_else(unknown)?;
        let delivered = Delivered { epoch, sequence, how: How::Confirmed, made: Time::now(), lacks: BTreeSet::new() };
        Ok(self.note_delivered(site, name, &delivered)?)
    }

    /// Takes the word of a receipt whose signature has been checked. The newest word counts, also where the site has less
    /// than before, as after a restore from a backup.
    pub fn accept(&self, receipt: &Receipt) -> Result<(), DeliveryError> {
        let (site, name, epoch) = (&receipt.site, &receipt.name, receipt.epoch);
        let stem = format!("{site}-{name}");
        let newer = |known: &Delivered| {
            known.epoch == epoch
                && (known.made > receipt.made || (known.how == How::Receipt && known.made == receipt.made))
        };
        if let Some(known) = self.delivered(site, name)?.filter(newer) {
            return Err(older(&stem, &known));
        }
        if let Some(manifest) = receipt.manifest {
            let bundle = crate::bundle::names::folder(site, name, receipt.sequence);
            match self.lists(site, name).manifest(epoch, receipt.sequence)? {
                None => return Err(DeliveryError::Unknown { bundle }),
                Some(made) if made != manifest => return Err(DeliveryError::OtherManifest { bundle }),
                Some(_) => {}
            }
        }
        let (sequence, made, lacks) = (receipt.sequence, receipt.made, receipt.lacks.clone());
        Ok(self.note_delivered(site, name, &Delivered { epoch, sequence, how: How::Receipt, made, lacks })?)
    }

    fn note_delivered(&self, site: &Label, name: &Label, delivered: &Delivered) -> Result<(), SiteError> {
        let bundle = crate::bundle::names::folder(site, name, delivered.sequence);
        audit::append(&self.root.join("audit.jsonl"), "delivered", &bundle, delivered.how.word())?;
        let path = self.delivered_path(site, name);
        let mut text = serde_json::to_string_pretty(delivered)
            .map_err(|error| SiteError::Damaged { path: path.clone(), reason: error.to_string() })?;
        text.push('\n');
        write_atomically(&path, text.as_bytes(), 0o644)
    }
}

/// So many bundles back, one can still be confirmed.
const KEPT: u64 = 50;

fn older(stem: &str, known: &Delivered) -> DeliveryError {
    DeliveryError::Older { known: format!("{stem}-{:06}", known.sequence), made: known.made }
}
