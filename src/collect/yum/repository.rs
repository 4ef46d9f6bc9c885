//! Fetches a repository's metadata, and verifies it: `repomd.xml`, and every file of metadata that it names and we carry.

use std::collections::BTreeSet;
use std::io::BufRead;

use url::Url;

use crate::collect::error::unusable;
use crate::collect::{CollectContext, CollectError, address};
use crate::collection::Publish;
use crate::error_class::Fault;
use crate::fetch::Wanted;
use crate::formats::Invalid;
use crate::formats::openpgp::{Keyring, Signer, verify_detached};
use crate::formats::rpm::{
    Data, MAX_DATA_BYTES, MAX_REPOMD_BYTES, PRIMARY, REPOMD, REPOMD_ASC, Repomd, is_carried, is_needed,
};
use crate::path::PublishPath;

/// How often a repository is read that changes while it is read.
const TRIES: usize = 3;

/// A repository whose metadata is verified, and is in the depot.
#[derive(Debug)]
pub(super) struct Repository {
    /// Its root.
    pub(super) root: Url,
    /// The signed file.
    pub(super) text: Vec<u8>,
    /// The signature beside it; none where nobody signed it.
    pub(super) signature: Option<Vec<u8>>,
    /// Whose signatures are good.
    pub(super) signers: Vec<Signer>,
    /// The content of its signed file, without the metadata that upstream lacks.
    pub(super) repomd: Repomd,
    /// Metadata that it names, that upstream does not have, and that no client needs.
    pub(super) lacking: BTreeSet<PublishPath>,
}

/// Fetches and verifies with `keyring`, or without where upstream signs nothing and none is given.
///
/// A mirror may change between the file and its signature, or before all is fetched that it names: then it is read again.
pub(super) fn fetch(
    url: &Url,
    keyring: Option<&Keyring>,
    publish: Publish,
    with: &CollectContext<'_>,
) -> Result<Repository, CollectError> {
    let upstream = RepositoryUpstream { root: url.clone(), keyring, publish, with };
    let mut text = upstream.repomd()?;
    for _ in 1..TRIES {
        let error = match upstream.repository(&text) {
            Ok(read) if read.lacking.is_empty() => break,
            Ok(_) => None,
            Err(error) => Some(error),
        };
        let again = upstream.repomd()?;
        if again == text {
            error.map_or(Ok(()), Err)?;
            break;
        }
        text = again;
    }
    let Read { signature, signers, mut repomd, lacking } = upstream.repository(&text)?;
    repomd.data.retain(|data| !lacking.contains(&data.path));
    Ok(Repository { root: upstream.root, text, signature, signers, repomd, lacking })
}

struct RepositoryUpstream<'a, 'c> {
    root: Url,
    keyring: Option<&'a Keyring>,
    publish: Publish,
    with: &'a CollectContext<'c>,
}

/// The content of a repository's signed file.
struct Read {
    signature: Option<Vec<u8>>,
    signers: Vec<Signer>,
    repomd: Repomd,
    /// Metadata that upstream lacks and that no client needs.
    lacking: BTreeSet<PublishPath>,
}

impl RepositoryUpstream<'_, '_> {
    fn repomd(&self) -> Result<Vec<u8>, CollectError> {
        let absent = || {
            let url = address::origin(&self.root);
            CollectError::Absent(format!("{url} has no repository: there is no {REPOMD}"))
        };
        self.get(REPOMD)?.ok_or_else(absent)
    }

    /// Verifies the signed file and fetches what it names.
    fn repository(&self, text: &[u8]) -> Result<Read, CollectError> {
        let path: PublishPath = REPOMD.parse()?;
        let (mut signature, mut signers) = (None, Vec::new());
        if let Some(keyring) = self.keyring {
            let beside = self.get(REPOMD_ASC)?;
            let beside = beside.ok_or_else(|| CollectError::unsigned("repository", &self.root))?;
            let verified = verify_detached(text, &beside, keyring, self.with.now.unix());
            signers = verified.map_err(CollectError::untrusted(&path))?;
            signature = Some(beside);
        }
        let wanted = |kind: &str| self.publish == Publish::Verbatim || is_carried(kind);
        let repomd = Repomd::parse(text, wanted).map_err(|error| unusable(&path, error))?;
        if repomd.get(PRIMARY).is_none() {
            return Err(Fault::unverified(format!("{path} names no list of packages")).into());
        }
        let (needed, other): (Vec<_>, Vec<_>) = repomd.data.iter().partition(|data| is_needed(&data.kind));
        self.fetch_data(&needed)?;
        let is_lacking = |data: &&Data| match self.fetch_data(&[data]) {
            Err(error) if error.is_upstreams_fault() => Ok(true),
            fetched => fetched.map(|()| false),
        };
        let mut lacking = BTreeSet::new();
        for data in other {
            if is_lacking(&data)? {
                lacking.insert(data.path.clone());
            }
        }
        Ok(Read { signature, signers, repomd, lacking })
    }

    fn fetch_data(&self, wanted: &[&Data]) -> Result<(), CollectError> {
        let absent = wanted.iter().filter(|data| self.with.held(&data.digest, data.size).is_none());
        let wanted = absent.map(|data| Wanted {
            urls: vec![address::below(&self.root, data.path.as_str())],
            size: data.size,
            digest: data.digest,
            to: self.with.partial_path(&data.digest),
        });
        self.with.fetch("fetching the metadata of packages", wanted.collect())
    }

    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, CollectError> {
        Ok(self.with.fetcher.get_optional(&address::below(&self.root, path), MAX_REPOMD_BYTES)?)
    }
}

/// Reads a file of metadata that is in the depot, expanded.
pub(super) fn read<T>(
    data: &Data,
    with: &CollectContext<'_>,
    parse: impl FnOnce(Box<dyn BufRead + '_>) -> Result<T, Invalid>,
) -> Result<T, CollectError> {
    let bytes = with.depot.read(&with.blob(&data.digest, data.size), MAX_DATA_BYTES)?;
    let parsed = data.expand(bytes.as_slice()).and_then(parse);
    parsed.map_err(|error| unusable(&data.path, error).into())
}
