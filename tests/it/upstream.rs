//! The generated archive, judged by dpkg-deb, apt-get and dpkg-source.

use std::fs;
use std::path::Path;
use std::process::Command;

use gapferry::formats::openpgp::SiteKey;
use gapferry::upstream::{DEFAULT_DATE, DebSpec, Payload, SampleCompression, SourceSpec, Upstream, build_deb, bulk};

use crate::apt_client::{AptClient, output, run};

fn key() -> SiteKey {
    SiteKey::generate("Test Archive <archive@example.invalid>", DEFAULT_DATE).unwrap()
}

/// An archive with two pockets, dependencies across them, and a source package.
fn two_pockets() -> Upstream {
    let mut upstream = Upstream::new("Test", &["amd64", "arm64"]);
    let server = DebSpec {
        depends: "libhello1 (>= 1:2.0), hello-common | hello-data".into(),
        recommends: "hello-doc".into(),
        pre_depends: "base-thing".into(),
        packing: SampleCompression::Zstd,
        ..DebSpec::new("hello", "1:2.0-1", "amd64")
    };
    let base = DebSpec { essential: true, priority: "required".into(), ..DebSpec::new("base-thing", "1", "all") };
    upstream
        .add("test", "main", server)
        .add("test", "main", DebSpec::new("libhello1", "1:1.0-1", "amd64"))
        .add("test", "main", DebSpec { packing: SampleCompression::Plain, ..DebSpec::new("hello-doc", "2.0-1", "all") })
        .add("test", "main", base)
        .add("test", "universe", DebSpec { provides: "hello-data".into(), ..DebSpec::new("hello-extra", "1", "all") })
        .add_source("test", "main", SourceSpec::new("hello", "1:2.0-1"))
        .add(
            "test-updates",
            "main",
            DebSpec { source: "hello".into(), ..DebSpec::new("libhello1", "1:2.0-1", "amd64") },
        );
    upstream.suite("test-updates").codename = "test".into();
    upstream
}

fn client_of(dir: &Path, key: &SiteKey, types: &str) -> AptClient {
    let client = AptClient::new("amd64");
    let keyring = client.path("archive.gpg");
    fs::write(&keyring, key.public_binary().unwrap()).unwrap();
    client.source(types, &format!("file://{}", dir.display()), "test test-updates", "main universe", &keyring);
    client
}

#[test]
fn dpkg_deb_reads_generated_packages() {
    let dir = tempfile::tempdir().unwrap();
    for packing in [SampleCompression::Plain, SampleCompression::Gzip, SampleCompression::Xz, SampleCompression::Zstd] {
        let payload = Payload::Pseudorandom { size: 100_001, seed: 3 };
        let spec = DebSpec {
            packing,
            payload,
            depends: "other (>= 1)".into(),
            ..DebSpec::new("thing", "2:1.0~rc1-3", "amd64")
        };
        let path = dir.path().join("thing.deb");
        fs::write(&path, build_deb(&spec).unwrap()).unwrap();
        assert_eq!(run(Command::new("dpkg-deb").arg("-f").arg(&path)), spec.control());
        let contents = run(Command::new("dpkg-deb").arg("-c").arg(&path));
        assert!(contents.contains("./usr/share/gapferry-demo/thing\n"), "{contents}");
        run(Command::new("dpkg-deb").arg("-x").arg(&path).arg(dir.path().join("x")));
        let unpacked = fs::metadata(dir.path().join("x/usr/share/gapferry-demo/thing")).unwrap();
        assert_eq!(unpacked.len(), 100_001);
    }
}

#[test]
fn the_same_description_gives_the_same_bytes() {
    let packages: Vec<DebSpec> = bulk(3, 1000, 9).collect();
    for spec in &packages {
        assert_eq!(build_deb(spec).unwrap(), build_deb(spec).unwrap());
    }
    assert_ne!(packages[1].payload, packages[2].payload);
}

#[test]
fn apt_installs_from_it_with_signatures_checked() {
    let key = key();
    for split_signature in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut upstream = two_pockets();
        upstream.split_signature = split_signature;
        upstream.write_to(dir.path(), &key).unwrap();
        let client = client_of(dir.path(), &key, "deb");
        client.apt_get("update");
        let wanted = ["base-thing", "hello", "hello-doc", "hello-extra", "libhello1"];
        assert_eq!(client.would_install("hello"), wanted);
        client.apt_get("install -y --download-only hello");
        // apt reads packages of file: sources where they are, so the plan is what shows that it found them all.
        let policy = run(client.command("apt-cache").args(["policy", "libhello1"]));
        assert!(policy.contains("Candidate: 1:2.0-1"), "{policy}");
    }
}

#[test]
fn apt_downloads_copies_of_every_index_compression() {
    let key = key();
    for packing in SampleCompression::ALL {
        for by_hash in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let mut upstream = two_pockets();
            upstream.indexes = [packing].into();
            upstream.by_hash = by_hash;
            upstream.write_to(dir.path(), &key).unwrap();
            let client = client_of(dir.path(), &key, "deb");
            let uri = format!("copy:{}", dir.path().display());
            client.source("deb", &uri, "test test-updates", "main universe", &client.path("archive.gpg"));
            client.apt_get("update");
            client.apt_get("install -y --download-only hello");
            assert_eq!(client.downloaded().len(), 5, "{packing:?} {by_hash}");
        }
    }
}

#[test]
fn apt_takes_source_packages_from_it() {
    let key = key();
    let dir = tempfile::tempdir().unwrap();
    two_pockets().write_to(dir.path(), &key).unwrap();
    let client = client_of(dir.path(), &key, "deb-src");
    client.apt_get("update");
    client.apt_get("source --download-only hello");
    assert!(client.path("hello_2.0-1.dsc").exists() && client.path("hello_2.0-1.tar.xz").exists());
}

#[test]
fn apt_refuses_what_another_key_signed_or_what_has_expired() {
    let (key, other) = (key(), key());
    let dir = tempfile::tempdir().unwrap();
    let mut upstream = two_pockets();
    upstream.write_to(dir.path(), &key).unwrap();
    let refusal = |client: &AptClient| {
        let output = output(client.command("apt-get").arg("update"));
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let words = refusal(&client_of(dir.path(), &other, "deb"));
    assert!(words.contains("NO_PUBKEY"), "{words}");
    upstream.suite("test-updates").valid_until = Some(DEFAULT_DATE + 7 * 86_400);
    upstream.write_to(dir.path(), &key).unwrap();
    let words = refusal(&client_of(dir.path(), &key, "deb"));
    assert!(words.contains("expired"), "{words}");
}

#[test]
fn thousands_of_packages_take_seconds() {
    let key = key();
    let dir = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::new("Bulk", &["amd64"]);
    for deb in bulk(2000, 2000, 1) {
        upstream.add("test", "main", deb);
    }
    upstream.write_to(dir.path(), &key).unwrap();
    let client = client_of(dir.path(), &key, "deb");
    client.source("deb", &format!("file://{}", dir.path().display()), "test", "main", &client.path("archive.gpg"));
    client.apt_get("update");
    assert_eq!(client.would_install("bulk-01999").len(), 12);
}
