//! Reads a carried stream: its metadata is verified as it was online, with the keys that this site pins.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::super::error::{unknown_proof, unsigned, untrusted, unusable};
use crate::collection::{Collection, Publish};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::openpgp::{SignedBytes, unverified_clear_text};
use crate::formats::simplestreams::{
    FOLDER, INLINE, MAX_STREAM_BYTES, PLAIN, Products, SIGNATURE_SUFFIX, StreamIndex, is_index,
};
use crate::path::PublishPath;
use crate::time::Time;

use super::super::{Context, PublishError};

/// What a carried stream says.
pub(super) struct CarriedStream {
    /// The index, without its suffix, such as `streams/v1/index`.
    pub(super) stem: String,
    /// When its index was made, as it says itself, if it is signed.
    date: Option<Time>,
    /// The products files that are carried.
    pub(super) lists: Vec<CarriedList>,
    /// Those that the index names, and that are not.
    pub(super) missing: Vec<PublishPath>,
    /// All that the index names.
    content_ids: Vec<Box<str>>,
}

/// The name under which the date of an index is remembered.
pub(super) const INDEX_NAME: &str = "index";

/// A products file.
pub(super) struct CarriedList {
    /// What the index calls it.
    pub(super) content_id: Box<str>,
    /// Below the stream's root.
    pub(super) path: PublishPath,
    /// What it lists.
    pub(super) products: Products,
    /// Whether upstream signed it; where not, the site allows that.
    pub(super) signed: bool,
}

impl CarriedStream {
    /// Verifies and reads the collection's proofs, in each form that is carried: the clear-signed form first. Each proof must
    /// be one that a form has a place for, and both forms must be of one index.
    pub(super) fn read(collection: &Collection, context: &Context<'_, '_>) -> Result<Vec<Self>, PublishError> {
        let proofs = Proofs { collection, context };
        let mut places = BTreeSet::new();
        let mut forms: Vec<Self> = Vec::new();
        for (path, index, signed) in proofs.indexes()? {
            let stem = stem(&path).to_owned();
            // Only what is published as it is has a use for the other form.
            let one_form = collection.publish != Publish::Verbatim;
            if forms.first().is_some_and(|first| one_form || first.stem != stem) {
                return Err(unknown_proof(&path).into());
            }
            let date = index.updated.as_deref().and_then(|text| Time::parse_rfc2822(text).ok()).filter(|_| signed);
            places.insert(path);
            let (mut lists, mut missing) = (Vec::new(), Vec::new());
            let mut content_ids = Vec::new();
            for (content_id, entry) in index.entries {
                content_ids.push(content_id.clone());
                let Some(digest) = collection.proof(&entry.path) else {
                    missing.push(entry.path);
                    continue;
                };
                let (text, signed) = proofs.read(&entry.path, digest)?;
                let products = Products::parse_as(&text, &content_id).map_err(|error| unusable(&entry.path, error))?;
                places.insert(entry.path.clone());
                lists.push(CarriedList { content_id, path: entry.path, products, signed });
            }
            forms.push(Self { stem, date, lists, missing, content_ids });
        }
        let is_beside = |path: &PublishPath, place: &PublishPath| {
            path.as_str().strip_suffix(SIGNATURE_SUFFIX) == Some(place.as_str()) && !is_inline(place)
        };
        let has_place = |path: &PublishPath| places.iter().any(|place| path == place || is_beside(path, place));
        match collection.proofs.iter().find(|proof| !has_place(&proof.path)) {
            _ if forms.is_empty() => Err(no_index().into()),
            Some(proof) => Err(unknown_proof(&proof.path).into()),
            None => Ok(forms),
        }
    }
}

impl CarriedStream {
    /// The dates that its signed files give themselves, under what the index calls them.
    pub(super) fn dates(&self) -> impl Iterator<Item = (&str, Time)> {
        let of_list = |list: &'_ CarriedList| list.products.updated().and_then(|text| Time::parse_rfc2822(text).ok());
        let lists = self.lists.iter().filter(|list| list.signed);
        let lists = lists.filter_map(move |list| Some((&*list.content_id, of_list(list)?)));
        self.date.map(|date| (INDEX_NAME, date)).into_iter().chain(lists)
    }

    /// Returns whether the index names the stream with this content id.
    pub(super) fn names(&self, content_id: &str) -> bool {
        self.content_ids.iter().any(|id| **id == *content_id)
    }
}

fn is_inline(path: &PublishPath) -> bool {
    path.as_str().ends_with(INLINE)
}

/// The path without the suffix of its form.
pub(super) fn stem(path: &PublishPath) -> &str {
    let path = path.as_str();
    path.strip_suffix(INLINE).or_else(|| path.strip_suffix(PLAIN)).unwrap_or(path)
}

/// Makes the error of a collection without an index.
pub(super) fn no_index() -> Fault {
    Fault::unverified("the stream's index is not carried")
}

struct Proofs<'a, 'c, 'd> {
    collection: &'a Collection,
    context: &'a Context<'c, 'd>,
}

impl Proofs<'_, '_, '_> {
    /// The indexes, one of each form, with their paths, and whether they are signed.
    fn indexes(&self) -> Result<Vec<(PublishPath, StreamIndex, bool)>, PublishError> {
        let mut indexes = Vec::new();
        for suffix in [INLINE, PLAIN] {
            let is_candidate = |path: &str| path.starts_with(FOLDER) && path.ends_with(suffix);
            for proof in self.collection.proofs.iter().filter(|proof| is_candidate(proof.path.as_str())) {
                let (text, signed) = self.read(&proof.path, proof.sha256)?;
                if is_index(&text) {
                    let index = StreamIndex::parse(&text).map_err(|error| unusable(&proof.path, error))?;
                    indexes.push((proof.path.clone(), index, signed));
                }
            }
        }
        Ok(indexes)
    }

    /// The text of a file of metadata, as the verifier reads it, and whether it is signed.
    fn read(&self, path: &PublishPath, digest: Sha256) -> Result<(Vec<u8>, bool), PublishError> {
        let bytes = self.context.depot.read(&digest, MAX_STREAM_BYTES)?;
        let beside: PublishPath = format!("{path}{SIGNATURE_SUFFIX}").parse()?;
        let signature = self.collection.proof(&beside).filter(|_| !is_inline(path));
        let signature = signature.map(|digest| self.context.depot.read(&digest, MAX_STREAM_BYTES)).transpose()?;
        let bad = |error| untrusted(path, error);
        let signed = match &signature {
            Some(signature) => SignedBytes::Detached { text: &bytes, signature },
            // Nobody can check the signature of a source that was taken without a keyring.
            None if is_inline(path) && self.context.allow_unsigned && self.context.keyring.is_none() => {
                return Ok((unverified_clear_text(&bytes).map_err(bad)?, false));
            }
            None if is_inline(path) => SignedBytes::Inline(&bytes),
            None if self.context.allow_unsigned => return Ok((bytes, false)),
            None => {
                return Err(unsigned(path, &self.collection.source).into());
            }
        };
        let (text, _) =
            signed.verify(self.context.pinned(self.collection)?, self.context.verified.unix()).map_err(bad)?;
        Ok((Cow::into_owned(text), true))
    }
}
