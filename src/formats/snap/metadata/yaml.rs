//! The YAML itself, as far as it matters, within limits that no real `snap.yaml` comes near.

use std::collections::BTreeMap;
use std::fmt;

use crate::formats::Invalid;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;

use super::epoch::EpochYaml;

/// Most values in the text, aliases included.
const MAX_NODES: usize = 200_000;
/// Deepest lists and maps in each other.
const MAX_DEPTH: usize = 32;
/// Most uses of anchors; real ones have none.
const MAX_ALIASES: usize = 1000;

/// The fields that are looked at.
#[derive(Debug, serde::Deserialize)]
pub(super) struct SnapYaml {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) base: Option<String>,
    pub(super) confinement: Option<String>,
    pub(super) grade: Option<String>,
    pub(super) architectures: Option<Texts>,
    pub(super) epoch: Option<EpochYaml>,
    pub(super) title: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) description: Option<String>,
    pub(super) license: Option<String>,
    pub(super) apps: Option<BTreeMap<String, IgnoredAny>>,
    pub(super) plugs: Option<BTreeMap<String, Plug>>,
}

impl SnapYaml {
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        parse_yaml(text)
    }
}

/// Parses a text within the limits.
pub(super) fn parse_yaml<T: DeserializeOwned>(text: &str) -> Result<T, Invalid> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_recorded_anchor_events: MAX_NODES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: MAX_DEPTH,
        },
        // What snapd's parser does.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    let bad = |error| Invalid::new("its meta/snap.yaml cannot be understood").because(error);
    serde_saphyr::from_str_with_options(text, options).map_err(bad)
}

impl Plug {
    /// Returns the interface that it names.
    pub(super) fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }
}

/// Several texts, or one.
#[derive(Debug)]
pub(super) struct Texts(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;
        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of words")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(TextsVisitor)
    }
}

/// What matters of a plug: `NAME:`, `NAME: INTERFACE`, or `NAME:` with a map of attributes.
#[derive(Debug, Default)]
pub(super) struct Plug {
    /// The plug's name stands for it if it is not there.
    interface: Option<String>,
    default_provider: Option<String>,
}

impl<'de> Deserialize<'de> for Plug {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlugVisitor)
    }
}

struct PlugVisitor;

impl<'de> Visitor<'de> for PlugVisitor {
    type Value = Plug;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plug: nothing, the name of an interface, or attributes")
    }

    fn visit_unit<E: Error>(self) -> Result<Plug, E> {
        Ok(Plug::default())
    }

    fn visit_str<E: Error>(self, interface: &str) -> Result<Plug, E> {
        Ok(Plug { interface: Some(interface.to_owned()), default_provider: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Plug, A::Error> {
        let mut plug = Plug::default();
        while let Some(attribute) = map.next_key::<String>()? {
            match attribute.as_str() {
                "interface" => plug.interface = Some(map.next_value()?),
                "default-provider" => plug.default_provider = map.next_value::<Loose>()?.0,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(plug)
    }
}

/// A text; anything else counts as nothing.
struct Loose(Option<String>);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LooseVisitor;
        impl<'de> Visitor<'de> for LooseVisitor {
            type Value = Loose;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Loose, E> {
                Ok(Loose(Some(text.to_owned())))
            }

            fn visit_unit<E: Error>(self) -> Result<Loose, E> {
                Ok(Loose(None))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Loose, E> {
                Ok(Loose(None))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Loose, E> {
                Ok(Loose(None))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Loose, E> {
                Ok(Loose(None))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Loose, E> {
                Ok(Loose(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Loose, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Loose(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Loose(None))
            }
        }
        deserializer.deserialize_any(LooseVisitor)
    }
}

/// The default providers of plugs for content, as they are written but for a slot behind a colon.
pub(super) fn providers(plugs: Option<BTreeMap<String, Plug>>) -> impl Iterator<Item = String> {
    plugs.unwrap_or_default().into_iter().filter_map(|(name, plug)| {
        let is_content = plug.interface.as_ref().unwrap_or(&name) == "content";
        let provider = plug.default_provider.filter(|_| is_content)?;
        // An older documentation said `snap:slot`; snapd takes what stands before the colon.
        let provider = provider.split(':').next().unwrap_or_default();
        (!provider.is_empty()).then(|| provider.to_owned())
    })
}
