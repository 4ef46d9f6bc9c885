//! Worlds of RPM packages. Their bytes are no real packages, since nothing here looks into one; `dnf` judges real ones.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use gapferry::digest::Sha256;
use gapferry::formats::openpgp::SiteKey;
use gapferry::label::Label;
use gapferry::time::Time;
use gapferry::upstream::Payload;

use super::lies::{Lie, Truth};
use super::world::{Content, date_of_state, without_dates};
use super::yum_lies;
use crate::apt_client::run;

/// A repository named `rocky`.
pub(crate) struct Yum;

/// The repository's key: one for all worlds of a run.
pub(crate) static REPOSITORY_KEY: LazyLock<SiteKey> =
    LazyLock::new(|| SiteKey::generate("Test Repository <yum@test.invalid>", Time::now().unix() - 3600).unwrap());

/// A package of a generated repository.
pub(super) struct Rpm {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: &'static str,
    pub(super) payload: Payload,
}

impl Rpm {
    fn new(name: &str, version: &str, architecture: &'static str, payload: Payload) -> Self {
        Self { name: name.into(), version: version.into(), architecture, payload }
    }

    pub(super) fn path(&self) -> String {
        let Self { name, version, architecture, .. } = self;
        format!("Packages/{name}/{name}-{version}-1.{architecture}.rpm")
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.payload.reader().read_to_end(&mut bytes).unwrap();
        bytes
    }
}

/// Some 300 kB: packages that compress and packages that do not, a name for which tar needs a pax header, and with small
/// volumes blobs that must be cut. All but `libgap1` is new in each state; the source package is not carried.
pub(super) fn small(number: u32) -> Vec<Rpm> {
    let version = format!("{number}.0^git");
    let noise = |size, seed| Payload::Pseudorandom { size, seed };
    let text = |what: &str| Payload::Bytes(format!("{what} {number}").into_bytes());
    let long = format!("long-{}", "name-".repeat(12) + "end");
    let compresses = Payload::Bytes("what compresses well ".repeat(4000).into_bytes());
    vec![
        Rpm::new("hello-gap", &version, "x86_64", text("hello")),
        Rpm::new("libgap1", "1.0", "x86_64", noise(20_000, 2)),
        Rpm::new(&long, &version, "noarch", text("long")),
        Rpm::new("text", &version, "noarch", compresses),
        Rpm::new("big", &version, "x86_64", noise(150_000, u64::from(number) << 8)),
        Rpm::new("hello-gap", &version, "src", text("source")),
    ]
}

/// Path → bytes of all metadata of state `number`, with the signature beside `repomd.xml`.
pub(super) fn metadata(number: u32) -> BTreeMap<String, Vec<u8>> {
    let rpms = small(number);
    let count = rpms.len();
    let listed = |tag: &str, space: &str, element: fn(&Rpm) -> String| {
        let elements: String = rpms.iter().map(element).collect();
        let space = format!("http://linux.duke.edu/metadata/{space}");
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{tag} xmlns=\"{space}\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" \
             packages=\"{count}\">\n{elements}</{tag}>"
        )
    };
    let groups =
        "<?xml version=\"1.0\"?>\n<!DOCTYPE comps PUBLIC \"a\" \"b\">\n<comps><group><id>gap</id></group></comps>\n";
    let modules = format!(
        "---\ndocument: modulemd\nversion: 2\ndata:\n  artifacts:\n    rpms:\n    - text-0:{number}.0^git-1.noarch\n...\n"
    );
    let data = [
        ("primary", "primary.xml.gz", gzip(&listed("metadata", "common", primary))),
        (
            "filelists",
            "filelists.xml.xz",
            liblzma::encode_all(listed("filelists", "filelists", files).as_bytes(), 1).unwrap(),
        ),
        ("other", "other.xml.xz", liblzma::encode_all(listed("otherdata", "other", other).as_bytes(), 1).unwrap()),
        ("group", "comps.xml", groups.as_bytes().to_vec()),
        ("modules", "modules.yaml.gz", gzip(&modules)),
    ];
    let made = date_of_state(number);
    let mut repomd = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n<revision>{number}</revision>\n"
    );
    let mut all = BTreeMap::new();
    for (kind, name, bytes) in data {
        let (digest, size) = (Sha256::of(&bytes), bytes.len());
        let path = format!("repodata/{digest}-{name}");
        repomd += &format!(
            "<data type=\"{kind}\"><checksum type=\"sha256\">{digest}</checksum><location href=\"{path}\"/>\
             <timestamp>{made}</timestamp><size>{size}</size></data>\n"
        );
        all.insert(path, bytes);
    }
    repomd += "</repomd>\n";
    let signature = REPOSITORY_KEY.sign_detached(repomd.as_bytes(), made).unwrap();
    all.insert("repodata/repomd.xml".to_owned(), repomd.into_bytes());
    all.insert("repodata/repomd.xml.asc".to_owned(), signature.into_bytes());
    all
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn primary(rpm: &Rpm) -> String {
    let (bytes, path) = (rpm.bytes(), rpm.path());
    let Rpm { name, version, architecture, .. } = rpm;
    format!(
        "<package type=\"rpm\">\n  <name>{name}</name>\n  <arch>{architecture}</arch>\n  \
         <version epoch=\"0\" ver=\"{version}\" rel=\"1\"/>\n  <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum>\n  \
         <summary>a &amp; b</summary>\n  <size package=\"{}\" installed=\"1\" archive=\"1\"/>\n  <location href=\"{path}\"/>\n  \
         <format><rpm:vendor>Gap &amp; Sons</rpm:vendor></format>\n</package>\n",
        Sha256::of(&bytes),
        bytes.len()
    )
}

fn files(rpm: &Rpm) -> String {
    let (digest, Rpm { name, architecture, .. }) = (Sha256::of(&rpm.bytes()), rpm);
    format!(
        "<package pkgid=\"{digest}\" name=\"{name}\" arch=\"{architecture}\"><file>/usr/share/{name}</file></package>\n"
    )
}

fn other(rpm: &Rpm) -> String {
    let (digest, Rpm { name, architecture, .. }) = (Sha256::of(&rpm.bytes()), rpm);
    format!("<package pkgid=\"{digest}\" name=\"{name}\" arch=\"{architecture}\"/>\n")
}

impl Content for Yum {
    fn publish(&self, upstream: &Path, number: u32) {
        let rpms = small(number);
        let packages = rpms.iter().map(|rpm| (rpm.path(), rpm.bytes()));
        for (path, bytes) in packages.chain(metadata(number)) {
            let path = upstream.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        fs::write(upstream.join("keyring.gpg"), REPOSITORY_KEY.public_binary().unwrap()).unwrap();
    }

    fn sources(&self, upstream: &Path) -> String {
        let url = url::Url::from_directory_path(upstream).unwrap();
        format!("[[yum]]\nname = \"rocky\"\nurl = \"{url}\"\nkeyring = \"{}/keyring.gpg\"\n", upstream.display())
    }

    fn pins(&self, upstream: &Path) -> Vec<(Label, PathBuf)> {
        vec![("rocky".parse().unwrap(), upstream.join("keyring.gpg"))]
    }

    fn check(&self, folder: &Path) {
        let keyring = folder.join("keys/site.gpg");
        let repositories: Vec<PathBuf> = fs::read_dir(folder.join("yum")).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(!repositories.is_empty(), "{} has no repository", folder.display());
        repositories.iter().for_each(|root| check_repository(root, &keyring));
        assert!(folder.join("keys/yum/rocky.asc").exists());
    }

    fn undated(&self, path: &Path, text: &str) -> Option<String> {
        let name = path.file_name().filter(|_| path.starts_with("yum"))?;
        match name.to_str() {
            Some("repomd.xml") => Some(without_dates(text, |line| {
                ["<revision>", "<timestamp>"].iter().any(|tag| line.trim_start().starts_with(tag))
            })),
            Some("repomd.xml.asc") => Some(String::new()),
            _ => None,
        }
    }

    fn kills(&self) -> usize {
        80
    }

    fn lies(&self) -> Vec<Lie> {
        yum_lies::lies()
    }

    fn truths(&self) -> Vec<Truth> {
        yum_lies::truths()
    }
}

/// Judges a repository as dnf would: gpgv, the digests of all metadata, the digests of the packages, and that all lists have
/// the same packages.
fn check_repository(root: &Path, keyring: &Path) {
    let repomd = root.join("repodata/repomd.xml");
    run(Command::new("gpgv").arg("--keyring").arg(keyring).arg(root.join("repodata/repomd.xml.asc")).arg(&repomd));
    let text = fs::read_to_string(repomd).unwrap();
    let mut lists = Vec::new();
    for data in text.split("<data ").skip(1) {
        let path = between(data, "<location href=\"", "\"");
        let bytes = fs::read(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(between(data, "<checksum type=\"sha256\">", "<"), Sha256::of(&bytes).to_hex());
        assert_eq!(between(data, "<size>", "<"), bytes.len().to_string());
        let kind = between(data, "type=\"", "\"");
        if ["primary", "filelists", "other"].contains(&kind) {
            let mut text = String::new();
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
            assert_eq!(between(data, "<open-checksum type=\"sha256\">", "<"), Sha256::of(text.as_bytes()).to_hex());
            assert_eq!(between(data, "<open-size>", "<"), text.len().to_string());
            lists.push((kind.to_owned(), text));
        }
    }
    assert_eq!(lists.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["primary", "filelists", "other"]);
    let mut listed = None;
    for (kind, text) in lists {
        let elements: Vec<&str> = text.split("<package ").skip(1).collect();
        assert_eq!(between(&text, "packages=\"", "\""), elements.len().to_string());
        let digests: Vec<String> = match kind.as_str() {
            "primary" => elements.iter().map(|element| check_package(root, element)).collect(),
            _ => elements.iter().map(|element| between(element, "pkgid=\"", "\"").to_owned()).collect(),
        };
        assert_eq!(*listed.get_or_insert_with(|| digests.clone()), digests, "{kind}");
    }
}

/// The package's digest.
fn check_package(root: &Path, element: &str) -> String {
    let path = between(element, "<location href=\"", "\"");
    let bytes = fs::read(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let digest = Sha256::of(&bytes).to_hex();
    assert_eq!(between(element, "pkgid=\"YES\">", "<"), digest);
    assert_eq!(between(element, "<size package=\"", "\""), bytes.len().to_string());
    digest
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap().0
}
