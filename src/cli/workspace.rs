//! Options that several commands share: where the online side's memory is, and where its results may go.

use std::path::{Path, PathBuf};

use super::error::Failure;
use crate::media::MountCheck;
use crate::workspace::Workspace;

/// The option that names it.
#[derive(Debug, clap::Args)]
pub(super) struct WorkspaceArgs {
    /// What was fetched before, and the sequence numbers [default: $XDG_STATE_HOME/gapferry]
    #[arg(long, value_name = "DIR", env = "GAPFERRY_WORKSPACE")]
    workspace: Option<PathBuf>,
}

impl WorkspaceArgs {
    /// The workspace's folder.
    pub(super) fn folder(&self) -> Result<PathBuf, Failure> {
        let no_home = || Failure::usage("there is no home folder for the workspace: give --workspace DIR");
        self.workspace.clone().or_else(default_workspace).ok_or_else(no_home)
    }

    /// Returns the workspace that printed commands name; `None` if they use `folder` anyway.
    pub(super) fn named(folder: &Path) -> Option<&Path> {
        Some(folder).filter(|folder| default_workspace().as_deref() != Some(folder))
    }

    /// Opens the workspace, which must be there.
    pub(super) fn open(&self) -> Result<Workspace, Failure> {
        Ok(Workspace::open_there(&self.folder()?)?)
    }
}

/// The option of all commands that write something to be carried.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(in crate::cli) struct CarryArgs {
    /// Write to a folder though no medium is mounted there
    #[arg(long)]
    allow_folder: bool,
}

impl CarryArgs {
    /// The check that the user asks for.
    pub(in crate::cli) fn mount_check(self) -> MountCheck {
        if self.allow_folder { MountCheck::Skipped } else { MountCheck::Enforced }
    }
}

/// Returns the workspace that commands use if none is named: `$GAPFERRY_WORKSPACE`, or else `$XDG_STATE_HOME/gapferry` as in the XDG base
/// directory specification.
pub(super) fn default_workspace() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = || absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    let named = std::env::var_os("GAPFERRY_WORKSPACE").filter(|name| !name.is_empty()).map(PathBuf::from);
    named.or_else(|| state().map(|state| state.join("gapferry")))
}
