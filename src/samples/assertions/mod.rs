//! A small authority for snaps: what Canonical's root, its store and its account database are to snapd, with keys of its own.
//!
//! [`TestAuthority`] has a root key and a store key and signs accounts, keys, declarations, revisions and stores as the store
//! writes them; [`Draft`] writes any assertion at all, also ones that lie. No snapd of a release and no gapferry trusts it:
//! only what is given [`TestAuthority::roots`] does. All of it is deterministic: the same description gives the same bytes.

mod draft;
mod key;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use crate::digest::Sha3;

pub use draft::{Draft, DraftValue};
pub use key::{QUICK_SEEDS, SignError, TestKey};

/// `since` of the keys that an authority makes for itself.
pub const KEYS_SINCE: &str = "2016-04-01T00:00:00Z";
/// `timestamp` of what it signs, unless told otherwise.
pub const TIMESTAMP: &str = "2025-01-01T00:00:00Z";

/// Account and root key of [`TestAuthority::trusted_in_tests`]: the commands of a gapferry that was built with the feature
/// `test-roots` and debug assertions trust them besides the roots of snapd. It is a file, since making the keys anew takes most
/// of the time of a short command.
#[cfg(feature = "test-roots")]
pub const ROOT_OF_TESTS: &[u8] = include_bytes!("tests.assert");

/// An account that signs all that is said about snaps, and its keys.
#[derive(Debug)]
pub struct TestAuthority {
    /// Id of the account.
    pub account_id: String,
    /// The key that signs keys.
    pub root: TestKey,
    /// The key that signs all else.
    pub store: TestKey,
    /// The account and the root key, as a stream.
    roots: Vec<u8>,
    /// The store key's account-key.
    store_key: Vec<u8>,
}

impl TestAuthority {
    /// An authority whose account has this id, and whose root vouches for the store key.
    pub fn new(account_id: &str, root: TestKey, store: TestKey) -> Result<Self, SignError> {
        let mut authority =
            Self { account_id: account_id.to_owned(), root, store, roots: Vec::new(), store_key: Vec::new() };
        let account = authority.account(account_id, account_id, "certified").sign(&authority.root)?;
        let root_key = authority.account_key(&authority.root, account_id, "root", KEYS_SINCE).sign(&authority.root)?;
        authority.roots = [account, root_key].join(&b"\n"[..]);
        let store_key = authority.account_key(&authority.store, account_id, "store", KEYS_SINCE);
        authority.store_key = store_key.sign(&authority.root)?;
        Ok(authority)
    }

    /// The one authority of this process, `testauthority`; `None` if no keys can be made.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: LazyLock<Option<TestAuthority>> = LazyLock::new(|| {
            let key = |at: usize| QUICK_SEEDS.get(at).and_then(|seed| TestKey::from_seed(*seed).ok());
            TestAuthority::new("testauthority", key(0)?, key(1)?).ok()
        });
        SHARED.as_ref()
    }

    /// The authority `testsuite`, which has [`ROOT_OF_TESTS`]. `None` if no keys can be made.
    #[cfg(feature = "test-roots")]
    pub fn trusted_in_tests() -> Option<&'static Self> {
        static TRUSTED: LazyLock<Option<TestAuthority>> = LazyLock::new(|| {
            let key = |at: usize| QUICK_SEEDS.get(at).and_then(|seed| TestKey::from_seed(*seed).ok());
            TestAuthority::new("testsuite", key(2)?, key(3)?).ok()
        });
        TRUSTED.as_ref()
    }

    /// The authority's account and root key as a stream: what a snapd that is to trust it has built in.
    pub fn roots(&self) -> &[u8] {
        &self.roots
    }

    /// The account-key of [`TestAuthority::store`], signed by the root.
    pub fn store_key(&self) -> &[u8] {
        &self.store_key
    }

    /// An assertion of any type by this authority.
    pub fn draft(&self, kind: &str) -> Draft {
        Draft::new(kind, &self.account_id)
    }

    /// An `account`; `validation` is `unproven`, `starred` or `verified`.
    pub fn account(&self, id: &str, username: &str, validation: &str) -> Draft {
        self.draft("account")
            .header("account-id", id)
            .header("display-name", username)
            .header("username", username)
            .header("validation", validation)
            .header("timestamp", TIMESTAMP)
    }

    /// An `account-key` for `key`, which belongs to an account and is valid from `since` on.
    pub fn account_key(&self, key: &TestKey, account_id: &str, name: &str, since: &str) -> Draft {
        self.draft("account-key")
            .header("public-key-sha3-384", &key.id().to_string())
            .header("account-id", account_id)
            .header("name", name)
            .header("since", since)
            .body(key.public().as_bytes())
    }

    /// A `snap-declaration`.
    pub fn snap_declaration(&self, snap_id: &str, name: &str, publisher_id: &str) -> Draft {
        self.draft("snap-declaration")
            .header("series", "16")
            .header("snap-id", snap_id)
            .header("snap-name", name)
            .header("publisher-id", publisher_id)
            .header("timestamp", TIMESTAMP)
    }

    /// A `snap-revision` about a file with this digest and size in bytes.
    pub fn snap_revision(&self, digest: Sha3, size: u64, snap_id: &str, revision: u64, developer_id: &str) -> Draft {
        self.draft("snap-revision")
            .header("snap-sha3-384", &digest.to_string())
            .header("snap-size", &size.to_string())
            .header("snap-id", snap_id)
            .header("snap-revision", &revision.to_string())
            .header("developer-id", developer_id)
            .header("timestamp", TIMESTAMP)
    }

    /// A `store` at this address.
    pub fn store_at(&self, store: &str, operator_id: &str, url: &str) -> Draft {
        self.draft("store")
            .header("store", store)
            .header("operator-id", operator_id)
            .header("url", url)
            .header("timestamp", TIMESTAMP)
    }
}
