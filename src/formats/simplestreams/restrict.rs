//! Cuts a products file down to what is there, in the form that every reader takes.
//!
//! Every tag stays at the level where upstream has it: LXD looks for `label` at a version and for `requirements` at a
//! product. MAAS's strict reader looks for a product's tags at the product and for an item's at the item, while upstream may
//! have them at any level. So an image for MAAS gets copies there.

use std::collections::{BTreeMap, BTreeSet};

use super::json::Tags;
use super::maas::MaasImageKind;
use super::products::{FILE_TAGS, Product, ProductItem, ProductVersion, Products, StreamFile};
use crate::path::PublishPath;

/// Tags that stay with the item, shared or not.
const ITEM_TAGS: [&str; 10] =
    ["ftype", "kpackage", "md5", "path", "sha256", "sha512", "size", "src_package", "src_release", "src_version"];

/// Versions by name, each with its items that are there.
type KeptVersions<'a> = BTreeMap<&'a str, Vec<ProductItem<'a>>>;

/// Returns what is there of `products`: the versions of which `is_there` has all that a reader needs. They are grouped by
/// shape, since MAAS wants one shape in each file. A version that only shares files with another one is left out.
pub fn cut(products: &Products, is_there: impl Fn(&StreamFile) -> bool) -> BTreeMap<Option<MaasImageKind>, Products> {
    let mut parts: BTreeMap<Option<MaasImageKind>, Products> = BTreeMap::new();
    for (name, product) in &products.products {
        let mut kept: BTreeMap<Option<MaasImageKind>, KeptVersions<'_>> = BTreeMap::new();
        for (version, of) in &product.versions {
            let all: Vec<ProductItem<'_>> = products.items_of(name, product, version, of).collect();
            let is_there = |item: &ProductItem<'_>| item.file().ok().flatten().is_some_and(|file| is_there(&file));
            let there: Vec<ProductItem<'_>> = all.iter().copied().filter(is_there).collect();
            let shape = MaasImageKind::of(&all);
            if shape.and_then(|shape| shape.lacks(&there)).is_none() && !there.is_empty() {
                kept.entry(shape).or_default().insert(version, there);
            }
        }
        for (shape, kept) in kept {
            let mut part = part_of(product, &kept);
            if shape.is_some() {
                raise_tags(&mut part, &products.tags, &kept);
            }
            let file = parts.entry(shape).or_insert_with(|| Products { tags: top(products), ..Products::default() });
            file.products.insert(name.clone(), part);
        }
    }
    parts
}

/// The tags that all products inherit, without those that the written file has of its own.
fn top(products: &Products) -> Tags {
    let tags = products.tags.iter().filter(|(key, _)| !FILE_TAGS.contains(&&***key));
    tags.map(|(key, tag)| (key.clone(), tag.clone())).collect()
}

/// The files that the parts list.
pub fn listed(parts: &BTreeMap<Option<MaasImageKind>, Products>) -> BTreeSet<PublishPath> {
    let items = parts.values().flat_map(Products::items);
    items.filter_map(|item| Some(item.file().ok()??.path)).collect()
}

/// MAAS's shapes among all that upstream has in the file. A file with more than one must be split.
pub fn shapes(products: &Products) -> BTreeSet<MaasImageKind> {
    let versions = products.products.iter().flat_map(|(name, product)| {
        product.versions.iter().map(move |version| ((&**name, product), (&**version.0, version.1)))
    });
    let items = versions
        .map(|(product, version)| products.items_of(product.0, product.1, version.0, version.1).collect::<Vec<_>>());
    items.filter_map(|items| MaasImageKind::of(&items)).collect()
}

/// The product with its kept versions and items. Each item says itself what its file is.
fn part_of(product: &Product, kept: &KeptVersions<'_>) -> Product {
    let mut versions: BTreeMap<Box<str>, ProductVersion> = BTreeMap::new();
    for (name, items) in kept {
        let tags = product.versions.get(*name).map(|version| version.tags.clone()).unwrap_or_default();
        let items = items.iter().map(|item| {
            let mut tags = item.own().clone();
            for key in ITEM_TAGS.iter().filter(|key| !item.own().contains_key(**key)) {
                tags.extend(item.tag(key).map(|tag| ((*key).into(), tag.clone())));
            }
            (item.name.into(), tags)
        });
        versions.insert((*name).into(), ProductVersion { items: items.collect(), tags });
    }
    Product { tags: product.tags.clone(), versions }
}

/// Copies the tags on which the items of the newest version agree to the product, where MAAS looks for them. Older versions
/// that would inherit another value then get their own.
fn raise_tags(part: &mut Product, top: &Tags, kept: &KeptVersions<'_>) {
    let Some((_, newest)) = kept.last_key_value() else { return };
    let Some(first) = newest.first() else { return };
    let keys: BTreeSet<&str> = first.keys().filter(|key| !ITEM_TAGS.contains(key)).collect();
    for key in keys {
        let Some(value) = first.tag(key) else { continue };
        let agreed = newest.iter().all(|item| item.tag(key) == Some(value));
        // No item may inherit a tag that upstream does not give it.
        let known = kept.values().flatten().all(|item| item.tag(key).is_some());
        let before = part.tags.get(key).filter(|tag| tag.is_plain()).or_else(|| top.get(key)).cloned();
        if !agreed || !known || part.tags.get(key) == Some(value) {
            continue;
        }
        for version in part.versions.values_mut() {
            let free = version.tags.get(key).is_none_or(|tag| !tag.is_plain());
            if let Some(before) = before.as_ref().filter(|before| free && *before != value) {
                version.tags.insert(key.into(), before.clone());
            }
        }
        part.tags.insert(key.into(), value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    fn keys(tags: &Tags) -> String {
        tags.keys().map(|key| &**key).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn keeps_what_is_there_and_every_tag_at_its_level() {
        let text = format!(
            r#"{{"format": "products:1.0", "content_id": "c", "sha256": "{DIGEST}", "size": 1, "arch": "amd64",
                "license": {{"url": "u"}}, "products": {{
                "a": {{"aliases": "x", "requirements": {{"secureboot": "false"}}, "versions": {{
                    "1": {{"label": "l", "list": [1, {{"a": null}}], "items": {{
                        "x": {{"path": "a/1/x", "odd": {{"k": 1}}}}, "y": {{"path": "a/1/y"}}}}}},
                    "2": {{"label": "l", "items": {{"x": {{"path": "a/2/x"}}}}}}}}}},
                "b": {{"versions": {{"1": {{"items": {{"boot-kernel": {{"path": "a/1/x"}}}}}}}}}}}}}}"#
        );
        let products = Products::parse(text.as_bytes()).unwrap();
        assert_eq!(shapes(&products), BTreeSet::from([MaasImageKind::Kernels]));
        let parts = cut(&products, |file| file.path.as_str() == "a/1/x");
        assert_eq!(listed(&parts).len(), 1);
        let part = &parts[&None];
        assert_eq!(parts.len(), 1, "b lacks what MAAS needs");
        assert_eq!(keys(&part.tags), "arch license sha256 size");
        let a = &part.products["a"];
        assert_eq!(keys(&a.tags), "aliases requirements");
        assert_eq!(a.versions.len(), 1);
        assert_eq!(keys(&a.versions["1"].tags), "label list");
        assert_eq!(keys(&a.versions["1"].items["x"]), "odd path sha256 size");
        let written = super::super::products_text("c", "d", part, "now").unwrap();
        let written: serde_json::Value = serde_json::from_str(&written).unwrap();
        let a = &written["products"]["a"];
        assert_eq!(written["license"], serde_json::json!({"url": "u"}));
        assert_eq!(a["requirements"], serde_json::json!({"secureboot": "false"}));
        assert_eq!(a["versions"]["1"]["list"], serde_json::json!([1, {"a": null}]));
        assert_eq!(a["versions"]["1"]["items"]["x"]["odd"], serde_json::json!({"k": 1}));
    }

    #[test]
    fn product_for_maas_says_what_its_newest_version_says() {
        let item = |label: &str, more: &str| {
            format!(
                r#"{{"items": {{"syslinux": {{"ftype": "f", "path": "x", "size": 1, "sha256": "{DIGEST}", "src_package": "p",
                "src_version": "v", "src_release": "r"{more}}}}}, "label": "{label}"}}"#
            )
        };
        let (old, new) = (item("old", r#", "kept": 1"#), item("new", r#", "os": "n""#));
        let text = format!(
            r#"{{"format": "products:1.0", "arches": "a", "products": {{"p": {{"os": "o", "arch": "a", "bootloader-type": "b",
                "versions": {{"1": {old}, "2": {new}}}}}}}}}"#
        );
        let products = Products::parse(text.as_bytes()).unwrap();
        let cut = cut(&products, |_| true).remove(&Some(MaasImageKind::Bootloader)).unwrap();
        let product = &cut.products["p"];
        assert_eq!(keys(&product.tags), "arch arches bootloader-type label os");
        assert_eq!(["label", "os"].map(|key| product.tags[key].to_string()), ["new", "n"]);
        let file = "ftype kept path sha256 size src_package src_release src_version";
        assert_eq!(keys(&product.versions["1"].items["syslinux"]), file);
        let said = |key: &str| cut.items().map(|item| item.text(key)).collect::<Vec<_>>();
        assert_eq!((said("label"), said("os")), (vec!["old".into(), "new".into()], vec!["o".into(), "n".into()]));
        assert_eq!(said("kept"), ["1", ""]);
    }
}
