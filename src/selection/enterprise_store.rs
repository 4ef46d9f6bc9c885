//! `[[enterprise-store]]`: what `store-admin export` wrote for an Enterprise Store.

use std::path::PathBuf;

use serde::Deserialize;

/// Export files for an Enterprise Store, carried unopened.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EnterpriseStoreSource {
    /// The files, as a pattern of a shell: `/srv/store-admin/*.tar.gz`.
    pub exports: PathBuf,
}
