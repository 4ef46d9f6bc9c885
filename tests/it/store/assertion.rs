//! The customer's own `store` assertion: kept by a command, served to devices.

use std::fs;

use gapferry::cli::Exit;
use gapferry::storage::audit;
use gapferry::upstream::assertions::TestAuthority;
use serde_json::json;

use super::fixture::desk;
use crate::serve::ask;
use crate::support::desk::Desk;
use crate::support::genuine::shared_data;

/// Writes the file FILE with what is said of a store at `url`, signed by `authority`.
fn write(desk: &Desk, authority: &TestAuthority, stores: &[(&str, &str)]) -> Vec<u8> {
    let key = &authority.store;
    let mut parts = vec![authority.store_key().to_vec()];
    parts.push(authority.account("operator", "operator", "verified").sign(key).unwrap());
    for (id, url) in stores {
        parts.push(authority.store_at(id, "operator", url).sign(key).unwrap());
    }
    let stream = parts.join(&b"\n"[..]);
    fs::write(desk.path("file.assert"), &stream).unwrap();
    stream
}

const KEEP: &str = "store-assertion --site site file.assert";

#[test]
fn it_is_kept_and_served() {
    let desk = desk();
    let ours = TestAuthority::trusted_in_tests().unwrap();
    let serving = desk.serve();
    let bundle = "/v2/auth/store/assertions";
    assert_eq!(ask(&serving, "GET", bundle, "").code(), "not-found");
    let stream = write(&desk, ours, &[("gapStore", "https://snaps.internal/")]);
    let kept = desk.run(&format!("{KEEP} --json")).ok().json();
    assert_eq!([&kept["store"], &kept["url"]], ["gapStore", "https://snaps.internal/"]);
    assert_eq!(
        kept["commands"],
        json!([
            "curl -sSfL https://snaps.internal/v2/auth/store/assertions | sudo snap ack /dev/stdin",
            "sudo snap set core proxy.store=gapStore"
        ])
    );
    let answer = ask(&serving, "GET", bundle, "");
    assert!(answer.status == 200 && answer.body == stream);
    assert_eq!(answer.headers["content-type"], "application/x.ubuntu.assertion");
    let store = ask(&serving, "GET", "/v2/assertions/store/gapStore", "");
    assert!(store.status == 200 && stream.ends_with(&store.body));
    assert_eq!(ask(&serving, "GET", "/v2/assertions/account/operator?max-format=0", "").status, 200);
    assert_eq!(ask(&serving, "GET", "/v2/assertions/store/other", "").code(), "not-found");

    // Another takes its place, and each is on record.
    write(&desk, ours, &[("other", "http://other.internal/path")]);
    let words = desk.run(KEEP).ok().out;
    assert!(
        words.contains("http://other.internal/path/v2/auth/store/assertions") && words.contains("=other"),
        "{words}"
    );
    assert_eq!(ask(&serving, "GET", "/v2/assertions/store/other", "").status, 200);
    assert_eq!(ask(&serving, "GET", "/v2/assertions/store/gapStore", "").status, 404);
    let records = audit::read(&desk.path("site/audit.jsonl")).unwrap();
    let records: Vec<&str> =
        records.iter().filter(|r| r.event == "store-assertion").map(|r| r.subject.as_str()).collect();
    assert_eq!(records, ["gapStore", "other"]);
}

#[test]
fn what_is_none_is_refused() {
    let desk = desk();
    let ours = TestAuthority::trusted_in_tests().unwrap();
    write(&desk, TestAuthority::shared().unwrap(), &[("x", "https://x.invalid/")]);
    desk.run(KEEP).says(Exit::VerificationFailed, &["file.assert", "cannot be trusted"]);
    let good = write(&desk, ours, &[("x", "https://x.invalid/")]);
    for (from, to) in [("x.invalid", "y.invalid"), ("store: x", "store: y")] {
        fs::write(desk.path("file.assert"), String::from_utf8(good.clone()).unwrap().replace(from, to)).unwrap();
        desk.run(KEEP).says(Exit::VerificationFailed, &["cannot be trusted"]);
    }
    for bytes in [&good[..good.len() / 2], b"", b"\xff", b"type: store\n\n"] {
        fs::write(desk.path("file.assert"), bytes).unwrap();
        assert_ne!(desk.run(KEEP).code, 0);
    }
    write(&desk, ours, &[]);
    desk.run(KEEP).says(Exit::Usage, &["0 store assertions", "store-admin register"]);
    write(&desk, ours, &[("x", "https://x.invalid/"), ("y", "https://y.invalid/")]);
    desk.run(KEEP).says(Exit::Usage, &["2 store assertions"]);
    write(&desk, ours, &[("x", "")]);
    desk.run(KEEP).says(Exit::Usage, &["no URL"]);
    desk.run("store-assertion --site site none").says(Exit::Usage, &["cannot read none"]);
    assert!(!desk.path("site/store.assert").exists());
}

/// A genuine one, which Canonical's store signed.
#[test]
fn a_genuine_one_is_accepted() {
    let Some(folder) = shared_data() else { return };
    let desk = desk();
    fs::copy(folder.join("store-heS0H76d.assert"), desk.path("file.assert")).unwrap();
    let words = desk.run(KEEP).ok().out;
    assert!(words.contains("proxy.store=heS"), "{words}");
}
