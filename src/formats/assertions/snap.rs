//! What the assertions say about a snap's file.

use super::assertion::Assertion;

use super::reference::{DEFAULT_PROVENANCE, Reference};
use super::statement::{Account, SnapDeclaration, SnapRevision, Statement};
use super::verify::Verifier;
use crate::digest::Sha3;
use crate::formats::Invalid;

/// A snap whose assertions are good, and who vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSnap<'a> {
    /// Which revision it is.
    pub revision: &'a SnapRevision,
    /// What it is called.
    pub declaration: &'a SnapDeclaration,
    /// Who publishes it.
    pub publisher: &'a Account,
    /// The assertions that say so and those that they rest on, each after those that it rests on itself; without what every
    /// snapd has built in. Written as a stream, this is what `snap download` puts beside a snap.
    pub chain: Vec<&'a Assertion>,
    /// Who signed each of `chain`.
    pub vouchers: Vec<Voucher>,
}

/// Who signed an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// What is signed.
    pub assertion: Reference,
    /// The account that answers for it.
    pub authority_id: String,
    /// The key's id.
    pub key: Sha3,
    /// What the account calls its key, such as `store`; old ones have no name.
    pub key_name: String,
}

fn unknown_snap(digest: Sha3) -> Invalid {
    Invalid::new(format!(
        "no assertion is about a snap with SHA3-384 {digest}: it was changed, or its assertions are another snap's"
    ))
}

impl<'a> Verifier<'a> {
    /// Verifies all that is said about a file with this SHA3-384 and size in bytes, which the caller has measured.
    ///
    /// A snap of another provenance than the store's own also has to state that in its metadata. That is not looked at here;
    /// snapd does when it installs.
    pub fn verify_snap(&mut self, digest: Sha3, size: u64) -> Result<VerifiedSnap<'a>, Invalid> {
        let assertion = self.revision_about(digest)?;
        self.check(assertion, 0)?;
        let Statement::SnapRevision(revision) = assertion.statement() else {
            return Err(unknown_snap(digest));
        };
        if revision.size != size {
            let (assertion, wanted) = (assertion.reference(), revision.size);
            return Err(Invalid::new(format!("the snap has {size} bytes, where {assertion} says {wanted}")));
        }
        let declaration = self.declaration(&revision.snap_id, assertion, 0)?;
        if declaration.snap_name.is_empty() {
            let declaration = Reference::snap_declaration(&revision.snap_id);
            return Err(Invalid::new(format!("{declaration} revokes the snap: it has no name")));
        }
        let publisher = self.account(&declaration.publisher_id, assertion, 0)?;
        let chain = self.chain(assertion);
        let vouchers = chain.iter().map(|assertion| self.voucher(assertion)).collect();
        Ok(VerifiedSnap { revision, declaration, publisher, chain, vouchers })
    }

    /// The snap-revision about these bytes: the store's own, or else the only one.
    fn revision_about(&self, digest: Sha3) -> Result<&'a Assertion, Invalid> {
        let mut found = self.pool.revisions_of(digest).collect::<Vec<_>>();
        let own = |assertion: &&Assertion| assertion.header("provenance").is_none_or(|text| text == DEFAULT_PROVENANCE);
        match (found.iter().copied().find(own), found.pop()) {
            (Some(own), _) => Ok(own),
            (None, Some(only)) if found.is_empty() => Ok(only),
            (None, Some(_)) => Err(Invalid::new(format!(
                "the snap with SHA3-384 {digest} is asserted in several provenances, and not in the store's own"
            ))),
            (None, None) => Err(unknown_snap(digest)),
        }
    }

    /// `assertion` and what it rests on and is not built in, each after those that it rests on itself.
    ///
    /// Only for assertions that are verified: no circle is among those.
    fn chain(&self, assertion: &'a Assertion) -> Vec<&'a Assertion> {
        let mut chain = Vec::new();
        self.add_to_chain(assertion, &mut chain);
        chain
    }

    fn add_to_chain(&self, assertion: &'a Assertion, chain: &mut Vec<&'a Assertion>) {
        for needed in assertion.prerequisites() {
            if let Some(found) = self.pool.get(&needed)
                && !self.trust.knows(&needed)
                && !chain.iter().any(|present| present.reference() == &needed)
            {
                self.add_to_chain(found, chain);
            }
        }
        chain.push(assertion);
    }

    fn voucher(&self, assertion: &Assertion) -> Voucher {
        let key = assertion.sign_key();
        let found = self.trust.key(&key).or_else(|| {
            match self.pool.get(&Reference::account_key(key)).map(Assertion::statement) {
                Some(Statement::AccountKey(key)) => Some(key),
                _ => None,
            }
        });
        let key_name = found.map(|key| key.name.clone()).unwrap_or_default();
        let authority_id = assertion.authority_id().to_owned();
        Voucher { assertion: assertion.reference().clone(), authority_id, key, key_name }
    }
}
