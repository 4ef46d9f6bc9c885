//! What a lying builder can do to RPM packages.

use gapferry::collection::{Collection, Item, Proof, Publish};
use gapferry::depot::Depot;
use gapferry::formats::openpgp::SiteKey;
use gapferry::kind::Details;
use gapferry::time::Time;

use super::lies::{
    self, Lie, Truth, add_item, add_proof, join, keep_items, lie, of_kind, of_source, of_stream, of_suite, path, put,
    refused, second_name,
};
use super::yum::{metadata, small};

/// The state of the bundle that lies.
const NOW: u32 = 2;
const REPOMD: &str = "repodata/repomd.xml";
const ASC: &str = "repodata/repomd.xml.asc";

const NOT_VOUCHED: &str = "signed indexes do not vouch for";
const NOT_NAMED: &str = "signed metadata does not vouch for";
const NOT_SIGNED: &str = "not vouched for by the keys pinned here";
const NOT_HERE: &str = "is not carried";
const NO_PLACE: &str = "no proof of a kind that we know";

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
        Truth { name: "a package is left out", tell: |c, _| keep_items(c, |item| item.name != "libgap1") },
        Truth { name: "every package is left out", tell: |c, _| keep_items(c, |_| false) },
        Truth { name: "the source package is carried too", tell: with_source },
        Truth { name: "a reason is another", tell: |c, _| hello(c).reason = "because".into() },
    ]
}

fn about_files() -> Vec<Lie> {
    vec![
        lie("a package is swapped for an evil one", swapped, NOT_VOUCHED),
        lie("a package is swapped for a genuine other one", genuine_other, NOT_VOUCHED),
        lie("a package is swapped for that of the older state", older_bytes, NOT_VOUCHED),
        lie("two packages change places", exchanged, NOT_VOUCHED),
        lie("a package has two names", two_names, NOT_VOUCHED),
        lie("an evil package joins", |c, d| joins(c, d, "Packages/evil.rpm"), NOT_VOUCHED),
        lie("the package of the older state joins", older_joins, NOT_VOUCHED),
        lie("a package stands among the metadata", |c, d| joins(c, d, "repodata/evil.rpm"), NOT_VOUCHED),
        lie("a package stands where metadata may", |c, d| joins(c, d, "repodata/primary.xml.gz"), NOT_VOUCHED),
    ]
}

fn about_items() -> Vec<Lie> {
    vec![
        lie("an item's version is another", |c, _| hello(c).version = "9.0-1".into(), NOT_VOUCHED),
        lie("an item's version has an epoch", |c, _| hello(c).version.insert_str(0, "1:"), NOT_VOUCHED),
        lie("an item's name is another", |c, _| hello(c).name = "libgap1".into(), NOT_VOUCHED),
        lie("an item's architecture is another", |c, _| hello(c).architecture = "noarch".into(), NOT_VOUCHED),
        lie("an item's publisher is another", |c, _| hello(c).publisher = "Evil".into(), NOT_VOUCHED),
        lie("an item's licence is another", |c, _| hello(c).licence = "Evil".into(), NOT_VOUCHED),
        lie("an item's source is another", |c, _| hello(c).source = of_source("evil"), NOT_VOUCHED),
        lie(
            "an item's origin is another",
            |c, _| hello(c).details = Details::Rpm { list: "other".into() },
            NOT_VOUCHED,
        ),
        lie("an item names no proof", |c, _| hello(c).proof = None, NOT_VOUCHED),
        lie("an item names another proof", |c, _| hello(c).proof = Some(path(ASC)), NOT_VOUCHED),
    ]
}

fn about_metadata() -> Vec<Lie> {
    vec![
        lie("the signed file is left out", |c, _| without(c, REPOMD), NOT_HERE),
        lie("the list of packages is left out", |c, _| without(c, "primary"), NOT_HERE),
        lie("the list of files is left out", |c, _| without(c, "filelists"), NOT_HERE),
        lie("the module streams are left out", |c, _| without(c, "modules"), NOT_HERE),
        lie("the groups are left out", |c, _| without(c, "comps"), NOT_HERE),
        lie("the list of packages is an evil one", evil_list, NOT_NAMED),
        lie("the module streams are evil ones", |c, d| replace(c, "modules", d, b"evil"), NOT_NAMED),
        lie("the list of packages is that of the older state", older_list, NOT_NAMED),
        lie("all metadata but the lists is that of the older state", older_repomd, NOT_HERE),
        lie("a file joins the metadata", |c, d| add_proof(c, "repodata/evil.xml", put(d, b"evil")), NO_PLACE),
        lie("a file joins the metadata of a verbatim repository", stray_verbatim, NO_PLACE),
        lie("a verbatim repository lacks metadata", verbatim_without_groups, NOT_HERE),
    ]
}

fn about_signatures() -> Vec<Lie> {
    vec![
        refused("the signature is left out", |c, _| without(c, ASC), "without proof by upstream"),
        lie("the signed file is edited", edited, NOT_SIGNED),
        lie("the signed file and the list are forged together", forged, NOT_SIGNED),
        lie("the signature is by a key that is not pinned", unpinned, NOT_SIGNED),
        lie("the signature is that of the older state", older_signature, NOT_SIGNED),
        lie("the signature is noise", |c, d| replace(c, ASC, d, b"evil"), NOT_SIGNED),
    ]
}

fn about_the_whole() -> Vec<Lie> {
    vec![
        refused("the source is another", |c, _| c.source = "else".parse().unwrap(), "keys and policy go by source"),
        lie("packages are said to be images", |c, _| of_kind(c, &of_stream("s")), "index is not carried"),
        lie("packages are said to be Debian's", |c, _| of_kind(c, &of_suite("./")), NO_PLACE),
    ]
}

fn hello(collection: &mut Collection) -> &mut Item {
    collection.items.iter_mut().find(|item| item.name == "hello-gap").unwrap()
}

/// The proof whose path has `part` in it.
fn proof<'c>(collection: &'c mut Collection, part: &str) -> &'c mut Proof {
    let exact = collection.proofs.iter().position(|proof| proof.path.as_str() == part);
    let position = exact.or_else(|| collection.proofs.iter().position(|proof| proof.path.as_str().contains(part)));
    &mut collection.proofs[position.unwrap()]
}

fn without(collection: &mut Collection, part: &str) {
    let path = proof(collection, part).path.clone();
    collection.proofs.retain(|proof| proof.path != path);
}

fn replace(collection: &mut Collection, part: &str, depot: &Depot, bytes: &[u8]) {
    proof(collection, part).sha256 = put(depot, bytes);
}

fn swapped(collection: &mut Collection, depot: &Depot) {
    let file = hello(collection).file.clone();
    collection.files.insert(file, put(depot, b"evil"));
}

fn genuine_other(collection: &mut Collection, _: &Depot) {
    let item = hello(collection).clone();
    lies::genuine_other(collection, &item);
}

fn older_bytes(collection: &mut Collection, depot: &Depot) {
    let file = hello(collection).file.clone();
    collection.files.insert(file, put(depot, &small(NOW - 1)[0].bytes()));
}

fn exchanged(collection: &mut Collection, _: &Depot) {
    let [one, two] = [0, 1].map(|at: usize| path(&small(NOW)[at].path()));
    let (first, second) = (collection.files[&one], collection.files[&two]);
    collection.files.extend([(one, second), (two, first)]);
}

fn two_names(collection: &mut Collection, _: &Depot) {
    let item = hello(collection).clone();
    second_name(collection, item, "Packages/other.rpm");
}

fn joins(collection: &mut Collection, depot: &Depot, at: &str) {
    let item = hello(collection).clone();
    join(collection, depot, item, at);
}

fn older_joins(collection: &mut Collection, depot: &Depot) {
    let rpm = &small(NOW - 1)[0];
    let older = Item { file: path(&rpm.path()), version: format!("{}-1", rpm.version), ..hello(collection).clone() };
    collection.files.insert(older.file.clone(), put(depot, &rpm.bytes()));
    add_item(collection, older);
}

fn with_source(collection: &mut Collection, depot: &Depot) {
    let rpm = small(NOW).pop().unwrap();
    let source = Item { file: path(&rpm.path()), architecture: "src".into(), ..hello(collection).clone() };
    collection.files.insert(source.file.clone(), put(depot, &rpm.bytes()));
    add_item(collection, source);
}

/// A file of metadata of state `number`.
fn genuine(number: u32, part: &str) -> Vec<u8> {
    let mut all = metadata(number);
    all.remove(part).unwrap_or_else(|| all.into_iter().find(|(path, _)| path.contains(part)).unwrap().1)
}

fn older_list(collection: &mut Collection, depot: &Depot) {
    replace(collection, "primary", depot, &genuine(NOW - 1, "primary"));
}

fn older_signature(collection: &mut Collection, depot: &Depot) {
    replace(collection, ASC, depot, &genuine(NOW - 1, ASC));
}

fn older_repomd(collection: &mut Collection, depot: &Depot) {
    let older = metadata(NOW - 1);
    for file in [REPOMD, ASC] {
        replace(collection, file, depot, &older[file]);
    }
}

fn stray_verbatim(collection: &mut Collection, depot: &Depot) {
    collection.publish = Publish::Verbatim;
    add_proof(collection, "repodata/evil.xml", put(depot, b"evil"));
}

fn verbatim_without_groups(collection: &mut Collection, _: &Depot) {
    collection.publish = Publish::Verbatim;
    without(collection, "comps");
}

fn text(collection: &mut Collection, depot: &Depot, part: &str) -> String {
    String::from_utf8(depot.read(&proof(collection, part).sha256, 1 << 20).unwrap()).unwrap()
}

fn edited(collection: &mut Collection, depot: &Depot) {
    let text = text(collection, depot, REPOMD);
    replace(collection, REPOMD, depot, text.replace("<revision>", "<revision>1").as_bytes());
}

/// A list that vouches for an evil package.
fn evil_list(collection: &mut Collection, depot: &Depot) {
    let file = hello(collection).file.clone();
    let old = collection.files[&file];
    swapped(collection, depot);
    let list = depot.read(&proof(collection, "primary").sha256, 1 << 20).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(list.as_slice()), &mut text).unwrap();
    let text = text.replace(&old.to_hex(), &collection.files[&file].to_hex());
    replace(collection, "primary", depot, text.as_bytes());
}

/// The same with a signed file that names that list, signed by a key that calls itself what upstream's is called.
fn forged(collection: &mut Collection, depot: &Depot) {
    let old = proof(collection, "primary").sha256;
    evil_list(collection, depot);
    let new = proof(collection, "primary").sha256;
    let text = text(collection, depot, REPOMD).replace(&format!(">{old}<"), &format!(">{new}<"));
    replace(collection, REPOMD, depot, text.as_bytes());
    unpinned(collection, depot);
}

fn unpinned(collection: &mut Collection, depot: &Depot) {
    let made = Time::now().unix() - 60;
    let key = SiteKey::generate("Test Repository <yum@test.invalid>", made).unwrap();
    let signature = key.sign_detached(text(collection, depot, REPOMD).as_bytes(), made).unwrap();
    replace(collection, ASC, depot, signature.as_bytes());
}
