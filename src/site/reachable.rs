//! Finds the blobs that a site still needs, through the manifests and the path maps of its generations. Link counts do not
//! count: a site that was copied without hard links has none.

use std::collections::BTreeSet;

use super::path_map::PathMap;
use super::{Site, SiteError};
use crate::bundle::state::stored_state::StoredState;
use crate::digest::Sha256;

/// Returns the blobs of these generations: their path maps, all files in these, and all that the published manifests name.
///
/// Fails if any of it cannot be read: the blobs that it names would seem to be needless.
pub(super) fn reachable(site: &Site, numbers: &BTreeSet<u64>) -> Result<BTreeSet<Sha256>, SiteError> {
    let depot = site.depot()?;
    let (mut blobs, mut manifests, mut maps) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for number in numbers {
        let generation = site.generation(*number)?;
        maps.extend(generation.mounts.values().map(|mount| mount.paths));
        manifests.extend(generation.names.values().filter_map(|state| state.manifest));
    }
    for map in maps {
        blobs.insert(map);
        PathMap::each(&depot, &map, |_, digest| {
            blobs.insert(digest);
            Ok(())
        })?;
    }
    for digest in manifests {
        let state = StoredState::open(&depot, &digest)?;
        blobs.extend(state.own_blobs());
        blobs.extend(state.blobs(&depot)?.iter().map(|blob| blob.sha256));
    }
    Ok(blobs)
}
