//! The state of review of a manifest: whose statements count, and whether they suffice.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::alarm_set::AlarmSet;
use super::approval::{Approval, Decision, SignedApproval};
use super::quorum::Quorum;
use super::{PublicKey, Role, TrustFile, TrustedKey};
use crate::digest::Sha256;
use crate::label::Label;
use crate::numbers::Sequence;
use crate::time::Time;

/// The bundle that is reviewed.
#[derive(Clone, Copy, Debug)]
pub struct ReviewSubject<'a> {
    /// The site that it is for.
    pub site: &'a Label,
    /// Its name.
    pub name: &'a Label,
    /// Its sequence.
    pub sequence: Sequence,
    /// The digest of its manifest.
    pub manifest: Sha256,
    /// The key that signed the manifest.
    pub builder: &'a PublicKey,
    /// The alarms that each approval must acknowledge; `None` if they were not computed.
    pub alarms: Option<&'a AlarmSet>,
}

/// The result of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewVerdict {
    /// The trust file asks for no review.
    NotAsked,
    /// The quorum of reviewers has approved.
    Approved,
    /// The quorum of the role emergency has approved, and that of reviewers has not.
    Emergency,
    /// Approvals are missing.
    Waiting,
    /// Somebody has rejected it.
    Rejected,
}

/// Whose statements on a bundle count, and what follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Review {
    /// The result.
    pub verdict: ReviewVerdict,
    /// The quorum of reviewers, if the trust file has one.
    pub quorum: Option<Quorum>,
    /// The approvals that count, by person.
    pub approved: BTreeMap<Label, Approval>,
    /// The rejections that stand, by person.
    pub rejected: BTreeMap<Label, Approval>,
    /// The persons whose approval would count and is missing.
    pub missing: BTreeSet<Label>,
    /// The reasons for which statements do not count.
    pub not_counted: Vec<String>,
}

impl Review {
    /// Returns whether the bundle may be published.
    pub fn allows(&self) -> bool {
        matches!(self.verdict, ReviewVerdict::NotAsked | ReviewVerdict::Approved | ReviewVerdict::Emergency)
    }
}

impl TrustFile {
    /// Judges the statements on a bundle at the time `now`.
    ///
    /// Of each person the statement with the highest number counts. Of two with that number only a rejection counts. A person whose
    /// key built the bundle does not review it, but may reject it. Rejections stand whoever else approves.
    pub fn review(&self, subject: ReviewSubject<'_>, statements: &[SignedApproval], now: Time) -> Review {
        let builder = self.find(subject.builder).map(|(person, _)| person);
        let (mut newest, mut not_counted) = (BTreeMap::<&Label, Vec<&SignedApproval>>::new(), Vec::new());
        for signed in statements {
            match self.reviewer_of(subject, signed, now) {
                Ok(person) => keep_newest(newest.entry(person).or_default(), signed),
                Err(reason) => not_counted.push(reason),
            }
        }
        let (mut approved, mut rejected) = (BTreeMap::new(), BTreeMap::new());
        for (person, newest) in newest {
            let rejection = newest.iter().find(|signed| signed.statement.decision == Decision::Reject);
            match (rejection, newest.as_slice()) {
                (Some(rejection), _) => drop(rejected.insert(person.clone(), rejection.statement.clone())),
                (None, [signed]) if signed.statement.decision == Decision::Approve => {
                    match self.reason_against(&signed.statement, builder, subject.alarms, now) {
                        Some(reason) => not_counted.push(reason),
                        None => drop(approved.insert(person.clone(), signed.statement.clone())),
                    }
                }
                (None, [] | [_]) => {}
                (None, [signed, ..]) => {
                    let number = signed.statement.number;
                    not_counted.push(format!("{person} signed two statements with the number {number}"));
                }
            }
        }
        not_counted.sort();
        not_counted.dedup();
        self.verdict(builder, approved, rejected, not_counted)
    }

    fn verdict(
        &self,
        builder: Option<&Label>,
        approved: BTreeMap<Label, Approval>,
        rejected: BTreeMap<Label, Approval>,
        not_counted: Vec<String>,
    ) -> Review {
        let has_signed = |role: Role| {
            let approved = &approved;
            move |person: &Label| approved.get(person).is_some_and(|statement| statement.role == role)
        };
        let is_met =
            |role: Role| self.quorums.get(&role).is_some_and(|quorum| quorum.is_met(&self.groups, &has_signed(role)));
        let quorum = self.quorums.get(&Role::Reviewer).cloned();
        let verdict = match &quorum {
            None => ReviewVerdict::NotAsked,
            Some(_) if !rejected.is_empty() => ReviewVerdict::Rejected,
            Some(_) if is_met(Role::Reviewer) => ReviewVerdict::Approved,
            Some(_) if is_met(Role::Emergency) => ReviewVerdict::Emergency,
            Some(_) => ReviewVerdict::Waiting,
        };
        let can_review = |person: &&Label| self.usable_keys(person, Role::Reviewer).next().is_some();
        let is_missing = |person: &&Label| Some(*person) != builder && !has_signed(Role::Reviewer)(person);
        let missing = match verdict {
            ReviewVerdict::Waiting => self.persons.keys().filter(can_review).filter(is_missing).cloned().collect(),
            _ => BTreeSet::new(),
        };
        Review { verdict, quorum, approved, rejected, missing, not_counted }
    }

    /// Returns the person whose statement it is. Fails with the reason if it is of another bundle, or by a key that may not say it.
    fn reviewer_of(&self, subject: ReviewSubject<'_>, signed: &SignedApproval, now: Time) -> Result<&Label, String> {
        let Approval { site, name, sequence, manifest, person, number, .. } = &signed.statement;
        let what = format!("statement {number} of {person}");
        if (site, name, sequence, manifest) != (subject.site, subject.name, &subject.sequence, &subject.manifest) {
            return Err(format!("{what} is on {site}-{name}-{sequence} with the manifest {manifest}"));
        }
        let (key, (owner, trusted)) = (signed.signer.fingerprint(), self.may_say(signed)?);
        match (&trusted.revoked, trusted.expires) {
            (Some(revoked), _) if !revoked.valid_manifests.contains(manifest) => {
                Err(format!("{what} is signed by {key}, which was revoked"))
            }
            (None, Some(expires)) if expires <= now => {
                Err(format!("{what} is signed by {key}, which expired at {expires}"))
            }
            _ => Ok(owner),
        }
    }

    /// Returns the person and the key of a statement. Fails with the reason unless the trust file names that key for that person and
    /// role, whether it is still valid or not.
    pub fn may_say(&self, signed: &SignedApproval) -> Result<(&Label, &TrustedKey), String> {
        let (key, Approval { person, role, number, .. }) = (signed.signer.fingerprint(), &signed.statement);
        let what = format!("statement {number} of {person}");
        match self.find(&signed.signer).filter(|(_, trusted)| trusted.roles.contains(role)) {
            None => Err(format!("{what} is signed by {key}, which is not in the role {role}")),
            Some((owner, _)) if owner != person => Err(format!("{what} is signed by a key of {owner}")),
            Some(found) => Ok(found),
        }
    }

    /// Returns the reason for which a person's approval does not count.
    fn reason_against(
        &self,
        statement: &Approval,
        builder: Option<&Label>,
        alarms: Option<&AlarmSet>,
        now: Time,
    ) -> Option<String> {
        let person = &statement.person;
        if builder == Some(person) {
            return Some(format!("{person} built the bundle, so they do not review it"));
        }
        if let Some(until) = statement.until.filter(|until| *until <= now) {
            return Some(format!("the approval of {person} ended at {until}"));
        }
        let left_out = alarms.map(|alarms| alarms.left_out(statement)).unwrap_or_default();
        let (count, first) = (left_out.len(), left_out.first()?.abbreviated());
        Some(format!("the approval of {person} leaves out alarms against what is published: {count}, such as {first}"))
    }
}

/// Adds a statement of a person to those with the highest number.
fn keep_newest<'a>(newest: &mut Vec<&'a SignedApproval>, signed: &'a SignedApproval) {
    let highest = newest.first().map_or(0, |known| known.statement.number);
    match signed.statement.number.cmp(&highest) {
        Ordering::Less => {}
        Ordering::Equal if newest.iter().any(|known| known.text == signed.text) => {}
        Ordering::Equal => newest.push(signed),
        Ordering::Greater => *newest = vec![signed],
    }
}

impl fmt::Display for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |persons: Vec<&Label>| persons.iter().map(|person| person.as_str()).collect::<Vec<_>>().join(", ");
        let approved = match self.approved.is_empty() {
            true => "nobody".to_owned(),
            false => names(self.approved.keys().collect()),
        };
        match (&self.verdict, &self.quorum) {
            (ReviewVerdict::NotAsked, _) | (_, None) => f.write_str("the trust file asks for no review")?,
            (ReviewVerdict::Approved, Some(quorum)) => write!(f, "approved by {approved}, as {quorum} must")?,
            (ReviewVerdict::Emergency, Some(_)) => {
                write!(f, "approved in an EMERGENCY by {approved}, not by the quorum of reviewers")?
            }
            (ReviewVerdict::Waiting, Some(quorum)) => {
                write!(f, "it needs the approval of {quorum}; approved by {approved}")?;
                write!(f, ", missing of {}", names(self.missing.iter().collect()))?;
            }
            (ReviewVerdict::Rejected, Some(_)) => {
                for (person, statement) in &self.rejected {
                    write!(
                        f,
                        "rejected by {person}: {}; ",
                        statement.reason.as_deref().unwrap_or_default().escape_debug()
                    )?;
                }
                f.write_str("only the same person can withdraw it")?;
            }
        }
        self.not_counted.iter().try_for_each(|reason| write!(f, "; not counted: {reason}"))
    }
}

#[cfg(test)]
#[path = "review_tests.rs"]
mod tests;
