//! What of each bundle a generation publishes, in full.

use super::{Generation, Site, SiteError};
use crate::bundle::Manifest;
use crate::bundle::manifest::MAX_MANIFEST_BYTES;
use crate::collection::Collection;
use crate::storage::read_capped;
use crate::time::Time;

impl Site {
    /// The collections that a generation publishes, each with the time as of which upstream's proofs in it were checked.
    pub fn collections(&self, generation: &Generation) -> Result<Vec<(Collection, Time)>, SiteError> {
        let mut collections = Vec::new();
        for (name, state) in generation.names.iter().filter(|(_, state)| state.manifest.is_some()) {
            let path = self.generation_folder(generation.number).join(format!("manifests/{name}.json"));
            let manifest = Manifest::parse(&read_capped(&path, MAX_MANIFEST_BYTES)?)?;
            collections.extend(manifest.collections.into_iter().map(|collection| (collection, state.verified)));
        }
        Ok(collections)
    }
}
