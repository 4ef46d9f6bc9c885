//! What a collector returns, the manifest holds and a publisher takes: one source's complete state.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::formats::apt::archive::{IN_RELEASE, RELEASE, SourceName};
use crate::formats::apt::suite_name::SuiteName;
use crate::formats::signed_digest::DigestKind;
use crate::kind::{Details, Kind};
use crate::label::Label;
use crate::origin::Origin;
use crate::path::PublishPath;
use crate::time::Time;

/// One source's complete state: all that is to be published from it, not only what is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// What clients fetch: publish path → blob.
    pub files: BTreeMap<PublishPath, Sha256>,
    /// What a reviewer thinks in, sorted by file.
    pub items: Vec<Item>,
    /// Which collector made it and which publisher takes it.
    pub kind: Kind,
    /// Its name, unique at the site; its tree is published under `KIND/NAME/`.
    pub name: Label,
    /// The upstream.
    pub origin: Origin,
    /// Upstream's own metadata, byte for byte: signed files and the indexes that they cover, sorted by path.
    pub proofs: Vec<Proof>,
    /// How it is published.
    pub publish: Publish,
    /// The kind of digest by which upstream signs files, if that is not SHA-256 alone. The site then computes it while it
    /// unpacks.
    pub second_digest: Option<DigestKind>,
    /// The selection's source that it belongs to; the site pins upstream's keyring under this name.
    pub source: Label,
}

/// One package, snap revision or image file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// As upstream writes it, such as `amd64`, `all` or `source`.
    pub architecture: String,
    /// Peculiarities of an item of this kind.
    pub details: Details,
    /// Its path among the collection's files.
    pub file: PublishPath,
    /// Its licence in upstream's own words; empty if upstream does not state it.
    pub licence: String,
    /// The package's name.
    pub name: String,
    /// The signed file that vouches for it; none where upstream signs nothing.
    pub proof: Option<PublishPath>,
    /// Who published it, in upstream's own words, such as the Origin of its archive.
    pub publisher: String,
    /// Why it is in: requested, or needed by what.
    pub reason: String,
    /// The source package, if it has another name or version than the item.
    pub source: Option<SourcePackage>,
    /// As upstream writes it.
    pub version: String,
}

/// A source package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourcePackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl From<SourceName<'_>> for SourcePackage {
    fn from(source: SourceName<'_>) -> Self {
        Self { name: source.name.to_owned(), version: source.version.to_owned() }
    }
}

impl SourcePackage {
    /// Returns true if both are one source package.
    pub fn is(&self, other: SourceName<'_>) -> bool {
        (self.name.as_str(), self.version.as_str()) == (other.name, other.version)
    }
}

/// A file of upstream's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// When upstream says that it made the file; only for signed files.
    pub date: Option<Time>,
    /// Its path at upstream.
    pub path: PublishPath,
    /// Its blob.
    pub sha256: Sha256,
    /// Fingerprints of the primary keys whose signatures were good at export; none for files that a signed one covers.
    pub signed_by: Vec<String>,
}

/// How a collection is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Publish {
    /// Metadata cut down to exactly what is there, signed with the site's key.
    #[default]
    ReIndexed,
    /// Upstream's signed metadata, byte for byte.
    Verbatim,
    /// Packages only: by the real `reprepro`, in a base folder of the site's.
    Reprepro,
}

impl Publish {
    /// Whether clients see metadata that is signed at the site, rather than upstream's own.
    pub fn signs_anew(self) -> bool {
        self != Self::Verbatim
    }
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReIndexed => "re-indexed",
            Self::Verbatim => "verbatim",
            Self::Reprepro => "reprepro",
        })
    }
}

impl Collection {
    /// Every path with its blob, files and proofs alike, in the order of the paths.
    ///
    /// A path that is both a file and a proof with different blobs is listed twice; [`Self::conflict`] finds it.
    pub fn paths(&self) -> impl Iterator<Item = (&PublishPath, &Sha256)> {
        let mut all: Vec<_> = self.files.iter().chain(self.proofs.iter().map(|p| (&p.path, &p.sha256))).collect();
        all.sort();
        all.dedup();
        all.into_iter()
    }

    /// A path that stands for two different blobs, or for both a file and a folder.
    pub fn conflict(&self) -> Option<&PublishPath> {
        let all: Vec<_> = self.paths().map(|(path, _)| path).collect();
        let folders: std::collections::BTreeSet<&str> = all.iter().flat_map(|path| path.folders()).collect();
        let twice = all.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        twice.or_else(|| all.iter().find(|path| folders.contains(path.as_str())).copied())
    }

    /// The blob at `path`, among files and proofs.
    pub fn blob(&self, path: &PublishPath) -> Option<Sha256> {
        self.files.get(path).copied().or_else(|| self.proof(path))
    }

    /// The blob of the proof at `path`.
    pub fn proof(&self, path: &PublishPath) -> Option<Sha256> {
        self.proofs.iter().find(|proof| proof.path == *path).map(|proof| proof.sha256)
    }

    /// The suites that upstream signs, such as `bookworm`, `bookworm/updates` and the flat `./`; only of archives.
    pub fn suites(&self) -> impl Iterator<Item = SuiteName> {
        suites(self.kind, self.proofs.iter().map(|proof| &proof.path))
    }

    /// Where its tree stands below a generation, such as `apt/debian`.
    pub fn folder(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.name)
    }
}

/// The suites of which these proofs are the signed files.
pub fn suites<'a>(kind: Kind, proofs: impl Iterator<Item = &'a PublishPath>) -> impl Iterator<Item = SuiteName> {
    proofs.map(PublishPath::as_str).filter_map(move |path| {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        kind.suite_in(folder).filter(|_| [IN_RELEASE, RELEASE].contains(&file))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_safe_file_names() {
        for text in ["a", "dc1", "ubuntu-22-04"] {
            assert_eq!(text.parse::<Label>().unwrap().as_str(), text);
        }
        for text in ["", "-a", "a-", "A", "a.b", "a/b", "a_b", "é", &"a".repeat(25)] {
            assert!(text.parse::<Label>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_path_for_two_blobs_or_a_file_as_folder_is_a_conflict() {
        let path = |text: &str| text.parse::<PublishPath>().unwrap();
        let proof = |p: &str, of: &[u8]| Proof { date: None, path: path(p), sha256: Sha256::of(of), signed_by: vec![] };
        let mut collection = Collection {
            files: BTreeMap::from([(path("pool/a"), Sha256::of(b"a"))]),
            items: vec![],
            kind: Kind::Apt,
            name: "debian".parse().unwrap(),
            origin: Origin::Local,
            proofs: vec![proof("pool/a", b"a")],
            publish: Publish::ReIndexed,
            second_digest: None,
            source: "debian".parse().unwrap(),
        };
        assert_eq!(collection.conflict(), None);
        collection.proofs = vec![proof("pool/a", b"other")];
        assert_eq!(collection.conflict(), Some(&path("pool/a")));
        collection.proofs = vec![proof("pool/a/b", b"b")];
        assert_eq!(collection.conflict(), Some(&path("pool/a")));
    }
}
