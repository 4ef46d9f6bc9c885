//! Where the online side's memory is, for all commands that use it.

use std::path::PathBuf;

use super::error::Failure;
use crate::workspace::{Workspace, usual_folder};

/// The option that names it.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// What was fetched before, and the sequence numbers [default: $XDG_STATE_HOME/gapferry]
    #[arg(long, value_name = "DIR", env = "GAPFERRY_WORKSPACE")]
    workspace: Option<PathBuf>,
}

impl Place {
    /// The workspace's folder.
    pub(super) fn folder(&self) -> Result<PathBuf, Failure> {
        let no_home = || Failure::Usage("there is no home folder for the workspace: give --workspace DIR".to_owned());
        self.workspace.clone().or_else(usual_folder).ok_or_else(no_home)
    }

    /// Opens the workspace, which must be there.
    pub(super) fn open(&self) -> Result<Workspace, Failure> {
        Ok(Workspace::open_there(&self.folder()?)?)
    }
}
