//! What can go wrong with a bundle.

use std::io;
use std::path::{Path, PathBuf};

use super::damage::{Damage, pieces};
use super::names::MANIFEST;
use crate::depot::DepotError;
use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::next_command;
use crate::storage::FileError;
use crate::trust::MANIFEST_NAMESPACE;
use crate::trust::TrustError;

/// What can go wrong with a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder is no bundle.
    #[error("{} is not a bundle: it has no {file}", folder.display())]
    NotABundle {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        file: &'static str,
    },
    /// Several folders were given for one bundle, and one has another.
    #[error("{} does not have the manifest of {bundle}: check one bundle at a time", folder.display())]
    AnotherBundle {
        /// The folder.
        folder: PathBuf,
        /// The bundle.
        bundle: String,
    },
    /// There is no such folder.
    #[error("there is no folder {}: is the medium mounted?", folder.display())]
    NoFolder {
        /// The path that was named.
        folder: PathBuf,
    },
    /// The medium has short names in the place of the real ones.
    #[error(
        "{} has {found:?} and no {wanted}: the medium was written as plain ISO 9660, which cuts names short; write it again with \
         Rock Ridge, Joliet or UDF (`genisoimage -R -J`)", folder.display()
    )]
    ShortNames {
        /// The folder.
        folder: PathBuf,
        /// A name that is there.
        found: String,
        /// The name that is missing.
        wanted: &'static str,
    },
    /// The bundle is not signed, or the signature was not copied.
    #[error(
        "{} has no manifest.json.sig: copy the bundle again; if there is none where it comes from either, sign it there, where the \
         builder's key is: `{}`", folder.display(), next_command::sign(&folder.join(MANIFEST), MANIFEST_NAMESPACE)
    )]
    Unsigned {
        /// The bundle's folder.
        folder: PathBuf,
    },
    /// Something else than a file bears a file's name.
    #[error("{} is not a regular file: a bundle has no links, folders or devices; copy it again", path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// A file is larger than it can be.
    #[error("{} is larger than {cap} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is accepted, in bytes.
        cap: u64,
    },
    /// The manifest is not JSON of the right shape.
    #[error("the manifest does not parse")]
    ManifestSyntax(#[source] serde_json::Error),
    /// The manifest has a format that we do not read.
    #[error(
        "the manifest has format {found}, and this gapferry reads {}: use a newer gapferry here",
        super::manifest::FORMAT
    )]
    Format {
        /// What it says.
        found: u64,
    },
    /// The manifest is spelled in another way than its one canonical text.
    #[error("the manifest is not in its canonical text")]
    NotCanonical,
    /// The manifest contradicts itself.
    #[error("the manifest contradicts itself: {0}")]
    Inconsistent(String),
    /// Volumes are not here.
    #[error("{} of the bundle's volumes are missing from {}: {}", missing.len(), folder.display(), missing.join(", "))]
    VolumesMissing {
        /// Where they were looked for.
        folder: PathBuf,
        /// Their file names.
        missing: Vec<String>,
    },
    /// A stream ended too early.
    #[error("the stream ended before the bundle did: send it again; what has arrived is kept, and not written twice")]
    StreamEnded,
    /// A volume is not a file of the size that the manifest says.
    #[error("{} has {found} bytes, and the manifest says {wanted}: copy it again", path.display())]
    VolumeSize {
        /// The volume.
        path: PathBuf,
        /// Its size, in bytes.
        found: u64,
        /// The manifest's size, in bytes.
        wanted: u64,
    },
    /// A volume's bytes are not those that the manifest determines.
    #[error("{} is damaged or was altered, or it is of another bundle: {what} of {member}, at byte {offset}: copy it again, or export again", path.display())]
    Damaged {
        /// The volume.
        path: PathBuf,
        /// What is wrong: header, content, padding or end.
        what: &'static str,
        /// The member.
        member: String,
        /// Where in the volume, in bytes.
        offset: u64,
    },
    /// A blob assembled from good parts is not the blob that the manifest names.
    #[error("the parts of blob {digest} do not make up the blob: the bundle was built wrongly; export again")]
    WrongBlob {
        /// The blob.
        digest: Sha256,
    },
    /// Blobs that the bundle expects to be here already are not.
    #[error(
        "the bundle builds on {} blobs that are not here, the first is {first}: export with all of its content on the online side",
        count
    )]
    BlobsMissing {
        /// How many.
        count: usize,
        /// One of them.
        first: Sha256,
    },
    /// The volume size is too small to work with.
    #[error("a volume size of {size} bytes is too small: the least is {least}")]
    VolumeTooSmall {
        /// What was asked for, in bytes.
        size: u64,
        /// The least that works, in bytes.
        least: u64,
    },
    /// The target's file system cannot hold files of the volume size.
    #[error("the file system of {} holds files up to 4 GiB − 1 only, and the volume size is {size}: set volume-size = \"4 GB\" or less", path.display())]
    FileLimit {
        /// Where.
        path: PathBuf,
        /// The volume size, in bytes.
        size: u64,
    },
    /// The target's file system is too small.
    #[error(
        "{} has {free} bytes free, and {needed} are needed: free some space, or give another --out or --site; if a medium has \
         room and its driver does not say so, `export` and `copy` take --ignore-free-space", path.display()
    )]
    NoSpace {
        /// Where.
        path: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Recovery data for so much are not made.
    #[error(
        "recovery data go with volumes of at most 4 TiB, and spare volumes with at most 256 volumes of together some TB: set another volume-size"
    )]
    TooLargeToProtect,
    /// A medium was pulled while it was read.
    #[error(
        "{} cannot be read any more: put the medium back, and run the same command again; an import keeps what it has unpacked",
        folder.display()
    )]
    Gone {
        /// The bundle's folder on it.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Bytes of a volume cannot be read.
    #[error("cannot read {} at byte {offset}: {error}", path.display())]
    Unreadable {
        /// The volume.
        path: PathBuf,
        /// Where in the volume, in bytes.
        offset: u64,
        /// Why not.
        error: io::Error,
    },
    /// Volumes are damaged, and recovery data are not there or do not suffice.
    #[error(
        "{first}; damaged: {}; {}: copy these volumes again, or make them again on the online host by `{}`",
        pieces(damage),
        if *tried { "the recovery data do not suffice to repair it" } else { "there are no recovery data" },
        next_command::recut_elsewhere(bundle, numbers)
    )]
    Unrepairable {
        /// The bundle.
        bundle: String,
        /// The damaged volumes, counted from 1.
        numbers: std::collections::BTreeSet<usize>,
        /// What is damaged, in the volumes' order.
        damage: Vec<Damage>,
        /// Whether there were recovery files.
        tried: bool,
        /// What was found first.
        first: Box<BundleError>,
    },
    /// A depot refused.
    #[error(transparent)]
    Depot(#[from] DepotError),
    /// A key, a signature or policy refused.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl BundleError {
    /// Whether a volume has lost its bytes: other volumes, and other bytes of the same one, may be good.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Unreadable { .. })
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
            | Self::NotAFile { .. }
            | Self::TooLarge { .. }
            | Self::ManifestSyntax(_)
            | Self::Format { .. }
            | Self::NotCanonical
            | Self::Inconsistent(_)
            | Self::VolumeSize { .. }
            | Self::Damaged { .. }
            | Self::Unreadable { .. }
            | Self::Unrepairable { .. }
            | Self::WrongBlob { .. } => ErrorClass::VerificationFailed,
            Self::VolumesMissing { .. } | Self::StreamEnded | Self::BlobsMissing { .. } => ErrorClass::VolumesMissing,
            Self::NoSpace { .. } | Self::FileLimit { .. } => ErrorClass::NoSpace,
            Self::Depot(error) => error.class(),
            Self::Trust(error) => error.class(),
        }
    }
}
