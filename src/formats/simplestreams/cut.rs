//! Cuts a products file down to what is there, in the form that every reader takes.
//!
//! A strict reader looks for a product's tags at the product and for an item's at the item; upstream may have them at any
//! level. So all are handed down, and those that all items of a product share are raised to it.

use std::collections::{BTreeMap, BTreeSet};

use super::json::Tags;
use super::maas::Shape;
use super::products::{File, Item, Product, Products, Version};

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

/// The shapes of all that upstream has in the file: more than one, and it must be split.
pub fn shapes(products: &Products) -> BTreeSet<Option<Shape>> {
    let versions = products.products.iter().flat_map(|(name, product)| {
        product.versions.iter().map(move |version| ((&**name, product), (&**version.0, version.1)))
    });
    versions.map(|(product, version)| Shape::of(&products.items_of(product, version).collect::<Vec<_>>())).collect()
}

/// A product of these items, with its tags where strict readers look for them.
fn rebuilt(items: &[Item<'_>]) -> Product {
    let tags: Vec<Tags> = items.iter().map(Item::own_tags).collect();
    let mut shared = tags.first().cloned().unwrap_or_default();
    shared.retain(|key, value| !ITEM_TAGS.contains(&&**key) && tags.iter().all(|tags| tags.get(key) == Some(value)));
    let mut versions: BTreeMap<Box<str>, Version> = BTreeMap::new();
    for (item, mut tags) in items.iter().zip(tags) {
        tags.retain(|key, _| !shared.contains_key(key));
        versions.entry(item.version.into()).or_default().items.insert(item.name.into(), tags);
    }
    Product { tags: shared, versions }
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
        assert_eq!(shapes(&products).len(), 2);
        let parts = cut(&products, |file| file.path.as_str() == "a/1/x");
        let part = &parts[&None];
        assert_eq!(parts.len(), 1, "b lacks what MAAS needs");
        let a = &part.products["a"];
        assert_eq!(a.tags.keys().map(|key| &**key).collect::<Vec<_>>(), ["arch", "label"]);
        assert_eq!(a.versions.len(), 1);
        let x = &a.versions["1"].items["x"];
        assert_eq!(x.keys().map(|key| &**key).collect::<Vec<_>>(), ["path", "sha256", "size"]);
    }
}
