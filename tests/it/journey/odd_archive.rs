//! Small signed archives that are written by hand, and two clients: one of the upstream, one of the site.

use std::fs;
use std::path::PathBuf;

use gapferry::digest::Sha256;
use gapferry::formats::signed_digest::{DigestKind, Sha512};
use gapferry::time::Time;
use gapferry::upstream::{DebSpec, build_deb};

use crate::apt_client::AptClient;
use crate::support::desk::{ARCHIVE_KEY, Desk, Ended, Serving};
use crate::support::server::Server;

/// An archive that is written by hand below the folder `up` of a desk.
pub(super) struct OddArchive {
    pub(super) desk: Desk,
    /// Fields of its Release before the digests, in Latin-1.
    pub(super) head: Vec<u8>,
    /// More text behind the digests.
    pub(super) tail: String,
    /// The component that clients use.
    pub(super) component: &'static str,
    /// The digest by which the archive signs: SHA-256 or SHA-512.
    pub(super) digest: DigestKind,
}

pub(super) const HEAD: &str = "Origin: Odd\nSuite: stable\nCodename: stable\nArchitectures: amd64\nComponents: main\n";
pub(super) const PACKAGES: &str = "main/binary-amd64/Packages";

impl OddArchive {
    pub(super) fn new() -> Self {
        let head = format!("{HEAD}Date: {} UTC\n", yesterday().day_and_time()).into_bytes();
        Self { desk: Desk::new(), head, tail: String::new(), component: "main", digest: DigestKind::Sha256 }
    }

    /// The field of its Release that lists indexes, and that of packages with the digest.
    pub(super) fn section(&self) -> &'static str {
        if self.digest == DigestKind::Sha512 { "SHA512" } else { "SHA256" }
    }

    /// The digest of `bytes` in hexadecimal digits.
    pub(super) fn digest(&self, bytes: &[u8]) -> String {
        if self.digest == DigestKind::Sha512 { Sha512::of(bytes).to_hex() } else { Sha256::of(bytes).to_hex() }
    }

    /// Writes a .deb at `path`, and returns its stanza with `filename`.
    pub(super) fn deb(&self, spec: &DebSpec, path: &str, filename: &str) -> String {
        let bytes = build_deb(spec).unwrap();
        self.write(&format!("up/{path}"), &bytes);
        let DebSpec { name, version, architecture, .. } = spec;
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: Odd <odd@odd.invalid>\n\
             Description: odd\nFilename: {filename}\nSize: {}\n{}: {}\n\n",
            bytes.len(),
            self.section(),
            self.digest(&bytes)
        )
    }

    /// Writes a .deb of version 1.0, and returns its stanza.
    pub(super) fn package(&self, name: &str) -> String {
        let path = format!("pool/{name}.deb");
        self.deb(&DebSpec::new(name, "1.0", "amd64"), &path, &path)
    }

    /// Writes and signs the suite `stable`, which has `hello` alone.
    pub(super) fn publish_hello(&self) {
        self.publish(&[(PACKAGES, self.package("hello").as_bytes())]);
    }

    /// Carries `hello` from the served archive. A client of the upstream and one of the site download it.
    pub(super) fn hello_arrives(&self) {
        let server = Server::start(&self.desk.path("up"));
        let url = server.url("").to_string();
        self.select(&url, "packages = [\"hello\"]");
        both_download(self, &url, "hello", &["hello_1.0_amd64.deb"]);
    }

    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> PathBuf {
        let path = self.desk.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes the indexes of the suite `stable`, and a signed Release that lists them.
    pub(super) fn publish(&self, indexes: &[(&str, &[u8])]) {
        self.publish_suite("stable", indexes);
    }

    pub(super) fn publish_suite(&self, suite: &str, indexes: &[(&str, &[u8])]) {
        let mut release = self.head.clone();
        if suite != "stable" && !String::from_utf8_lossy(&release).contains(&format!("Codename: {suite}\n")) {
            release = String::from_utf8_lossy(&release).replace("stable", suite).into_bytes();
        }
        release.extend_from_slice(format!("{}:\n", self.section()).as_bytes());
        for (path, bytes) in indexes {
            self.write(&format!("up/dists/{suite}/{path}"), bytes);
            release.extend_from_slice(format!(" {} {} {path}\n", self.digest(bytes), bytes.len()).as_bytes());
        }
        release.extend_from_slice(self.tail.as_bytes());
        let signature = ARCHIVE_KEY.sign_detached(&release, yesterday().unix()).unwrap();
        self.write(&format!("up/dists/{suite}/Release"), &release);
        self.write(&format!("up/dists/{suite}/Release.gpg"), signature.as_bytes());
    }

    /// A client of the upstream itself: the control.
    pub(super) fn control(&self, url: &str) -> AptClient {
        let key = self.write("control.gpg", &ARCHIVE_KEY.public_binary().unwrap());
        let client = AptClient::new("amd64");
        client.source("deb deb-src", url, "stable", self.component, &key);
        client
    }

    pub(super) fn select(&self, url: &str, more: &str) {
        self.desk.select(&self.desk.table("odd", url, &format!("stable {} amd64", self.component), more));
    }

    /// Rehearses an export of the selection.
    pub(super) fn export(&self, url: &str, more: &str) -> Ended {
        self.select(url, more);
        self.desk.export("--dry-run")
    }
}

pub(super) fn yesterday() -> Time {
    Time::now().plus(-24 * 3600)
}

/// The archive at the site. Under the address of the upstream the site would answer as the upstream does.
pub(super) fn site_url(serving: &Serving) -> String {
    format!("http://{}/apt/odd", serving.address.replace("127.0.0.1", "localhost"))
}

/// Updates both clients, and lets each download the packages.
pub(super) fn both_download(archive: &OddArchive, url: &str, packages: &str, files: &[&str]) {
    let control = archive.control(url);
    control.apt_get("update");
    control.apt_get(&format!("install -y --download-only {packages}"));
    assert_eq!(control.downloaded(), files);

    archive.desk.init(&["odd"], "");
    archive.desk.ferry();
    let serving = archive.desk.serve();
    let client = AptClient::new("amd64");
    let key = super::key(&archive.desk);
    client.source("deb", &site_url(&serving), "stable", archive.component, &key);
    client.updates_without_complaint("");
    client.apt_get(&format!("install -y --download-only {packages}"));
    assert_eq!(client.downloaded(), files);
}
