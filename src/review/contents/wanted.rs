//! The blobs that a look needs.

use std::collections::{BTreeSet, HashMap};
use std::io;

use super::form::PackageForm;
use crate::bundle::FormatError;
use crate::bundle::state::{ItemLine, ListLine};
use crate::digest::Sha256;
use crate::review::item_change::{ChangeClass, ItemChange, StayingLine};
use crate::review::state::ReviewedState;
use crate::review::state_diff::StateDiff;

/// Something that is looked for in packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PackageLook {
    /// Content that a reviewer might not expect, in packages with new bytes.
    Contents,
    /// Licences of all packages of which upstream's indexes state none.
    Licences,
    /// Findings of a scanner in items with new bytes.
    Scan,
}

impl PackageLook {
    /// Returns whether only packages with new bytes are looked into.
    fn is_of_changes(self) -> bool {
        matches!(self, Self::Contents | Self::Scan)
    }
}

/// A blob that is looked at.
#[derive(Clone, Debug)]
pub(in crate::review) struct WantedBlob {
    pub(super) form: PackageForm,
    /// The name of the package, which its file of licences is below.
    pub(super) name: String,
    /// `true` if a change brings it in.
    pub(super) is_new: bool,
}

/// The blobs of one state that are looked at.
pub(in crate::review) type WantedBlobs = HashMap<Sha256, WantedBlob>;

/// An item with new bytes, and the one that it takes the place of.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewContent<'a> {
    pub(super) after: &'a ItemLine,
    pub(super) before: Option<&'a ItemLine>,
}

/// The blobs of both states that are looked at.
#[derive(Debug, Default)]
pub(super) struct WantedPair {
    pub(super) after: WantedBlobs,
    pub(super) before: WantedBlobs,
}

impl WantedBlob {
    /// A blob of an item that no change brings in.
    pub(in crate::review) fn of(item: &ItemLine) -> Self {
        Self { form: PackageForm::of(item), name: item.name.clone(), is_new: false }
    }
}

impl<'a> NewContent<'a> {
    /// Returns the content that a change brings in; `None` if it brings no new bytes.
    pub(super) fn of(change: &'a ItemChange) -> Option<Self> {
        let after = change.after.as_ref().filter(|_| change.stays != Some(StayingLine::After))?;
        let before = change.before.as_ref();
        match change.change {
            ChangeClass::OtherBytes
            | ChangeClass::Downgraded
            | ChangeClass::New
            | ChangeClass::Upgraded
            | ChangeClass::Changed => Some(Self { after, before }),
            ChangeClass::Moved | ChangeClass::Relisted | ChangeClass::Removed => None,
        }
    }
}

impl WantedPair {
    /// Returns the packages of all changes that bring new bytes and, if licences are looked for, all of which upstream states none.
    pub(super) fn of(diff: &StateDiff<'_>, looks: &BTreeSet<PackageLook>) -> Result<Self, FormatError> {
        let mut wanted = Self::default();
        if looks.iter().any(|look| look.is_of_changes()) {
            wanted.add_changes(diff)?;
        }
        if looks.contains(&PackageLook::Licences) {
            wanted.add_without_licence(diff.after)?;
        }
        let is_package = |blob: &WantedBlob| blob.form != PackageForm::Other;
        wanted.after.retain(|_, blob| is_package(blob) || looks.contains(&PackageLook::Scan));
        wanted.before.retain(|_, blob| is_package(blob));
        wanted.before.retain(|digest, _| !wanted.after.contains_key(digest));
        Ok(wanted)
    }

    fn add_without_licence(&mut self, state: &ReviewedState) -> Result<(), FormatError> {
        for index in 0..state.manifest.collections.len() {
            let mut list = state.lists.read(index)?;
            while let Some(line) = list.next_line()? {
                if let ListLine::Item(item) = line
                    && item.licence.is_none()
                    && PackageForm::of(&item) == PackageForm::Deb
                {
                    self.after.entry(item.sha256).or_insert_with(|| WantedBlob::of(&item));
                }
            }
        }
        Ok(())
    }

    fn add_changes(&mut self, diff: &StateDiff<'_>) -> io::Result<()> {
        diff.each_change(|change| {
            if let Some(content) = NewContent::of(&change) {
                let blob = WantedBlob { is_new: true, ..WantedBlob::of(content.after) };
                self.after.insert(content.after.sha256, blob);
                let before = content.before.map(|before| (before.sha256, WantedBlob::of(before)));
                self.before.extend(before);
            }
            Ok::<_, io::Error>(())
        })
    }
}
