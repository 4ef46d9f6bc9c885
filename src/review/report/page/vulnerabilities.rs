//! The section on vulnerabilities of the page.

use std::io;

use super::table::{PageColumn, PageTable};
use super::{MOST, PageWriter};
use crate::html::HtmlText;
use crate::review::report::ReviewReport;
use crate::review::report::vulnerabilities::{uncovered_words, versions_words};
use crate::review::report::words::age_words;
use crate::review::vulnerabilities::{FindingClass, VulnerabilityFinding, VulnerabilityReport};
use crate::review::wrap::counted;

const FEEDS: PageTable = PageTable {
    class: "feeds",
    columns: &[
        PageColumn::text("Data"),
        PageColumn::text("Format"),
        PageColumn::text("Date"),
        PageColumn::text("Age"),
        PageColumn::number("Statements"),
        PageColumn::text("SHA-256"),
    ],
};

const FINDINGS: PageTable = PageTable {
    class: "findings quiet",
    columns: &[
        PageColumn::text("Vulnerability"),
        PageColumn::text("Source package"),
        PageColumn::text("Version"),
        PageColumn::text("Fixed in"),
        PageColumn::text("Urgency"),
        PageColumn::text("Packages"),
    ],
};

impl PageWriter<'_> {
    pub(super) fn vulnerabilities(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        self.section("vulnerabilities")?;
        match &report.vulnerabilities {
            None => self.paragraph("No data: no security data was read.")?,
            Some(found) => {
                self.feeds(found)?;
                for class in FindingClass::ALL {
                    self.vulnerability_findings(found, class)?;
                }
            }
        }
        self.end_section()
    }

    /// The data, and what it is not about.
    fn feeds(&mut self, found: &VulnerabilityReport) -> io::Result<()> {
        self.paragraph("By the data below, matched by source and binary packages. Nobody signs most of such data.")?;
        FEEDS.begin("Security data", self)?;
        for feed in &found.feeds {
            let date = feed.date.map_or_else(String::new, |date| date.to_string());
            let statements = feed.statements.map_or_else(|| "not read".to_owned(), |count| count.to_string());
            let (name, digest) = (HtmlText(&feed.name).to_string(), format!("<code>{}</code>", feed.sha256));
            let (format, age) = (feed.format.to_string(), age_words(feed.age_days));
            FEEDS.row(&[name, format, date, age, statements, digest], self)?;
        }
        FEEDS.end(self)?;
        let without: Vec<String> =
            found.coverage.iter().filter(|line| line.feeds.is_empty()).map(uncovered_words).collect();
        if without.is_empty() {
            return Ok(());
        }
        self.paragraph("No data on these items, of which nothing below says whether they are affected:")?;
        self.raw("<ul>\n")?;
        without.iter().try_for_each(|line| writeln!(self.to, "<li class=\"warn\">{}</li>", HtmlText(line)))?;
        self.raw("</ul>\n")
    }

    fn vulnerability_findings(&mut self, found: &VulnerabilityReport, class: FindingClass) -> io::Result<()> {
        let count = found.totals.count(class);
        let open = if count > 0 && count <= MOST_OPEN { " open" } else { "" };
        writeln!(self.to, "<details{open}>\n<summary>{count} {}</summary>", class.words())?;
        if count > 0 {
            FINDINGS.begin(class.words(), self)?;
            let of_class = found.findings.iter().filter(|finding| finding.class == class);
            for finding in of_class.take(usize::try_from(MOST).unwrap_or(usize::MAX)) {
                self.vulnerability(finding)?;
            }
            FINDINGS.end(self)?;
            self.more(count, "findings")?;
        }
        self.raw("</details>\n")
    }

    fn vulnerability(&mut self, finding: &VulnerabilityFinding) -> io::Result<()> {
        let text = |text: &str| HtmlText(text).to_string();
        let source = format!("{} <small>{}</small>", text(&finding.source), text(&finding.release));
        let fixed = finding.fixed_in.as_deref().map_or_else(|| "no version".to_owned(), text);
        let binaries = match finding.binaries.as_slice() {
            [] => String::new(),
            [first] => text(first),
            [first, rest @ ..] => format!("{} <small>and {}</small>", text(first), counted(rest.len() as u64, "other")),
        };
        let versions = text(&versions_words(finding));
        FINDINGS.row(&[text(&finding.id), source, versions, fixed, text(&finding.urgency), binaries], self)
    }
}

/// The most findings of a class that are shown without a click.
const MOST_OPEN: u64 = 50;
