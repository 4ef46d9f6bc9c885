//! Bills of materials of states that are made here.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::bundle::state::ItemLine;
use crate::collection::SourcePackage;
use crate::kind::Details;
use crate::review::tests::{TestList, apt, deb, file, reviewed, snap, stored};

/// Both bills of a state: CycloneDX, SPDX.
fn bills(lists: &[TestList]) -> [Value; 2] {
    let state = reviewed(stored(1, lists));
    let scratch = std::env::temp_dir();
    let sbom = Sbom { state: &state, scratch: Path::new(&scratch), licences: None };
    let both = [serde_json::to_string(&CycloneDxBom(&sbom)), serde_json::to_string(&SpdxDocument(&sbom))];
    let again = [serde_json::to_string(&CycloneDxBom(&sbom)), serde_json::to_string(&SpdxDocument(&sbom))];
    let both = both.map(Result::unwrap);
    assert_eq!(both, again.map(Result::unwrap), "the same state gives the same bytes");
    both.map(|text| serde_json::from_str(&text).unwrap())
}

/// All items of one name and what they stand for, in the list of a bill.
fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|value| value["name"] == name).unwrap()
}

fn rpm(name: &str, version: &str) -> ItemLine {
    let details = Details::Rpm { list: "primary".into() };
    ItemLine {
        details,
        architecture: Some("x86_64".into()),
        publisher: Some("Rocky".into()),
        ..deb(name, version, name)
    }
}

#[test]
fn each_kind_has_its_package_url() {
    let own = TestList { folder: "files/tools", origin: "file:///srv/tools", ..apt(vec![file("bin/collect", "x")]) };
    let store =
        TestList { folder: "snaps/store", origin: "https://api.snapcraft.io/", ..apt(vec![snap("core24", 7, "1")]) };
    let yum = TestList { folder: "yum/rocky", ..apt(vec![rpm("Bash", "1:5.2-1.el9")]) };
    let debs = apt(vec![deb("libstdc++6", "1:2.0~a+b-1", "x")]);
    let [cyclonedx, spdx] = bills(&[debs, own, store, yum]);
    for (name, purl, supplier) in [
        ("libstdc++6", "pkg:deb/debian/libstdc%2B%2B6@1:2.0~a%2Bb-1?arch=amd64&distro=bookworm", "Debian"),
        ("bin/collect", "pkg:generic/bin/collect@2d711642b726?arch", "Debian"),
        ("core24", "pkg:snap/core24@7?arch=amd64", "Debian"),
        ("Bash", "pkg:rpm/rocky/Bash@5.2-1.el9?arch=x86_64&epoch=1", "Rocky"),
    ] {
        let (component, package) = (named(&cyclonedx["components"], name), named(&spdx["packages"], name));
        let purl = purl.trim_end_matches("?arch");
        assert!(component["purl"].as_str().unwrap().starts_with(purl), "{component}");
        assert_eq!(package["externalRefs"][0]["referenceLocator"], component["purl"]);
        assert_eq!(
            (&component["supplier"]["name"], package["supplier"].as_str()),
            (&supplier.into(), Some(&*format!("Organization: {supplier}")))
        );
    }
    let url = "http://a.example/debian/pool/libstdc%2B%2B6_1:2.0~a%2Bb-1_amd64.deb";
    assert_eq!(named(&cyclonedx["components"], "libstdc++6")["externalReferences"][0]["url"], url);
    assert_eq!(named(&spdx["packages"], "core24")["downloadLocation"], "NOASSERTION");
}

#[test]
fn items_are_related_to_their_sources_and_needs() {
    let needed = |by: &str, line: ItemLine| ItemLine { reason: format!("needed by {by}"), ..line };
    let source =
        |line: ItemLine| ItemLine { source: Some(SourcePackage { name: "src".into(), version: "3".into() }), ..line };
    let alone = |line: ItemLine| ItemLine { source: None, ..line };
    let items = vec![
        alone(deb("app", "1", "app")),
        source(needed("app", deb("lib1", "3", "lib1"))),
        source(needed("app", deb("lib2", "3", "lib2"))),
        alone(needed("nothing that is here", deb("stray", "1", "stray"))),
        alone(ItemLine { licence: Some("GPLv2+".into()), ..needed("lib1", deb("deep", "1", "deep")) }),
    ];
    let [cyclonedx, spdx] = bills(&[apt(items)]);
    let id = |name: &str| named(&cyclonedx["components"], name)["bom-ref"].as_str().unwrap().to_owned();
    let depends = |of: &str| {
        cyclonedx["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["ref"] == of)
            .map(|entry| entry["dependsOn"].clone())
    };
    let mut libs = [id("lib1"), id("lib2")];
    libs.sort();
    assert_eq!(depends(&id("app")), Some(json!(libs)));
    assert_eq!(depends(&id("lib1")), Some(json!([id("deep")])));
    assert_eq!((depends(&id("stray")), depends("bundle").unwrap().as_array().unwrap().len()), (None, 5));
    assert_eq!(
        named(&cyclonedx["components"], "lib1")["pedigree"]["ancestors"][0]["purl"],
        "pkg:deb/debian/src@3?arch=source&distro=bookworm"
    );
    let relations: Vec<String> = spdx["relationships"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            format!("{} {} {}", of["spdxElementId"], of["relationshipType"], of["relatedSpdxElement"]).replace('"', "")
        })
        .collect();
    let count = |kind: &str| relations.iter().filter(|line| line.contains(kind)).count();
    assert_eq!(
        [count(" CONTAINS "), count(" GENERATED_FROM "), count(" DEPENDS_ON "), count(" DESCRIBES ")],
        [5, 5, 3, 1],
        "{relations:#?}"
    );
    assert!(relations.contains(&format!("SPDXRef-{} DEPENDS_ON SPDXRef-{}", id("lib1"), id("deep"))), "{relations:#?}");
    // The two libraries have one source package; the other items have their own.
    assert_eq!(spdx["packages"].as_array().unwrap().len(), 1 + 5 + 4);
    assert_eq!(named(&spdx["packages"], "deep")["licenseDeclared"], "LicenseRef-0");
    assert_eq!(spdx["hasExtractedLicensingInfos"][0]["extractedText"], "GPLv2+");
    assert_eq!(named(&spdx["packages"], "app")["licenseDeclared"], "MIT");
    assert_eq!(cyclonedx["compositions"][1]["dependencies"].as_array().unwrap().len(), 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever an upstream writes: all items are there, and package URLs have no character that is not allowed.
    #[test]
    fn any_text_becomes_a_value(texts in prop::collection::vec("[ -~]{0,8}\\PC{1,8}[\\x00\\n/()@?#%:;]{0,3}", 6), reason in "(needed by )?\\PC{0,6}") {
        let [name, version, publisher, licence, architecture, source] = <[String; 6]>::try_from(texts).unwrap();
        let source = SourcePackage { name: source.clone(), version: source };
        let hostile = |line: ItemLine| ItemLine {
            architecture: Some(architecture.clone()), licence: Some(licence.clone()), name: name.clone(), publisher: Some(publisher.clone()),
            reason: reason.clone(), source: Some(source.clone()), version: version.clone(), ..line
        };
        let items = [hostile(deb("a", "1", "a")), hostile(deb("b", "1", "b")), hostile(snap("c", 1, "1"))];
        let lists = [TestList { folder: "apt/a", origin: "javascript:alert(1)", ..apt(items[..2].to_vec()) }, TestList { folder: "snaps/s", ..apt(items[2..].to_vec()) }];
        let [cyclonedx, spdx] = bills(&lists);
        prop_assert_eq!(cyclonedx["components"].as_array().unwrap().len(), 3);
        let contained = spdx["relationships"].as_array().unwrap().iter().filter(|of| of["relationshipType"] == "CONTAINS").count();
        prop_assert_eq!(contained, 3);
        for component in cyclonedx["components"].as_array().unwrap() {
            let purl = component["purl"].as_str().unwrap();
            prop_assert!(purl.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/@?&=%".contains(&byte)), "{}", purl);
            prop_assert!(component.get("externalReferences").is_none_or(|of| of[0]["url"].as_str().unwrap().starts_with("http://a.example/")));
        }
    }
}
