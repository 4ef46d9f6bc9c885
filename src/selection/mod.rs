//! The selection: the TOML file that says what to carry.

mod access;
mod apt;
mod enterprise_store;
mod error;
mod feeds;
mod files;
mod images;
mod os_images;
mod place;
mod placed;
mod snaps;
mod table;
#[cfg(test)]
mod toy;
mod values;
mod yum;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use access::AccessKeys;
pub use apt::{AptPlace, AptSource, AptTable, BuildDep, PriorityText, SourceLists};
pub use enterprise_store::EnterpriseStoreSource;
pub use error::SelectionError;
pub use feeds::FeedsSource;
pub use files::{FilesSource, FilesTable};
pub use images::ImagesSource;
pub use os_images::{ImageSignature, OsImagePlace, OsImageSource, OsImageTable};
pub use place::{FilePlace, Place};
pub use placed::{Placed, PlacedTable};
pub use snaps::{SnapPlace, SnapsSource, SnapsTable, StoreSnap};
#[cfg(test)]
pub use toy::ToySource;
use values::yes;
pub use values::{MissingFiles, OneOrMany};
pub use yum::YumSource;

use self::table::SourceTable;
use crate::bundle::recovery::Amount;
use crate::label::Label;
use crate::numbers::Epoch;
use crate::units::{Bytes, Days, Percent, Spares};

/// The largest selection that is read, in bytes.
const MAX_SELECTION_BYTES: u64 = 4 << 20;

/// What to carry, and to which site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Selection {
    /// The site that it is for.
    pub site: Label,
    /// Which of the site's bundles it makes.
    pub name: Label,
    /// The purpose of the bundle, for reviewers.
    #[serde(default)]
    pub purpose: Option<String>,
    /// The ticket that asked for it.
    #[serde(default)]
    pub ticket: Option<String>,
    /// Its level of secrecy.
    #[serde(default)]
    pub classification: Option<String>,
    /// The time after which the next bundle is to come.
    #[serde(default)]
    pub next_expected: Option<Days>,
    /// The size that no volume exceeds.
    #[serde(default = "default_volume_size")]
    pub volume_size: Bytes,
    /// How long the bundle stays valid.
    #[serde(default = "default_expires")]
    pub expires: Days,
    /// The site's epoch.
    #[serde(default = "default_epoch")]
    pub epoch: Epoch,
    /// The folder of the site's trust files, N.json with N.json.sig beside it: they travel in each bundle.
    #[serde(default)]
    pub trust: Option<PathBuf>,
    /// How many bundles in a row may be lost, where nobody says what has arrived: what is new since then travels again. With
    /// none, and without receipts and confirmations, every bundle carries everything.
    #[serde(default)]
    pub overlap: Option<u64>,
    /// Recovery data beside each volume, as a share of it.
    #[serde(default)]
    pub recovery: Option<Percent>,
    /// How many volumes may be lost: as many spare ones are made.
    #[serde(default)]
    pub spare_volumes: Spares,
    /// Whether of new revisions only the difference may travel, where the site is known to hold the old one.
    #[serde(default = "yes")]
    pub patches: bool,
    /// Sources of Debian packages.
    #[serde(default)]
    pub apt: Vec<AptSource>,
    /// Sources of images.
    #[serde(default)]
    pub images: Vec<ImagesSource>,
    /// Sources of snaps.
    #[serde(default)]
    pub snaps: Vec<SnapsSource>,
    /// Exports for an Enterprise Store.
    #[serde(default)]
    pub enterprise_store: Vec<EnterpriseStoreSource>,
    /// Images of other operating systems, and of one's own.
    #[serde(default)]
    pub os_images: Vec<OsImageSource>,
    /// Any other files; tables of one name are one source.
    #[serde(default)]
    pub files: Vec<FilesSource>,
    /// Security data of upstreams.
    #[serde(default)]
    pub feeds: Vec<FeedsSource>,
    /// RPM repositories.
    #[serde(default)]
    pub yum: Vec<YumSource>,
    /// Toys, which only tests have.
    #[cfg(test)]
    #[serde(default)]
    pub toy: Vec<ToySource>,
}

fn default_epoch() -> Epoch {
    Epoch::FIRST
}

/// Fits FAT32 with room to spare.
fn default_volume_size() -> Bytes {
    Bytes::FAT32
}

fn default_expires() -> Days {
    Days(90)
}

impl Selection {
    /// Reads the selection at `path`; its relative paths are taken from the folder that it is in.
    pub fn load(path: &Path) -> Result<Self, SelectionError> {
        let io = |source| SelectionError::Io { path: path.to_owned(), source };
        if fs::metadata(path).map_err(io)?.len() > MAX_SELECTION_BYTES {
            return Err(io(std::io::ErrorKind::FileTooLarge.into()));
        }
        let text = fs::read_to_string(path).map_err(io)?;
        let mut selection = Self::parse(&text).map_err(|error| error.in_file(path))?;
        selection.anchor(path.parent().unwrap_or(Path::new("")));
        Ok(selection)
    }

    /// Reads a selection and checks that it makes sense.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        let selection: Self = toml::from_str(text).map_err(|error| SelectionError::syntax(text, &error))?;
        selection.check()?;
        Ok(selection)
    }

    /// How much recovery data its bundles get.
    pub fn recovery(&self) -> Amount {
        Amount { percent: self.recovery.map(|percent| percent.0), spares: self.spare_volumes.0 }
    }

    /// The keys of all its sources that say how to log in.
    pub fn access(&self) -> Vec<AccessKeys<'_>> {
        self.tables().into_iter().filter_map(SourceTable::access).collect()
    }

    /// All its tables.
    fn tables(&self) -> Vec<&dyn SourceTable> {
        let tables = all(&self.apt).chain(all(&self.images)).chain(all(&self.snaps)).chain(all(&self.enterprise_store));
        let tables = tables.chain(all(&self.os_images)).chain(all(&self.files)).chain(all(&self.yum));
        let tables = tables.chain(all(&self.feeds));
        #[cfg(test)]
        let tables = tables.chain(all(&self.toy));
        tables.collect()
    }

    fn tables_mut(&mut self) -> Vec<&mut dyn SourceTable> {
        let tables = all_mut(&mut self.apt).chain(all_mut(&mut self.images)).chain(all_mut(&mut self.snaps));
        let tables = tables.chain(all_mut(&mut self.enterprise_store)).chain(all_mut(&mut self.os_images));
        let tables = tables.chain(all_mut(&mut self.files)).chain(all_mut(&mut self.yum));
        let tables = tables.chain(all_mut(&mut self.feeds));
        #[cfg(test)]
        let tables = tables.chain(all_mut(&mut self.toy));
        tables.collect()
    }

    fn check(&self) -> Result<(), SelectionError> {
        let tables = self.tables();
        if tables.is_empty() {
            return Err(SelectionError::Empty);
        }
        let mut names = BTreeMap::new();
        for table in &tables {
            let twice = table.name().and_then(|name| match names.insert(name, table.kind()) {
                Some(kind) if kind != table.kind() => Some("a source of another kind has the same name"),
                Some(_) if !table.shares_name() => Some("another source has the same name"),
                _ => None,
            });
            let keys = table.access();
            let login = || keys.as_ref().and_then(AccessKeys::contradiction);
            if let Some(reason) = table.contradiction().or(twice).or_else(login) {
                let (table, name) = (table.kind().as_str(), table.title());
                return Err(SelectionError::Source { table, name, reason: reason.into() });
            }
        }
        os_images::contradiction(&self.os_images).map_or(Ok(()), |bad| Err(SelectionError::OsImages(bad)))
    }

    fn anchor(&mut self, folder: &Path) {
        let anchor = |path: &mut PathBuf| *path = folder.join(&*path);
        self.trust.iter_mut().for_each(anchor);
        for table in self.tables_mut() {
            table.paths().into_iter().for_each(anchor);
            table.access_paths().into_iter().for_each(anchor);
        }
    }
}

fn all<T: SourceTable>(tables: &[T]) -> impl Iterator<Item = &dyn SourceTable> {
    tables.iter().map(|table| table as &dyn SourceTable)
}

fn all_mut<T: SourceTable>(tables: &mut [T]) -> impl Iterator<Item = &mut dyn SourceTable> {
    tables.iter_mut().map(|table| table as &mut dyn SourceTable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::Publish;
    use proptest::prelude::*;

    const GOOD: &str = include_str!("../../fixtures/selection/base.toml");

    #[test]
    fn a_whole_selection() {
        let selection = Selection::parse(GOOD).unwrap();
        assert_eq!(selection.volume_size.0, 4_000_000_000);
        assert_eq!(selection.apt[0].packages.len(), 3);
        assert_eq!(selection.apt[0].publish, Publish::Verbatim);
    }

    #[test]
    fn a_mistyped_key_is_named_with_its_line_and_the_nearest_one() {
        let error = Selection::parse(&GOOD.replace("suites", "suits")).unwrap_err().to_string();
        assert!(
            error.contains("line 9") && error.contains("`suits`") && error.contains("did you mean `suites`"),
            "{error}"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (from, to, reason) in [
            ("keyring = \"archive.gpg\"", "", "keyring"),
            ("suites", "sources = \"x\"\nsuites", "exactly one"),
            ("\"dc1\"", "\"DC1\"", "DC1"),
            ("\"4 GB\"", "\"4 XB\"", "4 XB"),
            ("\"4 GB\"", "\"4 GB\"\nrecovery = \"60 %\"", "60 %"),
            ("\"4 GB\"", "\"4 GB\"\nrecovery = 5", "invalid type"),
            ("\"4 GB\"", "\"4 GB\"\nspare-volumes = 9", "9 is not a number of spare volumes"),
            ("\"required\"", "\"requird\"", "requird"),
            ("\"verbatim\"", "\"verbatm\"", "verbatm"),
            ("[[apt]]", "[[atp]]", "did you mean `apt`"),
        ] {
            let error = Selection::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(reason), "{to}: {error}");
        }
    }

    #[test]
    fn images_and_files_of_ones_own() {
        const IMAGE: &str = "site = \"dc1\"\nname = \"base\"\n[[os-images]]\nfrom = \"i.tgz\"\nos = \"custom\"\n\
            release = \"rocky9\"\narchitecture = \"amd64\"\nfiletype = \"tgz\"\ntitle = \"Rocky\"\nversion = \"1\"\n\
            [[files]]\nname = \"tools\"\nfrom = \"tools/*\"\n";
        let selection = Selection::parse(IMAGE).unwrap();
        assert_eq!((selection.os_images[0].image().name(), selection.files.len()), ("custom/rocky9".into(), 1));
        for (from, to, words) in [
            ("from = \"i.tgz\"", "", "[[os-images]] custom/rocky9: it needs exactly one of from and url"),
            ("from = \"i.tgz\"", "url = \"http://h/i\"", "with url it needs sha256"),
            ("from = \"i.tgz\"", "from = \"i\"\nkeyring = \"k\"", "signature and keyring go together"),
            ("from = \"i.tgz\"", "from = \"i\"\nkeyring = \"k\"\nsignature = \"ftp://h/s\"", "none of http"),
            ("from = \"i.tgz\"", "from = \"i\"\nvia = \"stream\"", "so it has to be uploaded"),
            ("\"tgz\"", "\"tgs\"", "did you mean `tgz`"),
            ("from = \"tools/*\"", "", "[[files]] tools: it needs exactly one of from and url"),
            ("from = \"tools/*\"", "from = \"t\"\nto = \"../x\"", "not a publish path"),
            ("from = \"tools/*\"", "url = \"ftp://h/x\"\nsha256 = \"0\"", "64 lower-case"),
        ] {
            let error = Selection::parse(&IMAGE.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
        let twice = IMAGE.replace("\n[[files]]", "\n[[files]]\nname = \"tools\"\nfrom = \"x\"\n[[files]]");
        assert_eq!(Selection::parse(&twice).unwrap().files.len(), 2);
        let shared = format!("{GOOD}[[files]]\nname = \"ubuntu\"\nfrom = \"x\"\n");
        assert!(Selection::parse(&shared).unwrap_err().to_string().contains("another kind has the same name"));
    }

    #[test]
    fn the_readme_shows_a_selection_that_is_one() {
        let readme = include_str!("../../README.md");
        let toml = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let selection = Selection::parse(toml).unwrap();
        assert_eq!((selection.apt.len(), selection.images.len(), selection.snaps.len()), (1, 1, 1));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
            let _ = Selection::parse(&text);
            let _ = Selection::parse(&format!("{GOOD}{text}"));
        }
    }
}
