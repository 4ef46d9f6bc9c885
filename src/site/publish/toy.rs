//! Publishes toys: each file, and one list of them.

use super::{Context, PublishError};
use crate::collection::Collection;
use crate::site::tree::Tree;

/// Checks that the site allows each toy, and lays out the tree.
pub(super) fn tree(collection: &Collection, context: &mut Context<'_, '_>) -> Result<Tree, PublishError> {
    let items = super::items_by_file(collection)?;
    let mut list = String::new();
    for (path, item) in items {
        context.check_unsigned(&collection.source, path)?;
        list += &format!("{}\n", item.name);
    }
    let mut tree = Tree::of_files(collection);
    tree.add("toys.txt".parse()?, context.put(list.as_bytes())?);
    Ok(tree)
}
