//! Scans by clamscan, with a file of signatures of our own, and by scanners that end in other ways.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::cli::Exit;
use serde_json::{Value, json};

use super::says;
use crate::support::desk::{Desk, end};
use crate::support::real_debs::{RealFile, build_real_deb};

/// The two halves of the test file of the European Institute for Computer Antivirus Research: whole, it would stop a scanner of this
/// repository.
const EICAR: [&str; 2] = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STAND", "ARD-ANTIVIRUS-TEST-FILE!$H+H*"];

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A desk with the test file in a .deb, a snap, a tarball and a loose file, and with a file of signatures that finds it.
fn desk() -> (Desk, PathBuf) {
    let (desk, eicar) = (Desk::new(), EICAR.concat());
    // The scanner may run as nobody.
    set_mode(&desk.path(""), 0o755);
    let hex: String = eicar.bytes().map(|byte| format!("{byte:02x}")).collect();
    fs::write(desk.path("own.ndb"), format!("Own-Eicar:0:*:{hex}\n")).unwrap();
    set_mode(&desk.path("own.ndb"), 0o644);
    let debs = desk.path("online/debs");
    build_real_deb(&debs, "evil", "1.0", &[RealFile::new("usr/share/evil\u{1b}[2J", 0o644, &eicar)]);
    build_real_deb(&debs, "good", "1.0", &[RealFile::new("usr/bin/good", 0o755, "good")]);
    let (tools, tree) = (desk.path("online/tools"), desk.path("tree"));
    fs::create_dir(&tools).unwrap();
    fs::create_dir_all(tree.join("meta")).unwrap();
    fs::write(tree.join("meta/snap.yaml"), "name: evil\nversion: 1\nconfinement: classic\nplugs: {home: }\n").unwrap();
    fs::write(tree.join("evil"), &eicar).unwrap();
    end(Command::new("mksquashfs").arg(&tree).arg(tools.join("evil.snap")).args([
        "-quiet",
        "-no-progress",
        "-all-root",
    ]))
    .ok();
    end(Command::new("tar").arg("-C").arg(&tree).arg("-czf").arg(tools.join("evil.tar.gz")).arg("evil")).ok();
    fs::write(tools.join("evil.bin"), &eicar).unwrap();
    fs::write(tools.join("good.txt"), "good").unwrap();
    desk.select("[[apt]]\nname = \"own\"\nlocal = \"debs\"\n[[files]]\nname = \"tools\"\nfrom = \"tools\"\n");
    let bundle = desk.bundle();
    (desk, bundle)
}

fn read(desk: &Desk, name: &str) -> String {
    fs::read_to_string(desk.path("review").join(name)).unwrap()
}

fn report(desk: &Desk) -> Value {
    serde_json::from_str(&read(desk, "report.json")).unwrap()
}

#[test]
fn clamscan_finds_its_test_file_in_each_form_of_package() {
    let (desk, bundle) = desk();
    let database = desk.path("own.ndb").display().to_string();
    let mut command = desk.command(&format!("report {} --contents --out review --scan", bundle.display()));
    let told = crate::support::desk::end(command.arg(format!("clamscan -d {database}"))).ok();
    says(&told.out, "malware scan: FOUND SOMETHING");
    let (json, text, page) = (report(&desk), read(&desk, "report.txt"), read(&desk, "report.html"));
    let mut found: Vec<(String, String)> = json["scan"]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            assert_eq!(of["finding"], "Own-Eicar.UNOFFICIAL");
            (of["name"].as_str().unwrap().to_owned(), of["path"].as_str().unwrap().to_owned())
        })
        .collect();
    found.sort();
    let wanted = [
        ("evil", "/usr/share/evil\u{1b}[2J"),
        ("evil.bin", "the file itself"),
        ("evil.snap", "/evil"),
        ("evil.tar.gz", "/evil"),
    ];
    assert_eq!(found, wanted.map(|(name, path)| (name.to_owned(), path.to_owned())));
    let scan = &json["scan"];
    assert_eq!((&scan["result"], &scan["errors"], &scan["not_scanned"]), (&"found".into(), &json!([]), &json!([])));
    assert_eq!(scan["databases"][0]["name"], "own.ndb");
    let sum = end(Command::new("sha256sum").arg(desk.path("own.ndb"))).ok().out;
    assert!(sum.starts_with(scan["databases"][0]["sha256"].as_str().unwrap()), "{sum}");
    assert!(scan["version"].as_str().unwrap().starts_with("ClamAV"), "{scan}");
    let alarms = json["alarms"].as_array().unwrap();
    assert_eq!(alarms.iter().filter(|alarm| alarm["alarm"] == "malware").count(), 4);
    assert!(!text.contains('\u{1b}') && !page.contains('\u{1b}'));
    says(&text, "FOUND Own-Eicar.UNOFFICIAL in apt/own: evil 1.0: /usr/share/evil\\u{1b}[2J");
    assert!(page.contains("Own-Eicar.UNOFFICIAL"), "{page}");
    // A snap that is not confined, and its interface.
    let findings = json["contents"]["findings"].to_string();
    assert!(findings.contains("\"value\":\"classic\"") && findings.contains("plug home"), "{findings}");

    // The statement of a reviewer who read it names the scan.
    desk.run("keygen anna.key").ok();
    let signed = desk.run(&format!(
        "approve {} --key anna.key --as anna --report review/report.json --acknowledge-all test --json",
        bundle.display()
    ));
    let statement = fs::read(signed.ok().json()["file"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&statement).unwrap();
    let noted = json!({ "databases": scan["databases"], "result": "found", "tool": scan["version"] });
    assert_eq!(statement["scan"], noted);
}

/// Writes a scanner of one shell script, which gets the folder to scan as its argument.
fn scanner(desk: &Desk, script: &str) -> String {
    let path = desk.path("scanner");
    fs::write(&path, format!("#!/bin/sh\n[ \"$1\" = --version ] && {{ echo own 1; exit; }}\n{script}\n")).unwrap();
    set_mode(&path, 0o755);
    path.display().to_string()
}

#[test]
fn only_a_scan_of_all_files_that_ends_well_is_clean() {
    let (desk, bundle) = desk();
    let report_with = |script: &str, more: &str| {
        let scan = scanner(&desk, script);
        desk.run(&format!("report {} --out review --scan {scan} {more}", bundle.display()))
    };
    let result = || report(&desk)["scan"]["result"].clone();
    report_with("exit 0", "").ok();
    assert_eq!(result(), "clean");
    says(&read(&desk, "report.txt"), "Result clean");
    for (script, more, words) in [
        ("echo broken >&2; exit 2", "", "exit code 2: broken"),
        ("kill -9 $$", "", "a signal"),
        ("exec sleep 1000", "--scan-seconds 1", "took too long"),
    ] {
        report_with(script, more).says(Exit::Failed, &["the scan does not count", words]);
        assert_eq!(result(), "failed", "{script}");
        says(&read(&desk, "report.txt"), "Result FAILED");
    }
    report_with("exit 1", "").ok();
    assert_eq!(result(), "found", "it does not say where");
    desk.run(&format!("report {} --out review --scan no-such-scanner", bundle.display()))
        .says(Exit::Usage, &["there is no program no-such-scanner", "apt-get install clamav"]);

    // A package that cannot be unpacked is scanned as it is, and is not counted as scanned.
    fs::write(desk.path("online/tools/broken.tar.gz"), "no archive").unwrap();
    let broken = desk.bundle();
    let scan = scanner(&desk, "exit 0");
    desk.run(&format!("report {} --out review --scan {scan}", broken.display())).ok();
    let json = report(&desk);
    assert_eq!(
        (&json["scan"]["result"], &json["scan"]["not_scanned"][0]["name"]),
        (&"incomplete".into(), &"broken.tar.gz".into())
    );
}

#[test]
fn a_scanner_has_no_network_and_no_rights_as_the_report_says() {
    let (desk, bundle) = desk();
    let script = "echo $(($(grep -c : /proc/net/dev))) interfaces, user $(id -u), names $(ls \"$1\" | tr -d '0-9\\n') >&2; exit 3";
    let scan = scanner(&desk, script);
    desk.run(&format!("report {} --out review --scan {scan}", bundle.display())).says(Exit::Failed, &["exit code 3"]);
    let json = report(&desk);
    let (error, isolation) = (json["scan"]["errors"][0].as_str().unwrap(), &json["scan"]["isolation"]);
    assert!(error.ends_with("names"), "all names are numbers: {error}");
    if isolation["network"] == "none" {
        assert!(error.contains(" 1 interfaces"), "{error}");
    } else {
        assert!(isolation["network"].as_str().unwrap().starts_with("not cut off"), "{isolation}");
    }
    // Behind `unshare --user` other users' ids are not known, so that the caller's own looks like nobody's, too.
    match isolation["user"].as_str().unwrap() {
        "nobody" => assert!(error.contains("user 65534"), "{error}"),
        "caller" => assert!(!error.contains("user 0"), "{error}"),
        other => assert!(other == "root" && error.contains("user 0"), "{error}"),
    }
    let works =
        |words: &[&str]| Command::new(words[0]).args(&words[1..]).output().is_ok_and(|ended| ended.status.success());
    let may_unshare = works(&["unshare", "--net", "true"]) || works(&["unshare", "--user", "--net", "true"]);
    assert_eq!(isolation["network"] == "none", may_unshare, "{isolation}");
}
