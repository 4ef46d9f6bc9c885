//! The lines of item lists: proofs and items.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::canonical::{MAX_INTEGER, parse_line};
use crate::bundle::format_error::{FormatError, contradiction};
use crate::collection::SourcePackage;
use crate::digest::Sha256;
use crate::kind::Details;
use crate::path::PublishPath;
use crate::time::Time;

/// The end of the line of every proof: `type` is its last key. In a text the quotes would be escaped.
const END_OF_PROOF: &[u8] = b",\"type\":\"proof\"}\n";

/// A line of an item list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListLine {
    /// A file of upstream's metadata.
    Proof(ProofLine),
    /// A package, a snap revision, an image file or another file.
    Item(Box<ItemLine>),
}

/// A file of upstream's metadata, byte for byte. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofLine {
    /// When upstream says that it made the file; of signed files only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Time>,
    /// Its path at upstream.
    pub path: PublishPath,
    /// Its blob.
    pub sha256: Sha256,
    /// Fingerprints of the primary keys whose signatures were good at export, sorted; empty for files that a signed one covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed_by: Vec<String>,
    /// Size of its blob, in bytes.
    pub size: u64,
    /// Always `proof`.
    #[serde(rename = "type")]
    pub tag: ProofTag,
}

/// The `type` of a proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProofTag {
    /// A proof.
    #[default]
    Proof,
}

/// A package, a snap revision, an image file or another file. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemLine {
    /// As upstream writes it, such as `amd64`, `all` or `source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Details that only items of this kind have.
    pub details: Details,
    /// Its licence, where upstream states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Its name.
    pub name: String,
    /// Its path in the published tree.
    pub path: PublishPath,
    /// The signed file that vouches for it; `None` if upstream signs nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<PublishPath>,
    /// Who published it, in upstream's own words, such as the Origin of its archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// The reason that it is in: `requested`, or what needs it.
    pub reason: String,
    /// Its blob.
    pub sha256: Sha256,
    /// Size of its blob, in bytes.
    pub size: u64,
    /// The source package, where it has another name or version than the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePackage>,
    /// Always `item`.
    #[serde(rename = "type")]
    pub tag: ItemTag,
    /// As upstream writes it.
    pub version: String,
}

/// The `type` of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ItemTag {
    /// An item.
    #[default]
    Item,
}

/// A line as far as it says where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct BlobLine {
    pub(crate) path: PublishPath,
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
}

impl ListLine {
    /// Parses a line with its LF.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, FormatError> {
        let parsed = match line.ends_with(END_OF_PROOF) {
            true => Self::Proof(parse_line(line)?),
            false => Self::Item(Box::new(parse_line(line)?)),
        };
        parsed.check().map(|()| parsed)
    }

    /// Its path.
    pub fn path(&self) -> &PublishPath {
        match self {
            Self::Proof(proof) => &proof.path,
            Self::Item(item) => &item.path,
        }
    }

    /// The digest and the size of its blob.
    pub fn blob(&self) -> (Sha256, u64) {
        match self {
            Self::Proof(proof) => (proof.sha256, proof.size),
            Self::Item(item) => (item.sha256, item.size),
        }
    }

    fn check(&self) -> Result<(), FormatError> {
        match self {
            Self::Proof(proof) => proof.check(),
            Self::Item(item) => item.check(),
        }
    }
}

impl ProofLine {
    pub(super) fn check(&self) -> Result<(), FormatError> {
        let is_named = self.signed_by.iter().all(|key| !key.is_empty());
        match is_named && self.signed_by.is_sorted_by(|a, b| a < b) && self.size <= MAX_INTEGER {
            true => Ok(()),
            false => contradiction(format!("the keys of the proof {} are not sorted", self.path)),
        }
    }
}

impl ItemLine {
    pub(super) fn check(&self) -> Result<(), FormatError> {
        let optional = [&self.architecture, &self.licence, &self.publisher];
        let is_unset = optional.into_iter().flatten().any(String::is_empty);
        match is_unset {
            true => contradiction(format!("the item {} has a key without a value", self.path)),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::bundle::canonical::{is_sorted, push_line};
    use proptest::prelude::*;

    /// An item with all keys.
    pub(crate) fn item(path: &str, content: &[u8]) -> ItemLine {
        ItemLine {
            architecture: Some("amd64".into()),
            details: Details::Deb { component: Some("main".into()), suite: "bookworm".parse().unwrap() },
            licence: Some("MIT".into()),
            name: path.into(),
            path: path.parse().unwrap(),
            proof: Some("dists/bookworm/InRelease".parse().unwrap()),
            publisher: Some("Debian".into()),
            reason: "requested".into(),
            sha256: Sha256::of(content),
            size: content.len() as u64,
            source: Some(SourcePackage { name: "a".into(), version: "1".into() }),
            tag: ItemTag::Item,
            version: "1".into(),
        }
    }

    pub(crate) fn proof(path: &str, content: &[u8]) -> ProofLine {
        ProofLine {
            date: Some(Time::from_unix(1_795_341_600).unwrap()),
            path: path.parse().unwrap(),
            sha256: Sha256::of(content),
            signed_by: vec!["0A".into(), "0B".into()],
            size: content.len() as u64,
            tag: ProofTag::Proof,
        }
    }

    fn least(path: &str) -> ItemLine {
        let (architecture, suite, licence) = (None, "./".parse().unwrap(), None);
        let (proof, publisher, source) = (None, None, None);
        let details = Details::Deb { component: None, suite };
        ItemLine { architecture, details, licence, proof, publisher, source, ..item(path, b"") }
    }

    fn line(value: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_line(value, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn keys_are_sorted_and_what_is_unset_is_absent() {
        assert!(is_sorted(&item("a", b"")) && is_sorted(&proof("a", b"")));
        let empty = Sha256::of(b"");
        let wanted = format!(
            "{{\"details\":{{\"deb\":{{\"suite\":\"./\"}}}},\"name\":\"a\",\"path\":\"a\",\"reason\":\"requested\",\"sha256\":\"{empty}\",\"size\":0,\"type\":\"item\",\"version\":\"1\"}}\n"
        );
        assert_eq!(String::from_utf8(line(&least("a"))).unwrap(), wanted);
        let wanted = format!("{{\"path\":\"a\",\"sha256\":\"{empty}\",\"size\":0,\"type\":\"proof\"}}\n");
        let bare = ProofLine { date: None, signed_by: vec![], ..proof("a", b"") };
        assert_eq!(String::from_utf8(line(&bare)).unwrap(), wanted);
    }

    #[test]
    fn lines_are_read_back() {
        for parsed in [
            ListLine::Item(Box::new(item("a", b"x"))),
            ListLine::Item(Box::new(least("a"))),
            ListLine::Item(Box::new(ItemLine { version: ",\"type\":\"proof\"}\n".into(), ..least("a") })),
            ListLine::Proof(proof("a", b"x")),
        ] {
            let bytes = match &parsed {
                ListLine::Proof(proof) => line(proof),
                ListLine::Item(item) => line(item),
            };
            assert_eq!(ListLine::parse(&bytes).unwrap(), parsed);
            let file: BlobLine = serde_json::from_slice(&bytes).unwrap();
            assert_eq!((&file.path, (file.sha256, file.size)), (parsed.path(), parsed.blob()));
        }
    }

    #[test]
    fn rejects_other_spellings_of_a_line() {
        let (item, proof) =
            (String::from_utf8(line(&item("a", b""))).unwrap(), String::from_utf8(line(&proof("a", b""))).unwrap());
        for (text, from, to) in [
            (&item, "\"MIT\"", "\"\""),
            (&item, "\"MIT\"", "null"),
            (&item, "\"licence\":\"MIT\"", "\"license\":\"MIT\""),
            (&item, "\"path\":\"a\"", "\"path\":\"../a\""),
            (&item, "\"type\":\"item\"", "\"type\":\"proof\""),
            (&item, "\"type\":\"item\",", ""),
            (
                &item,
                "{\"component\":\"main\",\"suite\":\"bookworm\"}",
                "{\"suite\":\"bookworm\",\"component\":\"main\"}",
            ),
            (&item, "{\"component\":\"main\",", "{\"component\":null,"),
            (&item, "{\"deb\":", "{\"dpkg\":"),
            (&item, "\"size\":0", "\"size\":-0"),
            (&item, "\"size\":0", "\"size\":9007199254740992"),
            (&proof, "[\"0A\",\"0B\"]", "[\"0B\",\"0A\"]"),
            (&proof, "[\"0A\",\"0B\"]", "[\"0A\",\"0A\"]"),
            (&proof, "[\"0A\",\"0B\"]", "[]"),
            (&proof, "2026-11-22T10:00:00Z", "2026-11-22T10:00:00+00:00"),
            (&proof, "\"type\":\"proof\"", "\"type\":\"item\""),
            (&proof, "}\n", ",\"version\":\"1\"}\n"),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(ListLine::parse(text.replacen(from, to, 1).as_bytes()).is_err(), "{from} to {to}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(line in "\\PC{0,60}\n?") {
            let _ = ListLine::parse(line.as_bytes());
        }
    }
}
