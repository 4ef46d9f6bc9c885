//! Why packages cannot be collected.

use std::path::PathBuf;

use super::closure::ClosureError;
use crate::collect::address::MalformedAddress;
use crate::collect::keyring::KeyringError;
use crate::collect::named_files::NamedFileError;
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::fetch::{FetchError, FetchErrors};
use crate::formats::{Invalid, ReadError};

use crate::formats::apt::suite_name::SuiteName;
use crate::label::Label;
use crate::path::{MalformedPath, PublishPath};
use crate::storage::FileError;
use crate::terminal::safe;
use crate::time::Time;

/// Why packages cannot be collected.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum AptError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Folder(#[from] NamedFileError),
    #[error("none of these apt source lists exists: {}", list(paths))]
    NoSourceLists { paths: Vec<PathBuf> },
    #[error("no enabled deb entry is in {}", list(paths))]
    NothingInSourceLists { paths: Vec<PathBuf> },
    #[error("{}", path.display())]
    SourceList { path: PathBuf, source: Invalid },
    #[error("{}", path.display())]
    Preferences { path: PathBuf, source: Invalid },
    #[error(
        "no keyring has the keys {} that Signed-By of {url} names: give a keyring in the selection",
        fingerprints.join(", ")
    )]
    NoSuchKey { url: String, fingerprints: Vec<String> },
    #[error("{url}: lists of mirrors are read over http, https and from files alone")]
    MirrorTransport { url: String },
    #[error("cannot expand the list of mirrors {url}")]
    MirrorList { url: String, source: Invalid },
    #[error("{url} names no mirror that can be used")]
    NoMirrors { url: String },
    #[error("an apt source names no keyring, and the host's apt trusts no key: give a keyring in the selection")]
    NoAptKeyrings,
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Address(#[from] MalformedAddress),
    #[error(
        "the archive {url} cannot be given a name of its own: write in the selection, for {name}: names = {{ \"{url}\" = \"NAME\" }}"
    )]
    NoName { url: String, name: String },
    #[error(
        "the archives {one} and {other} would both be called {name}: name one of them in the selection, for {source_name}: names = {{ \
         \"{other}\" = \"NAME\" }}"
    )]
    SameName { one: String, other: String, name: Label, source_name: Label },
    #[error(
        "{url} was asked for the suite {suite}, and upstream signs {} in it: the mirror passes one suite off as another. If the archive is \
         known to differ, write for {name}: signed-as = {{ \"{suite}\" = \"{}\" }}; its site needs the same in site.toml",
        if signed.is_empty() { "no name".to_owned() } else { signed.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" and ") },
        signed.last().map_or("", String::as_str)
    )]
    OtherSuite { url: String, suite: SuiteName, signed: Vec<String>, name: Label },
    #[error("{suite} is to be complete alone, and is no suite of {name}; there are the suites {}", render(known))]
    NoSuchSuite { name: String, suite: String, known: Vec<String> },
    #[error("the suite {suite} cannot be self-contained: without the other suites its packages have no closure")]
    NotSelfContained { suite: String, source: ClosureError },
    #[error("the flat suite {suite} of {url} lists none of the wanted indexes Packages and Sources")]
    NoFlatIndex { url: String, suite: SuiteName },
    #[error(
        "{suite} of {url} is a flat suite, and reprepro publishes none: write publish = \"re-indexed\" or \"verbatim\""
    )]
    FlatForReprepro { url: String, suite: SuiteName },
    #[error(
        "the source {name} has no source package {source_package}, of which build-dep in the selection asks: is the name right, and has a suite with deb-src it?"
    )]
    NoSuchSource { name: String, source_package: String },
    #[error("cannot read the build dependencies of {source_package}")]
    BuildRelations { source_package: String, source: Invalid },
    #[error("cannot install the build dependencies of {source_package}")]
    BuildDependencies { source_package: String, source: Box<ClosureError> },
    #[error("{url} has no suite {suite}: there is neither InRelease nor Release with Release.gpg")]
    NoSuite { url: String, suite: SuiteName },
    #[error(
        "the suite {suite} of {url} is signed by nobody: there is a Release, but neither InRelease nor Release.gpg. Packages \
         that you trust all the same can be carried from a folder, with local = \"FOLDER\" in the selection"
    )]
    NotSigned { url: String, suite: SuiteName },
    #[error(
        "the source list takes the suite {suite} of {url} without a good signature ({option}), which gapferry never does: carry \
         the .debs that you trust from a folder, with local = \"FOLDER\" in the selection and its source in allow-unsigned of \
         the site's site.toml, and turn the entry off or leave its suite out of suites"
    )]
    InsecureEntry { url: String, suite: SuiteName, option: &'static str, source: Box<AptError> },
    #[error(
        "the Release of {suite} at {url} lists {}: apt looks for this path without ./ and double slashes, and finds no index. \
         Upstream must list it so",
        safe(found)
    )]
    RespelledIndex { url: String, suite: SuiteName, found: String },
    #[error("cannot trust the suite {suite} of {url}")]
    Suite { url: String, suite: SuiteName, source: Invalid },
    #[error("the Release of {suite} is of {date}, and the clock here says {now}: set the clock")]
    FromTheFuture { suite: SuiteName, date: Time, now: Time },
    #[error(
        "the Release of {suite} was valid until {until}: the mirror is stale; if that is meant, set allow-expired = true for {name}"
    )]
    Expired { suite: SuiteName, until: Time, name: String },
    #[error(
        "{url} has no component {component} for these architectures; it has the components {}, and the architectures {}",
        render(known),
        render(architectures)
    )]
    NoSuchComponent { component: String, url: String, known: Vec<String>, architectures: Vec<String> },
    #[error("no suite of {name} has packages for {architecture}; there are the architectures {}", render(known))]
    NoSuchArchitecture { name: String, architecture: String, known: Vec<String> },
    #[error(
        "no suite of {name} has descriptions in the language {language}; there are the languages {}",
        render(known)
    )]
    NoSuchLanguage { name: String, language: String, known: Vec<String> },
    #[error("no suite of {name} has source packages: leave deb-src out")]
    NoSources { name: String },
    #[error("the index {path} has {size} bytes, more than gapferry reads")]
    IndexTooLarge { path: PublishPath, size: u64 },
    #[error(transparent)]
    Index(#[from] Invalid),
    #[error(transparent)]
    Path(MalformedPath),
    #[error("two different files claim the path {path}")]
    TwoFiles { path: PublishPath },
    #[error("the source {name} yields no packages: all of it is installed already, or its suites are empty")]
    NothingChosen { name: String },
    #[error("the source {name} yields no packages that can be carried: {why}")]
    NothingUsable { name: String, why: String },
    #[error("there is no .deb file in {}", folder.display())]
    NoDebs { folder: PathBuf },
    #[error("{} is not a usable .deb", path.display())]
    Deb { path: PathBuf, source: ReadError },
    #[error(transparent)]
    Closure(#[from] ClosureError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Common(#[from] crate::collect::FetchIntoDepotError),
    #[error(transparent)]
    Depot(#[from] DepotError),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn render(words: &[String]) -> String {
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
            | Self::NotSigned { .. }
            | Self::InsecureEntry { .. }
            | Self::RespelledIndex { .. }
            | Self::NoFlatIndex { .. }
            | Self::OtherSuite { .. }
            | Self::NothingUsable { .. }
            | Self::IndexTooLarge { .. }
            | Self::Path(_)
            | Self::TwoFiles { .. }
            | Self::BuildRelations { .. }
            | Self::Index(_) => ErrorClass::VerificationFailed,
            Self::Deb { source, .. } => source.class_or(ErrorClass::VerificationFailed),
            Self::Keyring(error) => error.class(),
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
