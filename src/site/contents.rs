//! What of each bundle a generation publishes, in full.

use super::{Generation, Site, SiteError};
use crate::bundle::BundleError;
use crate::bundle::state::stored_state::StoredState;
use crate::collection::Collection;
use crate::label::Label;
use crate::review::FeedFile;
use crate::time::Time;

impl Site {
    /// Opens the state of this name that is published; `None` if there is none.
    pub fn published_state(&self, name: &Label) -> Result<Option<StoredState>, SiteError> {
        let current = self.current()?;
        let digest = current.names.get(name).and_then(|state| state.manifest);
        let state = digest.map(|digest| StoredState::open(&self.depot_to_read(), &digest)).transpose()?;
        Ok(state)
    }

    /// The files of security data that the site publishes, by their names.
    pub fn published_feeds(&self) -> Result<Vec<FeedFile>, SiteError> {
        let depot = self.depot_to_read();
        let mut files = Vec::new();
        for (collection, _) in self.collections(&self.current()?)? {
            for item in &collection.items {
                let (Some((format, date)), Some(sha256)) = (item.details.feed(), collection.blob(&item.file)) else {
                    continue;
                };
                let name = format!("{}/{}", collection.name, item.file);
                let (size, place) = (depot.expect_size(&sha256)?, depot.as_file(&sha256)?);
                files.push(FeedFile { name, format, date, sha256, size, place });
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// The collections that a generation publishes, each with the time as of which upstream's proofs in it were checked.
    pub fn collections(&self, generation: &Generation) -> Result<Vec<(Collection, Time)>, SiteError> {
        let mut collections = Vec::new();
        let depot = self.depot_to_read();
        for state in generation.names.values() {
            let Some(digest) = state.manifest else { continue };
            for collection in StoredState::open(&depot, &digest)?.collections() {
                let collection = collection.map_err(BundleError::in_file(&depot.place(&digest)))?;
                collections.push((collection, state.verified));
            }
        }
        Ok(collections)
    }
}
