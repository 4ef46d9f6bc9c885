//! Worlds of a flat repository, whose Release and index lie beside the packages.

use std::fs;
use std::path::{Path, PathBuf};

use gapferry::collection::{Collection, Proof, Publish};
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::label::Label;
use gapferry::time::Time;
use gapferry::upstream::{DebSpec, SampleCompression, build_deb};

use super::debs::{ARCHIVE_KEY, check_suite, packages, undated_release};
use super::debs_lies::{evil_deb, genuine_other, item, swapped};
use super::lies::{Lie, Truth, add_proof, join, keep_items, lie, path, put, refused, second_name};
use super::world::{Content, date_of_state};

/// A repository named `flat`.
pub(crate) struct Flat;

const NOT_VOUCHED: &str = "signed indexes do not vouch for";

impl Content for Flat {
    fn publish(&self, upstream: &Path, number: u32) {
        let mut index = String::new();
        for package in packages(number) {
            let DebSpec { name, version, architecture, .. } = &package;
            let (file, bytes) = (format!("{name}_{version}_{architecture}.deb"), build_deb(&package).unwrap());
            let (size, digest) = (bytes.len(), Sha256::of(&bytes));
            index += &format!("{}Filename: ./{file}\nSize: {size}\nSHA256: {digest}\n\n", package.control());
            fs::write(upstream.join(file), bytes).unwrap();
        }
        let made = date_of_state(number);
        let mut release =
            format!("Origin: Flat\nDate: {} UTC\nSHA256:\n", Time::from_unix(made).unwrap().day_and_time());
        for packing in [SampleCompression::Plain, SampleCompression::Gzip] {
            let (file, bytes) = (format!("Packages{}", packing.suffix()), packing.pack(index.as_bytes()).unwrap());
            release += &format!(" {} {} {file}\n", Sha256::of(&bytes), bytes.len());
            fs::write(upstream.join(file), bytes).unwrap();
        }
        fs::write(upstream.join("InRelease"), ARCHIVE_KEY.sign_clear(&release, made).unwrap()).unwrap();
        fs::write(upstream.join("archive.gpg"), ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    }

    fn sources(&self, upstream: &Path) -> String {
        let url = url::Url::from_directory_path(upstream).unwrap();
        format!(
            "[[apt]]\nname = \"flat\"\nurl = \"{url}\"\nsuites = [\"./\"]\narchitectures = [\"amd64\"]\n\
             keyring = \"{}/archive.gpg\"\n",
            upstream.display()
        )
    }

    fn pins(&self, upstream: &Path) -> Vec<(Label, PathBuf)> {
        vec![("flat".parse().unwrap(), upstream.join("archive.gpg"))]
    }

    fn check(&self, folder: &Path) {
        let root = folder.join("apt/flat");
        check_suite(&root, &root, &folder.join("keys/site.gpg"));
    }

    fn undated(&self, path: &Path, text: &str) -> Option<String> {
        undated_release(path, text)
    }

    fn long_names(&self) -> bool {
        false
    }

    fn kills(&self) -> usize {
        40
    }

    fn lies(&self) -> Vec<Lie> {
        vec![
            lie("a .deb is swapped for an evil one", swapped, NOT_VOUCHED),
            lie("a .deb is swapped for a genuine other one", genuine_other, NOT_VOUCHED),
            lie("an item's version is another", |c, _| item(c).version = "9.0-1".into(), NOT_VOUCHED),
            lie("an item names no proof", |c, _| item(c).proof = None, NOT_VOUCHED),
            lie("a file has two names", two_names, NOT_VOUCHED),
            lie("an evil .deb joins", evil_joins, NOT_VOUCHED),
            lie("a package stands where the index will", over_the_index, NOT_VOUCHED),
            lie("an index lists an evil .deb", evil_index, "does not vouch for"),
            lie("InRelease is edited below its signature", edited_release, "not vouched for by the keys pinned here"),
            lie("all proofs are dropped", |c, _| c.proofs.clear(), NOT_VOUCHED),
            lie("a stray file is among the proofs", |c, d| stray(c, d, Publish::ReIndexed), "does not vouch for"),
            lie("a stray file is among verbatim proofs", |c, d| stray(c, d, Publish::Verbatim), "does not vouch for"),
            refused(
                "the source is one for which nothing is pinned",
                |c, _| c.source = "elsewhere".parse().unwrap(),
                "keys and policy go by source",
            ),
        ]
    }

    fn truths(&self) -> Vec<Truth> {
        vec![
            Truth { name: "nothing is changed", tell: |_, _| () },
            Truth { name: "a package is left out", tell: |c, _| keep_items(c, |item| item.name != "libgap1") },
        ]
    }
}

fn proof<'c>(collection: &'c mut Collection, file: &str) -> &'c mut Proof {
    collection.proofs.iter_mut().find(|proof| proof.path.as_str().starts_with(file)).unwrap()
}

fn two_names(collection: &mut Collection, _: &Depot) {
    let item = item(collection).clone();
    second_name(collection, item, "other-name.deb");
}

fn evil_joins(collection: &mut Collection, depot: &Depot) {
    let item = item(collection).clone();
    join(collection, depot, item, "evil.deb");
}

fn over_the_index(collection: &mut Collection, depot: &Depot) {
    let item = item(collection).clone();
    join(collection, depot, item, "Packages.xz");
}

fn evil_index(collection: &mut Collection, depot: &Depot) {
    let (deb, file) = (evil_deb(), item(collection).file.clone());
    let digest = put(depot, &deb);
    let size = deb.len();
    let stanza = format!(
        "Package: libgap1\nVersion: 1.0-1\nArchitecture: amd64\nFilename: {file}\nSize: {size}\nSHA256: {digest}\n\n"
    );
    collection.files.insert(file, digest);
    let index = proof(collection, "Packages");
    (index.path, index.sha256) = (path("Packages"), put(depot, stanza.as_bytes()));
}

fn edited_release(collection: &mut Collection, depot: &Depot) {
    let proof = proof(collection, "InRelease");
    let text = String::from_utf8(depot.read(&proof.sha256, 1 << 20).unwrap()).unwrap();
    proof.sha256 = put(depot, text.replace("Origin: Flat", "Origin: Evil").as_bytes());
}

fn stray(collection: &mut Collection, depot: &Depot, publish: Publish) {
    collection.publish = publish;
    add_proof(collection, "Sources", put(depot, b"evil"));
}
