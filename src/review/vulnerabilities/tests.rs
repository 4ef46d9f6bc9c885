//! Findings in made-up states.

use std::io::Write as _;
use std::path::Path;

use super::*;
use crate::bundle::state::ItemLine;
use crate::collection::SourcePackage;
use crate::kind::Details;
use crate::review::tests::{TestList, apt, deb, file, reviewed, stored};

/// A package of Debian in `suite`, built from the source package `source`, such as `curl 1.0`.
fn package(name: &str, version: &str, suite: &str, source: &str) -> ItemLine {
    let line = deb(name, version, &format!("{suite}{version}"));
    let source = source.split_once(' ');
    ItemLine {
        details: Details::Deb { component: Some("main".into()), suite: suite.parse().unwrap() },
        path: format!("{suite}/{}", line.path).parse().unwrap(),
        publisher: Some("Debian".into()),
        source: source.map(|(name, version)| SourcePackage { name: name.into(), version: version.into() }),
        ..line
    }
}

/// Writes a file for debsecan.
fn debsecan(folder: &Path, suite: &str, vulnerabilities: &str, packages: &str) -> FeedFile {
    let place = folder.join(suite);
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    write!(encoder, "VERSION 1\n{vulnerabilities}\n{packages}\n\n").unwrap();
    let bytes = encoder.finish().unwrap();
    std::fs::write(&place, &bytes).unwrap();
    FeedFile {
        name: format!("debsecan/{suite}"),
        format: FeedFormat::Debsecan,
        date: Some(Time::default()),
        sha256: Sha256::of(&bytes),
        size: bytes.len() as u64,
        place,
    }
}

/// The findings of two states, in short.
fn findings(before: Vec<ItemLine>, after: Vec<ItemLine>, feeds: &[FeedFile]) -> Vec<String> {
    found(before, after, feeds)
        .findings
        .iter()
        .map(|finding| {
            let VulnerabilityFinding { id, source, class, .. } = finding;
            let fixed = finding.fixed_in.as_deref().unwrap_or("-");
            format!(
                "{} {id} {source} [{}] [{}] {fixed} {}",
                class.words(),
                finding.before.join(" "),
                finding.after.join(" "),
                finding.binaries.join(" ")
            )
        })
        .collect()
}

fn found(before: Vec<ItemLine>, after: Vec<ItemLine>, feeds: &[FeedFile]) -> VulnerabilityReport {
    let other = TestList { folder: "files/f", ..apt(vec![file("tool", "1")]) };
    let (before, after) = (reviewed(stored(1, &[apt(before)])), reviewed(stored(2, &[apt(after), other])));
    find_vulnerabilities(&before, &after, feeds).unwrap()
}

const NAMES: &str = "CVE-2026-1,,\nCVE-2026-2,,\nCVE-2026-3,,\n";

#[test]
fn source_and_binary_packages_are_matched_each_by_its_version() {
    let folder = tempfile::tempdir().unwrap();
    // The source package has another version than the binary package.
    let packages = "curl,0,SH F,2.0,1.2\nlibcurl4,1,BL  ,5.0,\nnginx,2,S   ,,\n";
    let feeds = [debsecan(folder.path(), "bookworm", NAMES, packages)];
    let state =
        |source: &str| vec![package("libcurl4", "4.0", "bookworm", source), package("curl", "1.0", "trixie", "")];
    assert_eq!(
        findings(state("curl 1.0"), state("curl 1.2"), &feeds),
        ["open CVE-2026-2 curl [1.0] [1.2] - libcurl4", "fixed CVE-2026-1 curl [1.0] [1.2] 1.2 libcurl4"]
    );
    assert_eq!(
        findings(state("curl 1.2"), state("curl 1.0"), &feeds),
        ["introduced CVE-2026-1 curl [1.2] [1.0] 1.2 libcurl4", "open CVE-2026-2 curl [1.2] [1.0] - libcurl4"]
    );
    assert_eq!(
        findings(state("curl 1.0"), vec![], &feeds),
        [
            "gone with a package CVE-2026-1 curl [1.0] [] 1.2 libcurl4",
            "gone with a package CVE-2026-2 curl [1.0] [] - libcurl4"
        ]
    );
    assert_eq!(findings(vec![], state("curl 1.0"), &feeds).len(), 2, "without an older state, all is open");
}

#[test]
fn the_highest_version_of_a_release_counts() {
    let folder = tempfile::tempdir().unwrap();
    let feeds = [debsecan(folder.path(), "bookworm", NAMES, "curl,0,S   ,1.2,\n")];
    let after = vec![
        package("curl", "1.0", "bookworm", ""),
        package("curl", "1.2", "bookworm-security", ""),
        package("curl", "1.1", "bookworm-updates", ""),
    ];
    assert_eq!(findings(vec![], after, &feeds), [""; 0]);
}

#[test]
fn items_that_no_feed_is_about_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let feeds = [debsecan(folder.path(), "bookworm", NAMES, "curl,0,S   ,1.2,\n")];
    let foreign = ItemLine { publisher: Some("Somebody".into()), ..package("own", "1", "bookworm", "curl 1.0") };
    let after = vec![package("curl", "1.0", "bookworm", ""), package("curl", "1.0", "trixie", ""), foreign];
    let found = found(vec![], after, &feeds);
    let lines: Vec<String> = found
        .coverage
        .iter()
        .map(|line| format!("{} {:?} {} {}", line.collection, line.release, line.items, line.feeds.join(" ")))
        .collect();
    assert_eq!(
        lines,
        [
            "apt/a None 1 ",
            "apt/a Some(\"bookworm\") 1 debsecan/bookworm",
            "apt/a Some(\"trixie\") 1 ",
            "files/f None 1 ",
        ]
    );
    assert_eq!(found.totals.items_without_data, 3);
    assert_eq!(found.findings.len(), 1);
}

#[test]
fn a_damaged_feed_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let feed = debsecan(folder.path(), "bookworm", NAMES, "curl,9,S   ,1.2,\n");
    let state = reviewed(stored(1, &[apt(vec![package("curl", "1.0", "bookworm", "")])]));
    let error = find_vulnerabilities(&state, &state, &[feed]).unwrap_err();
    let text = crate::error_class::causes(&error).join(": ");
    assert!(text.contains("cannot use debsecan/bookworm") && text.contains("not in the list"), "{text}");
    assert_eq!(error.class(), ErrorClass::VerificationFailed);
}

/// A record of OSV about `curl` in each ecosystem, with the version that is fixed there.
fn osv(folder: &Path, affected: &[(&str, &str)]) -> FeedFile {
    let affected: Vec<_> = affected
        .iter()
        .map(|(ecosystem, fixed)| {
            let mut events = vec![serde_json::json!({ "introduced": "0" })];
            events.extend((!fixed.is_empty()).then(|| serde_json::json!({ "fixed": fixed })));
            serde_json::json!({ "package": { "ecosystem": ecosystem, "name": "curl" }, "ranges": [{ "type": "ECOSYSTEM", "events": events }] })
        })
        .collect();
    let text = serde_json::json!({ "id": "UBUNTU-CVE-2026-1", "affected": affected }).to_string();
    let place = folder.join("osv.json");
    std::fs::write(&place, &text).unwrap();
    let (sha256, size) = (Sha256::of(text.as_bytes()), text.len() as u64);
    FeedFile { name: "osv/osv.json".into(), format: FeedFormat::Osv, date: None, sha256, size, place }
}

#[test]
fn packages_of_ubuntu_pro_go_by_the_statements_about_pro() {
    let folder = tempfile::tempdir().unwrap();
    let state = |version: &str, suite: &str| {
        let publisher = if suite.contains("infra") { "UbuntuESM" } else { "Ubuntu" };
        let line = package("libcurl4", version, suite, &format!("curl {version}"));
        vec![ItemLine { publisher: Some(publisher.into()), ..line }]
    };
    let feeds = [osv(folder.path(), &[("Ubuntu:18.04:LTS", ""), ("Ubuntu:Pro:18.04:LTS", "1.0+esm2")])];
    let public = state("1.0", "bionic-security");
    assert_eq!(findings(vec![], public.clone(), &feeds), ["open CVE-2026-1 curl [] [1.0] - libcurl4"]);
    let old = state("1.0+esm1", "bionic-infra-security");
    assert_eq!(findings(vec![], old, &feeds), ["open CVE-2026-1 curl [] [1.0+esm1] 1.0+esm2 libcurl4"]);
    let new = state("1.0+esm2", "bionic-infra-security");
    assert_eq!(findings(public, new, &feeds), ["fixed CVE-2026-1 curl [1.0] [1.0+esm2] - libcurl4"]);
}
