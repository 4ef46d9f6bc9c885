//! The result of an import.

use super::enterprise_store::Pushes;
use super::incoming::IncomingState;
use super::{Generation, Site, SiteError};
use crate::bundle::state::known_versions::ChangedItem;
use crate::bundle::state::{Manifest, OpenState};
use crate::bundle::{Damage, pieces};
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
    /// Size of all its files, in bytes.
    pub bytes: u64,
    /// Exports that were handed on to the Enterprise Store.
    pub pushes: Pushes,
    /// Damage on the medium that recovery data restored.
    pub repaired: Vec<Damage>,
    /// Number of blobs that were wrong or missing at the site and that `--reread` took from the medium.
    pub healed: u64,
    /// Items that have other bytes than before under the same name and version.
    pub changed_items: Vec<ChangedItem>,
    /// The generation that clients saw before.
    pub before: Generation,
    /// A sentence, if the bundle was not made after the one that the site accepted last: two builders may have forked.
    pub fork: Option<String>,
}

impl Imported {
    /// Returns what every import of a bundle reports.
    pub(super) fn of(content: &IncomingState, before: Generation, generation: Generation) -> Self {
        let manifest = &content.state.manifest;
        let published = manifest.collections.iter().filter_map(|one| generation.published.get(&one.folder()));
        Self {
            items: published.map(|published| published.items).sum(),
            generation,
            bundle: manifest.folder(),
            bytes: manifest.collections.iter().map(|collection| collection.bytes).sum(),
            pushes: Pushes::default(),
            repaired: Vec::new(),
            healed: 0,
            changed_items: Vec::new(),
            fork: fork(manifest, &before),
            before,
        }
    }
}

/// Returns a sentence if `manifest` follows the accepted one by its sequence, and names another one as `previous`. Nothing is
/// decided by it: a builder who lost the history of the workspace does not know the one before.
fn fork(manifest: &Manifest, before: &Generation) -> Option<String> {
    let known = before.names.get(&manifest.name).filter(|known| known.epoch == manifest.epoch)?;
    let follows = manifest.sequence == known.sequence.next() && manifest.sequence > known.sequence;
    if !follows || manifest.previous == Some(known.accepted) {
        return None;
    }
    let previous = manifest.previous.map_or_else(|| "no bundle".to_owned(), |digest| format!("the manifest {digest}"));
    Some(format!(
        "{} was made after {previous}, and the bundle before it here has the manifest {}: do two workspaces export {}?",
        manifest.folder(),
        known.accepted,
        manifest.name
    ))
}

/// Writes down what recovery data restored.
pub(super) fn note_repairs(site: &Site, state: &OpenState, repaired: &[Damage]) -> Result<(), SiteError> {
    if !repaired.is_empty() {
        audit::append(&site.root().join("audit.jsonl"), "repair", &state.manifest.folder(), &pieces(repaired))?;
    }
    Ok(())
}
