//! Genuine upstream data, where the host has it.

use std::path::{Path, PathBuf};

use super::skip::{Needs, skip};

/// Returns the folder of the genuine samples, or `None` if the test may be skipped for want of them.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let folder = std::env::var_os("GAPFERRY_SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    skip(Needs::GenuineData, &format!("no genuine samples in {} (set GAPFERRY_SHARED_DATA)", folder.display()));
    None
}
