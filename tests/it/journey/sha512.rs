//! Archives that sign by SHA-512 alone.

use std::fs;

use gapferry::cli::Exit::VerificationFailed;
use gapferry::formats::signed_digest::DigestKind;
use gapferry::upstream::DebSpec;

use super::odd_archive::{OddArchive, PACKAGES, both_download, site_url};
use crate::apt_client::AptClient;
use crate::support::server::Server;

const HELLO: &str = "hello_1.0_amd64.deb";

/// An archive with a binary and a source package, and `Acquire-By-Hash`.
fn archive() -> OddArchive {
    let mut archive = OddArchive { digest: DigestKind::Sha512, ..OddArchive::new() };
    archive.head.extend_from_slice(b"Acquire-By-Hash: yes\n");
    let hello = archive.package("hello");
    let dsc = b"Format: 3.0 (native)\n";
    archive.write("up/pool/src_1.dsc", dsc);
    let sources = format!(
        "Package: src\nBinary: hello\nVersion: 1\nDirectory: pool\nChecksums-Sha512:\n {} {} src_1.dsc\n",
        archive.digest(dsc),
        dsc.len()
    );
    archive.publish(&[(PACKAGES, hello.as_bytes()), ("main/source/Sources", sources.as_bytes())]);
    archive
}

#[test]
fn an_archive_of_sha512_alone_is_carried() {
    for publish in ["re-indexed", "verbatim"] {
        let archive = archive();
        let server = Server::start(&archive.desk.path("up"));
        let url = server.url("").to_string();
        archive.select(&url, &format!("deb-src = true\npublish = \"{publish}\""));
        let serving = match publish {
            "re-indexed" => {
                both_download(&archive, &url, "hello", &[HELLO]);
                archive.desk.serve()
            }
            _ => {
                archive.desk.init(&["odd"], "");
                archive.desk.ferry();
                archive.desk.serve()
            }
        };
        let key = if publish == "verbatim" { archive.desk.path("keyring.gpg") } else { super::key(&archive.desk) };
        let client = AptClient::new("amd64");
        client.source("deb deb-src", &site_url(&serving), "stable", "main", &key);
        let control = archive.control(&url);
        for client in [&control, &client] {
            client.updates_without_complaint("");
            client.apt_get("install -y --download-only hello");
            assert_eq!(client.downloaded(), [HELLO]);
            client.apt_get("source --download-only src");
            assert!(client.path("src_1.dsc").exists());
        }
    }
}

#[test]
fn by_hash_has_the_digest_that_clients_ask_for() {
    let archive = archive();
    let url = archive.desk.url("up");
    archive.select(&url, "publish = \"verbatim\"");
    archive.desk.init(&["odd"], "");
    archive.desk.ferry();
    let index = fs::read(archive.desk.path("up/dists/stable").join(PACKAGES)).unwrap();
    let by_hash = format!("main/binary-amd64/by-hash/SHA512/{}", archive.digest(&index));
    let published = archive.desk.path("site/current/apt/odd/dists/stable").join(by_hash);
    assert_eq!(fs::read(published).unwrap(), index);
}

#[test]
fn other_bytes_than_sha512_signs_are_refused() {
    let archive = archive();
    let url = archive.desk.url("up");
    let deb = fs::read(archive.desk.path("up/pool/hello.deb")).unwrap();
    let mut other = deb.clone();
    *other.last_mut().unwrap() ^= 1;
    archive.write("up/pool/hello.deb", &other);
    archive.select(&url, "");
    archive.desk.export("").says(VerificationFailed, &["pool/hello.deb has sha512", "is signed"]);
    let control = archive.control(&url);
    control.apt_get("update");
    let refused = crate::apt_client::output(control.command("apt-get").args(["install", "-y", "-d", "hello"]));
    assert!(!refused.status.success());
}

/// Bundles of several volumes cut blobs into parts, which are hashed once more when they are whole.
#[test]
fn blobs_that_were_cut_are_checked_too() {
    let archive = archive();
    let url = archive.desk.url("up");
    archive.select(&url, "");
    let selection = archive.desk.path("online/selection.toml");
    let text = fs::read_to_string(&selection).unwrap().replace("100 MB", "64 KiB");
    fs::write(&selection, text).unwrap();
    let noise = gapferry::upstream::Payload::Pseudorandom { size: 150_000, seed: 5 };
    let spec = DebSpec { payload: noise, ..DebSpec::new("large", "1.0", "amd64") };
    let large = archive.deb(&spec, "pool/large.deb", "pool/large.deb");
    archive.publish(&[(PACKAGES, large.as_bytes())]);
    archive.desk.init(&["odd"], "");
    let bundle = archive.desk.bundle();
    archive.desk.run(&format!("import {} --site site --dry-run", bundle.display())).ok();
    archive.desk.import(&bundle).ok();
    archive.desk.run("site check --site site").ok();
}
