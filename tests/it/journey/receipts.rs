//! Receipts: what they say of states that a site holds or has refused.

use std::fs;
use std::path::{Path, PathBuf};

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use gapferry::formats::openpgp::SiteKey;
use gapferry::upstream::{DebSpec, Upstream};

use crate::support::desk::Desk;
use crate::support::read_bundle::packing_folder;

/// A desk with a site, and a bundle for each of these versions.
fn desk_with_bundles(versions: &[&str]) -> (Desk, Vec<PathBuf>) {
    let desk = Desk::new();
    let bundle = |version: &&str| {
        let mut upstream = Upstream::new("Keep", &["amd64"]);
        upstream.add("stable", "main", DebSpec::new("hello", version, "amd64"));
        desk.archive("up", &mut upstream, &["stable"]);
        desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", "packages = [\"hello\"]"));
        desk.bundle()
    };
    let bundles = versions.iter().map(bundle).collect();
    desk.init(&["demo"], "");
    (desk, bundles)
}

/// The lines of a new receipt that begin with one of these keys.
fn receipt(desk: &Desk) -> Vec<String> {
    let text = desk.run("receipt --site site --name base").ok().out;
    let is_state = |line: &&str| ["Published: ", "Held: ", "Refused: "].iter().any(|key| line.starts_with(key));
    text.lines().filter(is_state).map(str::to_owned).collect()
}

/// A line of a receipt about a bundle.
fn line(key: &str, sequence: u64, bundle: &Path) -> String {
    format!("{key}: {sequence} {}", Sha256::of(&fs::read(bundle.join("manifest.json")).unwrap()))
}

#[test]
fn an_unfinished_import_is_held_until_it_is_published() {
    let (desk, bundles) = desk_with_bundles(&["1.0-1", "2.0-1"]);
    desk.import(&bundles[0]).ok();
    let (volume, away) = (packing_folder(&bundles[1]).join("volume-001.tar"), desk.path("away.tar"));
    fs::rename(&volume, &away).unwrap();
    desk.import(&bundles[1]).says(Exit::VolumesMissing, &["volume-001.tar"]);
    assert_eq!(receipt(&desk), [line("Published", 1, &bundles[0]), line("Held", 2, &bundles[1])]);
    fs::rename(&away, &volume).unwrap();
    desk.import(&bundles[1]).ok();
    assert_eq!(receipt(&desk), [line("Published", 2, &bundles[1])]);
}

#[test]
fn a_bundle_that_fails_its_checks_is_refused_until_it_is_published() {
    let (desk, bundles) = desk_with_bundles(&["1.0-1", "2.0-1"]);
    desk.import(&bundles[0]).ok();
    let stranger = SiteKey::generate("Stranger <stranger@desk.invalid>", 1_700_000_000).unwrap();
    fs::write(desk.path("other.gpg"), stranger.public_binary().unwrap()).unwrap();
    desk.run("site pin --site site --source demo --keyring other.gpg --replace").ok();
    desk.import(&bundles[1]).says(Exit::VerificationFailed, &["InRelease"]);
    assert_eq!(receipt(&desk), [line("Published", 1, &bundles[0]), line("Refused", 2, &bundles[1])]);
    desk.run("site pin --site site --source demo --keyring keyring.gpg --replace").ok();
    desk.import(&bundles[1]).ok();
    assert_eq!(receipt(&desk), [line("Published", 2, &bundles[1])]);
}
