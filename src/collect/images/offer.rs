//! What a stream offers, in the words that a filter needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::stream::FetchedList;
use crate::formats::simplestreams::{Filter, ProductItem};
use crate::path::PublishPath;
use crate::terminal::safe;

/// One release for one architecture, or one bootloader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageOffer {
    /// The tag `os`.
    pub os: String,
    /// The tag `release`.
    pub release: String,
    /// The tag `arch`.
    pub arch: String,
    /// The tag `release_title`.
    pub title: String,
    /// The tags `subarch`, or `bootloader-type`, of its products.
    pub kernels: BTreeSet<String>,
    /// Its versions, each with the bytes of all its files; one that products share counts once.
    pub versions: BTreeMap<String, u64>,
}

impl ImageOffer {
    /// Its newest version, and the bytes of that.
    pub fn newest(&self) -> (&str, u64) {
        self.versions.last_key_value().map_or(("", 0), |(version, size)| (version.as_str(), *size))
    }
}

impl fmt::Display for ImageOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "os={} release={} arch={}", safe(&self.os), safe(&self.release), safe(&self.arch))
    }
}

/// What the lists offer, of that which passes all filters.
pub fn offers(lists: &[FetchedList], filters: &[Filter]) -> Vec<ImageOffer> {
    let mut offers: BTreeMap<[String; 3], ImageOffer> = BTreeMap::new();
    let mut counted: BTreeSet<PublishPath> = BTreeSet::new();
    let items = lists.iter().flat_map(|list| list.products.items());
    for item in items.filter(|item| filters.iter().all(|filter| filter.matches(item))) {
        let offer = offers.entry(["os", "release", "arch"].map(|tag| item.text(tag))).or_insert_with(|| new(&item));
        offer
            .kernels
            .extend(["subarch", "bootloader-type"].map(|tag| item.text(tag)).into_iter().find(|t| !t.is_empty()));
        let file = item.file().ok().flatten().filter(|file| counted.insert(file.path.clone()));
        let size = offer.versions.entry(item.version.to_owned()).or_default();
        *size = size.saturating_add(file.map_or(0, |file| file.size));
    }
    offers.into_values().collect()
}

fn new(item: &ProductItem<'_>) -> ImageOffer {
    let [os, release, arch, title] = ["os", "release", "arch", "release_title"].map(|tag| item.text(tag));
    ImageOffer { os, release, arch, title, kernels: BTreeSet::new(), versions: BTreeMap::new() }
}
