//! Defaults from environment variables.

use std::path::PathBuf;

/// Returns the workspace that commands use if none is named: `$GAPFERRY_WORKSPACE`, or else `$XDG_STATE_HOME/gapferry` as in the XDG base
/// directory specification.
pub(crate) fn default_workspace() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = || absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    let named = std::env::var_os("GAPFERRY_WORKSPACE").filter(|name| !name.is_empty()).map(PathBuf::from);
    named.or_else(|| state().map(|state| state.join("gapferry")))
}
