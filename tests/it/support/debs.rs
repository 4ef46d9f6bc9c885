//! Worlds of Debian packages.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use gapferry::digest::Sha256;
use gapferry::formats::openpgp::SiteKey;
use gapferry::label::Label;
use gapferry::time::Time;
use gapferry::upstream::{DebSpec, Payload, SampleCompression, Upstream};

use super::debs_lies;
use super::lies::{Lie, Truth};
use super::world::{Content, date_of_state, without_dates};
use crate::apt_client::run;

/// An archive named `demo` with the suite `stable`, as a function of the state's number.
pub(crate) struct Debs {
    /// The archive in state `number`.
    pub(crate) state: fn(number: u32) -> Upstream,
    /// More lines for its `[[apt]]` table, such as `packages = ["hello"]`.
    pub(crate) settings: &'static str,
}

/// The archive's key: one for all worlds of a run.
pub(crate) static ARCHIVE_KEY: LazyLock<SiteKey> =
    LazyLock::new(|| SiteKey::generate("Test Archive <archive@test.invalid>", Time::now().unix() - 3600).unwrap());

impl Debs {
    /// Some 300 kB: packages that compress and packages that do not, a name for which tar needs a pax header, and with
    /// small volumes blobs that must be cut. All but `libgap1` is new in each state.
    pub(crate) fn small() -> Self {
        Self { state: small, settings: "" }
    }
}

/// The packages of state `number`.
pub(super) fn packages(number: u32) -> Vec<DebSpec> {
    let version = format!("{number}.0-1");
    let deb = |name: &str, architecture: &str| DebSpec::new(name, &version, architecture);
    let noise = |size, seed| Payload::Pseudorandom { size, seed };
    let long = format!("long-{}", "name-".repeat(12) + "end");
    let text = "what compresses well ".repeat(6000).into_bytes();
    vec![
        DebSpec { depends: format!("libgap1, {long}"), ..deb("hello-gap", "amd64") },
        DebSpec { payload: noise(20_000, 2), ..DebSpec::new("libgap1", "1.0-1", "amd64") },
        DebSpec { packing: SampleCompression::Plain, ..deb(&long, "all") },
        DebSpec { packing: SampleCompression::Plain, payload: Payload::Bytes(text), ..deb("text", "all") },
        DebSpec { payload: noise(150_000, u64::from(number) << 8), ..deb("big", "amd64") },
    ]
}

fn small(number: u32) -> Upstream {
    let mut upstream = Upstream::new("Test", &["amd64"]);
    for package in packages(number) {
        upstream.add("stable", "main", package);
    }
    upstream.add("stable-updates", "main", DebSpec::new("news", &format!("{number}.0-1"), "all"));
    for suite in ["stable", "stable-updates"] {
        upstream.suite(suite).date = date_of_state(number);
    }
    upstream
}

impl Content for Debs {
    fn publish(&self, upstream: &Path, number: u32) {
        (self.state)(number).write_to(upstream, &ARCHIVE_KEY).unwrap();
        fs::write(upstream.join("archive.gpg"), ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    }

    fn sources(&self, upstream: &Path) -> String {
        let (url, settings) = (url::Url::from_directory_path(upstream).unwrap(), self.settings);
        format!(
            "[[apt]]\nname = \"demo\"\nurl = \"{url}\"\nsuites = [\"stable\", \"stable-updates\"]\ncomponents = [\"main\"]\n\
             architectures = [\"amd64\"]\nkeyring = \"{}/archive.gpg\"\n{settings}\n",
            upstream.display()
        )
    }

    fn pins(&self, upstream: &Path) -> Vec<(Label, PathBuf)> {
        vec![("demo".parse().unwrap(), upstream.join("archive.gpg"))]
    }

    fn check(&self, folder: &Path) {
        let keyring = folder.join("keys/site.gpg");
        let mut suites = 0;
        for in_release in walkdir::WalkDir::new(folder.join("apt")).follow_links(true).into_iter().map(Result::unwrap) {
            let suite = in_release.path().parent().unwrap();
            if in_release.file_name() == "InRelease" && suite.parent().is_some_and(|dists| dists.ends_with("dists")) {
                suites += 1;
                check_suite(suite, suite.ancestors().nth(2).unwrap(), &keyring);
            }
        }
        assert!(suites > 0, "{} has no suite", folder.display());
    }

    fn undated(&self, path: &Path, text: &str) -> Option<String> {
        undated_release(path, text)
    }

    fn kills(&self) -> usize {
        200
    }

    fn lies(&self) -> Vec<Lie> {
        debs_lies::lies()
    }

    fn truths(&self) -> Vec<Truth> {
        debs_lies::truths()
    }
}

/// Returns the text of a Release without its date, and an empty text for its signature. Returns `None` for other files.
pub(super) fn undated_release(path: &Path, text: &str) -> Option<String> {
    let name = path.file_name().filter(|_| path.starts_with("apt"))?;
    match name.to_str() {
        Some("InRelease" | "Release") => Some(without_dates(text, |line| line.starts_with("Date: "))),
        Some("Release.gpg") => Some(String::new()),
        _ => None,
    }
}

/// Judges a suite as apt would: gpgv, the digests of the indexes, the digests of the packages.
pub(super) fn check_suite(suite: &Path, archive: &Path, keyring: &Path) {
    let in_release = suite.join("InRelease");
    run(Command::new("gpgv").arg("--keyring").arg(keyring).arg(&in_release));
    let text = fs::read_to_string(in_release).unwrap();
    let is = |path: &str, name: &str| path.rsplit('/').next() == Some(name);
    let sums = text.split("SHA256:\n").nth(1).unwrap().lines().take_while(|line| line.starts_with(' '));
    let mut packages = 0;
    for line in sums {
        let [digest, size, path] = line.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
        // As in Debian: the Release names the plain form too, of which apt takes another one.
        if !is(path, "Packages") && !is(path, "Sources") && suite.join(format!("{path}.gz")).exists() {
            continue;
        }
        let bytes = check_file(&suite.join(path), size, digest);
        if is(path, "Packages") {
            packages += 1;
            String::from_utf8(bytes)
                .unwrap()
                .split_terminator("\n\n")
                .for_each(|stanza| check_package(archive, stanza));
        }
    }
    assert!(packages > 0, "{text}");
}

fn check_package(archive: &Path, stanza: &str) {
    let fields: BTreeMap<&str, &str> = stanza.lines().filter_map(|line| line.split_once(": ")).collect();
    check_file(&archive.join(fields["Filename"]), fields["Size"], fields["SHA256"]);
}

fn check_file(path: &Path, size: &str, digest: &str) -> Vec<u8> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(
        (bytes.len().to_string(), Sha256::of(&bytes).to_hex()),
        (size.to_owned(), digest.to_owned()),
        "{path:?}"
    );
    bytes
}
