//! The roots in which commands let the assertions about snaps end.

use std::path::Path;

use crate::formats::assertions::Trust;
use crate::site::{Site, SiteError};

/// Opens the site in a folder, with [`snap_roots`].
pub(super) fn open_site(folder: &Path) -> Result<Site, SiteError> {
    let mut site = Site::open(folder)?;
    site.snap_roots = snap_roots();
    Ok(site)
}

/// Returns what snapd has built in. There is no option and no setting that adds to it.
#[cfg(not(all(feature = "test-roots", debug_assertions)))]
pub(super) fn snap_roots() -> &'static Trust {
    Trust::roots()
}

/// Returns what snapd has built in, and the root of the tests' own store. A release build never has it.
#[cfg(all(feature = "test-roots", debug_assertions))]
pub(super) fn snap_roots() -> &'static Trust {
    use crate::samples::assertions::ROOT_OF_TESTS;
    use std::sync::LazyLock;
    static ROOTS: LazyLock<Trust> = LazyLock::new(|| {
        Trust::roots_and(ROOT_OF_TESTS).expect("the embedded assertions are well-formed, a test says")
    });
    &ROOTS
}
