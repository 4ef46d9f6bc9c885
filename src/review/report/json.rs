//! The report for programs: its digest is what an approval binds to.

use schemars::JsonSchema;
use serde::ser::{Error as _, SerializeMap as _};
use serde::{Serialize, Serializer};

use super::contents::{ContentsJson, ContentsObject};
use super::{Against, FORMAT, NamedKey, NoData, ReviewReport, SecondOpinion, SignedFile};
use crate::bundle::FormatError;
use crate::bundle::state::ItemLine;
use crate::bundle::state::manifest::LeftOut;
use crate::digest::Sha256;
use crate::review::alarm::Alarm;
use crate::review::diff_json::{AlarmSeq, ChangeSeq, StateHeader, serialize_each};
use crate::review::item_change::ItemChange;
use crate::review::scan::ScanReport;
use crate::review::state_diff::CollectionDiff;
use crate::review::totals::DiffTotals;
use crate::review::vulnerabilities::VulnerabilityReport;
use crate::time::Time;

/// A report, to be serialized.
#[derive(Debug)]
pub struct ReportJson<'a>(pub &'a ReviewReport<'a>);

/// `report.json`; its schema rests on this.
#[allow(dead_code, reason = "only its schema is used: the object is written as a stream")]
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Report")]
pub(in crate::review) struct ReportObject {
    /// The state that this one is compared with; absent if all of it counts as new.
    against: Option<StateHeader>,
    /// Changes that a reviewer must not miss, the worst first.
    alarms: Vec<Alarm>,
    /// The bundle.
    bundle: BundleHeader,
    /// The changes of items, by class, collection, name and architecture.
    changes: Vec<ItemChange>,
    /// The collections of both states.
    collections: Vec<CollectionDiff>,
    /// The contents of packages; absent if none was looked into.
    contents: Option<ContentsObject>,
    /// Version of the format; 1.
    format: u64,
    /// Things that the selection asks for and the state has not.
    left_out: Vec<LeftOut>,
    /// The number of items of each licence.
    licences: Vec<LicenceCount>,
    /// Questions of the checklist that nothing here answers.
    no_data: Vec<NoData>,
    /// Notes about the two manifests, in words.
    notes: Vec<String>,
    /// The signed files of each collection.
    provenance: Vec<CollectionProvenance>,
    /// The scan for malware; absent if there was none.
    scan: Option<ScanReport>,
    /// Commands that check the report without gapferry.
    second_opinion: Vec<SecondOpinion>,
    /// Numbers of changes.
    totals: DiffTotals,
    /// The items that no upstream vouches for.
    unproven: Vec<UnprovenItem>,
    /// Vulnerabilities of the packages; absent if nobody named security data.
    vulnerabilities: Option<VulnerabilityReport>,
}

/// The header of the bundle. Fields stand in the order of their names.
#[derive(Serialize, JsonSchema)]
struct BundleHeader {
    bundle: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    classification: Option<String>,
    created: Time,
    epoch: u64,
    expires: Time,
    generator: String,
    /// The digest of its manifest.
    manifest: Sha256,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_expected: Option<Time>,
    /// Flags that relaxed a rule at export.
    overrides: Vec<String>,
    /// The digest of the manifest before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Sha256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    sequence: u64,
    /// The key that signed it; absent if nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<NamedKey>,
    site: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    /// The version of the trust file under which the builder made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<u64>,
}

/// The number of items of a licence.
#[derive(Serialize, JsonSchema)]
struct LicenceCount {
    items: u64,
    /// The licence; absent for items of which upstream states none.
    #[serde(skip_serializing_if = "Option::is_none")]
    licence: Option<String>,
}

/// The signed files of a collection.
#[allow(dead_code, reason = "only its schema is used: the object is written as a stream")]
#[derive(Serialize, JsonSchema)]
struct CollectionProvenance {
    collection: String,
    /// The digest of its item list's text.
    list: Sha256,
    signed_files: Vec<SignedFile>,
}

/// An item that no upstream vouches for.
#[derive(Serialize, JsonSchema)]
struct UnprovenItem {
    collection: String,
    name: String,
    path: String,
    sha256: Sha256,
    version: String,
}

impl Serialize for ReportJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(report) = self;
        let (diff, manifest) = (&report.diff, &report.state().manifest);
        let mut map = serializer.serialize_map(None)?;
        if report.against == Against::State {
            map.serialize_entry("against", &StateHeader::of(diff.before))?;
        }
        map.serialize_entry("alarms", &AlarmSeq(diff))?;
        map.serialize_entry("bundle", &report.bundle_header())?;
        map.serialize_entry("changes", &ChangeSeq(diff))?;
        map.serialize_entry("collections", &diff.collections)?;
        if let Some(contents) = &report.looks.contents {
            map.serialize_entry("contents", &ContentsJson { diff, contents })?;
        }
        map.serialize_entry("format", &FORMAT)?;
        map.serialize_entry("left_out", &manifest.left_out)?;
        map.serialize_entry("licences", &report.licence_counts())?;
        map.serialize_entry("no_data", &report.no_data())?;
        map.serialize_entry("notes", &diff.notes())?;
        map.serialize_entry("provenance", &report.provenance())?;
        if let Some(scan) = &report.looks.scan {
            map.serialize_entry("scan", scan)?;
        }
        map.serialize_entry("second_opinion", &report.second_opinions())?;
        map.serialize_entry("totals", &diff.totals)?;
        map.serialize_entry("unproven", &UnprovenSeq(report))?;
        if let Some(vulnerabilities) = &report.vulnerabilities {
            map.serialize_entry("vulnerabilities", vulnerabilities)?;
        }
        map.end()
    }
}

impl ReviewReport<'_> {
    fn bundle_header(&self) -> BundleHeader {
        let (state, manifest) = (self.state(), self.state().manifest.clone());
        BundleHeader {
            bundle: manifest.folder(),
            classification: manifest.classification,
            created: manifest.created,
            epoch: manifest.epoch.into(),
            expires: manifest.expires,
            generator: manifest.generator,
            manifest: state.digest,
            name: manifest.name.to_string(),
            next_expected: manifest.next_expected,
            overrides: manifest.overrides,
            previous: manifest.previous,
            purpose: manifest.purpose,
            sequence: manifest.sequence.into(),
            signer: self.signer(),
            site: manifest.site.to_string(),
            ticket: manifest.ticket,
            trust: manifest.trust,
        }
    }

    fn licence_counts(&self) -> Vec<LicenceCount> {
        let count = |(licence, items): (String, u64)| LicenceCount {
            items,
            licence: Some(licence).filter(|licence| !licence.is_empty()),
        };
        self.licences().into_iter().map(count).collect()
    }

    fn provenance(&self) -> Vec<ProvenanceOf<'_>> {
        (0..self.state().manifest.collections.len()).map(|index| ProvenanceOf { report: self, index }).collect()
    }
}

/// The signed files of a collection, read while they are written.
struct ProvenanceOf<'a> {
    report: &'a ReviewReport<'a>,
    index: usize,
}

impl Serialize for ProvenanceOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { report, index } = self;
        let collections = &report.state().manifest.collections;
        let collection = collections.get(*index).ok_or_else(|| S::Error::custom("there is no such collection"))?;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("collection", &collection.folder())?;
        map.serialize_entry("list", &collection.list.sha256)?;
        map.serialize_entry("signed_files", &SignedSeq(self))?;
        map.end()
    }
}

struct SignedSeq<'a>(&'a ProvenanceOf<'a>);

impl Serialize for SignedSeq<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ProvenanceOf { report, index } = self.0;
        serialize_each(serializer, |element| {
            let read = report.each_signed(*index, |file| element(&file).map_err(FormatError::Io));
            read.map_err(std::io::Error::other)
        })
    }
}

/// The items without proof, read while they are written.
struct UnprovenSeq<'a>(&'a ReviewReport<'a>);

impl Serialize for UnprovenSeq<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_each(serializer, |element| {
            let read = self.0.each_unproven(|collection, item| {
                let ItemLine { name, path, sha256, version, .. } = *item;
                let (collection, path) = (collection.to_owned(), path.to_string());
                element(&UnprovenItem { collection, name, path, sha256, version }).map_err(FormatError::Io)
            });
            read.map_err(std::io::Error::other)
        })
    }
}
