//! Reads a carried repository: its metadata is verified as it was online, with the keys that this site pins.

use std::collections::BTreeMap;
use std::io::BufRead;

use crate::collection::{Collection, Publish};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::Invalid;
use crate::formats::openpgp::SignedBytes;
use crate::formats::rpm::{
    DELTAS, Data, MAX_DATA_BYTES, MAX_REPOMD_BYTES, PRIMARY, Package, REPOMD, REPOMD_ASC, Repomd, deltas, is_carried,
    is_needed, packages,
};
use crate::path::PublishPath;
use crate::time::Time;

use super::super::error::{index_not_vouched, unknown_proof, unsigned, untrusted, unusable};
use super::super::{Context, PublishError};

/// What a carried repository says.
pub(super) struct CarriedRepository {
    repomd: Repomd,
    /// Whether upstream signed it; where not, the site allows that.
    pub(super) signed: bool,
    /// The blobs of its metadata.
    blobs: BTreeMap<PublishPath, Sha256>,
    /// Metadata that it names, that no client needs and that was not carried.
    pub(super) lacking: Vec<Data>,
}

impl CarriedRepository {
    /// Verifies and reads the collection's proofs. All that clients are given must be there, and nothing else.
    pub(super) fn read(collection: &Collection, context: &mut Context<'_, '_>) -> Result<Self, PublishError> {
        let path: PublishPath = REPOMD.parse()?;
        let digest = collection.proof(&path).ok_or_else(|| data_missing(path.as_str()))?;
        let text = context.depot.read(&digest, MAX_REPOMD_BYTES)?;
        let signed = verify(collection, context, &path, &text)?;
        let wanted = |kind: &str| collection.publish == Publish::Verbatim || is_carried(kind);
        let repomd = Repomd::parse(&text, wanted);
        let mut repomd = repomd.map_err(|error| unusable(&path, error))?;
        // A verbatim repomd.xml still names them.
        let (here, lacking): (Vec<_>, Vec<_>) =
            repomd.data.into_iter().partition(|data| is_needed(&data.kind) || collection.proof(&data.path).is_some());
        repomd.data = here;
        let mut blobs = BTreeMap::new();
        for data in &repomd.data {
            let blob = collection.proof(&data.path);
            let blob = blob.ok_or_else(|| data_missing(data.path.as_str()))?;
            if !context.depot.has(&blob, data.size)? || !context.has_digest(&blob, &data.digest)? {
                return Err(index_not_vouched(&data.path).into());
            }
            blobs.insert(data.path.clone(), blob);
        }
        let has_place = |place: &PublishPath| {
            let is_signature = signed && place.as_str() == REPOMD_ASC;
            *place == path || is_signature || repomd.data.iter().any(|data| data.path == *place)
        };
        match collection.proofs.iter().find(|proof| !has_place(&proof.path)) {
            Some(proof) => Err(unknown_proof(&proof.path).into()),
            None => Ok(Self { repomd, signed, blobs, lacking }),
        }
    }

    /// When it was made, as it says itself, if it is signed.
    pub(super) fn date(&self) -> Option<Time> {
        self.repomd.date.filter(|_| self.signed)
    }

    /// All metadata that it names and we carry.
    pub(super) fn data(&self) -> impl Iterator<Item = &Data> {
        self.repomd.data.iter()
    }

    /// The blob of a file of metadata.
    pub(super) fn blob(&self, data: &Data) -> Result<Sha256, Fault> {
        let blob = self.blobs.get(&data.path).copied();
        blob.ok_or_else(|| data_missing(data.path.as_str()))
    }

    /// The bytes of a file of metadata, as upstream has it.
    pub(super) fn read_data(&self, context: &Context<'_, '_>, data: &Data) -> Result<Vec<u8>, PublishError> {
        Ok(context.depot.read(&self.blob(data)?, MAX_DATA_BYTES)?)
    }

    /// The packages that it lists, without entries that cannot be carried.
    pub(super) fn packages(&self, context: &Context<'_, '_>) -> Result<Vec<Package>, PublishError> {
        let primary = self.repomd.get(PRIMARY).ok_or_else(|| data_missing(PRIMARY))?;
        let bytes = self.read_data(context, primary)?;
        let mut found = Vec::new();
        let all = packages(expand(primary, &bytes)?, |entry, _| {
            found.extend(entry.ok());
            Ok::<(), Invalid>(())
        });
        all.map(|()| found).map_err(|error| unusable(&primary.path, error).into())
    }

    /// The deltas that it lists, with the kind of metadata that lists each.
    pub(super) fn deltas(&self, context: &Context<'_, '_>) -> Result<Vec<(&'static str, Package)>, PublishError> {
        let mut found = Vec::new();
        for kind in DELTAS {
            let Some(data) = self.repomd.get(kind) else { continue };
            let bytes = self.read_data(context, data)?;
            let all = deltas(expand(data, &bytes)?, kind, |entry| {
                found.extend(entry.ok().map(|delta| (kind, delta)));
                Ok::<(), Invalid>(())
            });
            all.map_err(|error| unusable(&data.path, error))?;
        }
        Ok(found)
    }
}

/// What they hold.
fn expand<'b>(data: &Data, bytes: &'b [u8]) -> Result<Box<dyn BufRead + 'b>, PublishError> {
    data.expand(bytes).map_err(|error| unusable(&data.path, error).into())
}

/// Makes the error of metadata that is not carried.
fn data_missing(path: &str) -> Fault {
    Fault::unverified(format!("the repository's {path} is not carried"))
}

/// Whether upstream signed it; an error if not, unless the site allows that.
fn verify(
    collection: &Collection,
    context: &Context<'_, '_>,
    path: &PublishPath,
    text: &[u8],
) -> Result<bool, PublishError> {
    let Some(digest) = collection.proof(&REPOMD_ASC.parse()?) else {
        return match context.allow_unsigned {
            true => Ok(false),
            false => Err(unsigned(path, &collection.source).into()),
        };
    };
    let signature = context.depot.read(&digest, MAX_REPOMD_BYTES)?;
    let signed = SignedBytes::Detached { text, signature: &signature };
    let verified = signed.verify(context.pinned(collection)?, context.verified.unix());
    verified.map(|_| true).map_err(|error| untrusted(path, error).into())
}
