//! SPDX 2.3 (ISO/IEC 5962), written as a stream.

use std::collections::BTreeMap;
use std::io;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::component::{SbomComponent, SbomSource};
use super::licence::is_expression;
use super::{COMPLETENESS, Sbom, TOOL};
use crate::review::diff_json::serialize_each;
use crate::storage::ExternalSort;

/// The value for what nobody knows.
const NOASSERTION: &str = "NOASSERTION";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const BUNDLE: &str = "SPDXRef-bundle";

/// A bill of materials in the form of SPDX, to be serialized.
#[derive(Debug)]
pub struct SpdxDocument<'a>(pub &'a Sbom<'a>);

/// A document that is being written.
struct SpdxWriter<'a> {
    sbom: &'a Sbom<'a>,
    /// The numbers of licences that are given in upstream's words.
    licences: BTreeMap<&'a str, usize>,
}

impl Serialize for SpdxDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(sbom) = self;
        let writer = SpdxWriter::new(sbom);
        let bundle = sbom.state.manifest.folder();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("spdxVersion", "SPDX-2.3")?;
        map.serialize_entry("dataLicense", "CC0-1.0")?;
        map.serialize_entry("SPDXID", DOCUMENT)?;
        map.serialize_entry("name", &bundle)?;
        map.serialize_entry("documentNamespace", &format!("urn:uuid:{}", sbom.uuid()))?;
        let tool = format!("Tool: {}-{}", TOOL.0, TOOL.1);
        map.serialize_entry("creationInfo", &json!({ "created": sbom.state.manifest.created, "creators": [tool] }))?;
        map.serialize_entry("comment", COMPLETENESS)?;
        map.serialize_entry("hasExtractedLicensingInfos", &writer.extracted())?;
        map.serialize_entry("packages", &PackageSeq(&writer))?;
        map.serialize_entry("relationships", &RelationSeq(&writer))?;
        map.end()
    }
}

impl<'a> SpdxWriter<'a> {
    fn new(sbom: &'a Sbom<'a>) -> Self {
        let stated = sbom.state.facts.iter().flat_map(|facts| facts.licences.keys().map(String::as_str));
        let mut licences: BTreeMap<&str, usize> =
            stated.filter(|text| !is_expression(text)).map(|text| (text, 0)).collect();
        licences.values_mut().enumerate().for_each(|(number, value)| *value = number);
        Self { sbom, licences }
    }

    fn extracted(&self) -> Vec<Value> {
        let info = |(text, number): (&&str, &usize)| json!({ "licenseId": format!("LicenseRef-{number}"), "name": text, "extractedText": text });
        self.licences.iter().map(info).collect()
    }

    fn licence(&self, of: &SbomComponent) -> String {
        let Some(licence) = &of.licence else { return NOASSERTION.to_owned() };
        match self.licences.get(licence.as_str()) {
            Some(number) => format!("LicenseRef-{number}"),
            None => licence.clone(),
        }
    }

    fn bundle(&self) -> Value {
        let manifest = &self.sbom.state.manifest;
        json!({
            "SPDXID": BUNDLE,
            "name": manifest.folder(),
            "versionInfo": u64::from(manifest.sequence).to_string(),
            "supplier": organization(self.sbom.builder().as_deref()),
            "downloadLocation": NOASSERTION,
            "filesAnalyzed": false,
            "licenseConcluded": NOASSERTION,
            "licenseDeclared": NOASSERTION,
            "copyrightText": NOASSERTION,
            "checksums": [{ "algorithm": "SHA256", "checksumValue": self.sbom.state.digest }],
            "comment": format!("The checksum is that of the manifest for the site {}.", manifest.site),
        })
    }

    fn package(&self, of: &SbomComponent) -> Value {
        json!({
            "SPDXID": id(&of.id),
            "name": of.name,
            "versionInfo": of.version,
            "packageFileName": of.path,
            "primaryPackagePurpose": of.component_type.in_spdx(),
            "supplier": organization(of.supplier.as_deref()),
            "downloadLocation": of.url.as_deref().unwrap_or(NOASSERTION),
            "filesAnalyzed": false,
            "licenseConcluded": NOASSERTION,
            "licenseDeclared": self.licence(of),
            "copyrightText": NOASSERTION,
            "checksums": [{ "algorithm": "SHA256", "checksumValue": of.sha256 }],
            "comment": format!("In the bundle because: {}", of.reason),
            "externalRefs": [purl(&of.purl)],
        })
    }

    /// Hands each source package of an item to `source`, once, sorted by its text.
    fn each_source(&self, mut source: impl FnMut(&Value) -> io::Result<()>) -> io::Result<()> {
        let mut sort = ExternalSort::new(self.sbom.scratch);
        self.sbom.each(|of| match &of.source {
            Some(of_source) => sort.push(&serde_json::to_vec(&source_package(of_source, of.supplier.as_deref()))?),
            None => Ok(()),
        })?;
        let (mut records, mut last) = (sort.finish()?, None);
        while let Some(record) = records.next_record()? {
            let value: Value = serde_json::from_slice(&record)?;
            // One source package may come from several suppliers, by the name of each mirror.
            let id = value["SPDXID"].as_str().map(str::to_owned);
            if id != last {
                source(&value)?;
                last = id;
            }
        }
        Ok(())
    }

    fn each_relation(&self, relation: &mut dyn FnMut(&Value) -> io::Result<()>) -> io::Result<()> {
        relation(&relationship(DOCUMENT, "DESCRIBES", BUNDLE))?;
        self.sbom.each(|of| {
            let item = id(&of.id);
            relation(&relationship(BUNDLE, "CONTAINS", &item))?;
            match &of.source {
                Some(source) => relation(&relationship(&item, "GENERATED_FROM", &id(&source.id))),
                None => Ok(()),
            }
        })?;
        let mut needs = self.sbom.needs()?;
        while let Some(need) = needs.take()? {
            relation(&relationship(&id(&need.of), "DEPENDS_ON", &id(&need.needed)))?;
        }
        Ok(())
    }
}

/// The key of the id stands first, so that these sort by it.
fn source_package(source: &SbomSource, supplier: Option<&str>) -> Value {
    json!({
        "SPDXID": id(&source.id),
        "name": source.name,
        "versionInfo": source.version,
        "primaryPackagePurpose": "SOURCE",
        "supplier": organization(supplier),
        "downloadLocation": NOASSERTION,
        "filesAnalyzed": false,
        "licenseConcluded": NOASSERTION,
        "licenseDeclared": NOASSERTION,
        "copyrightText": NOASSERTION,
        "externalRefs": [purl(&source.purl)],
    })
}

fn relationship(element: &str, relation: &str, related: &str) -> Value {
    json!({ "spdxElementId": element, "relationshipType": relation, "relatedSpdxElement": related })
}

fn purl(purl: &str) -> Value {
    json!({ "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl })
}

fn id(id: &str) -> String {
    format!("SPDXRef-{id}")
}

/// Names an organization. Parentheses would begin an address of mail.
fn organization(name: Option<&str>) -> String {
    let name = name.map(|name| name.replace('(', "[").replace(')', "]").replace(['\n', '\r'], " "));
    match name.as_deref().map(str::trim) {
        None | Some("") => NOASSERTION.to_owned(),
        Some(name) => format!("Organization: {name}"),
    }
}

/// The bundle, its items and their source packages, read while they are written.
struct PackageSeq<'a>(&'a SpdxWriter<'a>);

impl Serialize for PackageSeq<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_each(serializer, |element| {
            element(&self.0.bundle())?;
            self.0.sbom.each(|of| element(&self.0.package(&of)))?;
            self.0.each_source(element)
        })
    }
}

/// The relationships, read while they are written.
struct RelationSeq<'a>(&'a SpdxWriter<'a>);

impl Serialize for RelationSeq<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_each(serializer, |element| self.0.each_relation(element))
    }
}
