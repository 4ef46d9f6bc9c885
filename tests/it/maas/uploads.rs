//! Images of other operating systems: some through the site's own stream, some uploaded.

use std::collections::BTreeSet;
use std::fs;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use serde_json::json;

use super::Case;
use super::model::text;
use super::version::{ALL, Version};
use crate::support::desk::Desk;
use crate::support::os_images::{gz, noise, table, tgz};

/// Two whole pieces and a part.
const SIZE: usize = (9 << 20) + 5;

/// Puts an image on the desk.
fn image(desk: &Desk, name: &str, size: usize, seed: u64) {
    let bytes = if name.ends_with(".tgz") { archive(size, seed) } else { gz(&noise(size, seed)) };
    fs::write(desk.path("online").join(name), bytes).unwrap();
}

/// A root file system that does not compress.
fn archive(size: usize, seed: u64) -> Vec<u8> {
    tgz(&noise(size, seed))
}

/// A CentOS and a Windows for the stream, a Rocky and a Debian to be uploaded.
fn tables(desk: &Desk) -> String {
    image(desk, "centos.tgz", 5000, 1);
    image(desk, "win.gz", 5000, 2);
    image(desk, "rocky.tgz", SIZE, 3);
    image(desk, "debian.tgz", 5000, 4);
    [
        table("from = \"centos.tgz\"", ["centos", "9", "tgz", "20250101"], ""),
        table("from = \"win.gz\"", ["windows", "win2022", "ddgz", "20250101"], ""),
        table("from = \"rocky.tgz\"", ["custom", "rocky9", "tgz", "20250101"], "base-image = \"rhel/9\""),
        table("from = \"debian.tgz\"", ["custom", "debian-12", "tgz", "20250101"], ""),
    ]
    .concat()
}

fn case(version: Version) -> Case {
    Case::with(version, "re-indexed", "--allow-unsigned os-images", tables)
}

/// What MAAS has of an upload: the bytes, and all that is told of it.
#[track_caller]
fn has(case: &Case, name: &str, bytes: &[u8], base: &str) {
    let mut model = case.maas.model();
    let custom = format!("custom/{name}");
    let name = if model.behaviour().keeps_custom && !name.contains('/') { &custom } else { name };
    let found = model.resources.iter().find(|(_, r)| r["name"] == *name && r["type"] == "Uploaded");
    let id = *found.unwrap_or_else(|| panic!("no {name}: {:?}", model.resources)).0;
    let resource = model.settled(id).unwrap();
    assert_eq!((&resource["architecture"], &resource["base_image"]), (&json!("amd64/generic"), &json!(base)));
    let newest = resource["sets"].as_object().unwrap().values().next_back().unwrap();
    assert_eq!(newest["files"]["root.tgz"]["sha256"], json!(Sha256::of(bytes).to_hex()));
    assert_eq!((&newest["complete"], &newest["size"]), (&json!(true), &json!(bytes.len())));
    assert!(model.uploads.whole[name] == bytes, "{name}");
}

/// The changes that have to do with uploads.
fn uploading(case: &Case) -> Vec<String> {
    let all = case.maas.changes();
    let of_it = all.into_iter().filter(|c| c.contains("/upload/") || c.ends_with("POST /MAAS/api/2.0/boot-resources/"));
    of_it.map(|change| change.split("/boot-resources/").next().unwrap().replace(" /MAAS/api/2.0", "")).collect()
}

#[test]
fn streamed_and_uploaded_images_are_there_once() {
    let case = case(Version::V3_8);
    let dry = case.apply("--dry-run").ok();
    for words in [
        "plan: upload custom/debian-12 for amd64/generic (5.3 kB)",
        "plan: upload custom/rocky9 for amd64/generic (9.9 MB)",
        "/os-images/own/ with its keyring",
        "centos/9/amd64",
        "windows/win2022/amd64",
    ] {
        assert!(dry.err.contains(words), "{words}: {}", dry.err);
    }
    assert_eq!(case.maas.count(), 0);
    let done = case.apply("--json").ok();
    let uploads = |json: serde_json::Value| {
        let changes = json["changes"].as_array().unwrap().clone();
        changes.into_iter().filter(|change| change["change"] == "upload").count()
    };
    assert_eq!(uploads(done.json()), 2, "{}", done.out);
    assert_eq!(uploading(&case), ["POST", "PUT", "POST", "PUT", "PUT", "PUT"]);
    has(&case, "rocky9", &archive(SIZE, 3), "rhel/9");
    has(&case, "debian-12", &archive(5000, 4), "ubuntu/noble");
    {
        let model = case.maas.model();
        for name in ["centos/9", "windows/win2022"] {
            let synced = model.resources.values().find(|r| r["name"] == name).unwrap();
            assert_eq!(synced["sets"]["20250101"]["complete"], json!(true));
        }
        let selected = |os: &str| model.selections.values().any(|selection| selection["os"] == os);
        assert!(selected("centos") && selected("windows") && !selected("custom"));
    }
    case.stays();
    // A changed image is uploaded again, and the unchanged one is not.
    image(&case.desk, "rocky.tgz", SIZE + 7, 5);
    let selection = case.desk.path("online/selection.toml");
    let text = fs::read_to_string(&selection).unwrap();
    let (before, rocky) = text.split_at(text.find("rocky.tgz").unwrap());
    fs::write(&selection, before.to_owned() + &rocky.replacen("20250101", "20250201", 1)).unwrap();
    case.desk.ferry();
    let again = case.apply("--json").ok();
    assert_eq!(uploading(&case), ["POST", "PUT", "PUT", "PUT"], "{}", again.out);
    assert!(again.json()["changes"][0]["text"].as_str().unwrap().contains("upload custom/rocky9 for amd64/generic"));
    has(&case, "rocky9", &archive(SIZE + 7, 5), "rhel/9");
    case.stays();
    // What MAAS has lost is uploaded again.
    case.maas.model().forget_uploads();
    assert_eq!(uploads(case.apply("--json").ok().json()), 2);
    case.stays();
    case.maas.was_asked_rightly();
}

#[test]
fn what_breaks_off_begins_anew_and_what_is_refused_is_told() {
    let case = case(Version::V3_8);
    case.maas.model().uploads.fails = Some((3, 500));
    let done = case.apply("").ok();
    assert_eq!(
        uploading(&case),
        ["POST", "PUT", "POST", "PUT", "PUT", "PUT", "POST", "PUT", "PUT", "PUT"],
        "{}",
        done.err
    );
    has(&case, "rocky9", &archive(SIZE, 3), "rhel/9");
    case.stays();

    case.maas.model().forget_uploads();
    case.maas.model().uploads.fails = Some((2, 400));
    case.apply("").says(Exit::Failed, &["refuses the upload of custom/rocky9: No space left on device"]);
    case.apply("").ok();
    has(&case, "rocky9", &archive(SIZE, 3), "rhel/9");
    case.stays();
    case.maas.was_asked_rightly();
}

#[test]
fn uploads_need_an_image_of_ubuntu_for_their_architecture() {
    let desk = Desk::new();
    let tables = tables(&desk).split("[[os-images]]").nth(4).unwrap().replace("amd64", "arm64");
    desk.select(&format!("[[os-images]]{tables}"));
    desk.init(&[], "--allow-unsigned os-images");
    desk.ferry();
    fs::write(desk.path("maas.key"), super::KEY).unwrap();
    let maas = super::Maas::start(Version::V3_8);
    let apply =
        format!("maas apply --site site --url {} --api-key-file maas.key --serve-url http://g.invalid", maas.url());
    let words = [
        "refuses the upload of custom/debian-12",
        "only for an architecture of which it has imported an image of Ubuntu",
    ];
    desk.run(&apply).says(Exit::Failed, &words);
}

/// MAAS's importer goes through all of its sources, in every version.
#[test]
fn several_sources_are_imported_by_every_version() {
    let mut case = case(Version::V3_5);
    for version in ALL {
        case.install(version);
        case.apply("").ok();
        let names: BTreeSet<String> = case.maas.model().resources.values().map(|r| text(r, "name")).collect();
        for name in ["ubuntu/jammy", "ubuntu/noble", "centos/9", "windows/win2022"] {
            assert!(names.contains(name), "{version:?}: {names:?}");
        }
        has(&case, "rocky9", &archive(SIZE, 3), "rhel/9");
        assert_eq!(case.maas.model().notices, [""; 0]);
        case.stays();
        case.maas.was_asked_rightly();
    }
}

#[test]
fn images_go_from_a_source_to_an_upload() {
    let case = case(Version::V3_6);
    case.apply("--images maas").ok();
    has(&case, "rocky9", &archive(SIZE, 3), "rhel/9");
    assert!(case.maas.model().resources.values().all(|resource| resource["name"] != "centos/9"));
    let text = fs::read_to_string(case.desk.path("online/selection.toml")).unwrap();
    fs::write(
        case.desk.path("online/selection.toml"),
        text.replace("\"20250101\"\n", "\"20250101\"\nvia = \"upload\"\n"),
    )
    .unwrap();
    case.desk.ferry();
    case.apply("").ok();
    has(&case, "centos/9", &archive(5000, 1), "");
    case.stays();
}

/// Killed after each change that has to do with uploads, with MAAS's answer still on its way.
#[test]
fn a_killed_upload_is_finished_by_the_next_run() {
    let case = case(Version::V3_8);
    case.apply("").ok();
    for stop in 1..=6 {
        case.maas.model().forget_uploads();
        case.killed_after(stop);
        case.apply("").ok();
        has(&case, "rocky9", &archive(SIZE, 3), "rhel/9");
        has(&case, "debian-12", &archive(5000, 4), "ubuntu/noble");
    }
    case.stays();
}
