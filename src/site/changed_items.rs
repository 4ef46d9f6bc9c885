//! Items that have other bytes than in the published state, under the same name and version.

use super::state::Generation;
use super::{Site, SiteError};
use crate::bundle::state::Manifest;
use crate::bundle::state::known_versions::{self, ChangeRefusal, ChangedItem};
use crate::bundle::state::lists::ListedCollections;
use crate::bundle::state::stored_state::StoredState;
use crate::bundle::{BundleError, FormatError};
use crate::depot::Depot;
use crate::error_class::ErrorClass;
use crate::trust::Overrides;

/// Returns the items of the state that have other bytes than in the state of this name that is published. Refuses those that neither
/// the site's policy nor the operator allows.
///
/// A published state that is damaged or missing has no items: the import heals it, and is not stopped for it.
pub(super) fn checked(
    site: &Site,
    depot: &Depot,
    current: &Generation,
    manifest: &Manifest,
    new: ListedCollections<'_>,
    allow: Overrides,
) -> Result<Vec<ChangedItem>, SiteError> {
    let published = current.names.get(&manifest.name).and_then(|state| state.manifest);
    let before = match published.map(|digest| StoredState::open(depot, &digest)).transpose() {
        Err(error) if is_rot(error.class()) => None,
        opened => opened?,
    };
    let compared = before.map(|before| known_versions::changed_items(before.listed(), new)).transpose();
    let changed = match compared {
        Err(FormatError::Io(error)) => return Err(BundleError::io("compare", site.root())(error).into()),
        compared => compared.ok().flatten().unwrap_or_default(),
    };
    if !allow.changed_items {
        refuse(site, manifest, &changed)?;
    }
    Ok(changed)
}

/// Returns `true` for errors of blobs that are damaged or missing.
fn is_rot(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::VerificationFailed | ErrorClass::VolumesMissing)
}

fn refuse(site: &Site, manifest: &Manifest, changed: &[ChangedItem]) -> Result<(), SiteError> {
    let source_of = |item: &ChangedItem| {
        let collection = manifest.collections.iter().find(|collection| collection.folder() == item.collection);
        collection.map(|collection| &collection.source)
    };
    let allowed = &site.config.policy.allow_changed;
    let refused: Vec<_> = changed
        .iter()
        .filter_map(|item| Some((item, item.refusal()?)))
        .filter(|(item, reason)| {
            *reason == ChangeRefusal::FinalVersion || !source_of(item).is_some_and(|source| allowed.contains(source))
        })
        .collect();
    let Some((item, reason)) = refused.first() else { return Ok(()) };
    let way_out = match reason {
        ChangeRefusal::FinalVersion => {
            "Clients take the version for the content: ask the online side for another version".to_owned()
        }
        ChangeRefusal::NoProof => format!(
            "Nobody signs it: ask the online side for another version, or add {:?} to allow-changed, under [policy] in {}",
            source_of(item).map(ToString::to_string).unwrap_or_default(),
            site.root().join("site.toml").display()
        ),
    };
    Err(SiteError::ChangedItem { item: Box::new((*item).clone()), more: refused.len() - 1, way_out })
}
