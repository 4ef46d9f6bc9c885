//! Packs the state of a bundle again: lost volumes, byte for byte; or another packing, with smaller volumes, or with what a site lacks.
//!
//! The workspace remembers states and packings, so nothing of the bundle need be left. Whatever is made, the manifest stays the same,
//! and so do its sequence and its approvals.

mod repack;
mod small_part;
mod volumes;

use std::path::Path;

pub use self::repack::{Repacked, answer, repack};
pub use self::small_part::{PackingsOf, restore_small_part};
pub use self::volumes::{MadeVolumes, VolumeChoice, volumes};

use crate::bundle::packing::rewrite::RewriteError;
use crate::bundle::state::{OpenState, SignedState};
use crate::bundle::{BundleError, FormatError};
use crate::error_class::ErrorClass;
use crate::media::NotMounted;
use crate::next_command::ShellCommand;
use crate::numbers::VolumeNumber;
use crate::storage::StorageError;
use crate::trust::TrustError;
use crate::workspace::{Workspace, WorkspaceError};

/// A reason to make nothing again.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum RecutError {
    #[error("{bundle} has {count} volumes in its packing {packing}, and no volume {number}")]
    NoVolume { bundle: String, packing: String, count: usize, number: VolumeNumber },
    #[error("{bundle} has no packing {packing}; it has {known}")]
    NoPacking { bundle: String, packing: String, known: String },
    #[error("{bundle} has several packings, {known}: choose one by --packing")]
    WhichPacking { bundle: String, known: String },
    #[error("{bundle} has no packing that this workspace knows: all that it publishes was at the site before")]
    Unpacked { bundle: String },
    #[error("the request is for another bundle than {bundle}")]
    OtherBundle { bundle: String },
    #[error("{bundle} lacks nothing that the request asks for: import it again")]
    NothingAsked { bundle: String },
    #[error("{newest} was made after {bundle}: import that one; what it lacks can be requested in the same way")]
    NotNewest { newest: String, bundle: String },
    #[error("{reason}: pack it again, in new volumes: `{again}`")]
    NotAgain { reason: RewriteError, again: ShellCommand },
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error(transparent)]
    NotMounted(#[from] NotMounted),
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl RecutError {
    /// For `map_err`: the reason that a file of a bundle cannot be read or written.
    fn in_file(path: &Path) -> impl FnOnce(FormatError) -> Self {
        let in_file = BundleError::in_file(path);
        move |reason| in_file(reason).into()
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoVolume { .. }
            | Self::NoPacking { .. }
            | Self::WhichPacking { .. }
            | Self::Unpacked { .. }
            | Self::OtherBundle { .. }
            | Self::NotNewest { .. }
            | Self::NotMounted(_) => ErrorClass::Usage,
            Self::NothingAsked { .. } => ErrorClass::NothingNew,
            Self::NotAgain { .. } => ErrorClass::Failed,
            Self::Bundle(error) => error.class(),
            Self::Workspace(error) => error.class(),
            Self::Trust(error) => error.class(),
        }
    }
}

impl From<StorageError> for RecutError {
    fn from(error: StorageError) -> Self {
        Self::Workspace(error.into())
    }
}

/// Opens a bundle of which all files may be missing but the manifest and its signature. Who signed it does not matter here: nothing
/// is read from it but what to write.
pub fn open(folder: &Path) -> Result<OpenState, RecutError> {
    SignedState::open(folder)?.trusted(|_| Ok(()))
}

/// Opens the bundle of this name as the workspace remembers it; `None` if it does not.
pub fn remembered(workspace: &Workspace, name: &str, out: &Path) -> Result<Option<OpenState>, RecutError> {
    let signed = workspace.remembered(name, &out.join(name))?;
    signed.map(|signed| signed.trusted(|_| Ok(()))).transpose()
}
