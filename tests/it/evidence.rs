//! Evidence on bundles, checked with stock tools alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use gapferry::upstream::{DebSpec, Upstream};
use serde_json::{Value, json};

use crate::approvals::{FIRST, approve, desk};
use crate::support::desk::{Desk, Ended, at_clock, end};
use crate::support::snapshot::{contents_of, difference};

/// Writes the evidence on a bundle into the folder `out`.
fn evidence(desk: &Desk, sequence: u64, out: &str) -> Value {
    desk.run(&format!("evidence {sequence} --site site --out {out} --json")).ok().json()
}

/// The commands of a README.txt: lines that are indented by four blanks.
fn commands(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join("README.txt")).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("    ")).map(|line| format!("{line}\n")).collect()
}

/// Runs all commands of README.txt in a shell that knows nothing but POSIX.
fn follow(folder: &Path) -> Ended {
    let commands = commands(folder);
    end(Command::new("dash").args(["-e", "-c", &commands]).current_dir(folder))
}

fn files(folder: &Path) -> BTreeSet<String> {
    let files =
        walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    files.map(|entry| entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned()).collect()
}

/// Publishes the first bundle, with approvals of anna and bert that name reports.
pub(crate) fn publish_first(desk: &Desk) {
    desk.run(&format!("report {FIRST} --out review")).ok();
    desk.run(&format!("report {FIRST} --site site --out named")).ok();
    approve(desk, "anna", "--report review/report.json --ticket CHG-1");
    approve(desk, "bert", "--report named/report.json");
    desk.import(&desk.path(FIRST)).ok();
}

#[test]
fn stock_tools_check_the_evidence_on_a_published_bundle() {
    let desk = desk();
    publish_first(&desk);
    let before = contents_of(&desk.path("site"), |_| true);
    let said = evidence(&desk, 1, "out");
    let folder = desk.path("out");
    assert_eq!((&said["state"], &said["missing"]), (&json!("published"), &json!([])));
    assert_eq!(difference(&before, &contents_of(&desk.path("site"), |_| true)), None, "the site stays as it is");

    let followed = follow(&folder).ok();
    assert_eq!(followed.err, "");
    assert_eq!(followed.out.matches("Good \"gapferry-manifest\" signature for builder").count(), 1, "{}", followed.out);
    assert_eq!(followed.out.matches("Good \"gapferry-packing\" signature for builder").count(), 1, "{}", followed.out);
    for person in ["anna", "bert"] {
        let good = format!("Good \"gapferry-approval\" signature for {person}");
        assert_eq!(followed.out.matches(&good).count(), 1, "{}", followed.out);
    }
    assert!(followed.out.contains("report/report.json: OK"), "{}", followed.out);
    assert!(followed.out.contains("proofs/apt/demo/dists/stable/InRelease: OK"), "{}", followed.out);
    assert!(followed.out.contains("trust/2.json by the keys of trust/1.json"), "{}", followed.out);
    assert!(commands(&folder).contains("signed ./keyrings/demo.pgp proofs/apt/demo/dists/stable/InRelease"));

    // Both reports are there, each with the digest that its reader signed.
    let facts: Value = serde_json::from_slice(&fs::read(folder.join("evidence.json")).unwrap()).unwrap();
    let reports = facts["reports"].as_array().unwrap();
    assert_eq!(reports.len(), 2, "{facts}");
    for (made, person) in [("review", "anna"), ("named", "bert")] {
        let bytes = fs::read(desk.path(made).join("report.json")).unwrap();
        let report = reports.iter().find(|report| report["persons"] == json!([person])).unwrap();
        assert_eq!(report["sha256"], json!(Sha256::of(&bytes)));
        assert_eq!(fs::read(folder.join(report["file"].as_str().unwrap())).unwrap(), bytes);
    }
    for bill in ["sbom.cdx.json", "sbom.spdx.json"] {
        assert_eq!(
            fs::read(folder.join("report").join(bill)).unwrap(),
            fs::read(desk.path("review").join(bill)).unwrap()
        );
    }
    assert_eq!(facts["publications"][0]["generation"], 1);
    assert_eq!((&facts["trust"]["version"], &facts["statements"][0]["trusted"]), (&json!(2), &json!(true)));
    assert_eq!(facts["policy"], json!(Sha256::of(&fs::read(desk.path("site/site.toml")).unwrap())));
    assert!(facts["review"].as_str().unwrap().starts_with("approved by anna, bert"), "{facts}");
    let custody = fs::read_to_string(folder.join("custody.jsonl")).unwrap();
    assert!(custody.contains(" by ") && custody.contains("from a medium without a sheet"), "{custody}");
    let head = fs::read_to_string(folder.join("log-head.txt")).unwrap();
    assert_eq!(head, desk.run("site log --site site --head").ok().out);

    // The folder is itself the small part of a bundle, and the same evidence has the same bytes.
    desk.run("inspect out").ok();
    evidence(&desk, 1, "again");
    assert_eq!(difference(&contents_of(&folder, |_| true), &contents_of(&desk.path("again"), |_| true)), None);
    let sums = fs::read(folder.join("SHA256SUMS")).unwrap();
    assert_eq!(said["sha256sums"], json!(Sha256::of(&sums)));
    desk.run("evidence 1 --site site --out out").says(Exit::Usage, &["out exists already and is not empty"]);
    assert!(!files(&folder).iter().any(|file| file.ends_with(".deb")), "no payload is in it");
}

#[test]
fn every_changed_file_of_evidence_is_found() {
    let desk = desk();
    publish_first(&desk);
    evidence(&desk, 1, "out");
    let folder = desk.path("out");
    follow(&folder).ok();
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    for file in files(&folder).iter().filter(|file| *file != "SHA256SUMS" && *file != "README.txt") {
        let path = folder.join(file);
        let right = fs::read(&path).unwrap();
        let mut wrong = right.clone();
        let middle = wrong.len() / 2;
        wrong[middle] ^= 1;
        fs::write(&path, &wrong).unwrap();
        assert_ne!(follow(&folder).code, 0, "{file}");
        fs::write(&path, &right).unwrap();
    }
    // Whoever changes a file can write its digest too. Signed files, and the log, show it all the same.
    for file in files(&folder).iter().filter(|file| {
        [
            "manifest.json",
            "packings/",
            "approvals/",
            "items/",
            "proofs/",
            "trust/2",
            "audit.jsonl",
            "custody.jsonl",
            "policy/",
        ]
        .iter()
        .any(|start| file.starts_with(start))
    }) {
        let path = folder.join(file);
        let right = fs::read(&path).unwrap();
        let mut wrong = right.clone();
        let middle = wrong.len() / 2;
        wrong[middle] ^= 1;
        fs::write(&path, &wrong).unwrap();
        let [right_sum, wrong_sum] = [&right, &wrong].map(|bytes| Sha256::of(bytes).to_hex());
        fs::write(folder.join("SHA256SUMS"), sums.replace(&right_sum, &wrong_sum)).unwrap();
        assert_ne!(follow(&folder).code, 0, "{file}");
        fs::write(&path, &right).unwrap();
        fs::write(folder.join("SHA256SUMS"), &sums).unwrap();
    }
    follow(&folder).ok();
}

#[test]
fn bundles_that_wait_or_were_rejected_have_evidence() {
    let desk = desk();
    desk.run("evidence 1 --site site --out none").says(Exit::Usage, &["has no evidence on such a bundle", "none"]);
    desk.import(&desk.path(FIRST)).says(Exit::ApprovalMissing, &[]);
    approve(&desk, "anna", "");
    desk.import(&desk.path(FIRST)).says(Exit::ApprovalMissing, &[]);
    let waits = evidence(&desk, 1, "waits");
    assert_eq!((&waits["state"], &waits["missing"]), (&json!("waiting"), &json!([])));
    follow(&desk.path("waits")).ok();

    let mut reject = desk.command(&format!("reject {FIRST} --key carl.key --reason"));
    end(reject.arg("nginx goes\u{1b}[2J\u{202e} back")).ok();
    desk.import(&desk.path(FIRST)).says(Exit::Refused, &["rejected by carl"]);
    let rejected = evidence(&desk, 1, "rejected");
    assert_eq!(rejected["state"], "refused");
    let folder = desk.path("rejected");
    let followed = follow(&folder).ok();
    assert!(followed.out.contains("Good \"gapferry-approval\" signature for carl"), "{}", followed.out);
    for text in [fs::read_to_string(folder.join("README.txt")).unwrap(), followed.out] {
        assert!(text.contains("reject") && !text.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{text:?}");
    }
    let facts = fs::read_to_string(folder.join("evidence.json")).unwrap();
    assert!(facts.is_ascii() && facts.contains("\\u202e"), "{facts}");

    // Somebody has rejected it before it comes to another site.
    desk.run("site init other --name dc1 --builder online/builder.key.pub --root root=root.key.pub --keyring demo=keyring.gpg").ok();
    desk.run("trust apply online/trust/2.json --site other").ok();
    desk.run(&format!("import {FIRST} --site other")).says(Exit::Refused, &["rejected by carl"]);
    let early = desk.run("evidence 1 --site other --out early --json").ok().json();
    assert_eq!(early["state"], "refused");
    assert!(early["missing"].to_string().contains("proofs/apt/demo/dists/stable/InRelease"), "{early}");
    follow(&desk.path("early")).ok();
}

#[test]
fn reports_that_cannot_be_made_again_are_taken_from_files() {
    let desk = desk();
    desk.run(&format!("report {FIRST} --out review")).ok();
    let report = fs::read_to_string(desk.path("review/report.json")).unwrap();
    fs::write(desk.path("other.json"), report.replacen("\"format\":1", "\"format\": 1", 1)).unwrap();
    approve(&desk, "anna", "--report other.json");
    approve(&desk, "bert", "");
    desk.import(&desk.path(FIRST)).ok();
    let digest = Sha256::of(&fs::read(desk.path("other.json")).unwrap()).to_hex();
    let lacks = evidence(&desk, 1, "lacks");
    let [missing] = lacks["missing"].as_array().unwrap().as_slice() else { panic!("{lacks}") };
    assert!(missing.as_str().unwrap().starts_with(&format!("the report {digest} that anna read")), "{missing}");

    let with = |file: &str, out: &str| desk.run(&format!("evidence 1 --site site --report {file} --out {out} --json"));
    let whole = with("other.json", "whole").ok().json();
    assert_eq!(whole["missing"], json!([]));
    let kept = desk.path("whole").join(whole["reports"][1]["file"].as_str().unwrap());
    assert_eq!(fs::read(kept).unwrap(), fs::read(desk.path("other.json")).unwrap());
    let followed = follow(&desk.path("whole")).ok();
    assert!(followed.out.contains(&format!("report/report-{}.json: OK", &digest[..12])), "{}", followed.out);
    with("review/report.json", "no").says(Exit::Usage, &["no statement names review/report.json"]);
    let of_another = report.replace(lacks["manifest"].as_str().unwrap(), &digest);
    fs::write(desk.path("another.json"), of_another).unwrap();
    with("another.json", "no").says(Exit::Usage, &["is the report of another bundle"]);
    fs::write(desk.path("none.json"), "{\"bundle\": {\"manifest\": 1}}").unwrap();
    with("none.json", "no").says(Exit::Usage, &["none.json is not a report.json"]);
    assert!(!desk.path("no").exists());
}

#[test]
fn evidence_lacks_what_the_site_has_lost_and_says_so() {
    let desk = desk();
    publish_first(&desk);
    let proof = desk.path("site/current/proofs/apt/demo/dists/stable/InRelease");
    let digest = Sha256::of(&fs::read(&proof).unwrap()).to_hex();
    let blob = desk.path(&format!("site/depot/sha256/{}/{digest}", &digest[..2]));
    fs::remove_file(&blob).unwrap();
    let ended = desk
        .run("evidence 1 --site site --out out --json")
        .says(Exit::RotFound, &["InRelease: the site does not have it"]);
    assert!(ended.json()["missing"][0].as_str().unwrap().starts_with("proofs/apt/demo/dists/stable/InRelease"));
    let text = fs::read_to_string(desk.path("out/README.txt")).unwrap();
    assert!(text.contains("Not in this folder") && text.contains("InRelease: the site does not have it"), "{text}");
    follow(&desk.path("out")).ok();
    fs::write(&blob, "other bytes").unwrap();
    desk.run("evidence 1 --site site --dry-run").says(Exit::RotFound, &["InRelease: it has changed on the disk"]);
}

/// The next bundle of the desk, published in place of the one before; the old package is gone.
pub(crate) fn replace(desk: &Desk, version: &str) {
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", version, "amd64"));
    fs::remove_dir_all(desk.path("up")).unwrap();
    desk.archive("up", &mut upstream, &["stable"]);
    let bundle = desk.bundle();
    for person in ["anna", "bert"] {
        desk.run(&format!("approve {} --key {person}.key --against site --acknowledge-all known", bundle.display()))
            .ok();
    }
    desk.import(&bundle).ok();
}

fn blobs(desk: &Desk) -> BTreeSet<String> {
    let names = files(&desk.path("site/depot/sha256"));
    names.iter().map(|path| path.rsplit('/').next().unwrap().to_owned()).collect()
}

fn packages(desk: &Desk) -> usize {
    let is_package = |name: &String| {
        let blob = fs::read(desk.path(&format!("site/depot/sha256/{}/{name}", &name[..2]))).unwrap();
        blob.starts_with(b"!<arch>\n")
    };
    blobs(desk).iter().filter(|name| is_package(name)).count()
}

#[test]
fn gc_keeps_evidence_for_the_days_that_are_set_and_no_payload() {
    let desk = desk();
    publish_first(&desk);
    fs::write(
        desk.path("site/site.toml"),
        fs::read_to_string(desk.path("site/site.toml")).unwrap() + "\n[evidence]\nkeep-days = 30\n",
    )
    .unwrap();
    ["2.0-1", "3.0-1"].iter().for_each(|version| replace(&desk, version));
    let ended = desk.run("gc --keep 1 --site site --json").ok().json();
    assert_eq!((&ended["generations"], &ended["evidence"]), (&json!([1, 2]), &json!([])));
    assert_eq!(packages(&desk), 1, "payloads are no evidence");
    assert_eq!(evidence(&desk, 1, "first")["missing"], json!([]));
    follow(&desk.path("first")).ok();
    assert_eq!(evidence(&desk, 2, "second")["state"], "was-published");
    follow(&desk.path("second")).ok();
    // The report against the state before can be made again, as long as one of the two is kept.
    desk.run("report second --against second/against --out made").ok();

    // 29 days later, counted from the end of its publication, all of it is there; two days after that it is not.
    let gc = |clock: &str, more: &str| {
        end(&mut at_clock(&desk.command(&format!("gc --keep 1 --site site --json {more}")), clock)).ok().json()
    };
    assert_eq!(gc("+29d", "")["evidence"], json!([]));
    let before = contents_of(&desk.path("site"), |path| path != Path::new("lock"));
    let would = gc("+31d", "--dry-run");
    assert_eq!(would["evidence"], json!(["dc1-base-000001", "dc1-base-000002"]));
    assert_eq!(difference(&before, &contents_of(&desk.path("site"), |path| path != Path::new("lock"))), None);
    let did = gc("+31d", "");
    assert_eq!((&did["evidence"], &did["blobs"]), (&would["evidence"], &would["blobs"]));
    let left: Vec<PathBuf> =
        fs::read_dir(desk.path("site/evidence")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left.len(), 1, "that on what is published stays: {left:?}");
    assert_eq!(fs::read_dir(desk.path("site/approvals")).unwrap().count(), 1, "and so do its approvals");
    desk.run("evidence 1 --site site --out gone")
        .says(Exit::Usage, &["no evidence on such a bundle", "dc1-base-000003"]);
    assert_eq!(evidence(&desk, 3, "third")["missing"], json!([]), "with the state that was published before it");
    follow(&desk.path("third")).ok();
    assert!(fs::read_to_string(desk.path("site/audit.jsonl")).unwrap().contains("and the evidence on dc1-base-000001"));
    desk.run("site check --site site").ok();
}

#[test]
fn evidence_stays_while_the_clock_is_doubted_or_a_record_is_damaged() {
    let desk = desk();
    publish_first(&desk);
    replace(&desk, "2.0-1");
    desk.run("gc --keep 1 --site site").ok();
    let years = end(&mut at_clock(&desk.command("gc --keep 1 --site site --json"), "+9000d")).ok();
    assert!(years.err.contains("the evidence on 1 bundles stays"), "{}", years.err);
    assert_eq!(years.json()["evidence"], json!([]), "a clock that is years ahead costs no evidence");
    let record = fs::read_dir(desk.path("site/evidence")).unwrap().next().unwrap().unwrap().path();
    let right = fs::read_to_string(&record).unwrap();
    for wrong in [
        String::new(),
        right.replace("\"format\": 1", "\"format\": 2"),
        right.replace("manifest.json.sig", "../../escape"),
    ] {
        fs::write(&record, wrong).unwrap();
        desk.run("gc --keep 1 --site site").says(Exit::Failed, &["nothing was removed", "rm "]);
        desk.run("evidence 1 --site site --out out").says(Exit::Failed, &["is damaged"]);
    }
    fs::write(&record, right).unwrap();
    desk.run("gc --keep 1 --site site").ok();
}
