//! What can go wrong at a site.

use std::io;
use std::path::{Path, PathBuf};

use super::{PublishError, RepreproError};
use crate::bundle::BundleError;
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::formats::Invalid;
use crate::next_command::{self, ShellCommand};
use crate::storage::{FileError, StorageError};
use crate::trust::TrustError;

/// What can go wrong at a site.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("{} is not a site: make one, for example with `{}`", path.display(), next_command::init(path))]
    NotASite { path: PathBuf },
    #[error("{} exists already and is not empty: a site is made in a new folder", path.display())]
    SiteExists { path: PathBuf },
    #[error(
        "{} would be on {file_system}, which has no {what}, and every generation of a site is made of them: make the site on a \
         Linux file system such as ext4 or XFS", path.display()
    )]
    NoLinks { path: PathBuf, file_system: String, what: &'static str, source: io::Error },
    #[error("{} is wrong: {reason}", path.display())]
    BadConfig { path: PathBuf, reason: String },
    #[error("an import failed, and that could not be recorded: {reason}")]
    NotRecorded { reason: String, source: Box<SiteError> },
    #[error(
        "{path} cannot be published, since its blob {digest} is not here: import the bundle that has it with --reread; \
         `{}` names that bundle",
        next_command::site_check(site)
    )]
    BlobGone { site: PathBuf, path: String, digest: crate::digest::Sha256 },
    #[error(
        "cannot tell what the site still needs, so nothing was removed; `{}` names what is damaged",
        next_command::site_check(site)
    )]
    NothingCollected { site: PathBuf, source: Box<SiteError> },
    #[error("{} is not a usable OpenPGP key file", path.display())]
    BadKeyring { path: PathBuf, source: Invalid },
    #[error(
        "the source {source_name} has other keys pinned: to trust both, run `{add}`; to trust the new ones alone, give --replace instead of \
         --add"
    )]
    OtherPin { source_name: String, add: ShellCommand },
    #[error("{} is not a folder that is here: mount the medium, and give its folder or that of a bundle on it", path.display())]
    NoMedium { path: PathBuf },
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
        "the collection {collection} belongs to the bundle name {owner} at this site, and this bundle is named {name}: rename one of them in its selection"
    )]
    CollectionOwned { collection: String, owner: String, name: String },
    #[error(
        "{one} and {other} both answer for {address}, and clients would see only one of them: carry both as one source of one \
         selection; or let one answer by path only: in site.toml, write `by-path-only = [\"{other}\"]` under `[serve]`"
    )]
    AnswersTwice { address: String, one: String, other: String },
    #[error("{reason}; `{}` lists the generations", next_command::status(site))]
    NoGeneration { site: PathBuf, reason: String },
    #[error(
        "the clock says {now}, and the site published at {published} already: apt clients ignore metadata that is older, so set the clock"
    )]
    ClockBehind { now: crate::time::Time, published: crate::time::Time },
    #[error("cannot publish {collection}")]
    Publish { collection: String, source: Box<PublishError> },
    #[error(transparent)]
    Reprepro(Box<RepreproError>),
    #[error("{} is not a store assertion for this site", path.display())]
    StoreAssertion { path: PathBuf, source: Box<StoreAssertionError> },
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

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Storage(error) => error.class(),
            Self::NotASite { .. }
            | Self::OtherPin { .. }
            | Self::SiteExists { .. }
            | Self::NoLinks { .. }
            | Self::BadConfig { .. }
            | Self::NoGeneration { .. }
            | Self::NoMedium { .. }
            | Self::NoBundle { .. } => ErrorClass::Usage,
            Self::Requested { .. } | Self::BlobGone { .. } => ErrorClass::VolumesMissing,
            Self::ClockBehind { .. } => ErrorClass::Failed,
            Self::AlreadyImported { .. } => ErrorClass::NothingNew,
            Self::CollectionOwned { .. } | Self::AnswersTwice { .. } => ErrorClass::Refused,
            Self::BadKeyring { .. } => ErrorClass::VerificationFailed,
            Self::StoreAssertion { source, .. } => match **source {
                StoreAssertionError::Untrusted(_) => ErrorClass::VerificationFailed,
                StoreAssertionError::NotOne { .. } | StoreAssertionError::NoUrl { .. } => ErrorClass::Usage,
            },
            Self::Publish { source, .. } => source.class(),
            Self::Reprepro(error) => error.class(),
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

impl From<RepreproError> for SiteError {
    fn from(error: RepreproError) -> Self {
        Self::Reprepro(Box::new(error))
    }
}

/// A file cannot be used as the site's store assertion.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum StoreAssertionError {
    #[error("it cannot be trusted")]
    Untrusted(#[from] Invalid),
    #[error(
        "there are {count} store assertions in it, and one is needed: take the file that `store-admin register` made"
    )]
    NotOne { count: usize },
    #[error("the store {store} has no URL in it, so devices cannot be sent there: register it with one")]
    NoUrl { store: String },
}
