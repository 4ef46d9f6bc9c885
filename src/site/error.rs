//! What can go wrong at a site.

use std::io;
use std::path::{Path, PathBuf};

use super::{PublishError, RepreproError};
use crate::bundle::BundleError;
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::formats::assertions::AssertionError;
use crate::formats::openpgp::OpenPgpError;
use crate::next_command::{self, ShellCommand};
use crate::storage::{FileError, StorageError};
use crate::trust::TrustError;

/// What can go wrong at a site.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// A file of the site's own cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The folder is no site.
    #[error("{} is not a site: make one, for example with `{}`", path.display(), next_command::init(path))]
    NotASite {
        /// The folder.
        path: PathBuf,
    },
    /// A site must not be made over something else.
    #[error("{} exists already and is not empty: a site is made in a new folder", path.display())]
    SiteExists {
        /// The folder.
        path: PathBuf,
    },
    /// The file system lacks what generations are made of.
    #[error(
        "{} would be on {file_system}, which has no {what}, and every generation of a site is made of them: make the site on a \
         Linux file system such as ext4 or XFS", path.display()
    )]
    NoLinks {
        /// The folder.
        path: PathBuf,
        /// The type of the file system.
        file_system: String,
        /// The kind of links that it lacks.
        what: &'static str,
        /// The system's words.
        source: io::Error,
    },
    /// `site.toml` is wrong.
    #[error("{} is wrong: {reason}", path.display())]
    BadConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Something failed, and so did writing that down.
    #[error("an import failed, and that could not be recorded: {reason}")]
    NotRecorded {
        /// Why it could not be recorded.
        reason: String,
        /// What failed first.
        source: Box<SiteError>,
    },
    /// A blob that is to be published is not here.
    #[error(
        "{path} cannot be published, since its blob {digest} is not here: import the bundle that has it with --reread; \
         `{}` names that bundle",
        next_command::site_check(site)
    )]
    BlobGone {
        /// The site.
        site: PathBuf,
        /// The path to publish.
        path: String,
        /// Its blob.
        digest: crate::digest::Sha256,
    },
    /// A collection of garbage cannot tell what is garbage.
    #[error(
        "cannot tell what the site still needs, so nothing was removed; `{}` names what is damaged",
        next_command::site_check(site)
    )]
    NothingCollected {
        /// The site.
        site: PathBuf,
        /// The first failure.
        source: Box<SiteError>,
    },
    /// A key file cannot be used.
    #[error("{} is not a usable OpenPGP key file{}", path.display(), source.advice(path))]
    BadKeyring {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: OpenPgpError,
    },
    /// Other keys are pinned to the source already.
    #[error(
        "the source {source_name} has other keys pinned: to trust both, run `{add}`; to trust the new ones alone, give --replace instead of \
         --add"
    )]
    OtherPin {
        /// The source.
        source_name: String,
        /// Trusts both.
        add: ShellCommand,
    },
    /// A path that was to be imported is no folder.
    #[error("{} is not a folder that is here: mount the medium, and give its folder or that of a bundle on it", path.display())]
    NoMedium {
        /// The path.
        path: PathBuf,
    },
    /// No medium has a bundle.
    #[error(
        "there is no bundle to import in {}: a bundle's folder has a manifest.json", 
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NoBundle {
        /// The media.
        paths: Vec<PathBuf>,
    },
    /// A bundle cannot be imported here.
    #[error("{} is not imported", folder.display())]
    NotImported {
        /// The bundle's folder.
        folder: PathBuf,
        /// The reason.
        source: Box<SiteError>,
    },
    /// The bundle is here already.
    #[error("{bundle} is here already, since generation {generation}")]
    AlreadyImported {
        /// The bundle's folder name.
        bundle: String,
        /// The current generation.
        generation: u64,
    },
    /// The bundle is a delta, and the site lacks some of what it builds on.
    #[error(
        "{bundle} builds on {count} blobs that are not here; all else of it is. Take {} and {} beside it to the online \
         host, make a bundle of just these blobs where the two files are then by `{}`, and import that one",
        request.display(), next_command::SITE_KEY, next_command::answer_request(bundle, request)
    )]
    Requested {
        /// The bundle.
        bundle: String,
        /// How many blobs.
        count: usize,
        /// The signed request.
        request: PathBuf,
    },
    /// Two bundles of different names publish under one name.
    #[error(
        "the collection {collection} belongs to the bundle name {owner} at this site, and this bundle is named {name}: rename one of them in its selection"
    )]
    CollectionOwned {
        /// The collection, as KIND/NAME.
        collection: String,
        /// The bundle name that has it.
        owner: String,
        /// This bundle's name.
        name: String,
    },
    /// Two collections answer for one address.
    #[error(
        "{one} and {other} both answer for {address}, and clients would see only one of them: carry both as one source of one \
         selection; or let one answer by path only: in site.toml, write `by-path-only = [\"{other}\"]` under `[serve]`"
    )]
    AnswersTwice {
        /// The file that both have, with its host.
        address: String,
        /// One of them, as KIND/NAME.
        one: String,
        /// The other one.
        other: String,
    },
    /// There is no such generation, or nothing to go back to.
    #[error("{reason}; `{}` lists the generations", next_command::status(site))]
    NoGeneration {
        /// The site's folder.
        site: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The clock is behind what the site has published.
    #[error(
        "the clock says {now}, and the site published at {published} already: apt clients ignore metadata that is older, so set the clock"
    )]
    ClockBehind {
        /// The clock.
        now: crate::time::Time,
        /// The date of the newest published metadata.
        published: crate::time::Time,
    },
    /// A collection cannot be published.
    #[error("cannot publish {collection}")]
    Publish {
        /// The collection, as KIND/NAME.
        collection: String,
        /// Why not.
        source: Box<PublishError>,
    },
    /// A base folder of reprepro's cannot be tidied.
    #[error(transparent)]
    Reprepro(Box<RepreproError>),
    /// A file is not used as the site's store assertion.
    #[error("{} is not a store assertion for this site", path.display())]
    StoreAssertion {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<StoreAssertionError>,
    },
    /// A bundle refused.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A depot refused.
    #[error(transparent)]
    Depot(#[from] DepotError),
    /// A key, a signature or policy refused.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl SiteError {
    /// For `map_err`: the failure of `action` on `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        FileError::on(action, path)
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
#[derive(Debug, thiserror::Error)]
pub enum StoreAssertionError {
    /// It is no stream of assertions, or not all of them are vouched for by Canonical's root key.
    #[error("it cannot be trusted")]
    Untrusted(#[from] AssertionError),
    /// The stream has no store assertion, or several.
    #[error(
        "there are {count} store assertions in it, and one is needed: take the file that `store-admin register` made"
    )]
    NotOne {
        /// Their number.
        count: usize,
    },
    /// Devices could not find the store.
    #[error("the store {store} has no URL in it, so devices cannot be sent there: register it with one")]
    NoUrl {
        /// Its id.
        store: String,
    },
}
