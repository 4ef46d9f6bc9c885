//! Cuts a products file down to what is there, in the form that every reader takes.
//!
//! A strict reader looks for a product's tags at the product and for an item's at the item; upstream may have them at any
//! level. So all are handed down, and those on which the items of a product agree are raised to it.

use std::collections::{BTreeMap, BTreeSet};

use super::json::Tags;
use super::maas::Shape;
use super::products::{File, Item, Product, Products, Version};
use crate::path::PublishPath;

/// Tags that stay with the item, shared or not.
const ITEM_TAGS: [&str; 10] =
    ["ftype", "kpackage", "md5", "path", "sha256", "sha512", "size", "src_package", "src_release", "src_version"];

/// What is there of `products`: the versions of which `is_there` has all that a reader needs, by shape, since MAAS wants
/// one shape in each file. Versions that share files with one that is there, but lack others, are left out.
pub fn cut(products: &Products, is_there: impl Fn(&File) -> bool) -> BTreeMap<Option<Shape>, Products> {
    let mut parts: BTreeMap<Option<Shape>, Products> = BTreeMap::new();
    for (name, product) in &products.products {
        let mut kept: BTreeMap<Option<Shape>, Vec<Item<'_>>> = BTreeMap::new();
        for (version, of) in &product.versions {
            let all: Vec<Item<'_>> = products.items_of((name, product), (version, of)).collect();
            let is_there = |item: &Item<'_>| item.file().ok().flatten().is_some_and(|file| is_there(&file));
            let there: Vec<Item<'_>> = all.iter().copied().filter(is_there).collect();
            let shape = Shape::of(&all);
            if shape.and_then(|shape| shape.lacks(&there)).is_none() && !there.is_empty() {
                kept.entry(shape).or_default().extend(there);
            }
        }
        for (shape, items) in kept {
            parts.entry(shape).or_default().products.insert(name.clone(), rebuilt(&items));
        }
    }
    parts
}

/// The files that the parts list.
pub fn listed(parts: &BTreeMap<Option<Shape>, Products>) -> BTreeSet<PublishPath> {
    let items = parts.values().flat_map(Products::items);
    items.filter_map(|item| Some(item.file().ok()??.path)).collect()
}

/// MAAS's shapes among all that upstream has in the file: more than one, and it must be split.
pub fn shapes(products: &Products) -> BTreeSet<Shape> {
    let versions = products.products.iter().flat_map(|(name, product)| {
        product.versions.iter().map(move |version| ((&**name, product), (&**version.0, version.1)))
    });
    let items = versions.map(|(product, version)| products.items_of(product, version).collect::<Vec<_>>());
    items.filter_map(|items| Shape::of(&items)).collect()
}

/// A product of these items, with its tags where strict readers look for them. Where versions differ, the product has what
/// the newest says, since that is the one readers take, and the items of the others have their own.
fn rebuilt(items: &[Item<'_>]) -> Product {
    let tags: Vec<Tags> = items.iter().map(Item::own_tags).collect();
    let newest = items.last().map(|item| item.version);
    let of_newest = || items.iter().zip(&tags).filter(|(item, _)| Some(item.version) == newest);
    let mut raised = tags.last().cloned().unwrap_or_default();
    raised.retain(|key, value| {
        !ITEM_TAGS.contains(&&**key)
            && of_newest().all(|(_, tags)| tags.get(key) == Some(value))
            && tags.iter().all(|tags| tags.contains_key(key)) // none inherits what it did not say
    });
    let mut versions: BTreeMap<Box<str>, Version> = BTreeMap::new();
    for (item, mut own) in items.iter().zip(tags) {
        own.retain(|key, value| raised.get(key) != Some(value));
        versions.entry(item.version.into()).or_default().items.insert(item.name.into(), own);
    }
    Product { tags: raised, versions }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays_and_tags_stand_where_they_are_looked_for() {
        let digest = "0".repeat(64);
        let text = format!(
            r#"{{"format": "products:1.0", "content_id": "c", "sha256": "{digest}", "size": 1, "arch": "amd64", "products": {{
                "a": {{"versions": {{"1": {{"label": "l", "items": {{"x": {{"path": "a/1/x"}}, "y": {{"path": "a/1/y"}}}}}},
                     "2": {{"label": "l", "items": {{"x": {{"path": "a/2/x"}}}}}}}}}},
                "b": {{"versions": {{"1": {{"items": {{"boot-kernel": {{"path": "a/1/x"}}}}}}}}}}}}}}"#
        );
        let products = Products::parse(text.as_bytes()).unwrap();
        assert_eq!(shapes(&products), BTreeSet::from([Shape::Kernels]));
        let parts = cut(&products, |file| file.path.as_str() == "a/1/x");
        assert_eq!(listed(&parts).len(), 1);
        let part = &parts[&None];
        assert_eq!(parts.len(), 1, "b lacks what MAAS needs");
        let a = &part.products["a"];
        assert_eq!(a.tags.keys().map(|key| &**key).collect::<Vec<_>>(), ["arch", "label"]);
        assert_eq!(a.versions.len(), 1);
        let x = &a.versions["1"].items["x"];
        assert_eq!(x.keys().map(|key| &**key).collect::<Vec<_>>(), ["path", "sha256", "size"]);
    }

    #[test]
    fn a_product_says_what_its_newest_version_says() {
        let item = |label: &str, more: &str| {
            let digest = "0".repeat(64);
            format!(
                r#"{{"items": {{"x": {{"path": "x", "size": 1, "sha256": "{digest}", "src_release": "r"{more}}}}}, "label": "{label}"}}"#
            )
        };
        let (old, new) = (item("old", r#", "kept": 1"#), item("new", ""));
        let text = format!(
            r#"{{"format": "products:1.0", "products": {{"p": {{"os": "o", "versions": {{"1": {old}, "2": {new}}}}}}}}}"#
        );
        let products = Products::parse(text.as_bytes()).unwrap();
        let cut = cut(&products, |_| true).remove(&None).unwrap();
        let product = &cut.products["p"];
        let keys = |tags: &Tags| tags.keys().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(keys(&product.tags), "label os");
        assert_eq!(product.tags["label"].to_string(), "new");
        assert_eq!(keys(&product.versions["1"].items["x"]), "kept label path sha256 size src_release");
        assert_eq!(keys(&product.versions["2"].items["x"]), "path sha256 size src_release");
        assert_eq!(cut.items().map(|item| item.text("label")).collect::<Vec<_>>(), ["old", "new"]);
    }
}
