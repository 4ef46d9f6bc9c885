//! Runs a scanner over what is inside of packages: in a scratch folder whose files have numbers for names, within limits, without
//! network and not as root where that can be done. No other result of the scanner than "clean" passes for clean.

mod command;
mod isolation;
mod output;
mod process;
mod report;
mod session;
#[cfg(test)]
mod tests;

pub use command::ScanCommand;
pub(super) use command::ScanDatabase;
pub(super) use report::{NotScanned, ScanFacts, ScanFinding, ScannedItem};
pub use report::{ScanReport, ScanResult};
pub(super) use session::ScanSession;
