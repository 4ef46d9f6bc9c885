//! Adds recovery files to a bundle that is finished.

use std::path::Path;

use super::{Amount, write};
use crate::bundle::recovery::write::WrittenFile;
use crate::bundle::{Bundle, BundleError, Signed, names, pack};
use crate::numbers::VolumeNumber;
use crate::progress::Progress;

/// Makes recovery files for the bundle in `folder`, in place of those that it has. All of it must be there and good: recovery
/// data of damaged volumes would restore the damage. Who signed the bundle does not matter here.
pub fn protect(folder: &Path, amount: Amount, progress: &Progress) -> Result<(Bundle, Vec<WrittenFile>), BundleError> {
    let bundle = Signed::open(folder)?.trusted(|_| Ok::<_, BundleError>(()))?;
    if let Some(damage) = bundle.check_volumes(progress)?.first() {
        let path = folder.join(&damage.volume);
        let (what, member) = ("the content", "the volume".to_owned());
        return Err(BundleError::Damaged { path, what, member, offset: damage.from });
    }
    let sizes: Vec<u64> = bundle.manifest.volumes.iter().map(|volume| volume.size).collect();
    let (needed, free) = (write::bytes(&sizes, amount), crate::depot::free_bytes(folder)?);
    if free < needed {
        return Err(BundleError::NoSpace { path: folder.to_owned(), needed, free });
    }
    let made = write::write(&bundle.manifest.volumes, folder, amount, progress)?;
    let numbers = VolumeNumber::all().take(bundle.manifest.volumes.len()).map(names::recovery);
    for name in numbers.chain((1..=u64::from(super::MAX_SPARES)).map(names::spare)) {
        let path = folder.join(&name);
        if !made.iter().any(|(made, _)| *made == name) && path.symlink_metadata().is_ok() {
            std::fs::remove_file(&path).map_err(BundleError::io("remove", &path))?;
        }
    }
    pack::write_sidecars(folder, &bundle.manifest, bundle.digest, &made)?;
    pack::sync_folder(folder)?;
    Ok((bundle, made))
}
