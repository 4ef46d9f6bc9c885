//! Fetches a stream's metadata, and verifies it: the index, and every products file that it names.

use std::borrow::Cow;

use url::Url;

use super::ImagesError;
use crate::collect::address;
use crate::collect::fetch::Fetcher;
use crate::formats::openpgp::{Keyring, SignedBytes, Signer};
use crate::formats::simplestreams::{INDEX_JSON, INDEX_SJSON, Index, MAX_STREAM_BYTES, Products, SIGNATURE_SUFFIX};
use crate::path::PublishPath;
use crate::time::Time;

/// A stream whose metadata is verified.
#[derive(Debug)]
pub struct Stream {
    /// Its root.
    pub root: Url,
    /// The index.
    pub index: Document,
    /// The products files.
    pub lists: Vec<List>,
}

/// A products file.
#[derive(Debug)]
pub struct List {
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

/// Fetches and verifies with `keyring`, or without where upstream signs nothing and none is given.
pub fn fetch(url: &Url, keyring: Option<&Keyring>, fetcher: &Fetcher, now: Time) -> Result<Stream, ImagesError> {
    let upstream = Upstream { root: root(url), keyring, fetcher, now };
    let (mut document, text) = upstream.index()?;
    let bad = |path: &PublishPath| {
        let path = path.clone();
        move |source| ImagesError::Stream { path, source }
    };
    let index = Index::parse(&text).map_err(bad(&document.path))?;
    document.updated = index.updated.as_deref().and_then(|text| Time::parse_rfc2822(text).ok());
    let mut lists = Vec::new();
    for (content_id, entry) in index.entries {
        let found = upstream.document(&entry.path)?;
        let url = || address::below(&upstream.root, entry.path.as_str()).map(|url| url.to_string());
        let Some((mut document, text)) = found else { return Err(ImagesError::Missing { url: url()? }) };
        let products = Products::parse_as(&text, &content_id).map_err(bad(&entry.path))?;
        document.updated = products.updated().and_then(|text| Time::parse_rfc2822(text).ok());
        lists.push(List { content_id, document, products });
    }
    Ok(Stream { root: upstream.root, index: document, lists })
}

/// The address may be that of the index, as MAAS takes it too.
fn root(url: &Url) -> Url {
    let mut root = url.clone();
    let path = url.path().trim_end_matches('/');
    let cut = [INDEX_SJSON, INDEX_JSON].iter().find_map(|index| path.strip_suffix(index));
    root.set_path(cut.unwrap_or(path));
    root
}

struct Upstream<'a> {
    root: Url,
    keyring: Option<&'a Keyring>,
    fetcher: &'a Fetcher,
    now: Time,
}

/// A document, and its text as the verifier read it.
type Read = (Document, Vec<u8>);

impl Upstream<'_> {
    /// The clear-signed index, or else the one that is signed beside itself; the unsigned one where no keyring is given.
    fn index(&self) -> Result<Read, ImagesError> {
        let path = |text: &str| text.parse::<PublishPath>();
        let inline = self.keyring.map(|_| self.document(&path(INDEX_SJSON)?)).transpose()?.flatten();
        match inline {
            Some(read) => Ok(read),
            None => self
                .document(&path(INDEX_JSON)?)?
                .ok_or_else(|| ImagesError::NoStream { url: address::origin(&self.root) }),
        }
    }

    /// The file at `path`, verified in the way that its name tells; none if upstream has no such file.
    fn document(&self, path: &PublishPath) -> Result<Option<Read>, ImagesError> {
        let Some(bytes) = self.get(path.as_str())? else { return Ok(None) };
        let document =
            |bytes, signature, signers| Document { path: path.clone(), bytes, signature, signers, updated: None };
        let Some(keyring) = self.keyring else {
            let text = bytes.clone();
            return Ok(Some((document(bytes, None, Vec::new()), text)));
        };
        let beside = match path.as_str().ends_with(".sjson") {
            true => None,
            false => Some(
                self.get(&format!("{path}{SIGNATURE_SUFFIX}"))?
                    .ok_or_else(|| ImagesError::NotSigned { url: address::origin(&self.root) })?,
            ),
        };
        let signed = match &beside {
            None => SignedBytes::Inline(&bytes),
            Some(signature) => SignedBytes::Detached { text: &bytes, signature },
        };
        let verified = signed.verify(keyring, self.now.unix());
        let (text, signers) = verified.map_err(|source| ImagesError::Signature { path: path.clone(), source })?;
        let text = Cow::into_owned(text);
        Ok(Some((document(bytes, beside, signers), text)))
    }

    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, ImagesError> {
        Ok(self.fetcher.get_optional(&address::below(&self.root, path)?, MAX_STREAM_BYTES)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_an_index() {
        for (url, wanted) in [
            ("http://images.example/v3/stable", "http://images.example/v3/stable"),
            ("http://images.example/v3/stable/", "http://images.example/v3/stable"),
            ("http://images.example/v3/streams/v1/index.sjson", "http://images.example/v3/"),
            ("http://images.example/streams/v1/index.json", "http://images.example/"),
        ] {
            assert_eq!(root(&url.parse().unwrap()).as_str(), wanted);
        }
    }
}
