//! Looks into packages from volumes, held against dpkg-deb.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use gapferry::cli::Exit;
use serde_json::{Value, json};

use super::{says, small_part};
use crate::approvals::{FIRST, approve};
use crate::support::desk::{Desk, end};
use crate::support::real_debs::{RealFile, build_real_deb};

/// Puts the next packages into the folder that a bundle takes them from.
fn publish(desk: &Desk, packages: &[(&str, &str, Vec<RealFile>)]) -> Vec<PathBuf> {
    let folder = desk.path("online/debs");
    let _ = fs::remove_dir_all(&folder);
    packages.iter().map(|(name, version, files)| build_real_deb(&folder, name, version, files)).collect()
}

/// A desk whose bundles have packages of a folder.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.select("[[apt]]\nname = \"own\"\nlocal = \"debs\"\n");
    desk.init(&[], "--allow-unsigned own");
    desk
}

/// Two states of a package, of which the second one has something new of each kind.
fn two_states(desk: &Desk) -> [PathBuf; 2] {
    let unit = |text: &str| RealFile::new("usr/lib/systemd/system/tool.service", 0o644, text);
    let script = |text: &str| RealFile::new("DEBIAN/postinst", 0o755, text);
    let old = vec![
        script("#!/bin/sh\ntrue\n"),
        unit("[Service]\n"),
        RealFile::new("usr/bin/tool", 0o755, "tool"),
        RealFile::new("usr/bin/known", 0o2755, "known"),
    ];
    publish(desk, &[("tool", "1.0", old.clone()), ("stays", "1.0", Vec::new())]);
    let first = desk.bundle();
    let mut new = old;
    new[0] = script("#!/bin/sh\nuseradd tool\n");
    new[2].mode = 0o4755;
    new.extend([
        RealFile::new("usr/lib/systemd/system/tool.timer", 0o644, "[Timer]\n"),
        RealFile::new("etc/cron.d/tool", 0o644, "* * * * * root true\n"),
        RealFile::new("usr/bin/esc\u{1b}[2J\u{202e}<script>", 0o2755, ""),
    ]);
    let other = vec![RealFile::new("DEBIAN/preinst", 0o755, "#!/bin/sh\n")];
    publish(desk, &[("tool", "1.1", new), ("other", "2.0", other), ("stays", "1.0", Vec::new())]);
    [first, desk.bundle()]
}

fn report(desk: &Desk, arguments: &str, out: &str) -> (Value, String, String) {
    desk.run(&format!("report {arguments} --contents --out {out}")).ok();
    let read = |name: &str| fs::read_to_string(desk.path(out).join(name)).unwrap();
    (serde_json::from_str(&read("report.json")).unwrap(), read("report.txt"), read("report.html"))
}

/// The kinds, changes and names of what was found in a package.
fn found(report: &Value, package: &str) -> Vec<[String; 3]> {
    let packages = report["contents"]["findings"].as_array().unwrap();
    let package = packages.iter().find(|of| of["name"] == package).unwrap_or_else(|| panic!("{report}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let row = |of: &Value| [text(&of["kind"]), text(&of["change"]), text(&of["name"])];
    package["findings"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn a_report_finds_what_is_new_inside_of_packages() {
    let desk = desk();
    let [first, second] = two_states(&desk);
    let arguments = format!("{} --against {}", second.display(), first.display());
    let (json, text, page) = report(&desk, &arguments, "review");
    let row = |kind: &str, change: &str, name: &str| [kind, change, name].map(str::to_owned);
    let wanted = [
        row("setuid", "new", "/usr/bin/esc\u{1b}[2J\u{202e}<script>"),
        row("setuid", "new", "/usr/bin/tool"),
        row("script", "changed", "postinst"),
        row("timer", "new", "/usr/lib/systemd/system/tool.timer"),
        row("cron", "new", "/etc/cron.d/tool"),
    ];
    assert_eq!(found(&json, "tool"), wanted);
    assert_eq!(found(&json, "other"), [row("script", "new", "preinst")]);
    assert_eq!(json["contents"]["totals"]["looked_into"], 2, "stays has no new bytes");
    assert_eq!(json["contents"]["not_looked_into"], json!([]));
    assert!(!json["no_data"].to_string().contains("unexpected content"));
    let setuid: Vec<&Value> =
        json["alarms"].as_array().unwrap().iter().filter(|alarm| alarm["alarm"] == "new-setuid").collect();
    assert_eq!(setuid.len(), 1, "{json}");
    assert_eq!(setuid[0]["name"], "tool");
    for shown in [&text, &page] {
        assert!(shown.contains("\\u{1b}[2J\\u{202e}"), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    }
    assert!(!page.contains("<script"), "{page}");
    says(&text, "2 packages looked into, 2 setuid or setgid files new");
    says(&text, "changed maintainer script postinst");
    assert!(page.contains("new setuid file: apt/own"), "{page}");

    // The same bundle gives the same bytes, and a site's depot stands in for the older volumes.
    let again = report(&desk, &arguments, "again");
    assert_eq!(again, (json.clone(), text, page));
    desk.import(&first).ok();
    let (by_site, ..) = report(&desk, &format!("{} --against site", second.display()), "by-site");
    assert_eq!((&by_site["contents"], &by_site["alarms"]), (&json["contents"], &json["alarms"]));
}

#[test]
fn dpkg_deb_finds_the_same_setuid_files_and_scripts() {
    let desk = desk();
    let [_, second] = two_states(&desk);
    let (json, ..) = report(&desk, &second.display().to_string(), "review");
    let deb = desk.path("online/debs/tool_1.1_all.deb");
    let listed = end(Command::new("dpkg-deb").arg("--contents").arg(&deb)).ok().out;
    let setuid = listed.lines().filter(|line| line.starts_with('-') && line[..10].contains('s'));
    let by_dpkg: Vec<String> =
        setuid.filter_map(|line| line.split("./").nth(1)).map(|path| format!("/{path}")).collect();
    let rows = found(&json, "tool");
    let named = |kind: &str| rows.iter().filter(|row| row[0] == kind).map(|row| row[2].clone()).collect::<Vec<_>>();
    assert_eq!(named("setuid").len(), 3, "against nothing, each is new");
    // dpkg-deb prints names that are no text in another way.
    let plain = |paths: Vec<String>| paths.into_iter().filter(|path| !path.contains("esc")).collect::<Vec<_>>();
    assert_eq!(plain(named("setuid")), {
        let mut sorted = plain(by_dpkg);
        sorted.sort();
        sorted
    });
    let control = desk.path("control");
    end(Command::new("dpkg-deb").arg("--control").arg(&deb).arg(&control)).ok();
    let sum = end(Command::new("sha256sum").arg(control.join("postinst"))).ok().out;
    let digest = sum.split(' ').next().unwrap();
    assert!(json["contents"].to_string().contains(digest), "{digest}");
}

#[test]
fn the_report_names_packages_that_it_did_not_look_into() {
    let desk = desk();
    let [first, second] = two_states(&desk);
    let bare = small_part(&desk, &second);
    desk.run(&format!("report {} --contents --out review", bare.display()))
        .says(Exit::VolumesMissing, &["volumes are missing"]);
    // The older bundle has no volumes: all counts as new.
    let older = small_part(&desk, &first);
    let (json, text, _) = report(&desk, &format!("{} --against {}", second.display(), older.display()), "blind");
    let tool = json["contents"]["findings"].as_array().unwrap().iter().find(|of| of["name"] == "tool").unwrap();
    assert_eq!(tool["before"], "not-looked-into");
    assert_eq!(found(&json, "tool").len(), 7, "the script, unit and setgid file that are known, too");
    says(&text, "the package before was not looked into");
    // A package that is none.
    fs::write(desk.path("online/debs/bad_1_all.deb"), hostile_deb(&desk)).unwrap();
    let third = desk.bundle();
    let (json, text, _) = report(&desk, &format!("{} --against {}", third.display(), second.display()), "bad");
    assert_eq!(json["contents"]["not_looked_into"][0]["name"], "bad");
    says(&text, "NOT looked into: apt/own: bad 1");
}

/// A package with good control data and a payload that is no archive.
fn hostile_deb(desk: &Desk) -> Vec<u8> {
    let folder = desk.path("hostile");
    let deb = build_real_deb(&folder, "bad", "1", &[]);
    let run = |command: &mut Command| end(command.current_dir(&folder)).ok();
    run(Command::new("ar").arg("x").arg(&deb));
    fs::write(folder.join("data.tar.xz"), "no archive at all").unwrap();
    fs::remove_file(&deb).unwrap();
    run(Command::new("ar").args(["qc", "bad.deb", "debian-binary", "control.tar.xz", "data.tar.xz"]));
    fs::read(folder.join("bad.deb")).unwrap()
}

#[test]
fn an_approval_names_alarms_that_only_volumes_show() {
    let desk = crate::approvals::desk_with("--allow-unsigned own");
    ["anna", "bert"].iter().for_each(|person| drop(approve(&desk, person, "")));
    desk.import(&desk.path(FIRST)).ok();
    publish(&desk, &[("tool", "1.1", vec![RealFile::new("usr/bin/tool", 0o4755, "tool")])]);
    let table = desk.table("demo", &desk.url("up"), "stable main amd64", "");
    desk.select(&format!("trust = \"trust\"\n{table}[[apt]]\nname = \"own\"\nlocal = \"debs\"\n"));
    let bundle = desk.bundle();
    let (json, ..) = report(&desk, &format!("{} --against {FIRST}", bundle.display()), "review");
    let alarms: Vec<(&str, &str)> = json["alarms"].as_array().unwrap().iter().map(kind_and_id).collect();
    let (others, setuid): (Vec<_>, Vec<_>) = alarms.into_iter().partition(|(kind, _)| *kind != "new-setuid");
    let [(_, setuid)] = setuid.as_slice() else { panic!("{json}") };
    assert!(!others.is_empty(), "{json}");
    let named: String = others.iter().map(|(_, id)| format!(" --acknowledge {id}=known")).collect();
    let approve = |person: &str, more: &str| {
        desk.run(&format!("approve {} --against {FIRST} --key {person}.key --json {more}", bundle.display()))
    };
    let report = "--report review/report.json";
    approve("anna", &format!("{report} {named}")).says(Exit::Usage, &["there are alarms", setuid, "/usr/bin/tool"]);
    approve("anna", &format!("{named} --acknowledge {setuid}=known"))
        .says(Exit::Usage, &["there is no alarm", "give --report"]);
    let signed = approve("anna", &format!("{report} {named} --acknowledge {setuid}=asked")).ok().json();
    assert!(statement(&signed)["acknowledged"].to_string().contains("asked"));
    let signed = approve("bert", &format!("{report} --acknowledge-all known")).ok().json();
    let acknowledged = statement(&signed)["acknowledged"].clone();
    assert_eq!(acknowledged.as_object().unwrap().len(), 1, "the site knows nothing of this one: {acknowledged}");
    assert!(acknowledged.as_object().unwrap().keys().all(|digest| digest.starts_with(setuid)));
    desk.import(&bundle).ok();
    assert!(desk.path("site/current/apt/own").exists());
}

fn kind_and_id(alarm: &Value) -> (&str, &str) {
    (alarm["alarm"].as_str().unwrap(), alarm["id"].as_str().unwrap())
}

/// The statement that a command has written.
fn statement(told: &Value) -> Value {
    serde_json::from_slice(&fs::read(told["file"].as_str().unwrap()).unwrap()).unwrap()
}

#[test]
fn licences_inside_of_packages_reach_report_and_bills() {
    let desk = desk();
    let copyright = |path: &'static str, licences: &[&str]| {
        let header = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n";
        let files = licences.iter().map(|licence| format!("\nFiles: *\nCopyright: A\nLicense: {licence}\n"));
        vec![RealFile::new(path, 0o644, &format!("{header}{}", files.collect::<String>()))]
    };
    let packages = [
        ("gnu", "1.0", copyright("usr/share/doc/gnu/copyright", &["GPL-2+", "Expat or Apache-2.0"])),
        ("odd", "1.0", copyright("usr/share/doc/odd/copyright", &["GPL-2+", "MIT"])),
        ("none", "1.0", Vec::new()),
        ("other", "1.0", copyright("usr/share/doc/elsewhere/copyright", &["Expat"])),
    ];
    publish(&desk, &packages);
    let bundle = desk.bundle();
    desk.run(&format!("report {} --licences --out review", bundle.display())).ok();
    let read =
        |name: &str| -> Value { serde_json::from_slice(&fs::read(desk.path("review").join(name)).unwrap()).unwrap() };
    let gnu = "GPL-2.0-or-later AND (MIT OR Apache-2.0)";
    let report = read("report.json");
    assert_eq!(report["licences"], json!([{ "items": 3 }, { "items": 1, "licence": gnu }]));
    assert!(report["contents"].is_null(), "nobody asked for contents");
    let bill = read("sbom.spdx.json");
    let declared = |name: &str| {
        let packages = bill["packages"].as_array().unwrap();
        packages.iter().find(|of| of["name"] == name).unwrap()["licenseDeclared"].as_str().unwrap().to_owned()
    };
    assert_eq!(declared("gnu"), gnu);
    ["odd", "none", "other"].iter().for_each(|name| assert_eq!(declared(name), "NOASSERTION", "{name}"));
    let bill = read("sbom.cdx.json");
    let components = bill["components"].as_array().unwrap();
    let licences = |name: &str| components.iter().find(|of| of["name"] == name).unwrap()["licenses"].clone();
    assert_eq!(licences("gnu"), json!([{ "expression": gnu }]));
    assert!(licences("odd").is_null());
    super::sbom::judged(&desk.path("review"));
}

#[test]
fn a_package_that_is_cut_across_media_is_put_together() {
    let desk = desk();
    let mut noise = RealFile::new("usr/bin/noise", 0o4755, "");
    let mut number = 7_u64;
    let next = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        number.to_le_bytes()[7]
    };
    noise.content = std::iter::repeat_with(next).take(300_000).collect();
    publish(&desk, &[("large", "1", vec![noise]), ("small", "1", vec![RealFile::new("usr/bin/small", 0o4755, "")])]);
    let selection = desk.path("online/selection.toml");
    let text = fs::read_to_string(&selection).unwrap().replace("\"100 MB\"", "\"100 KiB\"");
    fs::write(&selection, text).unwrap();
    let bundle = desk.bundle();
    let (json, ..) = report(&desk, &bundle.display().to_string(), "whole");
    assert_eq!(found(&json, "large"), [["setuid", "new", "/usr/bin/noise"].map(str::to_owned)]);

    // One volume is on another medium.
    let (here, there) = (desk.path("here"), desk.path("there"));
    for side in [&here, &there] {
        end(Command::new("cp").arg("-r").arg(&bundle).arg(side)).ok();
    }
    let packings = |side: &PathBuf| fs::read_dir(side.join("packings")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(packings(&here).join("volume-002.tar")).unwrap();
    fs::remove_file(packings(&there).join("volume-001.tar")).unwrap();
    let (half, text, _) = report(&desk, &here.display().to_string(), "half");
    assert_eq!(half["contents"]["not_looked_into"][0]["name"], "large");
    says(&text, "NOT looked into: apt/own: large 1: its volume is not here");
    assert_eq!(found(&half, "small"), [["setuid", "new", "/usr/bin/small"].map(str::to_owned)]);
    let (both, ..) = report(&desk, &format!("{} --medium {}", here.display(), there.display()), "both");
    assert_eq!(both, json);
}

#[test]
fn a_report_looks_into_rpm_packages() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("online/tools")).unwrap();
    let package = crate::rpm_file::build(&desk.path("online"), "w1.zstdio");
    fs::rename(package, desk.path("online/tools/thing.rpm")).unwrap();
    desk.select("[[files]]\nname = \"tools\"\nfrom = \"tools\"\n");
    let (json, text, _) = report(&desk, &desk.bundle().display().to_string(), "review");
    let row = |kind: &str, name: &str| [kind, "new", name].map(str::to_owned);
    let wanted = [
        row("setuid", "/usr/bin/run"),
        row("setuid", "/usr/bin/second"),
        row("capabilities", "/usr/bin/ping"),
        row("script", "%post"),
        row("script", "%preun"),
        row("unit", "/usr/lib/systemd/system/thing.service"),
    ];
    assert_eq!(found(&json, "thing.rpm"), wanted);
    says(&text, "/usr/bin/ping (cap_net_raw=ep)");
}
