//! Feeds of the documented shapes, and hostile ones.

use std::io::Write as _;

use flate2::Compression as Level;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;

use super::*;
use crate::formats::refusal;

fn zlib(text: &str) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Level::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Reads a feed into lines: id, release, package, and which of the versions `1.0`, `1.2` and `2.0` are affected.
fn lines(format: FeedFormat, path: &str, bytes: &[u8]) -> Result<Vec<String>, ReadError> {
    let mut lines = Vec::new();
    read_feed(format, path, bytes, &mut |statement| {
        let FeedStatement { id, release, package, versions, urgency } = statement;
        let affected: Vec<&str> = ["1.0", "1.2", "2.0"].into_iter().filter(|version| versions.has(version)).collect();
        let kind = if matches!(package, FeedPackage::Binary(_)) { "B" } else { "S" };
        let certainty = if versions.is_undetermined { "?" } else { "" };
        let (codename, package) = (release.codename, package.name().to_owned());
        let fixed = versions.fixed_above("1.0").unwrap_or("-").to_owned();
        lines.push(format!("{id} {codename} {kind}:{package} {}{certainty} {fixed} {urgency}", affected.join("+")));
        Ok(())
    })?;
    Ok(lines)
}

const DEBSECAN: &str = "VERSION 1\nCVE-2026-0001,,a bug, with commas\nCVE-2026-0002,,\nTEMP-1,,another\n\n\
    curl,0,SHRF,2.0,1.2\nlibcurl4,1,B ? ,2.0,1.0\nnginx,2,S   ,,2.0\n\ncurl,curl libcurl4\nnginx,\n\n";

#[test]
fn reads_files_for_debsecan_as_debsecan_does() {
    let lines = lines(FeedFormat::Debsecan, "release/1/bookworm", &zlib(DEBSECAN)).unwrap();
    assert_eq!(
        lines,
        [
            "CVE-2026-0001 bookworm S:curl 1.0 1.2 high",
            // Other versions count for source packages alone.
            "CVE-2026-0002 bookworm B:libcurl4 1.0+1.2 - ",
            "TEMP-1 bookworm S:nginx 1.0+1.2 - ",
        ]
    );
}

#[test]
fn refuses_malformed_files_for_debsecan() {
    for (from, to, words) in [
        ("VERSION 1", "VERSION 2", "VERSION 1"),
        ("curl,0,", "curl,7,", "not in the list"),
        ("curl,0,", "curl,-1,", "not in the list"),
        ("SHRF", "SXRF", "malformed flags"),
        ("SHRF", "S", "malformed flags"),
        (",2.0,1.2", "", "is expected"),
        ("CVE-2026-0002,,", "CVE-2026-0002", "vulnerability is expected"),
        ("CVE-2026-0002,,", "\u{1b}[2J,,", "no usable name"),
        ("nginx,\n", "nginx\n", "binary packages are expected"),
    ] {
        let text = DEBSECAN.replacen(from, to, 1);
        let error = refusal(lines(FeedFormat::Debsecan, "bookworm", &zlib(&text)));
        assert!(error.contains(words), "{to}: {error}");
    }
    let whole = zlib(DEBSECAN);
    for cut in [0, 1, 10, whole.len() - 1] {
        assert!(lines(FeedFormat::Debsecan, "bookworm", &whole[..cut]).is_err(), "{cut}");
    }
    let long = format!("VERSION 1\n{},,\n", "x".repeat(2 << 20));
    assert!(refusal(lines(FeedFormat::Debsecan, "bookworm", &zlib(&long))).contains("a line of more than"));
}

const TRACKER: &str = r#"{"curl": {"CVE-2026-0001": {"description": "a bug", "scope": "remote", "releases": {
    "bookworm": {"status": "resolved", "repositories": {"bookworm": "1.2"}, "fixed_version": "1.2", "urgency": "medium"},
    "trixie": {"status": "open", "repositories": {"trixie": "1.0"}, "urgency": "not yet assigned"},
    "sid": {"status": "resolved", "fixed_version": "0", "urgency": "unimportant"}}}},
    "nginx": {"CVE-2026-0002": {"releases": {"bookworm": {"status": "undetermined", "urgency": "low"}}},
    "CVE-2026-0003": {"debianbug": 7}}}"#;

#[test]
fn reads_debians_tracker() {
    let lines = lines(FeedFormat::DebianTracker, "json", TRACKER.as_bytes()).unwrap();
    assert_eq!(
        lines,
        [
            "CVE-2026-0001 bookworm S:curl 1.0 1.2 medium",
            "CVE-2026-0001 trixie S:curl 1.0+1.2+2.0 - not yet assigned",
            "CVE-2026-0002 bookworm S:nginx 1.0+1.2+2.0? - low",
        ]
    );
}

#[test]
fn refuses_json_that_is_no_tracker_or_fills_the_memory() {
    let nested = format!("{{\"a\": {{\"b\": {{\"x\": {}", "[".repeat(1000));
    let long = format!("{{\"a\": {{\"b\": {{\"x\": \"{}\"}}}}}}", "y".repeat(2 << 20));
    let many: Vec<String> = (0..100).map(|number| format!("\"r{number}\": {{\"status\": \"open\"}}")).collect();
    let many = format!("{{\"a\": {{\"b\": {{\"releases\": {{{}}}}}}}}}", many.join(","));
    for (text, words) in [
        ("<html>", "no usable JSON"),
        ("{}{}", "no usable JSON"),
        ("{\"a\": {\"b\": {\"releases\": {\"c\": {\"status\": \"odd\"}}}}}", "a status that nobody knows"),
        (nested.as_str(), "nested in more than"),
        (long.as_str(), "a text of more than"),
        (many.as_str(), "more than 64 releases"),
    ] {
        let error = refusal(lines(FeedFormat::DebianTracker, "json", text.as_bytes()));
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn looks_at_the_beginning_of_formats_that_are_only_carried() {
    let is = |format, path: &str, bytes: &[u8]| check_feed(format, path, bytes).is_ok();
    assert!(is(FeedFormat::Oval, "a.oval.xml.bz2", b"BZh9rest"));
    assert!(is(FeedFormat::Oval, "a.xml", b"\xef\xbb\xbf<?xml version=\"1.0\"?>"));
    assert!(is(FeedFormat::CsafVex, "2026/cve-2026-0001.json", b" {\"document\""));
    for format in FeedFormat::ALL {
        for path in ["a", "a.xz", "a.bz2", "a.gz", "a.zst", "a.zip", "a.json", "a.xml"] {
            assert!(!is(format, path, b"<!DOCTYPE html><html>sign in</html>"), "{format} {path}");
            assert!(!is(format, path, b""), "{format} {path}");
        }
    }
}

/// A record as Ubuntu publishes it.
const OSV: &str = r#"{"schema_version": "1.7.0", "id": "UBUNTU-CVE-2026-0001", "upstream": ["CVE-2026-0001"], "details": "a bug",
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}, {"type": "Ubuntu", "score": "Medium"}], "affected": [
    {"package": {"ecosystem": "Ubuntu:22.04:LTS", "name": "curl", "purl": "pkg:deb/ubuntu/curl@1.2?arch=source&distro=jammy"},
     "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.2"}]}], "versions": ["1.0"],
     "ecosystem_specific": {"binaries": [{"binary_name": "libcurl4", "binary_version": "1.2"}]}},
    {"package": {"ecosystem": "Ubuntu:Pro:18.04:LTS", "name": "curl"},
     "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}], "versions": ["1.0", "2.0"]},
    {"package": {"ecosystem": "Ubuntu:Pro:FIPS:18.04:LTS", "name": "curl"}, "ranges": []},
    {"package": {"ecosystem": "Debian:12", "name": "curl"},
     "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "1.2"}, {"last_affected": "1.9"}, {"introduced": "2.0"}]}]}]}"#;

const OSV_LINES: [&str; 3] = [
    "CVE-2026-0001 jammy S:curl 1.0 1.2 medium",
    "CVE-2026-0001 bionic S:curl 1.0+1.2+2.0 - medium",
    "CVE-2026-0001 bookworm S:curl 1.2+2.0 - medium",
];

/// A tar archive of these files, packed as `path` says.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), Level::fast()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

#[test]
fn reads_records_of_osv_alone_and_in_archives() {
    assert_eq!(lines(FeedFormat::Osv, "cve.json", OSV.as_bytes()).unwrap(), OSV_LINES);
    let long = format!("osv/{}/x.json", "long/".repeat(60));
    let usn = OSV.replace("UBUNTU-CVE-2026-0001", "USN-7000-1").replace("CVE-2026-0001", "CVE-2026-0002");
    let withdrawn = OSV.replace("\"affected\"", "\"withdrawn\": \"2026-01-01T00:00:00Z\", \"affected\"");
    let packed = archive(&[("osv/a.json", OSV), (&long, &usn), ("osv/w.json", &withdrawn)]);
    let found = lines(FeedFormat::Osv, "osv-all.tar.gz", &packed).unwrap();
    assert_eq!(found[..3], OSV_LINES);
    assert_eq!(found[3..], OSV_LINES.map(|line| line.replace("0001", "0002")));
}

#[test]
fn refuses_records_that_are_malformed_or_too_large() {
    let large = format!("{{\"id\": \"x\", \"details\": [{}0]}}", "0,".repeat(9 << 20));
    for (text, words) in [
        ("{}", "no usable JSON"),
        ("[]", "no usable JSON"),
        (large.as_str(), "a record of more than"),
        (r#"{"id": "\u001b[2J"}"#, "no usable name"),
    ] {
        let error = refusal(lines(FeedFormat::Osv, "x.json", text.as_bytes()));
        assert!(error.contains(words), "{words}: {error}");
        let error = refusal(lines(FeedFormat::Osv, "x.tar.gz", &archive(&[("osv/bad.json", text)])));
        assert!(error.contains(words) && error.contains("osv/bad.json"), "{words}: {error}");
    }
    let whole = archive(&[("a.json", OSV)]);
    assert!(lines(FeedFormat::Osv, "x.tar.gz", &whole[..whole.len() - 1]).is_err(), "its checksum is missing");
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), text in "[A-Z0-9a-z, \n-]{0,200}") {
        for format in FeedFormat::ALL {
            let _ = check_feed(format, "x", bytes.as_slice());
            let _ = check_feed(format, "x", zlib(&format!("VERSION 1\n{text}")).as_slice());
        }
    }

    #[test]
    fn a_damaged_feed_is_read_or_refused(at in 0usize..400, byte in any::<u8>()) {
        for (format, text) in [(FeedFormat::Debsecan, DEBSECAN), (FeedFormat::DebianTracker, TRACKER), (FeedFormat::Osv, OSV)] {
            let mut bytes = text.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            let bytes = if format == FeedFormat::Debsecan { zlib(&String::from_utf8_lossy(&bytes)) } else { bytes };
            let _ = lines(format, "bookworm", &bytes);
        }
    }

    #[test]
    fn a_version_that_is_fixed_is_not_affected(below in "[0-9]{1,2}\\.[0-9]", version in "[0-9]{1,2}\\.[0-9]") {
        let versions = AffectedVersions::below(&below);
        prop_assert_eq!(versions.has(&version), versions.fixed_above(&version).is_some());
    }
}
