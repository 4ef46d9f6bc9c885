//! Worlds of images of other operating systems: signed ones and ones that nobody signed, for the stream and for uploads.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use gapferry::digest::Sha256;
use gapferry::formats::openpgp::SiteKey;
use gapferry::label::Label;
use gapferry::time::Time;

use super::images::{check_stream, undated_stream};
use super::lies::{Lie, Truth};
use super::os_images_lies;
use super::world::Content;

/// A CentOS that is new and signed anew in each state, a Windows that stays and compresses, and a custom image with a long name.
pub(crate) struct OsImages;

/// Who signs the CentOS: one key for all worlds of a run.
pub(crate) static IMAGE_KEY: LazyLock<SiteKey> =
    LazyLock::new(|| SiteKey::generate("Test Images <images@test.invalid>", Time::now().unix() - 3600).unwrap());

/// Bytes that do not compress, another for each seed.
pub(crate) fn noise(size: usize, seed: u64) -> Vec<u8> {
    let blocks = (0u64..).flat_map(|block| *Sha256::of(format!("{seed} {block}").as_bytes()).as_bytes());
    blocks.take(size).collect()
}

/// The bytes, gzip.
pub(crate) fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// An archive with one file of these bytes, tar and gzip: always the same.
pub(crate) fn tgz(content: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, "etc/image", content).unwrap();
    gz(&archive.into_inner().unwrap())
}

/// The version of state `number`.
pub(super) fn version(number: u32) -> String {
    format!("202501{number:02}")
}

/// The signature over an image of the upstream.
pub(super) fn signature(bytes: &[u8]) -> String {
    IMAGE_KEY.sign_detached(bytes, Time::now().unix() - 60).unwrap()
}

/// A release whose name is as long as one may be.
pub(super) fn long_name() -> String {
    format!("rocky9-{:-<57}", "long").replace("--", "-n")
}

/// An `[[os-images]]` table; `what` is os, release, filetype and version.
pub(crate) fn table(from: &str, what: [&str; 4], more: &str) -> String {
    let [os, release, filetype, version] = what;
    format!(
        "[[os-images]]\n{from}\nos = \"{os}\"\nrelease = \"{release}\"\narchitecture = \"amd64\"\nfiletype = \"{filetype}\"\n\
         title = \"{os} {release}\"\nversion = \"{version}\"\n{more}\n\n"
    )
}

impl Content for OsImages {
    fn publish(&self, upstream: &Path, number: u32) {
        let centos = tgz(&noise(150_000, u64::from(number)));
        // A signature has a time: the same state is signed once.
        if fs::read(upstream.join("centos.tgz")).ok().as_ref() != Some(&centos) {
            fs::write(upstream.join("centos.tgz.asc"), signature(&centos)).unwrap();
        }
        fs::write(upstream.join("centos.tgz"), centos).unwrap();
        fs::write(upstream.join("win.raw"), "what compresses well ".repeat(6000)).unwrap();
        fs::write(upstream.join("rocky.tgz"), tgz(&noise(20_000, 100 + u64::from(number)))).unwrap();
        fs::write(upstream.join("version"), version(number)).unwrap();
        fs::write(upstream.join("images.gpg"), IMAGE_KEY.public_binary().unwrap()).unwrap();
    }

    fn sources(&self, upstream: &Path) -> String {
        let at = |name: &str| upstream.join(name).display().to_string();
        let version = fs::read_to_string(upstream.join("version")).unwrap();
        let signed = format!("signature = \"{}\"\nkeyring = \"{}\"", at("centos.tgz.asc"), at("images.gpg"));
        let windows = format!(
            "url = \"{}\"\nsha256 = \"{}\"",
            url::Url::from_file_path(at("win.raw")).unwrap(),
            Sha256::of(&fs::read(at("win.raw")).unwrap())
        );
        [
            table(&format!("from = \"{}\"", at("centos.tgz")), ["centos", "9", "tgz", &version], &signed),
            table(&windows, ["windows", "win2022", "ddraw", "20250101"], ""),
            table(
                &format!("from = \"{}\"", at("rocky.tgz")),
                ["custom", &long_name(), "tgz", &version],
                "base-image = \"rhel/9\"",
            ),
        ]
        .concat()
    }

    fn pins(&self, upstream: &Path) -> Vec<(Label, PathBuf)> {
        vec![("os-images".parse().unwrap(), upstream.join("images.gpg"))]
    }

    fn allows(&self) -> Vec<Label> {
        vec!["os-images".parse().unwrap()]
    }

    fn check(&self, folder: &Path) {
        let root = folder.join("os-images/own");
        for form in [".sjson", ".json"] {
            check_stream(&root, form, &folder.join("keys/site.gpg"));
        }
        assert!(root.join("custom").is_dir());
    }

    fn undated(&self, path: &Path, text: &str) -> Option<String> {
        undated_stream("os-images", path, text)
    }

    fn dated(&self) -> bool {
        false // a signature is as old as the image, and says nothing of how new that is
    }

    fn kills(&self) -> usize {
        20
    }

    fn lies(&self) -> Vec<Lie> {
        os_images_lies::lies()
    }

    fn truths(&self) -> Vec<Truth> {
        os_images_lies::truths()
    }
}
