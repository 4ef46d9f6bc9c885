//! The section on what is inside of packages.

use std::io;

use super::table::{PageColumn, PageTable};
use super::{MOST, PageWriter};
use crate::html::HtmlText;
use crate::review::contents::{Finding, NotLookedInto, PackageFindings};
use crate::review::report::ReviewReport;
use crate::review::report::contents::{finding_words, package_words, totals_words};

/// The most findings of a package that are shown.
const MOST_OF_PACKAGE: usize = 50;

const FINDINGS: PageTable = PageTable {
    class: "contents quiet",
    columns: &[PageColumn::text("Package"), PageColumn::text("What"), PageColumn::text("Value")],
};

const NOT_LOOKED_INTO: PageTable = PageTable {
    class: "contents quiet",
    columns: &[PageColumn::text("Item"), PageColumn::text("Collection"), PageColumn::text("Why")],
};

impl PageWriter<'_> {
    pub(super) fn contents(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        self.section("contents")?;
        let Some(contents) = &report.looks.contents else {
            self.paragraph("No package was opened. With --contents, the report looks into those that change.")?;
            return self.end_section();
        };
        self.paragraph(&format!("{}.", totals_words(&contents.totals)))?;
        let mut packages = 0;
        FINDINGS.begin("New or changed content of packages", self)?;
        contents.each_finding(&report.diff, |package| {
            packages += 1;
            if packages > MOST { Ok::<_, io::Error>(()) } else { self.findings(&package) }
        })?;
        FINDINGS.end(self)?;
        self.more(packages, "packages")?;
        if contents.totals.not_looked_into > 0 {
            let mut items = 0;
            NOT_LOOKED_INTO.begin("Items that were not looked into", self)?;
            contents.each_not_looked_into(&report.diff, |item| {
                items += 1;
                if items > MOST { Ok::<_, io::Error>(()) } else { self.not_looked_into(&item) }
            })?;
            NOT_LOOKED_INTO.end(self)?;
            self.more(items, "items")?;
        }
        self.end_section()
    }

    fn findings(&mut self, package: &PackageFindings) -> io::Result<()> {
        let header = HtmlText(&package_words(package)).to_string();
        for finding in package.findings.iter().take(MOST_OF_PACKAGE) {
            let Finding { value, was, .. } = finding;
            let was = was.as_ref().map(|was| format!("<br>was <code>{}</code>", HtmlText(was))).unwrap_or_default();
            let what = HtmlText(&finding_words(finding)).to_string();
            FINDINGS.row(&[header.clone(), what, format!("<code>{}</code>{was}", HtmlText(value))], self)?;
        }
        match package.findings.len().saturating_sub(MOST_OF_PACKAGE) {
            0 => Ok(()),
            more => FINDINGS.row(&[header, format!("{more} more in report.json"), String::new()], self),
        }
    }

    fn not_looked_into(&mut self, item: &NotLookedInto) -> io::Result<()> {
        let NotLookedInto { collection, name, version, why, .. } = item;
        let name = format!("{name} {version}");
        let cells = [&name, collection, why].map(|text| HtmlText(text).to_string());
        NOT_LOOKED_INTO.row(&cells, self)
    }
}
