//! Adds recovery files to a bundle that is finished.

use std::path::Path;

use super::{Amount, write};
use crate::bundle::check::check_bundle;
use crate::bundle::packing::found::FoundPacking;
use crate::bundle::packing::volume_files::WrongSize;
use crate::bundle::recovery::write::WrittenFile;
use crate::bundle::state::{OpenState, SignedState};
use crate::bundle::write::write_sums;
use crate::bundle::{BundleError, names};
use crate::numbers::VolumeNumber;
use crate::progress::Progress;

/// Makes recovery files for the packings of the bundle in `folder`, in place of those that they have. All of it must be there and
/// good: recovery data of damaged volumes would restore the damage. A packing of which volumes are absent, since another one carries
/// all that they have, keeps what it has. Any signer is accepted. Returns the files by their paths in the
/// bundle's folder.
pub fn protect(
    folder: &Path,
    amount: Amount,
    progress: &Progress,
) -> Result<(OpenState, Vec<WrittenFile>), BundleError> {
    let state = SignedState::open(folder)?.trusted(|_| Ok::<_, BundleError>(()))?;
    let check = check_bundle(&state, state.packings(WrongSize::Refused, |_| Ok(()))?, progress)?;
    if let Some(damage) = check.damage.first() {
        let path = folder.join(&damage.volume);
        let (what, member) = ("the content", "the volume".to_owned());
        return Err(BundleError::Damaged { path, what, member, offset: damage.from });
    }
    let sizes = |packing: &FoundPacking| packing.files.volumes().iter().map(|volume| volume.size).collect::<Vec<_>>();
    let whole = || check.packings.iter().filter(|packing| packing.files.missing().is_empty());
    let needed = whole().map(|packing| write::bytes(&sizes(packing), amount)).sum();
    let free = crate::depot::free_bytes(folder)?;
    if free < needed {
        return Err(BundleError::NoSpace { path: folder.to_owned(), needed, free });
    }
    let mut made = Vec::new();
    for packing in whole() {
        made.extend(protect_packing(packing, folder, amount, progress)?);
    }
    write_sums(folder, &made)?;
    Ok((state, made))
}

/// Makes the recovery files of one packing, and removes those that it had besides.
fn protect_packing(
    packing: &FoundPacking,
    folder: &Path,
    amount: Amount,
    progress: &Progress,
) -> Result<Vec<WrittenFile>, BundleError> {
    let made = write::write(packing.files.volumes(), &folder.join(packing.files.name("")), amount, progress)?;
    let numbers = VolumeNumber::all().take(packing.files.volumes().len()).map(names::recovery);
    for name in numbers.chain((1..=u64::from(super::MAX_SPARES)).map(names::spare)) {
        let path = folder.join(packing.files.name(&name));
        if !made.iter().any(|(made, _)| *made == name) && path.symlink_metadata().is_ok() {
            std::fs::remove_file(&path).map_err(BundleError::io("remove", &path))?;
        }
    }
    Ok(made.into_iter().map(|(file, digest)| (packing.files.name(&file), digest)).collect())
}
