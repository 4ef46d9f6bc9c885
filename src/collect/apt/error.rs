//! Why packages cannot be collected.

use std::path::PathBuf;

use super::closure::ClosureError;
use crate::collect::address::MalformedAddress;
use crate::collect::given::GivenError;
use crate::collect::keyring::KeyringError;
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::fetch::{FetchError, FetchErrors};
use crate::formats::apt::archive::{ArchiveError, IndexFileError};
use crate::formats::apt::preferences::PreferencesError;
use crate::formats::apt::relation::MalformedRelation;
use crate::formats::apt::sources::SourcesError;
use crate::formats::apt::suite_name::SuiteName;
use crate::formats::compression::CompressionError;
use crate::formats::deb::DebError;
use crate::label::Label;
use crate::path::{MalformedPath, PublishPath};
use crate::storage::FileError;
use crate::time::Time;

/// Why packages cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum AptError {
    /// A file that the selection names cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A folder of local packages holds what is not carried.
    #[error(transparent)]
    Folder(#[from] GivenError),
    /// None of the source lists exists.
    #[error("none of these apt source lists exists: {}", list(paths))]
    NoSourceLists {
        /// Where they were looked for.
        paths: Vec<PathBuf>,
    },
    /// The source lists have no entry that is wanted.
    #[error("no enabled deb entry is in {}", list(paths))]
    NothingInSourceLists {
        /// The lists.
        paths: Vec<PathBuf>,
    },
    /// A source list is malformed.
    #[error("{}", path.display())]
    SourceList {
        /// The list.
        path: PathBuf,
        /// What is wrong.
        source: SourcesError,
    },
    /// Preferences are malformed.
    #[error("{}", path.display())]
    Preferences {
        /// Their file.
        path: PathBuf,
        /// The cause.
        source: PreferencesError,
    },
    /// Signed-By has fingerprints, and no file has such a key.
    #[error(
        "no keyring has the keys {} that Signed-By of {url} names: give a keyring in the selection",
        fingerprints.join(", ")
    )]
    NoSuchKey {
        /// The archive.
        url: String,
        /// The fingerprints.
        fingerprints: Vec<String>,
    },
    /// A list of mirrors comes over something else than http, https and files.
    #[error("{url}: lists of mirrors are read over http, https and from files alone")]
    MirrorTransport {
        /// The list.
        url: String,
    },
    /// A list of mirrors cannot be expanded.
    #[error("cannot expand the list of mirrors {url}")]
    MirrorList {
        /// The list.
        url: String,
        /// The cause.
        source: CompressionError,
    },
    /// A list of mirrors names none that can be used.
    #[error("{url} names no mirror that can be used")]
    NoMirrors {
        /// The list.
        url: String,
    },
    /// Nobody says whose signatures count.
    #[error("{url} has no keyring: upstream's signatures are never passed over")]
    NoKeyring {
        /// The archive.
        url: String,
    },
    /// The host's apt trusts no key.
    #[error("an apt source names no keyring, and the host's apt trusts no key: give a keyring in the selection")]
    NoAptKeyrings,
    /// A keyring is not usable.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// An address cannot be made.
    #[error(transparent)]
    Address(#[from] MalformedAddress),
    /// An archive of a source list cannot be given a name.
    #[error(
        "the archive {url} cannot be given a name of its own: write in the selection, for {name}: names = {{ \"{url}\" = \"NAME\" }}"
    )]
    NoName {
        /// The archive.
        url: String,
        /// The source.
        name: String,
    },
    /// Two archives of a source list would have one name.
    #[error(
        "the archives {one} and {other} would both be called {name}: name one of them in the selection, for {source_name}: names = {{ \
         \"{other}\" = \"NAME\" }}"
    )]
    SameName {
        /// One archive.
        one: String,
        /// The other one.
        other: String,
        /// The name that both would get.
        name: Label,
        /// The source.
        source_name: Label,
    },
    /// A suite is signed under another name.
    #[error(
        "{url} was asked for the suite {suite}, and upstream signs {} in it: the mirror passes one suite off as another. If the archive is \
         known to differ, write for {name}: signed-as = {{ \"{suite}\" = \"{}\" }}; its site needs the same in site.toml",
        if signed.is_empty() { "no name".to_owned() } else { signed.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" and ") },
        signed.last().map_or("", String::as_str)
    )]
    OtherSuite {
        /// The archive.
        url: String,
        /// The suite.
        suite: SuiteName,
        /// The suite and codename that are signed.
        signed: Vec<String>,
        /// The source.
        name: Label,
    },
    /// A suite that must be complete by itself is none of the source's.
    #[error("{suite} is to be complete alone, and is no suite of {name}; there are the suites {}", words(known))]
    NoSuchSuite {
        /// The source.
        name: String,
        /// The suite.
        suite: String,
        /// The suites of the source.
        known: Vec<String>,
    },
    /// A suite that must be complete by itself cannot be.
    #[error("the suite {suite} cannot be self-contained: without the other suites its packages have no closure")]
    NotSelfContained {
        /// The suite.
        suite: String,
        /// The cause.
        source: ClosureError,
    },
    /// The Release of a flat suite lists no index of packages.
    #[error("the flat suite {suite} of {url} lists none of the wanted indexes Packages and Sources")]
    NoFlatIndex {
        /// The archive.
        url: String,
        /// The suite.
        suite: SuiteName,
    },
    /// A flat suite is to be published by reprepro.
    #[error(
        "{suite} of {url} is a flat suite, and reprepro publishes none: write publish = \"re-indexed\" or \"verbatim\""
    )]
    FlatForReprepro {
        /// The archive.
        url: String,
        /// The suite.
        suite: SuiteName,
    },
    /// A source package whose build dependencies are asked for is not there.
    #[error(
        "the source {name} has no source package {source_package}, of which build-dep in the selection asks: is the name right, and has a suite with deb-src it?"
    )]
    NoSuchSource {
        /// The source.
        name: String,
        /// The name that is asked for.
        source_package: String,
    },
    /// Build dependencies of a source package are malformed.
    #[error("cannot read the build dependencies of {source_package}")]
    BuildRelations {
        /// The source package.
        source_package: String,
        /// The cause.
        source: MalformedRelation,
    },
    /// Build dependencies of a source package cannot be installed.
    #[error("cannot install the build dependencies of {source_package}")]
    BuildDependencies {
        /// The source package, with its version.
        source_package: String,
        /// The cause.
        source: Box<ClosureError>,
    },
    /// The suite is not there.
    #[error("{url} has no suite {suite}: there is neither InRelease nor Release with Release.gpg")]
    NoSuite {
        /// The archive.
        url: String,
        /// The suite.
        suite: SuiteName,
    },
    /// The suite's signature is not good.
    #[error("cannot trust the suite {suite} of {url}")]
    Suite {
        /// The archive.
        url: String,
        /// The suite.
        suite: SuiteName,
        /// Why not.
        source: ArchiveError,
    },
    /// The Release is of the future.
    #[error("the Release of {suite} is of {date}, and the clock here says {now}: set the clock")]
    FromTheFuture {
        /// The suite.
        suite: SuiteName,
        /// Its date.
        date: Time,
        /// The clock.
        now: Time,
    },
    /// The Release is out of date.
    #[error(
        "the Release of {suite} was valid until {until}: the mirror is stale; if that is meant, set allow-expired = true for {name}"
    )]
    Expired {
        /// The suite.
        suite: SuiteName,
        /// Its Valid-Until.
        until: Time,
        /// The source.
        name: String,
    },
    /// No suite has the component for the architectures.
    #[error(
        "{url} has no component {component} for these architectures; it has the components {}, and the architectures {}",
        words(known),
        words(architectures)
    )]
    NoSuchComponent {
        /// The component.
        component: String,
        /// The archive.
        url: String,
        /// The components that exist.
        known: Vec<String>,
        /// The architectures that exist.
        architectures: Vec<String>,
    },
    /// No suite of the source has packages of the architecture.
    #[error("no suite of {name} has packages for {architecture}; there are the architectures {}", words(known))]
    NoSuchArchitecture {
        /// The source.
        name: String,
        /// The architecture.
        architecture: String,
        /// The architectures that exist.
        known: Vec<String>,
    },
    /// No suite of the source has descriptions in the language.
    #[error("no suite of {name} has descriptions in the language {language}; there are the languages {}", words(known))]
    NoSuchLanguage {
        /// The source.
        name: String,
        /// The language.
        language: String,
        /// The languages that exist.
        known: Vec<String>,
    },
    /// No suite of the source has source packages.
    #[error("no suite of {name} has source packages: leave deb-src out")]
    NoSources {
        /// The source.
        name: String,
    },
    /// An index is larger than any that we know.
    #[error("the index {path} has {size} bytes, more than gapferry reads")]
    IndexTooLarge {
        /// The index.
        path: PublishPath,
        /// Its signed size, in bytes.
        size: u64,
    },
    /// An index cannot be used.
    #[error(transparent)]
    Index(#[from] IndexFileError),
    /// A path of upstream's cannot be carried.
    #[error(transparent)]
    Path(MalformedPath),
    /// A package of one path has two contents.
    #[error("two different files claim the path {path}")]
    TwoFiles {
        /// The path.
        path: PublishPath,
    },
    /// There is nothing to carry.
    #[error("the source {name} yields no packages: all of it is installed already, or its suites are empty")]
    NothingChosen {
        /// The source.
        name: String,
    },
    /// Nothing that is listed can be carried.
    #[error("the source {name} yields no packages that can be carried: {why}")]
    NothingUsable {
        /// The source.
        name: String,
        /// The entries that cannot be carried.
        why: String,
    },
    /// The folder has no .debs.
    #[error("there is no .deb file in {}", folder.display())]
    NoDebs {
        /// The folder.
        folder: PathBuf,
    },
    /// A file is no .deb.
    #[error("{} is not a usable .deb", path.display())]
    Deb {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: DebError,
    },
    /// There is no closure.
    #[error(transparent)]
    Closure(#[from] ClosureError),
    /// A small file cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Something else of collecting failed.
    #[error(transparent)]
    Common(#[from] crate::collect::FetchIntoDepotError),
    /// A depot refused.
    #[error(transparent)]
    Depot(#[from] DepotError),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn words(words: &[String]) -> String {
    let unique: std::collections::BTreeSet<&str> = words.iter().map(String::as_str).collect();
    unique.into_iter().collect::<Vec<_>>().join(" ")
}

impl AptError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::Folder(error) => error.class(),
            Self::NoSourceLists { .. }
            | Self::NothingInSourceLists { .. }
            | Self::SourceList { .. }
            | Self::Preferences { .. }
            | Self::NoSuchKey { .. }
            | Self::NoAptKeyrings
            | Self::NoKeyring { .. }
            | Self::MirrorTransport { .. }
            | Self::MirrorList { .. }
            | Self::NoMirrors { .. }
            | Self::Address(_)
            | Self::NoName { .. }
            | Self::SameName { .. }
            | Self::NoSuchComponent { .. }
            | Self::NoSuchArchitecture { .. }
            | Self::NoSuchLanguage { .. }
            | Self::NoSources { .. }
            | Self::NoSuchSuite { .. }
            | Self::FlatForReprepro { .. }
            | Self::NotSelfContained { .. }
            | Self::NoSuchSource { .. }
            | Self::BuildDependencies { .. }
            | Self::NothingChosen { .. }
            | Self::NoDebs { .. } => ErrorClass::Usage,
            Self::NoSuite { .. } => ErrorClass::UpstreamUnavailable,
            Self::Expired { .. } | Self::FromTheFuture { .. } => ErrorClass::Refused,
            Self::Suite { .. }
            | Self::NoFlatIndex { .. }
            | Self::OtherSuite { .. }
            | Self::NothingUsable { .. }
            | Self::IndexTooLarge { .. }
            | Self::Path(_)
            | Self::TwoFiles { .. }
            | Self::BuildRelations { .. }
            | Self::Deb { .. } => ErrorClass::VerificationFailed,
            Self::Keyring(error) => error.class(),
            Self::Index(error) => error.class(),
            Self::Closure(error) => error.class(),
            Self::Fetch(error) => error.class(),
            Self::Common(error) => error.class(),
            Self::Depot(error) => error.class(),
        }
    }
}

impl From<FetchErrors> for AptError {
    fn from(errors: FetchErrors) -> Self {
        Self::Common(errors.into())
    }
}
