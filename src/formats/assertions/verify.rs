//! Verification of assertions and of all that they rest on, with the checks of snapd's `asserts/database.go`.

use std::collections::HashSet;

use jiff::Timestamp;

use super::assertion::Assertion;
use super::key::Signature;
use super::pool::Pool;
use super::reference::{DEFAULT_PROVENANCE, Reference};
use super::statement::{Account, AccountKey, SnapDeclaration, SnapRevision, Statement};
use super::trust::Trust;
use crate::formats::Invalid;
use crate::time::Time;

/// The longest chain of assertions that rest on each other. A snap's has five.
pub const MAX_CHAIN: usize = 16;

/// Verifies the assertions of a pool. It remembers what it has verified.
#[derive(Debug)]
pub struct Verifier<'a> {
    pub(super) trust: &'a Trust,
    pub(super) pool: &'a Pool,
    now: Timestamp,
    good: HashSet<&'a Reference>,
}

impl<'a> Verifier<'a> {
    /// A verifier that ends all chains in `trust`. Keys have to be valid at `now`.
    pub fn new(trust: &'a Trust, pool: &'a Pool, now: Time) -> Self {
        let now = Timestamp::from_second(now.unix()).unwrap_or(Timestamp::MAX);
        Self { trust, pool, now, good: HashSet::new() }
    }

    /// Verifies the assertion of this name and all that it rests on.
    pub fn verify(&mut self, reference: &Reference) -> Result<&'a Assertion, Invalid> {
        let found = self.pool.get(reference);
        let assertion = found.ok_or_else(|| Invalid::new(format!("there is no {reference}")))?;
        self.check(assertion, 0)?;
        Ok(assertion)
    }

    /// Verifies everything in the pool.
    pub fn verify_all(&mut self) -> Result<(), Invalid> {
        self.pool.iter().try_for_each(|assertion| self.check(assertion, 0))
    }

    /// Verifies `assertion`, on which so many others rest.
    pub(super) fn check(&mut self, assertion: &'a Assertion, depth: usize) -> Result<(), Invalid> {
        if self.good.contains(assertion.reference()) {
            return Ok(());
        }
        if depth >= MAX_CHAIN {
            return Err(fault(
                assertion,
                format!("rests on a circle of assertions, or on more than {MAX_CHAIN} in a chain"),
            ));
        }
        self.check_authority(assertion)?;
        let key = self.key_of(assertion, depth)?;
        self.check_key(assertion, key)?;
        check_signature(assertion, key)?;
        self.check_needed(assertion, depth)?;
        self.good.insert(assertion.reference());
        Ok(())
    }

    /// Whether the account that answers for `assertion` may say such a thing: most only a trusted one may.
    fn check_authority(&self, assertion: &Assertion) -> Result<(), Invalid> {
        let authority = assertion.authority_id();
        let anyone = match assertion.statement() {
            Statement::Other => true,
            Statement::SnapRevision(revision) => revision.provenance != DEFAULT_PROVENANCE,
            _ => false,
        };
        if anyone || self.trust.is_trusted(authority) {
            return Ok(());
        }
        Err(fault(assertion, format!("is signed by {authority}, which is not directly trusted")))
    }

    /// The key that is said to have signed `assertion`, verified itself.
    fn key_of(&mut self, assertion: &'a Assertion, depth: usize) -> Result<&'a AccountKey, Invalid> {
        let id = assertion.sign_key();
        if let Some(key) = self.trust.key(&id) {
            return Ok(key);
        }
        let reference = Reference::account_key(id);
        // A key that vouches for itself is a root, and of those only the trusted ones count.
        if reference != *assertion.reference()
            && let Some(found) = self.pool.get(&reference)
            && let Statement::AccountKey(key) = found.statement()
        {
            self.check(found, depth + 1)?;
            return Ok(key);
        }
        let authority = assertion.authority_id().to_owned();
        Err(fault(assertion, format!("is signed by key {id} of {authority}, which is neither trusted nor vouched for")))
    }

    /// Whether `key` may sign `assertion`, now and when that was made.
    fn check_key(&self, assertion: &Assertion, key: &AccountKey) -> Result<(), Invalid> {
        let (id, since, until) = (key.public_key.id(), key.since, key.until);
        if key.account_id != assertion.authority_id() {
            let (authority, account) = (assertion.authority_id().to_owned(), key.account_id.clone());
            return Err(fault(
                assertion,
                format!("is signed for {authority} with key {id}, which belongs to {account}"),
            ));
        }
        if key.constrained {
            return Err(fault(
                assertion,
                format!("is signed with key {id}, whose use is constrained in a way that gapferry does not evaluate"),
            ));
        }
        if !key.valid_at(self.now) {
            return Err(fault(
                assertion,
                format!("is signed with key {id}, which is valid {}, and it is {}", period(since, until), self.now),
            ));
        }
        match assertion.timestamp() {
            Some(timestamp) if !key.valid_at(timestamp) => {
                Err(fault(assertion, format!("is of {timestamp}, and its key {id} is valid {}", period(since, until))))
            }
            _ => Ok(()),
        }
    }

    /// What has to be there besides the key.
    fn check_needed(&mut self, assertion: &'a Assertion, depth: usize) -> Result<(), Invalid> {
        let account = match assertion.statement() {
            Statement::AccountKey(key) => &key.account_id,
            Statement::SnapDeclaration(declaration) => &declaration.publisher_id,
            Statement::Store(store) => &store.operator_id,
            Statement::SnapRevision(revision) => return self.check_revision(assertion, revision, depth),
            Statement::Account(_) | Statement::Other => return Ok(()),
        };
        self.account(account, assertion, depth).map(drop)
    }

    /// Revisions of another provenance than the store's own are signed by whom the declaration lets.
    fn check_revision(
        &mut self,
        assertion: &'a Assertion,
        revision: &SnapRevision,
        depth: usize,
    ) -> Result<(), Invalid> {
        self.account(&revision.developer_id, assertion, depth)?;
        let declaration = self.declaration(&revision.snap_id, assertion, depth)?;
        let authority = assertion.authority_id();
        let covered = declaration.revision_authorities.iter().any(|entry| entry.covers(revision, authority));
        if covered || revision.provenance == DEFAULT_PROVENANCE {
            return Ok(());
        }
        let (provenance, authority) = (revision.provenance.clone(), authority.to_owned());
        Err(fault(assertion, format!("has the provenance {provenance}, for which {authority} may not sign it")))
    }

    /// The account with this id, verified, on which `wanted_by` rests.
    pub(super) fn account(&mut self, id: &str, wanted_by: &Assertion, depth: usize) -> Result<&'a Account, Invalid> {
        if let Some(account) = self.trust.account(id) {
            return Ok(account);
        }
        let assertion = Reference::account(id);
        if let Some(found) = self.pool.get(&assertion)
            && let Statement::Account(account) = found.statement()
        {
            self.check(found, depth + 1)?;
            return Ok(account);
        }
        Err(fault(wanted_by, format!("needs {assertion}, which is not there")))
    }

    /// The declaration of this snap, verified, on which `wanted_by` rests.
    pub(super) fn declaration(
        &mut self,
        snap_id: &str,
        wanted_by: &Assertion,
        depth: usize,
    ) -> Result<&'a SnapDeclaration, Invalid> {
        let assertion = Reference::snap_declaration(snap_id);
        if let Some(found) = self.pool.get(&assertion)
            && let Statement::SnapDeclaration(declaration) = found.statement()
        {
            self.check(found, depth + 1)?;
            return Ok(declaration);
        }
        Err(fault(wanted_by, format!("needs {assertion}, which is not there")))
    }
}

fn fault(assertion: &Assertion, what: String) -> Invalid {
    Invalid::new(format!("{} {what}", assertion.reference()))
}

fn period(since: Timestamp, until: Option<Timestamp>) -> String {
    match until {
        Some(until) => format!("from {since} until {until}"),
        None => format!("from {since}"),
    }
}

fn check_signature(assertion: &Assertion, key: &AccountKey) -> Result<(), Invalid> {
    let signature = Signature::parse(assertion.signature());
    let signature = signature.map_err(|error| Invalid::new("it is malformed").because(error));
    let verified = signature.and_then(|signature| key.public_key.verify(assertion.content(), &signature));
    verified.map_err(|error| {
        let what = format!("the signature of {} by key {} is not good", assertion.reference(), key.public_key.id());
        Invalid::new(what).because(error)
    })
}
