//! JSON as simplestreams uses it: objects of tags and objects. Hostile documents end early.
//!
//! A tag that filters and readers look up is text, a number or a truth value, as in the reference client. Lists, null and
//! objects of other formats (LXD's `requirements`) are kept as [`TagValue::Other`], so that a re-indexed stream still has them.
//! An object that has one key twice is refused, since two readers could see two different documents. serde_json bounds the
//! nesting (128) and [`MAX_VALUES`] the number of values. Names and texts are bounded too: many items inherit one tag.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::formats::Invalid;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

/// The most tags and objects in one file; real ones have below 200,000.
pub(super) const MAX_VALUES: usize = 500_000;

/// The longest name of a tag or an object, in bytes.
const MAX_KEY_BYTES: usize = 512;
/// The longest text of a tag, in bytes; real ones have some hundreds.
const MAX_TEXT_BYTES: usize = 64 << 10;

/// A tag's value.
#[derive(Clone, Debug, PartialEq)]
pub enum TagValue {
    /// Text; shared, since aliases repeat it.
    Text(Arc<str>),
    /// A number.
    Number(serde_json::Number),
    /// A truth value.
    Bool(bool),
    /// A list, null or an object. No item inherits it, and for filters it is not there.
    Other(Arc<serde_json::Value>),
}

/// The tags of one level.
pub type Tags = BTreeMap<Box<str>, TagValue>;

impl Serialize for TagValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => number.serialize(serializer),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Other(value) => value.serialize(serializer),
        }
    }
}

/// The value as filters see it: Python's `str()` of it.
impl fmt::Display for TagValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Other(_) => Ok(()),
        }
    }
}

/// An object: its tags, and the objects in it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct JsonObject {
    pub(super) tags: Tags,
    pub(super) nodes: BTreeMap<Box<str>, JsonObject>,
}

impl JsonObject {
    /// Takes out the object `key`; none there is an empty one.
    pub(super) fn take(&mut self, key: &str) -> Self {
        self.nodes.remove(key).unwrap_or_default()
    }

    /// The tag `key`, if it is text.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        text(&self.tags, key)
    }

    /// The tags, with the objects that nobody took out among them.
    pub(super) fn into_tags(self) -> Tags {
        let others = self.nodes.into_iter().map(|(key, node)| (key, TagValue::Other(Arc::new(node.into_json()))));
        let mut tags = self.tags;
        tags.extend(others);
        tags
    }

    fn into_json(self) -> Json {
        let fields = self.into_tags().into_iter().map(|(key, tag)| (key.into_string(), tag.into_json()));
        Json::Object(fields.collect())
    }
}

impl TagValue {
    fn into_json(self) -> Json {
        match self {
            Self::Text(text) => Json::String(text.to_string()),
            Self::Number(number) => Json::Number(number),
            Self::Bool(value) => Json::Bool(value),
            Self::Other(value) => Arc::unwrap_or_clone(value),
        }
    }

    /// Returns `false` for a list, null or an object.
    pub(super) fn is_plain(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

/// The tag `key`, if it is text.
pub(super) fn text<'t>(tags: &'t Tags, key: &str) -> Option<&'t str> {
    match tags.get(key) {
        Some(TagValue::Text(text)) => Some(text),
        _ => None,
    }
}

/// Reads one document.
fn bad_json(error: serde_json::Error) -> Invalid {
    Invalid::new("it is no usable JSON").because(error)
}

pub(super) fn parse(text: &[u8]) -> Result<JsonObject, Invalid> {
    let left = Cell::new(MAX_VALUES);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = JsonSeed { left: &left }.deserialize(&mut deserializer).map_err(bad_json)?;
    deserializer.end().map_err(bad_json)?;
    match value {
        JsonValue::Node(node) => Ok(node),
        _ => Err(bad_json(serde_json::Error::custom("the document is not an object"))),
    }
}

enum JsonValue {
    Tag(TagValue),
    Node(JsonObject),
}

impl JsonValue {
    fn into_json(self) -> Json {
        match self {
            Self::Tag(tag) => tag.into_json(),
            Self::Node(node) => node.into_json(),
        }
    }
}

/// A value that is no plain tag.
fn other(value: Json) -> JsonValue {
    JsonValue::Tag(TagValue::Other(Arc::new(value)))
}

#[derive(Clone, Copy)]
struct JsonSeed<'l> {
    left: &'l Cell<usize>,
}

impl JsonSeed<'_> {
    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| E::custom("it has too many values"))?;
        self.left.set(left);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for JsonSeed<'_> {
    type Value = JsonValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<JsonValue, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonSeed<'_> {
    type Value = JsonValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tag or an object")
    }

    fn visit_bool<E>(self, value: bool) -> Result<JsonValue, E> {
        Ok(JsonValue::Tag(TagValue::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<JsonValue, E> {
        Ok(JsonValue::Tag(TagValue::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<JsonValue, E> {
        Ok(JsonValue::Tag(TagValue::Number(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<JsonValue, E> {
        Ok(serde_json::Number::from_f64(value)
            .map_or(other(Json::Null), |number| JsonValue::Tag(TagValue::Number(number))))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<JsonValue, E> {
        if value.len() > MAX_TEXT_BYTES {
            return Err(E::custom("a text in it is too long"));
        }
        Ok(JsonValue::Tag(TagValue::Text(value.into())))
    }

    fn visit_unit<E>(self) -> Result<JsonValue, E> {
        Ok(other(Json::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<JsonValue, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            self.count()?;
            values.push(value.into_json());
        }
        Ok(other(Json::Array(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonValue, A::Error> {
        let mut node = JsonObject::default();
        while let Some(key) = map.next_key::<Box<str>>()? {
            self.count()?;
            if key.len() > MAX_KEY_BYTES {
                return Err(A::Error::custom("a name in it is too long"));
            }
            if node.tags.contains_key(&key) || node.nodes.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key {key:?} stands twice in one object")));
            }
            match map.next_value_seed(self)? {
                JsonValue::Tag(tag) => drop(node.tags.insert(key, tag)),
                JsonValue::Node(inner) => drop(node.nodes.insert(key, inner)),
            }
        }
        Ok(JsonValue::Node(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_class::causes;
    use proptest::prelude::*;

    #[test]
    fn tags_and_objects() {
        let node = parse(br#"{"a": "x", "n": 5, "b": true, "l": [1, {"a": 1}], "o": {"f": 1.5}, "z": null}"#).unwrap();
        let plain = node.tags.iter().filter(|(_, tag)| tag.is_plain());
        let shown: Vec<String> = plain.map(|(key, tag)| format!("{key}={tag}")).collect();
        assert_eq!(shown, ["a=x", "b=True", "n=5"]);
        assert_eq!(node.nodes["o"].tags["f"].to_string(), "1.5");
        let tags = serde_json::to_value(node.into_tags()).unwrap();
        assert_eq!(
            tags,
            serde_json::json!({"a": "x", "n": 5, "b": true, "l": [1, {"a": 1}], "o": {"f": 1.5}, "z": null})
        );
    }

    #[test]
    fn documents_that_two_readers_could_read_differently_and_bombs_are_refused() {
        let deep = format!("{}{}", "{\"a\":".repeat(5000), "}".repeat(5000));
        let lists = "[".repeat(100_000);
        let many = format!("{{{}\"z\":1}}", (0..MAX_VALUES).map(|n| format!("\"{n}\":1,")).collect::<String>());
        for (text, words) in [
            (r#"{"a": 1, "a": 1}"#, "twice"),
            (r#"{"a": 1, "a": {}}"#, "twice"),
            (r#"{"\u0061": 1, "a": []}"#, ""),
            (r#"{} {}"#, "trailing"),
            ("[]", "not an object"),
            (&deep, "recursion"),
            (&lists, "recursion"),
            (&many, "too many values"),
            (&format!("{{\"l\": [{}0]}}", "0,".repeat(MAX_VALUES)), "too many values"),
            (r#"{"l": [{"a": 1, "a": 2}]}"#, "twice"),
            (&format!(r#"{{"{}": 1}}"#, "k".repeat(MAX_KEY_BYTES + 1)), "too long"),
            (&format!(r#"{{"k": "{}"}}"#, "v".repeat(MAX_TEXT_BYTES + 1)), "too long"),
            ("{\"a\": 1e999}", ""),
        ] {
            match parse(text.as_bytes()) {
                Err(error) => assert!(causes(&error).join(": ").contains(words), "{words}: {error:?}"),
                Ok(_) => assert!(words.is_empty(), "{:.60}", text),
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[\\[\\]{}\",:a1 ]{0,60}") {
            let _ = parse(text.as_bytes());
        }
    }
}
