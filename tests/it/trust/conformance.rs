//! The behaviours that TUF's conformance suite asks of a client, of an import: trust files stand for root, manifests for the other
//! roles.

use std::fs;
use std::path::Path;

use gapferry::bundle::state::Manifest;
use gapferry::cli::Exit;
use gapferry::numbers::Sequence;
use gapferry::site::{NewSite, init};
use gapferry::trust::SecretKey;
use gapferry::upstream::{DebSpec, Upstream};
use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey};
use ssh_key::public::Ed25519PublicKey;
use ssh_key::{LineEnding, PrivateKey};

use super::tuf::{PERSONS, Root, ours, rows, secret};
use crate::support::desk::Desk;
use crate::support::read_bundle::{packing_folder, resign};
use crate::support::snapshot::copy;

/// A desk whose builder has the key that the trust files of [`Root`] name.
fn desk() -> Desk {
    let desk = Desk::new();
    let key = secret(PERSONS);
    let public = Ed25519PublicKey(key.verifying_key().to_bytes());
    let private = Ed25519PrivateKey::from_bytes(&key.to_bytes());
    let key = PrivateKey::from(Ed25519Keypair { public, private });
    fs::write(desk.path("online/builder.key"), key.to_openssh(LineEnding::LF).unwrap().as_bytes()).unwrap();
    fs::write(desk.path("online/builder.key.pub"), key.public_key().to_openssh().unwrap() + "\n").unwrap();
    desk
}

/// Exports the next version of a package, of an epoch. Returns the bundle's folder.
#[track_caller]
fn bundle(desk: &Desk, version: &str, epoch: u64) -> String {
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", version, "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    let table = desk.table("demo", &desk.url("up"), "stable main amd64", "");
    desk.select(&format!("epoch = {epoch}\n{table}"));
    let more = format!("--out medium-{epoch} --json");
    let export = "export online/selection.toml --key online/builder.key --workspace online/workspace";
    desk.run(&format!("{export} {more}")).ok().json()["bundle"].as_str().unwrap().to_owned()
}

fn new_site(desk: &Desk, site: &str, first: &Root) {
    let new = NewSite {
        name: "dc1".parse().unwrap(),
        trust: first.gapferry().unwrap().file,
        allow_unsigned: Default::default(),
        keyrings: vec![("demo".parse().unwrap(), desk.path("keyring.gpg"))],
        key_algorithm: Default::default(),
    };
    init(&desk.path(site), &new).unwrap();
}

fn write_trust(bundle: &Path, chain: &[Root]) {
    fs::create_dir_all(bundle.join("trust")).unwrap();
    for root in chain {
        let (text, signatures) = root.files();
        fs::write(bundle.join(format!("trust/{}.json", root.version)), text).unwrap();
        fs::write(bundle.join(format!("trust/{}.json.sig", root.version)), signatures).unwrap();
    }
}

/// An import takes as many steps as python-tuf does, and refuses the bundle if the next one is not valid or the last one has
/// expired.
#[test]
fn imports_take_the_steps_of_the_conformance_suite() {
    let desk = desk();
    let folder = bundle(&desk, "1.0-1", 1);
    for (number, (name, chain, accepted, _)) in rows().into_iter().enumerate() {
        let (site, medium) = (format!("site-{number}"), format!("carried-{number}"));
        new_site(&desk, &site, &chain[0]);
        copy(&desk.path(&folder), &desk.path(&medium));
        write_trust(&desk.path(&medium), &chain[1..]);
        let newest = &chain[accepted - 1];
        // A version that is missing in between, or is old, is never looked at.
        let is_reached = chain.get(accepted).is_some_and(|next| next.version == newest.version + 1);
        let is_expired = ours(&chain).1;
        let ended = desk.run(&format!("import {medium} --site {site}"));
        assert_eq!(ended.code == 0, !is_reached && !is_expired, "{name}: {ended:?}");
        if is_expired && !is_reached {
            ended.says(Exit::Refused, &["of the trust file expired"]);
        }
        let shown = desk.run(&format!("trust show {site} --json")).ok().json();
        assert_eq!(shown["version"], newest.version, "{name}");
    }
}

/// Signs the manifest anew with a change.
fn forge(desk: &Desk, folder: &str, change: impl Fn(&mut Manifest)) {
    let path = desk.path(folder).join("manifest.json");
    let mut manifest = Manifest::parse(&fs::read(path).unwrap()).unwrap();
    change(&mut manifest);
    let key = SecretKey::load(&desk.path("online/builder.key"), || None).unwrap();
    resign(&desk.path(folder), &key, manifest.to_text().unwrap().as_bytes());
}

/// A thief has published the highest sequence, as the first one of a site: a trust file with a new epoch lets sequences begin afresh.
#[test]
fn fast_forward_recovery() {
    let desk = desk();
    let folder = bundle(&desk, "1.0-1", 1);
    desk.init(&["demo"], "");
    let replace = |version: u64, epoch: u64| {
        let out = format!("{version}.json");
        let edited = desk.run(&format!("trust edit site --out {out} --epoch {epoch} --json")).ok().json();
        desk.apply(&format!("{out} --replace {}", edited["sha256"].as_str().unwrap())).ok();
    };
    copy(&desk.path(&folder), &desk.path("forged"));
    forge(&desk, "forged", |manifest| manifest.sequence = Sequence::MAX);
    desk.run("import forged --site site").says(Exit::Refused, &["jumps", "--allow-sequence-jump"]);
    desk.run("import forged --site site --allow-sequence-jump").ok();
    let second = bundle(&desk, "2.0-1", 1);
    desk.run(&format!("import {second} --site site")).says(Exit::Refused, &["was imported before"]);
    replace(2, 2);
    let fresh = bundle(&desk, "3.0-1", 2);
    desk.run(&format!("import {fresh} --site site")).ok();
    desk.run("import forged --site site --allow-sequence-jump").says(Exit::Refused, &["epoch"]);
}

/// Each role's older files again: trust file, manifest, packing.
#[test]
fn no_role_is_rolled_back() {
    let desk = desk();
    let (old, new) = (bundle(&desk, "1.0-1", 1), bundle(&desk, "2.0-1", 1));
    let root = |version| Root { version, ..rows()[0].1[0].clone() };
    new_site(&desk, "site", &root(1));
    write_trust(&desk.path(&new), &[root(2), root(3)]);
    desk.run(&format!("import {new} --site site")).ok();
    write_trust(&desk.path(&old), &[root(2)]);
    desk.run(&format!("import {old} --site site")).says(Exit::Refused, &["sequence 1", "2 was imported"]);
    assert_eq!(desk.trust_version(), 3);
    new_site(&desk, "other", &root(1));
    fs::remove_dir_all(desk.path(&new).join("packings")).unwrap();
    copy(&packing_folder(&desk.path(&old)), &packing_like(&desk, &old, &new));
    let mixed = desk.run(&format!("import {new} --site other"));
    assert!(mixed.code != 0 && mixed.err.contains("packing"), "{mixed:?}");
    assert!(!desk.path("other/current").exists());
}

/// The folder of the old bundle's packing, in the new one.
fn packing_like(desk: &Desk, old: &str, new: &str) -> std::path::PathBuf {
    let folder = packing_folder(&desk.path(old));
    fs::create_dir(desk.path(new).join("packings")).unwrap();
    desk.path(new).join("packings").join(folder.file_name().unwrap())
}
