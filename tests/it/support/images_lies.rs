//! What a lying builder can do to images.

use std::io::Read as _;

use gapferry::collection::{Collection, Item};
use gapferry::depot::Depot;
use gapferry::path::PublishPath;
use gapferry::upstream::StreamItem;

use super::images::serial;
use super::images_forged::{
    CENTOS, INDEX, LOADERS, NOW, UBUNTU, both_forms, detached, detached_but_unnamed, dropped_and_unnamed, edit, edited,
    edited_beside, evil_list, genuine, index_dropped_and_unnamed, index_of_another_stream, item, of_another_stream,
    other_signature, payload, proof, replace, stray, stray_verbatim, two_indexes, unpinned, unpinned_beside,
    unsigned_index, unsigned_stream, verbatim_both_forms, verbatim_without_centos, without_centos, without_signature,
};
use super::lies::{
    self, Lie, Truth, add_item, add_proof, join, keep_items, lie, of_kind, of_source, of_stream, of_suite, path, put,
    refused, second_name,
};

const NOT_VOUCHED: &str = "signed indexes do not vouch for";
const NOT_SIGNED: &str = "not vouched for by the keys pinned here";
const NO_INDEX: &str = "index is not carried";
const NO_PLACE: &str = "no proof of a kind that we know";
const NO_PROOF: &str = "without proof by upstream";

/// Every lie.
pub(crate) fn lies() -> Vec<Lie> {
    [about_files(), about_items(), about_metadata(), about_signatures(), about_the_whole()]
        .into_iter()
        .flatten()
        .collect()
}

/// What a builder may do.
pub(crate) fn truths() -> Vec<Truth> {
    vec![
        Truth { name: "nothing is changed", tell: |_, _| () },
        Truth { name: "an image is left out", tell: |c, _| keep_items(c, |item| !item.name.contains("hwe-22.04")) },
        Truth { name: "a products file and its images are left out", tell: without_centos },
        Truth { name: "the detached signatures are carried", tell: detached },
        Truth { name: "a reason is another", tell: |c, _| item(c).reason = "because".into() },
    ]
}

fn about_files() -> Vec<Lie> {
    vec![
        lie("an image is swapped for an evil one", swapped, NOT_VOUCHED),
        lie("an image is swapped for a genuine other one", genuine_other, NOT_VOUCHED),
        lie("an image is swapped for that of the older serial", older_bytes, NOT_VOUCHED),
        lie("two images change places", exchanged, NOT_VOUCHED),
        lie("a file has two names", two_names, NOT_VOUCHED),
        lie("an evil image joins", |c, d| joins(c, d, "jammy/evil"), NOT_VOUCHED),
        lie("one file of the older serial joins", |c, d| carry(c, d, NOW - 1), "of which not all is carried"),
        lie(
            "of one image an item is left out",
            |c, _| keep_items(c, |item| !item.name.ends_with("ga-22.04/boot-kernel")),
            "of which not all is carried",
        ),
        lie("a genuine image joins that upstream lists no more", |c, d| carry(c, d, NOW - 2), NOT_VOUCHED),
        lie("an image stands where an index will", |c, d| joins(c, d, "streams/v1/index.json"), NOT_VOUCHED),
        lie("an image stands where a signature will", |c, d| joins(c, d, "streams/v1/index.json.gpg"), NOT_VOUCHED),
        lie("an image stands among the metadata", |c, d| joins(c, d, "streams/v1/evil.sjson"), NOT_VOUCHED),
    ]
}

fn about_items() -> Vec<Lie> {
    vec![
        lie("an item's version is another", |c, _| item(c).version = "20991231".into(), NOT_VOUCHED),
        // The published state has this version, with its own bytes.
        refused(
            "an item's version is the older one",
            |c, _| item(c).version = serial(NOW - 1),
            "has other bytes than before",
        ),
        lie("an item's name is another", |c, _| item(c).name = "evil/boot-kernel".into(), NOT_VOUCHED),
        lie("an item's name is that of another product", other_product, NOT_VOUCHED),
        lie("an item's architecture is another", |c, _| item(c).architecture = "arm64".into(), NOT_VOUCHED),
        lie(
            "an item's origin is another",
            |c, _| item(c).details = of_stream("com.ubuntu.maas:stable:other"),
            NOT_VOUCHED,
        ),
        lie("an item's licence is another", |c, _| item(c).licence = "Evil".into(), NOT_VOUCHED),
        lie("an item has a source", |c, _| item(c).source = of_source("evil"), NOT_VOUCHED),
        lie("an item names no proof", |c, _| item(c).proof = None, NOT_VOUCHED),
        lie("an item names another proof", |c, _| item(c).proof = Some(path(LOADERS)), NOT_VOUCHED),
        lie("an item names the index as its proof", |c, _| item(c).proof = Some(path(INDEX)), NOT_VOUCHED),
        lie(
            "an item names a proof that is not there",
            |c, _| item(c).proof = Some(path("streams/v1/x.sjson")),
            NOT_VOUCHED,
        ),
    ]
}

fn about_metadata() -> Vec<Lie> {
    vec![
        lie(
            "a products file is another one",
            |c, _| proof(c, UBUNTU).sha256 = proof(c, CENTOS).sha256,
            "mixes streams",
        ),
        lie("a products file is that of another stream", of_another_stream, "mixes streams"),
        lie("a products file is an older one", |c, d| replace(c, d, UBUNTU, &genuine(NOW - 1, UBUNTU)), NOT_VOUCHED),
        lie("a products file is the index", |c, _| proof(c, UBUNTU).sha256 = proof(c, INDEX).sha256, "its format is"),
        lie("the index is a products file", |c, _| proof(c, INDEX).sha256 = proof(c, UBUNTU).sha256, NO_INDEX),
        lie("the index is that of another stream", index_of_another_stream, NO_PLACE),
        lie("a products file is left out", |c, _| c.proofs.retain(|proof| proof.path.as_str() != CENTOS), NOT_VOUCHED),
        lie("all proofs are dropped", |c, _| c.proofs.clear(), NO_INDEX),
        lie("all proofs are dropped, and no item names one", dropped_and_unnamed, NO_INDEX),
        lie("the index is dropped", |c, _| c.proofs.retain(|proof| proof.path.as_str() != INDEX), NO_INDEX),
        lie("the index is dropped, and no item names a proof", index_dropped_and_unnamed, NO_INDEX),
        lie("a stray file is among the proofs", stray, NO_PLACE),
        lie("a stray file is among verbatim proofs", stray_verbatim, NO_PLACE),
        lie("a stray file is outside the metadata", |c, d| add_proof(c, "evil/sub/file", put(d, b"evil")), NO_PLACE),
        lie(
            "a signature stands beside a signed file",
            |c, d| add_proof(c, &format!("{INDEX}.gpg"), put(d, b"")),
            NO_PLACE,
        ),
        lie("the index is there in both forms", both_forms, NO_PLACE),
        lie("the other form of a verbatim stream lacks its products files", verbatim_both_forms, "is not carried"),
        lie("a verbatim stream has two indexes", two_indexes, NO_PLACE),
    ]
}

fn about_signatures() -> Vec<Lie> {
    vec![
        lie("a products file is signed by a key that is not pinned", |c, d| unpinned(c, d, UBUNTU), NOT_SIGNED),
        lie("the index is signed by a key that is not pinned", |c, d| unpinned(c, d, INDEX), NOT_SIGNED),
        lie("an evil image is listed by a key that is not pinned", evil_list, NOT_SIGNED),
        lie("a products file is edited below its signature", |c, d| edit(c, d, UBUNTU, edited), NOT_SIGNED),
        lie("the index is edited below its signature", |c, d| edit(c, d, INDEX, edited), NOT_SIGNED),
        lie(
            "text stands before the signed text",
            |c, d| edit(c, d, UBUNTU, |text| format!("{{}}\n{text}")),
            NOT_SIGNED,
        ),
        lie("text stands after the signature", |c, d| edit(c, d, UBUNTU, |text| text + "{}\n"), NOT_SIGNED),
        lie("a header says more", |c, d| edit(c, d, INDEX, |t| t.replacen('\n', "\nComment: {}\n", 1)), NOT_SIGNED),
        lie("two signed texts stand in one file", |c, d| edit(c, d, INDEX, |text| text.repeat(2)), NOT_SIGNED),
        lie("only the text is there", |c, d| edit(c, d, UBUNTU, |text| payload(&text)), NOT_SIGNED),
        refused("an unsigned index stands in the place of the signed one", unsigned_index, NO_PROOF),
        refused("nothing is signed", unsigned_stream, NO_PROOF),
        refused("a detached signature is left out", |c, d| without_signature(c, d, UBUNTU), NO_PROOF),
        refused("the index's detached signature is left out", |c, d| without_signature(c, d, INDEX), NO_PROOF),
        lie("a detached signature is that of another file", other_signature, NOT_SIGNED),
        lie("a file beside its signature is edited", edited_beside, NOT_SIGNED),
        lie("a detached signature is by a key that is not pinned", unpinned_beside, NOT_SIGNED),
        lie("items name the other form of their proof", detached_but_unnamed, NOT_VOUCHED),
    ]
}

fn about_the_whole() -> Vec<Lie> {
    vec![
        refused(
            "nothing is pinned for the source",
            |c, _| c.source = "else".parse().unwrap(),
            "keys and policy go by source",
        ),
        lie("images are said to be packages", |c, _| of_kind(c, &of_suite("./")), NO_PLACE),
        lie("a verbatim stream lacks a products file", verbatim_without_centos, "which is not carried"),
        lie(
            "of every image something is left out",
            |c, _| keep_items(c, |item| item.name.ends_with("/manifest")),
            "of which not all is carried",
        ),
    ]
}

fn swapped(collection: &mut Collection, depot: &Depot) {
    let file = item(collection).file.clone();
    collection.files.insert(file, put(depot, &[7; 5_000]));
}

fn genuine_other(collection: &mut Collection, _: &Depot) {
    let item = item(collection).clone();
    lies::genuine_other(collection, &item);
}

/// The path of the same kernel in state `number`, and its bytes.
fn kernel(number: u32) -> (PublishPath, Vec<u8>) {
    let path = format!("jammy/amd64/{}/ga-22.04/generic/boot-kernel", serial(number));
    let mut bytes = Vec::new();
    StreamItem::noise("boot-kernel", &path, 5_000).payload.reader().read_to_end(&mut bytes).unwrap();
    (path.parse().unwrap(), bytes)
}

fn older_bytes(collection: &mut Collection, depot: &Depot) {
    let file = item(collection).file.clone();
    collection.files.insert(file, put(depot, &kernel(NOW - 1).1));
}

fn exchanged(collection: &mut Collection, _: &Depot) {
    let [one, two] = ["ga-22.04", "hwe-22.04"]
        .map(|kernel| path(&format!("jammy/amd64/{}/{kernel}/generic/boot-kernel", serial(NOW))));
    let (first, second) = (collection.files[&one], collection.files[&two]);
    collection.files.extend([(one, second), (two, first)]);
}

fn two_names(collection: &mut Collection, _: &Depot) {
    let item = item(collection).clone();
    second_name(collection, item, "jammy/other-name");
}

fn joins(collection: &mut Collection, depot: &Depot, at: &str) {
    let item = item(collection).clone();
    join(collection, depot, item, at);
}

/// Adds the kernel of state `number`, with a true item.
fn carry(collection: &mut Collection, depot: &Depot, number: u32) {
    let (file, bytes) = kernel(number);
    let older = Item { file: file.clone(), version: serial(number), ..item(collection).clone() };
    collection.files.insert(file, put(depot, &bytes));
    add_item(collection, older);
}

fn other_product(collection: &mut Collection, _: &Depot) {
    let item = item(collection);
    item.name = item.name.replace("ga-22.04", "hwe-22.04");
}
