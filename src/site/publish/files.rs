//! Publishes any other files as they are. Nobody vouches for them that we could ask, so the site's policy has to allow them.

use super::error::{not_vouched, unknown_proof};
use super::{Context, PublishError};
use crate::collection::Collection;
use crate::site::tree::Tree;

/// Checks that each item says of its file what can be seen, and lays out the tree.
pub(super) fn tree(collection: &Collection, context: &Context<'_, '_>) -> Result<Tree, PublishError> {
    let items = super::items_by_file(collection)?;
    if let Some(proof) = collection.proofs.first() {
        return Err(unknown_proof(&proof.path).into());
    }
    for (path, sha256) in &collection.files {
        context.check_unsigned(collection, path)?;
        let told = items.get(path).is_some_and(|item| {
            let named = (item.name.as_str(), &item.version) == (path.as_str(), &sha256.abbreviated());
            let is_bare = item.publisher.is_empty() && item.licence.is_empty() && item.source.is_none();
            named && item.proof.is_none() && is_bare
        });
        if !told {
            return Err(not_vouched(path).into());
        }
    }
    Ok(Tree::of_files(collection))
}
