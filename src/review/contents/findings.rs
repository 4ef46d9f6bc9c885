//! Findings: facts of new packages, against those of the packages that they take the place of.

use std::collections::HashMap;
use std::io;

use schemars::JsonSchema;
use serde::Serialize;

use super::facts::{FactKind, PackageFacts};
use super::form::PackageForm;
use super::wanted::NewContent;
use crate::bundle::FormatError;
use crate::bundle::state::ItemLine;
use crate::digest::Sha256;
use crate::review::alarm::{Alarm, AlarmKind};
use crate::review::item_change::{ItemChange, shown_version};
use crate::review::state_diff::StateDiff;

/// The most files that an alarm names.
const MAX_NAMED: usize = 8;
/// The most packages with an alarm.
const MAX_ALARMS: usize = 10_000;

/// The result of looking into a blob.
#[derive(Clone, Debug)]
pub(super) enum LookedInto {
    Facts(PackageFacts),
    /// It was not looked into, for this reason.
    Not(String),
}

/// The contents of the packages that a difference brings in.
#[derive(Debug)]
pub struct PackageContents {
    /// Numbers of findings.
    pub totals: ContentTotals,
    /// Files that give rights, an alarm for each package that has new ones.
    pub alarms: Vec<Alarm>,
    blobs: HashMap<Sha256, LookedInto>,
}

/// Numbers of findings. Fields stand in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ContentTotals {
    /// The kinds of findings that there are, with their numbers.
    pub findings: Vec<FindingCount>,
    /// The number of packages with new bytes that were looked into.
    pub looked_into: u64,
    /// The number of items with new bytes that were not.
    pub not_looked_into: u64,
}

/// The number of findings of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FindingCount {
    /// The change.
    pub change: FindingChange,
    /// Their number.
    pub count: u64,
    /// The kind.
    pub kind: FactKind,
}

/// The change of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingChange {
    /// The package before did not have it.
    New,
    /// The package before had it with another value.
    Changed,
}

/// The package that a finding is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OlderLook {
    /// It was looked into.
    LookedInto,
    /// It was not, so that everything counts as new.
    NotLookedInto,
    /// There is none.
    None,
}

/// A fact that is new or has changed. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The change.
    pub change: FindingChange,
    /// Its kind.
    pub kind: FactKind,
    /// Its name, such as a path.
    pub name: String,
    /// Its value: a digest, or mode and owner.
    pub value: String,
    /// The value in the package before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
}

/// The findings of a package. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PackageFindings {
    /// Its architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The package that it is compared with.
    pub before: OlderLook,
    /// The collection, as KIND/NAME.
    pub collection: String,
    /// The findings.
    pub findings: Vec<Finding>,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// An item with new bytes that was not looked into. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotLookedInto {
    /// Its architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The collection, as KIND/NAME.
    pub collection: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The reason.
    pub why: String,
}

/// An item that was looked into, or not.
enum LookedItem {
    Findings(PackageFindings),
    Not(NotLookedInto),
}

impl PackageContents {
    pub(super) fn new(diff: &StateDiff<'_>, blobs: HashMap<Sha256, LookedInto>) -> Result<Self, FormatError> {
        let mut contents = Self { totals: ContentTotals::default(), alarms: Vec::new(), blobs };
        let (mut totals, mut alarms) = (ContentTotals::default(), Vec::new());
        contents.each_item(diff, |change, item| {
            match item {
                LookedItem::Not(_) => totals.not_looked_into += 1,
                LookedItem::Findings(package) => {
                    totals.looked_into += 1;
                    package.findings.iter().for_each(|finding| totals.add(finding));
                    alarms.extend(alarm(change, &package));
                }
            }
            match alarms.len() > MAX_ALARMS {
                true => Err(FormatError::TooMany { cap: MAX_ALARMS as u64, what: "packages with new setuid files" }),
                false => Ok(()),
            }
        })?;
        totals.findings.sort_by_key(|count| (count.kind, count.change));
        (contents.totals, contents.alarms) = (totals, alarms);
        Ok(contents)
    }

    /// Hands each package with findings to `package`, in the order of the changes.
    pub fn each_finding<E: From<io::Error>>(
        &self,
        diff: &StateDiff<'_>,
        mut package: impl FnMut(PackageFindings) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_item(diff, |_, item| match item {
            LookedItem::Findings(found) if !found.findings.is_empty() => package(found),
            _ => Ok(()),
        })
    }

    /// Hands each item that was not looked into to `item`, in the order of the changes.
    pub fn each_not_looked_into<E: From<io::Error>>(
        &self,
        diff: &StateDiff<'_>,
        mut item: impl FnMut(NotLookedInto) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_item(diff, |_, looked| match looked {
            LookedItem::Not(not) => item(not),
            LookedItem::Findings(_) => Ok(()),
        })
    }

    fn each_item<E: From<io::Error>>(
        &self,
        diff: &StateDiff<'_>,
        mut item: impl FnMut(&ItemChange, LookedItem) -> Result<(), E>,
    ) -> Result<(), E> {
        diff.each_change(|change| match NewContent::of(&change) {
            Some(content) => item(&change, self.looked_item(&change.collection, content)),
            None => Ok(()),
        })
    }

    fn looked_item(&self, collection: &str, content: NewContent<'_>) -> LookedItem {
        let item = content.after;
        let (architecture, collection) = (item.architecture.clone(), collection.to_owned());
        let (name, version) = (item.name.clone(), shown_version(item));
        let not = match self.look(item) {
            Ok(facts) => {
                let (before, findings) = self.findings(facts, content.before);
                let package = PackageFindings { architecture, before, collection, findings, name, version };
                return LookedItem::Findings(package);
            }
            Err(why) => why.to_owned(),
        };
        LookedItem::Not(NotLookedInto { architecture, collection, name, version, why: not })
    }

    /// Returns the facts of an item, or the reason for which there are none.
    fn look(&self, item: &ItemLine) -> Result<&PackageFacts, &str> {
        match self.blobs.get(&item.sha256) {
            Some(LookedInto::Facts(facts)) => Ok(facts),
            Some(LookedInto::Not(why)) => Err(why),
            None if PackageForm::of(item) == PackageForm::Other => Err("it is no package"),
            None => Err("its volume is not here"),
        }
    }

    fn findings(&self, facts: &PackageFacts, before: Option<&ItemLine>) -> (OlderLook, Vec<Finding>) {
        let (older, known) = match before.map(|before| self.look(before)) {
            None => (OlderLook::None, None),
            Some(Ok(facts)) => (OlderLook::LookedInto, Some(facts)),
            Some(Err(_)) => (OlderLook::NotLookedInto, None),
        };
        let mut findings = Vec::new();
        for (name, value) in facts {
            let was = known.and_then(|known| known.get(name)).cloned();
            if was.as_ref() == Some(value) {
                continue;
            }
            let change = if was.is_some() { FindingChange::Changed } else { FindingChange::New };
            findings.push(Finding { change, kind: name.kind, name: name.name.clone(), value: value.clone(), was });
        }
        (older, findings)
    }
}

impl ContentTotals {
    fn add(&mut self, finding: &Finding) {
        let is_same = |count: &&mut FindingCount| (count.kind, count.change) == (finding.kind, finding.change);
        match self.findings.iter_mut().find(is_same) {
            Some(count) => count.count += 1,
            None => self.findings.push(FindingCount { change: finding.change, count: 1, kind: finding.kind }),
        }
    }
}

/// Returns the alarm of a package with new files that give rights.
fn alarm(change: &ItemChange, package: &PackageFindings) -> Option<Alarm> {
    let files: Vec<&Finding> = package.findings.iter().filter(|finding| finding.kind.gives_rights()).collect();
    if files.is_empty() {
        return None;
    }
    let named: Vec<String> =
        files.iter().take(MAX_NAMED).map(|file| format!("{} ({})", file.name, file.value)).collect();
    let more = match files.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let unknown = match package.before {
        OlderLook::NotLookedInto => "; the package before was not looked into",
        OlderLook::LookedInto | OlderLook::None => "",
    };
    let text = format!("{} {}: {}{more}{unknown}", package.name, package.version, named.join(", "));
    Some(Alarm::of_change(AlarmKind::NewSetuid, change, text))
}
