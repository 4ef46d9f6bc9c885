//! Publishes any other files as they are. Nobody vouches for them that we could ask, so the site's policy has to allow them.

use super::error::{not_vouched, unknown_proof};
use super::{Context, PublishError, check_source};
use crate::bundle::state::lists::StateLists;
use crate::bundle::state::manifest::StateCollection;
use crate::bundle::state::{ItemLine, ListLine};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::path::PublishPath;
use crate::site::path_map::NewPathMap;
use crate::site::state::Published;

/// Files in an item list.
pub(in crate::site) struct StreamedFiles<'a> {
    pub(super) collection: &'a StateCollection,
    pub(super) lists: &'a StateLists,
    /// The number of the collection, counted from 0.
    pub(super) index: usize,
}

impl StreamedFiles<'_> {
    /// Returns the record of what is published. [`Self::store_path_map`] refuses a list that has anything but items without proof.
    pub(super) fn published(&self) -> Published {
        let items = self.collection.files;
        Published { items, unsigned: items, vouched: items == 0, ..Published::empty(self.collection) }
    }

    /// Checks that each item says of its file what can be seen, and stores the path map. Returns its digest, or `None` if there is no
    /// file.
    pub(in crate::site) fn store_path_map(&self, context: &Context<'_, '_>) -> Result<Option<Sha256>, PublishError> {
        check_source(self.collection.kind, &self.collection.source)?;
        let folder: PublishPath = self.collection.folder().parse()?;
        let (mut list, mut is_empty) = (self.lists.read(self.index).map_err(Fault::unverified)?, true);
        let mut map = NewPathMap::new(context.depot)?;
        while let Some(line) = list.next_line().map_err(Fault::unverified)? {
            let item = match line {
                ListLine::Item(item) => item,
                ListLine::Proof(proof) => return Err(unknown_proof(&proof.path).into()),
            };
            context.check_unsigned(&self.collection.source, &item.path)?;
            if !self.is_told(&item) {
                return Err(not_vouched(&item.path).into());
            }
            folder.join(item.path.as_str())?;
            map.add(&item.path, &item.sha256)?;
            is_empty = false;
        }
        let mut batch = context.depot.batch();
        let digest = map.store(&mut batch)?;
        batch.commit()?;
        Ok((!is_empty).then_some(digest))
    }

    fn is_told(&self, item: &ItemLine) -> bool {
        let named = (item.name.as_str(), &item.version) == (item.path.as_str(), &item.sha256.abbreviated());
        let is_bare = item.publisher.is_none() && item.licence.is_none() && item.source.is_none();
        named && is_bare && item.proof.is_none() && self.collection.kind.has_details(&item.details)
    }
}
