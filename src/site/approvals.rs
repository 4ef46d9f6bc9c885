//! Approvals at a site: statements that have arrived, and the review of a bundle by them. Only statements of persons whom the trust file
//! names are kept.

use std::path::PathBuf;

use super::evidence;
use super::renewal::renewed_review;
use super::state::{Generation, PublishedReview};
use super::statements::statements_folder;
use super::{Site, SiteError};
use crate::bundle::approval_files;
use crate::bundle::names;
use crate::bundle::state::stored_state::StoredState;
use crate::bundle::state::{OpenState, SignedState};
use crate::digest::Sha256;
use crate::error_class::{ErrorClass, Fault};
use crate::next_command;
use crate::review::{ReviewedState, compare};
use crate::storage::{Lock, audit, modes, write_atomically};
use crate::time::Time;
use crate::trust::{AlarmSet, Approval, MAX_APPROVALS, Review, ReviewSubject, ReviewVerdict, SignedApproval};

impl Site {
    fn approvals_folder(&self, statement: &Approval) -> PathBuf {
        statements_folder(self, &statement.manifest)
    }

    /// Keeps those of the statements that are for this site, by persons whom its trust file names, and not here yet. Returns them.
    pub fn take_approvals(&self, statements: Vec<SignedApproval>) -> Result<Vec<SignedApproval>, SiteError> {
        match self.new_approvals(statements)? {
            new if new.is_empty() => Ok(new),
            new => self.keep_approvals(&self.lock()?, new),
        }
    }

    /// Judges from now on as if the site had taken these statements.
    pub fn assume_approvals(&mut self, statements: Vec<SignedApproval>) {
        self.assumed_approvals = statements;
    }

    /// Fails if the site would not keep a statement: it is on a bundle of another site, or its key is none of that person's.
    pub fn check_statement(&self, signed: &SignedApproval) -> Result<(), SiteError> {
        let (found, here) = (&signed.statement.site, &self.config.name);
        if found != here {
            return Err(Fault::refused(format!(
                "the statement is on a bundle for the site {found}, and this is {here}"
            ))
            .into());
        }
        let known = self.newest_trust()?.may_say(signed).map(drop);
        known.map_err(|reason| Fault::refused(format!("the site keeps no such statement: {reason}")).into())
    }

    fn new_approvals(&self, mut statements: Vec<SignedApproval>) -> Result<Vec<SignedApproval>, SiteError> {
        statements.retain(|signed| {
            let path = self.approvals_folder(&signed.statement).join(signed.file_name());
            self.check_statement(signed).is_ok() && !path.exists()
        });
        Ok(statements)
    }

    /// The same, for a caller that has the lock.
    pub(super) fn keep_approvals(
        &self,
        _: &Lock,
        statements: Vec<SignedApproval>,
    ) -> Result<Vec<SignedApproval>, SiteError> {
        let new = self.new_approvals(statements)?;
        for signed in &new {
            let (statement, folder) = (&signed.statement, self.approvals_folder(&signed.statement));
            let bundle = names::folder(&statement.site, &statement.name, statement.sequence);
            if approval_files::read_all(&folder).signed.len() >= MAX_APPROVALS {
                return Err(
                    Fault::refused(format!("{bundle} has {MAX_APPROVALS} statements of reviewers already")).into()
                );
            }
            let detail = format!(
                "{} by {} in the role {}, number {}, on {}",
                statement.decision, statement.person, statement.role, statement.number, statement.manifest
            );
            audit::append(&self.root().join("audit.jsonl"), "review", &bundle, &detail)?;
            approval_files::write(&folder, signed)?;
        }
        evidence::note_use(self, new.iter().map(|signed| signed.statement.manifest))?;
        Ok(new)
    }

    /// Reviews a bundle by the statements that are here. Approvals that leave out an alarm against what is published do not count.
    pub fn review(&self, state: &OpenState) -> Result<Review, SiteError> {
        let review = self.review_with(state, None)?;
        match review.quorum.is_some() && review.allows() {
            true => self.review_with(state, Some(&self.alarms(state)?)),
            false => Ok(review),
        }
    }

    /// Computes the alarms of a bundle against the state of its name that is published.
    fn alarms(&self, state: &OpenState) -> Result<AlarmSet, SiteError> {
        let scratch = std::env::temp_dir();
        let stored = match StoredState::open(&self.depot_to_read(), &state.digest) {
            Ok(stored) => stored,
            Err(_) => {
                let (lists, _) = state.lists(&scratch, |_, _| Ok(()))?;
                StoredState { manifest: state.manifest.clone(), digest: state.digest, lists }
            }
        };
        let after = ReviewedState::of_site(stored, self.root())?;
        let published = self.published_state(&state.manifest.name)?;
        let against = published.as_ref().map(|published| published.digest);
        let before = match published {
            Some(published) => ReviewedState::of_site(published, self.root())?,
            None => after.without_items(),
        };
        let (diff, mut digests) = (compare(&before, &after, &scratch)?, Vec::new());
        let read = diff.each_alarm(|alarm| {
            digests.push(alarm.digest);
            Ok::<(), std::io::Error>(())
        });
        read.map_err(SiteError::io("read", &scratch))?;
        Ok(AlarmSet::new(against, digests))
    }

    fn review_with(&self, state: &OpenState, alarms: Option<&AlarmSet>) -> Result<Review, SiteError> {
        let manifest = &state.manifest;
        let subject = ReviewSubject {
            site: &manifest.site,
            name: &manifest.name,
            sequence: manifest.sequence,
            manifest: state.digest,
            builder: &state.signer,
            alarms,
        };
        self.review_of(subject)
    }

    /// Reviews a manifest, of which the bundle need not be here.
    pub(super) fn review_of(&self, subject: ReviewSubject<'_>) -> Result<Review, SiteError> {
        let statements = self.statements_on(&subject.manifest);
        Ok(self.newest_trust()?.review(subject, &statements, Time::now()))
    }

    /// Returns the bundles whose volumes are unpacked, and that wait for approvals.
    pub fn reviewed_bundles(&self) -> Result<Vec<ReviewedBundle>, SiteError> {
        let mut reviewed = Vec::new();
        for folder in self.journals()? {
            if folder.join(names::SIGNATURE).exists() {
                let state = SignedState::open(&folder)?.trusted(|_| Ok::<(), SiteError>(()))?;
                let (bundle, digest, review) = (state.manifest.folder(), state.digest, self.review(&state)?);
                reviewed.push(ReviewedBundle { bundle, digest, folder, review });
            }
        }
        Ok(reviewed)
    }
}

/// A bundle whose volumes are unpacked, and that waits for approvals.
#[derive(Debug)]
pub struct ReviewedBundle {
    /// Its folder name.
    pub bundle: String,
    /// The digest of its manifest.
    pub digest: Sha256,
    /// A folder that has it, without volumes.
    pub folder: PathBuf,
    /// The review: approvals, and persons who are missing.
    pub review: Review,
}

/// Fails if somebody has rejected the bundle.
pub(super) fn refuse_rejected(site: &Site, state: &OpenState) -> Result<(), SiteError> {
    let review = site.review_with(state, None)?;
    match review.verdict {
        ReviewVerdict::Rejected => {
            Err(Fault::refused(format!("{} is not published: {review}", state.manifest.folder())).into())
        }
        _ => Ok(()),
    }
}

/// Returns the review by which a bundle, all of which is in the depot, may be published; `None` if the trust file asks for none. Fails
/// if approvals are missing. Then the bundle waits as one without volumes.
pub(super) fn require(
    site: &Site,
    state: &OpenState,
    current: &Generation,
) -> Result<Option<PublishedReview>, SiteError> {
    let (review, bundle) = (site.review(state)?, state.manifest.folder());
    let log = site.root().join("audit.jsonl");
    if review.allows() {
        if review.quorum.is_none() {
            return Ok(None);
        }
        audit::append(&log, "reviewed", &bundle, &review.to_string())?;
        let (manifest, sequence, verdict) = (state.digest, state.manifest.sequence, review.verdict);
        return Ok(Some(PublishedReview { manifest, sequence, verdict }));
    }
    if review.verdict == ReviewVerdict::Waiting
        && let Some(renewed) = renewed_review(site, state, current)?
    {
        audit::append(&log, "renewal", &bundle, &format!("of what was approved as {}", renewed.manifest))?;
        return Ok(Some(renewed));
    }
    keep_small_part(site, state)?;
    let (approve, import) = (next_command::approve(&bundle), next_command::import_approval(site.root()));
    let text = format!(
        "{bundle} is unpacked and not published: {review}; each of them runs `{approve}`, and `{import}` takes what they sign"
    );
    Err(Fault::new(ErrorClass::ApprovalMissing, text).into())
}

/// Writes the signature of the manifest and the item lists beside the manifest of an unfinished import, so that its folder is a bundle.
fn keep_small_part(site: &Site, state: &OpenState) -> Result<(), SiteError> {
    let (folder, depot) = (site.journal_folder(state), site.depot()?);
    let items = folder.join("items");
    modes::create_public_folders(&items).map_err(SiteError::io("create", &items))?;
    for collection in &state.manifest.collections {
        let path = folder.join(collection.list_file());
        if !path.exists() {
            depot.write_file(&collection.list.stored.sha256, &path)?;
        }
    }
    crate::storage::sync_folder(&items).map_err(SiteError::io("sync", &items))?;
    Ok(write_atomically(&folder.join(names::SIGNATURE), &state.signature, modes::PUBLIC_FILE)?)
}
