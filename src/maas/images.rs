//! Which images a published stream has for MAAS.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::MaasError;
use super::error::unusable_file;
use super::wanted::{Build, WantedImage};
use crate::formats::openpgp::{Keyring, SignedBytes};
use crate::formats::simplestreams::maas::MaasImageKind;
use crate::formats::simplestreams::{
    INDEX_JSON, INDEX_SJSON, MAX_STREAM_BYTES, ProductItem, Products, SIGNATURE_SUFFIX, StreamIndex,
};
use crate::path::PublishPath;
use crate::storage::read_capped;

/// A stream as it is published.
pub(super) struct MaasStream<'s> {
    /// Its folder.
    pub(super) folder: PathBuf,
    /// Who signed it, and as of when that is checked, in Unix seconds; none for one that is the site's own or that nobody signed.
    pub(super) signed: Option<(&'s Keyring, i64)>,
}

/// What a stream has for MAAS.
#[derive(Debug, Default)]
pub(super) struct MaasOffer {
    /// Images of which all is there.
    pub(super) images: BTreeMap<WantedImage, Build>,
    /// Images that the stream lists, and of which something is not there.
    pub(super) incomplete: BTreeSet<WantedImage>,
    /// Whether a bootloader that the stream lists is not there. MAAS takes all of them.
    pub(super) lacks_bootloader: bool,
    /// Releases of Ubuntu with their numbers, such as `22.04`.
    pub(super) ubuntu: BTreeMap<String, String>,
}

impl MaasStream<'_> {
    /// Reads the stream. A release is offered when the newest version of each of its kernels is whole: MAAS takes the newest
    /// of every kernel, and fails on what is listed and not there.
    pub(super) fn offer(&self) -> Result<MaasOffer, MaasError> {
        let mut offer = MaasOffer::default();
        let mut counted: BTreeSet<(WantedImage, PublishPath)> = BTreeSet::new();
        // A stream of Juju's agents has another index: MAAS never reads it.
        let Some((path, text)) = self.index()? else { return Ok(offer) };
        let index = StreamIndex::parse(&text).map_err(bad(&path))?;
        for entry in index.entries.values() {
            // What is not carried at all is not offered.
            let Some(text) = self.text(&entry.path)? else { continue };
            let products = Products::parse(&text).map_err(bad(&self.folder.join(&entry.path)))?;
            for (name, product) in &products.products {
                let Some(newest) = product.versions.iter().next_back() else { continue };
                let items: Vec<_> = products.items_of(name, product, newest.0, newest.1).collect();
                self.add(&mut offer, &mut counted, newest.0, &items);
            }
        }
        let MaasOffer { images, incomplete, ubuntu, .. } = &mut offer;
        images.retain(|image, _| !incomplete.contains(image));
        ubuntu.retain(|release, _| images.keys().any(|image| image.os == "ubuntu" && image.release == *release));
        Ok(offer)
    }

    fn add(
        &self,
        offer: &mut MaasOffer,
        counted: &mut BTreeSet<(WantedImage, PublishPath)>,
        version: &str,
        items: &[ProductItem<'_>],
    ) {
        let Some(first) = items.first() else { return };
        let here: Vec<ProductItem<'_>> = items.iter().copied().filter(|item| self.is_here(item)).collect();
        let Some(shape) = MaasImageKind::of(items) else { return };
        let complete = shape.lacks(&here).is_none();
        if shape == MaasImageKind::Bootloader {
            offer.lacks_bootloader |= !complete && crate::formats::simplestreams::maas::is_bootloader(first);
            return;
        }
        let image = WantedImage { os: first.text("os"), release: first.text("release"), arch: first.text("arch") };
        if !complete {
            offer.incomplete.insert(image);
            return;
        }
        if image.os == "ubuntu" {
            offer.ubuntu.insert(image.release.clone(), first.text("version"));
        }
        let build = offer.images.entry(image.clone()).or_default();
        build.version = build.version.clone().max(version.to_owned());
        for file in here.iter().filter(|item| item.name != "manifest").filter_map(|item| item.file().ok().flatten()) {
            if counted.insert((image.clone(), file.path)) {
                build.bytes = build.bytes.saturating_add(file.size);
            }
        }
    }

    fn is_here(&self, item: &ProductItem<'_>) -> bool {
        let file = item.file().ok().flatten();
        file.is_some_and(|file| {
            fs::metadata(self.folder.join(&file.path)).is_ok_and(|found| found.is_file() && found.len() == file.size)
        })
    }

    fn index(&self) -> Result<Option<(PathBuf, Vec<u8>)>, MaasError> {
        let forms = if self.signed.is_some() { [INDEX_SJSON, INDEX_JSON] } else { [INDEX_JSON, INDEX_SJSON] };
        for form in forms {
            let path = self.folder.join(form);
            if let Some(text) = form.parse().ok().map(|form| self.text(&form)).transpose()?.flatten() {
                return Ok(Some((path, text)));
            }
        }
        Ok(None)
    }

    /// The text of a file of metadata; none if it is not there.
    fn text(&self, path: &PublishPath) -> Result<Option<Vec<u8>>, MaasError> {
        let file = self.folder.join(path);
        if !file.is_file() {
            return Ok(None);
        }
        let bytes = read_capped(&file, MAX_STREAM_BYTES)?;
        let Some((keyring, now)) = self.signed else { return Ok(Some(bytes)) };
        let is_inline = path.as_str().ends_with(".sjson");
        let beside = self.folder.join(format!("{path}{SIGNATURE_SUFFIX}"));
        let signature = if is_inline { Vec::new() } else { read_capped(&beside, MAX_STREAM_BYTES)? };
        let signed = match is_inline {
            true => SignedBytes::Inline(&bytes),
            false => SignedBytes::Detached { text: &bytes, signature: &signature },
        };
        let (text, _) = signed.verify(keyring, now).map_err(bad(&file))?;
        Ok(Some(text.into_owned()))
    }
}

fn bad<E: std::error::Error + Send + Sync + 'static>(path: &Path) -> impl FnOnce(E) -> MaasError {
    move |error| unusable_file(path, error)
}

/// The releases of Ubuntu with their numbers, the best for commissioning first: the newest with long-term support, which
/// those of April in even years have.
pub(super) fn best_first(releases: &BTreeMap<String, String>) -> Vec<String> {
    let rank = |number: &str| {
        let number = number.split_once('.').and_then(|(y, m)| Some((y.parse::<u32>().ok()?, m.parse::<u32>().ok()?)));
        let (year, month) = number.unwrap_or_default();
        (year % 2 == 0 && month == 4, year, month)
    };
    let mut names: Vec<(&String, &String)> = releases.iter().collect();
    names.sort_by_key(|(name, number)| (std::cmp::Reverse(rank(number)), *name));
    names.into_iter().map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_with_long_term_support_is_best() {
        let releases =
            [("noble", "24.04"), ("jammy", "22.04"), ("plucky", "25.04"), ("oracular", "24.10"), ("odd", "x")];
        let releases = releases.map(|(name, number)| (name.to_owned(), number.to_owned()));
        assert_eq!(best_first(&BTreeMap::from(releases)), ["noble", "jammy", "plucky", "oracular", "odd"]);
    }
}
