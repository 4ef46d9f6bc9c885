//! Forged metadata of images: what a lying builder can put in the place of upstream's signed files.

use std::fs;

use gapferry::collection::{Collection, Item, Proof, Publish};
use gapferry::depot::Depot;
use gapferry::formats::openpgp::SiteKey;
use gapferry::time::Time;
use gapferry::upstream::Stream;

use super::images::{STREAM_KEY, labelled};
use super::lies::{add_proof, keep_items, path, put};
use super::world::scratch;

/// The state of the bundle that lies.
pub(super) const NOW: u32 = 2;
pub(super) const INDEX: &str = "streams/v1/index.sjson";
pub(super) const UBUNTU: &str = "streams/v1/com.ubuntu.maas:stable:v3:download.sjson";
pub(super) const LOADERS: &str = "streams/v1/com.ubuntu.maas:stable:1:bootloader-download.sjson";
pub(super) const CENTOS: &str = "streams/v1/com.ubuntu.maas:stable:centos-bases-download.sjson";

/// The kernel of the carried serial.
pub(super) fn item(collection: &mut Collection) -> &mut Item {
    collection.items.iter_mut().find(|item| item.name.ends_with(":ga-22.04/boot-kernel")).unwrap()
}

pub(super) fn proof<'c>(collection: &'c mut Collection, at: &str) -> &'c mut Proof {
    collection.proofs.iter_mut().find(|proof| proof.path.as_str() == at).unwrap()
}

/// A file of metadata as `stream` has it, signed by upstream.
fn file_of(stream: &Stream, at: &str) -> Vec<u8> {
    let folder = scratch();
    stream.write_to(folder.path(), &STREAM_KEY).unwrap();
    fs::read(folder.path().join(at)).unwrap()
}

pub(super) fn genuine(number: u32, at: &str) -> Vec<u8> {
    file_of(&labelled("stable", number), at)
}

pub(super) fn replace(collection: &mut Collection, depot: &Depot, at: &str, bytes: &[u8]) {
    proof(collection, at).sha256 = put(depot, bytes);
}

pub(super) fn of_another_stream(collection: &mut Collection, depot: &Depot) {
    let other = file_of(&labelled("candidate", NOW), &UBUNTU.replace("stable", "candidate"));
    replace(collection, depot, UBUNTU, &other);
}

pub(super) fn index_of_another_stream(collection: &mut Collection, depot: &Depot) {
    replace(collection, depot, INDEX, &file_of(&labelled("candidate", NOW), INDEX));
}

pub(super) fn dropped_and_unnamed(collection: &mut Collection, _: &Depot) {
    collection.proofs.clear();
    collection.items.iter_mut().for_each(|item| item.proof = None);
}

pub(super) fn index_dropped_and_unnamed(collection: &mut Collection, _: &Depot) {
    collection.proofs.retain(|proof| proof.path.as_str() != INDEX);
    collection.items.iter_mut().for_each(|item| item.proof = None);
}

pub(super) fn stray(collection: &mut Collection, depot: &Depot) {
    add_proof(collection, "streams/v1/other.sjson", put(depot, &genuine(NOW, UBUNTU)));
}

pub(super) fn stray_verbatim(collection: &mut Collection, depot: &Depot) {
    collection.publish = Publish::Verbatim;
    stray(collection, depot);
}

pub(super) fn both_forms(collection: &mut Collection, depot: &Depot) {
    for file in ["streams/v1/index.json", "streams/v1/index.json.gpg"] {
        add_proof(collection, file, put(depot, &genuine(NOW, file)));
    }
}

pub(super) fn verbatim_both_forms(collection: &mut Collection, depot: &Depot) {
    collection.publish = Publish::Verbatim;
    both_forms(collection, depot);
}

pub(super) fn two_indexes(collection: &mut Collection, depot: &Depot) {
    collection.publish = Publish::Verbatim;
    add_proof(collection, "streams/v1/index2.sjson", put(depot, &genuine(NOW, INDEX)));
}

pub(super) fn without_centos(collection: &mut Collection, _: &Depot) {
    collection.proofs.retain(|proof| proof.path.as_str() != CENTOS);
    keep_items(collection, |item| item.proof.as_ref().is_none_or(|proof| proof.as_str() != CENTOS));
}

pub(super) fn verbatim_without_centos(collection: &mut Collection, depot: &Depot) {
    collection.publish = Publish::Verbatim;
    without_centos(collection, depot);
}

/// The text of a proof.
fn text(collection: &mut Collection, depot: &Depot, at: &str) -> String {
    String::from_utf8(depot.read(&proof(collection, at).sha256, 1 << 20).unwrap()).unwrap()
}

pub(super) fn edit(collection: &mut Collection, depot: &Depot, at: &str, edit: fn(String) -> String) {
    let (before, after) = (text(collection, depot, at), edit(text(collection, depot, at)));
    assert_ne!(before, after);
    replace(collection, depot, at, after.as_bytes());
}

pub(super) fn edited(text: String) -> String {
    text.replacen("\"datatype\": \"image-ids\"", "\"datatype\": \"image-evil\"", 1)
}

/// What is signed in a clear-signed text, which needs no escapes here.
pub(super) fn payload(text: &str) -> String {
    let (_, rest) = text.split_once("\n\n").unwrap();
    let (text, _) = rest.split_once("-----BEGIN PGP SIGNATURE-----").unwrap();
    text.to_owned()
}

/// A key that calls itself what upstream's is called, and when it signs.
fn other_key() -> (SiteKey, i64) {
    let made = Time::now().unix() - 60;
    (SiteKey::generate("Test Stream <stream@test.invalid>", made).unwrap(), made)
}

pub(super) fn unpinned(collection: &mut Collection, depot: &Depot, at: &str) {
    let (key, made) = other_key();
    let signed = key.sign_clear(&payload(&text(collection, depot, at)), made).unwrap();
    replace(collection, depot, at, signed.as_bytes());
}

pub(super) fn evil_list(collection: &mut Collection, depot: &Depot) {
    let file = item(collection).file.clone();
    let (old, new) = (collection.files[&file], put(depot, &[7; 5_000]));
    collection.files.insert(file, new);
    let list = payload(&text(collection, depot, UBUNTU));
    let (key, made) = other_key();
    let signed = key.sign_clear(&list.replace(&old.to_hex(), &new.to_hex()), made).unwrap();
    replace(collection, depot, UBUNTU, signed.as_bytes());
}

/// The path of the form that is signed beside itself.
fn json(at: &str) -> String {
    at.replace(".sjson", ".json")
}

/// Carries the metadata in the form that is signed beside itself, which upstream has too.
pub(super) fn detached(collection: &mut Collection, depot: &Depot) {
    detached_but_unnamed(collection, depot);
    for item in &mut collection.items {
        item.proof = item.proof.take().map(|proof| path(&json(proof.as_str())));
    }
}

pub(super) fn detached_but_unnamed(collection: &mut Collection, depot: &Depot) {
    collection.proofs.clear();
    let folder = scratch();
    labelled("stable", NOW).write_to(folder.path(), &STREAM_KEY).unwrap();
    for at in [INDEX, UBUNTU, LOADERS, CENTOS] {
        for file in [json(at), json(at) + ".gpg"] {
            let bytes = fs::read(folder.path().join(&file)).unwrap();
            add_proof(collection, &file, put(depot, &bytes));
        }
    }
}

pub(super) fn unsigned_index(collection: &mut Collection, depot: &Depot) {
    let text = payload(&text(collection, depot, INDEX));
    collection.proofs.retain(|proof| proof.path.as_str() != INDEX);
    add_proof(collection, &json(INDEX), put(depot, text.as_bytes()));
}

pub(super) fn unsigned_stream(collection: &mut Collection, depot: &Depot) {
    detached(collection, depot);
    collection.proofs.retain(|proof| !proof.path.as_str().ends_with(".gpg"));
    collection.items.iter_mut().for_each(|item| item.proof = None);
}

pub(super) fn without_signature(collection: &mut Collection, depot: &Depot, at: &str) {
    detached(collection, depot);
    collection.proofs.retain(|proof| proof.path.as_str() != json(at) + ".gpg");
}

pub(super) fn other_signature(collection: &mut Collection, depot: &Depot) {
    detached(collection, depot);
    proof(collection, &(json(UBUNTU) + ".gpg")).sha256 = proof(collection, &(json(CENTOS) + ".gpg")).sha256;
}

pub(super) fn edited_beside(collection: &mut Collection, depot: &Depot) {
    detached(collection, depot);
    edit(collection, depot, &json(UBUNTU), edited);
}

pub(super) fn unpinned_beside(collection: &mut Collection, depot: &Depot) {
    detached(collection, depot);
    let (key, made) = other_key();
    let signature = key.sign_detached(text(collection, depot, &json(UBUNTU)).as_bytes(), made).unwrap();
    replace(collection, depot, &(json(UBUNTU) + ".gpg"), signature.as_bytes());
}
