//! Why snaps cannot be collected.

use std::path::PathBuf;

use crate::depot::DepotError;
use crate::exit::Exit;
use crate::file_error::FileError;
use crate::formats::assertions::AssertionError;
use crate::path::{MalformedPath, PublishPath};

/// Why snaps cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum SnapsError {
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
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
    /// Two files claim to be one revision of one snap.
    #[error("two different files claim to be {path}")]
    TwoFiles {
        /// Its publish path.
        path: PublishPath,
    },
    /// A name of the store's cannot be carried.
    #[error(transparent)]
    Path(#[from] MalformedPath),
    /// The depot refused.
    #[error(transparent)]
    Depot(#[from] DepotError),
}

impl SnapsError {
    /// The exit code of this failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::File(error) => error.exit(),
            Self::NoSnaps { .. } | Self::NoAssertions { .. } => Exit::Usage,
            Self::Assertions { source, .. } => source.exit(),
            Self::TwoFiles { .. } | Self::Path(_) => Exit::VerificationFailed,
            Self::Depot(error) => error.exit(),
        }
    }
}
