//! Opens a bundle: the signature first, over the raw bytes; then the manifest is parsed; volumes come later.

use std::path::{Path, PathBuf};

use super::folder::{read_file, short_names};
use super::incoming::{Incoming, STREAM_NAME};
use super::manifest::{MAX_MANIFEST_BYTES, Manifest};
use super::{BundleError, names};
use crate::digest::Sha256;
use crate::trust::{MANIFEST_NAMESPACE, MAX_SIGNATURE_BYTES, PublicKey, verify};

/// A bundle whose manifest's signature is good; whether its signer is trusted is for [`Signed::trusted`] to ask.
#[derive(Debug)]
pub struct Signed {
    folder: PathBuf,
    bytes: Vec<u8>,
    signature: Vec<u8>,
    signer: PublicKey,
    stream: Option<Incoming>,
}

/// A bundle whose manifest was signed by a trusted key, and is consistent.
#[derive(Debug)]
pub struct Bundle {
    /// Where it is.
    pub folder: PathBuf,
    /// What it says.
    pub manifest: Manifest,
    /// The manifest's exact bytes.
    pub bytes: Vec<u8>,
    /// Digest of those bytes.
    pub digest: Sha256,
    /// The signature over those bytes.
    pub signature: Vec<u8>,
    /// Who signed it.
    pub signer: PublicKey,
    /// Where the volumes come from, if not from the folder.
    pub(super) stream: Option<Incoming>,
    /// The folders that volumes are looked for in, if they are not all to be in the bundle's.
    pub(super) places: Option<Vec<PathBuf>>,
}

impl Signed {
    /// Reads manifest and signature of the bundle in `folder`, and checks the one against the other.
    pub fn open(folder: &Path) -> Result<Self, BundleError> {
        let bytes = read_file(folder, names::MANIFEST, MAX_MANIFEST_BYTES)?;
        let signature = match read_file(folder, names::SIGNATURE, MAX_SIGNATURE_BYTES) {
            Err(BundleError::NotABundle { .. }) => {
                return Err(short_names(folder, names::SIGNATURE)
                    .unwrap_or_else(|| BundleError::Unsigned { folder: folder.to_owned() }));
            }
            other => other?,
        };
        Self::of_bytes(folder, bytes, signature)
    }

    /// Checks manifest and signature that were read from elsewhere, as if they were in `folder`.
    pub fn of_bytes(folder: &Path, bytes: Vec<u8>, signature: Vec<u8>) -> Result<Self, BundleError> {
        let signer = verify(&signature, MANIFEST_NAMESPACE, &bytes)?;
        Ok(Self { folder: folder.to_owned(), bytes, signature, signer, stream: None })
    }

    /// The same, from a stream whose volumes are still to come.
    pub(super) fn of_stream(bytes: Vec<u8>, signature: &[u8], stream: Incoming) -> Result<Self, BundleError> {
        Ok(Self { stream: Some(stream), ..Self::of_bytes(Path::new(STREAM_NAME), bytes, signature.to_vec())? })
    }

    /// The key that made the signature.
    pub fn signer(&self) -> &PublicKey {
        &self.signer
    }

    /// The digest of the manifest's exact bytes.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&self.bytes)
    }

    /// The manifest's exact bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Parses the manifest, if `trusted` accepts the signer.
    pub fn trusted<E: From<BundleError>>(self, trusted: impl FnOnce(&PublicKey) -> Result<(), E>) -> Result<Bundle, E> {
        trusted(&self.signer)?;
        let manifest = Manifest::parse(&self.bytes)?;
        let digest = Sha256::of(&self.bytes);
        let Self { folder, bytes, signature, signer, stream } = self;
        Ok(Bundle { folder, manifest, bytes, digest, signature, signer, stream, places: None })
    }
}

impl Bundle {
    /// Whether its volumes come as a stream.
    pub fn is_stream(&self) -> bool {
        self.stream.is_some()
    }
}
