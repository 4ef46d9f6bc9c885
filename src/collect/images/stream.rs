//! Fetches a stream's metadata, and verifies it: the index, and every products file that it names.

use std::borrow::Cow;

use url::Url;

use crate::collect::error::unusable;
use crate::collect::omission::Omission;
use crate::collect::{CollectError, address};
use crate::fetch::Fetcher;
use crate::formats::openpgp::{Keyring, SignedBytes, Signer, unverified_clear_text};
use crate::formats::simplestreams::{
    INDEX_STEM, INLINE, MAX_STREAM_BYTES, OTHER_INDEX_STEMS, PLAIN, Products, SIGNATURE_SUFFIX, StreamIndex, split_url,
};
use crate::path::PublishPath;
use crate::time::Time;

/// A stream whose metadata is verified.
#[derive(Debug)]
pub struct VerifiedStream {
    /// Its root.
    pub root: Url,
    /// The index.
    pub index: Document,
    /// The products files.
    pub lists: Vec<FetchedList>,
    /// The index and the products files in the other form, `.json` beside `.sjson` or the reverse. Empty unless asked for.
    pub other_form: Vec<Document>,
    /// Notes for the user, such as other indexes that are not read.
    pub notes: Vec<String>,
    /// A form of a verbatim stream that is not carried.
    pub left_out: Option<Omission>,
}

/// A products file.
#[derive(Debug)]
pub struct FetchedList {
    /// By what the index calls it.
    pub content_id: Box<str>,
    /// The file.
    pub document: Document,
    /// What it lists.
    pub products: Products,
}

/// A file of metadata, as upstream has it.
#[derive(Debug)]
pub struct Document {
    /// Below the stream's root.
    pub path: PublishPath,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The signature beside it, where it is not signed in itself.
    pub signature: Option<Vec<u8>>,
    /// Whose signatures are good; none where nobody signed it.
    pub signers: Vec<Signer>,
    /// When it was made, as it says itself.
    pub updated: Option<Time>,
}

/// The forms of a stream to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamForms {
    /// The first that is there: with a keyring the clear-signed one, without the plain one.
    First,
    /// Both: LXD and Incus read `index.json` alone, and MAAS reads `index.sjson`.
    Both,
}

/// Fetches and verifies with `keyring`. Without one, nothing is verified.
pub fn fetch(
    url: &Url,
    keyring: Option<&Keyring>,
    forms: StreamForms,
    fetcher: &Fetcher,
    now: Time,
) -> Result<VerifiedStream, CollectError> {
    let (root, named) = split_url(url);
    let stem = named.clone().unwrap_or_else(|| INDEX_STEM.to_owned());
    let upstream = StreamUpstream { root, stem, keyring, fetcher, now };
    let (first, second) = if keyring.is_some() { (INLINE, PLAIN) } else { (PLAIN, INLINE) };
    let (form, other) = match upstream.form(first)? {
        Some(form) => (form, (forms == StreamForms::Both).then_some(second)),
        None => (upstream.form(second)?.ok_or_else(|| upstream.no_stream())?, None),
    };
    let (mut notes, mut left_out) = (Vec::new(), None);
    if named.is_none() {
        let note = |path| format!("there is also {path}, which is not carried: to carry it, name it in the url");
        notes.extend(upstream.other_indexes().into_iter().map(note));
    }
    let other_form =
        other.map(|suffix| upstream.other_form(suffix, &form, &mut left_out)).transpose()?.unwrap_or_default();
    Ok(VerifiedStream { root: upstream.root, index: form.index, lists: form.lists, other_form, notes, left_out })
}

struct StreamUpstream<'a> {
    root: Url,
    /// The index without its suffix, such as `streams/v1/index`.
    stem: String,
    keyring: Option<&'a Keyring>,
    fetcher: &'a Fetcher,
    now: Time,
}

/// The index and the products files that it names, all in one form.
struct FetchedForm {
    index: Document,
    lists: Vec<FetchedList>,
}

/// A document, and its text as the verifier read it.
type ReadDocument = (Document, Vec<u8>);

impl StreamUpstream<'_> {
    /// The stream in the form whose files end in `suffix`. Returns `None` if it has no such index.
    fn form(&self, suffix: &str) -> Result<Option<FetchedForm>, CollectError> {
        let Some((mut document, text)) = self.document(&format!("{}{suffix}", self.stem).parse()?)? else {
            return Ok(None);
        };
        let index = StreamIndex::parse(&text).map_err(|error| unusable(&document.path, error))?;
        document.updated = index.updated.as_deref().and_then(|text| Time::parse_rfc2822(text).ok());
        let mut lists = Vec::new();
        for (content_id, entry) in index.entries {
            let found = self.document(&entry.path)?;
            let Some((mut document, text)) = found else {
                let url = address::below(&self.root, entry.path.as_str());
                return Err(CollectError::Absent(format!("{url} is named by the index, and is not there")));
            };
            let products = Products::parse_as(&text, &content_id).map_err(|error| unusable(&entry.path, error))?;
            document.updated = products.updated().and_then(|text| Time::parse_rfc2822(text).ok());
            lists.push(FetchedList { content_id, document, products });
        }
        Ok(Some(FetchedForm { index: document, lists }))
    }

    /// The documents of the other form. A form that nobody signed, or that is not all there, is left out with a note.
    fn other_form(
        &self,
        suffix: &str,
        form: &FetchedForm,
        left_out: &mut Option<Omission>,
    ) -> Result<Vec<Document>, CollectError> {
        let other = match self.form(suffix) {
            Ok(Some(other)) => other,
            Ok(None) => return Ok(Vec::new()),
            Err(error @ (CollectError::Unsigned(_) | CollectError::Absent(_))) => {
                let (what, why) = (format!("the form {}{suffix}", self.stem), error.to_string());
                let note = format!("{what} is not carried: {why}");
                *left_out = Some(Omission::new(what, why).noted(note));
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let documents = std::iter::once(other.index).chain(other.lists.into_iter().map(|list| list.document));
        let known = |path: &PublishPath| form.lists.iter().any(|list| list.document.path == *path);
        Ok(documents.filter(|document| !known(&document.path)).collect())
    }

    /// Usual indexes besides the one that is read.
    fn other_indexes(&self) -> Vec<String> {
        let stems = [INDEX_STEM].into_iter().chain(OTHER_INDEX_STEMS).filter(|stem| *stem != self.stem);
        // A server may answer anything for what is not there; that stops nothing.
        let is_there = |path: &String| self.get(path).is_ok_and(|found| found.is_some());
        let found =
            stems.filter_map(|stem| [INLINE, PLAIN].map(|suffix| format!("{stem}{suffix}")).into_iter().find(is_there));
        found.collect()
    }

    fn no_stream(&self) -> CollectError {
        let (url, index) = (address::origin(&self.root), &self.stem);
        let name_it = |path: &String| format!(", but {path}: name that as url = \"{url}/{path}\"");
        let instead = self.other_indexes().first().map(name_it).unwrap_or_default();
        CollectError::Absent(format!(
            "{url} has no stream: there is neither {index}{INLINE} nor {index}{PLAIN}{instead}"
        ))
    }

    /// The file at `path`, verified in the way that its name tells. Returns `None` if upstream has no such file.
    fn document(&self, path: &PublishPath) -> Result<Option<ReadDocument>, CollectError> {
        let Some(bytes) = self.get(path.as_str())? else { return Ok(None) };
        let document =
            |bytes, signature, signers| Document { path: path.clone(), bytes, signature, signers, updated: None };
        let is_inline = path.as_str().ends_with(INLINE);
        let bad = CollectError::untrusted(path);
        let Some(keyring) = self.keyring else {
            let text = if is_inline { unverified_clear_text(&bytes).map_err(&bad)? } else { bytes.clone() };
            return Ok(Some((document(bytes, None, Vec::new()), text)));
        };
        let beside = match is_inline {
            true => None,
            false => Some(
                self.get(&format!("{path}{SIGNATURE_SUFFIX}"))?
                    .ok_or_else(|| CollectError::unsigned("stream", &self.root))?,
            ),
        };
        let signed = match &beside {
            None => SignedBytes::Inline(&bytes),
            Some(signature) => SignedBytes::Detached { text: &bytes, signature },
        };
        let (text, signers) = signed.verify(keyring, self.now.unix()).map_err(bad)?;
        let text = Cow::into_owned(text);
        Ok(Some((document(bytes, beside, signers), text)))
    }

    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, CollectError> {
        Ok(self.fetcher.get_optional(&address::below(&self.root, path), MAX_STREAM_BYTES)?)
    }
}
