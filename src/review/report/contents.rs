//! The part of a report on what is inside of packages, as JSON and as text.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::ReviewReport;
use crate::review::contents::{
    ContentTotals, Finding, FindingChange, NotLookedInto, OlderLook, PackageContents, PackageFindings,
};
use crate::review::diff_json::serialize_each;
use crate::review::state_diff::StateDiff;
use crate::review::wrap::{counted, wrapped};

/// The most packages of a list in the text.
const MOST: usize = 50;
/// The most findings of a package in the text.
const MOST_OF_PACKAGE: usize = 20;

/// The contents of packages; its schema rests on this.
#[allow(dead_code, reason = "only its schema is used: the object is written as a stream")]
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PackageContents")]
pub(super) struct ContentsObject {
    /// The packages that have something new or changed of the kinds that are looked for.
    findings: Vec<PackageFindings>,
    /// The items with new bytes that were not looked into.
    not_looked_into: Vec<NotLookedInto>,
    /// Numbers of findings.
    totals: ContentTotals,
}

/// The contents of packages, read while they are written.
pub(super) struct ContentsJson<'a> {
    pub(super) diff: &'a StateDiff<'a>,
    pub(super) contents: &'a PackageContents,
}

impl Serialize for ContentsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("findings", &FindingSeq(self))?;
        map.serialize_entry("not_looked_into", &NotLookedSeq(self))?;
        map.serialize_entry("totals", &self.contents.totals)?;
        map.end()
    }
}

struct FindingSeq<'a>(&'a ContentsJson<'a>);

struct NotLookedSeq<'a>(&'a ContentsJson<'a>);

impl Serialize for FindingSeq<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ContentsJson { diff, contents } = self.0;
        serialize_each(serializer, |element| contents.each_finding(diff, |package| element(&package)))
    }
}

impl Serialize for NotLookedSeq<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ContentsJson { diff, contents } = self.0;
        serialize_each(serializer, |element| contents.each_not_looked_into(diff, |item| element(&item)))
    }
}

/// Names a package as a heading does.
pub(super) fn package_words(package: &PackageFindings) -> String {
    let architecture = package.architecture.as_ref().map(|text| format!(" [{text}]")).unwrap_or_default();
    let unknown = match package.before {
        OlderLook::NotLookedInto => ", the package before was not looked into",
        OlderLook::LookedInto | OlderLook::None => "",
    };
    format!("{}: {} {}{architecture}{unknown}", package.collection, package.name, package.version)
}

/// Says what was found.
pub(super) fn finding_words(finding: &Finding) -> String {
    let change = match finding.change {
        FindingChange::New => "new",
        FindingChange::Changed => "changed",
    };
    format!("{change} {} {}", finding.kind.words(), finding.name)
}

/// Returns the numbers of findings in words.
pub(super) fn totals_words(totals: &ContentTotals) -> String {
    let mut words = vec![format!("{} looked into", counted(totals.looked_into, "package"))];
    if totals.not_looked_into > 0 {
        words.push(format!("{} NOT looked into", counted(totals.not_looked_into, "item")));
    }
    words.extend(totals.findings.iter().map(|count| {
        let change = if count.change == FindingChange::New { "new" } else { "changed" };
        format!("{} {change}", counted(count.count, count.kind.words()))
    }));
    words.join(", ")
}

/// Writes the section of the text.
pub(super) fn write_contents(report: &ReviewReport<'_>, to: &mut dyn Write) -> io::Result<()> {
    let Some(contents) = &report.looks.contents else { return Ok(()) };
    wrapped(to, "\nINSIDE OF PACKAGES  ", &totals_words(&contents.totals))?;
    let mut packages = 0;
    contents.each_finding(&report.diff, |package| {
        packages += 1;
        if packages > MOST {
            return Ok::<_, io::Error>(());
        }
        wrapped(to, "  ", &package_words(&package))?;
        for finding in package.findings.iter().take(MOST_OF_PACKAGE) {
            wrapped(to, "    ", &format!("{}: {}", finding_words(finding), finding.value))?;
        }
        more(package.findings.len(), MOST_OF_PACKAGE, to)
    })?;
    more(packages, MOST, to)?;
    let mut items = 0;
    contents.each_not_looked_into(&report.diff, |item| {
        items += 1;
        if items > MOST {
            return Ok::<_, io::Error>(());
        }
        let text = format!("NOT looked into: {}: {} {}: {}", item.collection, item.name, item.version, item.why);
        wrapped(to, "  ", &text)
    })?;
    more(items, MOST, to)
}

/// Says how many of `count` lines are not printed.
fn more(count: usize, most: usize, to: &mut dyn Write) -> io::Result<()> {
    match count.saturating_sub(most) {
        0 => Ok(()),
        rest => writeln!(to, "    … {rest} more in report.json"),
    }
}
