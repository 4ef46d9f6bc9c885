//! The questions that the selection asks of every table.

use std::path::PathBuf;

use super::AccessKeys;
use crate::kind::Kind;
use crate::label::Label;

/// A table of the selection: one source, or a part of one.
pub(super) trait SourceTable {
    /// The kind that it is for.
    fn kind(&self) -> Kind;

    /// Its name in messages.
    fn title(&self) -> String;

    /// The name of its source, which no other source may have; `None` if all tables of the kind are one source.
    fn name(&self) -> Option<&Label>;

    /// Returns `true` if several tables of one name are one source.
    fn shares_name(&self) -> bool {
        false
    }

    /// Returns what makes no sense in it.
    fn contradiction(&self) -> Option<&'static str> {
        None
    }

    /// Returns the paths that it names, but for those of logins.
    fn paths(&mut self) -> Vec<&mut PathBuf>;

    /// Returns the keys that say how to log in; `None` if it fetches nothing.
    fn access(&self) -> Option<AccessKeys<'_>>;

    /// Returns the paths of logins.
    fn access_paths(&mut self) -> Vec<&mut PathBuf> {
        Vec::new()
    }
}
