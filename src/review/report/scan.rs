//! The part of a report on the scan for malware, in words.

use std::io::{self, Write};

use super::ReviewReport;
use crate::review::scan::{NotScanned, ScanDatabase, ScanFinding, ScanReport};
use crate::review::wrap::{counted, wrapped};
use crate::units::Bytes;

/// The most lines of a list in the text.
const MOST: usize = 50;

/// Returns names and values of the facts about a scan.
pub(super) fn scan_facts(scan: &ScanReport) -> Vec<(&'static str, String)> {
    let database = |of: &ScanDatabase| {
        let date = of.date.as_ref().map_or_else(|| "undated".to_owned(), |date| format!("of {date}"));
        format!("{}, {date}, sha256 {}", of.name, of.sha256)
    };
    let databases = match &scan.databases {
        None => vec!["not known of this program".to_owned()],
        Some(databases) if databases.is_empty() => vec!["none".to_owned()],
        Some(databases) => databases.iter().map(database).collect(),
    };
    let mut facts = vec![
        ("Result", scan.result.words().to_owned()),
        ("Scanned", format!("{}, {}", counted(scan.files, "file"), Bytes(scan.bytes))),
        ("Scanner", format!("{}: {}", scan.command, scan.version)),
    ];
    facts.extend(databases.into_iter().map(|database| ("Signatures", database)));
    facts.push(("Network", scan.isolation.network.clone()));
    facts.push(("Ran as", scan.isolation.user.clone()));
    facts.extend(scan.errors.iter().map(|error| ("Error", error.clone())));
    facts
}

/// Names a finding with its place.
pub(super) fn finding_place(finding: &ScanFinding) -> String {
    let ScanFinding { collection, name, path, version, .. } = finding;
    match collection.is_empty() {
        true => "unknown".to_owned(),
        false => format!("{collection}: {name} {version}: {path}"),
    }
}

/// Writes the section of the text.
pub(super) fn write_scan(report: &ReviewReport<'_>, to: &mut dyn Write) -> io::Result<()> {
    let Some(scan) = &report.looks.scan else { return Ok(()) };
    writeln!(to, "\nMALWARE SCAN")?;
    scan_facts(scan).iter().try_for_each(|(name, value)| wrapped(to, &format!("  {name:<10}  "), value))?;
    for finding in scan.findings.iter().take(MOST) {
        wrapped(to, "  FOUND  ", &format!("{} in {}", finding.finding, finding_place(finding)))?;
    }
    more(scan.findings.len(), to)?;
    for NotScanned { collection, name, version, why } in scan.not_scanned.iter().take(MOST) {
        wrapped(to, "  NOT scanned: ", &format!("{collection}: {name} {version}: {why}"))?;
    }
    more(scan.not_scanned.len(), to)
}

/// Says how many of `count` lines are not printed.
fn more(count: usize, to: &mut dyn Write) -> io::Result<()> {
    match count.saturating_sub(MOST) {
        0 => Ok(()),
        rest => writeln!(to, "    … {rest} more in report.json"),
    }
}
