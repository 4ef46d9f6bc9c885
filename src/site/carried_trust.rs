//! Takes the trust files that bundles carry, before anything else of the bundles is judged.
//!
//! Each valid step counts, whatever becomes of the bundle. A version that has expired counts too: what it revokes stays revoked, and
//! nothing is imported until a newer version is here.

use std::path::{Path, PathBuf};

use super::{Site, SiteError, TrustCheck};
use crate::bundle::trust_files::{self, TrustChain};
use crate::storage::Lock;
use crate::trust::{SignedTrustFile, TrustError, TrustFile, longest_chain};

/// The judgement on the trust files of a bundle.
struct CarriedSteps {
    /// The valid steps, in order.
    new: Vec<SignedTrustFile>,
    /// The reason for which the next one is not valid.
    refused: Option<SiteError>,
}

impl CarriedSteps {
    /// Judges a chain from the version `newest` on. The files of another site count for nothing here, as its bundles do.
    fn judge(newest: &TrustFile, chain: TrustChain) -> Self {
        let (new, refused) = longest_chain(newest, chain.files);
        let refused = refused.filter(|error| !matches!(error, TrustError::TrustFileOfOtherSite { .. }));
        Self { new, refused: refused.map(SiteError::from).or(chain.flaw.map(SiteError::from)) }
    }

    fn in_folder(newest: &TrustFile, bundle: &Path) -> Self {
        Self::judge(newest, trust_files::read_after(&trust_files::folder_in(bundle), newest.version))
    }
}

impl Site {
    /// Takes the trust files that the bundles in `folders` carry. Returns the new ones, in order. What is wrong with the others is
    /// said when their bundle is opened.
    pub(super) fn take_trust(&self, lock: &Lock, folders: &[PathBuf]) -> Result<Vec<SignedTrustFile>, SiteError> {
        let mut taken = Vec::new();
        loop {
            let newest = self.newest_trust()?;
            let steps = folders.iter().map(|folder| CarriedSteps::in_folder(&newest, folder).new);
            let Some(new) = steps.into_iter().find(|new| !new.is_empty()) else { return Ok(taken) };
            self.keep_trust(lock, &newest, &new, TrustCheck::Signatures)?;
            taken.extend(new);
        }
    }

    /// The same. Takes the lock only if there is something to take.
    pub fn take_trust_of(&self, folders: &[PathBuf]) -> Result<Vec<SignedTrustFile>, SiteError> {
        let newest = self.newest_trust()?;
        match folders.iter().all(|folder| CarriedSteps::in_folder(&newest, folder).new.is_empty()) {
            true => Ok(Vec::new()),
            false => self.take_trust(&self.lock()?, folders),
        }
    }

    /// Takes the trust files of a stream. Fails after the valid ones if one is not valid.
    pub(super) fn take_trust_of_stream(
        &self,
        lock: &Lock,
        chain: TrustChain,
    ) -> Result<Vec<SignedTrustFile>, SiteError> {
        let newest = self.newest_trust()?;
        let mut chain = chain;
        chain.files.retain(|signed| signed.file.version >= newest.version);
        let steps = CarriedSteps::judge(&newest, chain);
        self.keep_trust(lock, &newest, &steps.new, TrustCheck::Signatures)?;
        steps.refused.map_or(Ok(steps.new), Err)
    }

    /// Judges from now on as if the site had taken the trust files that the bundles in `folders` carry. Returns the new ones, in
    /// order.
    pub fn assume_trust(&mut self, folders: &[PathBuf]) -> Result<Vec<SignedTrustFile>, SiteError> {
        let mut taken = Vec::new();
        loop {
            let newest = self.newest_trust()?;
            let steps = folders.iter().map(|folder| CarriedSteps::in_folder(&newest, folder).new);
            let Some(new) = steps.into_iter().find(|new| !new.is_empty()) else { return Ok(taken) };
            self.assumed_trust = new.last().map(|last| last.file.clone());
            taken.extend(new);
        }
    }

    /// Refuses a bundle whose trust files go on from the newest one here, and are not valid.
    pub(super) fn check_carried_trust(&self, bundle: &Path) -> Result<(), SiteError> {
        CarriedSteps::in_folder(&self.newest_trust()?, bundle).refused.map_or(Ok(()), Err)
    }
}
