//! Writes a stream, signed with the site's key: .sjson, and .json with .json.gpg, each with an index of its own.
//!
//! While one key replaces another, the old one alone signs: simplestreams takes gpgv's exit code, which is not 0 if the client lacks
//! one of two keys.
//!
//! MAAS 3.8 reads all products files of a source or none, so each should hold one kind of image, and none may be empty
//! (see [`crate::formats::simplestreams::maas`]).

use super::error::{SIGN, WRITE_STREAM, cannot};
use super::{Context, PublishError};
use crate::formats::simplestreams::{
    INLINE, PLAIN, Products, ProductsLine, SIGNATURE_SUFFIX, index_text, products_text,
};
use crate::path::PublishPath;
use crate::site::tree::Tree;

/// What is used where upstream does not say what its items stand for, or not in a word that MAAS knows.
pub(super) const DATATYPE: &str = "image-ids";

/// The lists of a stream, to be signed.
pub(super) struct UnsignedLists {
    /// The index, without its suffix, such as `streams/v1/index`.
    pub(super) index: String,
    /// The products files.
    pub(super) lists: Vec<UnsignedList>,
}

/// A products file.
pub(super) struct UnsignedList {
    pub(super) content_id: String,
    pub(super) datatype: String,
    /// Its path without `.sjson` or `.json`.
    pub(super) stem: String,
    pub(super) products: Products,
}

impl UnsignedLists {
    /// Signs the lists and adds them to the tree: .sjson, and .json with .json.gpg, each with an index of its own.
    pub(super) fn add_to(&self, tree: &mut Tree, context: &mut Context<'_, '_>) -> Result<(), PublishError> {
        let updated = format!("{} +0000", context.date.day_and_time());
        for list in &self.lists {
            let text = products_text(&list.content_id, &list.datatype, &list.products, &updated)
                .map_err(cannot(WRITE_STREAM))?;
            add_inline(tree, context, &format!("{}{INLINE}", list.stem), &text)?;
            add_detached(tree, context, &format!("{}{PLAIN}", list.stem), &text)?;
        }
        add_inline(tree, context, &format!("{}{INLINE}", self.index), &self.index(INLINE, &updated)?)?;
        add_detached(tree, context, &format!("{}{PLAIN}", self.index), &self.index(PLAIN, &updated)?)
    }

    fn index(&self, suffix: &str, updated: &str) -> Result<String, PublishError> {
        let line = |list: &UnsignedList| {
            Ok(ProductsLine {
                content_id: list.content_id.clone(),
                datatype: list.datatype.clone(),
                path: format!("{}{suffix}", list.stem).parse()?,
                products: list.products.products.keys().cloned().collect(),
            })
        };
        let lines = self.lists.iter().map(line).collect::<Result<Vec<_>, PublishError>>()?;
        Ok(index_text(&lines, updated).map_err(cannot(WRITE_STREAM))?)
    }
}

fn add_inline(tree: &mut Tree, context: &mut Context<'_, '_>, path: &str, text: &str) -> Result<(), PublishError> {
    let signed = context.key.first().sign_clear(text, context.date.unix()).map_err(cannot(SIGN))?;
    add(tree, context, path, signed.as_bytes())
}

fn add_detached(tree: &mut Tree, context: &mut Context<'_, '_>, path: &str, text: &str) -> Result<(), PublishError> {
    let signature = context.key.first().sign_detached(text.as_bytes(), context.date.unix()).map_err(cannot(SIGN))?;
    add(tree, context, path, text.as_bytes())?;
    add(tree, context, &format!("{path}{SIGNATURE_SUFFIX}"), signature.as_bytes())
}

fn add(tree: &mut Tree, context: &mut Context<'_, '_>, path: &str, bytes: &[u8]) -> Result<(), PublishError> {
    let path: PublishPath = path.parse()?;
    let digest = context.put(bytes)?;
    tree.add(path, digest);
    Ok(())
}
