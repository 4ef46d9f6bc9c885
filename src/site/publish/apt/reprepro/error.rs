//! What can go wrong with reprepro.

use std::path::PathBuf;

use crate::depot::DepotError;
use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::formats::Invalid;
use crate::storage::FileError;
use crate::time::Time;

/// Why reprepro cannot publish a collection. What clients see stays what it was, and the base folder can be used again.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum RepreproError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Depot(#[from] DepotError),
    #[error(
        "{program} is not here: install the package {package} and run the same again, or have the source published with publish = \"re-indexed\", which needs neither"
    )]
    NotInstalled { program: &'static str, package: &'static str },
    #[error(
        "{program} ended with {status}: {said}; once its cause is gone, the same command builds {} again from the depot",
        base.display()
    )]
    Failed { program: String, status: String, said: String, base: PathBuf },
    #[error("{program} said {line:?}, which we do not understand")]
    Unreadable { program: String, line: String },
    #[error("{} is in use by the process {pid}: wait until it is done, then run the same again", base.display())]
    Busy { base: PathBuf, pid: u32 },
    #[error(
        "{} has no secret key {fingerprint} to sign with ({said}): bring it there with `gpg --homedir {} --import FILE`, or change [reprepro] in site.toml, then run the same again",
        home.display(),
        home.display()
    )]
    NoKey { fingerprint: String, home: PathBuf, said: String },
    #[error("the key {fingerprint} in {} is none that clients could check with", home.display())]
    BadKey { fingerprint: String, home: PathBuf, source: Invalid },
    #[error(transparent)]
    OtherBytes(#[from] Box<OtherBytes>),
    #[error(
        "{target} has {package} in the versions {versions}, and reprepro keeps one: have the source published with publish = \"re-indexed\""
    )]
    TwoVersions { target: String, package: String, versions: String },
    #[error(
        "{file} has different bytes in different suites, and reprepro's pool has one place for it: have the source published with publish = \"re-indexed\""
    )]
    TwoFiles { file: String },
    #[error("{what} {text:?} cannot be told to reprepro: have the source published with publish = \"re-indexed\"")]
    Words { what: &'static str, text: String },
    #[error(
        "clients know {suite} by the codename {codename}, and reprepro would publish it as {name}, which apt refuses: keep publish = \"re-indexed\", or give the source another name"
    )]
    Codename { suite: String, codename: String, name: String },
    #[error("{path} as reprepro wrote it is not as it must be: {reason}")]
    NotAsWanted { path: String, reason: String },
    #[error(
        "reprepro dated {suite} {date}, which is not after {published}: apt clients would ignore it, so set the clock"
    )]
    ClockBehind { suite: String, date: Time, published: Time },
}

/// The base folder has a file with other bytes.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} has {path} with the SHA-256 {there}, and it is to be published with {wanted}: if the latter is right, take the former away with `{command}`, then run the same again",
    base.display()
)]
pub struct OtherBytes {
    /// The base folder.
    pub base: PathBuf,
    /// The file in it.
    pub path: String,
    /// What it has.
    pub there: Sha256,
    /// What it is to have.
    pub wanted: Sha256,
    /// What takes it away.
    pub command: String,
}

impl RepreproError {
    /// Whether the base folder may now have what reprepro did not mean to be there: so it has to be built again.
    pub(super) fn leaves_doubt(&self) -> bool {
        matches!(self, Self::File(_) | Self::Failed { .. } | Self::Unreadable { .. } | Self::NotAsWanted { .. })
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::Depot(error) => error.class(),
            Self::NotInstalled { .. }
            | Self::Failed { .. }
            | Self::Unreadable { .. }
            | Self::Busy { .. }
            | Self::NotAsWanted { .. }
            | Self::ClockBehind { .. } => ErrorClass::Failed,
            Self::NoKey { .. } | Self::BadKey { .. } => ErrorClass::Usage,
            Self::OtherBytes(_)
            | Self::TwoVersions { .. }
            | Self::TwoFiles { .. }
            | Self::Words { .. }
            | Self::Codename { .. } => ErrorClass::Refused,
        }
    }
}
