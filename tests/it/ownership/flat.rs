//! Flat suites whose signatures a thief of the builder's key takes away or puts elsewhere.

use super::*;
use crate::journey::flat::FlatRepository;
use crate::support::lies::{path, put};

/// A site that publishes two flat suites of one repository, and the manifest that brought them.
fn site(policy: &str) -> (Desk, ReadBundle) {
    let repository = FlatRepository::new();
    repository.publish_hello("", "Origin: Vendor\n");
    repository.publish_hello("noble", "Suite: noble\n");
    let desk = repository.desk;
    desk.select(&format!(
        "[[apt]]\nname = \"flat\"\nurl = \"{}\"\nsuites = [\"./\", \"noble/\"]\narchitectures = [\"amd64\"]\n\
         keyring = \"{}\"\n",
        desk.url("up/vendor/deb"),
        desk.path("keyring.gpg").display()
    ));
    desk.init(&["flat"], policy);
    let bundle = desk.bundle();
    desk.import(&bundle).ok();
    (desk, manifest(&bundle))
}

/// Takes the signatures away.
fn unsign(collection: &mut Collection) {
    collection.proofs.retain(|proof| proof.path.file_name() != "InRelease");
    collection.items.iter_mut().for_each(|item| item.proof = None);
}

#[test]
fn flat_suites_without_their_signatures_are_refused() {
    let (desk, honest) = site("");
    let forged = forge(&desk, &honest, |manifest| unsign(find(manifest, "flat")));
    desk.import(&forged).says(Exit::Refused, &["hello_1.0_amd64.deb", "flat"]);
}

#[test]
fn a_site_that_allows_unsigned_flat_suites_signs_them() {
    let (desk, honest) = site("--allow-unsigned flat");
    let forged = forge(&desk, &honest, |manifest| unsign(find(manifest, "flat")));
    desk.import(&forged).ok();
    let (folder, key) = (desk.path("site/current/apt/flat"), desk.path("site/current/keys/site.gpg"));
    for suite in ["./", "/", "noble/"] {
        let client = AptClient::new("amd64");
        let line = format!("deb [signed-by={}] file:{} {suite}\n", key.display(), folder.display());
        fs::write(client.path("etc/apt/sources.list.d/x.list"), line).unwrap();
        client.updates_without_complaint("");
        assert_eq!(client.would_install("hello"), ["hello"], "{suite}");
    }
    let status = desk.run("status --site site").ok().out;
    assert!(status.contains("2 items WITHOUT UPSTREAM PROOF"), "{status}");
}

#[test]
fn a_flat_suite_cannot_stand_in_for_another() {
    let (desk, honest) = site("");
    let forged = forge(&desk, &honest, |manifest| {
        let flat = find(manifest, "flat");
        let moved = |at: &str| path(&at.replace("noble/", "jammy/"));
        for proof in &mut flat.proofs {
            proof.path = moved(proof.path.as_str());
        }
        for item in &mut flat.items {
            item.proof = item.proof.as_ref().map(|proof| moved(proof.as_str()));
        }
        flat.proofs.sort_by(|a, b| a.path.cmp(&b.path));
    });
    desk.import(&forged).says(Exit::VerificationFailed, &["jammy/InRelease was asked for as \"jammy/\"", "\"noble\""]);
    let depot = Depot::open(&desk.path("online/workspace/depot")).unwrap();
    for index in ["Packages.gz", "noble/Packages.gz"] {
        let evil = put(&depot, b"Package: evil\n");
        let forged = forge(&desk, &honest, |manifest| {
            let proofs = &mut find(manifest, "flat").proofs;
            proofs.iter_mut().filter(|proof| proof.path.as_str() == index).for_each(|proof| proof.sha256 = evil);
        });
        desk.import(&forged).says(Exit::VerificationFailed, &[index]);
    }
}
