//! Difference, report and bills of materials of two states with any item lists: none of it panics, and all text forms are escaped.
#![no_main]

use std::fs;
use std::path::Path;

use gapferry::bundle::names;
use gapferry::bundle::state::{ItemLine, ItemListWriter, Manifest, ProofLine};
use gapferry::kind::Kind;
use gapferry::review::{
    Against, CycloneDxBom, KeyNames, PackageLooks, ReportJson, ReviewReport, ReviewedState, Sbom, SpdxDocument,
    TextLimit, compare, write_html, write_report_text, write_text,
};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

// The input: a kind in one byte, then the lines of both lists, with 0xff between the lists.
fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    let kind = Kind::ALL[usize::from(*kind) % Kind::ALL.len()];
    let (scratch, mut lists) = (scratch_folder(), rest.splitn(2, |byte| *byte == 0xff));
    let mut state = |name: &str| state(&scratch.join(name), kind, lists.next().unwrap_or_default());
    if let (Some(before), Some(after)) = (state("before"), state("after")) {
        review(&before, &after, &scratch);
    }
    fs::remove_dir_all(&scratch).expect("the scratch folder goes");
});

/// A folder of this process.
fn scratch_folder() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("gapferry-fuzz-review-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a scratch folder");
    folder
}

/// Reads the bundle of one list, as far as its lines are lines of a list.
fn state(folder: &Path, kind: Kind, lines: &[u8]) -> Option<ReviewedState> {
    let (mut proofs, mut items) = (Vec::new(), Vec::new());
    for line in lines.split(|byte| *byte == b'\n') {
        if let Ok(item) = serde_json::from_slice::<ItemLine>(line) {
            items.push(item);
        } else if let Ok(proof) = serde_json::from_slice::<ProofLine>(line) {
            proofs.push(proof);
        }
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    proofs.sort_by(|a, b| a.path.cmp(&b.path));
    let mut list = ItemListWriter::new(Vec::new()).ok()?;
    proofs.iter().try_for_each(|proof| list.proof(proof)).ok()?;
    items.iter().try_for_each(|item| list.item(item)).ok()?;
    let (bytes, summary) = list.finish().ok()?;
    let manifest: Manifest = serde_json::from_value(json!({
        "collections": [{
            "bytes": summary.bytes, "files": summary.files, "kind": kind, "list": summary.list, "name": "a",
            "origin": "https://a.example/", "publish": "verbatim", "source": "a",
        }],
        "created": "2026-11-22T10:00:00Z", "epoch": 1, "expires": "2027-11-22T10:00:00Z", "format": 2, "generator": "fuzz",
        "name": "base", "sequence": 1, "site": "dc1",
    }))
    .expect("a manifest");
    fs::create_dir_all(folder.join("items")).expect("a folder");
    let name = names::item_list(kind, &"a".parse().expect("a label"));
    fs::write(folder.join(name), bytes).expect("the list is written");
    fs::write(folder.join(names::MANIFEST), manifest.to_text().ok()?).expect("the manifest is written");
    ReviewedState::of_bundle(folder).ok()
}

fn review(before: &ReviewedState, after: &ReviewedState, scratch: &Path) {
    let diff = compare(before, after, scratch).expect("a difference");
    let mut text = Vec::new();
    write_text(&diff, TextLimit::All, &mut text).expect("the text");
    let report = ReviewReport {
        diff,
        against: Against::State,
        names: KeyNames::default(),
        looks: PackageLooks::default(),
        vulnerabilities: None,
        packings: Vec::new(),
    };
    write_report_text(&report, &mut text).expect("the report's text");
    write_html(&report, &mut text).expect("the page");
    let text = String::from_utf8(text).expect("text");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains("<script"));
    let sbom = Sbom { state: after, scratch, licences: None };
    for json in [
        serde_json::to_string(&ReportJson(&report)),
        serde_json::to_string(&CycloneDxBom(&sbom)),
        serde_json::to_string(&SpdxDocument(&sbom)),
    ] {
        serde_json::from_str::<serde_json::Value>(&json.expect("JSON")).expect("JSON");
    }
}
