//! Whom the chains of assertions end in: what snapd has built in, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::assertion::Assertion;

use super::reference::{ACCOUNT, ACCOUNT_KEY, Reference};
use super::statement::{Account, AccountKey, Statement};
use crate::digest::Sha3;
use crate::formats::Invalid;

/// Account `canonical` and its root key, as published in snapd's source, `asserts/sysdb/trusted.go`. Every snapd trusts
/// this account directly, and only it.
const CANONICAL: &[u8] = include_bytes!("roots/canonical.assert");
/// Account `generic` and its key for models, as published in snapd's source, `asserts/sysdb/generic.go`. Every snapd knows
/// them, so that no stream holds them, but does not trust them.
const GENERIC: &[u8] = include_bytes!("roots/generic.assert");

static ROOTS: LazyLock<Trust> = LazyLock::new(|| Trust::of(&embedded(CANONICAL), &embedded(GENERIC)));

fn embedded(stream: &[u8]) -> Vec<Assertion> {
    Assertion::parse_stream(stream).expect("the embedded assertions are well-formed, a test says")
}

/// Accounts and keys that are taken for granted.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Ids of accounts that may say anything.
    trusted: BTreeSet<String>,
    accounts: BTreeMap<String, Account>,
    keys: BTreeMap<Sha3, AccountKey>,
}

impl Trust {
    /// Canonical's root key, which every release of snapd trusts.
    pub fn roots() -> &'static Self {
        &ROOTS
    }

    /// Trusts the accounts and account-keys of `stream`, instead
    /// of those of [`Trust::roots`], without verifying them. For tests and the demo, which sign with keys of their own.
    pub fn with_test_root(stream: &[u8]) -> Result<Self, Invalid> {
        Ok(Self::of(&Assertion::parse_stream(stream)?, &[]))
    }

    /// Trusts the accounts and account-keys of `stream` besides those of [`Trust::roots`], without verifying them.
    pub fn roots_and(stream: &[u8]) -> Result<Self, Invalid> {
        Ok(Self::of(&[embedded(CANONICAL), Assertion::parse_stream(stream)?].concat(), &embedded(GENERIC)))
    }

    fn of(trusted: &[Assertion], known: &[Assertion]) -> Self {
        let mut trust = Self { trusted: BTreeSet::new(), accounts: BTreeMap::new(), keys: BTreeMap::new() };
        for assertion in trusted.iter().chain(known) {
            match assertion.statement().clone() {
                Statement::Account(account) => drop(trust.accounts.insert(account.id.clone(), account)),
                Statement::AccountKey(key) => drop(trust.keys.insert(key.public_key.id(), key)),
                _ => {}
            }
        }
        let accounts = trusted.iter().filter(|assertion| assertion.kind() == ACCOUNT);
        trust.trusted = accounts.flat_map(|account| account.reference().key.iter().cloned()).collect();
        trust
    }

    /// Whether `account_id` may say anything.
    pub fn is_trusted(&self, account_id: &str) -> bool {
        self.trusted.contains(account_id)
    }

    /// Whether this account or account-key is taken for granted, so that no stream need hold it.
    pub fn knows(&self, reference: &Reference) -> bool {
        match (reference.kind.as_str(), reference.key.as_slice()) {
            (ACCOUNT, [id]) => self.accounts.contains_key(id),
            (ACCOUNT_KEY, [id]) => id.parse().is_ok_and(|id| self.keys.contains_key(&id)),
            _ => false,
        }
    }

    pub(super) fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.get(id)
    }

    pub(super) fn key(&self, id: &Sha3) -> Option<&AccountKey> {
        self.keys.get(id)
    }
}
