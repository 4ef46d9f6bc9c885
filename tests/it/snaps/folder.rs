//! Snaps from a folder, the whole way through the program.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use gapferry::cli::Exit;
use gapferry::site::Site;
use gapferry::upstream::assertions::TestAuthority;
use serde_json::json;

use crate::assertions::snapd::ack;
use crate::support::desk::{Desk, names};
use crate::support::snaps::{assertions, authority, by_an_expired_key, snap};

/// Writes a snap and its assertions into the desk's folder `snaps`.
fn download(desk: &Desk, store: &TestAuthority, name: &str, revision: u64) {
    let (folder, bytes) = (desk.path("snaps"), snap(name, revision));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}_{revision}.assert")), assertions(store, name, revision, &bytes)).unwrap();
    fs::write(folder.join(format!("{name}_{revision}.snap")), bytes).unwrap();
}

fn desk() -> Desk {
    let desk = Desk::new();
    download(&desk, authority(), "words", 3);
    download(&desk, authority(), "core-gap", 7);
    desk.select("[[snaps]]\nfrom = \"../snaps\"\nclosure = false\n");
    desk
}

fn same(one: &Path, other: &Path) {
    assert!(fs::read(one).unwrap() == fs::read(other).unwrap(), "{} {}", one.display(), other.display());
}

#[test]
fn links_within_the_folder_are_followed_and_others_refused_by_name() {
    let desk = desk();
    let path = |name: &str| desk.path("snaps").join(name);
    fs::create_dir(path("pool")).unwrap();
    for name in ["words_3.snap", "words_3.assert"] {
        fs::rename(path(name), path("pool").join(name)).unwrap();
    }
    symlink("pool/words_3.snap", path("words.snap")).unwrap();
    symlink("pool/words_3.assert", path("words.assert")).unwrap();
    fs::remove_file(path("core-gap_7.snap")).unwrap();
    assert_eq!(desk.export("--dry-run --json").ok().json()["collections"][0]["items"], 1);
    for name in ["words_3.snap", "words_3.assert"] {
        fs::rename(path("pool").join(name), desk.path(name)).unwrap();
        symlink(desk.path(name), path("pool").join(name)).unwrap();
        let words = format!("{name} is a symbolic link that leads out of its folder");
        desk.export("").says(Exit::Usage, &[words.as_str()]);
        fs::remove_file(path("pool").join(name)).unwrap();
        fs::rename(desk.path(name), path("pool").join(name)).unwrap();
    }
}

#[test]
fn snaps_and_what_vouches_for_them_come_across_byte_for_byte() {
    let desk = desk();
    let dry = desk.export("--dry-run --json").ok().json();
    assert_eq!(dry["selected"]["files"], 2);
    let bundle = desk.bundle();
    let inspected = desk.run(&format!("inspect {} --json", bundle.display())).ok().json();
    let item = &inspected["collections"][0]["items"][1];
    assert_eq!(item["name"], "words");
    assert_eq!([&item["version"], &item["publisher"], &item["proof"]], ["1.3", "gap-publisher", "words_3.assert"]);
    assert_eq!(
        [&item["licence"], &inspected["collections"][0]["items"][0]["licence"]],
        [&json!("GPL-3.0-only"), &json!(null)]
    );
    desk.init(&[], "");
    desk.import(&bundle).ok();
    let folder = desk.path("site/current/snaps/store");
    let published = ["core-gap_7.assert", "core-gap_7.snap", "words_3.assert", "words_3.snap"];
    assert_eq!(names(&folder).iter().filter(|name| *name != "index.json").collect::<Vec<_>>(), published);
    published.iter().for_each(|name| same(&folder.join(name), &desk.path("snaps").join(name)));

    // Another bundle does not hash again what is known, and does not lose it.
    download(&desk, authority(), "large", 2);
    desk.ferry();
    let generation = Site::open(&desk.path("site")).unwrap().current().unwrap();
    assert_eq!(generation.second_digests.len(), 3);
    assert_eq!(names(&folder).len(), 7);
    desk.export("").says(Exit::NothingNew, &["nothing is new"]);
}

#[test]
fn what_the_store_does_not_vouch_for_is_refused_at_export() {
    let desk = desk();
    let snap = desk.path("snaps/words_3.snap");
    let good = fs::read(&snap).unwrap();
    let mut evil = good.clone();
    evil[100] ^= 1;
    fs::write(&snap, evil).unwrap();
    desk.export("").says(Exit::VerificationFailed, &["cannot trust", "words_3.snap"]);
    fs::write(&snap, good).unwrap();

    let beside = desk.path("snaps/words_3.assert");
    let stream = fs::read(&beside).unwrap();
    fs::write(&beside, fs::read(desk.path("snaps/core-gap_7.assert")).unwrap()).unwrap();
    desk.export("").says(Exit::VerificationFailed, &["words_3.snap"]);
    fs::write(&beside, &stream[..stream.len() / 2]).unwrap();
    desk.export("").says(Exit::VerificationFailed, &["words_3.snap"]);
    fs::remove_file(&beside).unwrap();
    desk.export("").says(Exit::Usage, &["words_3.assert", "snap download"]);
    fs::write(&beside, &stream).unwrap();
    fs::write(desk.path("good.assert"), stream).unwrap();

    let expired = by_an_expired_key(authority(), "words", 3, &fs::read(&snap).unwrap());
    fs::write(&beside, expired).unwrap();
    desk.export("").says(Exit::VerificationFailed, &["words_3.snap", "2020"]);
    fs::write(&beside, fs::read(desk.path("good.assert")).unwrap()).unwrap();

    download(&desk, TestAuthority::shared().unwrap(), "large", 1);
    desk.export("").says(Exit::VerificationFailed, &["large_1.snap"]);
    fs::remove_file(desk.path("snaps/large_1.snap")).unwrap();
    desk.export("").ok();
    desk.select("[[snaps]]\nfrom = \"../none\"\n");
    assert_ne!(desk.export("").code, 0);
    desk.select("[[snaps]]\nform = \"../snaps\"\n");
    desk.export("").says(Exit::Usage, &["did you mean `from`"]);
}

/// What is published of a snap is what stock snapd reads: it refuses it for nothing but its root.
#[test]
fn stock_snapd_reads_what_is_published() {
    let desk = desk();
    desk.init(&[], "");
    desk.ferry();
    let stream = fs::read(desk.path("site/current/snaps/store/words_3.assert")).unwrap();
    let Some(says) = ack(&[stream]) else { return };
    assert!(!says[0].accepts, "stock snapd trusts the tests' root: {says:?}");
    let untrusted =
        ["no matching public key", "not signed by a directly trusted authority", "cannot resolve prerequisite"];
    assert!(untrusted.iter().any(|words| says[0].words.contains(words)), "{says:?}");
}

#[test]
fn a_folder_is_served_by_path() {
    let desk = desk();
    desk.init(&[], "");
    desk.ferry();
    let (status, bytes) = crate::serve::fetch(&desk.serve(), "/snaps/store/core-gap_7.snap");
    assert_eq!((status, bytes.len()), (200, snap("core-gap", 7).len()));
    let state = desk.run("status --site site --json").ok().json();
    assert_eq!(state["published"]["snaps/store"]["unsigned"], json!(0));
}
