//! New item lists, in nameless files: written while content is collected, and copied into the bundle later.

use std::fs::File;
use std::io::{BufWriter, IntoInnerError, Seek as _};
use std::path::Path;

use super::collections::{proof_line, write_collection};
use super::item_list::ItemListWriter;
use super::line::ItemLine;
use super::manifest::StateCollection;
use crate::bundle::format_error::FormatError;
use crate::collection::{Collection, Proof, Publish};
use crate::digest::Sha256;
use crate::formats::signed_digest::DigestKind;
use crate::kind::Kind;
use crate::label::Label;
use crate::origin::Origin;

/// All of a collection but its files.
#[derive(Clone, Debug)]
pub struct CollectionHead {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Label,
    /// The upstream.
    pub origin: Origin,
    /// The way in which it is published.
    pub publish: Publish,
    /// The kind of digest by which upstream signs files, if that is not SHA-256 alone.
    pub second_digest: Option<DigestKind>,
    /// The selection's source that it belongs to.
    pub source: Label,
}

/// The item list of a collection, and all that the manifest says of it.
#[derive(Debug)]
pub struct NewList {
    /// The collection's entry in the manifest.
    pub collection: StateCollection,
    /// The number of its items.
    pub items: u64,
    /// The stored list, from its beginning.
    pub file: File,
}

/// Writes the proofs of a collection, then its items.
pub struct NewListWriter {
    head: CollectionHead,
    list: ItemListWriter<BufWriter<File>>,
    items: u64,
}

impl NewListWriter {
    /// Starts a list in a nameless file in the folder `scratch`.
    pub fn create(head: CollectionHead, scratch: &Path) -> Result<Self, FormatError> {
        let list = ItemListWriter::new(BufWriter::new(tempfile::tempfile_in(scratch)?))?;
        Ok(Self { head, list, items: 0 })
    }

    /// Adds a proof of this size, in bytes.
    pub fn proof(&mut self, proof: &Proof, size: u64) -> Result<(), FormatError> {
        self.list.proof(&proof_line(proof, size))
    }

    /// Adds an item.
    pub fn item(&mut self, item: &ItemLine) -> Result<(), FormatError> {
        self.items += 1;
        self.list.item(item)
    }

    /// Ends the list.
    pub fn finish(self) -> Result<NewList, FormatError> {
        let Self { head: CollectionHead { kind, name, origin, publish, second_digest, source }, list, items } = self;
        let (file, summary) = list.finish()?;
        let mut file = file.into_inner().map_err(IntoInnerError::into_error)?;
        file.rewind()?;
        let origin = match origin {
            Origin::Local => None,
            Origin::Url(url) => Some(url),
        };
        let (bytes, files, list) = (summary.bytes, summary.files, summary.list);
        let collection = StateCollection { bytes, files, kind, list, name, origin, publish, second_digest, source };
        Ok(NewList { collection, items, file })
    }
}

impl NewList {
    /// Writes the list of a collection. `size` knows the sizes of its blobs, in bytes.
    pub fn of_collection(
        collection: &Collection,
        size: impl FnMut(&Sha256) -> Option<u64>,
        scratch: &Path,
    ) -> Result<Self, FormatError> {
        let Collection { kind, name, origin, publish, second_digest, source, .. } = collection;
        let (name, origin, source) = (name.clone(), origin.clone(), source.clone());
        let (kind, publish, second_digest) = (*kind, *publish, *second_digest);
        let head = CollectionHead { kind, name, origin, publish, second_digest, source };
        let mut writer = NewListWriter::create(head, scratch)?;
        writer.items = collection.items.len() as u64;
        write_collection(collection, &mut writer.list, size)?;
        writer.finish()
    }
}
