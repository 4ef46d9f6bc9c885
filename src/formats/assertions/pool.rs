//! A collection of assertions, found by name. Nothing in it is verified.

use std::collections::BTreeMap;

use super::assertion::Assertion;

use super::reference::{Reference, SNAP_REVISION};
use super::statement::Statement;
use super::trust::Trust;
use crate::digest::Sha3;
use crate::formats::Invalid;

/// Assertions by name, of each the highest revision.
#[derive(Clone, Debug, Default)]
pub struct Pool(BTreeMap<Reference, Assertion>);

impl Pool {
    /// The assertions of a stream.
    pub fn of_stream(stream: &[u8]) -> Result<Self, Invalid> {
        let mut pool = Self::default();
        for assertion in Assertion::parse_stream(stream)? {
            pool.add(assertion)?;
        }
        Ok(pool)
    }

    /// Adds `assertion` unless one of its name with this revision or a higher one is there; whether it is new.
    ///
    /// Two that say different things in one revision are an error: nobody could tell which of them counts.
    pub fn add(&mut self, assertion: Assertion) -> Result<bool, Invalid> {
        if let Some(present) = self.0.get(assertion.reference()) {
            let revision = present.revision();
            if revision == assertion.revision() && present.content() != assertion.content() {
                return Err(Invalid::new(format!(
                    "there are two different versions of {} with revision {revision}",
                    assertion.reference()
                )));
            }
            if revision >= assertion.revision() {
                return Ok(false);
            }
        }
        self.0.insert(assertion.reference().clone(), assertion);
        Ok(true)
    }

    /// The assertion of this name.
    pub fn get(&self, reference: &Reference) -> Option<&Assertion> {
        self.0.get(reference)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Assertion> {
        self.0.values()
    }

    /// The snap-revisions about these bytes, whatever their provenance.
    pub(super) fn revisions_of(&self, digest: Sha3) -> impl Iterator<Item = &Assertion> {
        let digest = digest.to_string();
        let from = Reference::new(SNAP_REVISION, &[&digest]);
        self.0
            .range(from..)
            .take_while(move |(reference, _)| reference.kind == SNAP_REVISION && reference.key.first() == Some(&digest))
            .map(|(_, assertion)| assertion)
    }

    /// What has to be fetched before the assertion of this name can be verified: itself, or those that it rests on and that
    /// are neither here nor taken for granted.
    pub fn missing(&self, trust: &Trust, reference: &Reference) -> Vec<Reference> {
        let mut seen = vec![reference.clone()];
        let mut missing = Vec::new();
        let mut next = 0;
        while let Some(reference) = seen.get(next).cloned() {
            next += 1;
            match self.get(&reference) {
                _ if trust.knows(&reference) => {}
                None => missing.push(reference),
                Some(assertion) => {
                    for needed in assertion.prerequisites() {
                        if !seen.contains(&needed) {
                            seen.push(needed);
                        }
                    }
                }
            }
        }
        missing
    }
}

impl Assertion {
    /// What it rests on: the key that signed it, and the accounts and declarations that must be there for snapd to take it.
    pub fn prerequisites(&self) -> Vec<Reference> {
        let mut needed = vec![Reference::account_key(self.sign_key())];
        match self.statement() {
            Statement::AccountKey(key) => needed.push(Reference::account(&key.account_id)),
            Statement::SnapDeclaration(declaration) => needed.push(Reference::account(&declaration.publisher_id)),
            Statement::SnapRevision(revision) => {
                needed.push(Reference::snap_declaration(&revision.snap_id));
                needed.push(Reference::account(&revision.developer_id));
            }
            Statement::Store(store) => needed.push(Reference::account(&store.operator_id)),
            Statement::Account(_) | Statement::Other => {}
        }
        needed
    }
}
