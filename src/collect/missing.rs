//! Files that an upstream lists and does not have, or has with other bytes.

use std::collections::BTreeSet;

use super::{CollectContext, CollectError, Selected};
use crate::formats::signed_digest::SignedDigest;
use crate::selection::MissingFiles;

impl CollectContext<'_> {
    /// Fetches the selected files like [`CollectContext::fetch_selected`]. Returns the digests of those to leave out.
    pub(super) fn fetch_available(
        &self,
        title: &str,
        selected: Vec<Selected>,
        missing: MissingFiles,
    ) -> Result<BTreeSet<SignedDigest>, CollectError> {
        let wanted: Vec<_> = selected.iter().map(|file| (file.digest, file.size)).collect();
        match self.fetch_selected(title, selected) {
            Err(error) if missing == MissingFiles::LeaveOut && error.is_upstreams_fault() => {}
            other => return other.map(|()| BTreeSet::new()),
        }
        let lacking = wanted.into_iter().filter(|(digest, size)| self.held(digest, *size).is_none());
        Ok(lacking.map(|(digest, _)| digest).collect())
    }
}
