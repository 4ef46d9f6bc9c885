//! The trust files that an export carries: those in the folder that the selection names.

use std::path::Path;

use super::{ExportError, Settings};
use crate::bundle::trust_files::{read, versions};
use crate::digest::Sha256;
use crate::selection::Selection;
use crate::time::Time;
use crate::trust::{MAX_STEPS, SignedTrustFile, TrustError, TrustFile};

/// Reads the trust files that are to travel, in order: at most those of the last 32 versions. They are checked as far as they are
/// here, so that nothing travels that the site would refuse.
pub(super) fn trust_to_carry(
    selection: &Selection,
    settings: &Settings<'_>,
) -> Result<Vec<SignedTrustFile>, ExportError> {
    let Some(folder) = &selection.trust else { return Ok(Vec::new()) };
    let mut chain: Vec<SignedTrustFile> = Vec::new();
    for version in versions(folder)? {
        let Some(signed) = read(folder, version)? else { continue };
        check(&signed, chain.last(), selection).map_err(in_folder(folder))?;
        chain.push(signed);
    }
    let Some(newest) = chain.last().map(|signed| &signed.file) else {
        return Err(ExportError::NoTrustFiles { folder: folder.clone() });
    };
    check_newest(newest, selection, settings)?;
    // The site has version 1 since it was made.
    chain.retain(|signed| signed.file.version > 1);
    chain.drain(..chain.len().saturating_sub(MAX_STEPS));
    Ok(chain)
}

fn in_folder(folder: &Path) -> impl FnOnce(TrustError) -> ExportError {
    |source| ExportError::TrustFolder { folder: folder.to_owned(), source }
}

fn check(signed: &SignedTrustFile, before: Option<&SignedTrustFile>, selection: &Selection) -> Result<(), TrustError> {
    let file = &signed.file;
    if file.site != selection.site {
        let (found, here) = (file.site.to_string(), selection.site.to_string());
        return Err(TrustError::TrustFileOfOtherSite { found, here });
    }
    match before {
        Some(before) => signed.check_follows(&before.file),
        // A first version has no signatures, and neither has one that was taken by hand.
        None => Ok(()),
    }
}

/// Refuses what the site would refuse under the newest trust file.
fn check_newest(newest: &TrustFile, selection: &Selection, settings: &Settings<'_>) -> Result<(), ExportError> {
    if newest.epoch != selection.epoch {
        let (version, epoch) = (newest.version, newest.epoch);
        return Err(ExportError::OtherEpoch { selection: selection.epoch, version, epoch });
    }
    let Some(key) = settings.key else { return Ok(()) };
    let new = Sha256::of(&[]); // no revocation lists a manifest that is not made yet
    newest.authorize_builder(&key.public(), &new, settings.created.unwrap_or_else(Time::now))?;
    Ok(())
}
