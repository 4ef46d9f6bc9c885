//! Waits until a medium was pulled and put back. Only then is it sure that what is read does not come from a cache in the drive.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::bundle::names;

const POLL: Duration = Duration::from_millis(200);

/// The file system that the bundle in `folder` is on; none if it is not there.
fn there(folder: &Path) -> Option<u64> {
    folder.join(names::MANIFEST).metadata().ok().map(|data| data.dev())
}

/// Waits until the bundle in `folder` has gone and is there again, and calls `gone` in between; says which of the two did not
/// happen in time.
pub(super) fn wait(folder: &Path, within: Duration, gone: impl FnOnce()) -> Result<(), &'static str> {
    let until = Instant::now() + within;
    let wait_for = |condition: &dyn Fn() -> bool, what| {
        while !condition() {
            if Instant::now() >= until {
                return Err(what);
            }
            sleep(POLL);
        }
        Ok(())
    };
    let before = there(folder);
    wait_for(&|| there(folder).is_none() || there(folder) != before, "pulled")?;
    gone();
    wait_for(&|| there(folder).is_some(), "put back")
}
