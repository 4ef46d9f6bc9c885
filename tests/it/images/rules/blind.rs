//! The judge is not blind: each rule is broken at least once, and says so.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tree::{INDEX, PLAIN_INDEX, Tree};
use super::{SERIALS, judged, maas, rules, setting};

/// The rule that must see it, what is done, and how.
type Mutation = (&'static str, &'static str, fn(&mut Tree));

const UBUNTU: &str = "com.ubuntu.maas:stable:v3:download";
const CENTOS: &str = "com.ubuntu.maas:stable:centos-bases-download";
const LOADERS: &str = "com.ubuntu.maas:stable:1:bootloader-download";

/// The products file of a content id.
fn list<'t>(tree: &'t mut Tree, content_id: &str) -> &'t mut Value {
    tree.json.get_mut(&format!("streams/v1/{content_id}.sjson")).unwrap()
}

/// The index's entry.
fn entry<'t>(tree: &'t mut Tree, content_id: &str) -> &'t mut Value {
    &mut tree.json.get_mut(INDEX).unwrap()["index"][content_id]
}

/// The first thing in an object.
fn first<'v>(parent: &'v mut Value, key: &str) -> &'v mut Value {
    parent[key].as_object_mut().unwrap().values_mut().next().unwrap()
}

fn product<'t>(tree: &'t mut Tree, content_id: &str) -> &'t mut Value {
    first(list(tree, content_id), "products")
}

fn version<'t>(tree: &'t mut Tree, content_id: &str) -> &'t mut Value {
    first(product(tree, content_id), "versions")
}

fn item<'t>(tree: &'t mut Tree, content_id: &str) -> &'t mut Value {
    first(version(tree, content_id), "items")
}

fn without(parent: &mut Value, key: &str) {
    parent.as_object_mut().unwrap().remove(key).unwrap();
}

/// Where the first file of `content_id` stands.
fn file(tree: &mut Tree, content_id: &str) -> String {
    item(tree, content_id)["path"].as_str().unwrap().to_owned()
}

/// Gives a product another name.
fn rename(tree: &mut Tree, content_id: &str, name: &str) {
    let products = list(tree, content_id)["products"].as_object_mut().unwrap();
    let old = products.keys().next().unwrap().clone();
    let product = products.remove(&old).unwrap();
    products.insert(name.into(), product);
}

fn edit_text(tree: &mut Tree, path: &str, edit: impl Fn(String) -> String) {
    let text = String::from_utf8(tree.raw[path].clone()).unwrap();
    tree.raw.insert(path.into(), edit(text).into_bytes());
}

const MUTATIONS: &[Mutation] = &[
    ("the signed index is there", "gone", |t| drop(t.json.remove(INDEX))),
    ("all .sjson are clear-signed by the site", "a word changed", |t| {
        edit_text(t, INDEX, |text| text.replace("index:1.0", "index:1.1"));
    }),
    ("all .sjson are clear-signed by the site", "not signed", |t| drop(t.raw.insert(INDEX.into(), b"{}\n".to_vec()))),
    ("all .json are signed beside themselves", "a byte more", |t| {
        edit_text(t, PLAIN_INDEX, |text| text + " ");
    }),
    ("all .json are signed beside themselves", "no signature", |t| drop(t.raw.remove(&format!("{PLAIN_INDEX}.gpg")))),
    ("a clear-signed file is its signed block and nothing else", "before", |t| {
        edit_text(t, INDEX, |text| format!("\n{text}"));
    }),
    ("a clear-signed file is its signed block and nothing else", "after", |t| {
        edit_text(t, INDEX, |text| format!("{text}{{}}\n"));
    }),
    ("the keyring is binary", "armored", |t| t.keyring = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n".to_vec()),
    ("all .sjson are clear-signed by the site", "armored keyring", |t| {
        t.keyring = crate::support::desk::ARCHIVE_KEY.public_armored().unwrap().into_bytes();
    }),
    ("the plain index and its files say the same", "an entry less", |t| {
        without(&mut t.json.get_mut(PLAIN_INDEX).unwrap()["index"], CENTOS);
    }),
    ("the plain index and its files say the same", "the other form's path", |t| {
        t.json.get_mut(PLAIN_INDEX).unwrap()["index"][CENTOS]["path"] = format!("streams/v1/{CENTOS}.sjson").into();
    }),
    ("the plain index and its files say the same", "another products file", |t| {
        t.json.get_mut(&format!("streams/v1/{CENTOS}.json")).unwrap()["updated"] = "now".into();
    }),
    ("the index has its format", "none", |t| without(t.json.get_mut(INDEX).unwrap(), "format")),
    ("the index tells when it was made", "none", |t| without(t.json.get_mut(INDEX).unwrap(), "updated")),
    ("the index tells when it was made", "no time", |t| t.json.get_mut(INDEX).unwrap()["updated"] = "today".into()),
    ("the index is not empty", "empty", |t| t.json.get_mut(INDEX).unwrap()["index"] = json!({})),
    ("an entry has path, updated and products", "no path", |t| without(entry(t, UBUNTU), "path")),
    ("an entry has path, updated and products", "no updated", |t| without(entry(t, UBUNTU), "updated")),
    ("an entry has path, updated and products", "no products", |t| without(entry(t, UBUNTU), "products")),
    ("an entry has path, updated and products", "products of no list", |t| entry(t, UBUNTU)["products"] = json!({})),
    ("an entry's datatype and format are known", "datatype", |t| entry(t, UBUNTU)["datatype"] = "images".into()),
    ("an entry's datatype and format are known", "format", |t| entry(t, UBUNTU)["format"] = "products:2.0".into()),
    ("an entry has no tag that the reader gives it", "name", |t| entry(t, UBUNTU)["name"] = "x".into()),
    ("an entry's path is safe", "from the root", |t| entry(t, UBUNTU)["path"] = "/streams/v1/a.sjson".into()),
    ("an entry's path is safe", "upwards", |t| entry(t, UBUNTU)["path"] = "streams/../../a.sjson".into()),
    ("an entry's file is there", "gone", |t| drop(t.json.remove(&format!("streams/v1/{CENTOS}.sjson")))),
    ("an entry's file is there", "the plain form", |t| {
        entry(t, CENTOS)["path"] = format!("streams/v1/{CENTOS}.json").into();
    }),
    ("an entry lists the products of its file", "one more", |t| {
        entry(t, UBUNTU)["products"].as_array_mut().unwrap().push("a:v3:b".into());
    }),
    ("an entry lists the products of its file", "one less", |t| {
        entry(t, UBUNTU)["products"].as_array_mut().unwrap().pop();
    }),
    ("no two entries share a file", "shared", |t| {
        entry(t, UBUNTU)["path"] = format!("streams/v1/{CENTOS}.sjson").into()
    }),
    ("a file has the content id of its entry", "another", |t| list(t, UBUNTU)["content_id"] = CENTOS.into()),
    ("a file's datatype is known", "none", |t| without(list(t, UBUNTU), "datatype")),
    ("a file's datatype is known", "another", |t| list(t, UBUNTU)["datatype"] = "images".into()),
    ("a file tells when it was made", "none", |t| without(list(t, UBUNTU), "updated")),
    ("a file has its format", "another", |t| list(t, UBUNTU)["format"] = "index:1.0".into()),
    ("a file has products", "none", |t| list(t, CENTOS)["products"] = json!({})),
    ("a product has versions", "none", |t| product(t, UBUNTU)["versions"] = json!({})),
    ("a version has items", "none", |t| version(t, UBUNTU)["items"] = json!({})),
    ("no product or version has a tag that the reader gives it", "product", |t| {
        product(t, UBUNTU)["product_name"] = "x".into();
    }),
    ("no product or version has a tag that the reader gives it", "version", |t| {
        version(t, UBUNTU)["version_name"] = "x".into();
    }),
    ("a file holds one kind of product", "two", |t| {
        let centos = product(t, CENTOS).clone();
        list(t, UBUNTU)["products"]["centos"] = centos;
    }),
    ("a file holds one kind of product", "a bootloader", |t| {
        let loader = product(t, LOADERS).clone();
        list(t, UBUNTU)["products"]["loader"] = loader;
    }),
    ("an Ubuntu product has its tags", "at the version only", |t| {
        without(product(t, UBUNTU), "release_title");
        version(t, UBUNTU)["release_title"] = "22.04 LTS".into();
    }),
    ("an Ubuntu product has its tags", "a number", |t| product(t, UBUNTU)["version"] = 22.into()),
    ("an Ubuntu product has the tags that some strict readers want", "codename", |t| {
        without(product(t, UBUNTU), "release_codename");
    }),
    ("an Ubuntu product has its items", "no manifest", |t| without(&mut version(t, UBUNTU)["items"], "manifest")),
    ("an Ubuntu product has its items", "no kernel", |t| without(&mut version(t, UBUNTU)["items"], "boot-kernel")),
    ("an Ubuntu product has its items", "no initrd", |t| without(&mut version(t, UBUNTU)["items"], "boot-initrd")),
    ("an Ubuntu product has its items", "no root", |t| without(&mut version(t, UBUNTU)["items"], "squashfs")),
    ("an Ubuntu product's name tells its format", "version 1", |t| rename(t, UBUNTU, "com.ubuntu.maas:1:boot:22.04")),
    ("a single-file product has its tags", "subarches", |t| without(product(t, CENTOS), "subarches")),
    ("a single-file product has its items", "no root", |t| without(&mut version(t, CENTOS)["items"], "root-tgz")),
    ("a single-file product has its items", "no manifest", |t| without(&mut version(t, CENTOS)["items"], "manifest")),
    ("a bootloader has its tags", "arches", |t| without(product(t, LOADERS), "arches")),
    ("a bootloader has its tags", "type", |t| without(product(t, LOADERS), "bootloader-type")),
    ("a bootloader has an item", "of another name", |t| {
        let found = item(t, LOADERS).clone();
        version(t, LOADERS)["items"] = json!({ "lilo": found });
    }),
    ("a bootloader's item tells its source", "at the product only", |t| {
        without(item(t, LOADERS), "src_release");
        product(t, LOADERS)["src_release"] = "jammy".into();
    }),
    ("a bootloader's name tells its format", "version 3", |t| rename(t, LOADERS, "com.ubuntu.maas:v3:grub")),
    ("all bootloaders that MAAS takes are there", "one less", |t| {
        without(&mut list(t, LOADERS)["products"], "com.ubuntu.maas.stable:1:pxelinux:pxe:i386");
    }),
    ("all bootloaders that MAAS takes are there", "the wrong one", |t| {
        list(t, LOADERS)["products"]["com.ubuntu.maas.stable:1:pxelinux:pxe:i386"]["arch"] = "amd64".into();
    }),
    ("the end of support is at the product", "at the version", |t| {
        without(product(t, CENTOS), "support_eol");
        version(t, CENTOS)["support_eol"] = "2029-05-31".into();
    }),
    ("the end of support is a date", "a year", |t| product(t, UBUNTU)["support_eol"] = "2029".into()),
    ("an item has ftype, path, sha256 and size", "at the version only", |t| {
        without(item(t, UBUNTU), "ftype");
        version(t, UBUNTU)["ftype"] = "boot-initrd".into();
    }),
    ("an item has ftype, path, sha256 and size", "no number", |t| item(t, UBUNTU)["size"] = "much".into()),
    ("an item's optional kernel package is text", "a number", |t| item(t, UBUNTU)["kpackage"] = 5.into()),
    ("an item inherits what earlier readers want", "label", |t| without(product(t, UBUNTU), "label")),
    ("an item inherits what earlier readers want", "release", |t| without(product(t, CENTOS), "release")),
    ("an item's path is safe", "upwards", |t| item(t, UBUNTU)["path"] = "../a".into()),
    ("an item's path is safe", "from the root", |t| item(t, UBUNTU)["path"] = "/a".into()),
    ("an item's file is there", "gone", |t| {
        let path = file(t, UBUNTU);
        t.files.remove(&path);
    }),
    ("an item's file has its size", "longer", |t| {
        let path = file(t, UBUNTU);
        t.files.get_mut(&path).unwrap().0 += 1;
    }),
    ("an item's file has its digest", "changed", |t| {
        let path = file(t, UBUNTU);
        t.files.get_mut(&path).unwrap().1 = "0".repeat(64);
    }),
    ("a path has one content", "two", |t| version(t, UBUNTU)["items"]["squashfs"]["sha256"] = "0".repeat(64).into()),
];

#[test]
fn each_rule_can_be_broken() {
    let (desk, _server) = setting(&maas(&SERIALS[..2]), "keep = 2");
    desk.ferry();
    let good = judged(&desk);
    for (name, what, mutate) in MUTATIONS {
        let (_, rule) = rules().find(|(rule, _)| rule == name).unwrap_or_else(|| panic!("no rule is called {name}"));
        let mut bad = good.clone();
        mutate(&mut bad);
        assert!(!rule(&bad).is_empty(), "{name}: not seen: {what}");
    }
    let broken: BTreeSet<&str> = MUTATIONS.iter().map(|(name, ..)| *name).collect();
    let named: Vec<&str> = rules().map(|(name, _)| *name).collect();
    assert_eq!(named.iter().copied().collect::<BTreeSet<_>>(), broken, "each rule is broken once at least");
    assert_eq!(named.len(), broken.len(), "each rule has a name of its own");
}
