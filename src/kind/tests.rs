//! The table of kinds, and the places that name a kind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::Kind;

#[test]
fn tells_what_never_changes_under_its_name() {
    for path in [
        "apt/u/pool/main/a/a_1_all.deb",
        "apt/u/dists/jammy/main/binary-amd64/by-hash/SHA256/0a",
        "apt/flat/by-hash/SHA256/0a",
        "apt/flat/bookworm/a_1_all.deb",
        "images/maas/jammy/amd64/20250718/squashfs",
        "snaps/store/jq_6.snap",
        "os-images/own/centos/9/amd64/20250101/root.tar.gz",
        "yum/rocky/Packages/a/a-1-1.noarch.rpm",
        "yum/rocky/repodata/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad-primary.xml.gz",
    ] {
        assert!(Kind::is_immutable(path), "{path}");
    }
    for path in [
        "apt/u/dists/jammy/InRelease",
        "apt/flat/InRelease",
        "apt/flat/bookworm/Packages.gz",
        "images/maas/streams/v1/index.sjson",
        "snaps/store/index.json",
        "os-images/own/streams/v1/index.json",
        "files/tools/a",
        "keys/site.gpg",
        "yum/rocky/repodata/repomd.xml",
        "yum/rocky/repodata/repomd.xml.asc",
        "yum/rocky/repodata/primary.xml.gz",
    ] {
        assert!(!Kind::is_immutable(path), "{path}");
    }
}

#[test]
fn manifests_and_paths_have_one_name_for_each_kind() {
    for kind in Kind::ALL.iter().copied() {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        assert_eq!(Kind::of_path(&format!("{kind}/name/a/b")), Some((kind, "a/b")));
    }
}

/// The files that a kind needs: its entry, its collector with a table of the selection, and its publisher.
const PLACES_OF_A_KIND: [&str; 7] = [
    "collect/mod.rs",
    "collect/toy.rs",
    "kind/table.rs",
    "selection/mod.rs",
    "selection/toy.rs",
    "site/publish/mod.rs",
    "site/publish/toy.rs",
];

#[test]
fn a_kind_is_named_in_its_entry_its_collector_and_its_publisher_alone() {
    let naming = sources().into_iter().filter(|(_, text)| text.to_lowercase().contains("toy")).map(|(file, _)| file);
    assert_eq!(naming.collect::<Vec<_>>(), PLACES_OF_A_KIND);
}

#[test]
fn code_outside_those_places_names_no_kind() {
    let places = ["collect/", "kind/", "selection/", "site/publish/"];
    let kinds: Vec<String> = Kind::ALL.iter().map(|kind| format!("Kind::{kind:?}")).collect();
    let mut found = BTreeSet::new();
    for (file, text) in sources().into_iter().filter(|(file, _)| !places.iter().any(|place| file.starts_with(place))) {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for kind in &kinds {
            let mut after = code.match_indices(kind.as_str()).map(|(at, _)| (at, &code[at + kind.len()..]));
            let is_whole = |(at, rest): (usize, &str)| {
                let is_start = !code[..at].ends_with(|c: char| c.is_alphanumeric());
                is_start && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '(')
            };
            if after.any(is_whole) {
                found.insert(format!("{file}: {kind}"));
            }
        }
    }
    assert_eq!(found, BTreeSet::new());
}

/// The files below `src` with their texts, sorted; without those of tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = files.filter(|file| file.path().extension().is_some_and(|ending| ending == "rs"));
    let texts = files.map(|file| {
        let name = file.path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(file.path()).unwrap())
    });
    texts.filter(|(name, _)| !name.ends_with("tests.rs") && !name.contains("/tests/")).collect()
}
