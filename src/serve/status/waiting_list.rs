//! Bundles that wait at the site, as the page shows them.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::site::{Site, WaitingBundle, waiting_bundles};

/// Time for which what was read counts as new: signatures are verified to read it.
const FRESH: Duration = Duration::from_secs(2);

/// The bundles whose imports are not finished, as they were a moment ago.
#[derive(Debug, Default)]
pub(in crate::serve) struct WaitingList(Mutex<Option<(Instant, Arc<[WaitingBundle]>)>>);

impl WaitingList {
    /// Returns the bundles. They are left out if this user may not read them. Blocks while it reads.
    pub(super) fn read(&self, root: &Path) -> Arc<[WaitingBundle]> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bundles)) = known.as_ref().filter(|(read, _)| read.elapsed() < FRESH) {
            return bundles.clone();
        }
        let bundles = Site::open(root).and_then(|site| waiting_bundles(&site)).unwrap_or_default();
        known.insert((Instant::now(), bundles.into())).1.clone()
    }
}
