//! All that the store answers besides refreshes.

use std::fs;

use gapferry::formats::assertions::{Assertion, Sha3};
use serde_json::{Value, json};

use super::fixture::{desk, post};
use crate::serve::ask;
use crate::support::desk::Desk;
use crate::support::snaps::{assertions, authority, snap, snap_id};

const ARM: &str = "Snap-Device-Architecture: arm64\r\n";

#[test]
fn info_lists_channels() {
    let desk = desk();
    let serving = desk.serve();
    let info = |target: &str| ask(&serving, "GET", target, "").json();
    let all = info("/v2/snaps/info/words");
    assert_eq!(
        [&all["name"], &all["snap-id"], &all["default-track"]],
        [&json!("words"), &json!(snap_id("words")), &Value::Null]
    );
    assert_eq!(all["snap"]["summary"], "words in one line");
    let channels = |value: &Value| -> Vec<String> {
        let map = value["channel-map"].as_array().unwrap();
        let one = |it: &Value| format!("{} {}", it["channel"]["name"].as_str().unwrap(), it["revision"]);
        map.iter().map(one).collect()
    };
    assert_eq!(channels(&all), ["stable 3", "candidate 5", "3.6/stable 3", "stable 6"]);
    assert_eq!(channels(&info("/v2/snaps/info/words?architecture=arm64&fields=version")), ["stable 6"]);
    let first = &all["channel-map"][2];
    let released = "2025-01-01T00:00:00Z";
    let channel = json!({ "architecture": "amd64", "name": "3.6/stable", "risk": "stable", "track": "3.6", "released-at": released });
    assert_eq!(first["channel"], channel);
    let address = format!("http://site.invalid/api/v1/snaps/download/{}_3.snap", snap_id("words"));
    assert!(first["download"]["url"] == address && first["snap-yaml"].is_null(), "{first}");
    let few = info("/v2/snaps/info/words?fields=version,snap-yaml&architecture=amd64")["channel-map"][0].clone();
    let mut names: Vec<&String> = few.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["channel", "revision", "snap-yaml", "version"]);
    for absent in ["nothing", "", "large?architecture=arm64", "words%00", "words%2f"] {
        let answer = ask(&serving, "GET", &format!("/v2/snaps/info/{absent}"), "");
        assert_eq!((answer.status, answer.code().as_str()), (404, "resource-not-found"), "{absent}");
    }
}

/// As `snap debug connectivity` asks, which then wants the head of the file.
#[test]
fn a_connectivity_check_is_answered_without_the_snap_core() {
    let desk = desk();
    let serving = desk.serve();
    let checked = ask(&serving, "GET", "/v2/snaps/info/core?architecture=amd64&fields=download", "").json();
    let url = checked["channel-map"][0]["download"]["url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix("http://site.invalid").unwrap();
    assert_eq!(ask(&serving, "HEAD", path, "").status, 200, "{url}");
    for other in ["core?architecture=amd64", "core?fields=download,version", "core18?fields=download"] {
        let answer = ask(&serving, "GET", &format!("/v2/snaps/info/{other}"), "");
        assert_eq!((answer.status, answer.code().as_str()), (404, "resource-not-found"), "{other}");
    }
}

#[test]
fn snaps_are_found_by_words_and_names() {
    let desk = desk();
    let serving = desk.serve();
    for (query, headers, expected) in [
        ("", "", &["core-gap", "large", "words"][..]),
        ("q=line", ARM, &["core-gap", "words"]),
        ("q=WORDS", "", &["words"]),
        ("q=one+line+large", "", &["large"]),
        ("q=nothing", "", &[]),
        ("name=words", "", &["words"]),
        ("name=word", "", &[]),
        ("q=large&channel=stable", "", &[]),
        ("q=large&channel=2/edge&category=games&confinement=strict,classic", "", &["large"]),
        ("confinement=classic", "", &[]),
        ("architecture=s390x", "", &[]),
    ] {
        let found = ask(&serving, "GET", &format!("/v2/snaps/find?{query}"), headers).json();
        let names: Vec<&str> =
            found["results"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{query}");
    }
    let found = ask(&serving, "GET", "/v2/snaps/find?q=large", "").json();
    assert_eq!(found["results"][0]["revision"]["channel"], "2/beta");
    assert_eq!(ask(&serving, "GET", "/v2/snaps/find?channel=a/b/c/d", "").status, 400);
}

#[test]
fn lists_that_the_daemon_fetches_every_day() {
    let desk = desk();
    let serving = desk.serve();
    let names =
        ask(&serving, "GET", "/api/v1/snaps/names?confinement=strict,classic", "X-Ubuntu-Architecture: arm64\r\n");
    assert_eq!(names.headers["content-type"], "application/hal+json");
    let text = String::from_utf8(names.body).unwrap();
    assert!(text.starts_with(r#"{"_embedded":{"clickindex:package":[{"#), "{text}");
    let value: Value = serde_json::from_str(&text).unwrap();
    let listed = value["_embedded"]["clickindex:package"].as_array().unwrap();
    assert!(listed.len() == 2 && listed[1]["package_name"] == "words" && listed[1]["version"] == "6.0", "{text}");
    let sections = ask(&serving, "GET", "/api/v1/snaps/sections", "");
    assert_eq!(String::from_utf8(sections.body).unwrap(), r#"{"_embedded":{"clickindex:sections":[]}}"#);
    assert_eq!(ask(&serving, "GET", "/v2/snaps/categories", "").json(), json!({ "categories": [] }));
    assert_eq!(post(&serving, "/v2/cohorts", "", br#"{"snaps":["words"]}"#).json(), json!({ "cohort-keys": {} }));
    let root = ask(&serving, "HEAD", "/", "");
    assert_eq!((root.status, root.headers["snap-store-version"].as_str(), root.body.len()), (200, "55", 0));
}

#[test]
fn sessions_are_given_to_all() {
    let desk = desk();
    let serving = desk.serve();
    assert!(post(&serving, "/api/v1/snaps/auth/nonces", "", b"").json()["nonce"].is_string());
    let session = post(&serving, "/api/v1/snaps/auth/sessions", "", b"{}").json();
    assert!(session["macaroon"].as_str().unwrap().len() > 40, "{session}");
}

#[test]
fn assertions_come_byte_for_byte() {
    let desk = desk();
    let serving = desk.serve();
    let bytes = snap("words", 3);
    let parts = Assertion::parse_stream(&assertions(authority(), "words", 3, &bytes)).unwrap();
    assert_eq!(parts.len(), 4);
    for part in &parts {
        let key = part.reference().short_key().join("/");
        let answer = ask(&serving, "GET", &format!("/v2/assertions/{}/{key}?max-format=9", part.kind()), "");
        assert!(answer.status == 200 && answer.body == part.encoded(), "{key}");
        assert_eq!(answer.headers["content-type"], "application/x.ubuntu.assertion");
        assert_eq!(answer.headers["content-length"], part.encoded().len().to_string());
    }
    let digest = Sha3::of(&bytes);
    let whole = ask(&serving, "GET", &format!("/v2/assertions/snap-revision/{digest}/global-upload"), "");
    assert_eq!(whole.status, 200);
    for absent in [
        format!("snap-revision/{digest}/other"),
        format!("snap-revision/{}", Sha3::of(b"other")),
        "snap-declaration/16/nothing".to_owned(),
        "snap-declaration/16".to_owned(),
        "account/a/b/c".to_owned(),
        "account".to_owned(),
        "nothing/x".to_owned(),
        "validation-set/16/a/b?sequence=latest".to_owned(),
        "account/%00".to_owned(),
    ] {
        let answer = ask(&serving, "GET", &format!("/v2/assertions/{absent}"), "");
        assert_eq!((answer.status, answer.code().as_str()), (404, "not-found"), "{absent}");
    }
    assert_eq!(ask(&serving, "GET", "/v2/assertions/account/x?max-format=y", "").status, 400);
}

#[test]
fn files_come_whole_and_in_part() {
    let desk = desk();
    let serving = desk.serve();
    let target = format!("/api/v1/snaps/download/{}_11.snap", snap_id("large"));
    let bytes = snap("large", 11);
    let whole = ask(&serving, "GET", &target, "");
    assert!(whole.status == 200 && whole.body == bytes && whole.headers["content-length"] == bytes.len().to_string());
    let rest = ask(&serving, "GET", &target, "Range: bytes=1000-\r\n");
    assert!(rest.status == 206 && rest.body == bytes[1000..]);
    let head = ask(&serving, "HEAD", &target, "");
    assert_eq!((head.status, head.headers["content-length"].as_str()), (200, bytes.len().to_string().as_str()));
    for absent in ["x_1.snap", "large_11.snap", "_.snap", ".snap", "index.json", "..%2findex.json", "%2e%2e"] {
        let answer = ask(&serving, "GET", &format!("/api/v1/snaps/download/{absent}"), "");
        assert_eq!((answer.status, answer.code().as_str()), (404, "not-found"), "{absent}");
    }
    fs::remove_file(desk.path("site/generations/1/snaps/store/large_11.snap")).unwrap();
    assert_eq!(ask(&serving, "GET", &target, "").status, 404);
}

#[test]
fn without_snaps_there_is_no_store() {
    let desk = Desk::new();
    desk.select("");
    desk.init(&[], "");
    let serving = desk.serve();
    assert!(!ask(&serving, "HEAD", "/", "").headers.contains_key("snap-store-version"));
    assert_eq!(post(&serving, "/v2/snaps/refresh", "", b"{}").status, 405);
    super::fixture::generation(&desk, 1, &[], &[]);
    assert_eq!(post(&serving, "/v2/snaps/refresh", "", b"{}").status, 200);
    fs::remove_file(desk.path("site/generations/1/snaps/store/index.json")).unwrap();
    assert_eq!(post(&desk.serve(), "/v2/snaps/refresh", "", b"{}").status, 405);
}

/// An upstream's own addresses are its own.
#[test]
fn what_an_upstream_has_is_not_the_store_s() {
    for (origin, expected) in
        [("http://archive.test/", 405), ("http://archive.test/v2", 405), ("http://archive.test/debian", 200)]
    {
        let desk = desk();
        super::fixture::archive(&desk, 1, origin);
        let serving = desk.serve();
        let at_archive = post(&serving, "/v2/snaps/refresh", "Host: archive.test:80\r\n", b"{}");
        assert_eq!(at_archive.status, expected, "{origin}");
        assert_eq!(post(&serving, "/v2/snaps/refresh", "", b"{}").status, 200, "{origin}");
        // Nor does the snaps' own origin take addresses from anyone.
        assert_eq!(post(&serving, "/v2/snaps/refresh", "Host: store.invalid\r\n", b"{}").status, 200);
        assert_eq!(ask(&serving, "GET", "/snaps/store/words_3.snap", "Host: store.invalid\r\n").status, 200);
    }
}

#[test]
fn a_damaged_index_is_said_to_be_one() {
    for (file, text) in
        [("index.json", r#"{"channels":[],"format":2,"snaps":[]}"#), ("index.json", "{"), ("words_3.assert", "type: x")]
    {
        let desk = desk();
        fs::write(desk.path("site/generations/1/snaps/store").join(file), text).unwrap();
        let answer = post(&desk.serve(), "/v2/snaps/refresh", "", b"{}");
        assert_eq!((answer.status, answer.code().as_str()), (500, "damaged-store"));
        let message = answer.json()["error-list"][0]["message"].to_string();
        assert!(message.contains(file) && !message.contains("site/"), "{message}");
    }
}
