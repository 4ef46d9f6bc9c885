//! Why snaps cannot be collected.

use std::path::PathBuf;

use super::wish::{REQUESTED, Wish};
use crate::collect::FetchIntoDepotError;
use crate::collect::address::{MalformedAddress, origin};
use crate::collect::named_files::NamedFileError;
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::fetch::FetchError;
use crate::formats::assertions::Reference;
use crate::formats::snap::api::StoreRefusal;
use crate::formats::{Invalid, ReadError};
use crate::path::{MalformedPath, PublishPath};
use crate::storage::FileError;

/// How many channels an error lists.
const LISTED: usize = 20;

/// Why snaps cannot be collected.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum SnapsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Folder(#[from] NamedFileError),
    #[error("there is no .snap file in {}", folder.display())]
    NoSnaps { folder: PathBuf },
    #[error("{} is not there: `snap download` leaves it beside the snap, and without it nobody vouches for that", path.display())]
    NoAssertions { path: PathBuf },
    #[error("cannot trust {}", path.display())]
    Assertions { path: PathBuf, source: Invalid },
    #[error("{store} has no {wanted}: {said}{instead}")]
    Refused { store: String, wanted: String, said: String, instead: String },
    #[error("the answer of {store} is malformed")]
    Reply { store: String, source: serde_json::Error },
    #[error("{store} says nothing about {name}: run again, and if it stays so, the store is broken")]
    NoAnswer { store: String, name: String },
    #[error("the store says that {name} is at {url:?}, which is no address that it may send us to")]
    Address { name: String, url: String },
    #[error("the store's digest of {name} is not one")]
    Digest { name: String },
    #[error("cannot use {assertion}")]
    Assertion { assertion: Box<Reference>, source: Invalid },
    #[error("asked for {wanted}, the store answers with {got}")]
    OtherAssertion { wanted: Box<Reference>, got: Box<Reference> },
    #[error("cannot trust {name} as the store offers it")]
    Offer { name: String, source: Invalid },
    #[error("what is offered as {wanted} is {got}")]
    OtherSnap { wanted: String, got: String },
    #[error("cannot read what {name} says of itself")]
    Metadata { name: String, source: ReadError },
    #[error(
        "{name} needs the snap {need} for {architecture} ({why}), without which it cannot be installed: add it to the selection, \
         or set closure = false if all devices have it"
    )]
    Needs { name: String, need: String, architecture: String, why: String },
    #[error("{name} is needed by a snap that is needed by a snap, and so on: there is no end to it")]
    Endless { name: String },
    #[error("two different files claim to be {path}")]
    TwoFiles { path: PublishPath },
    #[error(transparent)]
    Path(#[from] MalformedPath),
    #[error(transparent)]
    Url(#[from] MalformedAddress),
    #[error("cannot ask the store")]
    Ask(#[from] FetchError),
    #[error(transparent)]
    Fetch(#[from] FetchIntoDepotError),
    #[error(transparent)]
    Depot(#[from] DepotError),
}

impl SnapsError {
    /// The store's refusal of a wish.
    pub(super) fn refused(wish: &Wish, refusal: &StoreRefusal) -> Self {
        let what = match wish.revision {
            Some(revision) => format!("revision {revision}"),
            None => wish.channel.to_string(),
        };
        let mut releases = refusal.extra.iter().flat_map(|extra| &extra.releases).collect::<Vec<_>>();
        releases.sort();
        let mut instead: Vec<String> =
            releases.iter().map(|release| format!("{} for {}", release.channel, release.architecture)).collect();
        instead.truncate(LISTED);
        Self::Refused {
            store: origin(&wish.store),
            wanted: match wish.reason.as_str() {
                REQUESTED => format!("{} {what} for {}", wish.name, wish.architecture),
                reason => format!("{} {what} for {} ({reason})", wish.name, wish.architecture),
            },
            said: if refusal.message.is_empty() { refusal.code.clone() } else { refusal.message.clone() },
            instead: if instead.is_empty() { String::new() } else { format!("; there is {}", instead.join(", ")) },
        }
    }

    /// Whether a blob changed on disk, so that another attempt would fetch it again.
    pub(crate) fn is_rot(&self) -> bool {
        matches!(self, Self::Depot(DepotError::DigestMismatch { .. }))
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::Folder(error) => error.class(),
            Self::NoSnaps { .. } | Self::NoAssertions { .. } | Self::Refused { .. } | Self::Needs { .. } => {
                ErrorClass::Usage
            }
            Self::Reply { .. } | Self::NoAnswer { .. } => ErrorClass::UpstreamUnavailable,
            Self::Metadata { source, .. } => source.class_or(ErrorClass::VerificationFailed),
            Self::Assertions { .. }
            | Self::Assertion { .. }
            | Self::Offer { .. }
            | Self::Address { .. }
            | Self::Digest { .. }
            | Self::OtherAssertion { .. }
            | Self::OtherSnap { .. }
            | Self::Endless { .. }
            | Self::TwoFiles { .. }
            | Self::Path(_)
            | Self::Url(_) => ErrorClass::VerificationFailed,
            Self::Ask(error) => error.class(),
            Self::Fetch(error) => error.class(),
            Self::Depot(error) => error.class(),
        }
    }
}
