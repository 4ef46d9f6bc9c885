//! Licences of packages of which upstream's indexes state none.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use crate::bundle::FormatError;
use crate::bundle::state::ListLine;
use crate::digest::Sha256;
use crate::formats::ReadError;
use crate::formats::apt::copyright::{MAX_COPYRIGHT_BYTES, spdx_licence};
use crate::formats::archive::{ArchiveEntry, EntryKind, EntryPlace};
use crate::review::state::ReviewedState;

/// The licences that packages state inside, as SPDX expressions.
#[derive(Clone, Debug, Default)]
pub struct PackageLicences {
    by_blob: HashMap<Sha256, String>,
    /// The number of items of each licence, of which upstream's indexes state none.
    pub(in crate::review) items: BTreeMap<String, u64>,
}

impl PackageLicences {
    pub(super) fn new(state: &ReviewedState, by_blob: HashMap<Sha256, String>) -> Result<Self, FormatError> {
        let mut items = BTreeMap::new();
        for index in 0..state.manifest.collections.len() {
            let mut list = state.lists.read(index)?;
            while let Some(line) = list.next_line()? {
                if let ListLine::Item(item) = line
                    && item.licence.is_none()
                    && let Some(licence) = by_blob.get(&item.sha256)
                {
                    *items.entry(licence.clone()).or_default() += 1;
                }
            }
        }
        Ok(Self { by_blob, items })
    }

    /// Returns the licence that the package with these bytes states.
    pub(in crate::review) fn get(&self, blob: &Sha256) -> Option<&str> {
        self.by_blob.get(blob).map(String::as_str)
    }
}

/// Finds the licence of one package.
#[derive(Debug)]
pub(super) struct LicenceCollector {
    path: String,
    licence: Option<String>,
}

impl LicenceCollector {
    /// Looks for the licence of the Debian package of this name (Debian Policy 12.5).
    pub(super) fn of(package: &str) -> Self {
        Self { path: format!("/usr/share/doc/{package}/copyright"), licence: None }
    }

    /// Takes note of an entry.
    pub(super) fn entry(&mut self, entry: &ArchiveEntry, content: &mut dyn Read) -> Result<(), ReadError> {
        let is_file = (entry.place, entry.kind) == (EntryPlace::Payload, EntryKind::File);
        if is_file && entry.path == self.path && entry.size <= MAX_COPYRIGHT_BYTES {
            let mut text = Vec::new();
            content.take(MAX_COPYRIGHT_BYTES).read_to_end(&mut text)?;
            self.licence = spdx_licence(&text);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Option<String> {
        self.licence
    }
}
