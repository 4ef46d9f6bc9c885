//! A depot over the site's, for what a rehearsal generates and unpacks. It goes away at the end.

use std::path::Path;

use tempfile::TempDir;

use super::journal::WAITING_FOLDER;
use super::{Site, SiteError};
use crate::depot::Depot;
use crate::storage::{Lock, modes};

/// A depot in a scratch folder, layered over the site's.
pub(super) struct ScratchDepot {
    pub(super) depot: Depot,
    /// Removed on drop.
    folder: TempDir,
}

impl ScratchDepot {
    /// Makes one. Nothing else may change the site meanwhile, such as tidy up the scratch folder.
    pub(super) fn over(site: &Site, _lock: &Lock) -> Result<Self, SiteError> {
        // The next import removes what is no journal, so a run that is killed leaves nothing for long.
        let journal = site.root().join(WAITING_FOLDER);
        modes::create_private_folder(&journal).map_err(SiteError::io("create", &journal))?;
        let folder = tempfile::Builder::new().prefix("dry-run-").tempdir_in(&journal);
        let folder = folder.map_err(SiteError::io("create a folder in", &journal))?;
        let depot = Depot::open_over(&folder.path().join("depot"), site.depot()?)?;
        Ok(Self { depot, folder })
    }

    /// The scratch folder.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}
