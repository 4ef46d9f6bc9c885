//! What a lying builder can do to Debian packages.

use gapferry::cli::Exit::{Refused, VerificationFailed};
use gapferry::collection::{Collection, Item, Proof, Publish};
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::formats::openpgp::SiteKey;
use gapferry::time::Time;
use gapferry::upstream::{DebSpec, build_deb};

use super::lies::{
    self, Lie, Truth, add_item, add_proof, keep_items, lie_ending, of_kind, of_source, of_stream, path, put,
    second_name,
};

const NOT_VOUCHED: &str = "signed indexes do not vouch for";

/// Every lie.
pub(crate) fn lies() -> Vec<Lie> {
    vec![
        lie_ending("a .deb is swapped for an evil one", swapped, VerificationFailed, NOT_VOUCHED),
        lie_ending("a .deb is swapped for a genuine other one", genuine_other, VerificationFailed, NOT_VOUCHED),
        lie_ending(
            "an item's version is another",
            |c, _| item(c).version = "9.0-1".into(),
            VerificationFailed,
            NOT_VOUCHED,
        ),
        lie_ending(
            "an item's source is another",
            |c, _| item(c).source = of_source("evil"),
            VerificationFailed,
            NOT_VOUCHED,
        ),
        lie_ending("an item names a licence", |c, _| item(c).licence = "GPL".into(), VerificationFailed, NOT_VOUCHED),
        lie_ending("an item's name is another", |c, _| item(c).name = "sudo".into(), VerificationFailed, NOT_VOUCHED),
        lie_ending(
            "an item's architecture is another",
            |c, _| item(c).architecture = "arm64".into(),
            VerificationFailed,
            NOT_VOUCHED,
        ),
        lie_ending("an item names no proof", |c, _| item(c).proof = None, VerificationFailed, NOT_VOUCHED),
        lie_ending(
            "an item names a proof that is not there",
            |c, _| item(c).proof = Some(path("dists/x/InRelease")),
            VerificationFailed,
            NOT_VOUCHED,
        ),
        lie_ending("an item names the proof of another suite", other_suite, VerificationFailed, NOT_VOUCHED),
        lie_ending("a file has two names", two_names, VerificationFailed, NOT_VOUCHED),
        lie_ending(
            "an index is swapped for that of another suite",
            index_of_another_suite,
            VerificationFailed,
            "does not vouch for",
        ),
        lie_ending(
            "descriptions are swapped for evil ones",
            evil_descriptions,
            VerificationFailed,
            "does not vouch for",
        ),
        lie_ending(
            "descriptions are swapped for those of another suite",
            descriptions_of_another_suite,
            VerificationFailed,
            "does not vouch for",
        ),
        lie_ending("verbatim lists of files are evil", evil_contents, VerificationFailed, "does not vouch for"),
        lie_ending("verbatim lists of programs are evil", evil_programs, VerificationFailed, "does not vouch for"),
        lie_ending("verbatim lists of commands are evil", evil_commands, VerificationFailed, "does not vouch for"),
        lie_ending("an index lists an evil .deb", evil_index, VerificationFailed, "does not vouch for"),
        lie_ending("an index is added to a signed suite", added_index, VerificationFailed, "does not vouch for"),
        lie_ending(
            "InRelease is signed by a key that is not pinned",
            unpinned,
            VerificationFailed,
            "not vouched for by the keys pinned here",
        ),
        lie_ending(
            "InRelease is edited below its signature",
            edited_release,
            VerificationFailed,
            "not vouched for by the keys pinned here",
        ),
        lie_ending("all proofs are dropped", |c, _| c.proofs.clear(), VerificationFailed, NOT_VOUCHED),
        lie_ending(
            "all proofs are dropped, and no item names one",
            dropped_and_unnamed,
            VerificationFailed,
            NOT_VOUCHED,
        ),
        lie_ending("InRelease is dropped", |c, _| c.proofs.retain(is_index), VerificationFailed, "do not vouch for"),
        lie_ending("InRelease is dropped, and no item names it", unsigned, Refused, "without proof by upstream"),
        lie_ending("an unsigned package joins a pinned source", joined, Refused, "without proof by upstream"),
        lie_ending(
            "the source is one for which nothing is pinned",
            |c, _| c.source = "elsewhere".parse().unwrap(),
            Refused,
            "keys and policy go by source",
        ),
        lie_ending("a stray file is among the proofs", stray_proof, VerificationFailed, "does not vouch for"),
        lie_ending("a stray file is among verbatim proofs", stray_verbatim, VerificationFailed, "does not vouch for"),
        lie_ending(
            "a stray file is among the proofs, outside any suite",
            |c, d| add_proof(c, "evil/sub/file", put(d, b"evil")),
            VerificationFailed,
            "no proof of a kind that we know",
        ),
        lie_ending("a package stands where an index will", over_the_index, VerificationFailed, NOT_VOUCHED),
        lie_ending(
            "packages are said to be images",
            |c, _| of_kind(c, &of_stream("s")),
            VerificationFailed,
            "index is not carried",
        ),
    ]
}

/// What a builder may do.
pub(crate) fn truths() -> Vec<Truth> {
    vec![
        Truth { name: "nothing is changed", tell: |_, _| () },
        Truth { name: "a package is left out", tell: |c, _| keep_items(c, |item| item.name != "libgap1") },
        Truth { name: "descriptions are left out", tell: |c, _| c.proofs.retain(|proof| !is_description(proof)) },
        Truth { name: "its reason is another", tell: |c, _| item(c).reason = "because".into() },
    ]
}

pub(super) fn item(collection: &mut Collection) -> &mut Item {
    collection.items.iter_mut().find(|item| item.name == "libgap1").unwrap()
}

fn is_index(proof: &Proof) -> bool {
    proof.path.as_str().contains("/binary-")
}

pub(super) fn evil_deb() -> Vec<u8> {
    build_deb(&DebSpec { depends: "evil".into(), ..DebSpec::new("libgap1", "1.0-1", "amd64") }).unwrap()
}

pub(super) fn swapped(collection: &mut Collection, depot: &Depot) {
    let file = item(collection).file.clone();
    collection.files.insert(file, put(depot, &evil_deb()));
}

pub(super) fn genuine_other(collection: &mut Collection, _: &Depot) {
    let item = item(collection).clone();
    lies::genuine_other(collection, &item);
}

fn other_suite(collection: &mut Collection, _: &Depot) {
    item(collection).proof = Some(path("dists/stable-updates/InRelease"));
}

fn two_names(collection: &mut Collection, _: &Depot) {
    let item = item(collection).clone();
    second_name(collection, item, "pool/main/l/libgap1/other-name.deb");
}

fn indexes(collection: &mut Collection) -> Vec<&mut Proof> {
    collection.proofs.iter_mut().filter(|proof| is_index(proof)).collect()
}

fn index_of_another_suite(collection: &mut Collection, _: &Depot) {
    let mut indexes = indexes(collection);
    indexes[0].sha256 = indexes[1].sha256;
}

fn is_description(proof: &Proof) -> bool {
    proof.path.as_str().contains("/i18n/Translation-")
}

fn descriptions(collection: &mut Collection) -> Vec<&mut Proof> {
    collection.proofs.iter_mut().filter(|proof| is_description(proof)).collect()
}

fn evil_descriptions(collection: &mut Collection, depot: &Depot) {
    descriptions(collection)[0].sha256 = put(depot, b"Package: hello-gap\nDescription-en: evil\n\n");
}

fn descriptions_of_another_suite(collection: &mut Collection, _: &Depot) {
    let mut descriptions = descriptions(collection);
    descriptions[0].sha256 = descriptions[1].sha256;
}

/// Adds an evil index under a name that the signed Release lists with another digest.
fn evil_verbatim(collection: &mut Collection, depot: &Depot, index: &str) {
    collection.publish = Publish::Verbatim;
    add_proof(collection, &format!("dists/stable/main/{index}"), put(depot, b"evil"));
}

fn evil_contents(collection: &mut Collection, depot: &Depot) {
    evil_verbatim(collection, depot, "Contents-amd64.gz");
}

fn evil_programs(collection: &mut Collection, depot: &Depot) {
    evil_verbatim(collection, depot, "dep11/Components-amd64.yml.gz");
}

fn evil_commands(collection: &mut Collection, depot: &Depot) {
    evil_verbatim(collection, depot, "cnf/Commands-amd64.gz");
}

/// An index that lists one evil package, and the package's digest.
fn evil_packages(depot: &Depot, file: &str) -> (Sha256, Sha256) {
    let deb = evil_deb();
    let digest = put(depot, &deb);
    let stanza = format!(
        "Package: libgap1\nVersion: 1.0-1\nArchitecture: amd64\nFilename: {file}\nSize: {}\nSHA256: {digest}\n\n",
        deb.len()
    );
    (put(depot, stanza.as_bytes()), digest)
}

fn evil_index(collection: &mut Collection, depot: &Depot) {
    let file = item(collection).file.clone();
    let (index, deb) = evil_packages(depot, file.as_str());
    collection.files.insert(file, deb);
    let proof = indexes(collection).into_iter().find(|proof| proof.path.as_str().starts_with("dists/stable/"));
    proof.unwrap().sha256 = index;
}

fn added_index(collection: &mut Collection, depot: &Depot) {
    let (index, _) = evil_packages(depot, "pool/evil.deb");
    add_proof(collection, "dists/stable/evil/binary-amd64/Packages", index);
}

fn in_release(collection: &mut Collection) -> &mut Proof {
    collection.proofs.iter_mut().find(|proof| proof.path.as_str() == "dists/stable/InRelease").unwrap()
}

fn unpinned(collection: &mut Collection, depot: &Depot) {
    let file = item(collection).file.clone();
    let (index, deb) = evil_packages(depot, file.as_str());
    collection.files.insert(file, deb);
    collection.proofs.retain(|proof| !is_index(proof) || proof.path.as_str().starts_with("dists/stable-updates/"));
    add_proof(collection, "dists/stable/main/binary-amd64/Packages", index);
    let size = depot.expect_size(&index).unwrap();
    let text = format!(
        "Origin: Test\nSuite: stable\nCodename: stable\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: amd64\n\
         Components: main\nSHA256:\n {index} {size} main/binary-amd64/Packages\n"
    );
    let made = Time::now().unix() - 60;
    let key = SiteKey::generate("Test Archive <archive@test.invalid>", made).unwrap();
    in_release(collection).sha256 = put(depot, key.sign_clear(&text, made).unwrap().as_bytes());
}

fn edited_release(collection: &mut Collection, depot: &Depot) {
    let proof = in_release(collection);
    let text = String::from_utf8(depot.read(&proof.sha256, 1 << 20).unwrap()).unwrap();
    proof.sha256 = put(depot, text.replace("Origin: Test", "Origin: Evil").as_bytes());
}

fn dropped_and_unnamed(collection: &mut Collection, _: &Depot) {
    collection.proofs.clear();
    collection.items.iter_mut().for_each(|item| item.proof = None);
}

fn unsigned(collection: &mut Collection, _: &Depot) {
    collection.proofs.retain(is_index);
    collection.items.iter_mut().for_each(|item| item.proof = None);
}

fn joined(collection: &mut Collection, depot: &Depot) {
    let (index, deb) = evil_packages(depot, "pool/evil.deb");
    let evil = Item { file: path("pool/evil.deb"), proof: None, ..item(collection).clone() };
    collection.files.insert(evil.file.clone(), deb);
    add_item(collection, evil);
    add_proof(collection, "dists/evil/main/binary-amd64/Packages", index);
}

fn stray_proof(collection: &mut Collection, depot: &Depot) {
    add_proof(collection, "dists/stable/main/i18n/Translation-en", put(depot, b"evil"));
}

fn stray_verbatim(collection: &mut Collection, depot: &Depot) {
    collection.publish = Publish::Verbatim;
    stray_proof(collection, depot);
}

fn over_the_index(collection: &mut Collection, depot: &Depot) {
    let evil = Item { file: path("dists/stable/main/binary-amd64/Packages"), ..item(collection).clone() };
    collection.files.insert(evil.file.clone(), put(depot, b"evil"));
    add_item(collection, evil);
}
