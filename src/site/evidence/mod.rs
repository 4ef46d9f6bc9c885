//! Evidence on bundles: all that was known and decided about each manifest that an import has judged.
//!
//! `SITE/evidence/DIGEST.json` is the *record* on the manifest with that digest. It names files and their blobs: manifest, signature, item
//! lists, upstream's proofs, packings, sheets of media, the settings and keyrings by which it was judged, and the state that was
//! published before. Payloads are none of them. Statements of reviewers, trust files and the audit log stay in their own places.
//! `gc` keeps the blobs of a record until the time is over that `site.toml` sets.

mod facts;
mod folder;
mod gather;
mod guide;
mod keep;
mod log_facts;
mod record;
mod retention;

pub use facts::{EvidenceFacts, EvidenceState, Publication, StatementFacts};
pub use folder::EvidenceFolder;
pub use guide::{ReportedBy, guide};
pub(super) use keep::{keep_failure, keep_packings, keep_state, note_use};
pub use record::{EvidenceRecord, FailedImport};
pub use retention::EvidenceSettings;
pub(super) use retention::{expired, remove};
