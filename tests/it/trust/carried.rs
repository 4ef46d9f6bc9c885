//! Trust files that travel in bundles: they count before anything else of the bundle is judged.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Upstream};
use serde_json::json;

use super::desk_with_roots;
use crate::by_hand::verify_commands;
use crate::support::desk::{Desk, Ended, at_clock, end, ended};
use crate::support::snapshot::copy;

const OLD: &str = "online/builder.key";
const ROOTS: [&str; 2] = ["anna", "bert"];

/// A desk with a site that has three roots and the first bundle, and a second bundle by the same builder.
fn desk() -> Desk {
    let desk = desk_with_roots();
    let first = bundle(&desk, "1.0-1", OLD);
    desk.run("site pin --site site --source demo --keyring keyring.gpg").ok();
    desk.import(&desk.path(&first)).ok();
    bundle(&desk, "2.0-1", OLD);
    desk
}

/// Writes a package and a selection, which carries the trust files in `online/trust` if there are any.
fn publish(desk: &Desk, version: &str) {
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", version, "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    let trust = if desk.path("online/trust").exists() { "trust = \"trust\"\n" } else { "" };
    desk.select(&format!("{trust}{}", desk.table("demo", &desk.url("up"), "stable main amd64", "")));
}

fn export(desk: &Desk, key: &str) -> Ended {
    let export = "export online/selection.toml --out medium --workspace online/workspace --json --key";
    desk.run(&format!("{export} {key}"))
}

/// Exports the next version of a package. Returns the bundle's folder.
#[track_caller]
fn bundle(desk: &Desk, version: &str, key: &str) -> String {
    publish(desk, version);
    export(desk, key).ok().json()["bundle"].as_str().unwrap().to_owned()
}

/// Gives the online side the next version of the trust file, signed by two roots.
#[track_caller]
fn carry(desk: &Desk, version: u64, changes: &str) {
    fs::create_dir_all(desk.path("online/trust")).unwrap();
    let before = format!("online/trust/{}.json", version - 1);
    let before = if desk.path(&before).exists() { before } else { "site".to_owned() };
    let out = format!("online/trust/{version}.json");
    desk.run(&format!("trust edit {before} --out {out} {changes}")).ok();
    ROOTS.iter().for_each(|root| drop(desk.run(&format!("trust sign {out} --key {root}.key")).ok()));
}

/// Revokes the builder's key in version 2, and adds another one.
fn revoke_builder(desk: &Desk) {
    desk.run("keygen new.key").ok();
    carry(desk, 2, &format!("--add-key builder:builder:new.key.pub --revoke {OLD}.pub"));
}

fn import(desk: &Desk, path: &str, more: &str) -> Ended {
    desk.run(&format!("import {path} --site site {more}"))
}

#[test]
fn a_carried_revocation_counts_before_other_bundles_are_judged() {
    let desk = desk();
    revoke_builder(&desk);
    publish(&desk, "3.0-1");
    export(&desk, OLD).says(Exit::Refused, &["of builder, which version 2 of the trust file revokes"]);
    let third = bundle(&desk, "3.0-1", "new.key");
    assert_eq!(desk.run(&format!("inspect {third} --json")).ok().json()["trust_files"], json!([2]));
    assert_eq!(desk.run(&format!("trust show {third} --json")).ok().json()["version"], 2);
    let verified = desk.run(&format!("verify {third} --builder new.key.pub --json")).ok().json();
    assert_eq!((&verified["trust_files"], verified["uncovered"].to_string().contains("/trust/")), (&json!([2]), false));
    let judged = desk.run(&format!("verify {third} --site site")).ok().out;
    assert!(judged.contains("trust files up to version 2, good for the site"), "{judged}");
    let dry = import(&desk, &third, "--dry-run --json").ok();
    assert!(dry.err.contains("version 2 of the trust file would count, signed by anna, bert"), "{}", dry.err);
    assert_eq!((&dry.json()["trust_files"], desk.trust_version()), (&json!([2]), 1));

    // The second bundle is by the key that the third one's trust file revokes.
    let all = import(&desk, "medium", "").says(Exit::Refused, &["000002", "version 2 of the trust file revokes"]);
    assert!(all.err.contains("version 2 of the trust file counts now, signed by anna, bert"), "{}", all.err);
    assert_eq!(desk.trust_version(), 2);
    let status = desk.run("status --site site --json").ok().json();
    assert_eq!(status["names"]["base"]["bundle"], "dc1-base-000003", "{status}");
    desk.run("rollback --site site").ok();
    assert_eq!(desk.trust_version(), 2, "a rollback leaves the trust file alone");
    let log = fs::read_to_string(desk.path("site/audit.jsonl")).unwrap();
    assert!(log.contains("signed by anna, bert"), "{log}");
}

#[test]
fn a_listed_manifest_stays_valid_after_a_carried_revocation() {
    let desk = desk();
    let second = "medium/dc1-base-000002";
    let verified = desk.run(&format!("verify {second} --builder {OLD}.pub --json")).ok().json();
    desk.run("keygen new.key").ok();
    let kept = verified["manifest_sha256"].as_str().unwrap();
    let changes = format!("--add-key builder:builder:new.key.pub --revoke {OLD}.pub --keep-manifest {OLD}.pub={kept}");
    carry(&desk, 2, &changes);
    bundle(&desk, "3.0-1", "new.key");
    let imported = import(&desk, "medium", "--json").ok().json();
    assert_eq!(imported["bundles"], json!(["dc1-base-000002", "dc1-base-000003"]));
}

#[test]
fn valid_steps_are_kept_though_the_bundle_is_refused() {
    let desk = desk();
    carry(&desk, 2, "--expires 2099-01-01T00:00:00Z");
    carry(&desk, 3, "--expires 2098-01-01T00:00:00Z");
    let third = bundle(&desk, "3.0-1", OLD);
    let altered = |name: &str, file: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        copy(&desk.path(&third), &desk.path(name));
        let path = desk.path(&format!("{name}/{file}"));
        fs::write(&path, change(fs::read(&path).unwrap())).unwrap();
    };
    altered("unsigned-step", "trust/3.json.sig", &|_| Vec::new());
    let refused = import(&desk, "unsigned-step", "");
    refused.says(Exit::VerificationFailed, &["version 3", "2 of anna, bert, carl"]);
    assert_eq!(desk.trust_version(), 2);
    altered("manifest", "manifest.json", &|text| [text, b" ".to_vec()].concat());
    import(&desk, "manifest", "").says(Exit::VerificationFailed, &["does not match"]);
    assert_eq!(desk.trust_version(), 3);
    altered("other", "trust/3.json", &|text| String::from_utf8(text).unwrap().replace("2098", "2097").into_bytes());
    import(&desk, "other", "").says(Exit::VerificationFailed, &["it is another file"]);
    altered("garbage", "trust/3.json", &|_| b"{}".to_vec());
    import(&desk, "garbage", "").says(Exit::VerificationFailed, &["trust/3.json is not a trust file"]);
    assert_eq!(desk.trust_version(), 3);
    desk.import(&desk.path(&third)).ok();
}

#[test]
fn a_bundle_that_lost_its_trust_files_is_refused_until_they_are_applied() {
    let desk = desk();
    revoke_builder(&desk);
    let third = bundle(&desk, "3.0-1", "new.key");
    fs::remove_dir_all(desk.path(&format!("{third}/trust"))).unwrap();
    import(&desk, &third, "").says(Exit::VerificationFailed, &["not a trusted builder"]);
    carry(&desk, 3, "--expires 2099-01-01T00:00:00Z");
    desk.apply("online/trust/2.json").ok();
    let fourth = bundle(&desk, "4.0-1", "new.key");
    fs::remove_file(desk.path(&format!("{fourth}/trust/3.json"))).unwrap();
    for command in ["import", "verify"] {
        let ended = desk.run(&format!("{command} {fourth} --site site"));
        ended.says(Exit::Refused, &["made under version 3 of the trust file, and the site has version 2"]);
    }
    desk.apply("online/trust/3.json").ok();
    import(&desk, &fourth, "").ok();
}

#[test]
fn an_expired_trust_file_counts_and_stops_imports() {
    let desk = desk();
    revoke_builder(&desk);
    let soon = gapferry::time::Time::now().plus(3600);
    carry(&desk, 3, &format!("--expires {soon}"));
    let third = bundle(&desk, "3.0-1", "new.key");
    let later = |arguments: &str| end(&mut at_clock(&desk.command(arguments), "+2h"));
    later(&format!("import {third} --site site")).says(Exit::Refused, &["version 3 of the trust file expired"]);
    assert_eq!(desk.trust_version(), 3, "what it revokes stays revoked");
    import(&desk, "medium/dc1-base-000002", "").says(Exit::Refused, &["revokes"]);
    carry(&desk, 4, "--expires never");
    let fourth = bundle(&desk, "4.0-1", "new.key");
    later(&format!("import {fourth} --site site")).ok();
}

/// More than nine versions: their order is not that of their names.
#[test]
fn trust_files_travel_in_streams_copies_and_recut_bundles() {
    let desk = desk();
    (2..=11).for_each(|version| carry(&desk, version, &format!("--expires {}-01-01T00:00:00Z", 2090 + version)));
    let third = bundle(&desk, "3.0-1", OLD);
    fs::create_dir(desk.path("stick")).unwrap();
    desk.run(&format!("copy {third} stick --workspace online/workspace --allow-folder")).ok();
    let name = Path::new(&third).file_name().unwrap().to_str().unwrap();
    desk.run(&format!("recut {name} --out again --workspace online/workspace")).ok();
    for folder in [format!("stick/{name}"), format!("again/{name}")] {
        let shown = desk.run(&format!("inspect {folder} --json")).ok().json();
        assert_eq!(shown["trust_files"], json!((2..=11).collect::<Vec<_>>()), "{folder}");
        copy(&desk.path("site"), &desk.path("copy-of-site"));
        let imported = desk.run(&format!("import {folder} --site copy-of-site --json")).ok().json();
        assert_eq!(imported["trust_files"], shown["trust_files"]);
        fs::remove_dir_all(desk.path("copy-of-site")).unwrap();
    }
    let mut sender = desk.command(&format!("copy {third} -"));
    let mut sender = sender.stdout(Stdio::piped()).spawn().unwrap();
    let mut receiver = desk.command("import - --site site --json");
    let received = ended(&receiver.stdin(sender.stdout.take().unwrap()).output().unwrap()).ok();
    assert!(sender.wait().unwrap().success());
    assert_eq!(received.json()["trust_files"], json!((2..=11).collect::<Vec<_>>()));
    assert_eq!(desk.trust_version(), 11);
}

#[test]
fn the_stream_of_a_refused_bundle_leaves_its_trust_files() {
    let desk = desk();
    carry(&desk, 2, "--expires 2099-01-01T00:00:00Z");
    let third = bundle(&desk, "3.0-1", OLD);
    let mut sender = desk.command(&format!("copy {third} -"));
    let mut bytes = sender.output().unwrap().stdout;
    let at = bytes.windows(10).position(|window| window == b"\"sequence\"").unwrap();
    bytes[at + 12] ^= 1;
    fs::write(desk.path("stream"), bytes).unwrap();
    let mut receiver = desk.command("import - --site site");
    let ended = end(receiver.stdin(fs::File::open(desk.path("stream")).unwrap()));
    ended.says(Exit::VerificationFailed, &["does not match", "version 2 of the trust file counts now"]);
    assert_eq!(desk.trust_version(), 2);
}

#[test]
fn a_new_trust_file_travels_though_nothing_else_is_new() {
    let desk = desk();
    export(&desk, OLD).says(Exit::NothingNew, &[]);
    carry(&desk, 2, "--expires 2099-01-01T00:00:00Z");
    let third = bundle(&desk, "2.0-1", OLD);
    import(&desk, &third, "").ok();
    assert_eq!(desk.trust_version(), 2);
    export(&desk, OLD).says(Exit::NothingNew, &[]);
}

#[test]
fn the_online_side_refuses_trust_files_that_the_site_would_refuse() {
    let desk = desk();
    fs::create_dir(desk.path("online/trust")).unwrap();
    publish(&desk, "3.0-1");
    export(&desk, OLD).says(Exit::Usage, &["online/trust has no trust files"]);
    carry(&desk, 2, "--epoch 2");
    export(&desk, OLD).says(Exit::Usage, &["has epoch 1", "epoch = 2"]);
    fs::remove_dir_all(desk.path("online/trust")).unwrap();
    carry(&desk, 2, "--expires 2099-01-01T00:00:00Z");
    desk.run("trust edit online/trust/2.json --out online/trust/3.json --expires never").ok();
    desk.run("trust sign online/trust/3.json --key carl.key").ok();
    export(&desk, OLD).says(Exit::VerificationFailed, &["online/trust cannot travel", "signed by carl"]);
    fs::remove_file(desk.path("online/trust/3.json")).unwrap();
    fs::write(desk.path("online/trust/4.json"), fs::read(desk.path("online/trust/2.json")).unwrap()).unwrap();
    export(&desk, OLD).says(Exit::VerificationFailed, &["4.json is not a trust file: it has version 2"]);
}

/// The commands of VERIFY.txt name who signed, by the keys of the version before and of the file itself.
#[test]
fn trust_files_are_checked_by_hand() {
    let desk = desk();
    desk.run("keygen dora.key").ok();
    carry(&desk, 2, "--add-key dora:root:dora.key.pub --quorum root=2:anna,bert,dora --revoke carl.key.pub");
    carry(&desk, 3, "--expires 2099-01-01T00:00:00Z");
    desk.run("trust sign online/trust/3.json --key dora.key").ok();
    let third = bundle(&desk, "3.0-1", OLD);
    fs::create_dir(desk.path("work")).unwrap();
    let mut dash = Command::new("dash");
    dash.args(["-e", "-c", &verify_commands(&desk.path(&third), 6).join("\n")]);
    dash.env("work", desk.path("work")).env("site", desk.path("site")).current_dir(desk.path(&third));
    let ended = end(&mut dash).ok();
    let good = |person: &str| ended.out.matches(&format!("Good \"gapferry-trust\" signature for {person} ")).count();
    assert_eq!([good("anna"), good("bert"), good("dora"), good("carl")], [4, 4, 2, 0], "{}{}", ended.out, ended.err);
}

/// ssh-keygen, with the site's allowed signers, accepts what the builder signed.
#[test]
fn ssh_keygen_agrees_with_manifests_and_packings() {
    let desk = desk();
    let allowed = desk.run("trust show site --allowed-signers").ok().out;
    fs::write(desk.path("allowed_signers"), allowed).unwrap();
    let folder = desk.path("medium/dc1-base-000002");
    let packing = fs::read_dir(folder.join("packings")).unwrap().next().unwrap().unwrap().path().join("packing.json");
    let cases = [(folder.join("manifest.json"), "gapferry-manifest"), (packing, "gapferry-packing")];
    let accepts = |file: &Path, text: &Path, person: &str, namespace: &str| {
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", "verify", "-f", "allowed_signers", "-I", person, "-n", namespace, "-s"]);
        command.arg(format!("{}.sig", file.display())).current_dir(desk.path(""));
        end(command.stdin(fs::File::open(text).unwrap())).code == 0
    };
    for (file, namespace) in &cases {
        assert!(accepts(file, file, "builder", namespace));
        assert!(!accepts(file, file, "anna", namespace));
        assert!(!accepts(file, file, "builder", "gapferry-trust"));
        assert!(!accepts(file, &desk.path("allowed_signers"), "builder", namespace));
    }
}
