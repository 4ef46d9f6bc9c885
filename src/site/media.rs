//! Imports the bundles that were found on media, in order, and says what is still missing.

use std::collections::BTreeMap;

use super::import::{ImportOptions, import_bundle};
use super::imported::Imported;
use super::rehearsal::{Rehearsal, Rehearsed};
use super::search::BundleSearch;
use super::{Site, SiteError};
use crate::bundle::state::OpenState;
use crate::error_class::{ErrorClass, causes};
use crate::progress::Progress;
use crate::trust::Overrides;

/// Bundles that were imported or checked, in order.
#[derive(Debug)]
pub struct InOrder<T> {
    /// All but the last one.
    pub earlier: Vec<T>,
    /// The last one.
    pub last: T,
}

impl<T> InOrder<T> {
    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.earlier.iter().chain(std::iter::once(&self.last))
    }

    /// The first one.
    pub fn first(&self) -> &T {
        self.earlier.first().unwrap_or(&self.last)
    }
}

/// Imports what was found, in order. Ends with what is missing, or what was wrong, as the error.
pub fn import_found(
    site: &Site,
    found: BundleSearch,
    options: ImportOptions,
    say: &dyn Fn(&str),
    progress: &Progress,
) -> Result<InOrder<Imported>, SiteError> {
    let is_several = is_several(&found);
    take_in_order(found, say, |bundle| {
        let imported = import_bundle(site, bundle, options, progress)?;
        if is_several {
            say(&format!("{} is published as generation {}", imported.bundle, imported.generation.number));
        }
        Ok(imported)
    })
}

/// Checks what was found as [`import_found`] would before it publishes, and changes nothing: each bundle is checked as if those
/// before it were imported.
pub fn rehearse_found(
    site: &Site,
    found: BundleSearch,
    allow: Overrides,
    say: &dyn Fn(&str),
    progress: &Progress,
) -> Result<InOrder<Rehearsed>, SiteError> {
    let mut rehearsal = Rehearsal::start(site, &found.bundles, allow, progress)?;
    take_in_order(found, say, |bundle| rehearsal.bundle(bundle))
}

fn is_several(found: &BundleSearch) -> bool {
    found.is_search || found.bundles.len() > 1
}

/// Takes each bundle by `step`. A bundle whose volumes or approvals are missing does not hold up a later one, which may have all that it
/// needs; if one does, the former is no longer waited for. Nor does one that cannot be imported.
fn take_in_order<T>(
    found: BundleSearch,
    say: &dyn Fn(&str),
    mut step: impl FnMut(&OpenState) -> Result<T, SiteError>,
) -> Result<InOrder<T>, SiteError> {
    let several = is_several(&found);
    let (mut done, mut incomplete, mut passed, mut failed) = (Vec::new(), BTreeMap::new(), None, None);
    for bundle in &found.bundles {
        let (name, folder) = (&bundle.manifest.name, bundle.manifest.folder());
        match step(bundle) {
            Ok(result) => {
                if let Some(error) = incomplete.remove(name) {
                    say(&format!("no more needed, since {folder} is here: {error}"));
                }
                done.push(result);
            }
            Err(error) if several && error.is_past() => {
                say(&format!("{folder} is passed over: {error}"));
                if passed.is_none() || matches!(error, SiteError::AlreadyImported { .. }) {
                    passed = Some(error);
                }
            }
            Err(error)
                if several && matches!(error.class(), ErrorClass::VolumesMissing | ErrorClass::ApprovalMissing) =>
            {
                incomplete.entry(name.clone()).or_insert(error);
            }
            Err(error) if several && !error.stops_all() => {
                // What ends the import is not said twice.
                match failed {
                    None => failed = Some(error),
                    Some(_) => say(&format!("{folder} is not imported: {}", causes(&error).join(": "))),
                }
            }
            Err(error) => return Err(error),
        }
    }
    let failure = failed.or(incomplete.into_values().next()).or(found.failure);
    match (failure, done.pop()) {
        (Some(error), _) => Err(error),
        (None, Some(last)) => Ok(InOrder { earlier: done, last }),
        (None, None) => Err(passed.unwrap_or(SiteError::NoBundle { paths: Vec::new() })),
    }
}
