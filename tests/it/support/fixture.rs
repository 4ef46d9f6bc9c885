//! Fixtures that take long to make and do not depend on gapferry: made once, for all tests and later runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use gapferry::digest::Sha256;
use tempfile::TempDir;

use super::snapshot::copy;
use super::world::scratch;

/// A copy of the fixture `name` for one test. `make` fills an empty folder with it, if no test has done that since its
/// `source` changed: the text of the file that makes it.
pub(crate) fn fixture(name: &str, source: &str, make: impl FnOnce(&Path)) -> TempDir {
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(&cache).unwrap();
    // One test at a time: the others wait for the first.
    let lock = File::create(cache.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let (made, stamp) = (cache.join(name), cache.join(format!("{name}.stamp")));
    let digest = Sha256::of(source.as_bytes()).to_hex();
    if fs::read_to_string(&stamp).ok().as_ref() != Some(&digest) {
        let _ = fs::remove_file(&stamp);
        let _ = fs::remove_dir_all(&made);
        // Elsewhere first: sockets, such as those of gpg-agent, must have short paths.
        let folder = scratch();
        make(folder.path());
        copy(folder.path(), &made);
        fs::write(&stamp, digest).unwrap();
    }
    let folder = scratch();
    copy(&made, folder.path());
    folder
}
