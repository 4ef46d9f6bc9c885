//! The appendix on packings and volumes.

use std::io;

use super::table::{PageColumn, PageTable};
use super::{MOST, PageWriter};
use crate::html::HtmlText;
use crate::review::report::ReviewReport;
use crate::review::report::appendix::{NO_PACKING, packing_words};
use crate::units::Bytes;

const VOLUMES: PageTable = PageTable {
    class: "quiet",
    columns: &[PageColumn::text("Volume"), PageColumn::number("Size"), PageColumn::text("SHA-256")],
};

impl PageWriter<'_> {
    pub(super) fn appendix(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        self.section("volumes")?;
        self.paragraph(
            "What carries the content. An approval does not name it: the same state on other media stays approved.",
        )?;
        if report.packings.is_empty() {
            self.paragraph(NO_PACKING)?;
        }
        for packing in &report.packings {
            self.paragraph(&format!("Packing {}.", packing_words(packing)))?;
            VOLUMES.begin("Volumes", self)?;
            for volume in packing.volumes.iter().take(MOST as usize) {
                let file = HtmlText(&volume.file).to_string();
                VOLUMES
                    .row(&[file, Bytes(volume.size).to_string(), format!("<code>{}</code>", volume.sha256)], self)?;
            }
            VOLUMES.end(self)?;
            match (packing.volumes.len() as u64).saturating_sub(MOST) {
                0 => {}
                rest => self.paragraph(&format!("{rest} more volumes are in SHA256SUMS of the medium."))?,
            }
        }
        self.end_section()
    }
}
