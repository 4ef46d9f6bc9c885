//! How the files of an archive vouch for one another: signature → Release → index → package.
//!
//! Both sides of the gap go this way, the collector over what it fetches and the publisher over what was carried.

use std::borrow::Cow;
use std::io::Read;

use super::index_blocks::{EntryForm, IndexBlocks};
use super::packages::{BinaryPackage, ControlFields, SourceFile, SourceStanza, packages, sources, split_source};
use super::pdiff::PdiffIndex;
use super::relation::{is_name, is_version};
use super::release::Release;
use super::slim_index::slim;
use crate::formats::Invalid;
use crate::formats::compression::{Compression, parallel_reader};
use crate::formats::openpgp::{Keyring, SignedBytes, Signer};
use crate::formats::signed_digest::SignedDigest;
use crate::path::{MalformedPath, PublishPath};

/// The file of a suite that is signed in itself.
pub const IN_RELEASE: &str = "InRelease";
/// The file of a suite that is signed beside itself.
pub const RELEASE: &str = "Release";
/// The signature beside it.
pub const RELEASE_GPG: &str = "Release.gpg";
/// The largest signed file that is read, in bytes; Debian's are below 300 kB.
pub const MAX_RELEASE_BYTES: u64 = 16 << 20;
/// The largest index that is carried, in bytes as it is at upstream.
pub const MAX_INDEX_BYTES: u64 = 1 << 30;
/// The largest index whose text is read into memory, in bytes uncompressed; Debian's largest has some 60 MB.
pub const MAX_INDEX_TEXT_BYTES: u64 = 192 << 20;

/// The longest name and version of a source package, in bytes together.
const MAX_SOURCE_BYTES: usize = 4096;

impl PdiffIndex {
    /// Reads the text of the Index at `path`, which the Release vouches for.
    pub fn read(text: &[u8], path: &PublishPath) -> Result<Self, Invalid> {
        Self::parse(text, path).map_err(|error| Invalid::new(format!("cannot read {path}")).because(error))
    }
}

/// Reads an index, expanded as the name at the end of `path` says, in parts of whole entries. `signed` is the size that the Release
/// names for the plain file. Reading fails for a text of more bytes than that, or than [`MAX_INDEX_TEXT_BYTES`].
pub fn expand_blocks<'r>(
    bytes: impl Read + Send + 'r,
    path: &PublishPath,
    form: EntryForm,
    signed: Option<u64>,
) -> Result<IndexBlocks<'r>, Invalid> {
    IndexBlocks::new(bytes, Compression::of_name(path.as_str()), form, text_cap(signed))
}

/// For `map_err`: the error of an index that cannot be expanded.
pub fn cannot_expand(path: &PublishPath) -> impl Fn(Invalid) -> Invalid {
    move |error| Invalid::new(format!("cannot expand {path}")).because(error)
}

fn text_cap(signed: Option<u64>) -> u64 {
    signed.map_or(MAX_INDEX_TEXT_BYTES, |size| size.min(MAX_INDEX_TEXT_BYTES))
}

/// Reads an index as [`slim`] keeps it, under the caps of [`expand_blocks`]. Memory is needed for what is kept alone.
pub fn expand_slim(bytes: impl Read + Send, path: &PublishPath, signed: Option<u64>) -> Result<Vec<u8>, Invalid> {
    let packed = Compression::of_name(path.as_str());
    let text = parallel_reader(bytes, packed).and_then(|text| slim(text, packed, text_cap(signed)));
    text.map_err(cannot_expand(path))
}

/// A Release whose signature was good, and who made it.
#[derive(Debug)]
pub struct SignedRelease {
    /// What it says.
    pub release: Release,
    /// Whose signatures were good.
    pub signers: Vec<Signer>,
}

/// Verifies a suite's signature with `keyring` as of `now` (in Unix seconds), and reads the text from the verifier.
pub fn read_release(bytes: SignedBytes<'_>, keyring: &Keyring, now: i64) -> Result<SignedRelease, Invalid> {
    let verified = bytes.verify(keyring, now);
    let (text, signers) = verified.map_err(|error| Invalid::new("its signature is not good").because(error))?;
    let release = Release::parse(&text);
    let release = release.map_err(|error| Invalid::new("it is no usable Release file").because(error))?;
    Ok(SignedRelease { release, signers })
}

/// The place of a file with this digest below the folder of its index, for archives with `Acquire-By-Hash`.
pub fn by_hash(digest: &SignedDigest) -> String {
    format!("by-hash/{}/{}", digest.kind().as_str().to_ascii_uppercase(), digest.to_hex())
}

/// What an index lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IndexKind {
    /// Binary packages.
    Packages,
    /// Source packages.
    Sources,
}

/// The name of an index below its suite, such as `main/binary-amd64/Packages.xz`, or `Packages.xz` of a flat suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexName<'a> {
    /// The component; empty in a flat suite.
    pub component: &'a str,
    /// The architecture; `source` for source packages, and empty in a flat suite, whose index is of all architectures.
    pub architecture: &'a str,
    /// What it lists.
    pub kind: IndexKind,
    /// How it is compressed.
    pub compression: Compression,
}

impl<'a> IndexName<'a> {
    /// Reads the name; none if it is not one of an index of packages.
    pub fn parse(path: &'a str) -> Option<Self> {
        let Some((rest, file)) = path.rsplit_once('/') else { return Self::parse_flat(path) };
        let (component, folder) = rest.rsplit_once('/')?;
        let compression = Compression::of_name(file);
        let plain = file.strip_suffix(compression.suffix())?;
        let (kind, architecture) = match plain {
            "Packages" => (IndexKind::Packages, folder.strip_prefix("binary-")?),
            "Sources" if folder == "source" => (IndexKind::Sources, "source"),
            _ => return None,
        };
        (!component.is_empty()).then_some(Self { component, architecture, kind, compression })
    }

    /// Reads the name of an index of a flat suite.
    fn parse_flat(file: &'a str) -> Option<Self> {
        let compression = Compression::of_name(file);
        let kind = match file.strip_suffix(compression.suffix())? {
            "Packages" => IndexKind::Packages,
            "Sources" => IndexKind::Sources,
            _ => return None,
        };
        Some(Self { component: "", architecture: "", kind, compression })
    }

    /// Returns whether it is an index of a flat suite.
    pub fn is_flat(&self) -> bool {
        self.component.is_empty()
    }

    /// The path of the uncompressed index below its suite.
    pub fn plain_path(&self) -> String {
        match self.kind {
            IndexKind::Packages if self.is_flat() => "Packages".to_owned(),
            IndexKind::Sources if self.is_flat() => "Sources".to_owned(),
            IndexKind::Packages => format!("{}/binary-{}/Packages", self.component, self.architecture),
            IndexKind::Sources => format!("{}/source/Sources", self.component),
        }
    }
}

/// One stanza of an index: a package and the files that it vouches for.
#[derive(Debug)]
pub struct IndexEntry<'a> {
    /// `Package`.
    pub name: &'a str,
    /// `Version`.
    pub version: &'a str,
    /// `Architecture`; `source` for a source package.
    pub architecture: &'a str,
    /// The source package, if it has another name or version.
    pub source: Option<SourceName<'a>>,
    /// The stanza's bytes, exact but for paths, which are normalized.
    pub stanza: Cow<'a, [u8]>,
    /// Its files.
    pub files: Vec<EntryFile>,
    /// The first path that is none. There are no files then: we could never carry them.
    pub malformed: Option<MalformedPath>,
}

/// Name and version of a source package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceName<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
}

impl<'a> SourceName<'a> {
    /// Reads the field `Source` of a binary package; `None` if it names no other package or version, or is malformed.
    pub fn of_field(field: &'a str, package: Self) -> Option<Self> {
        let (name, version) = split_source(field);
        Self { name: name.unwrap_or(package.name), version: version.unwrap_or(package.version) }.other_than(package)
    }

    fn of(control: &ControlFields<'a>) -> Option<Self> {
        let source = Self { name: control.source, version: control.source_version };
        source.other_than(Self { name: control.name, version: control.version })
    }

    fn other_than(self, package: Self) -> Option<Self> {
        let is_short = self.name.len() + self.version.len() <= MAX_SOURCE_BYTES;
        (self != package && is_short && is_name(self.name) && is_version(self.version)).then_some(self)
    }
}

/// A file that an entry vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFile {
    /// Its path below the root of the archive.
    pub path: PublishPath,
    /// The same as upstream writes it, if that is another text: `./pool/a.deb`, `pool//a.deb`.
    pub listed_path: Option<String>,
    /// In bytes.
    pub size: u64,
    /// Its digest.
    pub digest: SignedDigest,
}

impl EntryFile {
    /// The path by which upstream's server knows it.
    pub fn upstream_path(&self) -> &str {
        self.listed_path.as_deref().unwrap_or(self.path.as_str())
    }

    fn new(listed_path: &str, size: u64, digest: SignedDigest) -> Result<Self, MalformedPath> {
        let path = PublishPath::normalized(listed_path)?;
        let listed_path = (path.as_str() != listed_path).then(|| listed_path.to_owned());
        Ok(Self { path, listed_path, size, digest })
    }
}

/// The entries of an uncompressed index.
pub fn entries(kind: IndexKind, text: &[u8]) -> Box<dyn Iterator<Item = Result<IndexEntry<'_>, Invalid>> + '_> {
    match kind {
        IndexKind::Packages => Box::new(packages(text).map(|package| package.map(IndexEntry::of_package))),
        IndexKind::Sources => Box::new(sources(text).map(|source| source.map(|source| IndexEntry::of_source(&source)))),
    }
}

impl<'a> IndexEntry<'a> {
    fn of_package(package: BinaryPackage<'a>) -> Self {
        let BinaryPackage { control, stanza, .. } = package;
        let (files, malformed) = match EntryFile::new(package.filename, package.size, package.digest) {
            Ok(file) => (vec![file], None),
            Err(error) => (Vec::new(), Some(error)),
        };
        Self {
            name: control.name,
            version: control.version,
            architecture: control.architecture,
            source: SourceName::of(&control),
            stanza: files.first().map_or(Cow::Borrowed(stanza.bytes()), |file| package.stanza_with(&file.path)),
            malformed,
            files,
        }
    }

    fn of_source(source: &SourceStanza<'a>) -> Self {
        let file = |f: &SourceFile<'_>| EntryFile::new(&source.listed_path(f), f.size, f.digest);
        let files: Result<Vec<_>, _> = source.files.iter().map(file).collect();
        Self {
            name: source.name,
            version: source.version,
            architecture: "source",
            source: None,
            stanza: source.normalized_stanza(),
            malformed: files.as_ref().err().cloned(),
            files: files.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_names() {
        let name = IndexName::parse("main/binary-amd64/Packages.xz").unwrap();
        assert_eq!((name.component, name.architecture, name.compression), ("main", "amd64", Compression::Xz));
        assert_eq!(name.plain_path(), "main/binary-amd64/Packages");
        let name = IndexName::parse("non-free/firmware/source/Sources").unwrap();
        assert_eq!((name.component, name.kind), ("non-free/firmware", IndexKind::Sources));
        let name = IndexName::parse("Packages.gz").unwrap();
        assert_eq!((name.is_flat(), name.architecture, name.plain_path().as_str()), (true, "", "Packages"));
        assert_eq!(IndexName::parse("Sources").unwrap().kind, IndexKind::Sources);
        for other in [
            "main/Contents-amd64.gz",
            "x/Packages",
            "/binary-amd64/Packages",
            "/source/Sources",
            "main/i18n/Translation-en.xz",
            "main/binary-amd64/Release",
        ] {
            assert_eq!(IndexName::parse(other), None, "{other}");
        }
    }
}
