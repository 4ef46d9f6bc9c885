//! Review: what people are shown before they let a state in.
//!
//! All of it works from the small part of a bundle alone, without volumes, keys or privileges, but for looks into packages. Two states
//! are compared as streams: the item lists are read two or three times, and what has changed is sorted on disk.

mod alarm;
mod change_list;
mod contents;
mod diff_json;
mod diff_text;
mod item_change;
mod item_groups;
mod item_index;
mod packed_feeds;
mod pairing;
mod reasons;
mod report;
mod sbom;
mod scan;
mod schema;
mod spool;
mod state;
mod state_diff;
#[cfg(test)]
mod tests;
mod totals;
mod version_changes;
mod vulnerabilities;
mod wrap;

pub use alarm::{Alarm, AlarmKind, ID_DIGITS};
pub use contents::{
    ContentPlace, FactKind, LookRequest, PackageContents, PackageLicences, PackageLook, PackageLooks, ScanRequest,
    look_into,
};
pub use diff_json::DiffJson;
pub use diff_text::{TextLimit, write_text};
pub use item_change::{ChangeClass, ItemChange};
pub use packed_feeds::PackedFeeds;
pub use report::{Against, KeyNames, ReportJson, ReviewReport, write_html, write_report_text};
pub use sbom::{CycloneDxBom, Sbom, SpdxDocument};
pub use scan::{ScanCommand, ScanReport, ScanResult};
pub use schema::review_schema;
pub use state::{CollectionFacts, ReviewedState};
pub use state_diff::{CollectionDiff, StateDiff, compare};
pub use totals::{AlarmCount, ClassTotals, DiffTotals};
pub use version_changes::{VersionChange, VersionChanges, version_changes};
pub use vulnerabilities::{FeedFile, VulnerabilityError, VulnerabilityReport, find_vulnerabilities};
