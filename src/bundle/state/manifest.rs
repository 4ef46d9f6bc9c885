//! The manifest of a state: small, signed, in one canonical text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::item_list::{ITEM_LIST_CAPS, ListSummary, MAX_LINES};
use crate::bundle::canonical::{MAX_INTEGER, parse_text_of_format, to_text};
use crate::bundle::format_error::{FormatError, contradiction};
use crate::bundle::names;
use crate::bundle::stored_list::StoredList;
use crate::collection::Publish;
use crate::digest::Sha256;
use crate::formats::signed_digest::DigestKind;
use crate::kind::Kind;
use crate::label::Label;
use crate::numbers::{Epoch, Sequence};
use crate::origin::Origin;
use crate::path::PublishPath;
use crate::time::Time;

/// The format that this gapferry writes and reads.
pub const FORMAT: u64 = 2;
/// The largest manifest, in bytes.
pub const MAX_MANIFEST_BYTES: u64 = 16 << 20;
/// The longest text in a manifest, in bytes.
pub const MAX_TEXT_BYTES: usize = 4096;
const MAX_COLLECTIONS: u64 = 4096;
/// The most entries of `left_out`.
pub const MAX_LEFT_OUT: u64 = 65_536;
/// The most items that a manifest names as changed.
pub const MAX_CHANGED_ITEMS: u64 = 8192;

/// The manifest of a state. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Items that have other bytes than in the state before, under the same name and version, sorted by collection and path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_items: Vec<ReplacedItem>,
    /// The classification that the selection gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    /// The collections to publish, sorted by kind and name.
    pub collections: Vec<StateCollection>,
    /// When it was made.
    pub created: Time,
    /// Raised only when the site's trust changes; sequences start afresh in a new epoch.
    pub epoch: Epoch,
    /// When it stops being valid.
    pub expires: Time,
    /// Version of the format.
    pub format: u64,
    /// The program that wrote it, with its version.
    pub generator: String,
    /// Things that the selection asks for and the state has not, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// The number of such items that `changed_items` does not name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_changed_items: Option<u64>,
    /// The name of this bundle among the site's: each name has its own sequence.
    pub name: Label,
    /// When the next bundle of this name is to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_expected: Option<Time>,
    /// Flags that relaxed a rule at export, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// SHA-256 of the manifest before it in the sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Sha256>,
    /// The purpose that the selection gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Rises with each state of the site, name and epoch, from 1.
    pub sequence: Sequence,
    /// The site that it is for.
    pub site: Label,
    /// The ticket that the selection gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The version of the trust file under which the builder made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<u64>,
}

/// One source's complete state, as the manifest has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateCollection {
    /// The sum of the sizes of its list's lines, in bytes.
    pub bytes: u64,
    /// The number of its list's lines.
    pub files: u64,
    /// The kind, and so the collector that made it and the publisher that takes it.
    pub kind: Kind,
    /// Its item list.
    pub list: StoredList,
    /// Its name, unique at the site; its tree is published under `KIND/NAME/`.
    pub name: Label,
    /// Upstream's URL without credentials; `None` for files of the builder's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The way in which it is published.
    pub publish: Publish,
    /// The kind of digest by which upstream signs files, if that is not SHA-256 alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_digest: Option<DigestKind>,
    /// The selection's source that it belongs to; the site pins upstream's keyring under this name.
    pub source: Label,
}

/// An item that has other bytes than in the state before, under the same name and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplacedItem {
    /// The digest of the item before.
    pub before: Sha256,
    /// The collection, as KIND/NAME.
    pub collection: String,
    /// Its path in the collection.
    pub path: PublishPath,
}

/// Something that the selection asks for and the state has not. Ordered by its fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The collection, as KIND/NAME.
    pub collection: String,
    /// The thing, such as a package.
    pub what: String,
    /// The reason.
    pub why: String,
}

impl Manifest {
    /// Returns the text that is signed.
    pub fn to_text(&self) -> Result<String, FormatError> {
        self.check()?;
        let text = to_text(self)?;
        match text.len() as u64 > MAX_MANIFEST_BYTES {
            true => Err(FormatError::TooMany { cap: MAX_MANIFEST_BYTES, what: "bytes" }),
            false => Ok(text),
        }
    }

    /// Parses a manifest whose signature the caller has verified.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(FormatError::TooMany { cap: MAX_MANIFEST_BYTES, what: "bytes" });
        }
        let manifest: Self = parse_text_of_format(bytes, FORMAT)?;
        manifest.check().map(|()| manifest)
    }

    /// The bundle's folder name, such as `dc1-base-000042`.
    pub fn folder(&self) -> String {
        names::folder(&self.site, &self.name, self.sequence)
    }

    /// The number of lines in all lists.
    pub fn files(&self) -> u64 {
        self.collections.iter().map(|collection| collection.files).sum()
    }

    /// The blobs in which a depot has its item lists.
    pub fn list_blobs(&self) -> impl Iterator<Item = Sha256> {
        self.collections.iter().map(|collection| collection.list.stored.sha256)
    }

    fn check(&self) -> Result<(), FormatError> {
        if self.format != FORMAT {
            return Err(FormatError::OtherFormat { found: self.format, known: FORMAT });
        }
        if self.expires <= self.created {
            return contradiction("it expires before it was made");
        }
        for (count, cap, what) in [
            (self.collections.len() as u64, MAX_COLLECTIONS, "collections"),
            (self.left_out.len() as u64, MAX_LEFT_OUT, "entries of left_out"),
            (self.changed_items.len() as u64, MAX_CHANGED_ITEMS, "changed items"),
        ] {
            if count > cap {
                return Err(FormatError::TooMany { cap, what });
            }
        }
        if let Some(text) = self.texts().find(|text| text.is_empty() || text.len() > MAX_TEXT_BYTES) {
            return contradiction(format!("a text has {} bytes instead of 1 to {MAX_TEXT_BYTES}", text.len()));
        }
        if !self.overrides.is_sorted_by(|a, b| a < b) || !self.left_out.is_sorted_by(|a, b| a < b) {
            return contradiction("overrides or left_out are not sorted");
        }
        self.check_changed_items()?;
        self.check_collections()
    }

    fn check_changed_items(&self) -> Result<(), FormatError> {
        let items = &self.changed_items;
        if !items.is_sorted_by(|a, b| (&a.collection, &a.path) < (&b.collection, &b.path)) {
            return contradiction("changed_items are not sorted");
        }
        let is_full = items.len() as u64 == MAX_CHANGED_ITEMS;
        if self.more_changed_items.is_some_and(|more| more == 0 || !is_full) {
            return contradiction("more_changed_items counts none, or changed_items could name more");
        }
        let mut named: Vec<&str> = items.iter().map(|item| item.collection.as_str()).collect();
        named.dedup();
        match named.into_iter().find(|name| self.collections.iter().all(|collection| collection.folder() != *name)) {
            Some(name) => contradiction(format!("changed_items name a collection that is not there: {name:?}")),
            None => Ok(()),
        }
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let optional = [&self.classification, &self.purpose, &self.ticket].into_iter().flatten();
        let left_out = self.left_out.iter().flat_map(|left| [&left.collection, &left.what, &left.why]);
        let origins = self.collections.iter().filter_map(|collection| collection.origin.as_ref());
        let all = optional.chain(&self.overrides).chain(left_out).chain(origins).chain([&self.generator]);
        all.map(String::as_str)
    }

    fn check_collections(&self) -> Result<(), FormatError> {
        let key = |collection: &StateCollection| (collection.kind.as_str(), collection.name.clone());
        if !self.collections.is_sorted_by(|a, b| key(a) < key(b)) {
            return contradiction("its collections are not sorted, or two have the same name");
        }
        let (mut lines, mut bytes) = (0_u64, 0_u64);
        for collection in &self.collections {
            if collection.publish == Publish::Reprepro && !collection.kind.is_for_reprepro() {
                return contradiction(format!("{} is not for reprepro", collection.folder()));
            }
            ITEM_LIST_CAPS.check(&collection.list)?;
            lines = lines.saturating_add(collection.files);
            bytes = bytes.saturating_add(collection.bytes);
        }
        for (count, cap, what) in [(lines, MAX_LINES, "lines in all lists"), (bytes, MAX_INTEGER, "bytes")] {
            if count > cap {
                return Err(FormatError::TooMany { cap, what });
            }
        }
        Ok(())
    }
}

impl StateCollection {
    /// The folder of its tree below a generation, such as `apt/debian`.
    pub fn folder(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.name)
    }

    /// The upstream.
    pub fn upstream(&self) -> Origin {
        self.origin.clone().map_or(Origin::Local, Origin::Url)
    }

    /// Returns the digest of this entry, and so of all that the collection is: the entry has the digest of its item list.
    pub fn digest(&self) -> Result<Sha256, FormatError> {
        Ok(Sha256::of(to_text(self)?.as_bytes()))
    }

    /// The path of its item list in the bundle's folder.
    pub fn list_file(&self) -> String {
        names::item_list(self.kind, &self.name)
    }

    /// The values by which it names its item list.
    pub fn summary(&self) -> ListSummary {
        ListSummary { bytes: self.bytes, files: self.files, list: self.list }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::bundle::canonical::is_sorted;
    use crate::bundle::stored_list::StoredFile;

    fn collection(kind: Kind, name: &str) -> StateCollection {
        let digest = Sha256::of(name.as_bytes());
        StateCollection {
            bytes: 3,
            files: 2,
            kind,
            list: StoredList { sha256: digest, size: 4, stored: StoredFile { sha256: digest, size: 5 } },
            name: name.parse().unwrap(),
            origin: Some("http://deb.debian.org/debian".into()),
            publish: Publish::ReIndexed,
            second_digest: Some(DigestKind::Sha512),
            source: "debian".parse().unwrap(),
        }
    }

    fn replaced(path: &str) -> ReplacedItem {
        ReplacedItem { before: Sha256::of(b"before"), collection: "apt/a".into(), path: path.parse().unwrap() }
    }

    /// A manifest with all keys but `more_changed_items`, which only a long one has.
    pub(crate) fn manifest() -> Manifest {
        let left = |what: &str| LeftOut { collection: "apt/a".into(), what: what.into(), why: "missing".into() };
        Manifest {
            changed_items: vec![replaced("a"), replaced("b")],
            classification: Some("internal".into()),
            collections: vec![collection(Kind::Apt, "a"), collection(Kind::Files, "a"), collection(Kind::Images, "a")],
            created: Time::from_unix(1_795_341_600).unwrap(),
            epoch: Epoch::FIRST,
            expires: Time::from_unix(1_798_020_000).unwrap(),
            format: FORMAT,
            generator: "gapferry 0.1.0".into(),
            left_out: vec![left("a"), left("b")],
            more_changed_items: None,
            name: "base".parse().unwrap(),
            next_expected: Some(Time::from_unix(1_795_428_000).unwrap()),
            overrides: vec!["allow-older-upstream".into()],
            previous: Some(Sha256::of(b"previous")),
            purpose: Some("security updates".into()),
            sequence: 42.try_into().unwrap(),
            site: "dc1".parse().unwrap(),
            ticket: Some("CHG-1".into()),
            trust: Some(7),
        }
    }

    fn bare() -> Manifest {
        Manifest {
            changed_items: vec![],
            classification: None,
            collections: vec![],
            left_out: vec![],
            next_expected: None,
            overrides: vec![],
            previous: None,
            purpose: None,
            ticket: None,
            trust: None,
            ..manifest()
        }
    }

    #[test]
    fn a_newer_format_is_the_reason_whatever_keys_it_has() {
        let text = manifest().to_text().unwrap();
        let newer = text.replace("\"format\": 2,", "\"format\": 3,\n  \"from_the_future\": [],");
        let error = Manifest::parse(newer.as_bytes()).unwrap_err();
        assert!(matches!(error, FormatError::OtherFormat { found: 3, known: FORMAT }), "{error}");
        assert!(error.to_string().contains("use a gapferry that reads format 3"), "{error}");
        let unknown_key = text.replace("\"format\": 2,", "\"format\": 2,\n  \"from_the_future\": [],");
        assert!(matches!(Manifest::parse(unknown_key.as_bytes()), Err(FormatError::Syntax(_))));
    }

    #[test]
    fn a_manifest_is_read_back() {
        for manifest in [manifest(), bare()] {
            assert!(is_sorted(&manifest));
            let text = manifest.to_text().unwrap();
            assert!(!text.contains("null"));
            assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest);
            assert!(Manifest::parse(text.replace("  \"epoch\"", " \"epoch\"").as_bytes()).is_err());
        }
    }

    #[test]
    fn writer_and_reader_refuse_the_same() {
        let with = |change: fn(&mut Manifest)| {
            let mut manifest = manifest();
            change(&mut manifest);
            manifest
        };
        for wrong in [
            with(|m| m.format = 1),
            with(|m| m.expires = m.created),
            with(|m| m.collections.swap(0, 1)),
            with(|m| m.collections[1] = m.collections[0].clone()),
            with(|m| m.collections[1].publish = Publish::Reprepro),
            with(|m| m.collections[0].files = MAX_LINES),
            with(|m| m.collections[0].bytes = MAX_INTEGER),
            with(|m| m.collections[0].list.size = (8 << 30) + 1),
            with(|m| m.collections[0].list.stored.size = (2 << 30) + 1),
            with(|m| m.left_out.swap(0, 1)),
            with(|m| m.left_out[1] = m.left_out[0].clone()),
            with(|m| m.overrides = vec!["b".into(), "a".into()]),
            with(|m| m.changed_items.swap(0, 1)),
            with(|m| m.changed_items[1] = ReplacedItem { before: Sha256::of(b"x"), ..m.changed_items[0].clone() }),
            with(|m| m.changed_items[0].collection = "apt".into()),
            with(|m| m.more_changed_items = Some(1)),
            with(|m| m.purpose = Some(String::new())),
            with(|m| m.ticket = Some("x".repeat(MAX_TEXT_BYTES + 1))),
        ] {
            assert!(wrong.to_text().is_err(), "{wrong:?}");
            if let Ok(text) = to_text(&wrong) {
                assert!(Manifest::parse(text.as_bytes()).is_err(), "{wrong:?}");
            }
        }
        let many = with(|m| {
            let one = m.collections[0].clone();
            let named = |number: u64| StateCollection { name: format!("c{number:05}").parse().unwrap(), ..one.clone() };
            m.collections = (0..=MAX_COLLECTIONS).map(named).collect();
        });
        assert!(matches!(many.to_text(), Err(FormatError::TooMany { .. })));
        let changed = |count: u64, more| {
            let mut manifest = manifest();
            manifest.changed_items = (0..count).map(|number| replaced(&format!("{number:05}"))).collect();
            Manifest { more_changed_items: more, ..manifest }
        };
        assert!(changed(MAX_CHANGED_ITEMS, Some(1)).to_text().is_ok());
        for wrong in [changed(MAX_CHANGED_ITEMS + 1, None), changed(MAX_CHANGED_ITEMS, Some(0))] {
            assert!(wrong.to_text().is_err());
        }
        let large = with(|m| {
            let left =
                |number: u64| LeftOut { collection: "a".into(), what: format!("{number:05}"), why: "x".repeat(1000) };
            m.left_out = (0..20_000).map(left).collect();
        });
        assert!(matches!(large.to_text(), Err(FormatError::TooMany { .. })));
        assert!(Manifest::parse(&vec![b' '; MAX_MANIFEST_BYTES as usize + 1]).is_err());
    }

    #[test]
    fn list_files_are_named_by_kind_and_name() {
        assert_eq!(collection(Kind::EnterpriseStore, "a-b").list_file(), "items/enterprise-store-a-b.jsonl.zst");
    }
}
