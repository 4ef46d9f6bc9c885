//! Every refusal, and properties. Judged against stock snapd and with genuine assertions in `tests/it/assertions.rs`.

mod chain;
mod properties;
mod signatures;
mod text;

use super::*;
use crate::samples::assertions::{Draft, DraftValue, QUICK_SEEDS, TestAuthority, TestKey};
use crate::time::Time;

const SNAP_ID: &str = "buPKUD3TKqCOgLEjjHx5kSiCpIs5cMuQ";
const SNAP: &[u8] = b"hsqs not much of a snap";

fn authority() -> &'static TestAuthority {
    TestAuthority::shared().expect("keys")
}

/// Trust in the authority's root, and in no other.
fn trust() -> Trust {
    Trust::with_test_root(authority().roots()).unwrap()
}

/// A key that is neither of the authority's.
fn key(number: usize) -> TestKey {
    TestKey::from_seed(QUICK_SEEDS[2 + number]).unwrap()
}

/// 2025-10-09, when everything is valid.
fn now() -> Time {
    Time::from_unix(1_760_000_000).unwrap()
}

fn publisher() -> Draft {
    authority().account("publisher1", "someone", "verified")
}

fn declaration() -> Draft {
    authority().snap_declaration(SNAP_ID, "hello", "publisher1")
}

fn revision() -> Draft {
    authority().snap_revision(Sha3::of(SNAP), SNAP.len() as u64, SNAP_ID, 7, "publisher1")
}

/// Signed with the store's key.
fn signed(draft: &Draft) -> Vec<u8> {
    draft.sign(&authority().store).unwrap()
}

fn parsed(draft: &Draft) -> Assertion {
    Assertion::parse(&signed(draft)).unwrap()
}

/// The store's key and these.
fn pool(drafts: &[Draft]) -> Pool {
    let mut pool = Pool::of_stream(authority().store_key()).unwrap();
    drafts.iter().for_each(|draft| assert!(pool.add(parsed(draft)).unwrap()));
    pool
}
