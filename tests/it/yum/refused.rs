//! Repositories that are refused, online and at the site, and clients that refuse what somebody changed on the way to them.

use std::fs;

use gapferry::cli::Exit::{NothingNew, Refused, UpstreamUnavailable, VerificationFailed};
use gapferry::digest::Sha256;

use super::{APP_1, APP_2, LIB, client, desk, ferry, init, select};
use crate::support::desk::Desk;
use crate::yum::rpms::RPMS;

/// Changes one byte of a file and leaves its size.
fn flip(path: &std::path::Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let _ = fs::remove_file(path); // it may be a link to a blob
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_upstream_did_not_sign_is_not_exported() {
    let desk = desk("");
    let up = desk.path("up");
    desk.export("").says(UpstreamUnavailable, &["no repodata/repomd.xml"]);
    let fresh = || RPMS.repository(&up, 1, &[APP_1, LIB]);

    fresh();
    flip(&up.join(format!("Packages/f/{APP_1}.rpm")));
    desk.export("").says(VerificationFailed, &["ferry-app-1.0-1.x86_64.rpm"]);

    fresh();
    fs::remove_file(up.join("repodata/repomd.xml.asc")).unwrap();
    desk.export("").says(VerificationFailed, &["nobody signed", "allow-unsigned = true"]);

    fresh();
    RPMS.sign(&up, "Stranger");
    desk.export("").says(VerificationFailed, &["repodata/repomd.xml is not signed by a key of the keyring"]);

    fresh();
    let repomd = up.join("repodata/repomd.xml");
    let text = fs::read_to_string(&repomd).unwrap();
    fs::write(&repomd, text.replacen("<size>", "<size>1", 1)).unwrap();
    desk.export("").says(VerificationFailed, &["repodata/repomd.xml is not signed by a key of the keyring"]);

    // Other packages: the first export has that of the same ones in the depot, if all files are of one second.
    RPMS.repository(&up, 2, &[APP_2, LIB]);
    let mut files = fs::read_dir(up.join("repodata")).unwrap().map(|entry| entry.unwrap().path());
    flip(&files.find(|path| path.to_string_lossy().contains("primary.xml")).unwrap());
    desk.export("").says(VerificationFailed, &["primary.xml"]);

    fresh();
    desk.export("").ok();
}

#[test]
fn a_repository_that_goes_back_is_refused() {
    let desk = desk("");
    ferry(&desk, 2, &[APP_2, LIB]);
    RPMS.repository(&desk.path("up"), 1, &[APP_1, LIB]);
    desk.export("").says(Refused, &["yum/el/repodata/repomd.xml", "--allow-older-upstream"]);
    let older = desk.export("--allow-older-upstream --json").ok().json();
    let older = desk.path(older["bundle"].as_str().unwrap());
    desk.import(&older).says(Refused, &["yum/el/repodata/repomd.xml"]);
    desk.run(&format!("import {} --site site --allow-older-upstream", older.display())).ok();
    desk.export("").says(NothingNew, &[]);
}

#[test]
fn a_site_that_pins_another_key_refuses() {
    let desk = Desk::new();
    select(&desk, &desk.url("up"), "Upstream", "");
    init(&desk, "Stranger");
    RPMS.repository(&desk.path("up"), 1, &[APP_1, LIB]);
    let bundle = desk.bundle();
    desk.import(&bundle).says(VerificationFailed, &["repodata/repomd.xml", "not vouched for by the keys pinned here"]);
    assert!(!desk.path("site/current/yum").exists());
}

#[test]
fn a_repository_without_signature_travels_where_both_sides_allow_it() {
    let desk = Desk::new();
    let table = |more: &str| format!("[[yum]]\nname = \"el\"\nurl = \"{}\"\n{more}\n", desk.url("up"));
    RPMS.repository(&desk.path("up"), 1, &[APP_1, LIB]);
    desk.select(&table(""));
    desk.export("").says(gapferry::cli::Exit::Usage, &["[[yum]] el", "it needs a keyring", "allow-unsigned"]);
    desk.select(&table("allow-unsigned = true"));
    let bundle = desk.bundle();
    desk.run("site init site --name dc1 --builder online/builder.key.pub").ok();
    desk.import(&bundle).says(Refused, &["without proof by upstream", "allow-unsigned"]);
    fs::remove_dir_all(desk.path("site")).unwrap();
    desk.run("site init site --name dc1 --builder online/builder.key.pub --allow-unsigned el").ok();
    desk.import(&bundle).ok();
    let inspect = desk.run(&format!("inspect {}", bundle.display())).ok();
    assert_eq!(inspect.out.matches("WITHOUT UPSTREAM PROOF").count(), 2, "{}", inspect.out);
    let shown = desk.run(&format!("inspect {} --json", bundle.display())).ok().json();
    let items = shown["collections"][0]["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["licence"] == "MIT" && item.get("source").is_none()), "{items:?}");
}

/// Returns the blob that `serve` sends for a published file.
fn served_blob(desk: &Desk, path: &str) -> std::path::PathBuf {
    let digest = Sha256::of(&fs::read(desk.path("site/current").join(path)).unwrap()).to_hex();
    desk.path("site/depot/sha256").join(&digest[..2]).join(&digest)
}

/// The last line: whatever happened to the site's own files, dnf finds it.
#[test]
fn dnf_refuses_what_was_changed_at_the_site() {
    let desk = desk("");
    ferry(&desk, 1, &[APP_1, LIB]);
    let serving = desk.serve();
    flip(&served_blob(&desk, &format!("yum/el/Packages/f/{APP_1}.rpm")));
    let ended = client(&serving).run("install ferry-app");
    assert_ne!(ended.code, 0, "{}", ended.out);
    let repomd = served_blob(&desk, "yum/el/repodata/repomd.xml");
    let text = fs::read_to_string(&repomd).unwrap();
    fs::remove_file(&repomd).unwrap();
    // As long as before: a blob of another length is not sent at all.
    fs::write(&repomd, text.replacen("<revision>1", "<revision>2", 1)).unwrap();
    drop(serving); // it may have the file of a moment ago open
    let serving = desk.serve();
    let ended = client(&serving).run("install ferry-lib");
    assert!(ended.code != 0 && ended.err.contains("repomd.xml"), "{}\n{}", ended.out, ended.err);
}
