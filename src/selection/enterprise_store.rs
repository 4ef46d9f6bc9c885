//! `[[enterprise-store]]`: what `store-admin export` wrote for an Enterprise Store.

use std::path::PathBuf;

use serde::Deserialize;

use super::AccessKeys;
use super::table::SourceTable;
use crate::kind::Kind;
use crate::label::Label;

/// Export files for an Enterprise Store, carried unopened.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EnterpriseStoreSource {
    /// The files, as a pattern of a shell: `/srv/store-admin/*.tar.gz`.
    pub exports: PathBuf,
}

impl SourceTable for EnterpriseStoreSource {
    fn kind(&self) -> Kind {
        Kind::EnterpriseStore
    }

    fn title(&self) -> String {
        self.exports.display().to_string()
    }

    fn name(&self) -> Option<&Label> {
        None
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        vec![&mut self.exports]
    }

    fn access(&self) -> Option<AccessKeys<'_>> {
        None
    }
}
