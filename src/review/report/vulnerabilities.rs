//! The section on vulnerabilities of the text.

use std::io::{self, Write};

use super::words::{MOST, age_words, more};
use crate::review::vulnerabilities::{
    FeedCoverage, FeedFacts, FindingClass, VulnerabilityFinding, VulnerabilityReport,
};
use crate::review::wrap::{counted, wrapped};

/// Writes the section: the data with its age, what it is not about, and the findings by class.
pub(super) fn write_vulnerabilities(found: &VulnerabilityReport, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "\nVULNERABILITIES, by the data below")?;
    for feed in &found.feeds {
        wrapped(to, "  ", &format!("{}, sha256 {}", feed_words(feed), feed.sha256))?;
    }
    for line in found.coverage.iter().filter(|line| line.feeds.is_empty()) {
        wrapped(to, "  NO DATA on ", &uncovered_words(line))?;
    }
    for class in FindingClass::ALL {
        let of_class = found.findings.iter().filter(|finding| finding.class == class);
        let count = usize::try_from(found.totals.count(class)).unwrap_or(usize::MAX);
        writeln!(to, "  {} ({count})", class.words())?;
        for finding in of_class.take(MOST) {
            wrapped(to, "    ", &finding_words(finding))?;
        }
        more(count, to)?;
    }
    Ok(())
}

/// Says what a feed is and how old.
pub(super) fn feed_words(feed: &FeedFacts) -> String {
    let date = feed.date.map_or_else(String::new, |date| format!("of {date}, "));
    let read = match feed.statements {
        Some(statements) => counted(statements, "statement"),
        None => "not read: gapferry does not know this format".to_owned(),
    };
    format!("{} ({}): {date}{}, {read}", feed.name, feed.format, age_words(feed.age_days))
}

/// Names items that no feed is about.
pub(super) fn uncovered_words(line: &FeedCoverage) -> String {
    let release = line.release.as_ref().map_or_else(String::new, |release| format!(" ({release})"));
    format!("{}{release}: {}", line.collection, counted(line.items, "item"))
}

/// Says what a finding is, in one line.
fn finding_words(finding: &VulnerabilityFinding) -> String {
    let VulnerabilityFinding { id, source, release, .. } = finding;
    let mut text = format!("{id} {source} {} [{release}]", versions_words(finding));
    if !finding.urgency.is_empty() {
        text += &format!(", {}", finding.urgency);
    }
    if finding.class != FindingClass::Fixed {
        text += &match &finding.fixed_in {
            Some(version) => format!(", FIXED IN {version}"),
            None => ", no fix in the release".to_owned(),
        };
    }
    format!("{text}: {}", finding.binaries.join(" "))
}

/// Says which versions of a source package there were and are.
pub(super) fn versions_words(finding: &VulnerabilityFinding) -> String {
    let [before, after] = [&finding.before, &finding.after].map(|versions| versions.join(" and "));
    match (before.is_empty(), after.is_empty() || before == after) {
        (true, _) => after,
        (false, true) => before,
        (false, false) => format!("{before} -> {after}"),
    }
}
