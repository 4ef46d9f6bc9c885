//! Looks into packages from a bundle's volumes: content that a reviewer might not expect.
//!
//! A blob is verified before anything parses it. Nothing of it is executed, and no file is named after it. Blobs are read in one pass
//! over the volumes, in the order in which they stand there, and looked at by the workers that read.

mod blobs;
mod facts;
mod findings;
mod form;
mod licences;
mod look;
mod places;
#[cfg(test)]
mod tests;
mod wanted;

pub(super) use blobs::PackageFile;
pub use facts::FactKind;
pub use findings::PackageContents;
pub(super) use findings::{ContentTotals, Finding, FindingChange, NotLookedInto, OlderLook, PackageFindings};
pub use licences::PackageLicences;
pub use look::{LookRequest, PackageLooks, ScanRequest, look_into};
pub use places::ContentPlace;
pub use wanted::PackageLook;
pub(super) use wanted::WantedBlob;
