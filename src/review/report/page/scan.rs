//! The section on the scan for malware.

use std::io;

use super::table::{PageColumn, PageTable};
use super::{MOST, PageWriter};
use crate::html::HtmlText;
use crate::review::report::ReviewReport;
use crate::review::report::scan::{finding_place, scan_facts};

const FINDINGS: PageTable =
    PageTable { class: "scan quiet", columns: &[PageColumn::text("Where"), PageColumn::text("Finding")] };

const NOT_SCANNED: PageTable = PageTable {
    class: "scan quiet",
    columns: &[PageColumn::text("Not scanned"), PageColumn::text("Collection"), PageColumn::text("Why")],
};

impl PageWriter<'_> {
    pub(super) fn scan(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        self.section("scan")?;
        let Some(scan) = &report.looks.scan else {
            self.paragraph(
                "No file was scanned. With --scan, a scanner goes through what is inside of the items that change.",
            )?;
            return self.end_section();
        };
        self.raw("<dl class=\"facts\">\n")?;
        for (name, value) in scan_facts(scan) {
            writeln!(self.to, "<dt>{name}</dt><dd>{}</dd>", HtmlText(&value))?;
        }
        self.raw("</dl>\n")?;
        if !scan.findings.is_empty() {
            FINDINGS.begin("Findings of the scanner", self)?;
            for finding in scan.findings.iter().take(MOST as usize) {
                let cells = [&finding_place(finding), &finding.finding].map(|text| HtmlText(text).to_string());
                FINDINGS.row(&cells, self)?;
            }
            FINDINGS.end(self)?;
            self.more(scan.findings.len() as u64, "findings")?;
        }
        if !scan.not_scanned.is_empty() {
            NOT_SCANNED.begin("Items that were not scanned", self)?;
            for item in scan.not_scanned.iter().take(MOST as usize) {
                let name = format!("{} {}", item.name, item.version);
                let cells = [&name, &item.collection, &item.why].map(|text| HtmlText(text).to_string());
                NOT_SCANNED.row(&cells, self)?;
            }
            NOT_SCANNED.end(self)?;
            self.more(scan.not_scanned.len() as u64, "items")?;
        }
        self.end_section()
    }
}
