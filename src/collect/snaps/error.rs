//! Why snaps cannot be collected.

use std::path::PathBuf;

use super::wish::{REQUESTED, Wish};
use crate::collect::FetchIntoDepotError;
use crate::collect::address::{MalformedAddress, origin};
use crate::collect::given::GivenError;
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::fetch::FetchError;
use crate::formats::assertions::{AssertionError, Reference};
use crate::formats::snap::MetadataError;
use crate::formats::snap::api::Refusal;
use crate::path::{MalformedPath, PublishPath};
use crate::storage::FileError;

/// How many channels an error lists.
const LISTED: usize = 20;

/// Why snaps cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum SnapsError {
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder holds what is not carried.
    #[error(transparent)]
    Folder(#[from] GivenError),
    /// The folder has no snaps.
    #[error("there is no .snap file in {}", folder.display())]
    NoSnaps {
        /// The folder.
        folder: PathBuf,
    },
    /// A snap comes without its assertions.
    #[error("{} is not there: `snap download` leaves it beside the snap, and without it nobody vouches for that", path.display())]
    NoAssertions {
        /// Where they should be.
        path: PathBuf,
    },
    /// The assertions do not vouch for the snap.
    #[error("cannot trust {}", path.display())]
    Assertions {
        /// The snap.
        path: PathBuf,
        /// Why not.
        source: Box<AssertionError>,
    },
    /// The store does not have what is asked for.
    #[error("{store} has no {wanted}: {said}{instead}")]
    Refused {
        /// The store.
        store: String,
        /// What was asked for.
        wanted: String,
        /// The store's words.
        said: String,
        /// What there is instead.
        instead: String,
    },
    /// The store's answer is not what its interface promises.
    #[error("the answer of {store} is malformed")]
    Reply {
        /// The store.
        store: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The store passed over a snap.
    #[error("{store} says nothing about {name}: run again, and if it stays so, the store is broken")]
    NoAnswer {
        /// The store.
        store: String,
        /// The snap.
        name: String,
    },
    /// The store sends us where we do not go.
    #[error("the store says that {name} is at {url:?}, which is no address that it may send us to")]
    Address {
        /// The snap.
        name: String,
        /// Where it is said to be.
        url: String,
    },
    /// The store names no digest.
    #[error("the store's digest of {name} is not one")]
    Digest {
        /// The snap.
        name: String,
    },
    /// An assertion cannot be used.
    #[error("cannot use {assertion}")]
    Assertion {
        /// Which.
        assertion: Box<Reference>,
        /// Why not.
        source: Box<AssertionError>,
    },
    /// The store gave another assertion than was asked for.
    #[error("asked for {wanted}, the store answers with {got}")]
    OtherAssertion {
        /// What was asked for.
        wanted: Box<Reference>,
        /// What came.
        got: Box<Reference>,
    },
    /// The assertions do not vouch for what the store offers.
    #[error("cannot trust {name} as the store offers it")]
    Offer {
        /// The snap.
        name: String,
        /// Why not.
        source: Box<AssertionError>,
    },
    /// What is signed is about something else.
    #[error("what is offered as {wanted} is {got}")]
    OtherSnap {
        /// What was asked for, or what the store signed.
        wanted: String,
        /// What it is.
        got: String,
    },
    /// The snap's own metadata cannot be read.
    #[error("cannot read what {name} says of itself")]
    Metadata {
        /// The snap.
        name: String,
        /// Why not.
        source: Box<MetadataError>,
    },
    /// A folder's snap needs what nothing brings.
    #[error(
        "{name} needs the snap {need} for {architecture} ({why}), without which it cannot be installed: add it to the selection, \
         or set closure = false if all devices have it"
    )]
    Needs {
        /// The snap.
        name: String,
        /// What it needs.
        need: String,
        /// For which devices.
        architecture: String,
        /// The reason, such as `base of NAME`.
        why: String,
    },
    /// Each snap needs another.
    #[error("{name} is needed by a snap that is needed by a snap, and so on: there is no end to it")]
    Endless {
        /// The first that was not taken.
        name: String,
    },
    /// Two files claim to be one revision of one snap.
    #[error("two different files claim to be {path}")]
    TwoFiles {
        /// Its publish path.
        path: PublishPath,
    },
    /// A name of the store's cannot be carried.
    #[error(transparent)]
    Path(#[from] MalformedPath),
    /// A name makes no address.
    #[error(transparent)]
    Url(#[from] MalformedAddress),
    /// The store cannot be asked.
    #[error("cannot ask the store")]
    Ask(#[from] FetchError),
    /// Snaps cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchIntoDepotError),
    /// The depot refused.
    #[error(transparent)]
    Depot(#[from] DepotError),
}

impl SnapsError {
    /// The store's refusal of a wish.
    pub(super) fn refused(wish: &Wish, refusal: &Refusal) -> Self {
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
        matches!(self, Self::Depot(DepotError::Rotten { .. }))
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::Folder(error) => error.class(),
            Self::NoSnaps { .. } | Self::NoAssertions { .. } | Self::Refused { .. } | Self::Needs { .. } => {
                ErrorClass::Usage
            }
            Self::Assertions { source, .. } | Self::Assertion { source, .. } | Self::Offer { source, .. } => {
                source.class()
            }
            Self::Reply { .. } | Self::NoAnswer { .. } => ErrorClass::UpstreamUnavailable,
            Self::Address { .. }
            | Self::Digest { .. }
            | Self::OtherAssertion { .. }
            | Self::OtherSnap { .. }
            | Self::Metadata { .. }
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
