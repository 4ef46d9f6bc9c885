//! What is carried of a snap: its name, who vouches for it, and the assertions that say so. Both sides of the gap ask here.

use std::collections::BTreeSet;

use super::assertion::Assertion;

use super::pool::Pool;
use super::statement::Account;
use super::trust::Trust;
use super::verify::Verifier;
use crate::digest::Sha3;
use crate::formats::Invalid;
use crate::time::Time;

/// What verified assertions say of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapFacts {
    /// The snap's name.
    pub name: String,
    /// Its revision.
    pub revision: u64,
    /// Its id, which never changes.
    pub snap_id: String,
    /// Who publishes it.
    pub publisher: Account,
    /// When the store signed the revision, as it writes it.
    pub made: String,
    /// Ids of the keys that signed, sorted.
    pub signed_by: Vec<String>,
    /// The assertions that are needed, and no others, as a stream.
    pub stream: Vec<u8>,
}

impl SnapFacts {
    /// The publisher's name in the store, or its account id if it has none.
    pub fn publisher_name(&self) -> &str {
        match self.publisher.username.as_str() {
            "" => &self.publisher.id,
            username => username,
        }
    }
}

/// Verifies what `pool` says about a file of this SHA3-384 and size in bytes, as of `now`.
pub fn verify(trust: &Trust, pool: &Pool, now: Time, digest: Sha3, size: u64) -> Result<SnapFacts, Invalid> {
    let snap = Verifier::new(trust, pool, now).verify_snap(digest, size)?;
    let signed_by: BTreeSet<String> = snap.vouchers.iter().map(|voucher| voucher.key.to_string()).collect();
    let made = snap.chain.last().and_then(|revision| revision.header("timestamp")).unwrap_or_default().to_owned();
    Ok(SnapFacts {
        name: snap.declaration.snap_name.clone(),
        revision: snap.revision.revision,
        snap_id: snap.revision.snap_id.clone(),
        publisher: snap.publisher.clone(),
        made,
        signed_by: signed_by.into_iter().collect(),
        stream: Assertion::write_stream(snap.chain.iter().copied()),
    })
}
