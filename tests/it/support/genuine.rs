//! Genuine upstream data, where the host has it.

use std::path::{Path, PathBuf};

/// Where the genuine samples are, unless they are absent.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let folder = std::env::var_os("GAPFERRY_SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no genuine samples in {} (set GAPFERRY_SHARED_DATA)", folder.display());
    None
}
