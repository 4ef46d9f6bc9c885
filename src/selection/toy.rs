//! `[[toy]]`: a text under a name, of a kind that only tests have.

use std::path::PathBuf;

use serde::Deserialize;

use super::AccessKeys;
use super::table::SourceTable;
use crate::kind::Kind;
use crate::label::Label;

/// One toy.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToySource {
    /// Its name.
    pub name: Label,
    /// Its content.
    pub text: String,
}

impl SourceTable for ToySource {
    fn kind(&self) -> Kind {
        Kind::Toy
    }

    fn title(&self) -> String {
        self.name.to_string()
    }

    fn name(&self) -> Option<&Label> {
        Some(&self.name)
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        Vec::new()
    }

    fn access(&self) -> Option<AccessKeys<'_>> {
        None
    }
}
