//! What can go wrong at a site.

use std::io;
use std::path::{Path, PathBuf};

use super::PublishError;
use crate::bundle::BundleError;
use crate::bundle::state::known_versions::ChangedItem;
use crate::depot::DepotError;
use crate::error_class::{ErrorClass, Fault};
use crate::formats::Invalid;
use crate::next_command;
use crate::storage::{FileError, StorageError};
use crate::trust::TrustError;

/// What can go wrong at a site.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("an import failed, and that could not be recorded: {reason}")]
    NotRecorded { reason: String, source: Box<SiteError> },
    #[error(
        "cannot tell what the site still needs, so nothing was removed; `{}` names what is damaged",
        next_command::site_check(site)
    )]
    NothingCollected { site: PathBuf, source: Box<SiteError> },
    #[error("{} is not a usable OpenPGP key file", path.display())]
    BadKeyring { path: PathBuf, source: Invalid },
    #[error(
        "there is no bundle to import in {}: a bundle's folder has a manifest.json", 
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NoBundle { paths: Vec<PathBuf> },
    #[error("{} is not imported", folder.display())]
    NotImported { folder: PathBuf, source: Box<SiteError> },
    #[error("{bundle} is here already, since generation {generation}")]
    AlreadyImported { bundle: String, generation: u64 },
    #[error(
        "{bundle} builds on {count} blobs that are not here; all else of it is. Take {} and {} beside it to the online \
         host, make a bundle of just these blobs where the two files are then by `{}`, and import that one",
        request.display(), next_command::SITE_KEY, next_command::answer_request(bundle, request)
    )]
    Requested { bundle: String, count: usize, request: PathBuf },
    #[error(
        "{bundle} builds on {}, which is not imported here: import that first, then {bundle} again. If it is lost, take {} and {} \
         beside it to the online host, make a bundle of the {count} blobs that are lacking where the two files are then by `{}`, and \
         import that one",
        first.join(" and "), request.display(), next_command::SITE_KEY, next_command::answer_request(bundle, request)
    )]
    TooEarly { bundle: String, first: Vec<String>, count: usize, request: PathBuf },
    #[error(
        "the collection {collection} belongs to the bundle name {owner} at this site, and this bundle is named {name}: rename one of them in its selection"
    )]
    CollectionOwned { collection: String, owner: String, name: String },
    #[error(
        "{item}{}. {way_out}; to accept all of them this time, give --allow-changed-items",
        match *more { 0 => String::new(), more => format!(" ({more} more items like it)") }
    )]
    ChangedItem { item: Box<ChangedItem>, more: usize, way_out: String },
    #[error("cannot publish {collection}")]
    Publish { collection: String, source: Box<PublishError> },
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Depot(#[from] DepotError),
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl SiteError {
    /// For `map_err`: the failure of `action` on `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        FileError::on(action, path)
    }

    /// Returns `true` if this user may not read something.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Storage(StorageError::File(error)) if error.source.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Returns `true` if the site has a newer state of the bundle's name, or this one.
    pub(super) fn is_past(&self) -> bool {
        matches!(self, Self::AlreadyImported { .. } | Self::Trust(TrustError::OldSequence { .. }))
    }

    /// Returns `true` if no other bundle can be imported either: another process or another user has the site.
    pub(super) fn stops_all(&self) -> bool {
        matches!(self, Self::Storage(StorageError::Locked { .. } | StorageError::OtherOwner { .. }))
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Storage(error) => error.class(),
            Self::Fault(error) => error.class(),
            Self::NoBundle { .. } => ErrorClass::Usage,
            Self::Requested { .. } | Self::TooEarly { .. } => ErrorClass::VolumesMissing,
            Self::AlreadyImported { .. } => ErrorClass::NothingNew,
            Self::CollectionOwned { .. } | Self::ChangedItem { .. } => ErrorClass::Refused,
            Self::BadKeyring { .. } => ErrorClass::VerificationFailed,
            Self::Publish { source, .. } => source.class(),
            Self::NotRecorded { source, .. }
            | Self::NothingCollected { source, .. }
            | Self::NotImported { source, .. } => source.class(),
            Self::Bundle(error) => error.class(),
            Self::Depot(error) => error.class(),
            Self::Trust(error) => error.class(),
        }
    }
}

impl From<FileError> for SiteError {
    fn from(error: FileError) -> Self {
        Self::Storage(error.into())
    }
}
