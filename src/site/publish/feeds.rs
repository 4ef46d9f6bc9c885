//! Publishes security data as it is. Signatures are checked with the keys that this site pins; data without one must be allowed by the
//! site's policy.

use super::detached::check_signatures;
use super::error::not_vouched;
use super::{Context, PublishError};
use crate::collection::{Collection, Item};
use crate::digest::Sha256;
use crate::formats::feed::SIGNATURE_SUFFIX;
use crate::site::tree::Tree;

/// Checks that each item says of its file what can be seen, checks the signatures, and lays out the tree.
pub(super) fn tree(collection: &Collection, context: &Context<'_, '_>) -> Result<Tree, PublishError> {
    let items = super::items_by_file(collection)?;
    for (path, sha256) in &collection.files {
        match items.get(path) {
            Some(item) if is_told(item, sha256) => {}
            _ => return Err(not_vouched(path).into()),
        }
    }
    check_signatures(collection, context, SIGNATURE_SUFFIX)?;
    let mut tree = Tree::of_files(collection);
    collection.proofs.iter().for_each(|proof| tree.add(proof.path.clone(), proof.sha256));
    Ok(tree)
}

/// Returns `true` if the item says no more than a builder can know.
fn is_told(item: &Item, sha256: &Sha256) -> bool {
    let Some((_, date)) = item.details.feed() else { return false };
    let version = date.map_or_else(|| sha256.abbreviated(), |date| date.to_string());
    let is_bare = item.publisher.is_empty() && item.licence.is_empty() && item.source.is_none();
    is_bare && item.name == item.file.as_str() && item.version == version
}
