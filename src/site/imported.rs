//! The result of an import.

use super::enterprise_store::Pushes;
use super::{Generation, Site, SiteError};
use crate::bundle::{Bundle, Damage, Manifest, pieces};
use crate::storage::audit;

/// The result of an import.
#[derive(Debug)]
pub struct Imported {
    /// The new generation.
    pub generation: Generation,
    /// The bundle's folder name.
    pub bundle: String,
    /// Number of items that it publishes.
    pub items: u64,
    /// Size of all its blobs, in bytes.
    pub bytes: u64,
    /// Exports that were handed on to the Enterprise Store.
    pub pushes: Pushes,
    /// Damage on the medium that recovery data restored.
    pub repaired: Vec<Damage>,
    /// Number of blobs that were wrong or missing at the site and that `--reread` took from the medium.
    pub healed: u64,
    /// The generation that clients saw before.
    pub before: Generation,
}

impl Imported {
    /// Returns what every import of a bundle reports.
    pub(super) fn of(manifest: &Manifest, before: Generation, generation: Generation) -> Self {
        Self {
            generation,
            bundle: manifest.folder(),
            items: manifest.collections.iter().map(|c| c.items.len() as u64).sum(),
            bytes: manifest.blobs.iter().map(|b| b.size).sum(),
            pushes: Pushes::default(),
            repaired: Vec::new(),
            healed: 0,
            before,
        }
    }
}

/// Writes down what recovery data restored.
pub(super) fn note_repairs(site: &Site, bundle: &Bundle, repaired: &[Damage]) -> Result<(), SiteError> {
    if !repaired.is_empty() {
        audit::append(&site.root().join("audit.jsonl"), "repair", &bundle.manifest.folder(), &pieces(repaired))?;
    }
    Ok(())
}
