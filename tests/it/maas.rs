//! `gapferry maas apply` against a MAAS of the tests' own, which takes documented requests and nothing else.

mod failures;
mod model;
mod request;
mod server;
mod sources_model;
mod upload_model;
mod uploads;
mod version;
mod versions;

use std::fs;
use std::process::Stdio;

use gapferry::cli::Exit;
use gapferry::formats::openpgp::Keyring;
use gapferry::time::Time;
use gapferry::upstream::{DebSpec, Stream, UbuntuSerial, Upstream};
use serde_json::{Value, json};

use self::server::{KEY, Maas};
use self::version::{ALL, Imports, Version};
use crate::support::desk::{ARCHIVE_KEY, Desk, Ended, Serving, wait_for};

/// A site that is served, and a MAAS.
struct Case {
    desk: Desk,
    serving: Serving,
    maas: Maas,
}

impl Case {
    /// Images of jammy for two architectures and of noble, a part of Ubuntu's archive, and packages of one's own.
    fn new(version: Version, publish: &str) -> Self {
        Self::with(version, publish, "", |_| String::new())
    }

    /// The same, with more tables in the selection and more arguments for the site.
    fn with(version: Version, publish: &str, more: &str, tables: impl Fn(&Desk) -> String) -> Self {
        let desk = Desk::new();
        let tables = tables(&desk);
        let mut stream = Stream::new("stable");
        let kernels = ["ga-22.04", "hwe-22.04"];
        stream.ubuntu(&UbuntuSerial::new("jammy", "22.04", "amd64", "20250718").kernels(&kernels));
        for (release, version, arch) in
            [("jammy", "22.04", "arm64"), ("noble", "24.04", "amd64"), ("plucky", "25.04", "amd64")]
        {
            stream.ubuntu(&UbuntuSerial::new(release, version, arch, "20250718"));
        }
        stream.bootloaders("20231004.0");
        stream.updated = Time::now().unix() - 60;
        stream.write_to(&desk.path("up/stable"), &ARCHIVE_KEY).unwrap();
        let mut ubuntu = Upstream::new("Ubuntu", &["amd64"]);
        for suite in ["jammy", "jammy-updates", "noble", "noble-updates"] {
            ubuntu.add(suite, "main", DebSpec::new("hello", "1", "amd64"));
        }
        let suites = ["jammy", "jammy-updates", "noble", "noble-updates"];
        desk.archive("up/ubuntu", &mut ubuntu, &suites);
        let mut own = Upstream::new("Own", &["amd64"]);
        own.add("stable", "main", DebSpec::new("own", "1", "amd64"));
        desk.archive("up/own", &mut own, &["stable"]);
        let keyring = desk.path("keyring.gpg");
        let images = format!(
            "[[images]]\nname = \"maas\"\nurl = \"{}\"\nkeyring = \"{}\"\nfilter = [\"release~(jammy|noble)\"]\npublish = \"{publish}\"\n\n",
            desk.url("up/stable"),
            keyring.display()
        );
        let publish = format!("publish = \"{publish}\"");
        let ubuntu =
            desk.table("ubuntu", &desk.url("up/ubuntu"), &format!("{} main amd64", suites.join(",")), &publish);
        let own = desk.table("own", &desk.url("up/own"), "stable main amd64", "");
        desk.select(&format!("{images}{ubuntu}\n{own}{tables}"));
        desk.init(&["maas", "ubuntu", "own"], more);
        desk.ferry();
        fs::write(desk.path("maas.key"), format!("{KEY}\n")).unwrap();
        let serving = desk.serve();
        Self { desk, serving, maas: Maas::start(version) }
    }

    /// Puts a fresh MAAS of another version beside the same site.
    fn install(&mut self, version: Version) {
        self.maas = Maas::start(version);
    }

    fn arguments(&self, more: &str) -> String {
        format!(
            "maas apply --site site --url {} --api-key-file maas.key --serve-url http://{} {more}",
            self.maas.url(),
            self.serving.address
        )
    }

    /// Runs the command; the key must be in nothing that it says.
    #[track_caller]
    fn apply(&self, more: &str) -> Ended {
        let mut command = self.desk.command(&self.arguments(more));
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        hides_the_key(crate::support::desk::end(&mut command))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.serving.address)
    }

    /// MAAS is as it should be.
    #[track_caller]
    fn is_set_up(&self) {
        let model = self.maas.model();
        let url = self.url("images/maas");
        let (id, source) =
            model.sources.iter().find(|(_, s)| s["url"].as_str().unwrap().trim_end_matches('/') == url).unwrap();
        let fingerprints = |bytes: &[u8]| Keyring::parse(bytes).unwrap().fingerprints();
        assert_eq!(source["keyring_filename"], "");
        assert!(model.keyrings[id][0] & 0x80 != 0, "the keyring is binary");
        let enabled = |source: &&Value| source["enabled"] != json!(false);
        assert_eq!(model.sources.values().filter(enabled).count(), 1, "{:?}", model.sources);
        let mut selections: Vec<String> =
            model.selections.iter().filter(|((of, _), _)| of == id).map(|(_, s)| s.to_string()).collect();
        selections.sort();
        assert_eq!(
            selections,
            [
                r#"{"arches":["amd64","arm64"],"labels":["*"],"os":"ubuntu","release":"jammy","subarches":["*"]}"#,
                r#"{"arches":["amd64"],"labels":["*"],"os":"ubuntu","release":"noble","subarches":["*"]}"#,
            ]
        );
        let behaviour = model.behaviour();
        if behaviour.imports == Imports::Rows {
            let rows: Vec<String> = model
                .rows
                .iter()
                .filter(|row| row.0 == *id)
                .map(|(_, _, release, arch)| format!("{release}/{arch}"))
                .collect();
            assert_eq!(rows, ["jammy/amd64", "jammy/arm64", "noble/amd64"]);
        }
        assert_eq!(source.get("name"), behaviour.has_source_fields.then(|| json!("gapferry-maas")).as_ref());
        assert_eq!(model.notices, [""; 0], "nothing read what is out of reach");
        let main = &model.repositories[&1];
        assert_eq!(main["url"], self.url("apt/ubuntu"));
        assert_eq!(main["disabled_pockets"], json!(["backports", "security"]));
        assert_eq!(main["disabled_components"], json!(["multiverse", "restricted", "universe"]));
        assert_eq!((&main["enabled"], &main["arches"]), (&json!(true), &json!(["amd64", "i386"])));
        assert_eq!(fingerprints(main["key"].as_str().unwrap().as_bytes()).len(), 1);
        let own = model.repositories.values().find(|r| r["name"] == "gapferry-own").unwrap();
        assert_eq!(
            (&own["distributions"], &own["components"], &own["arches"]),
            (&json!(["stable"]), &json!(["main"]), &json!(["amd64"]))
        );
        let site_key = fs::read(self.desk.path("site/current/keys/site.asc")).unwrap();
        assert_eq!(fingerprints(own["key"].as_str().unwrap().as_bytes()), fingerprints(&site_key));
        for (name, value) in [
            ("boot_images_no_proxy", json!(true)),
            ("boot_images_auto_import", json!(true)),
            ("enable_http_proxy", json!(false)),
            ("dnssec_validation", json!("no")),
            ("enable_analytics", json!(false)),
            ("enable_third_party_drivers", json!(false)),
            ("release_notifications", json!(false)),
            ("default_osystem", json!("ubuntu")),
            ("commissioning_distro_series", json!("noble")),
        ] {
            assert_eq!(model.settings[name], value, "{name}");
        }
        assert!(["jammy", "noble"].map(|release| json!(release)).contains(&model.settings["default_distro_series"]));
        assert_eq!(model.resources.len(), 4, "{:?}", model.resources);
        assert!(model.resources.values().all(|resource| resource["sets"]["20250718"]["complete"] == json!(true)));
        drop(model);
        self.maas.was_asked_rightly();
    }

    /// A further run has nothing to do.
    #[track_caller]
    fn stays(&self) {
        self.maas.changes();
        let again = self.apply("--json").ok();
        assert_eq!(again.json()["changes"], json!([]), "{}", again.out);
        assert_eq!(self.maas.changes(), Vec::<String>::new());
        let words = self.apply("").ok();
        assert_eq!(words.out, "MAAS is as it should be: nothing was changed\n");
        assert_eq!(self.maas.count(), 0);
    }

    /// Runs `maas apply` and kills it after change number `stop`, with MAAS's answer to that still on its way.
    fn killed_after(&self, stop: usize) {
        self.maas.mute_after(Some(stop));
        let mut command = self.desk.command(&self.arguments(""));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let is_there = || (self.maas.count() >= stop || child.try_wait().unwrap().is_some()).then_some(());
        wait_for(|| format!("it never comes to change {stop}"), is_there);
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        self.maas.mute_after(None);
    }
}

/// No part of the key is in what a program said.
#[track_caller]
fn hides_the_key(ended: Ended) -> Ended {
    for part in KEY.split(':') {
        assert!(!ended.out.contains(part) && !ended.err.contains(part), "{part}: {}\n{}", ended.out, ended.err);
    }
    ended
}

#[test]
fn a_fresh_maas_of_each_version_is_set_up_and_stays_so() {
    let mut case = Case::new(Version::V3_5, "re-indexed");
    for version in ALL {
        case.install(version);
        let dry = case.apply("--dry-run --json").ok();
        assert_eq!(case.maas.count(), 0, "a dry run changes nothing");
        let done = case.apply("--json").ok();
        let changes = |ended: &Ended| ended.json()["changes"].as_array().unwrap().len();
        assert_eq!(
            (changes(&dry), &dry.json()["dry_run"]),
            (changes(&done), &json!(true)),
            "{}\n{}",
            dry.out,
            done.out
        );
        assert!(
            dry.err.contains("plan: import ubuntu/jammy/amd64, ubuntu/jammy/arm64, ubuntu/noble/amd64"),
            "{}",
            dry.err
        );
        case.is_set_up();
        let model = case.maas.model();
        let default = model.sources.values().find(|source| source["url"].as_str().unwrap().contains("images.maas.io"));
        let has_fields = version.behaviour().has_source_fields;
        assert_eq!(
            default.map(|source| &source["enabled"]),
            has_fields.then_some(&json!(false)),
            "{:?}",
            model.sources
        );
        assert_eq!(model.sources.len(), if has_fields { 2 } else { 1 });
        drop(model);
        for words in ["note: MAAS takes the time from ntp.ubuntu.com", "note: machines may be upgraded"] {
            assert!(done.err.contains(words), "{words}: {}", done.err);
        }
        case.stays();
    }
}

#[test]
fn verbatim_sources_come_with_upstreams_keys() {
    let case = Case::new(Version::V3_6, "verbatim");
    let done = case.apply("--json").ok();
    case.is_set_up();
    let model = case.maas.model();
    assert_eq!(model.keyrings[&1], ARCHIVE_KEY.public_binary().unwrap());
    let key = model.repositories[&1]["key"].as_str().unwrap();
    assert_eq!(Keyring::parse(key.as_bytes()).unwrap().fingerprints(), [ARCHIVE_KEY.fingerprint()]);
    drop(model);
    // The stream lists it, and it is not here.
    let notes = done.json()["notes"].to_string();
    assert!(notes.contains("images/maas lists more of ubuntu/plucky/amd64 than is here"), "{notes}");
    case.stays();
}

#[test]
fn each_difference_is_repaired_alone() {
    let case = Case::new(Version::V3_6, "re-indexed");
    case.apply("").ok();
    type Spoil = fn(&mut model::Model);
    let cases: [(Spoil, &[&str]); 6] = [
        (
            |model| drop(model.settings.insert("enable_analytics".into(), json!(true))),
            &["POST /MAAS/api/2.0/maas/?op=set_config"],
        ),
        (|model| drop(model.keyrings.insert(1, b"\x99old".to_vec())), &["PUT /MAAS/api/2.0/boot-sources/1/"]),
        (
            |model| model.repositories.get_mut(&1).unwrap()["url"] = json!("http://x/"),
            &["PUT /MAAS/api/2.0/package-repositories/1/"],
        ),
        (|model| model.repositories.retain(|id, _| *id < 3), &["POST /MAAS/api/2.0/package-repositories/"]),
        (
            |model| model.selections.retain(|_, selection| selection["release"] != "noble"),
            &["POST /MAAS/api/2.0/boot-sources/1/selections/"],
        ),
        (|model| model.resources.clear(), &["POST /MAAS/api/2.0/boot-resources/?op=import"]),
    ];
    for (spoil, expected) in cases {
        spoil(&mut case.maas.model());
        case.maas.changes();
        case.apply("").ok();
        assert_eq!(case.maas.changes(), expected);
        case.is_set_up();
    }
}

#[test]
fn what_the_operator_adds_is_set_too() {
    let case = Case::new(Version::V3_8, "re-indexed");
    case.maas.model().settings.remove("release_notifications");
    let more = "--http-proxy http://proxy.invalid:3128/ --ntp-server 10.0.0.1 --ntp-server ntp.invalid --upstream-dns 10.0.0.2";
    let done = case.apply(more).ok();
    assert!(
        done.err.contains("no setting release_notifications") && !done.err.contains("takes the time"),
        "{}",
        done.err
    );
    let settings = case.maas.model().settings.clone();
    for (name, value) in [
        ("enable_http_proxy", json!(true)),
        ("http_proxy", json!("http://proxy.invalid:3128")),
        ("ntp_servers", json!("10.0.0.1 ntp.invalid")),
        ("upstream_dns", json!("10.0.0.2")),
    ] {
        assert_eq!(settings[name], value, "{name}");
    }
    case.maas.changes();
    case.apply(more).ok();
    assert_eq!(case.maas.count(), 0);
}

/// Kills the command after each change that it makes, with MAAS's answer still on its way.
fn killed_runs_are_finished_by_the_next(version: Version) {
    let case = Case::new(version, "re-indexed");
    case.apply("").ok();
    let all = case.maas.count();
    assert!(all > 10, "{all}");
    for stop in 1..=all {
        case.maas.model().reset();
        case.killed_after(stop);
        case.apply("").ok();
        case.is_set_up();
    }
    case.stays();
}

#[test]
fn killed_runs_are_finished_by_the_next_before_3_8() {
    killed_runs_are_finished_by_the_next(Version::V3_6);
}

#[test]
fn killed_runs_are_finished_by_the_next_in_3_8() {
    killed_runs_are_finished_by_the_next(Version::V3_8);
}

#[test]
fn a_site_with_nothing_for_maas_changes_no_source_and_no_archive() {
    let desk = Desk::new();
    desk.select("");
    desk.init(&[], "");
    fs::write(desk.path("maas.key"), KEY).unwrap();
    let maas = Maas::start(Version::V3_8);
    let arguments = format!(
        "maas apply --site site --url {} --api-key-file maas.key --serve-url http://g.invalid --json",
        maas.url()
    );
    let done = hides_the_key(desk.run(&arguments)).ok().json();
    assert!(done["changes"].as_array().unwrap().iter().all(|change| change["change"] == "set"), "{done}");
    let model = maas.model();
    assert_eq!((model.sources.len(), &model.repositories[&1]["url"]), (1, &json!("http://archive.invalid/ubuntu")));
    drop(model);
    maas.was_asked_rightly();
    desk.run(&arguments.replace("g.invalid", "g.invalid --images x"))
        .says(Exit::Usage, &["--images x", "no such images are published, but none at all"]);
}

/// Starts a MAAS for a test of all commands; returns it with the arguments that set it up from `site`.
pub(crate) fn started(desk: &Desk, site: &str) -> (impl Sized + use<>, String) {
    fs::write(desk.path("maas.key"), KEY).unwrap();
    let maas = Maas::start(Version::V3_8);
    let url = maas.url();
    (maas, format!("maas apply --site {site} --url {url} --api-key-file maas.key --serve-url http://g.invalid"))
}
