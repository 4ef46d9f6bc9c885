//! Types of assertions and their names: which headers make up the primary key of each.

use std::fmt;

use crate::terminal::safe;

/// What snaps bear as `provenance` unless they say otherwise: they came through the store's own pipeline.
pub const DEFAULT_PROVENANCE: &str = "global-upload";
/// The only series of snaps that there has ever been.
pub const SERIES: &str = "16";

/// Type `account`.
pub const ACCOUNT: &str = "account";
/// Type `account-key`.
pub const ACCOUNT_KEY: &str = "account-key";
/// Type `snap-declaration`.
pub const SNAP_DECLARATION: &str = "snap-declaration";
/// Type `snap-revision`.
pub const SNAP_REVISION: &str = "snap-revision";
/// Type `store`.
pub const STORE: &str = "store";

/// The newest `format` of a type that is understood; 0 for types that are not named. To be passed to the store as
/// `max-format`, which then answers in no newer one.
pub fn max_format(kind: &str) -> u64 {
    match kind {
        SNAP_DECLARATION => 6,
        "system-user" => 2,
        ACCOUNT_KEY => 1,
        _ => 0,
    }
}

/// The headers that name an assertion of this type, `None` for a type that is not known here. Of snapd's `asserts.go`.
pub fn primary_key(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        ACCOUNT => &["account-id"],
        ACCOUNT_KEY => &["public-key-sha3-384"],
        SNAP_DECLARATION => &["series", "snap-id"],
        SNAP_REVISION => &["snap-sha3-384", "provenance"],
        STORE => &["store"],
        "base-declaration" => &["series"],
        "model" => &["series", "brand-id", "model"],
        "preseed" => &["series", "brand-id", "model", "system-label"],
        "registry" | "confdb-schema" => &["account-id", "name"],
        "repair" => &["brand-id", "repair-id"],
        "serial" => &["brand-id", "model", "serial"],
        "snap-build" => &["snap-sha3-384"],
        "snap-developer" => &["snap-id", "publisher-id"],
        "snap-resource-pair" => &["snap-id", "resource-name", "resource-revision", "snap-revision", "provenance"],
        "snap-resource-revision" => &["snap-id", "resource-name", "resource-sha3-384", "provenance"],
        "system-user" => &["brand-id", "email"],
        "validation" => &["series", "snap-id", "approved-snap-id", "approved-snap-revision"],
        "validation-set" => &["series", "account-id", "name", "sequence"],
        _ => return None,
    })
}

/// Names one assertion: its type and the values of its primary key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The type.
    pub kind: String,
    /// The values of the headers that make up the primary key, all of them. Of a type that is not known here: the
    /// SHA3-384 of the whole assertion.
    pub key: Vec<String>,
}

impl Reference {
    /// The assertion of this type and primary key.
    pub fn new(kind: &str, key: &[&str]) -> Self {
        Self { kind: kind.to_owned(), key: key.iter().map(|&part| part.to_owned()).collect() }
    }

    /// The `account` with this id.
    pub fn account(id: &str) -> Self {
        Self::new(ACCOUNT, &[id])
    }

    /// The `account-key` with this id.
    pub fn account_key(id: super::Sha3) -> Self {
        Self::new(ACCOUNT_KEY, &[&id.to_string()])
    }

    /// The `snap-declaration` of this snap.
    pub fn snap_declaration(snap_id: &str) -> Self {
        Self::new(SNAP_DECLARATION, &[SERIES, snap_id])
    }

    /// The `snap-revision` of a snap with this digest, of the store's own provenance.
    pub fn snap_revision(digest: super::Sha3) -> Self {
        Self::new(SNAP_REVISION, &[&digest.to_string(), DEFAULT_PROVENANCE])
    }

    /// The `store` with this id.
    pub fn store(id: &str) -> Self {
        Self::new(STORE, &[id])
    }

    /// The primary key as it stands in the store's addresses: without a provenance that is the default.
    pub fn short_key(&self) -> &[String] {
        match self.key.split_last() {
            Some((last, rest)) if last == DEFAULT_PROVENANCE && has_provenance(&self.kind) => rest,
            _ => &self.key,
        }
    }
}

/// Whether the last part of this type's primary key is an optional provenance.
pub(super) fn has_provenance(kind: &str) -> bool {
    primary_key(kind).is_some_and(|names| names.last() == Some(&"provenance"))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", safe(&self.kind), safe(&self.short_key().join("/")))
    }
}
