//! Bundles that reviewers approve or reject, as people do it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use gapferry::cli::Exit;
use gapferry::trust::APPROVAL_NAMESPACE;
use gapferry::upstream::{DebSpec, Upstream};
use serde_json::{Value, json};

use crate::support::desk::{Desk, end, ended};
use crate::trust::signatures::{PRESENT, Token};

/// The folder of the first bundle.
pub(crate) const FIRST: &str = "medium/dc1-base-000001";

/// A desk with a site whose bundles anna and one of security (bert or carl) must approve, and the first bundle. dora may publish in an
/// emergency.
pub(crate) fn desk() -> Desk {
    desk_with("")
}

/// The same with more arguments for `site init`.
pub(crate) fn desk_with(more: &str) -> Desk {
    let desk = Desk::new();
    for person in ["root", "anna", "bert", "carl", "dora"] {
        desk.run(&format!("keygen {person}.key")).ok();
    }
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", "1.0-1", "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    desk.select(&format!("trust = \"trust\"\n{}", desk.table("demo", &desk.url("up"), "stable main amd64", "")));
    desk.init(&["demo", "extra"], &format!("--root root=root.key.pub {more}"));
    let keys: String =
        ["anna", "bert", "carl"].map(|person| format!(" --add-key {person}:reviewer:{person}.key.pub")).concat();
    change_trust(
        &desk,
        2,
        &format!(
            "{keys} --add-key dora:emergency:dora.key.pub --group security=1:bert,carl --quorum reviewer=2:anna,security \
             --quorum emergency=1:dora"
        ),
    );
    assert_eq!(desk.bundle(), desk.path(FIRST));
    desk
}

/// Gives site and online side the next version of the trust file.
fn change_trust(desk: &Desk, version: u64, changes: &str) {
    fs::create_dir_all(desk.path("online/trust")).unwrap();
    let out = format!("online/trust/{version}.json");
    desk.run(&format!("trust edit site --out {out} {changes}")).ok();
    desk.run(&format!("trust sign {out} --key root.key")).ok();
    desk.run(&format!("trust apply {out} --site site")).ok();
}

pub(crate) fn approve(desk: &Desk, person: &str, more: &str) -> Value {
    desk.run(&format!("approve {FIRST} --key {person}.key --acknowledge-all first --json {more}")).ok().json()
}

fn waiting(desk: &Desk) -> Value {
    desk.run("status --site site --json").ok().json()["waiting"].clone()
}

#[track_caller]
fn is_published(desk: &Desk) -> bool {
    desk.path("site/current/apt/demo/dists/stable/InRelease").exists()
}

/// The status page, as curl fetches it.
fn page_of(desk: &Desk) -> String {
    let serving = desk.serve();
    end(Command::new("curl").args(["-sf", &format!("http://{}/", serving.address)])).ok().out
}

#[test]
fn a_bundle_is_published_when_the_quorum_has_approved_it() {
    let desk = desk();
    let missing = desk.import(&desk.path(FIRST));
    missing.says(
        Exit::ApprovalMissing,
        &["is unpacked and not published", "2 of anna, security", "gapferry approve dc1-base-000001"],
    );
    assert!(!is_published(&desk));
    let made = approve(&desk, "anna", "--ticket CHG-1");
    assert_eq!((&made["person"], &made["number"], &made["role"]), (&json!("anna"), &json!(1), &json!("reviewer")));
    let dry = desk.run(&format!("import {FIRST} --site site --dry-run")).ok();
    assert!(dry.err.contains("approved by anna, missing of bert, carl"), "{}", dry.err);
    let still =
        desk.import(&desk.path(FIRST)).says(Exit::ApprovalMissing, &["approved by anna, missing of bert, carl"]);
    assert!(still.err.contains("statement 1 of anna on dc1-base-000001 is here: approve"), "{}", still.err);
    assert_eq!(waiting(&desk)[0]["bundle"], "dc1-base-000001");
    assert!(waiting(&desk)[0]["review"]["missing"] == json!(["bert", "carl"]), "{}", waiting(&desk));
    let page = page_of(&desk);
    assert!(page.contains("dc1-base-000001") && page.contains("approved by anna, missing of bert, carl"), "{page}");
    desk.run("gc --site site").ok();

    // The last approval comes alone, and the medium is gone.
    let alone = approve(&desk, "carl", "--out papers")["file"].as_str().unwrap().to_owned();
    fs::rename(desk.path("medium"), desk.path("elsewhere")).unwrap();
    let imported = desk.run(&format!("import {alone} --site site --json")).ok().json();
    assert_eq!(imported["bundle"], "dc1-base-000001");
    assert!(is_published(&desk));
    assert_eq!(waiting(&desk), json!([]));
    let page = page_of(&desk);
    assert!(page.contains("approved by the quorum of reviewers") && !page.contains("missing of"), "{page}");
    desk.run(&format!("import {alone} --site site")).ok();
    let log = fs::read_to_string(desk.path("site/audit.jsonl")).unwrap();
    assert!(log.contains("approve by carl in the role reviewer, number 1"), "{log}");
}

#[test]
fn approvals_that_come_first_are_kept() {
    let desk = desk();
    for person in ["anna", "bert"] {
        let file = approve(&desk, person, "--out papers")["file"].as_str().unwrap().to_owned();
        let kept = desk.run(&format!("import {file} --site site")).ok();
        assert!(kept.out.contains("no bundle waits for this; one that comes later counts it"), "{}", kept.out);
    }
    desk.import(&desk.path(FIRST)).ok();
    assert!(is_published(&desk));
}

#[test]
fn a_rejection_blocks_until_it_is_withdrawn() {
    let desk = desk();
    ["anna", "bert"].iter().for_each(|person| drop(approve(&desk, person, "")));
    let mut reject = desk.command(&format!("reject {FIRST} --key carl.key --reason"));
    end(reject.arg("nginx goes\u{1b}[2J back")).ok();
    let refused = desk
        .import(&desk.path(FIRST))
        .says(Exit::Refused, &["rejected by carl: nginx goes", "only the same person can"]);
    assert!(!refused.err.contains('\u{1b}'), "{:?}", refused.err);
    approve(&desk, "dora", "--role emergency");
    desk.import(&desk.path(FIRST)).says(Exit::Refused, &["rejected by carl"]);
    desk.run(&format!("reject {FIRST} --key carl.key --withdraw")).ok();
    desk.import(&desk.path(FIRST)).ok();
    assert!(is_published(&desk));
}

#[test]
fn an_emergency_is_named_as_one() {
    let desk = desk();
    approve(&desk, "dora", "--role emergency --reason fire");
    desk.import(&desk.path(FIRST)).ok();
    let log = fs::read_to_string(desk.path("site/audit.jsonl")).unwrap();
    assert!(log.contains("approved in an EMERGENCY by dora"), "{log}");
    let status = desk.run("status --site site").ok().out;
    assert!(status.contains("APPROVED IN AN EMERGENCY"), "{status}");
    assert!(page_of(&desk).contains("A bundle was approved in an emergency."));
    let json = desk.run("status --site site --json").ok().json();
    assert_eq!(json["names"]["base"]["review"]["verdict"], "emergency");

    // What the reviewers have not approved is not renewed without them.
    let next = desk.export("--force --json").ok().json()["bundle"].as_str().unwrap().to_owned();
    desk.import(&desk.path(&next)).says(Exit::ApprovalMissing, &["approved by nobody"]);
}

#[test]
fn statements_that_do_not_count_publish_nothing() {
    let desk = desk();
    // The builder's own, one by a stranger, and one under the name of another.
    desk.run("keygen eve.key").ok();
    for (key, person) in [("online/builder", "builder"), ("eve", "anna"), ("bert", "anna")] {
        desk.run(&format!("approve {FIRST} --key {key}.key --as {person} --acknowledge-all first")).ok();
    }
    desk.import(&desk.path(FIRST)).says(Exit::ApprovalMissing, &["approved by nobody"]);
    ["anna", "bert"].iter().for_each(|person| drop(approve(&desk, person, "")));
    // A statement that was altered is none, and stops nothing.
    let folder = desk.path(FIRST).join("approvals");
    for entry in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|end| end == "json") {
            let text = fs::read_to_string(&entry).unwrap();
            fs::write(&entry, text.replace("\"approve\"", "\"reject\" ")).unwrap();
        }
    }
    desk.import(&desk.path(FIRST)).says(Exit::ApprovalMissing, &["approved by nobody"]);
    assert!(!is_published(&desk));
}

#[test]
fn a_revoked_reviewer_no_longer_counts() {
    let desk = desk();
    ["anna", "bert"].iter().for_each(|person| drop(approve(&desk, person, "")));
    change_trust(&desk, 3, "--revoke bert.key.pub");
    desk.import(&desk.path(FIRST)).says(Exit::ApprovalMissing, &["which was revoked", "missing of carl"]);
    approve(&desk, "carl", "");
    desk.import(&desk.path(FIRST)).ok();
}

#[test]
fn approvals_travel_in_streams_and_with_what_is_packed_again() {
    let desk = desk();
    ["anna", "bert"].iter().for_each(|person| drop(approve(&desk, person, "")));
    let recut =
        format!("recut {FIRST} --out second --key online/builder.key --workspace online/workspace --volume-size");
    end(desk.command(&recut).arg("70 KiB")).ok();
    let mut send = desk.command(&format!("copy {FIRST} - --workspace online/workspace --quiet"));
    let stream = send.output().unwrap();
    assert!(stream.status.success());
    fs::write(desk.path("stream"), stream.stdout).unwrap();
    let import = |arguments: &str| {
        let site = format!("site-{}", arguments.len());
        end(Command::new("cp").args(["-a", "site", &site]).current_dir(desk.path("")));
        let mut command = desk.command(&format!("import {arguments} --site {site}"));
        ended(&command.stdin(Stdio::from(fs::File::open(desk.path("stream")).unwrap())).output().unwrap()).ok();
    };
    import("-");
    import("second");
}

/// Signs the text of a statement of anna in which `from` is replaced, with ssh-keygen. Returns the file.
fn altered(desk: &Desk, from: &str, to: &str) -> String {
    let file = approve(desk, "anna", "--out papers")["file"].as_str().unwrap().to_owned();
    let text = fs::read_to_string(desk.path(&file)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::create_dir_all(desk.path("altered")).unwrap();
    fs::write(desk.path("altered/statement.json"), text.replacen(from, to, 1)).unwrap();
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-Y", "sign", "-n", "gapferry-approval", "-f", "anna.key", "altered/statement.json"]);
    end(sign.current_dir(desk.path(""))).ok();
    "altered/statement.json".to_owned()
}

#[test]
fn statements_on_another_site_sequence_or_report_do_not_count() {
    let desk = desk();
    let import = |file: &str| desk.run(&format!("import {file} --site site"));
    let other_site = altered(&desk, "\"site\": \"dc1\"", "\"site\": \"dc2\"");
    import(&other_site).says(Exit::Refused, &["on a bundle for the site dc2, and this is dc1"]);
    fs::remove_dir_all(desk.path("altered")).unwrap();
    let other_sequence = altered(&desk, "\"sequence\": 1", "\"sequence\": 2");
    import(&other_sequence).ok();
    approve(&desk, "bert", "");
    let waits = desk.import(&desk.path(FIRST)).says(Exit::ApprovalMissing, &["is on dc1-base-2 with the manifest"]);
    assert!(waits.err.contains("approved by bert, missing of anna, carl"), "{}", waits.err);

    desk.run(&format!("report {FIRST} --out review")).ok();
    let approved = approve(&desk, "carl", "--report review/report.json --out papers");
    let text = fs::read_to_string(desk.path(approved["file"].as_str().unwrap())).unwrap();
    let mut sum = Command::new("sha256sum");
    let digest = end(sum.arg("review/report.json").current_dir(desk.path(""))).ok().out;
    assert!(text.contains(&format!("\"report\": \"{}\"", digest.split(' ').next().unwrap())), "{text}");
    let second = desk.export("--force --json").ok().json()["bundle"].as_str().unwrap().to_owned();
    desk.run(&format!("approve {second} --key anna.key --acknowledge-all first --report review/report.json"))
        .says(Exit::Usage, &["is the report of another bundle"]);
}

#[test]
fn a_hardware_token_approves() {
    let desk = desk();
    let token = Token::new(PRESENT);
    token.write_public(&desk.path("token.pub"));
    change_trust(&desk, 3, "--add-key carl:reviewer:token.pub");
    let file = approve(&desk, "carl", "--out papers")["file"].as_str().unwrap().to_owned();
    let text = fs::read(desk.path(&file)).unwrap();
    for (place, signature) in [
        ("pressed", token.sign(APPROVAL_NAMESPACE, &text)),
        ("not-pressed", Token::new(0).sign(APPROVAL_NAMESPACE, &text)),
    ] {
        fs::create_dir(desk.path(place)).unwrap();
        fs::write(desk.path(place).join("carl.json"), &text).unwrap();
        fs::write(desk.path(place).join("carl.json.sig"), signature).unwrap();
    }
    desk.run("import not-pressed/carl.json --site site").says(Exit::VerificationFailed, &["does not match"]);
    desk.run("import pressed/carl.json --site site").ok();
    fs::write(desk.path("signers"), desk.run("trust show site --allowed-signers").ok().out).unwrap();
    let mut verify = Command::new("ssh-keygen");
    verify.args([
        "-Y",
        "verify",
        "-f",
        "signers",
        "-n",
        APPROVAL_NAMESPACE,
        "-I",
        "carl",
        "-s",
        "pressed/carl.json.sig",
    ]);
    end(verify.current_dir(desk.path("")).stdin(Stdio::from(fs::File::open(desk.path(&file)).unwrap()))).ok();
    approve(&desk, "anna", "");
    desk.import(&desk.path(FIRST)).ok();
}

/// The next bundle, which has a collection more.
fn second(desk: &Desk) -> String {
    let mut extra = Upstream::new("Extra", &["amd64"]);
    extra.add("stable", "main", DebSpec::new("extra", "1.0-1", "amd64"));
    desk.archive("extra", &mut extra, &["stable"]);
    let tables = ["demo", "extra"].map(|name| {
        let place = if name == "demo" { "up" } else { "extra" };
        desk.table(name, &desk.url(place), "stable main amd64", "")
    });
    desk.select(&format!("trust = \"trust\"\n{}", tables.concat()));
    desk.bundle().display().to_string()
}

#[test]
fn an_approval_that_leaves_out_an_alarm_does_not_count() {
    let desk = desk();
    ["anna", "bert"].iter().for_each(|person| drop(approve(&desk, person, "")));
    desk.import(&desk.path(FIRST)).ok();
    let second = second(&desk);
    let diff = desk.run(&format!("diff {FIRST} {second} --json")).ok().json();
    let alarms: Vec<Value> = diff["alarms"].as_array().unwrap().clone();
    let [first, others @ ..] = alarms.as_slice() else { panic!("no alarms: {diff}") };
    assert!(!others.is_empty(), "{diff}");
    let id = |alarm: &Value| alarm["id"].as_str().unwrap().to_owned();
    let approve = |person: &str, more: &str| desk.run(&format!("approve {second} --key {person}.key {more}"));

    approve("anna", &format!("--against {FIRST} --acknowledge {}=known", id(first)))
        .says(Exit::Usage, &["there are alarms", &id(&others[0])]);
    approve("anna", &format!("--against {FIRST} --acknowledge 0123456789ab=no --acknowledge-all known"))
        .says(Exit::Usage, &["there is no alarm 0123456789ab"]);
    approve("anna", &format!("--against {FIRST} --acknowledge-all known")).ok();
    // bert has compared it with nothing, so he has not seen what it changes.
    approve("bert", "--acknowledge-all known").ok();
    let bundle = desk.path(&second);
    desk.import(&bundle).says(Exit::ApprovalMissing, &["the approval of bert leaves out alarms", "approved by anna"]);
    let each: String = alarms.iter().map(|alarm| format!(" --acknowledge {}=known", id(alarm))).collect();
    approve("bert", &format!("--against site{each}")).ok();
    desk.import(&bundle).ok();
    assert!(desk.path("site/current/apt/extra/dists/stable/InRelease").exists());
}

#[test]
fn a_newer_bundle_replaces_one_that_waits() {
    let desk = desk();
    desk.import(&desk.path(FIRST)).says(Exit::ApprovalMissing, &[]);
    let second = second(&desk);
    for person in ["anna", "bert"] {
        desk.run(&format!("approve {second} --key {person}.key --acknowledge-all first")).ok();
    }
    let imported = desk.run("import medium --site site").ok();
    assert!(imported.err.contains("no more needed, since dc1-base-000002 is here"), "{}", imported.err);
    assert_eq!(waiting(&desk), json!([]));
    let late = approve(&desk, "anna", "--out papers")["file"].as_str().unwrap().to_owned();
    desk.run(&format!("import {late} --site site")).ok();
    desk.import(&desk.path(FIRST)).says(Exit::Refused, &["sequence"]);
}

/// The next bundle, which has the same content.
fn renewal(desk: &Desk) -> std::path::PathBuf {
    desk.path(desk.export("--force --json").ok().json()["bundle"].as_str().unwrap())
}

#[test]
fn a_renewal_asks_nobody() {
    let desk = desk();
    ["anna", "bert"].iter().for_each(|person| drop(approve(&desk, person, "")));
    desk.import(&desk.path(FIRST)).ok();
    for sequence in [2, 3] {
        desk.import(&renewal(&desk)).ok();
        let json = desk.run("status --site site --json").ok().json();
        assert_eq!(
            (&json["names"]["base"]["sequence"], &json["names"]["base"]["review"]["sequence"]),
            (&json!(sequence), &json!(1))
        );
    }
    assert!(fs::read_to_string(desk.path("site/audit.jsonl")).unwrap().contains("\"event\":\"renewal\""));

    // A signed file that upstream has made again is a renewal, and another package is not.
    let release = |version: &str| {
        let mut upstream = Upstream::new("Demo", &["amd64"]);
        upstream.add("stable", "main", DebSpec::new("hello", version, "amd64"));
        desk.archive("up", &mut upstream, &["stable"]);
    };
    release("1.0-1");
    desk.import(&renewal(&desk)).ok();
    release("1.0-2");
    desk.import(&renewal(&desk)).says(Exit::ApprovalMissing, &["approved by nobody"]);
    release("1.0-1");
    desk.import(&renewal(&desk)).ok();

    // It is not valid for longer than what was approved.
    let selection = desk.path("online/selection.toml");
    let text = fs::read_to_string(&selection).unwrap();
    fs::write(&selection, format!("expires = \"100 days\"\n{text}")).unwrap();
    desk.import(&renewal(&desk)).says(Exit::ApprovalMissing, &["approved by nobody"]);
    fs::write(&selection, &text).unwrap();
    desk.import(&renewal(&desk)).ok();

    // A reviewer who rejects what was approved stops renewals of it, and so does a revocation.
    desk.run(&format!("reject {FIRST} --key carl.key --reason no --out papers")).ok();
    let mut files = fs::read_dir(desk.path("papers")).unwrap().map(|entry| entry.unwrap().path());
    let rejection = files.find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    desk.run(&format!("import {} --site site", rejection.display())).ok();
    desk.import(&renewal(&desk)).says(Exit::ApprovalMissing, &["approved by nobody"]);
    desk.run(&format!("reject {FIRST} --key carl.key --withdraw --number 2")).ok();
    desk.import(&desk.path(FIRST)).says(Exit::Refused, &["sequence"]);
    desk.import(&renewal(&desk)).ok();
    change_trust(&desk, 3, "--revoke bert.key.pub");
    desk.import(&renewal(&desk)).says(Exit::ApprovalMissing, &["approved by nobody"]);
}

#[test]
fn ssh_keygen_agrees_with_statements() {
    let desk = desk();
    let file = approve(&desk, "anna", "")["file"].as_str().unwrap().to_owned();
    let signers = desk.run("trust show site --allowed-signers").ok().out;
    fs::write(desk.path("signers"), signers).unwrap();
    let verify = |person: &str| {
        let mut verify = Command::new("ssh-keygen");
        verify.args(["-Y", "verify", "-f", "signers", "-n", "gapferry-approval", "-I", person, "-s"]);
        verify.arg(format!("{file}.sig")).current_dir(desk.path(""));
        ended(&verify.stdin(Stdio::from(fs::File::open(desk.path(&file)).unwrap())).output().unwrap()).code
    };
    assert_eq!((verify("anna"), verify("bert") != 0), (0, true));
    assert!(Path::new(&file).file_name().unwrap().to_str().unwrap().contains("-1-"));
}
