//! Reasons to refuse a rollback before anything is published.

use std::collections::BTreeMap;

use super::rollback_target::NameRollback;
use super::state::Generation;
use super::{Site, SiteError};
use crate::bundle::BundleError;
use crate::bundle::state::stored_state::StoredState;
use crate::depot::{Depot, DepotError};
use crate::digest::Sha256;
use crate::error_class::{ErrorClass, Fault};
use crate::label::Label;
use crate::next_command;

/// Refuses states of which files are gone: publishers would take the bundle for incomplete.
pub(super) fn check_files(
    site: &Site,
    depot: &Depot,
    current: &Generation,
    chosen: &[NameRollback],
) -> Result<(), SiteError> {
    for NameRollback { name, state, .. } in chosen {
        let now = current.names.get(name).and_then(|state| state.manifest);
        let Some((manifest, bundle)) = state.as_ref().and_then(|state| Some((state.manifest?, &state.bundle))) else {
            continue;
        };
        if now == Some(manifest) {
            continue;
        }
        let lost = match lost_files(depot, &manifest, now) {
            Err(SiteError::Bundle(BundleError::Depot(DepotError::Missing { .. }))) => Some("its item lists".to_owned()),
            lost => lost?,
        };
        if let Some(lost) = lost {
            let check = next_command::site_check(site.root());
            let message = format!(
                "not all of {bundle} is here, namely {lost}: `{check}` names the bundles that have it; import them with --reread"
            );
            return Err(Fault::new(ErrorClass::VolumesMissing, message).into());
        }
    }
    Ok(())
}

/// Returns the first file that is not here of what the state has and the published one has not, and how many more there are, in words.
fn lost_files(depot: &Depot, manifest: &Sha256, published: Option<Sha256>) -> Result<Option<String>, SiteError> {
    let state = StoredState::open(depot, manifest)?;
    let is_rot =
        |error: &BundleError| matches!(error.class(), ErrorClass::VolumesMissing | ErrorClass::VerificationFailed);
    // Of a published state that cannot be read nothing is known to be the same.
    let now = match published.map(|digest| StoredState::manifest(depot, &digest)).transpose() {
        Err(error) if is_rot(&error) => None,
        now => now?,
    };
    let is_published = |collection| now.as_ref().is_some_and(|now| now.collections.contains(collection));
    let (mut first, mut more) = (None, 0);
    let in_list = |error| BundleError::in_file(&depot.place(manifest))(error);
    for (index, collection) in state.manifest.collections.iter().enumerate() {
        if is_published(collection) {
            continue;
        }
        let mut list = state.lists.read(index).map_err(in_list)?;
        while let Some(line) = list.next_line().map_err(in_list)? {
            if depot.holds(&line.blob().0)? {
                continue;
            }
            match first {
                None => first = Some(format!("{}/{}", collection.folder(), line.path())),
                Some(_) => more += 1,
            }
        }
    }
    Ok(first.map(|first| if more == 0 { first } else { format!("{first} and {more} more files") }))
}

/// Refuses states of two names that both have a collection: it has got another owner since.
pub(super) fn check_owners(
    site: &Site,
    depot: &Depot,
    current: &Generation,
    chosen: &[NameRollback],
) -> Result<(), SiteError> {
    let goes_back = |name: &Label| chosen.iter().any(|rollback| rollback.name == *name);
    let stay = current.inputs.iter().filter(|(_, inputs)| !goes_back(&inputs.name));
    let mut owners: BTreeMap<String, &Label> = stay.map(|(folder, inputs)| (folder.clone(), &inputs.name)).collect();
    for NameRollback { name, generation, state } in chosen {
        let Some(manifest) = state.as_ref().and_then(|state| state.manifest) else { continue };
        for collection in StoredState::manifest(depot, &manifest)?.collections {
            let folder = collection.folder();
            if let Some(owner) = owners.insert(folder.clone(), name) {
                let both = next_command::rollback_names(site.root(), *generation, &[owner, name]);
                return Err(Fault::refused(format!(
                    "{folder} belongs to the bundle name {owner} now, and {name} had it in generation {generation}: bring both back \
                     by `{both}`"
                ))
                .into());
            }
        }
    }
    Ok(())
}
