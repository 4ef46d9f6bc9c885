//! Shapes, sharing and signatures; the clients' verdict is an integration test.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use super::*;
use crate::formats::openpgp::SiteKey;

static KEY: LazyLock<SiteKey> =
    LazyLock::new(|| SiteKey::generate("Test Images <images@example.invalid>", DEFAULT_DATE).unwrap());

/// Two serials of one release, one of another architecture, bootloaders and CentOS.
fn stream() -> Stream {
    let mut stream = Stream::new("stable");
    let kernels = ["ga-22.04", "hwe-22.04", "ga-22.04-lowlatency", "hwe-22.04-lowlatency-edge"];
    stream
        .ubuntu(&UbuntuSerial::new("jammy", "22.04", "amd64", "20250615").kernels(&kernels))
        .ubuntu(&UbuntuSerial::new("jammy", "22.04", "amd64", "20250718").kernels(&kernels))
        .ubuntu(&UbuntuSerial::new("noble", "24.04", "arm64", "20250709"))
        .bootloaders("20231004.0")
        .centos("8", "amd64", "20211104_01");
    stream
}

fn written(stream: &Stream) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    stream.write_to(dir.path(), &KEY).unwrap();
    dir
}

fn json_of(dir: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(dir.join(format!("streams/v1/{name}.json"))).unwrap()).unwrap()
}

/// Path below `dir` → content, of all files.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let below = |path: &Path| path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
    files.map(|entry| (below(entry.path()), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn gpgv_accepts_every_signed_file() {
    let dir = written(&stream());
    let keyring = dir.path().join("keyring.gpg");
    fs::write(&keyring, KEY.public_binary().unwrap()).unwrap();
    let gpgv = |files: &[&Path]| {
        let output = Command::new("gpgv").arg("--keyring").arg(&keyring).args(["--output", "-"]).args(files).output();
        let output = output.expect("gpgv is needed; tests/run installs it");
        assert!(output.status.success(), "{files:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    for name in ["index", &stream().ubuntu_id(), &stream().bootloaders_id(), &stream().centos_id()] {
        let file = |form: &str| dir.path().join(format!("streams/v1/{name}.{form}"));
        let text = String::from_utf8(gpgv(&[&file("sjson")])).unwrap();
        assert_eq!(text.replace(".sjson", ".json"), fs::read_to_string(file("json")).unwrap());
        gpgv(&[&file("json.gpg"), &file("json")]);
    }
}

#[test]
fn the_index_names_each_products_file_in_its_own_form() {
    let dir = written(&stream());
    let index = json_of(dir.path(), "index");
    let entries = index["index"].as_object().unwrap();
    let ids: Vec<&String> = entries.keys().collect();
    let [bootloaders, centos, ubuntu] = ids[..] else { panic!("{ids:?}") };
    assert_eq!(bootloaders, "com.ubuntu.maas:stable:1:bootloader-download");
    assert_eq!(centos, "com.ubuntu.maas:stable:centos-bases-download");
    assert_eq!(ubuntu, "com.ubuntu.maas:stable:v3:download");
    for (content_id, entry) in entries {
        assert_eq!(entry["path"], format!("streams/v1/{content_id}.json"));
        let file = json_of(dir.path(), content_id);
        let products: Vec<&String> = file["products"].as_object().unwrap().keys().collect();
        assert_eq!(entry["products"], json!(products));
        assert_eq!(file["content_id"], json!(content_id));
        assert_eq!(file["updated"], "Wed, 01 Jan 2025 00:00:00 +0000");
    }
    let signed = fs::read_to_string(dir.path().join("streams/v1/index.sjson")).unwrap();
    assert_eq!(signed.matches("download.sjson").count(), 3);
}

#[test]
fn json_is_in_the_canonical_form() {
    let dir = written(Stream::new("stable").centos("8", "amd64", "1"));
    let text = fs::read_to_string(dir.path().join("streams/v1/com.ubuntu.maas:stable:centos-bases-download.json"));
    let text = text.unwrap();
    let start =
        "{\n \"content_id\": \"com.ubuntu.maas:stable:centos-bases-download\",\n \"datatype\": \"image-ids\",\n";
    assert!(text.starts_with(start) && text.ends_with(" +0000\"\n}\n"), "{text}");
}

#[test]
fn items_tell_the_truth_about_the_files() {
    let stream = stream();
    let dir = written(&stream);
    let mut seen = std::collections::BTreeSet::new();
    for content_id in [stream.ubuntu_id(), stream.bootloaders_id(), stream.centos_id()] {
        let file = json_of(dir.path(), &content_id);
        for product in file["products"].as_object().unwrap().values() {
            for version in product["versions"].as_object().unwrap().values() {
                for item in version["items"].as_object().unwrap().values() {
                    let path = item["path"].as_str().unwrap();
                    let bytes = fs::read(dir.path().join(path)).unwrap();
                    assert_eq!(item["size"], bytes.len());
                    assert_eq!(item["sha256"], Sha256::of(&bytes).to_hex());
                    seen.insert(path.to_owned());
                }
            }
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), stream.payload_paths());
    let payload: Vec<String> = contents(dir.path()).into_keys().filter(|path| !path.starts_with("streams/")).collect();
    assert_eq!(payload, stream.payload_paths());
}

#[test]
fn kernels_of_one_serial_share_the_squashfs_and_serials_share_nothing() {
    let stream = stream();
    let dir = written(&stream);
    let products = json_of(dir.path(), &stream.ubuntu_id())["products"].take();
    let items = |kernel: &str, serial: &str| {
        products[format!("com.ubuntu.maas.stable:v3:boot:22.04:amd64:{kernel}")]["versions"][serial]["items"].clone()
    };
    let (ga, hwe) = (items("ga-22.04", "20250718"), items("hwe-22.04", "20250718"));
    assert_eq!(ga["squashfs"], hwe["squashfs"]);
    assert_eq!(ga["manifest"], hwe["manifest"]);
    assert_eq!(ga["boot-kernel"]["path"], "jammy/amd64/20250718/ga-22.04/generic/boot-kernel");
    let edge = items("hwe-22.04-lowlatency-edge", "20250718");
    assert_eq!(edge["boot-kernel"]["path"], "jammy/amd64/20250718/hwe-22.04-edge/lowlatency/boot-kernel");
    assert_eq!(edge["boot-kernel"]["kpackage"], "linux-lowlatency-hwe-22.04-edge");
    let older = items("ga-22.04", "20250615");
    for name in ["boot-initrd", "boot-kernel", "squashfs", "manifest"] {
        assert_ne!(older[name]["sha256"], ga[name]["sha256"]);
    }
    // Two serials of four kernels, one of one kernel; four bootloaders of six files; CentOS.
    assert_eq!(stream.payload_paths().len(), 2 * (2 + 4 * 2) + 4 + 6 + 2);
}

#[test]
fn tags_are_those_of_the_real_stream() {
    let stream = stream();
    let dir = written(&stream);
    let ubuntu = json_of(dir.path(), &stream.ubuntu_id());
    let mut tags = ubuntu["products"]["com.ubuntu.maas.stable:v3:boot:22.04:amd64:ga-22.04-lowlatency"].clone();
    tags.as_object_mut().unwrap().remove("versions");
    let ga = "ga-16.04,ga-16.10,ga-17.04,ga-17.10,ga-18.04,ga-18.10,ga-19.04,ga-19.10,ga-20.04,ga-20.10,ga-21.04,\
              ga-21.10,ga-22.04";
    let expected = json!({
        "arch": "amd64", "kflavor": "lowlatency", "krel": "jammy", "label": "stable", "os": "ubuntu",
        "release": "jammy", "release_codename": "Jammy Jellyfish", "release_title": "22.04 LTS",
        "subarch": "ga-22.04-lowlatency",
        "subarches": format!("generic,hwe-p,hwe-q,hwe-r,hwe-s,hwe-t,hwe-u,hwe-v,hwe-w,{ga},ga-22.04-lowlatency"),
        "support_eol": "2027-04-30", "support_esm_eol": "2032-04-30", "version": "22.04",
    });
    assert_eq!(tags, expected);
    let bootloaders = json_of(dir.path(), &stream.bootloaders_id());
    let pxe = &bootloaders["products"]["com.ubuntu.maas.stable:1:pxelinux:pxe:i386"];
    assert_eq!((&pxe["bootloader-type"], &pxe["arches"]), (&json!("pxe"), &json!("i386,amd64")));
    let syslinux = &pxe["versions"]["20231004.0"]["items"]["syslinux"];
    assert_eq!(syslinux["path"], "bootloaders/pxe/i386/20231004.0/syslinux.tar.xz");
    assert_eq!((&syslinux["ftype"], &syslinux["src_package"]), (&json!("archive.tar.xz"), &json!("syslinux")));
    let mut centos = Stream::new("candidate");
    let dir = written(centos.centos("centos70", "amd64", "20240622_01"));
    let file = json_of(dir.path(), &centos.centos_id());
    let centos = &file["products"]["com.ubuntu.maas.candidate:centos-bases:7.0:amd64"];
    assert_eq!((&centos["version"], &centos["release_title"]), (&json!("7.0"), &json!("CentOS 7")));
}

#[test]
fn the_same_description_and_key_give_the_same_bytes_and_keep_what_is_there() {
    let (first, second) = (written(&stream()), written(&stream()));
    assert_eq!(contents(first.path()), contents(second.path()));
    let path = first.path().join("jammy/amd64/20250718/squashfs");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(first.path().join("noble/arm64/20250709/squashfs"), "cut").unwrap();
    stream().write_to(first.path(), &KEY).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    assert_eq!(contents(first.path()), contents(second.path()));
}

#[test]
fn each_way_of_signing_has_its_own_files() {
    let forms = |signing| {
        let mut stream = Stream::new("stable");
        stream.signing = signing;
        let dir = written(stream.bootloaders("20231004.0"));
        let files = contents(dir.path()).into_keys();
        files.filter_map(|path| Some(path.strip_prefix("streams/v1/index.")?.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(forms(Signing::Signed), ["json", "json.gpg", "sjson"]);
    assert_eq!(forms(Signing::Detached), ["json", "json.gpg"]);
    assert_eq!(forms(Signing::Unsigned), ["json"]);
}

#[test]
fn edits_and_tags_make_streams_that_lie() {
    let mut stream = Stream::new("stable");
    stream.edit_index = |index| index["format"] = json!("index:2.0");
    stream.edit_products = |content_id, file| {
        if content_id == "cloud" {
            file["products"]["p"]["versions"]["1"]["items"]["tar.gz"]["size"] = json!("7");
        }
    };
    let item = StreamItem { tags: json!({ "md5": "x", "sha256": "0" }), ..StreamItem::text("tar.gz", "a/b.tar.gz") };
    let version = StreamVersion { tags: json!({ "pubname": "p-1" }), ..StreamVersion::new("1", vec![item]) };
    let dir = written(stream.product("cloud", "p", json!({ "supported": true }), version));
    let product = json_of(dir.path(), "cloud")["products"]["p"].take();
    let item = json!({ "ftype": "tar.gz", "md5": "x", "path": "a/b.tar.gz", "sha256": "0", "size": "7" });
    let version = json!({ "items": { "tar.gz": item }, "pubname": "p-1" });
    assert_eq!(product, json!({ "supported": true, "versions": { "1": version } }));
    assert_eq!(json_of(dir.path(), "index")["format"], "index:2.0");
}

#[test]
fn one_path_has_one_content() {
    let dir = tempfile::tempdir().unwrap();
    let mut stream = Stream::new("stable");
    let items = vec![StreamItem::noise("a", "same", 10), StreamItem::noise("b", "same", 11)];
    stream.product("c", "p", json!({}), StreamVersion::new("1", items));
    let refusal = stream.write_to(dir.path(), &KEY).unwrap_err();
    assert_eq!(refusal.to_string(), "same: two items, two contents");
}
