//! Cuts a stream down to what is there, to be signed with the site's key.
//!
//! MAAS 3.8 reads all products files of a source or none, so each holds one kind of image, none is empty, and every image
//! has all that it asks for (see [`crate::formats::simplestreams::maas`]).

use std::collections::{BTreeMap, BTreeSet};

use super::super::PublishError;
use super::super::signed_stream::{DATATYPE, UnsignedList, UnsignedLists};
use super::stream::{CarriedStream, stem};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::simplestreams::maas::DATATYPES;
use crate::formats::simplestreams::{StreamFile, cut, listed, shapes};
use crate::path::PublishPath;

/// Upstream's lists, cut down to the files that are there.
///
/// Each carried file must be in one of them: what is left out of an image would otherwise make all of it disappear.
pub(super) fn stream_tree(
    stream: &CarriedStream,
    files: &BTreeMap<PublishPath, Sha256>,
    is_here: impl Fn(&StreamFile) -> bool,
) -> Result<UnsignedLists, PublishError> {
    let mut lists = Vec::new();
    let mut unlisted: BTreeSet<&PublishPath> = files.keys().collect();
    for list in &stream.lists {
        let stem = stem(&list.path);
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
            lists.push(UnsignedList {
                content_id: name(&list.content_id),
                datatype: list.products.datatype().filter(known).unwrap_or(DATATYPE).to_owned(),
                stem: name(stem),
                products,
            });
        }
    }
    match unlisted.first() {
        Some(path) => {
            Err(Fault::unverified(format!("{path} belongs to an image of which not all is carried that clients need"))
                .into())
        }
        None => Ok(UnsignedLists { index: stream.stem.clone(), lists }),
    }
}
