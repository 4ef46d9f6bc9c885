//! Publishes exports for an Enterprise Store as plain files. Nobody vouches for them that we could ask, so the site's policy
//! has to allow them.

use super::error::{not_vouched, unknown_proof};
use super::{Context, PublishError};
use crate::collection::Collection;
use crate::formats::enterprise_store::ExportName;
use crate::site::tree::Tree;

/// Checks the names, and lays out the tree.
pub(super) fn tree(collection: &Collection, context: &Context<'_, '_>) -> Result<Tree, PublishError> {
    let items = super::items_by_file(collection)?;
    if let Some(proof) = collection.proofs.first() {
        return Err(unknown_proof(&proof.path).into());
    }
    for (path, item) in items {
        context.check_unsigned(&collection.source, path)?;
        let named = path.as_str().parse::<ExportName>();
        let is_bare = item.publisher.is_empty() && item.licence.is_empty() && item.source.is_none();
        if is_bare && named.is_ok_and(|named| (&named.name, &named.made) == (&item.name, &item.version)) {
            continue;
        }
        return Err(not_vouched(path).into());
    }
    Ok(Tree::of_files(collection))
}
