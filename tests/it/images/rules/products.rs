//! What readers want of products, versions, items and files.
//!
//! MAAS 3.8 does not hand tags down: it looks for each at its one place, and wants text where text belongs. Earlier ones hand
//! all down, and miss few.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::tree::{At, Tree};
use super::{Rule, collect, safe};

pub(super) const RULES: &[Rule] = &[
    ("a file has products", |tree| empty(tree.lists(), "products")),
    ("a product has versions", |tree| empty(tree.products(), "versions")),
    ("a version has items", |tree| empty(tree.versions(), "items")),
    ("no product or version has a tag that the reader gives it", reserved),
    ("a file holds one kind of product", one_kind),
    ("an Ubuntu product has its tags", |tree| tags(tree, Kind::Ubuntu, &SYSTEM)),
    ("an Ubuntu product has the tags that some strict readers want", |tree| tags(tree, Kind::Ubuntu, &UBUNTU_MORE)),
    ("an Ubuntu product has its items", |tree| items(tree, Kind::Ubuntu, &UBUNTU_ITEMS)),
    ("an Ubuntu product's name tells its format", |tree| names(tree, Kind::Ubuntu, &[":v2:", ":v3:", ":v3+platform:"])),
    ("a single-file product has its tags", |tree| tags(tree, Kind::SingleFile, &SYSTEM)),
    ("a single-file product has its items", |tree| items(tree, Kind::SingleFile, &[&["root-tgz"], &["manifest"]])),
    ("a bootloader has its tags", |tree| tags(tree, Kind::Bootloader, &BOOTLOADER)),
    ("a bootloader has an item", |tree| items(tree, Kind::Bootloader, &[&LOADERS])),
    ("a bootloader's item tells its source", sources),
    ("a bootloader's name tells its format", |tree| names(tree, Kind::Bootloader, &[":1:"])),
    (super::BOOTLOADERS, all_bootloaders),
    ("the end of support is at the product", told_end),
    ("the end of support is a date", dates),
    ("an item has ftype, path, sha256 and size", item_tags),
    ("an item's optional kernel package is text", kernel_package),
    ("an item inherits what earlier readers want", flattened),
    ("an item's path is safe", |tree| item_complaints(tree, |item| !safe(&item.value()["path"]), "leaves the tree")),
    ("an item's file is there", file_is_there),
    ("an item's file has its size", file_size),
    ("an item's file has its digest", file_digest),
    ("a path has one content", one_content),
];

const SYSTEM: [&str; 8] = ["arch", "label", "os", "release", "release_title", "subarch", "subarches", "version"];
/// Not all commits of MAAS's models demand these; a publisher that loses them loses some readers.
const UBUNTU_MORE: [&str; 3] = ["kflavor", "krel", "release_codename"];
const BOOTLOADER: [&str; 5] = ["arch", "arches", "bootloader-type", "label", "os"];
const UBUNTU_ITEMS: [&[&str]; 4] = [&["boot-initrd"], &["boot-kernel"], &["manifest"], &["squashfs", "root-image.gz"]];
const LOADERS: [&str; 4] = ["grub2-signed", "shim-signed", "grub2", "syslinux"];
/// os, arch and bootloader-type.
const ACCEPTED: [[&str; 3]; 4] = [
    ["grub-efi", "arm64", "uefi"],
    ["grub-efi-signed", "amd64", "uefi"],
    ["grub-ieee1275", "ppc64el", "open-firmware"],
    ["pxelinux", "i386", "pxe"],
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Ubuntu,
    SingleFile,
    Bootloader,
}

/// By whatever hint there is, so that a product which lacks some is still judged as what it is.
fn kind(product: &At<'_>) -> Kind {
    let items: BTreeSet<&str> =
        product.below("versions").iter().flat_map(|version| version.below("items")).map(|item| item.name).collect();
    let has = |names: &[&str]| names.iter().any(|name| items.contains(name));
    match () {
        () if product.own("bootloader-type").is_some() || product.own("arches").is_some() => Kind::Bootloader,
        () if has(&LOADERS) => Kind::Bootloader,
        () if has(&["root-tgz"]) => Kind::SingleFile,
        () if has(&["boot-initrd", "boot-kernel", "squashfs", "root-image.gz"]) => Kind::Ubuntu,
        () if product.value()["os"] == "ubuntu" => Kind::Ubuntu,
        () => Kind::SingleFile,
    }
}

fn of_kind(tree: &Tree, wanted: Kind) -> impl Iterator<Item = At<'_>> {
    tree.products().into_iter().filter(move |product| kind(product) == wanted)
}

fn empty(parents: Vec<At<'_>>, key: &str) -> Vec<String> {
    collect(parents.iter().filter(|at| at.below(key).is_empty()).map(|at| at.says(&format!("has no {key}"))))
}

/// MAAS 3.8 hands the keys over under these names, besides all tags.
fn reserved(tree: &Tree) -> Vec<String> {
    let products = tree.products().into_iter().filter(|product| product.own("product_name").is_some());
    let versions = tree.versions().into_iter().filter(|version| version.own("version_name").is_some());
    collect(products.chain(versions).map(|at| at.says("has a tag with its own name")))
}

fn one_kind(tree: &Tree) -> Vec<String> {
    let lists = tree.lists().into_iter().map(|list| {
        let kinds: BTreeSet<Kind> = list.below("products").iter().map(kind).collect();
        (kinds.len() > 1).then(|| list.says(&format!("mixes {kinds:?}")))
    });
    collect(lists.flatten())
}

fn tags(tree: &Tree, of: Kind, wanted: &[&str]) -> Vec<String> {
    let lacks = |product: At<'_>| {
        let missing = wanted.iter().filter(|tag| !product.value()[**tag].is_string());
        missing.map(|tag| product.says(&format!("lacks {tag}"))).collect::<Vec<_>>()
    };
    of_kind(tree, of).flat_map(lacks).collect()
}

/// Each version has one of each of these.
fn items(tree: &Tree, of: Kind, wanted: &[&[&str]]) -> Vec<String> {
    let versions = of_kind(tree, of).flat_map(|product| product.below("versions"));
    let lacks = |version: At<'_>| {
        let has = |name: &&str| version.value()["items"].get(name).is_some();
        let missing: Vec<String> =
            wanted.iter().filter(|names| !names.iter().any(has)).map(|names| format!("lacks {names:?}")).collect();
        missing.iter().map(|missing| version.says(missing)).collect::<Vec<_>>()
    };
    versions.flat_map(lacks).collect()
}

fn names(tree: &Tree, of: Kind, marks: &[&str]) -> Vec<String> {
    let strange = |product: &At<'_>| !marks.iter().any(|mark| product.name.contains(mark));
    collect(of_kind(tree, of).filter(strange).map(|product| product.says("has a name of no known format")))
}

fn sources(tree: &Tree) -> Vec<String> {
    let versions = of_kind(tree, Kind::Bootloader).flat_map(|product| product.below("versions"));
    let items = versions.flat_map(|version| version.below("items"));
    let lacks =
        |item: &At<'_>| !["src_package", "src_release", "src_version"].iter().all(|tag| item.value()[*tag].is_string());
    collect(items.filter(lacks).map(|item| item.says("does not tell its source")))
}

fn all_bootloaders(tree: &Tree) -> Vec<String> {
    let tag = |product: &At<'_>, tag| product.value()[tag].as_str().unwrap_or_default().to_owned();
    let there: BTreeSet<[String; 3]> =
        tree.products().iter().map(|product| ["os", "arch", "bootloader-type"].map(|key| tag(product, key))).collect();
    let missing = ACCEPTED.iter().filter(|one| !there.contains(&one.map(str::to_owned)));
    collect(missing.map(|one| format!("{one:?} is not there")))
}

/// Some strict readers want the tag, though it may be null.
fn told_end(tree: &Tree) -> Vec<String> {
    let images = [Kind::Ubuntu, Kind::SingleFile].into_iter().flat_map(|kind| of_kind(tree, kind));
    collect(images.filter(|product| product.own("support_eol").is_none()).map(|at| at.says("lacks support_eol")))
}

/// `YYYY-MM-DD`, or none.
fn dates(tree: &Tree) -> Vec<String> {
    let is_date = |value: &Value| {
        value.is_null()
            || value.as_str().is_some_and(|text| text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok())
    };
    let levels = tree.products().into_iter().chain(tree.versions());
    let bad = |at: &At<'_>| {
        ["support_eol", "support_esm_eol"].iter().any(|tag| at.own(tag).is_some_and(|value| !is_date(value)))
    };
    collect(levels.filter(bad).map(|at| at.says("has an end of support that is no date")))
}

fn item_complaints(tree: &Tree, is_bad: impl Fn(&At<'_>) -> bool, complaint: &str) -> Vec<String> {
    tree.items().iter().filter(|item| is_bad(item)).map(|item| item.says(complaint)).collect()
}

fn item_tags(tree: &Tree) -> Vec<String> {
    let whole = |item: &At<'_>| {
        let value = item.value();
        ["ftype", "path", "sha256"].iter().all(|tag| value[*tag].is_string()) && size(item).is_some()
    };
    item_complaints(tree, |item| !whole(item), "lacks one of ftype, path, sha256 and size")
}

fn kernel_package(tree: &Tree) -> Vec<String> {
    let bad = |item: &At<'_>| item.own("kpackage").is_some_and(|value| !value.is_string() && !value.is_null());
    item_complaints(tree, bad, "has a kpackage that is no text")
}

fn flattened(tree: &Tree) -> Vec<String> {
    let lacks = |item: &At<'_>| {
        let is_bootloader = item.inherited("bootloader-type").is_some();
        let wanted = ["arch", "label", "path", "ftype", "sha256", "size"].into_iter();
        wanted
            .chain((!is_bootloader).then_some("release"))
            .any(|tag| item.inherited(tag).is_none_or(|value| !value.is_string() && !value.is_number()))
    };
    item_complaints(tree, lacks, "lacks what it should inherit")
}

/// A number, or a number as text.
fn size(item: &At<'_>) -> Option<u64> {
    let value = item.own("size")?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn file<'t>(tree: &'t Tree, item: &At<'_>) -> Option<&'t (u64, String)> {
    tree.files.get(item.value()["path"].as_str()?)
}

fn file_is_there(tree: &Tree) -> Vec<String> {
    item_complaints(tree, |item| file(tree, item).is_none(), "names a file that is not there")
}

fn file_size(tree: &Tree) -> Vec<String> {
    let other = |item: &At<'_>| file(tree, item).is_some_and(|(found, _)| size(item) != Some(*found));
    item_complaints(tree, other, "names a file of another size")
}

fn file_digest(tree: &Tree) -> Vec<String> {
    let other = |item: &At<'_>| file(tree, item).is_some_and(|(_, found)| item.value()["sha256"] != **found);
    item_complaints(tree, other, "names a file of another digest")
}

fn one_content(tree: &Tree) -> Vec<String> {
    let mut contents: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut complaints = Vec::new();
    for item in tree.items() {
        let Some(path) = item.value()["path"].as_str() else { continue };
        let digest = &item.value()["sha256"];
        if *contents.entry(path).or_insert(digest) != digest {
            complaints.push(item.says("gives a path another content than another item"));
        }
    }
    complaints
}
