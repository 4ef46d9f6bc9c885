//! Filters as `sstream-mirror` writes them: `key=value`, `key!=value`, `key~regex`, `key!~regex`.

use std::fmt;
use std::str::FromStr;

use crate::formats::{Invalid, shortened};
use regex::Regex;

use super::products::ProductItem;

/// The longest filter, in bytes.
const MAX_FILTER_BYTES: usize = 4096;

/// A condition on an item's tags, own and inherited; a tag that it has not counts as empty.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    key: String,
    negated: bool,
    value: FilterValue,
}

#[derive(Clone, Debug)]
enum FilterValue {
    Exact(String),
    /// Found anywhere in the value, unless it is anchored.
    Matching(Regex),
}

impl Filter {
    /// Whether the item passes.
    pub fn matches(&self, item: &ProductItem<'_>) -> bool {
        let found = match self.key.as_str() {
            "product_name" => item.product.to_owned(),
            "version_name" => item.version.to_owned(),
            "item_name" => item.name.to_owned(),
            key => item.text(key),
        };
        let fits = match &self.value {
            FilterValue::Exact(value) => found == *value,
            FilterValue::Matching(regex) => regex.is_match(&found),
        };
        fits != self.negated
    }
}

impl FromStr for Filter {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let shape = || {
            let text = shortened(text);
            Invalid::new(format!("{text:?} is not a filter: write key=value, key!=value, key~regex or key!~regex"))
        };
        let at = text.find(|c: char| !is_key(c)).filter(|at| *at > 0 && text.len() <= MAX_FILTER_BYTES);
        let (key, rest) = at.and_then(|at| text.split_at_checked(at)).ok_or_else(shape)?;
        let rest = rest.trim_start();
        let (negated, rest) = rest.strip_prefix('!').map_or((false, rest), |rest| (true, rest));
        let value = match rest.split_at_checked(1) {
            Some(("=", value)) => FilterValue::Exact(value.trim_start().to_owned()),
            Some(("~", pattern)) => FilterValue::Matching(Regex::new(pattern.trim_start()).map_err(|error| {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Invalid::new(format!("the regular expression of the filter {text:?} is not usable: {reason}"))
            })?),
            _ => return Err(shape()),
        };
        Ok(Self { text: text.to_owned(), key: key.to_owned(), negated, value })
    }
}

fn is_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.-".contains(c)
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Filter {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Products;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn filters_mean_what_the_reference_client_means() {
        let text =
            br#"{"format": "products:1.0", "products": {"p:1": {"arch": "amd64", "release": "jammy", "old": false,
            "versions": {"20250718": {"items": {"squashfs": {"ftype": "squashfs", "size": 5}}}}}}}"#;
        let products = Products::parse(text).unwrap();
        let item = products.items().next().unwrap();
        for (filter, passes) in [
            ("arch=amd64", true),
            ("arch=amd", false),
            ("arch~amd", true),
            ("arch~^amd$", false),
            ("release~(jammy|noble)", true),
            ("release!~(focal|noble)", true),
            ("release!=jammy", false),
            ("none=", true),
            ("none!=", false),
            ("none~x*", true),
            ("old=False", true),
            ("size=5", true),
            ("product_name=p:1", true),
            ("version_name~^2025", true),
            ("item_name=squashfs", true),
            ("ftype=a=b", false),
            ("arch = amd64", true),
            ("arch=amd64 ", false),
            ("arch==amd64", false),
        ] {
            assert_eq!(filter.parse::<Filter>().unwrap().matches(&item), passes, "{filter}");
        }
        for wrong in ["", "arch", "=x", "~x", "!=x", "arch!x", "a b=c", " arch=amd64", "arch~(", "a~(?=x)"] {
            assert!(wrong.parse::<Filter>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,20}[=~!]{0,2}\\PC{0,20}") {
            if let Ok(filter) = text.parse::<Filter>() {
                prop_assert_eq!(filter.to_string(), text);
            }
        }
    }
}
