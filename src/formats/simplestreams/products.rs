//! A products file: products, their versions, their items, and the tags that each level hands down.

use std::collections::BTreeMap;

use super::index::{expect_format, is_metadata};
use super::json::{JsonObject, MAX_VALUES, TagValue, Tags, parse, text};
use crate::digest::Sha256;
use crate::formats::Invalid;
use crate::path::PublishPath;

/// The most tags that all items of a file have together, with those that they inherit; real ones have below 500,000.
const MAX_INHERITED: usize = 4_000_000;

/// Tags that say what a whole products file is.
pub(super) const FILE_TAGS: [&str; 4] = ["content_id", "datatype", "format", "updated"];

/// A products file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Products {
    /// What holds for all products, such as `content_id`.
    pub tags: Tags,
    /// By name.
    pub products: BTreeMap<Box<str>, Product>,
}

/// A product: one image that is built again and again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Product {
    /// What holds for all of its versions, such as `arch`.
    pub tags: Tags,
    /// By name; a later build has a greater one.
    pub versions: BTreeMap<Box<str>, ProductVersion>,
}

/// One build of a product.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProductVersion {
    /// What holds for all of its items.
    pub tags: Tags,
    /// By name, such as `squashfs`.
    pub items: BTreeMap<Box<str>, Tags>,
}

/// An item with all the tags that it inherits.
#[derive(Clone, Copy, Debug)]
pub struct ProductItem<'a> {
    /// The product's name.
    pub product: &'a str,
    /// The version's name.
    pub version: &'a str,
    /// The item's name.
    pub name: &'a str,
    /// The nearest level first.
    levels: [&'a Tags; 4],
}

/// A file that an item names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFile {
    /// Below the stream's root.
    pub path: PublishPath,
    /// In bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256,
}

impl Products {
    /// Reads the payload of the products file that the index calls `content_id`. One key signs many streams, so the file
    /// must say itself which one it is.
    pub fn parse_as(payload: &[u8], content_id: &str) -> Result<Self, Invalid> {
        let products = Self::parse(payload)?;
        let lacks = || Invalid::lacks("the file".to_owned(), "content_id");
        let found = products.content_id().ok_or_else(lacks)?;
        if found != content_id {
            return Err(Invalid::new(format!(
                "it is {found:?}, where the index names {content_id:?}: the mirror mixes streams"
            )));
        }
        Ok(products)
    }

    /// Reads the payload of a products file.
    pub fn parse(payload: &[u8]) -> Result<Self, Invalid> {
        let mut root = parse(payload)?;
        expect_format(root.text("format"), "products:1.0")?;
        let mut aliases = Aliases { table: root.take("_aliases"), room: MAX_VALUES };
        let products = root.take("products").nodes.into_iter().map(|(name, mut node)| {
            let versions = node.take("versions").nodes.into_iter().map(|(name, mut node)| {
                let items = node.take("items").nodes.into_iter();
                let items = items.map(|(name, item)| Ok((name, aliases.expand(item.into_tags())?)));
                let items = items.collect::<Result<_, Invalid>>()?;
                Ok((name, ProductVersion { items, tags: aliases.expand(node.into_tags())? }))
            });
            let versions = versions.collect::<Result<_, Invalid>>()?;
            Ok((name, Product { versions, tags: aliases.expand(node.into_tags())? }))
        });
        let products = products.collect::<Result<_, Invalid>>()?;
        let products = Self { products, tags: aliases.expand(root.into_tags())? };
        let inherited = products.items().map(|item| item.levels.iter().map(|tags| tags.len()).sum::<usize>());
        if inherited.sum::<usize>() > MAX_INHERITED {
            return Err(Invalid::new(format!("its number of inherited tags exceeds {MAX_INHERITED}")));
        }
        Ok(products)
    }

    /// The content id that it gives itself.
    pub fn content_id(&self) -> Option<&str> {
        text(&self.tags, "content_id")
    }

    /// When it was made, as it says itself.
    pub fn updated(&self) -> Option<&str> {
        text(&self.tags, "updated")
    }

    /// What its items stand for, such as `image-ids`.
    pub fn datatype(&self) -> Option<&str> {
        text(&self.tags, "datatype")
    }

    /// All items, in the order of product, version and name.
    pub fn items(&self) -> impl Iterator<Item = ProductItem<'_>> {
        self.products.iter().flat_map(move |(product, of)| {
            of.versions.iter().flat_map(move |(version, v)| self.items_of(product, of, version, v))
        })
    }

    /// The items of one version.
    pub fn items_of<'a>(
        &'a self,
        product: &'a str,
        of: &'a Product,
        version: &'a str,
        v: &'a ProductVersion,
    ) -> impl Iterator<Item = ProductItem<'a>> {
        let above = [&v.tags, &of.tags, &self.tags];
        v.items.iter().map(move |(name, tags)| {
            let [version_tags, product_tags, top] = above;
            ProductItem { product, version, name, levels: [tags, version_tags, product_tags, top] }
        })
    }
}

impl<'a> ProductItem<'a> {
    /// A tag, its own or the nearest inherited.
    pub fn tag(&self, key: &str) -> Option<&'a TagValue> {
        self.levels.iter().find_map(|tags| tags.get(key).filter(|tag| tag.is_plain()))
    }

    /// A tag as text; empty if there is none, as filters have it.
    pub fn text(&self, key: &str) -> String {
        self.tag(key).map(TagValue::to_string).unwrap_or_default()
    }

    /// The tags that stand at the item itself.
    pub(super) fn own(&self) -> &'a Tags {
        let [own, ..] = self.levels;
        own
    }

    /// The names of its tags, own and inherited, without those that say what the whole file is.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        let [own, version, product, top] = self.levels;
        let top = top.iter().filter(|(key, _)| !FILE_TAGS.contains(&&***key));
        let tags = [own, version, product].into_iter().flatten().chain(top);
        tags.filter(|(_, tag)| tag.is_plain()).map(|(key, _)| &**key)
    }

    /// Where it stands, for messages.
    pub fn place(&self) -> String {
        format!("{} {} {}", self.product, self.version, self.name)
    }

    /// What a reviewer knows it by: product and item.
    pub fn title(&self) -> String {
        format!("{}/{}", self.product, self.name)
    }

    /// The file that it names; none for an item that is data only.
    pub fn file(&self) -> Result<Option<StreamFile>, Invalid> {
        let Some(path) = self.tag("path") else { return Ok(None) };
        let lacks = |what| Invalid::lacks(self.place(), what);
        let malformed = |what| Invalid::malformed(self.place(), what);
        let path: PublishPath = path
            .to_string()
            .parse()
            .map_err(|source| Invalid::new(format!("{} names an unusable path", self.place())).because(source))?;
        if is_metadata(&path) {
            return Err(malformed("path")); // what is payload never stands where metadata does
        }
        let size = self.tag("size").ok_or_else(|| lacks("size"))?;
        let size = size.to_string().parse::<u64>().map_err(|_| malformed("size"))?;
        let sha256 = self.tag("sha256").ok_or_else(|| lacks("sha256"))?;
        let sha256 = sha256.to_string().parse().map_err(|_| malformed("sha256"))?;
        Ok(Some(StreamFile { path, size, sha256 }))
    }
}

/// `_aliases`: for a tag and its value, further tags that the level then has.
struct Aliases {
    table: JsonObject,
    /// How many tags may still be added, so that a small file does not grow without end.
    room: usize,
}

impl Aliases {
    fn expand(&mut self, mut tags: Tags) -> Result<Tags, Invalid> {
        let found = self.table.nodes.iter().filter_map(|(key, values)| values.nodes.get(text(&tags, key)?));
        let more: Vec<_> = found.flat_map(|node| &node.tags).map(|(key, tag)| (key.clone(), tag.clone())).collect();
        let too_many = || Invalid::malformed("the file".to_owned(), "_aliases");
        self.room = self.room.checked_sub(more.len()).ok_or_else(too_many)?;
        tags.extend(more);
        Ok(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::refusal;
    use proptest::prelude::*;

    fn products(products: &str) -> Products {
        let text =
            format!(r#"{{"format": "products:1.0", "content_id": "c", "label": "top", "products": {{{products}}}}}"#);
        Products::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn tags_are_inherited_and_the_nearest_counts() {
        let text = r#""p": {"arch": "amd64", "label": "product", "versions": {"1": {"label": "version", "items": {
            "a": {"label": "item"}, "b": {"size": 5}}}}}"#;
        let products = products(text);
        let items: Vec<ProductItem<'_>> = products.items().collect();
        assert_eq!(["label", "arch", "content_id", "none"].map(|k| items[0].text(k)), ["item", "amd64", "c", ""]);
        assert_eq!(["label", "size"].map(|k| items[1].text(k)), ["version", "5"]);
        assert_eq!(items[1].title(), "p/b");
    }

    #[test]
    fn aliases_add_tags() {
        let text = r#"{"format": "products:1.0", "_aliases": {"region": {"x": {"zone": "z", "n": 1}}},
            "products": {"p": {"versions": {"1": {"items": {"a": {"region": "x"}, "b": {"region": "y"}}}}}}}"#;
        let products = Products::parse(text.as_bytes()).unwrap();
        let zones: Vec<String> = products.items().map(|item| item.text("zone")).collect();
        assert_eq!(zones, ["z", ""]);
    }

    #[test]
    fn hostile_files_are_refused() {
        let digest = "0".repeat(64);
        for (path, size, sha256, good) in [
            ("\"a/b\"", "1", format!("\"{digest}\""), true),
            ("\"a/b\"", "\"1\"", format!("\"{digest}\""), true),
            ("\"a:b\"", "1", format!("\"{digest}\""), true),
            ("\"../b\"", "1", format!("\"{digest}\""), false),
            ("\"/b\"", "1", format!("\"{digest}\""), false),
            ("\"a//b\"", "1", format!("\"{digest}\""), false),
            ("\"streams/v1/b\"", "1", format!("\"{digest}\""), false),
            ("\"a/.b\"", "1", format!("\"{digest}\""), false),
            ("\"a/b\"", "18446744073709551616", format!("\"{digest}\""), false),
            ("\"a/b\"", "-1", format!("\"{digest}\""), false),
            ("\"a/b\"", "1.5", format!("\"{digest}\""), false),
            ("\"a/b\"", "true", format!("\"{digest}\""), false),
            ("\"a/b\"", "1", "\"abc\"".to_owned(), false),
            ("\"a/b\"", "1", "null".to_owned(), false),
            ("\"a/b\"", "[]", format!("\"{digest}\""), false),
        ] {
            let item = format!(
                r#""p": {{"versions": {{"1": {{"items": {{"a": {{"path": {path}, "size": {size}, "sha256": {sha256}}}}}}}}}}}"#
            );
            let products = products(&item);
            let file = products.items().next().unwrap().file();
            assert_eq!(file.is_ok(), good, "{item}: {file:?}");
        }
    }

    #[test]
    fn a_small_file_does_not_grow_without_end() {
        let tags: String = (0..3000).map(|n| format!("\"t{n}\": 1, ")).collect();
        let items: String = (0..3000).map(|n| format!("\"i{n}\": {{}},")).collect();
        let items = items.trim_end_matches(',');
        let text = format!(
            r#"{{"format": "products:1.0", {tags} "products": {{"p": {{"versions": {{"1": {{"items": {{{items}}}}}}}}}}}}}"#
        );
        assert!(refusal(Products::parse(text.as_bytes())).contains("exceeds"));
    }

    proptest! {
        #[test]
        fn arbitrary_shapes_never_panic(text in "(\\{|\\}|\"products\":|\"versions\":|\"items\":|\"p\":|\"path\":\"a\"|,|1){0,30}") {
            if let Ok(products) = Products::parse(format!("{{\"format\":\"products:1.0\",{text}}}").as_bytes()) {
                products.items().for_each(|item| drop(item.file()));
            }
        }
    }
}
