//! Package indexes: the stanzas of Packages, Sources and of dpkg's status file, as views on the text.

use std::borrow::Cow;

use crate::formats::Invalid;
use crate::formats::signed_digest::{DigestKind, SignedDigest};
use crate::path::{MalformedPath, PublishPath};

use super::deb822::{Stanza, Stanzas, lines};
use super::relation;

use fields::{Known, Name};
pub(super) use fields::{is_read, split_source};

mod fields;

/// How a package may satisfy relations of other architectures (the `Multi-Arch` field).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MultiArch {
    /// Only those of its own.
    #[default]
    No,
    /// Only those of its own, while several architectures of it can be installed together.
    Same,
    /// Those of every architecture.
    Foreign,
    /// Its own, and of others those that ask with `:any`.
    Allowed,
}

/// How much a system needs a package (the `Priority` field), the most important first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// The system does not work without it.
    Required,
    /// Expected on any Unix-like system.
    Important,
    /// A small, complete system in text mode.
    Standard,
    /// Everything else.
    #[default]
    Optional,
    /// Deprecated; counts below optional.
    Extra,
}

/// What a binary package says of itself: the part of its control data that decides what goes with what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlFields<'a> {
    /// `Package`.
    pub name: &'a str,
    /// `Version`.
    pub version: &'a str,
    /// `Architecture`; `all` where it does not matter.
    pub architecture: &'a str,
    /// `Priority`; optional where it is absent or unknown.
    pub priority: Priority,
    /// `Source` without a version in parentheses; the package's own name where it is absent.
    pub source: &'a str,
    /// The version in parentheses in `Source`; the package's own if that has none.
    pub source_version: &'a str,
    /// `Essential: yes`.
    pub essential: bool,
    /// `Important: yes` or `Protected: yes`.
    pub protected: bool,
    /// In dpkg's status: the administrator wants it to stay as it is (`hold`).
    pub hold: bool,
    /// `Multi-Arch`.
    pub multi_arch: MultiArch,
    /// `Pre-Depends`, unparsed; this and those below are empty where absent. See [`relation::parse`].
    pub pre_depends: &'a str,
    /// `Depends`, unparsed.
    pub depends: &'a str,
    /// `Recommends`, unparsed.
    pub recommends: &'a str,
    /// `Suggests`, unparsed.
    pub suggests: &'a str,
    /// `Conflicts`, unparsed.
    pub conflicts: &'a str,
    /// `Breaks`, unparsed.
    pub breaks: &'a str,
    /// `Replaces`, unparsed.
    pub replaces: &'a str,
    /// `Enhances`, unparsed.
    pub enhances: &'a str,
    /// `Provides`, unparsed.
    pub provides: &'a str,
    /// `Task`, unparsed: names separated by commas.
    pub task: &'a str,
}

/// A binary package of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryPackage<'a> {
    /// What it says of itself.
    pub control: ControlFields<'a>,
    /// `Filename`: where the .deb is, below the root of the archive. See [`BinaryPackage::path`].
    pub filename: &'a str,
    /// `Size` of the .deb, in bytes.
    pub size: u64,
    /// `SHA256` of the .deb, or `SHA512` if that stands alone.
    pub digest: SignedDigest,
    /// The stanza that says all this.
    pub stanza: Stanza<'a>,
}

/// A source package of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStanza<'a> {
    /// `Package`.
    pub name: &'a str,
    /// `Version`.
    pub version: &'a str,
    /// `Directory` that holds the files, below the root of the archive; the root itself where it is empty.
    pub directory: &'a str,
    /// The files of `Checksums-Sha256`, or of `Checksums-Sha512` if that stands alone.
    pub files: Vec<SourceFile<'a>>,
    /// The stanza that says all this.
    pub stanza: Stanza<'a>,
}

/// One file of a source package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceFile<'a> {
    /// Its name within [`SourceStanza::directory`].
    pub name: &'a str,
    /// Bytes.
    pub size: u64,
    /// Its digest.
    pub digest: SignedDigest,
}

/// The packages of a Packages index.
pub fn packages(text: &[u8]) -> impl Iterator<Item = Result<BinaryPackage<'_>, Invalid>> {
    Stanzas::new(text).map(BinaryPackage::new)
}

/// The packages of a Sources index.
pub fn sources(text: &[u8]) -> impl Iterator<Item = Result<SourceStanza<'_>, Invalid>> {
    Stanzas::new(text).map(SourceStanza::new)
}

/// The packages that dpkg's status file (or `dpkg --print-avail` like text) says are installed.
///
/// Those that are removed with their configuration left (`config-files`), or not fully unpacked, do not count.
pub fn installed(status: &[u8]) -> impl Iterator<Item = (Stanza<'_>, Result<ControlFields<'_>, Invalid>)> {
    Stanzas::new(status).filter(is_installed).map(|stanza| (stanza, ControlFields::new(stanza)))
}

fn is_installed(stanza: &Stanza<'_>) -> bool {
    let state = stanza.field("Status").and_then(|status| status.split_whitespace().nth(2));
    matches!(state, Some("installed" | "unpacked" | "half-configured" | "triggers-awaited" | "triggers-pending"))
}

impl<'a> ControlFields<'a> {
    /// Reads the control data of one binary package.
    pub fn new(stanza: Stanza<'a>) -> Result<Self, Invalid> {
        Known::collect(stanza)?.control()
    }
}

impl<'a> BinaryPackage<'a> {
    /// Reads one stanza of a Packages index.
    pub fn new(stanza: Stanza<'a>) -> Result<Self, Invalid> {
        let known = Known::collect(stanza)?;
        let control = known.control()?;
        let (digest, field, kind) = known.strongest(Name::Sha256, Name::Sha512);
        if digest.is_empty() {
            return Err(Invalid::at(control.name, "it has no digest of SHA-256 or SHA-512"));
        }
        let malformed = |field| fields::malformed(control.name, field);
        Ok(Self {
            control,
            filename: known.need(Name::Filename)?,
            size: known.need(Name::Size)?.parse().map_err(|_| malformed("Size"))?,
            digest: kind.parse(digest).map_err(|_| malformed(field))?,
            stanza,
        })
    }

    /// Where the .deb is, below the root of the archive.
    pub fn path(&self) -> Result<PublishPath, MalformedPath> {
        PublishPath::normalized(self.filename)
    }

    /// The bytes of the stanza, with `path` as `Filename`.
    pub fn stanza_with(&self, path: &PublishPath) -> Cow<'a, [u8]> {
        with_value(self.stanza, self.filename, path.as_str())
    }
}

impl<'a> SourceStanza<'a> {
    /// Reads one stanza of a Sources index.
    pub fn new(stanza: Stanza<'a>) -> Result<Self, Invalid> {
        let known = Known::collect(stanza)?;
        let name = known.need(Name::Package)?;
        let malformed = |field| fields::malformed(name, field);
        if !relation::is_name(name) {
            return Err(malformed("Package"));
        }
        let (list, field, kind) = known.strongest(Name::ChecksumsSha256, Name::ChecksumsSha512);
        let files: Option<Vec<_>> = lines(list).map(|line| SourceFile::new(kind, line)).collect();
        let files = files.ok_or_else(|| malformed(field))?;
        if files.is_empty() {
            return Err(Invalid::at(name, "it has no digest of SHA-256 or SHA-512"));
        }
        let version = known.need(Name::Version)?;
        Ok(Self { name, version, directory: known.get(Name::Directory), files, stanza })
    }

    /// Where `file` is, below the root of the archive.
    pub fn path(&self, file: &SourceFile<'_>) -> Result<PublishPath, MalformedPath> {
        PublishPath::normalized(&self.listed_path(file))
    }

    /// The same, with the directory as it is written.
    pub fn listed_path(&self, file: &SourceFile<'_>) -> String {
        match self.directory {
            "" => file.name.to_owned(),
            directory => format!("{}/{}", directory.trim_end_matches('/'), file.name),
        }
    }

    /// The bytes of the stanza, with `Directory` written as in [`SourceStanza::path`]: empty for the root of the archive.
    pub fn normalized_stanza(&self) -> Cow<'a, [u8]> {
        let directory = PublishPath::normalized(self.directory);
        with_value(self.stanza, self.directory, directory.as_ref().map(PublishPath::as_str).unwrap_or_default())
    }
}

impl<'a> SourceFile<'a> {
    fn new(kind: DigestKind, line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let digest = kind.parse(words.next()?).ok()?;
        let size = words.next()?.parse().ok()?;
        let name = words.next()?;
        words.next().is_none().then_some(Self { name, size, digest })
    }
}

/// The bytes of `stanza` with `new` in place of `value`, which is a part of it.
fn with_value<'a>(stanza: Stanza<'a>, value: &'a str, new: &str) -> Cow<'a, [u8]> {
    let bytes = stanza.bytes();
    let at = (value.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize);
    let around = at.and_then(|at| Some((bytes.get(..at)?, bytes.get(at..)?.strip_prefix(value.as_bytes())?)));
    match around {
        Some((before, after)) if value != new => Cow::Owned([before, new.as_bytes(), after].concat()),
        _ => Cow::Borrowed(bytes),
    }
}

impl Priority {
    /// The priority of this name; [`Priority::Optional`] for any other text, as apt has it.
    pub fn of(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }
}

impl std::str::FromStr for Priority {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "required" => Ok(Self::Required),
            "important" => Ok(Self::Important),
            "standard" => Ok(Self::Standard),
            "optional" => Ok(Self::Optional),
            "extra" => Ok(Self::Extra),
            _ => Err(Invalid::new("not one of required, important, standard, optional, extra")),
        }
    }
}

impl std::fmt::Display for Priority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Required => "required",
            Self::Important => "important",
            Self::Standard => "standard",
            Self::Optional => "optional",
            Self::Extra => "extra",
        })
    }
}

impl MultiArch {
    fn of(text: &str) -> Self {
        match text {
            "same" => Self::Same,
            "foreign" => Self::Foreign,
            "allowed" => Self::Allowed,
            _ => Self::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::Sha256;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn index() -> String {
        include_str!("../../../fixtures/apt/one.Packages").to_owned()
    }

    #[test]
    fn a_stanza_of_packages_is_a_view() {
        let text = index();
        let package = packages(text.as_bytes()).next().unwrap().unwrap();
        let control = package.control;
        assert_eq!(
            (control.name, control.version, control.architecture, control.source),
            ("a", "1:2-3", "amd64", "src")
        );
        assert_eq!(
            (control.multi_arch, control.priority, control.essential),
            (MultiArch::Same, Priority::Required, true)
        );
        assert_eq!((control.depends, control.recommends, package.size), ("b,\n c", "", 12));
        assert_eq!((package.path().unwrap().as_str(), package.digest), ("pool/a.deb", Sha256::of(b"").into()));
        assert_eq!(package.stanza.bytes(), text.trim_end().as_bytes());
    }

    #[test]
    fn refuses_missing_malformed_and_weak_fields() {
        let first = |text: &str| packages(text.as_bytes()).next().unwrap().unwrap_err();
        assert_eq!(
            first(&index().replace("SHA256", "MD5sum").replace("Package: a", "Package: weak")),
            Invalid::at("weak", "it has no digest of SHA-256 or SHA-512")
        );
        assert_eq!(first(&index().replace("Size: 12", "Size: -1")), fields::malformed("a", "Size"));
        assert_eq!(first(&index().replace("Filename", "X")), Invalid::at("a", "the field Filename is missing"));
        assert_eq!(first(&index().replace("Package: a", "Package: ../a")), fields::malformed("../a", "Package"));
    }

    #[test]
    fn the_last_of_two_fields_counts() {
        let text = index().replace("Description: \u{fc}", "filename: pool/b.deb");
        let package = packages(text.as_bytes()).next().unwrap().unwrap();
        assert_eq!(package.path().unwrap().as_str(), "pool/b.deb");
    }

    #[test]
    fn stanzas_are_written_with_normalized_paths() {
        let text = index().replace("pool/a.deb", ".//pool/./a.deb");
        let package = packages(text.as_bytes()).next().unwrap().unwrap();
        let path = package.path().unwrap();
        assert_eq!(package.stanza_with(&path).as_ref(), index().trim_end().as_bytes());

        let text = format!("Package: s\nVersion: 1\nDirectory: ./pool//s\nChecksums-Sha256:\n {DIGEST} 3 s_1.dsc\n");
        let written = |text: &str| {
            let source = sources(text.as_bytes()).next().unwrap().unwrap();
            let path = source.path(&source.files[0]).unwrap().to_string();
            (path, String::from_utf8(source.normalized_stanza().into_owned()).unwrap())
        };
        let expected = text.replace("./pool//s", "pool/s");
        assert_eq!(written(&text), ("pool/s/s_1.dsc".to_owned(), expected.trim_end().to_owned()));
        let root = text.replace("./pool//s", ".");
        assert_eq!(written(&root), ("s_1.dsc".to_owned(), root.replace(" .\n", " \n").trim_end().to_owned()));
    }

    #[test]
    fn a_path_that_leaves_the_archive_is_refused_when_asked_for() {
        let text = index().replace("pool/a.deb", "../a.deb");
        assert!(packages(text.as_bytes()).next().unwrap().unwrap().path().is_err());
    }

    #[test]
    fn sources_name_their_files() {
        let text = format!(
            "Package: s\nVersion: 1\nDirectory: pool/s\nChecksums-Sha256:\n {DIGEST} 3 s_1.dsc\n {DIGEST} 4 s_1.tar.xz\n"
        );
        let source = sources(text.as_bytes()).next().unwrap().unwrap();
        let paths: Vec<_> =
            source.files.iter().map(|file| (source.path(file).unwrap().to_string(), file.size)).collect();
        assert_eq!(paths, [("pool/s/s_1.dsc".to_owned(), 3), ("pool/s/s_1.tar.xz".to_owned(), 4)]);
        assert!(sources(text.replace(" 3 ", " ").as_bytes()).next().unwrap().is_err());
    }

    #[test]
    fn only_what_is_installed_counts() {
        let one =
            |name: &str, state: &str| format!("Package: {name}\nStatus: {state}\nVersion: 1\nArchitecture: all\n\n");
        let status = [
            one("a", "install ok installed"),
            one("b", "deinstall ok config-files"),
            one("c", "install ok triggers-pending"),
            one("d", "install reinstreq half-installed"),
        ]
        .concat();
        let names: Vec<_> = installed(status.as_bytes()).map(|(_, control)| control.unwrap().name).collect();
        assert_eq!(names, ["a", "c"]);
    }

    proptest! {
        #[test]
        fn a_rewritten_stanza_differs_in_its_path_alone(path in "[./]{0,3}[a-z][./a-z]{0,12}") {
            let text = index().replace("pool/a.deb", &path);
            let package = packages(text.as_bytes()).next().unwrap().unwrap();
            if let Ok(path) = package.path() {
                let written = package.stanza_with(&path).into_owned();
                let again = packages(&written).next().unwrap().unwrap();
                prop_assert_eq!((again.control, again.size, again.digest), (package.control, package.size, package.digest));
                prop_assert_eq!((again.filename, again.path()), (path.as_str(), Ok(path.clone())));
            }
        }

        #[test]
        fn any_stanza_is_read_or_refused(text in "((Package|Version|Size|SHA256|Checksums-Sha256): \\PC{0,20}\n){0,8}") {
            packages(text.as_bytes()).for_each(drop);
            sources(text.as_bytes()).for_each(drop);
            installed(text.as_bytes()).for_each(drop);
        }
    }
}
