//! Writes a stream that lists exactly what is there, signed with the site's key.
//!
//! MAAS 3.8 reads all products files of a source or none, so each holds one kind of image, none is empty, and every image
//! has all that it asks for (see [`crate::formats::simplestreams::maas`]).

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Context, PublishError};
use super::stream::Stream;
use crate::digest::Sha256;
use crate::formats::simplestreams::maas::DATATYPES;
use crate::formats::simplestreams::{
    File, INDEX_JSON, INDEX_SJSON, IndexLine, Products, SIGNATURE_SUFFIX, cut, index_text, listed, products_text,
    shapes,
};
use crate::path::PublishPath;
use crate::site::tree::Tree;

/// What is used where upstream does not say what its items stand for, or not in a word that MAAS knows.
const DATATYPE: &str = "image-ids";

/// The lists of a stream, to be signed.
pub(super) struct Lists(Vec<List>);

/// A products file.
struct List {
    content_id: String,
    datatype: String,
    /// Its path without `.sjson` or `.json`.
    stem: String,
    products: Products,
}

/// Upstream's lists, cut down to the files that are there.
///
/// Each carried file must be in one of them: what is left out of an image would otherwise make all of it disappear.
pub(super) fn stream_tree(
    stream: &Stream,
    files: &BTreeMap<PublishPath, Sha256>,
    is_here: impl Fn(&File) -> bool,
) -> Result<Lists, PublishError> {
    let mut lists = Vec::new();
    let mut unlisted: BTreeSet<&PublishPath> = files.keys().collect();
    for list in &stream.lists {
        let path = list.path.as_str();
        let stem = path.strip_suffix(".sjson").or_else(|| path.strip_suffix(".json")).unwrap_or(path);
        // By what upstream has and not by what is here, so that the names stay as they are from one import to the next.
        let shapes = shapes(&list.products);
        let parts = cut(&list.products, &is_here);
        for path in listed(&parts) {
            unlisted.remove(&path);
        }
        for (shape, products) in parts {
            let name = |text: &str| match shape {
                Some(shape) if shapes.len() > 1 => format!("{text}:{}", shape.as_str()),
                None if !shapes.is_empty() => format!("{text}:other"),
                _ => text.to_owned(),
            };
            let known = |word: &&str| shape.is_none() || DATATYPES.contains(word);
            lists.push(List {
                content_id: name(&list.content_id),
                datatype: list.products.datatype().filter(known).unwrap_or(DATATYPE).to_owned(),
                stem: name(stem),
                products,
            });
        }
    }
    match unlisted.first() {
        Some(path) => Err(PublishError::IncompleteImage { path: (*path).clone() }),
        None => Ok(Lists(lists)),
    }
}

impl Lists {
    /// Signs the lists and adds them to the tree: .sjson, and .json with .json.gpg, each with an index of its own.
    pub(super) fn add_to(&self, tree: &mut Tree, context: &mut Context<'_, '_>) -> Result<(), PublishError> {
        let updated = format!("{} +0000", context.date.day_and_time());
        for list in &self.0 {
            let text = products_text(&list.content_id, &list.datatype, &list.products, &updated)
                .map_err(PublishError::WriteStream)?;
            add_inline(tree, context, &format!("{}.sjson", list.stem), &text)?;
            add_detached(tree, context, &format!("{}.json", list.stem), &text)?;
        }
        add_inline(tree, context, INDEX_SJSON, &self.index(".sjson", &updated)?)?;
        add_detached(tree, context, INDEX_JSON, &self.index(".json", &updated)?)
    }

    fn index(&self, suffix: &str, updated: &str) -> Result<String, PublishError> {
        let line = |list: &List| {
            Ok(IndexLine {
                content_id: list.content_id.clone(),
                datatype: list.datatype.clone(),
                path: format!("{}{suffix}", list.stem).parse()?,
                products: list.products.products.keys().cloned().collect(),
            })
        };
        let lines = self.0.iter().map(line).collect::<Result<Vec<_>, PublishError>>()?;
        index_text(&lines, updated).map_err(PublishError::WriteStream)
    }
}

fn add_inline(tree: &mut Tree, context: &mut Context<'_, '_>, path: &str, text: &str) -> Result<(), PublishError> {
    let signed = context.key.sign_clear(text, context.date.unix()).map_err(PublishError::Sign)?;
    add(tree, context, path, signed.as_bytes())
}

fn add_detached(tree: &mut Tree, context: &mut Context<'_, '_>, path: &str, text: &str) -> Result<(), PublishError> {
    let signature = context.key.sign_detached(text.as_bytes(), context.date.unix()).map_err(PublishError::Sign)?;
    add(tree, context, path, text.as_bytes())?;
    add(tree, context, &format!("{path}{SIGNATURE_SUFFIX}"), signature.as_bytes())
}

fn add(tree: &mut Tree, context: &mut Context<'_, '_>, path: &str, bytes: &[u8]) -> Result<(), PublishError> {
    let path: PublishPath = path.parse()?;
    let digest = context.put(bytes)?;
    tree.add(path, digest);
    Ok(())
}
