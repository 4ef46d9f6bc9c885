//! Environment variables that stand for options.

use std::path::PathBuf;

use super::error::Failure;
use crate::error_class::Fault;
use crate::time::{MalformedTime, Time};

/// Returns the workspace that commands use if none is named: `$GAPFERRY_WORKSPACE`, or else `$XDG_STATE_HOME/gapferry` as in the XDG base
/// directory specification.
pub(super) fn default_workspace() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = || absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    let named = std::env::var_os("GAPFERRY_WORKSPACE").filter(|name| !name.is_empty()).map(PathBuf::from);
    named.or_else(|| state().map(|state| state.join("gapferry")))
}

/// Returns the time of `$SOURCE_DATE_EPOCH` (reproducible-builds.org/specs/source-date-epoch), `None` if it is not set.
pub(super) fn source_date_epoch() -> Result<Option<Time>, Failure> {
    let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let time = text.parse().map_err(|_| MalformedTime).and_then(Time::from_unix);
    Ok(Some(time.map_err(|error| Fault::usage("SOURCE_DATE_EPOCH is wrong").because(error))?))
}
