//! Security data: carried unchanged, dated, and read by the real debsecan from `gapferry serve`. The data is made here, in upstream's shape.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use gapferry::cli::Exit;
use gapferry::formats::apt::version;
use gapferry::upstream::{DebSpec, Upstream};
use serde_json::Value;

use crate::support::desk::{ARCHIVE_KEY, Desk, Ended, end};
use crate::support::server::{Fault, Server, Times};

/// The path of Debian's files for debsecan.
const FOLDER: &str = "tracker/debsecan/release/1";

/// A file for debsecan: vulnerabilities, and what they affect.
pub(crate) fn debsecan_data(names: &[&str], packages: &[&str]) -> Vec<u8> {
    let names: String = names.iter().map(|name| format!("{name},,made up\n")).collect();
    let packages: String = packages.iter().map(|line| format!("{line}\n")).collect();
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(format!("VERSION 1\n{names}\n{packages}\n\n").as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// An upstream with a file for debsecan.
fn upstream(desk: &Desk) -> Server {
    let data = debsecan_data(&["CVE-2026-0001"], &["curl,0,SH F,2.0,1.2"]);
    write(&desk.path("up").join(FOLDER).join("bookworm"), &data);
    let server = Server::start(&desk.path("up"));
    server.date(&format!("{FOLDER}/bookworm"), "Sat, 21 Nov 2026 10:00:00 GMT");
    server
}

fn table(server: &Server, more: &str) -> String {
    format!(
        "[[feeds]]\nname = \"debsecan\"\nformat = \"debsecan\"\nurl = \"{}\"\nfiles = [\"bookworm\"]\n{more}\n",
        server.url(FOLDER)
    )
}

/// Runs the real debsecan over one installed package.
fn debsecan(desk: &Desk, source: &str) -> Ended {
    let status = "Package: libcurl4\nStatus: install ok installed\nVersion: 1.0\nSource: curl\n\n";
    fs::write(desk.path("status"), status).unwrap();
    let mut command = Command::new("debsecan");
    command.args(["--source", source, "--suite", "bookworm", "--status"]).arg(desk.path("status"));
    end(command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1"))
}

#[test]
fn debsecan_reads_what_is_served_and_every_listing_shows_its_date() {
    let desk = Desk::new();
    let server = upstream(&desk);
    desk.select(&table(&server, "allow-unsigned = true"));
    desk.init(&[], "--allow-unsigned debsecan");
    let bundle = desk.bundle();
    let shown = desk.run(&format!("inspect {}", bundle.display())).ok().out;
    let line =
        "bookworm 2026-11-21T10:00:00Z   debsecan data of 2026-11-21T10:00:00Z (requested)  WITHOUT UPSTREAM PROOF";
    assert!(shown.contains(line), "{shown}");
    desk.import(&bundle).ok();
    let status = desk.run("status --site site").ok().out;
    assert!(status.contains("its oldest data is of 2026-11-21T10:00:00Z, "), "{status}");
    let json = desk.run("status --site site --json").ok().json();
    assert_eq!(json["published"]["feeds/debsecan"]["oldest_data"], "2026-11-21T10:00:00Z");

    let serving = desk.serve();
    let told = debsecan(&desk, &format!("http://{}/feeds/debsecan", serving.address)).ok();
    assert_eq!(told.out, "CVE-2026-0001 libcurl4 (fixed, high urgency)\n");
    // Upstream's own path, which a site without proof answers for if it is told so.
    let path = desk.path("site/site.toml");
    let alias =
        "\n[[serve.alias]]\nurl = \"https://127.0.0.1/tracker/debsecan/release/1\"\ncollection = \"feeds/debsecan\"\n";
    fs::write(&path, fs::read_to_string(&path).unwrap() + alias).unwrap();
    drop(serving);
    let serving = desk.serve();
    let source = format!("http://{}/{FOLDER}/", serving.address);
    assert_eq!(debsecan(&desk, &source).ok().out, told.out);
}

#[test]
fn the_script_for_clients_points_debsecan_here() {
    let desk = Desk::new();
    let server = upstream(&desk);
    desk.select(&table(&server, "allow-unsigned = true"));
    desk.init(&[], "--allow-unsigned debsecan");
    desk.ferry();
    let serving = desk.serve();
    let script = desk.run(&format!("setup feeds --site site --serve-url http://{}", serving.address)).ok().out;
    // The release and the configuration of a client, in the place of this machine's own.
    fs::write(desk.path("os-release"), "VERSION_CODENAME=bookworm\n").unwrap();
    let script = script.replace("/etc/os-release", &desk.path("os-release").display().to_string());
    let update = format!("debsecan --config {} --update-config", desk.path("config").display());
    fs::write(desk.path("script"), script.replace("debsecan --update-config", &update)).unwrap();
    end(Command::new("sh").arg(desk.path("script"))).ok();
    let config = fs::read_to_string(desk.path("config")).unwrap();
    assert!(config.contains(&format!("SOURCE=http://{}/feeds/debsecan\n", serving.address)), "{config}");
    assert!(config.contains("SUITE=bookworm\n"), "{config}");
}

#[test]
fn data_that_has_not_changed_is_not_fetched_again() {
    let desk = Desk::new();
    let server = upstream(&desk);
    desk.select(&table(&server, "allow-unsigned = true"));
    let path = format!("{FOLDER}/bookworm");
    let first = desk.bundle();
    desk.export("").says(Exit::NothingNew, &[]);
    let asked = server.requests(&path);
    assert_eq!(asked.len(), 2);
    assert!(asked[0].header("if-none-match").is_none() && asked[1].header("if-none-match").is_some());
    assert_eq!(asked[1].header("if-modified-since"), Some("Sat, 21 Nov 2026 10:00:00 GMT"));

    write(&desk.path("up").join(&path), &debsecan_data(&["CVE-2026-0001", "CVE-2026-0002"], &["curl,1,S   ,,"]));
    server.date(&path, "Sun, 22 Nov 2026 10:00:00 GMT");
    let dry = desk.export("--dry-run").ok();
    assert!(dry.out.contains("1 file") || dry.err.contains("1 file"), "{dry:?}");
    let second = desk.bundle();
    let diff = desk.run(&format!("diff {} {}", first.display(), second.display())).ok().out;
    let line = "bookworm 2026-11-21T10:00:00Z -> 2026-11-22T10:00:00Z";
    assert!(diff.contains("UPGRADED (1)") && diff.contains(line), "{diff}");
}

#[test]
fn a_transfer_that_breaks_is_tried_again_and_what_is_no_data_is_refused() {
    let desk = Desk::new();
    let server = upstream(&desk);
    desk.select(&table(&server, "allow-unsigned = true"));
    let path = format!("{FOLDER}/bookworm");
    server.fault(&path, Times(1), Fault::CutAt(10));
    desk.bundle();
    assert_eq!(server.requests(&path).len(), 2);
    write(&desk.path("up").join(&path), b"<!DOCTYPE html><html>Sign in to the network</html>");
    desk.export("").says(
        Exit::VerificationFailed,
        &["cannot collect the source debsecan", "no security data of the format debsecan"],
    );
    server.fault(&path, Times::ALWAYS, Fault::Announce(3 << 30));
    desk.export("").says(Exit::VerificationFailed, &["is larger than the 2147483648 bytes it may have"]);
}

#[test]
fn a_site_takes_data_without_a_signature_only_if_its_policy_says_so() {
    let desk = Desk::new();
    let server = upstream(&desk);
    desk.select(&table(&server, ""));
    desk.export("").says(Exit::Usage, &["if nobody signs this data, set allow-unsigned = true"]);
    desk.select(&table(&server, "allow-unsigned = true"));
    desk.init(&[], "");
    let bundle = desk.bundle();
    desk.import(&bundle).says(Exit::Refused, &["feeds/debsecan"]);
}

#[test]
fn a_signature_beside_a_file_is_checked_on_both_sides() {
    let desk = Desk::new();
    let document = br#"{"document": {"category": "csaf_vex", "title": "made up"}}"#;
    write(&desk.path("up/2026/cve-2026-0001.json"), document);
    let signature = ARCHIVE_KEY.sign_detached(document, gapferry::time::Time::now().unix()).unwrap();
    write(&desk.path("up/2026/cve-2026-0001.json.asc"), signature.as_bytes());
    let table = |files: &str| {
        format!(
            "[[feeds]]\nname = \"vex\"\nformat = \"csaf-vex\"\nurl = \"{}\"\nfiles = [{files}]\nkeyring = \"{}\"\n",
            desk.url("up"),
            desk.path("keyring.gpg").display()
        )
    };
    desk.select(&table("\"2026/cve-2026-0001.json\""));
    desk.init(&["vex"], "");
    let bundle = desk.bundle();
    desk.import(&bundle).ok();
    let status = desk.run("status --site site").ok().out;
    assert!(!status.contains("WITHOUT UPSTREAM PROOF"), "{status}");
    let published = |name: &str| fs::read(desk.path("site/current/feeds/vex/2026").join(name)).unwrap();
    assert_eq!(published("cve-2026-0001.json"), document);
    assert_eq!(published("cve-2026-0001.json.asc"), signature.as_bytes());

    write(&desk.path("up/2026/cve-2026-0001.json"), br#"{"document": {"category": "csaf_vex", "title": "forged"}}"#);
    desk.export("").says(Exit::VerificationFailed, &["2026/cve-2026-0001.json is not signed by a key of its keyring"]);
}

/// A package of a bundle as dpkg would have it installed.
#[derive(Clone, Debug)]
struct Installed {
    name: String,
    version: String,
    source: String,
    source_version: String,
}

/// The packages of a bundle, each in the highest version that it has.
fn installed(desk: &Desk, bundle: &Path) -> Vec<Installed> {
    let inspected = desk.run(&format!("inspect {} --json", bundle.display())).ok().json();
    let items = inspected["collections"].as_array().unwrap().iter().flat_map(|c| c["items"].as_array().unwrap());
    let mut highest: BTreeMap<String, Installed> = BTreeMap::new();
    for item in items.filter(|item| item["details"]["deb"].is_object() && item["architecture"] != "source") {
        let text = |value: &Value, other: &str| value.as_str().unwrap_or(other).to_owned();
        let (name, version) = (text(&item["name"], ""), text(&item["version"], ""));
        let source = text(&item["source"]["name"], &name);
        let source_version = text(&item["source"]["version"], &version);
        let package = Installed { name: name.clone(), version, source, source_version };
        match highest.get(&name) {
            Some(known) if version::compare(&known.version, &package.version).is_ge() => {}
            _ => drop(highest.insert(name, package)),
        }
    }
    highest.into_values().collect()
}

/// A dpkg status file with these packages.
fn status_file(packages: &[Installed]) -> String {
    let stanza = |package: &Installed| {
        let Installed { name, version, source, source_version } = package;
        format!(
            "Package: {name}\nStatus: install ok installed\nVersion: {version}\nSource: {source} ({source_version})\n\n"
        )
    };
    packages.iter().map(stanza).collect()
}

/// Data for debsecan about real packages, of every form that a statement can have. Returns it with the findings that debsecan does not make, since it
/// looks at no statement about a binary package if there is one about a package with the name of its source package.
fn data_about(packages: &[Installed]) -> (Vec<u8>, BTreeSet<String>) {
    let mut sources: BTreeMap<&str, Vec<&Installed>> = BTreeMap::new();
    packages.iter().for_each(|package| sources.entry(&package.source).or_default().push(package));
    let (mut names, mut lines, mut passed_over) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (number, (source, packages)) in sources.into_iter().enumerate() {
        let version = &packages[0].source_version;
        let mut name = || {
            names.push(format!("CVE-2026-{:04}", names.len()));
            names.len() - 1
        };
        match number % 5 {
            0 => lines.push(format!("{source},{},SH F,{version}+1,{version}+1", name())),
            1 => lines.push(format!("{source},{},SM F,{version}+1,{version}", name())),
            2 => lines.push(format!("{source},{},SLR ,,", name())),
            3 => lines.push(format!("{source},{},S ?F,{version},", name())),
            _ => {}
        }
        let others = packages.iter().filter(|package| package.name != source);
        for package in others.filter(|_| number % 5 == 4 || number % 10 == 0) {
            let id = name();
            lines.push(format!("{},{id},B ? ,{}+1,", package.name, package.version));
            if number % 5 != 4 {
                passed_over.insert(format!("CVE-2026-{id:04} {}", package.name));
            }
        }
    }
    let [names, lines] = [&names, &lines].map(|texts| texts.iter().map(String::as_str).collect::<Vec<_>>());
    (debsecan_data(&names, &lines), passed_over)
}

/// The open vulnerabilities of a report, each with its binary packages.
fn open_ones(report: &Value) -> BTreeSet<String> {
    let findings = report["vulnerabilities"]["findings"].as_array().unwrap().iter();
    let open = findings.filter(|finding| ["open", "introduced"].contains(&finding["class"].as_str().unwrap()));
    let pairs = open.flat_map(|finding| {
        let binaries = finding["binaries"].as_array().unwrap().iter();
        binaries.map(|binary| format!("{} {}", finding["id"].as_str().unwrap(), binary.as_str().unwrap()))
    });
    pairs.collect()
}

/// Fails unless the report on a bundle and the real debsecan find the same in the same data.
pub(crate) fn agrees_with_debsecan(desk: &Desk, bundle: &Path, suite: &str) {
    let packages = installed(desk, bundle);
    let (data, passed_over) = data_about(&packages);
    write(&desk.path("security-data").join(suite), &data);
    let server = Server::start(&desk.path("security-data"));
    fs::write(desk.path("status"), status_file(&packages)).unwrap();
    let mut command = Command::new("debsecan");
    command.args(["--source", server.url("").as_str(), "--suite", suite, "--format", "simple", "--status"]);
    let told = end(command.arg(desk.path("status")).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1")).ok().out;
    let told: BTreeSet<String> = told.lines().map(str::to_owned).collect();
    desk.run(&format!("report {} --feeds security-data --out by-data", bundle.display())).ok();
    let report: Value = serde_json::from_slice(&fs::read(desk.path("by-data/report.json")).unwrap()).unwrap();
    let ours = open_ones(&report);
    assert!(!told.is_empty() && told.is_subset(&ours), "{told:?} {ours:?}");
    assert_eq!(ours.difference(&told).cloned().collect::<BTreeSet<_>>(), passed_over);
    let without = &report["vulnerabilities"]["totals"]["items_without_data"];
    assert_eq!(without, 0, "all packages are Debian's");
}

#[test]
fn a_report_finds_what_debsecan_finds_and_says_what_changes() {
    let desk = Desk::new();
    let publish = |curl: &str| {
        let mut upstream = Upstream::new("Debian", &["amd64"]);
        upstream.add("bookworm", "main", DebSpec::new("curl", curl, "amd64"));
        for name in ["libcurl4", "curl-doc", "nginx", "zlib1g", "jq", "less", "tar", "sed"] {
            upstream.add("bookworm", "main", DebSpec::new(name, "1.0", "amd64"));
        }
        desk.archive("up", &mut upstream, &["bookworm"]);
    };
    publish("1.0");
    desk.select(&desk.table("debian", &desk.url("up"), "bookworm main amd64", ""));
    let first = desk.bundle();
    agrees_with_debsecan(&desk, &first, "bookworm");
    publish("1.2");
    let second = desk.bundle();
    write(
        &desk.path("data/bookworm"),
        &debsecan_data(&["CVE-2026-0001", "CVE-2026-0002"], &["curl,0,SH F,1.2,", "nginx,1,S   ,,"]),
    );
    let arguments = format!("report {} --against {} --feeds data", second.display(), first.display());
    let mut forms = Vec::new();
    for out in ["one", "other"] {
        desk.run(&format!("{arguments} --out {out}")).ok();
        forms.push(
            ["report.json", "report.txt", "report.html"]
                .map(|name| fs::read_to_string(desk.path(out).join(name)).unwrap()),
        );
    }
    assert_eq!(forms[0], forms[1]);
    let [json, text, page] = &forms[0];
    let report: Value = serde_json::from_str(json).unwrap();
    let found = &report["vulnerabilities"];
    let of = |number: usize| {
        let finding = &found["findings"][number];
        ["class", "id", "source"].map(|key| finding[key].as_str().unwrap().to_owned()).join(" ")
    };
    assert_eq!([of(0), of(1)], ["open CVE-2026-0002 nginx", "fixed CVE-2026-0001 curl"]);
    assert_eq!(
        found["feeds"][0]["sha256"],
        gapferry::digest::Sha256::of(&fs::read(desk.path("data/bookworm")).unwrap()).to_hex()
    );
    assert!(!json.contains("no security data was read"), "{json}");
    for words in [
        "VULNERABILITIES, by the data below",
        "fixed (1)\n    CVE-2026-0001 curl 1.0 -> 1.2 [bookworm], high: curl",
        "undated, 2 statements",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(page.contains("<summary>1 fixed</summary>") && page.contains("CVE-2026-0001"), "{page}");
}

#[test]
fn a_site_names_the_date_of_its_data_and_gaps_are_said_aloud() {
    let desk = Desk::new();
    let server = upstream(&desk);
    let mut archive = Upstream::new("Debian", &["amd64"]);
    archive.add("bookworm", "main", DebSpec::new("curl", "1.0", "amd64"));
    archive.add("trixie", "main", DebSpec::new("curl", "1.1", "amd64"));
    desk.archive("up-apt", &mut archive, &["bookworm", "trixie"]);
    let apt = desk.table("debian", &desk.url("up-apt"), "bookworm,trixie main amd64", "");
    desk.select(&(table(&server, "allow-unsigned = true") + &apt));
    desk.init(&["debian"], "--allow-unsigned debsecan");
    let bundle = desk.bundle();
    desk.import(&bundle).ok();
    desk.run(&format!("report {} --feeds site --out review", bundle.display())).ok();
    let text = fs::read_to_string(desk.path("review/report.txt")).unwrap();
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "debsecan/bookworm (debsecan): of 2026-11-21T10:00:00Z, ",
        "NO DATA on apt/debian (trixie): 1 item",
        "open (1) CVE-2026-0001 curl 1.0 [bookworm], high, FIXED IN 1.2: curl",
    ] {
        assert!(joined.contains(words), "{words}: {text}");
    }
    fs::create_dir(desk.path("empty")).unwrap();
    desk.run(&format!("report {} --feeds empty --out x", bundle.display()))
        .says(Exit::Usage, &["empty has no security data"]);
    // The bundle's own data, out of its volumes.
    desk.run(&format!("report {0} --feeds {0} --out packed", bundle.display())).ok();
    assert_eq!(fs::read(desk.path("packed/report.json")).unwrap(), fs::read(desk.path("review/report.json")).unwrap());
    let volumes = bundle.join("packings");
    fs::rename(&volumes, desk.path("elsewhere")).unwrap();
    desk.run(&format!("report {0} --feeds {0} --out x", bundle.display()))
        .says(Exit::Usage, &["the volume with debsecan/bookworm is not here", "has security data"]);
}
