//! Opens a bundle: the signature first, over the raw bytes; then the manifest is parsed; volumes come later.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::manifest::{MAX_MANIFEST_BYTES, Manifest, Volume};
use super::places::gone;
use super::recovery::repair::Repair;
use super::stream::{self, Incoming};
use super::unpack::{CheckOnly, Damage, unpack};
use super::{BundleError, names};
use crate::digest::Sha256;
use crate::progress::Progress;
use crate::storage::FileError;
use crate::storage::read_to_cap;
use crate::trust::{MANIFEST_NAMESPACE, MAX_SIGNATURE_BYTES, PublicKey, verify};

/// The most entries of a folder that are looked at: a hostile medium may have no end.
const MAX_ENTRIES: usize = 10_000;

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
        Ok(Self { stream: Some(stream), ..Self::of_bytes(Path::new(stream::NAME), bytes, signature.to_vec())? })
    }

    /// The key that made the signature.
    pub fn signer(&self) -> &PublicKey {
        &self.signer
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

    /// The volumes that are not here, by file name. Of a stream, all are still to come.
    pub fn missing_volumes(&self) -> Vec<String> {
        let there = |volume: &Volume| self.stream.is_some() || !self.copies(volume).is_empty();
        self.manifest.volumes.iter().filter(|volume| !there(volume)).map(|volume| volume.file.clone()).collect()
    }

    /// Reads all volumes and checks every byte of them; unpacks nothing. Returns what recovery data can repair, which has
    /// been done to the end: in a file in the folder for temporary ones, and checked; and what is damaged where it was read
    /// first, and good on another medium.
    pub fn check_volumes(&self, progress: &Progress) -> Result<Vec<Damage>, BundleError> {
        let missing = self.missing_volumes();
        if !missing.is_empty() && !Repair::has_spares(self) {
            return Err(self.lacks(missing));
        }
        let progress = progress.phase("checking", self.manifest.carried_bytes());
        let found = unpack(self, &CheckOnly, &std::env::temp_dir(), &progress)?;
        match found.missing.is_empty() {
            true => Ok(found.repaired),
            false => Err(self.lacks(found.missing)),
        }
    }

    /// Opens volume `index`, counted from 0, where it is first.
    pub fn open_volume(&self, index: usize) -> Result<(PathBuf, File), BundleError> {
        let none = || BundleError::Inconsistent(format!("volume {} is nowhere", index + 1));
        self.open_copies(index)?.into_iter().next().ok_or_else(none)
    }

    /// Opens volume `index`, counted from 0, everywhere where it is; a file of another size, or none at all, is refused. One that
    /// was cut short is taken where there may be recovery data for the rest. What cannot be opened is no obstacle where another
    /// copy can.
    pub fn open_copies(&self, index: usize) -> Result<Vec<(PathBuf, File)>, BundleError> {
        let Some(volume) = self.manifest.volumes.get(index) else {
            return Err(BundleError::Inconsistent(format!("there is no volume {}", index + 1)));
        };
        let mut paths = self.copies(volume);
        if paths.is_empty() {
            paths.push(self.folder.join(&volume.file));
        }
        let open = |path: PathBuf| {
            let (file, found) = open(&path).map_err(|error| gone(&path).unwrap_or(error))?;
            match found == volume.size || (found < volume.size && Repair::is_there(self, index)) {
                true => Ok((path, file)),
                false => Err(BundleError::VolumeSize { path, found, wanted: volume.size }),
            }
        };
        let (mut opened, mut failed) = (Vec::new(), Vec::new());
        for copy in paths.into_iter().map(open) {
            copy.map_or_else(|error| failed.push(error), |copy| opened.push(copy));
        }
        match failed.into_iter().next() {
            Some(error) if opened.is_empty() => Err(error),
            _ => Ok(opened),
        }
    }
}

/// Reads the manifest of a bundle without any signature check: for `inspect` of unsigned bundles, never for import.
pub fn read_unverified(folder: &Path) -> Result<Vec<u8>, BundleError> {
    read_file(folder, names::MANIFEST, MAX_MANIFEST_BYTES)
}

pub(super) fn read_file(folder: &Path, name: &'static str, cap: u64) -> Result<Vec<u8>, BundleError> {
    let path = folder.join(name);
    let (file, size) = match open(&path) {
        Err(BundleError::File(FileError { source, .. }))
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Err(not_a_bundle(folder, name));
        }
        other => other?,
    };
    if size > cap {
        return Err(BundleError::TooLarge { path, cap });
    }
    read_to_cap(file, cap).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => BundleError::TooLarge { path, cap },
        _ => BundleError::io("read", &path)(error),
    })
}

/// Says why `folder` has no file `name`.
fn not_a_bundle(folder: &Path, name: &'static str) -> BundleError {
    if folder.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return BundleError::NoFolder { folder: folder.to_owned() };
    }
    plain_iso(folder, name).unwrap_or_else(|| BundleError::NotABundle { folder: folder.to_owned(), file: name })
}

/// Returns `ShortNames` if the folder, or one in it, has the file `wanted` under a name that plain ISO 9660 has cut short.
pub(crate) fn plain_iso(folder: &Path, wanted: &'static str) -> Option<BundleError> {
    // A medium's root was named, and the bundle's own folder has a short name, too.
    let entries = fs::read_dir(folder).into_iter().flatten().take(MAX_ENTRIES).filter_map(Result::ok);
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
    std::iter::once(folder.to_owned()).chain(folders).find_map(|folder| short_names(&folder, wanted))
}

/// Looks for a short name of ISO 9660 in the place of `wanted`, such as `MANIFEST.JSO` or `manifest_json.sig`.
fn short_names(folder: &Path, wanted: &'static str) -> Option<BundleError> {
    const CUT_AT: usize = 7; // "MANIFES0.SIG" is how names that are alike are told apart
    let entries = fs::read_dir(folder).into_iter().flatten().take(MAX_ENTRIES).filter_map(Result::ok);
    let there = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_short = |name: &String| {
        let start = name.get(..CUT_AT).zip(wanted.get(..CUT_AT));
        start.is_some_and(|(a, b)| a.eq_ignore_ascii_case(b)) && !name.starts_with(names::MANIFEST)
    };
    let found = there.filter(is_short).min()?;
    Some(BundleError::ShortNames { folder: folder.to_owned(), found, wanted })
}

/// Opens a regular file for reading, without following a symbolic link and without waiting on a FIFO or a device; returns
/// its size too.
pub(super) fn open(path: &Path) -> Result<(File, u64), BundleError> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path) {
        // A link, or a socket.
        Err(e) if is_errno(&e, rustix::io::Errno::LOOP) || is_errno(&e, rustix::io::Errno::NXIO) => {
            return Err(BundleError::NotAFile { path: path.to_owned() });
        }
        other => other.map_err(BundleError::io("open", path))?,
    };
    let metadata = file.metadata().map_err(BundleError::io("look at", path))?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(BundleError::NotAFile { path: path.to_owned() }) }
}

fn is_errno(error: &io::Error, wanted: rustix::io::Errno) -> bool {
    error.raw_os_error() == Some(wanted.raw_os_error())
}
