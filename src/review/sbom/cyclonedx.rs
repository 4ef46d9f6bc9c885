//! CycloneDX 1.6 (ECMA-424), written as a stream.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::component::SbomComponent;
use super::licence::is_expression;
use super::needs::NeedReader;
use super::{COMPLETENESS, Sbom, TOOL};
use crate::review::diff_json::serialize_each;

/// The reference of the bundle itself.
const BUNDLE: &str = "bundle";

/// A bill of materials in the form of CycloneDX, to be serialized.
#[derive(Debug)]
pub struct CycloneDxBom<'a>(pub &'a Sbom<'a>);

impl Serialize for CycloneDxBom<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(sbom) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("$schema", "http://cyclonedx.org/schema/bom-1.6.schema.json")?;
        map.serialize_entry("bomFormat", "CycloneDX")?;
        map.serialize_entry("specVersion", "1.6")?;
        map.serialize_entry("serialNumber", &format!("urn:uuid:{}", sbom.uuid()))?;
        map.serialize_entry("version", &1)?;
        map.serialize_entry("metadata", &metadata(sbom))?;
        map.serialize_entry("components", &ComponentSeq(sbom))?;
        map.serialize_entry("dependencies", &DependencySeq(sbom))?;
        map.serialize_entry("compositions", &[Composition::Items, Composition::Dependencies(sbom)])?;
        map.end()
    }
}

fn metadata(sbom: &Sbom<'_>) -> Value {
    let manifest = &sbom.state.manifest;
    let property = |name: &str, value: String| json!({ "name": format!("gapferry:{name}"), "value": value });
    let mut value = json!({
        "timestamp": manifest.created,
        "lifecycles": [{ "phase": "post-build" }],
        "tools": { "components": [{ "type": "application", "name": TOOL.0, "version": TOOL.1 }] },
        "component": {
            "type": "application",
            "bom-ref": BUNDLE,
            "name": manifest.folder(),
            "version": u64::from(manifest.sequence).to_string(),
            "hashes": [{ "alg": "SHA-256", "content": sbom.state.digest }],
        },
        "properties": [
            property("completeness", COMPLETENESS.to_owned()),
            property("manifest", sbom.state.digest.to_hex()),
            property("site", manifest.site.to_string()),
        ],
    });
    if let Some(builder) = sbom.builder() {
        value["supplier"] = json!({ "name": builder });
        value["component"]["supplier"] = json!({ "name": builder });
    }
    value
}

fn component(of: &SbomComponent) -> Value {
    let mut value = json!({
        "type": of.component_type.in_cyclonedx(),
        "bom-ref": of.id,
        "name": of.name,
        "version": of.version,
        "hashes": [{ "alg": "SHA-256", "content": of.sha256 }],
        "purl": of.purl,
        "properties": [
            { "name": "gapferry:path", "value": of.path },
            { "name": "gapferry:reason", "value": of.reason },
        ],
    });
    if let Some(supplier) = &of.supplier {
        value["supplier"] = json!({ "name": supplier });
    }
    if let Some(licence) = &of.licence {
        value["licenses"] = match is_expression(licence) {
            true => json!([{ "expression": licence }]),
            false => json!([{ "license": { "name": licence } }]),
        };
    }
    if let Some(url) = &of.url {
        value["externalReferences"] = json!([{ "type": "distribution", "url": url }]);
    }
    if let Some(source) = &of.source {
        let ancestor =
            json!({ "type": "library", "name": source.name, "version": source.version, "purl": source.purl });
        value["pedigree"] = json!({ "ancestors": [ancestor] });
    }
    value
}

/// All items, read while they are written.
struct ComponentSeq<'a>(&'a Sbom<'a>);

impl Serialize for ComponentSeq<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_each(serializer, |element| self.0.each(|of| element(&component(&of))))
    }
}

/// The references of all items.
struct ReferenceSeq<'a>(&'a Sbom<'a>);

impl Serialize for ReferenceSeq<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_each(serializer, |element| self.0.each(|of| element(&of.id)))
    }
}

/// The bundle with all items, then each item that others were chosen for.
struct DependencySeq<'a>(&'a Sbom<'a>);

enum Dependency<'a> {
    Bundle(&'a Sbom<'a>),
    Item { reference: String, needs: Rc<RefCell<NeedReader>> },
}

impl Serialize for DependencySeq<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_each(serializer, |element| {
            element(&Dependency::Bundle(self.0))?;
            let needs = Rc::new(RefCell::new(self.0.needs()?));
            loop {
                let Some(reference) = needs.borrow().peek().map(|next| next.of.clone()) else { return Ok(()) };
                element(&Dependency::Item { reference, needs: needs.clone() })?;
            }
        })
    }
}

impl Serialize for Dependency<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Bundle(sbom) => {
                map.serialize_entry("ref", BUNDLE)?;
                map.serialize_entry("dependsOn", &ReferenceSeq(sbom))?;
            }
            Self::Item { reference, needs } => {
                map.serialize_entry("ref", reference)?;
                map.serialize_entry("dependsOn", &NeededSeq { reference, needs })?;
            }
        }
        map.end()
    }
}

/// The items that one item needs. Reading goes on to those of the next one.
struct NeededSeq<'a> {
    reference: &'a str,
    needs: &'a RefCell<NeedReader>,
}

impl Serialize for NeededSeq<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_each(serializer, |element| {
            let mut needs = self.needs.borrow_mut();
            while needs.peek().is_some_and(|next| next.of == self.reference) {
                let next = needs.take()?.ok_or(io::ErrorKind::UnexpectedEof)?;
                element(&next.needed)?;
            }
            Ok(())
        })
    }
}

/// Says how complete the bill is.
enum Composition<'a> {
    Items,
    Dependencies(&'a Sbom<'a>),
}

impl Serialize for Composition<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Items => {
                map.serialize_entry("aggregate", "complete")?;
                map.serialize_entry("assemblies", &[BUNDLE])?;
            }
            Self::Dependencies(sbom) => {
                map.serialize_entry("aggregate", "incomplete")?;
                map.serialize_entry("dependencies", &ReferenceSeq(sbom))?;
            }
        }
        map.end()
    }
}
