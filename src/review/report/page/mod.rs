//! The report as one self-contained page without scripts, for light and dark screens, narrow ones and paper.
//!
//! Everything that comes from the states is escaped. Long lists are cut; `report.json` has all of them.

mod appendix;
mod changes;
mod contents;
mod scan;
mod sources;
mod table;
mod vulnerabilities;

use std::io::{self, Write};

use super::text::key_words;
use super::{Against, ReviewReport};
use crate::html::HtmlText;
use crate::review::item_change::ChangeClass;
use crate::review::scan::ScanResult;
use crate::review::wrap::counted;

/// The style, which names no outside resource.
const STYLE: &str = include_str!("report.css");
/// The symbols that other parts of the page use.
const SYMBOLS: &str = "<svg width=\"0\" height=\"0\" aria-hidden=\"true\" focusable=\"false\">\
     <symbol id=\"i-ok\" viewBox=\"0 0 24 24\"><circle cx=\"12\" cy=\"12\" r=\"10\"/><path d=\"M7.5 12.5l3 3 6-6.5\"/></symbol>\
     <symbol id=\"i-bad\" viewBox=\"0 0 24 24\"><path d=\"M8 2h8l6 6v8l-6 6H8l-6-6V8z\"/><path d=\"M8.5 8.5l7 7M15.5 8.5l-7 7\"/>\
     </symbol></svg>\n";
/// The most alarms, changes of a class and other rows.
const MOST: u64 = 500;

/// The sections with their headings.
const SECTIONS: [(&str, &str); 13] = [
    ("alarms", "Alarms"),
    ("changes", "What changes"),
    ("contents", "Inside of packages"),
    ("scan", "Malware scan"),
    ("provenance", "Where it comes from"),
    ("unproven", "Items without upstream proof"),
    ("left-out", "Left out, and overrides"),
    ("licences", "Licences"),
    ("vulnerabilities", "Vulnerabilities"),
    ("no-data", "No data"),
    ("second-opinion", "Check it yourself"),
    ("identity", "Identification"),
    ("volumes", "Appendix: volumes"),
];

/// A page that is written piece by piece.
struct PageWriter<'a> {
    to: &'a mut dyn Write,
}

/// Writes the page.
pub fn write_html(report: &ReviewReport<'_>, to: &mut dyn Write) -> io::Result<()> {
    let mut page = PageWriter { to };
    page.head(report)?;
    page.verdict(report)?;
    page.alarms(report)?;
    page.changes(report)?;
    page.contents(report)?;
    page.scan(report)?;
    page.provenance(report)?;
    page.unproven(report)?;
    page.left_out(report)?;
    page.licences(report)?;
    page.vulnerabilities(report)?;
    page.no_data(report)?;
    page.second_opinions(report)?;
    page.identity(report)?;
    page.appendix(report)?;
    page.raw(
        "</main>\n<footer><p>Ages count from the making of the bundle, so the same bundle always gives the same report. All times are UTC. \
         Long lists are cut; report.json has all of them.</p></footer>\n</body>\n</html>\n",
    )
}

impl PageWriter<'_> {
    fn raw(&mut self, html: &str) -> io::Result<()> {
        self.to.write_all(html.as_bytes())
    }

    fn head(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        let manifest = &report.state().manifest;
        let bundle = manifest.folder();
        let lead = match report.against {
            Against::State => format!("Everything that changes since {}.", report.diff.before.manifest.folder()),
            Against::Nothing => "The whole content: no older state was named to compare it with.".to_owned(),
        };
        let ticket = [&manifest.ticket, &manifest.purpose].into_iter().flatten().map(|text| HtmlText(text).to_string());
        let ticket: Vec<String> = ticket.collect();
        let about = if ticket.is_empty() { String::new() } else { format!("<li>{}</li>", ticket.join(": ")) };
        let contents: String =
            SECTIONS.iter().map(|(id, title)| format!("<li><a href=\"#{id}\">{title}</a></li>")).collect();
        write!(
            self.to,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>Review of {bundle}</title>\n<style>\n{STYLE}@media print {{ @page {{ @bottom-left {{ \
             content: \"{bundle}, manifest {manifest}\"; font: 8pt system-ui, sans-serif; }} }} }}\n</style>\n</head>\n<body>\n{SYMBOLS}\
             <a class=\"skip\" href=\"#main\">Skip to content</a>\n<header>\n<p class=\"brand\">gapferry review report</p>\n\
             <h1>{bundle}</h1>\n<p class=\"lead\">{lead}</p>\n<ul class=\"sub\"><li>Created {created}</li><li>Expires {expires}</li>{about}\
             </ul>\n<nav class=\"toc\" aria-label=\"Sections\"><ul>{contents}</ul></nav>\n</header>\n<main id=\"main\">\n",
            manifest = report.state().digest,
            created = manifest.created,
            expires = manifest.expires,
        )
    }

    /// Begins a section, whose heading is in [`SECTIONS`].
    fn section(&mut self, id: &str) -> io::Result<()> {
        let title = SECTIONS.iter().find(|(known, _)| *known == id).map(|(_, title)| *title).unwrap_or_default();
        write!(self.to, "<section id=\"{id}\" aria-labelledby=\"{id}-h\">\n<h2 id=\"{id}-h\">{title}</h2>\n")
    }

    fn end_section(&mut self) -> io::Result<()> {
        self.raw("</section>\n")
    }

    fn paragraph(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to, "<p>{}</p>", HtmlText(text))
    }

    /// Says how many of `count` rows are not shown.
    fn more(&mut self, count: u64, what: &str) -> io::Result<()> {
        match count.saturating_sub(MOST) {
            0 => Ok(()),
            rest => self.paragraph(&format!("{rest} more {what} are in report.json.")),
        }
    }

    fn verdict(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        let totals = &report.diff.totals;
        let (alarms, items) = (totals.alarm_count(), report.state().items());
        let changed = items.saturating_sub(totals.unchanged);
        let unproven: u64 = report.state().facts.iter().map(|facts| facts.unproven).sum();
        let (class, icon, title) = match alarms {
            0 => ("plain", "ok", "No alarms".to_owned()),
            1 => ("bad", "bad", "1 alarm needs an explanation".to_owned()),
            alarms => ("bad", "bad", format!("{alarms} alarms need an explanation")),
        };
        let mut kinds: Vec<String> = totals.alarms.iter().map(|of| format!("{} {}", of.count, of.alarm)).collect();
        if kinds.is_empty() {
            kinds.push("Nothing in the lists is of the kinds that raise one".to_owned());
        }
        let classes = ChangeClass::ALL.iter().map(|class| (totals.items(*class), class.words()));
        let mut classes: Vec<String> =
            classes.filter(|(items, _)| *items > 0).map(|(items, words)| format!("{items} {words}")).collect();
        if classes.is_empty() {
            classes.push("Every item is the one that was there".to_owned());
        }
        let signer = report.signer().map_or_else(|| "Nobody signed the manifest".to_owned(), |key| key_words(&key));
        write!(
            self.to,
            "<section class=\"verdict {class}\" aria-labelledby=\"verdict-h\">\n\
             <h2 id=\"verdict-h\"><svg class=\"icon\" aria-hidden=\"true\"><use href=\"#i-{icon}\"/></svg> {title}</h2>\n\
             <p>The decision is yours: this page shows what the bundle says, and judges nothing but what changes.</p>\n<ul class=\"gates\">\n\
             <li><b>Alarms</b><span class=\"state\">{alarms}</span> {}.</li>\n\
             <li class=\"plain\"><b>Changes</b><span class=\"state\">{changed} of {}</span> {}.</li>\n\
             <li class=\"{proof}\"><b>Without upstream proof</b><span class=\"state\">{}</span> {} with new bytes.</li>\n\
             <li class=\"plain\"><b>Builder’s key</b><span class=\"state\">not judged here</span> {}.</li>\n{}</ul>\n</section>\n",
            HtmlText(&kinds.join(", ")),
            counted(items, "item"),
            HtmlText(&classes.join(", ")),
            counted(unproven, "item"),
            totals.unproven_changes,
            HtmlText(&signer),
            scan_gate(report),
            proof = if unproven > 0 { "warn" } else { "plain" },
        )
    }

    fn no_data(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        self.section("no-data")?;
        self.paragraph("Questions that a review asks, and that nothing in this report answers:")?;
        self.raw("<dl class=\"facts\">\n")?;
        for line in report.no_data() {
            writeln!(self.to, "<dt>{}</dt><dd>No data: {}.</dd>", HtmlText(line.about), HtmlText(line.why))?;
        }
        self.raw("</dl>\n")?;
        self.end_section()
    }

    fn second_opinions(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        self.section("second-opinion")?;
        self.paragraph("None of these commands needs gapferry. Run them in the bundle’s folder.")?;
        for opinion in report.second_opinions() {
            let (says, command) = (HtmlText(&opinion.says), HtmlText(&opinion.command));
            writeln!(self.to, "<h3>{says}</h3>\n<pre><code>{command}</code></pre>")?;
        }
        self.end_section()
    }

    fn identity(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        self.section("identity")?;
        self.raw("<dl class=\"facts\">\n")?;
        for (name, value) in report.header() {
            writeln!(self.to, "<dt>{name}</dt><dd>{}</dd>", HtmlText(&value))?;
        }
        self.raw("</dl>\n")?;
        self.end_section()
    }
}

/// Returns the line of the verdict on the scan for malware; empty if there was none.
fn scan_gate(report: &ReviewReport<'_>) -> String {
    let Some(scan) = &report.looks.scan else { return String::new() };
    let class = if scan.result == ScanResult::Clean { "plain" } else { "bad" };
    let (words, files) = (scan.result.words(), counted(scan.files, "file"));
    format!("<li class=\"{class}\"><b>Malware scan</b><span class=\"state\">{words}</span> {files}.</li>\n")
}
