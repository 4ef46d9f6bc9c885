//! What can go wrong with a bundle.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::damage::{Damage, pieces};
use super::format_error::FormatError;
use super::names::{self, MANIFEST, PACKING};
use crate::depot::DepotError;
use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::next_command::{self, LostVolumes};
use crate::numbers::VolumeNumber;
use crate::storage::FileError;
use crate::trust::{MANIFEST_NAMESPACE, PACKING_NAMESPACE, TrustError};

/// What can go wrong with a bundle.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} is not a bundle: it has no {file}", folder.display())]
    NotABundle { folder: PathBuf, file: &'static str },
    #[error("{} does not have the manifest of {bundle}: check one bundle at a time", folder.display())]
    AnotherBundle { folder: PathBuf, bundle: String },
    #[error("there is no folder {}: is the medium mounted?", folder.display())]
    NoFolder { folder: PathBuf },
    #[error(
        "{} has {found:?} and no {wanted}: the medium was written as plain ISO 9660, which cuts names short; write it again with \
         Rock Ridge, Joliet or UDF (`genisoimage -R -J`)", folder.display()
    )]
    ShortNames { folder: PathBuf, found: String, wanted: &'static str },
    #[error(
        "{} has no manifest.json.sig: copy the bundle again; if there is none where it comes from either, sign it there, where the \
         builder's key is: `{}`", folder.display(), next_command::sign(&folder.join(MANIFEST), MANIFEST_NAMESPACE)
    )]
    Unsigned { folder: PathBuf },
    #[error(
        "{} has no packing.json.sig: copy the bundle again; if there is none where it comes from either, sign it there, where the \
         builder's key is: `{}`", folder.display(), next_command::sign(&folder.join(PACKING), PACKING_NAMESPACE)
    )]
    PackingUnsigned { folder: PathBuf },
    #[error(
        "{} is not the one that the bundle was made with: run no command from it, and copy the bundle again", path.display()
    )]
    WrongVerifyText { path: PathBuf },
    #[error("{} is not a statement of a reviewer", path.display())]
    BadApproval { path: PathBuf, source: Box<TrustError> },
    #[error("there is no {}: copy the bundle again", path.display())]
    ListMissing { path: PathBuf },
    #[error("{} is not a regular file: a bundle has no links, folders or devices; copy it again", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} is larger than {cap} bytes", path.display())]
    TooLarge { path: PathBuf, cap: u64 },
    #[error("{} is not as the bundle format has it", path.display())]
    Invalid {
        path: PathBuf,
        #[source]
        reason: FormatError,
    },
    #[error("the bundle contradicts itself: {0}")]
    Inconsistent(String),
    #[error("{} of the bundle's volumes are missing from {}: {}", missing.len(), folder.display(), missing.join(", "))]
    VolumesMissing { folder: PathBuf, missing: Vec<String> },
    #[error("the stream ended before the bundle did: send it again; what has arrived is kept, and not written twice")]
    StreamEnded,
    #[error("{} has {found} bytes, and its packing says {wanted}: copy it again", path.display())]
    VolumeSize { path: PathBuf, found: u64, wanted: u64 },
    #[error("{} is damaged or was altered, or it is of another bundle: {what} of {member}, at byte {offset}: copy it again, or export again", path.display())]
    Damaged { path: PathBuf, what: &'static str, member: String, offset: u64 },
    #[error("the parts of blob {digest} do not make up the blob: the bundle was built wrongly; export again")]
    WrongBlob { digest: Sha256 },
    #[error(
        "the bundle builds on {} blobs that are not here, the first is {first}: export with all of its content on the online side",
        count
    )]
    BlobsMissing { count: usize, first: Sha256 },
    #[error("a volume size of {size} bytes is too small: the least is {least}")]
    VolumeTooSmall { size: u64, least: u64 },
    #[error("the file system of {} holds files up to 4 GiB − 1 only, and the volume size is {size}: set volume-size = \"4 GB\" or less", path.display())]
    FileLimit { path: PathBuf, size: u64 },
    #[error(
        "{} has {free} bytes free, and {needed} are needed: free some space, or give another --out or --site; if a medium has \
         room and its driver does not say so, `export` and `copy` take --ignore-free-space", path.display()
    )]
    NoSpace { path: PathBuf, needed: u64, free: u64 },
    #[error(
        "recovery data go with volumes of at most 4 TiB, and spare volumes with at most 256 volumes of together some TB: set another volume-size"
    )]
    TooLargeToProtect,
    #[error(
        "{} cannot be read any more: put the medium back, and run the same command again; an import keeps what it has unpacked",
        folder.display()
    )]
    Gone { folder: PathBuf, source: io::Error },
    #[error("cannot read {} at byte {offset}: {error}", path.display())]
    Unreadable { path: PathBuf, offset: u64, error: io::Error },
    #[error(transparent)]
    Unrepairable(#[from] Box<Unrepairable>),
    #[error(transparent)]
    Depot(#[from] DepotError),
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// Volumes of a packing whose recovery data do not suffice.
#[allow(missing_docs, reason = "the names say it")]
#[derive(Debug, thiserror::Error)]
#[error(
    "{first}; damaged: {}; {}: copy these volumes again, or make them again on the online host by `{}`",
    pieces(damage),
    if *tried { "the recovery data do not suffice to repair it" } else { "there are no recovery data" },
    next_command::recut_elsewhere(bundle, Some(LostVolumes { packing, numbers }))
)]
pub struct Unrepairable {
    pub bundle: String,
    pub packing: String,
    pub numbers: BTreeSet<VolumeNumber>,
    pub damage: Vec<Damage>,
    /// True if there were recovery data.
    pub tried: bool,
    /// The damage that was found first.
    pub first: BundleError,
}

impl BundleError {
    /// Whether a volume has lost its bytes: other volumes, and other bytes of the same one, may be good.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Unreadable { .. })
    }

    /// For `map_err`: the reason that a file of a bundle cannot be read or written.
    pub(crate) fn in_file(path: &Path) -> impl FnOnce(FormatError) -> Self {
        move |reason| match reason {
            FormatError::Io(error) => Self::io("read or write", path)(error),
            reason => Self::Invalid { path: path.to_owned(), reason },
        }
    }

    /// Returns the names of the volumes that a medium gives back wrong. The bundle itself may be good.
    pub fn damaged_volumes(&self) -> BTreeSet<String> {
        let name = |path: &PathBuf| names::of_volume(path);
        match self {
            Self::Damaged { path, .. } | Self::Unreadable { path, .. } | Self::VolumeSize { path, .. } => {
                name(path).into_iter().collect()
            }
            Self::Unrepairable(error) => error.damage.iter().map(|damage| damage.volume.clone()).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// For `map_err`: the failure of `action` on `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        FileError::on(action, path)
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::Gone { source, .. } => ErrorClass::of_io(source),
            Self::NotABundle { .. }
            | Self::NoFolder { .. }
            | Self::ShortNames { .. }
            | Self::AnotherBundle { .. }
            | Self::VolumeTooSmall { .. }
            | Self::TooLargeToProtect => ErrorClass::Usage,
            Self::Unsigned { .. }
            | Self::PackingUnsigned { .. }
            | Self::WrongVerifyText { .. }
            | Self::BadApproval { .. }
            | Self::NotAFile { .. }
            | Self::TooLarge { .. }
            | Self::Invalid { .. }
            | Self::Inconsistent(_)
            | Self::VolumeSize { .. }
            | Self::Damaged { .. }
            | Self::Unreadable { .. }
            | Self::Unrepairable(_)
            | Self::WrongBlob { .. } => ErrorClass::VerificationFailed,
            Self::VolumesMissing { .. } | Self::ListMissing { .. } | Self::StreamEnded | Self::BlobsMissing { .. } => {
                ErrorClass::VolumesMissing
            }
            Self::NoSpace { .. } | Self::FileLimit { .. } => ErrorClass::NoSpace,
            Self::Depot(error) => error.class(),
            Self::Trust(error) => error.class(),
        }
    }
}
