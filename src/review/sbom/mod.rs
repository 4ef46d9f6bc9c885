//! Bills of materials of a bundle, in the two forms that other tools read: CycloneDX 1.6 and SPDX 2.3.
//!
//! Both are functions of the manifest, the item lists and the licences inside of packages, and are written as streams: what must be
//! joined is sorted on disk.

mod component;
mod cyclonedx;
mod licence;
mod needs;
mod purl;
mod spdx;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

pub use cyclonedx::CycloneDxBom;
pub use spdx::SpdxDocument;

use self::component::SbomComponent;
use self::needs::{NeedReader, NeedSort};
use super::contents::PackageLicences;
use super::state::ReviewedState;
use crate::bundle::FormatError;
use crate::bundle::state::ListLine;
use crate::trust::PublicKey;

/// The program that writes the bills, and its version.
const TOOL: (&str, &str) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
/// The statement on dependencies.
const COMPLETENESS: &str =
    "All items of the bundle are listed. Of dependencies, only the one for which an item was chosen is known.";

/// The bill of materials of a state.
#[derive(Clone, Copy, Debug)]
pub struct Sbom<'a> {
    /// The state.
    pub state: &'a ReviewedState,
    /// A folder for nameless files.
    pub scratch: &'a Path,
    /// The licences that packages state inside, as far as they were looked into.
    pub licences: Option<&'a PackageLicences>,
}

impl Sbom<'_> {
    /// Hands each item to `component`, in the order of the lists.
    fn each(&self, mut component: impl FnMut(SbomComponent) -> io::Result<()>) -> io::Result<()> {
        let builder = self.builder();
        for (index, collection) in self.state.manifest.collections.iter().enumerate() {
            let mut read = || -> Result<(), FormatError> {
                let mut list = self.state.lists.read(index)?;
                while let Some(line) = list.next_line()? {
                    if let ListLine::Item(mut item) = line {
                        let inside = || self.licences.and_then(|licences| licences.get(&item.sha256));
                        item.licence = item.licence.clone().or_else(|| inside().map(str::to_owned));
                        component(SbomComponent::of(collection, *item, builder.as_deref()))?;
                    }
                }
                Ok(())
            };
            read().map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Returns the items that others need, sorted by what needs them.
    fn needs(&self) -> io::Result<NeedReader> {
        let mut sort = NeedSort::new(self.scratch);
        self.each(|component| sort.push(&component))?;
        sort.finish()
    }

    /// The builder, as far as the signature names one.
    fn builder(&self) -> Option<String> {
        self.state.signer.as_ref().map(|key| format!("builder {}", PublicKey::fingerprint(key)))
    }

    /// Returns a UUID that is the same for the same manifest, of the version for uses like this one (RFC 9562, 5.8).
    fn uuid(&self) -> String {
        let mut digits: Vec<char> = self.state.digest.to_hex().chars().take(32).collect();
        for (place, digit) in [(12, '8'), (16, 'a')] {
            digits[place] = digit;
        }
        for place in [20, 16, 12, 8] {
            digits.insert(place, '-');
        }
        digits.into_iter().collect()
    }
}
