//! Reads a carried stream: its metadata is verified as it was online, with the keys that this site pins.

use crate::collection::Collection;
use crate::digest::Sha256;
use crate::formats::openpgp::SignedBytes;
use crate::formats::simplestreams::{
    INDEX_JSON, INDEX_SJSON, Index, MAX_STREAM_BYTES, Products, SIGNATURE_SUFFIX, StreamError,
};
use crate::path::PublishPath;
use crate::time::Time;

use super::super::{Context, PublishError};

/// What a carried stream says.
pub(super) struct Stream {
    /// When its index was made, as it says itself, if it is signed.
    date: Option<Time>,
    /// The products files that are carried.
    pub(super) lists: Vec<List>,
    /// Those that the index names, and that are not.
    pub(super) missing: Vec<PublishPath>,
}

/// A products file.
pub(super) struct List {
    /// What the index calls it.
    pub(super) content_id: Box<str>,
    /// Below the stream's root.
    pub(super) path: PublishPath,
    /// What it lists.
    pub(super) products: Products,
    /// Whether upstream signed it; where not, the site allows that.
    pub(super) signed: bool,
}

impl Stream {
    /// Verifies and reads the collection's proofs; each must be one that the stream has a place for.
    pub(super) fn read(collection: &Collection, context: &Context<'_, '_>) -> Result<Self, PublishError> {
        let proofs = Proofs { collection, context };
        let (index_path, index, signed) = proofs.index()?;
        let date = index.updated.as_deref().and_then(|text| Time::parse_rfc2822(text).ok()).filter(|_| signed);
        let mut places = vec![index_path];
        let (mut lists, mut missing) = (Vec::new(), Vec::new());
        for (content_id, entry) in index.entries {
            let Some(digest) = collection.proof(&entry.path) else {
                missing.push(entry.path);
                continue;
            };
            let (text, signed) = proofs.read(&entry.path, digest)?;
            let products = Products::parse_as(&text, &content_id).map_err(bad(&entry.path))?;
            places.push(entry.path.clone());
            lists.push(List { content_id, path: entry.path, products, signed });
        }
        let is_beside = |path: &PublishPath, place: &PublishPath| {
            path.as_str().strip_suffix(SIGNATURE_SUFFIX) == Some(place.as_str()) && !is_inline(place)
        };
        let has_place = |path: &PublishPath| places.iter().any(|place| path == place || is_beside(path, place));
        match collection.proofs.iter().find(|proof| !has_place(&proof.path)) {
            Some(proof) => Err(PublishError::UnknownProof { path: proof.path.clone() }),
            None => Ok(Self { date, lists, missing }),
        }
    }
}

impl Stream {
    /// The dates that its signed files give themselves, under what the index calls them.
    pub(super) fn dates(&self) -> impl Iterator<Item = (&str, Time)> {
        let of_list = |list: &'_ List| list.products.updated().and_then(|text| Time::parse_rfc2822(text).ok());
        let lists = self.lists.iter().filter(|list| list.signed);
        let lists = lists.filter_map(move |list| Some((&*list.content_id, of_list(list)?)));
        self.date.map(|date| ("index", date)).into_iter().chain(lists)
    }
}

fn is_inline(path: &PublishPath) -> bool {
    path.as_str().ends_with(".sjson")
}

fn bad(path: &PublishPath) -> impl FnOnce(StreamError) -> PublishError {
    let path = path.clone();
    move |source| PublishError::Stream { path, source }
}

struct Proofs<'a, 'c, 'd> {
    collection: &'a Collection,
    context: &'a Context<'c, 'd>,
}

impl Proofs<'_, '_, '_> {
    /// The index, its path, and whether it is signed.
    fn index(&self) -> Result<(PublishPath, Index, bool), PublishError> {
        for path in [INDEX_SJSON, INDEX_JSON] {
            let path: PublishPath = path.parse()?;
            if let Some(digest) = self.collection.proof(&path) {
                let (text, signed) = self.read(&path, digest)?;
                let index = Index::parse(&text).map_err(bad(&path))?;
                return Ok((path, index, signed));
            }
        }
        Err(PublishError::NoIndex)
    }

    /// The text of a file of metadata, as the verifier reads it, and whether it is signed.
    fn read(&self, path: &PublishPath, digest: Sha256) -> Result<(Vec<u8>, bool), PublishError> {
        let bytes = self.context.depot.read(&digest, MAX_STREAM_BYTES)?;
        let beside: PublishPath = format!("{path}{SIGNATURE_SUFFIX}").parse()?;
        let signature = self.collection.proof(&beside).filter(|_| !is_inline(path));
        let signature = signature.map(|digest| self.context.depot.read(&digest, MAX_STREAM_BYTES)).transpose()?;
        let signed = match &signature {
            Some(signature) => SignedBytes::Detached { text: &bytes, signature },
            None if is_inline(path) => SignedBytes::Inline(&bytes),
            None if self.context.allow_unsigned => return Ok((bytes, false)),
            None => {
                let source_name = self.collection.source.to_string();
                return Err(PublishError::Unsigned { path: path.clone(), source_name });
            }
        };
        let verified = signed.verify(self.context.pinned(self.collection)?, self.context.verified.unix());
        let (text, _) = verified.map_err(|source| PublishError::Signature { path: path.clone(), source })?;
        Ok((text.into_owned(), true))
    }
}
