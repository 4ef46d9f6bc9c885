//! The statements of reviewers that a site has. `approvals/DIGEST/` has those on the manifest with that digest, whether its bundle is here
//! or not.

use std::path::PathBuf;

use super::Site;
use crate::bundle::approval_files;
use crate::digest::Sha256;
use crate::trust::SignedApproval;

/// The folder of statements, below the site's.
const APPROVALS_FOLDER: &str = "approvals";

/// Returns the folder of the statements on a manifest.
pub(super) fn statements_folder(site: &Site, manifest: &Sha256) -> PathBuf {
    site.root().join(APPROVALS_FOLDER).join(manifest.to_hex())
}

impl Site {
    /// Returns the statements on a manifest that are here, whether they count or not.
    pub fn statements_on(&self, manifest: &Sha256) -> Vec<SignedApproval> {
        let mut statements = approval_files::read_all(&statements_folder(self, manifest)).signed;
        statements.extend_from_slice(&self.assumed_approvals);
        statements.retain(|signed| signed.statement.manifest == *manifest);
        statements
    }
}
