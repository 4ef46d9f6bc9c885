//! A site before and after its trust file changes hands.

use std::fs;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Upstream};

use super::desk_with_roots;
use crate::support::desk::Desk;

/// Exports the next version of a package, signed with `key`. Returns the bundle's folder name and its manifest's digest.
#[track_caller]
fn bundle(desk: &Desk, version: &str, key: &str) -> (String, String) {
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", version, "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", ""));
    let export = "export online/selection.toml --out medium --workspace online/workspace --json --key";
    let folder = desk.run(&format!("{export} {key}")).ok().json()["bundle"].as_str().unwrap().to_owned();
    let folder = folder.rsplit('/').next().unwrap().to_owned();
    let verified = desk.run(&format!("verify medium/{folder} --builder {key}.pub --json")).ok().json();
    (folder, verified["manifest_sha256"].as_str().unwrap().to_owned())
}

fn import(desk: &Desk, bundle: &str) -> crate::support::desk::Ended {
    desk.run(&format!("import medium/{bundle} --site site"))
}

/// A stolen key: what it signed and is not published is void, but for the manifests that the new file lists.
#[test]
fn a_revocation_voids_what_is_not_published() {
    let desk = desk_with_roots();
    let old = "online/builder.key";
    let (first, _) = bundle(&desk, "1.0-1", old);
    desk.run("site pin --site site --source demo --keyring keyring.gpg").ok();
    import(&desk, &first).ok();
    let (second, kept) = bundle(&desk, "2.0-1", old);
    let (third, _) = bundle(&desk, "3.0-1", old);

    desk.run("keygen new.key").ok();
    let changes = format!("--add-key builder:builder:new.key.pub --revoke {old}.pub --keep-manifest {old}.pub={kept}");
    desk.next_trust("trust-2.json", &changes, &["anna", "carl"]);
    desk.apply("trust-2.json").ok();

    import(&desk, &third).says(Exit::Refused, &["of builder, which version 2 of the trust file revokes"]);
    import(&desk, &second).ok();
    import(&desk, &second).says(Exit::NothingNew, &["is here already"]);
    desk.run(&format!("import medium/{first} --reread --site site")).ok();
    desk.run("rollback --site site").ok();
    assert_eq!(desk.trust_version(), 2, "a rollback leaves the trust file alone");
    import(&desk, &third).says(Exit::Refused, &["revokes"]);
    desk.run(&format!("verify medium/{third} --site site")).says(Exit::Refused, &["revokes"]);
    let (fourth, _) = bundle(&desk, "4.0-1", "new.key");
    import(&desk, &fourth).ok();
}

#[test]
fn versions_follow_one_another_and_never_go_back() {
    let desk = desk_with_roots();
    desk.next_trust("2.json", "--epoch 2", &["anna", "bert"]);
    desk.apply("2.json --dry-run").ok();
    assert_eq!(desk.trust_version(), 1, "a dry run changes nothing");
    fs::copy(desk.path("site/trust/1.json"), desk.path("1.json")).unwrap();
    desk.run("trust edit 2.json --out 3.json --epoch 3").ok();
    desk.run("trust sign 3.json --key bert.key").ok();
    desk.apply("3.json").says(Exit::Refused, &["has version 3, and the site has version 1"]);
    desk.apply("2.json 3.json")
        .says(Exit::VerificationFailed, &["2 of anna, bert, carl", "signed by bert", "trust sign"]);
    assert_eq!(desk.trust_version(), 1, "no step counts unless all do");
    desk.run("trust sign 3.json --key carl.key").ok();
    desk.apply("3.json 2.json 1.json").ok();
    assert_eq!(desk.trust_version(), 3);
    for old in ["1.json", "2.json", "3.json", "1.json 2.json 3.json"] {
        desk.apply(old).says(Exit::NothingNew, &["version 3 of the trust file already"]);
    }
    desk.run("trust edit 2.json --out other.json --epoch 7").ok();
    for person in ["anna", "bert", "carl"] {
        desk.run(&format!("trust sign other.json --key {person}.key")).ok();
    }
    desk.apply("other.json").says(Exit::VerificationFailed, &["it is another file"]);
    assert_eq!(desk.trust_version(), 3);
}

#[test]
fn a_revoked_root_is_refused_as_revoked() {
    let desk = desk_with_roots();
    desk.run("keygen dora.key").ok();
    let changes = "--add-key dora:root:dora.key.pub --revoke carl.key.pub --quorum root=2:anna,bert,dora";
    desk.next_trust("2.json", changes, &["anna", "bert"]);
    desk.apply("2.json").ok();
    desk.next_trust("3.json", "--epoch 2", &["anna", "carl"]);
    desk.apply("3.json").says(Exit::VerificationFailed, &["of carl was revoked", "trust sign"]);
    desk.run("trust edit site --out 4.json --add-key carl:root:carl.key.pub").says(Exit::Usage, &["twice"]);
}

#[test]
fn an_expired_trust_file_stops_imports_until_it_is_renewed() {
    let desk = desk_with_roots();
    let (first, _) = bundle(&desk, "1.0-1", "online/builder.key");
    desk.run("site pin --site site --source demo --keyring keyring.gpg").ok();
    let soon = gapferry::time::Time::now().plus(3600);
    desk.next_trust("2.json", &format!("--expires {soon}"), &["anna", "bert"]);
    desk.apply("2.json").ok();
    let later = |arguments: &str| {
        let command = desk.command(arguments);
        crate::support::desk::end(&mut crate::support::desk::at_clock(&command, "+2h"))
    };
    let import = format!("import medium/{first} --site site");
    later(&import).says(Exit::Refused, &["version 2 of the trust file expired"]);
    later("trust apply 2.json --site site").says(Exit::NothingNew, &[]);
    desk.next_trust("3.json", "--expires never", &["anna", "bert"]);
    later("trust apply 3.json --site site").ok();
    later(&import).ok();
}

#[test]
fn a_file_that_changed_on_the_disk_is_named() {
    let desk = desk_with_roots();
    let path = desk.path("site/trust/1.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"epoch\": 1", "\"epoch\": 2")).unwrap();
    desk.run("status --site site").says(Exit::Failed, &["trust/1.json", "no longer has the digest"]);
}

#[test]
fn a_site_without_roots_changes_by_hand() {
    let desk = Desk::new();
    desk.init(&[], "");
    let edited = desk.run("trust edit site --out 2.json --epoch 2 --json").ok().json();
    desk.apply("2.json").says(Exit::Refused, &["no root quorum", "gapferry trust show 2.json"]);
    desk.apply(&format!("2.json --replace {}", "0".repeat(64))).says(Exit::VerificationFailed, &["another file"]);
    let digest = edited["sha256"].as_str().unwrap();
    desk.apply(&format!("2.json --replace {digest}")).ok();
    assert_eq!(desk.trust_version(), 2);
    let log = fs::read_to_string(desk.path("site/audit.jsonl")).unwrap();
    assert!(log.contains(&format!("version 2 {digest} by its fingerprint")), "{log}");
}

#[test]
fn wrong_changes_are_refused_with_their_reason() {
    let desk = desk_with_roots();
    for (changes, reason) in [
        ("", "nothing is to be changed"),
        ("--quorum root=4:anna,bert,carl", "can never be met"),
        ("--quorum reviewer=1:anna", "can never be met"),
        ("--quorum root=1:anna", "bert has a key in that role"),
        ("--remove-person nobody", "no person nobody"),
        ("--revoke SHA256:abc", "no key SHA256:abc"),
        ("--revoke online/builder.key.pub", "can never be met"),
        ("--epoch 0", "cannot fall"),
        ("--remove-group none", "no group none"),
        ("--keep-manifest anna.key.pub=00", "SHA-256"),
        ("--add-key anna:king:anna.key.pub", "not a role"),
    ] {
        desk.run(&format!("trust edit site --out wrong.json {changes}")).says(Exit::Usage, &[reason]);
    }
    assert!(!desk.path("wrong.json").exists());
    desk.run("trust sign site/trust/1.json --key online/builder.key")
        .says(Exit::Usage, &["only keys in the role root"]);
    desk.run("trust show online/selection.toml").says(Exit::Usage, &[]);
    desk.run("trust show online/builder.key.pub").says(Exit::VerificationFailed, &["is not a trust file"]);
}
