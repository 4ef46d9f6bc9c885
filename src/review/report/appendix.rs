//! The appendix on packings and volumes, in words: what carries the content, and is not what people approve.

use std::io::{self, Write};

use super::ReviewReport;
use crate::bundle::overview::PackingOutline;
use crate::review::wrap::{counted, wrapped};
use crate::units::Bytes;

/// The most volumes of a packing in the text.
const MOST: usize = 50;

/// The words for a state that has no packing at hand.
pub(super) const NO_PACKING: &str = "No packing is here: the manifest and the item lists came alone.";

/// Describes a packing in a sentence.
pub(super) fn packing_words(packing: &PackingOutline) -> String {
    let bytes = Bytes(packing.volumes.iter().map(|volume| volume.size).sum());
    let (volumes, signer) = (counted(packing.volumes.len() as u64, "volume"), packing.signer.fingerprint());
    let missing = match packing.missing.len() {
        0 => "all of them here".to_owned(),
        missing => format!("{missing} of them not here"),
    };
    format!("{}: {volumes}, {bytes}, {missing}; signed by {signer}", packing.id)
}

/// Writes the section of the text.
pub(super) fn write_appendix(report: &ReviewReport<'_>, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "\nAPPENDIX: VOLUMES, which are no part of report.json")?;
    if report.packings.is_empty() {
        return wrapped(to, "  ", NO_PACKING);
    }
    for packing in &report.packings {
        wrapped(to, "  packing ", &packing_words(packing))?;
        for volume in packing.volumes.iter().take(MOST) {
            wrapped(to, "    ", &format!("{}, {}, sha256 {}", volume.file, Bytes(volume.size), volume.sha256))?;
        }
        match packing.volumes.len().saturating_sub(MOST) {
            0 => {}
            rest => writeln!(to, "    … {rest} more: SHA256SUMS of the medium has them")?,
        }
    }
    Ok(())
}
